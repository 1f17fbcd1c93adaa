"""What is declared of the two documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
import pytest

from order_assets.domain import documented, ktsp_page, scalev_page
from order_assets.domain.documented import Documented, KtspOrder, ScalevOrder

# They become pseudonyms, if the policy says so; `test_scalev_privacy` sees that they go no further.
PSEUDONYMS = ["customer.email", "customer.phone"]
PAIRS: list[tuple[type[msgspec.Struct], type[Documented]]] = [
    (scalev_page.Order, ScalevOrder),
    (ktsp_page.Order, KtspOrder),
]


class CarelessCustomer(msgspec.Struct):
    """A reader of what is private."""

    email: Any = None


class CarelessOrder(msgspec.Struct):
    """A reader of what is private or not documented."""

    customer: CarelessCustomer | None = None
    region: Any = None
    orderlines: list[CarelessCustomer] | None = None


def parts(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The structs within the type of a field."""
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            yield part
        elif get_origin(part) is list:
            yield from parts(get_args(part)[0])


def undeclared(read: type[msgspec.Struct], declared: type[msgspec.Struct], path: str = "") -> list[str]:
    """Paths of fields that are read although the document does not have them, or they are private."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(declared)}
    wrong = []
    for field in msgspec.structs.fields(read):
        name = field.encode_name
        if name not in fields or fields[name] == documented.Private:
            wrong.append(path + name)
            continue
        for inner, inner_declared in zip(parts(field.type), parts(fields[name]), strict=True):
            wrong += undeclared(inner, inner_declared, f"{path}{name}.")
    return wrong


@pytest.mark.parametrize(("read", "declared"), PAIRS)
def test_what_is_read_is_documented_and_not_private(read: type[msgspec.Struct], declared: type[Documented]) -> None:
    """Without it, a personal field could be read and hashed, or a field of ours be counted as the vendor's news."""
    assert undeclared(read, declared) == (PSEUDONYMS if read is scalev_page.Order else [])


def test_the_check_above_sees_inner_fields() -> None:
    """Without it, that check could look at the order alone and miss what is in its parts."""
    assert undeclared(CarelessOrder, ScalevOrder) == ["customer.email", "region", "orderlines.email"]
