"""The rules of model.md 1.4, one table row per rule, for all four policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_assets.domain import recognition
from order_assets.domain.columns import INSTANT, series, text
from order_assets.domain.lifecycle import MILESTONES
from order_assets.domain.recognition import STATUS_MAP, Policy, Recognition

ORDERED = datetime(2025, 1, 1, tzinfo=UTC)
PAID = datetime(2025, 1, 2, tzinfo=UTC)
SHIPPED = datetime(2025, 1, 3, tzinfo=UTC)
COMPLETED = datetime(2025, 1, 4, tzinfo=UTC)
LOST = datetime(2025, 1, 5, tzinfo=UTC)
POLICIES: tuple[Recognition, ...] = get_args(Recognition)
TIMES = {"paid": PAID, "shipped": SHIPPED, "completed": COMPLETED}


@dataclass(frozen=True)
class Row:
    """The class of one order."""

    order_state: str
    payment_state: str
    recognition_state: str
    lost_kind: str | None
    recognised_at: datetime | None
    recognised_at_source: str | None
    lost_at: datetime | None


def classify(
    status: str | None,
    payment: str | None,
    method: str | None = "bank_transfer",
    times: Mapping[str, datetime] = TIMES,
    recognition_policy: Recognition = "paid",
    policy: Policy | None = None,
) -> Row:
    """Class a single order."""
    firsts = {name: _instants(times.get(name)) for name in MILESTONES}
    classes = recognition.classify(
        text([status]),
        text([payment]),
        text([method]),
        _instants(ORDERED),
        firsts,
        policy or Policy(recognition_policy),
    )
    cells = {name: getattr(classes, name)[0] for name in Row.__dataclass_fields__}
    plain: dict[str, Any] = {name: None if pd.isna(cell) else cell for name, cell in cells.items()}
    return Row(**plain)


def _instants(value: datetime | None) -> pd.Series:
    return series(pa.array([value], INSTANT.pyarrow_dtype))


@pytest.mark.parametrize(
    ("status", "payment", "method", "times", "expected"),
    [
        # 1: draft, even if paid
        ("draft", "unpaid", "cod", {}, ("draft", None)),
        ("draft", "paid", "cod", {}, ("draft", None)),
        # 2: cancelled and returned, even if paid
        ("canceled", "unpaid", "cod", {}, ("lost", "canceled")),
        ("canceled", "paid", "qris", {"rts": LOST}, ("lost", "canceled")),
        ("rts", "unpaid", "cod", {}, ("lost", "rts")),
        ("rts", "settled", "cod", {"canceled": LOST}, ("lost", "rts")),
        ("shipped_rts", "unpaid", "cod", {}, ("lost", "rts")),
        # 3: closed, in the order of the rule
        ("closed", "paid", "cod", {"rts": LOST, "canceled": LOST}, ("lost", "rts")),
        ("closed", "paid", "cod", {"canceled": LOST}, ("lost", "canceled")),
        ("closed", "unpaid", "cod", {"canceled": LOST}, ("lost", "canceled")),
        ("closed", "unpaid", "cod", {}, ("lost", "closed_unpaid")),
        ("closed", None, "cod", {"completed": COMPLETED}, ("lost", "closed_unpaid")),
        ("closed", "conflict", "cod", {}, ("lost", "closed_unpaid")),
        ("closed", "paid", "qris", {}, ("recognised", None)),
        ("closed", "settled", "qris", {}, ("recognised", None)),
        # 4: paid, whatever the status
        ("pending", "paid", "qris", {}, ("recognised", None)),
        ("shipped", "settled", "qris", {}, ("recognised", None)),
        ("a new status", "paid", "qris", {}, ("recognised", None)),
        (None, "paid", "qris", {}, ("recognised", None)),
        # 4: completed by a method that is paid on delivery or elsewhere
        ("completed", "unpaid", "cod", {}, ("recognised", None)),
        ("completed", None, "no_payment", {}, ("recognised", None)),
        ("completed", "unpaid", "marketplace", {}, ("recognised", None)),
        # 5: everything else
        ("completed", "unpaid", "bank_transfer", {"completed": COMPLETED}, ("open", None)),
        ("completed", "conflict", "qris", {}, ("open", None)),
        ("completed", None, None, {}, ("open", None)),
        ("shipped", "unpaid", "cod", {"shipped": SHIPPED}, ("open", None)),
        ("pending", "unpaid", "bank_transfer", {"paid": PAID}, ("open", None)),
        ("pending", "conflict", "bank_transfer", {}, ("open", None)),
        ("pending", "canceled", "bank_transfer", {"canceled": LOST}, ("open", None)),
        ("confirmed", "unpaid", "cod", {}, ("open", None)),
        ("a new status", "unpaid", "cod", {}, ("open", None)),
        (None, None, None, {}, ("open", None)),
    ],
)
def test_paid_policy(
    status: str | None,
    payment: str | None,
    method: str | None,
    times: dict[str, datetime],
    expected: tuple[str, str | None],
) -> None:
    """Without it an order could count as revenue that was not paid, or the other way round."""
    row = classify(status, payment, method, times)
    assert (row.recognition_state, row.lost_kind) == expected


@pytest.mark.parametrize(
    ("meaning", "payment", "expected"),
    [
        ("draft", "paid", ("draft", None)),
        ("open", "unpaid", ("open", None)),
        ("completed", "unpaid", ("recognised", None)),
        ("returned", "paid", ("lost", "rts")),
        ("canceled", "paid", ("lost", "canceled")),
        ("closed", "unpaid", ("lost", "closed_unpaid")),
    ],
)
def test_a_status_of_the_merchants_own_counts_as_what_it_means(
    meaning: str, payment: str, expected: tuple[str, str | None]
) -> None:
    """Without it, the configured map would change a label and not the revenue."""
    policy = Policy(cod_like_methods=("tempo",), status_map={**STATUS_MAP, "own": meaning})
    row = classify("own", payment, "tempo", {}, policy=policy)
    assert (row.order_state, (row.recognition_state, row.lost_kind)) == (meaning, expected)
    assert classify("own", "unpaid", "tempo", {}).recognition_state == "open", "without the map it means nothing"
    assert classify("completed", "unpaid", "cod", {}, policy=policy).recognition_state == "open", "cod is not listed"


@pytest.mark.parametrize(
    ("policy", "status", "payment", "expected", "recognised_at", "source"),
    [
        ("placed", "draft", "paid", "draft", None, None),
        ("placed", "pending", "unpaid", "recognised", ORDERED, "ordered_at"),
        ("placed", "canceled", "unpaid", "recognised", ORDERED, "ordered_at"),
        ("placed", "rts", "unpaid", "recognised", ORDERED, "ordered_at"),
        ("placed", "closed", "unpaid", "recognised", ORDERED, "ordered_at"),
        ("shipped", "draft", "paid", "draft", None, None),
        ("shipped", "pending", "paid", "open", None, None),
        ("shipped", "ready", "paid", "open", None, None),
        ("shipped", "shipped", "unpaid", "recognised", SHIPPED, "shipped_time"),
        ("shipped", "completed", "unpaid", "recognised", SHIPPED, "shipped_time"),
        ("shipped", "canceled", "unpaid", "lost", None, None),
        ("shipped", "rts", "unpaid", "lost", None, None),
        ("shipped", "closed", "unpaid", "lost", None, None),
        ("completed", "draft", "paid", "draft", None, None),
        ("completed", "shipped", "paid", "open", None, None),
        ("completed", "completed", "unpaid", "recognised", COMPLETED, "completed_time"),
        ("completed", "canceled", "unpaid", "lost", None, None),
        ("completed", "shipped_rts", "unpaid", "lost", None, None),
        ("completed", "closed", "unpaid", "lost", None, None),
    ],
)
def test_other_policies(
    policy: Recognition,
    status: str,
    payment: str,
    expected: str,
    recognised_at: datetime | None,
    source: str | None,
) -> None:
    """Without it a merchant's choice of policy could silently do nothing."""
    row = classify(status, payment, recognition_policy=policy)
    assert (row.recognition_state, row.recognised_at, row.recognised_at_source) == (expected, recognised_at, source)


def test_completed_order_without_shipped_time_counts_when_completed() -> None:
    """Without it a completed order would have no date under the policy `shipped`."""
    row = classify("completed", "unpaid", times={"completed": COMPLETED}, recognition_policy="shipped")
    assert (row.recognised_at, row.recognised_at_source) == (COMPLETED, "completed_time")


@pytest.mark.parametrize(
    ("payment", "times", "recognised_at", "source"),
    [
        ("paid", TIMES, PAID, "paid_time"),
        ("settled", TIMES, PAID, "paid_time"),
        ("paid", {"completed": COMPLETED}, COMPLETED, "completed_time"),
        ("unpaid", TIMES, COMPLETED, "completed_time"),
        ("unpaid", {"paid": PAID}, None, None),
        ("paid", {}, None, None),
        ("paid", {"shipped": SHIPPED}, None, None),
    ],
)
def test_recognised_at(
    payment: str, times: dict[str, datetime], recognised_at: datetime | None, source: str | None
) -> None:
    """Without it revenue could move to a day on which nothing was paid or completed, or to the day of the crawl."""
    row = classify("completed", payment, "cod", times)
    assert row.recognition_state == "recognised"
    assert (row.recognised_at, row.recognised_at_source) == (recognised_at, source)


@pytest.mark.parametrize(
    ("status", "payment", "times", "recognised_at", "lost_at"),
    [
        ("canceled", "paid", {"paid": PAID, "canceled": LOST}, PAID, LOST),
        ("rts", "settled", {"paid": PAID, "rts": LOST}, PAID, LOST),
        ("shipped_rts", "unpaid", {"completed": COMPLETED, "rts": LOST}, None, LOST),
        ("canceled", "unpaid", {"paid": PAID}, None, None),
        ("canceled", "unpaid", {"rts": LOST}, None, None),
        ("closed", "unpaid", {"closed": LOST}, None, LOST),
        ("closed", "unpaid", {"rts": LOST, "closed": COMPLETED}, None, LOST),
    ],
)
def test_lost_orders_have_the_movements_they_need(
    status: str, payment: str, times: dict[str, datetime], recognised_at: datetime | None, lost_at: datetime | None
) -> None:
    """Without it an order that was paid and then cancelled would show only one of its two movements."""
    row = classify(status, payment, "cod", times)
    assert row.recognition_state == "lost"
    assert (row.recognised_at, row.lost_at) == (recognised_at, lost_at)


@pytest.mark.parametrize(("status", "state"), [*STATUS_MAP.items(), ("a new one", "unknown"), (None, "unknown")])
def test_order_states(status: str | None, state: str) -> None:
    """Without it a status the vendor adds could stop the load on the table's CHECK."""
    assert classify(status, "paid").order_state == state


@pytest.mark.parametrize(
    ("payment", "state"),
    [(p, p) for p in ("unpaid", "paid", "settled", "conflict")] + [("a new one", "unknown"), (None, "unknown")],
)
def test_payment_states(payment: str | None, state: str) -> None:
    """Without it a payment status the vendor adds could stop the load on the table's CHECK."""
    assert classify("pending", payment).payment_state == state


STATUSES = st.sampled_from([*STATUS_MAP, "paid", "deleted", "weird", None])
PAYMENTS = st.sampled_from(["unpaid", "paid", "settled", "conflict", "weird", None])
METHODS = st.sampled_from(["cod", "bank_transfer", "no_payment", "marketplace", "qris", None])
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2025, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001 - hypothesis takes naive bounds


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(STATUSES, PAYMENTS, METHODS, st.dictionaries(st.sampled_from(MILESTONES), INSTANTS)), max_size=8
    ),
    st.sampled_from(POLICIES),
)
def test_every_order_has_exactly_one_class(
    rows: list[tuple[str | None, str | None, str | None, dict[str, datetime]]], policy: Recognition
) -> None:
    """Without it an unforeseen combination could fall out of every sum, or break the CHECKs of the table."""
    firsts = {
        name: series(pa.array([times.get(name) for *_, times in rows], INSTANT.pyarrow_dtype)) for name in MILESTONES
    }
    ordered = series(pa.array([ORDERED] * len(rows), INSTANT.pyarrow_dtype))
    classes = recognition.classify(
        text([row[0] for row in rows]),
        text([row[1] for row in rows]),
        text([row[2] for row in rows]),
        ordered,
        firsts,
        Policy(policy),
    )
    assert set(classes.recognition_state) <= {"draft", "open", "recognised", "lost"}
    assert (classes.lost_kind.notna() == (classes.recognition_state == "lost")).all()
    assert classes.order_state.notna().all()
    assert classes.payment_state.notna().all()
    assert (classes.recognised_at.isna() == classes.recognised_at_source.isna()).all()
    assert classes.lost_at[classes.lost_kind.isna()].isna().all()
    never = classes.recognition_state.isin(["draft", "open"])
    assert classes.recognised_at[never].isna().all()


def test_assumed_classes_do_not_invent_a_time() -> None:
    """Without it KTSP orders could be dated by the day of the crawl."""
    classes = recognition.assumed(2, series(pa.array([ORDERED, None], INSTANT.pyarrow_dtype)))
    assert classes.recognition_state.tolist() == ["recognised", "recognised"]
    assert classes.payment_state.tolist() == ["assumed_paid", "assumed_paid"]
    assert classes.recognised_at.isna().tolist() == [False, True]
    assert classes.recognised_at_source.isna().tolist() == [False, True]


def test_status_map_is_configuration() -> None:
    """Without it a merchant could not teach the product a status the vendor adds."""
    firsts = {name: _instants(None) for name in MILESTONES}
    policy = Policy(status_map={**STATUS_MAP, "deleted": "canceled"})
    classes = recognition.classify(
        text(["deleted"]), text(["unpaid"]), text(["cod"]), _instants(ORDERED), firsts, policy
    )
    assert classes.order_state.tolist() == ["canceled"]
