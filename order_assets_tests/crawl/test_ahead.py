"""Which batches are derived ahead, and which are not."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from order_assets.crawl.ahead import DerivedAhead, Fetched
from order_assets.warehouse.load import Prepared

_BATCHES = [[1, 2], [3], [4], [5], [6]]
_ACCOUNTS = {number: ("scalev", f"s/{number}") for number in range(1, 7)}


class _Derived:
    """Remembers which batches were begun, and derives nothing."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, batch: Sequence[int]) -> list[Prepared]:
        self.begun.append(list(batch))
        self.may_go_on.wait(30)
        return []

    @contextmanager
    def ahead(self, accounts: dict[int, tuple[str, str]], items: dict[int, int]) -> Iterator[DerivedAhead]:
        """Derive the batches ahead, whose crawls are of these accounts and list so many orders (10 unless given)."""
        known = {number: Fetched(number, account, items.get(number, 10)) for number, account in accounts.items()}
        with DerivedAhead(self, _BATCHES, known, 100) as ahead:
            yield ahead


@pytest.fixture
def derived() -> _Derived:
    """Nothing yet."""
    return _Derived()


def test_two_batches_are_ready_while_one_is_merged(derived: _Derived) -> None:
    """Without it, the server would wait for Python."""
    with derived.ahead(_ACCOUNTS, {}) as ahead:
        assert ahead.take(0) is None
        begun = [ahead.take(place) for place in (1, 2, 3, 4)]
        assert [future.result() for future in begun if future is not None] == [[]] * 4
    assert derived.begun == _BATCHES[1:]


def test_a_third_batch_is_not_begun(derived: _Derived) -> None:
    """Without it, all of a long history would be held in memory as soon as the server is slower than Python."""
    with derived.ahead(_ACCOUNTS, {}) as ahead:
        ahead.take(0)
    assert [5] not in derived.begun


def test_a_crawl_waits_for_one_of_its_account(derived: _Derived) -> None:
    """Without it, what an account's second crawl brings would be told apart from a first one that is not loaded."""
    with derived.ahead(_ACCOUNTS | {4: _ACCOUNTS[3]}, {}) as ahead:
        ahead.take(0)
        begun = ahead.take(1)
        assert begun is not None
        begun.result()
        assert derived.begun == [[3]]
        assert ahead.take(2) is None


def test_a_large_batch_is_not_held_beside_another(derived: _Derived) -> None:
    """Without it, memory would grow with the largest account, three times over."""
    with derived.ahead(_ACCOUNTS, {3: 101}) as ahead:
        ahead.take(0)
        assert ahead.take(1) is None
    assert [3] not in derived.begun


def test_what_was_begun_is_forgotten(derived: _Derived) -> None:
    """Without it, rows could rest on crawls that could not be loaded after all."""
    with derived.ahead(_ACCOUNTS, {}) as ahead:
        derived.may_go_on.clear()
        ahead.take(0)
        ahead.forget()
        derived.may_go_on.set()
        assert ahead.take(1) is None
