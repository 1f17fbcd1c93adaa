"""The same targets with generated input: pages that are well-formed around fields that hold anything."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_assets.domain.documented import Documented
from order_assets_tests.factories import (
    ktsp_order,
    ktsp_page,
    scalev_line,
    scalev_order,
    scalev_page,
)
from order_assets_tests.garbage.targets import TARGETS, count_orders

# No deadline: how fast a machine is says nothing about the code.
modest = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
# json.dumps writes half surrogates as escapes, as an API that cuts an emoji in two does.
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["\0", "\ud83d", "\u202eabc", "<script>", "'; drop table x--", "0001-01-01T00:00:00+07:00", "1e13", "-0", "", " "]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
NAMES = sorted({field.encode_name for shape in Documented.__subclasses__() for field in msgspec.structs.fields(shape)})
ODD_FIELDS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)


SCALEV_ORDERS = st.builds(
    lambda odd, line: scalev_order(orderlines=[scalev_line() | line]) | odd, ODD_FIELDS, ODD_FIELDS
) | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)
KTSP_ORDERS = st.builds(lambda odd: ktsp_order() | odd, ODD_FIELDS) | ODD_FIELDS


@modest
@given(st.lists(SCALEV_ORDERS, max_size=4))
def test_every_scalev_order_of_a_page_is_a_fact(orders: list[dict[str, Any]]) -> None:
    """Without it an odd field could cost its order, or the page that it is on, or come twice."""
    assert count_orders("scalev", scalev_page(orders)) == len(orders)


@modest
@given(st.lists(KTSP_ORDERS, max_size=4))
def test_every_ktsp_order_of_a_page_is_a_fact(orders: list[dict[str, Any]]) -> None:
    """Without it an odd field could cost its order, or the page that it is on, or come twice."""
    assert count_orders("ktsp", ktsp_page(orders)) == len(orders)


@modest
@given(st.lists(SCALARS | VALUES, max_size=8))
def test_amounts_are_exact_or_refused(values: list[Any]) -> None:
    """Without it an amount could be rounded, or a float between page and facts."""
    TARGETS["amounts"](json.dumps(values)[1:-1].encode())


@modest
@given(
    st.lists(st.datetimes().map(lambda moment: moment.isoformat()) | TEXTS, max_size=6),
    st.sampled_from(["", "Z", "+07:00", "-23:59"]),
)
def test_times_are_read_alike_everywhere(texts: list[str], offset: str) -> None:
    """Without it the crawl could take an order for older than the facts do, and stop before a new one."""
    TARGETS["times"]("\n".join(f"{text}{offset}" for text in texts).encode(errors="replace"))


@modest
@given(st.binary(max_size=600))
def test_walks_end(script: bytes) -> None:
    """Without it an API that lies about its pages could keep a crawl busy for ever."""
    TARGETS["walks"](script)
