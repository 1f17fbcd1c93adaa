"""A walk sees everything or says that it did not, and never goes on for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import (
    MAX_EMPTY_PAGES,
    MAX_PASSES,
    CursorWalk,
    NumberWalk,
    PageFacts,
    Status,
    Verdict,
)


def facts(keys: str = "", *, more: bool = True, cursor: str | None = None) -> PageFacts:
    """A page whose orders have names of one letter."""
    return PageFacts(keys=tuple(keys), more=more, next_cursor=cursor)


def cut(orders: str, size: int, number: int) -> PageFacts:
    """Numbered page of a history as a sound server cuts it."""
    return facts(orders[number * size : (number + 1) * size], more=(number + 1) * size < len(orders))


def walk_over(versions: Sequence[str], size: int = 3) -> tuple[NumberWalk, Verdict]:
    """Walk numbered pages of a history that looks like `versions[n]` at request n, and like the last one after that."""
    walk = NumberWalk(page_size=size)
    for request in range(100):
        verdict = walk.advance(cut(versions[min(request, len(versions) - 1)], size, walk.number))
        if verdict is not None:
            return walk, verdict
    raise AssertionError("it never ended")


def follow(walk: CursorWalk | NumberWalk, pages: Sequence[PageFacts]) -> Verdict | None:
    """Give the walk page after page until it ends."""
    for number, page in enumerate(pages, start=1):
        verdict = walk.advance(page)
        if verdict is not None:
            assert number == len(pages), "ended before the last page of the table"
            return verdict
    return None


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([facts("ab", more=False)], Reason.OK),
        ([facts(more=False)], Reason.OK),
        ([facts("ab", cursor="1"), facts("c", more=False)], Reason.OK),
        ([facts("ab", more=False, cursor="1")], Reason.OK),
        ([facts("ab", cursor="1"), facts(cursor="2"), facts("c", more=False)], Reason.OK),
        (2 * [facts("ab", cursor="1"), facts("bc", cursor="2"), facts("cd", more=False)], Reason.OK),
        (2 * [facts("ab", cursor="1"), facts("ab", more=False)], Reason.OK),
        ([facts("ab")], Reason.CURSOR_MISSING),
        ([facts("ab", cursor="")], Reason.CURSOR_MISSING),
        ([facts("ab", cursor="  ")], Reason.CURSOR_MISSING),
        ([facts("ab", cursor="1"), facts("cd", cursor="1")], Reason.CURSOR_REPEATED),
        ([facts("a", cursor="1"), facts("b", cursor="2"), facts("c", cursor="3"), facts("d", cursor="1")],
         Reason.CURSOR_REPEATED),
        ([facts("ab", cursor="1"), facts("ab", cursor="2")], Reason.PAGE_REPEATED),
        ([facts("ab", cursor="1"), facts("cd", cursor="2"), facts("db", cursor="3")], Reason.PAGE_REPEATED),
    ],
)  # fmt: skip
def test_cursor_walk(pages: list[PageFacts], reason: Reason) -> None:
    """Without it a lying cursor could lose orders silently, or be followed for ever."""
    verdict = follow(CursorWalk(), pages)
    assert verdict is not None
    assert verdict.reason is reason
    assert verdict.is_complete == (reason is Reason.OK)
    assert verdict.status is (Status.COMPLETE if reason is Reason.OK else Status.INCOMPLETE)


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([facts("ab", more=False)], Reason.OK),
        (2 * [facts(more=True), facts(more=True)], Reason.OK),
        (2 * [facts(more=True), facts("ab", more=False)], Reason.OK),
        (2 * [facts("ab"), facts("cd"), facts(more=True)], Reason.OK),
        (2 * [facts("ab"), facts("ab"), facts("cd"), facts("e", more=False)], Reason.OK),
        (2 * [facts("ab"), facts("ab", more=False)], Reason.OK),
        ([facts(more=False), facts(more=False)], Reason.OK),
        ([facts(more=False), facts("ab", more=False)], Reason.OK),
        (2 * [facts("ab"), facts("bc"), facts("cd", more=False)], Reason.OK),
        ([facts("ab"), facts("ab"), facts("ab")], Reason.PAGE_REPEATED),
        ([facts("ab"), facts("cd"), facts("cd")], Reason.PAGE_REPEATED),
        ([facts("ab"), facts("cd"), facts("ef"), facts("ab")], Reason.PAGE_REPEATED),
    ],
)
def test_number_walk(pages: list[PageFacts], reason: Reason) -> None:
    """Without it a last page that comes again for ever, or a count from 1, could lose orders or never end."""
    verdict = follow(NumberWalk(), pages)
    assert verdict is not None
    assert verdict.reason is reason
    assert verdict.is_complete == (reason is Reason.OK)


def test_first_repeat_is_harmless_only_from_page_zero() -> None:
    """Without it a server that repeats its first page could pass for one that counts from 1."""
    verdict = follow(NumberWalk(first=1), [facts("ab"), facts("ab")])
    assert verdict is not None
    assert verdict.reason is Reason.PAGE_REPEATED


@pytest.mark.parametrize("walk", [CursorWalk(max_pages=3), NumberWalk(max_pages=3)], ids=["cursor", "number"])
def test_page_cap(walk: CursorWalk | NumberWalk) -> None:
    """Without it a server that invents orders for ever would never be left."""
    verdict = follow(walk, [facts(letter, cursor=letter) for letter in "abc"])
    assert verdict is not None
    assert (verdict.status, verdict.reason) == (Status.INCOMPLETE, Reason.PAGE_CAP)


@pytest.mark.parametrize("walk", [CursorWalk(max_pages=2), NumberWalk(max_pages=2)], ids=["cursor", "number"])
def test_history_that_ends_on_the_last_allowed_page_is_complete(walk: CursorWalk | NumberWalk) -> None:
    """Without it the cap would be off by one."""
    passes = 2 if isinstance(walk, NumberWalk) else 1
    verdict = follow(walk, passes * [facts("a", cursor="1"), facts("b", more=False)])
    assert verdict is not None
    assert verdict.is_complete


def test_empty_pages_are_bounded() -> None:
    """Without it a server that promises more on ever new, empty pages would be followed to the page cap."""
    pages = [facts(cursor=str(number)) for number in range(MAX_EMPTY_PAGES + 1)]
    verdict = follow(CursorWalk(), pages)
    assert verdict is not None
    assert verdict.reason is Reason.PAGE_REPEATED


def test_empty_pages_are_counted_in_a_row() -> None:
    """Without it a long history with some empty pages would be given up."""
    numbers = range(5 * MAX_EMPTY_PAGES)
    pages = [facts("" if n % MAX_EMPTY_PAGES else chr(0x4E00 + n), cursor=str(n)) for n in numbers]
    assert follow(CursorWalk(), pages) is None


def test_where_a_walk_stands() -> None:
    """Without it the next request could ask for the wrong page."""
    cursor, number = CursorWalk(), NumberWalk()
    assert (cursor.cursor, number.number) == (None, 0)
    for walk in (cursor, number):
        walk.advance(facts("aab", cursor="x"))
        walk.advance(facts("bc", cursor="y"))
    assert (cursor.cursor, number.number) == ("y", 2)
    assert (cursor.pages, number.pages) == (2, 2)
    assert (cursor.duplicates, number.duplicates) == (2, 2)


KEYS = st.lists(st.text(min_size=1, max_size=3), max_size=4)


@given(st.lists(KEYS, min_size=1, max_size=15))
def test_cursor_walk_sees_all_of_an_honest_history(batches: list[list[str]]) -> None:
    """Without it an honest server could be called a liar, and its account never be complete."""
    walk, seen = CursorWalk(), set[str]()
    for number, batch in enumerate(batches):
        fresh = tuple(f"{number}-{key}" for key in dict.fromkeys(batch))
        seen |= set(fresh)
        last = number == len(batches) - 1
        verdict = walk.advance(PageFacts(fresh, more=not last, next_cursor=None if last else f"c{number}"))
        assert (verdict is not None) == last
    assert verdict is not None
    assert verdict.is_complete
    assert walk.seen == walk.listed == seen
    assert (walk.duplicates, walk.passes, walk.gone) == (0, 1, set())


@given(st.lists(st.integers(1, 4), min_size=1, max_size=15), st.sampled_from([0, 1]), st.booleans())
def test_number_walk_sees_all_of_an_honest_history(sizes: list[int], base: int, soft_end: bool) -> None:  # noqa: FBT001 - drawn
    """Without it the first page could be lost where the vendor counts from 1, or the last where its end is soft."""
    pages = [tuple(f"{number}-{place}" for place in range(size)) for number, size in enumerate(sizes)]

    def serve(number: int) -> PageFacts:
        index = max(number - base, 0)
        keys = pages[index] if index < len(pages) else ()
        return PageFacts(keys, more=soft_end or index < len(pages) - 1)

    walk, asked, verdict = NumberWalk(), set[str](), None
    while verdict is None:
        page = serve(walk.number)
        asked |= set(page.keys)
        verdict = walk.advance(page)
    assert verdict.is_complete
    assert asked == {key for page in pages for key in page}
    assert walk.pages <= 2 * (len(pages) + 2)


def page_number(number: int) -> PageFacts:
    """The shape of a server: which page it answers to a number."""
    raise NotImplementedError(number)


PAGES = st.builds(
    PageFacts,
    keys=st.lists(st.integers(0, 50).map(str), max_size=5).map(tuple),
    more=st.booleans() | st.just(value=True),
    next_cursor=st.none() | st.integers(0, 50).map(str),
)


@given(
    st.functions(like=page_number, returns=PAGES, pure=True),
    st.sampled_from([CursorWalk, NumberWalk]),
    st.integers(1, 60),
)
def test_no_server_is_followed_for_ever(
    serve: Callable[[int], PageFacts], kind: type[CursorWalk | NumberWalk], cap: int
) -> None:
    """Without it one malicious or broken server would hold a worker for ever."""
    walk = kind(max_pages=cap)
    verdict = None
    for number in range(MAX_PASSES * cap):
        verdict = walk.advance(serve(number))
        if verdict is not None:
            break
    assert verdict is not None
    assert verdict.is_complete or verdict.status is Status.INCOMPLETE
    assert verdict.is_complete == (verdict.reason is Reason.OK)


# Pages that shift, cursors that expire, order


def test_a_history_of_one_numbered_page_is_read_once() -> None:
    """Without it, each member would cost twice the requests for nothing."""
    walk, verdict = walk_over(["ab"])
    assert (verdict.is_complete, walk.pages) == (True, 1)


def test_a_full_last_page_is_not_believed() -> None:
    """Without it, a server that says too early that there is no more would cut the history at a round number."""
    walk = NumberWalk(page_size=2)
    verdict = follow(walk, 2 * [facts("ab", more=False), facts("cd", more=False), facts("e", more=False)])
    assert verdict is not None
    assert verdict.is_complete
    assert walk.seen == set("abcde")


def test_an_order_that_arrives_during_the_walk_loses_none() -> None:
    """Without it, what it pushes onto the next page would count twice, and itself be missed."""
    walk, verdict = walk_over(["abcdefgh", "Xabcdefgh"])
    assert verdict.is_complete
    assert walk.listed == set("Xabcdefgh")
    assert (walk.duplicates, walk.gone, walk.passes) == (1, set(), 2)


@pytest.mark.parametrize("deleted", list("abcdefgh"))
@pytest.mark.parametrize("at", range(1, 6))
def test_an_order_that_vanishes_during_the_walk_takes_none_along(deleted: str, at: int) -> None:
    """Without it, the order that moves up onto a page that was read already would be lost."""
    whole = "abcdefgh"
    walk, verdict = walk_over([whole] * at + [whole.replace(deleted, "")])
    assert verdict.is_complete
    assert walk.listed >= set(whole) - {deleted}
    assert walk.gone <= {deleted}
    assert walk.passes <= 4


def test_pages_that_never_settle_are_called_so() -> None:
    """Without it, a member who buys all the time would be walked for ever, or be called complete."""
    walk, size = NumberWalk(page_size=2), 2
    verdict = None
    for request in range(100):
        history = "".join(chr(0x4E00 + n) for n in range(request // 2, request // 2 + 7))  # each order soon vanishes
        verdict = walk.advance(cut(history, size, walk.number))
        if verdict is not None:
            break
    assert verdict is not None
    assert (verdict.status, verdict.reason) == (Status.INCOMPLETE, Reason.SHIFTED_PAGES)
    assert walk.passes == MAX_PASSES


def test_a_cursor_that_expired_is_begun_anew_once() -> None:
    """Without it, a long history would end where the cursor's life does, or be begun anew for ever."""
    walk = CursorWalk()
    walk.advance(facts("ab", cursor="1"))
    assert walk.restart()
    assert walk.cursor is None
    assert walk.advance(facts("Xa", cursor="1")) is None, "the same cursor may come again after a new beginning"
    verdict = walk.advance(facts("b", more=False))
    assert verdict is not None
    assert verdict.is_complete
    assert (walk.seen, walk.gone, walk.passes) == (set("Xab"), set(), 2)
    assert not walk.restart()


MOMENTS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 8)]


@pytest.mark.parametrize(
    ("pages", "newest_first"),
    [
        ([[6, 5], [4, 3]], True),
        ([[6, 6], [6, 3]], True),
        ([[], [3]], True),
        ([[5, 6], [4, 3]], False),
        ([[6, 5], [5, 6]], False),
        ([[1, 2], [3, 4]], False),
        ([[6, None], [4, 3]], False),
    ],
)
def test_the_order_of_the_pages_is_proven_not_assumed(pages: list[list[int | None]], newest_first: bool) -> None:  # noqa: FBT001 - a table
    """Without it, the head of a history that is not newest first would pass for all that is new."""
    walk = CursorWalk()
    for number, places in enumerate(pages):
        times = tuple(None if place is None else MOMENTS[place] for place in places)
        keys = tuple(f"{number}-{place}" for place in range(len(places)))
        walk.advance(PageFacts(keys, more=True, next_cursor=str(number), times=times))
    assert walk.is_newest_first is newest_first


def test_orders_without_times_prove_nothing() -> None:
    """Without it, an API that stopped sending times would be trusted to be in order."""
    walk = CursorWalk()
    walk.advance(facts("ab", cursor="1"))
    assert not walk.is_newest_first


@given(
    st.lists(st.tuples(st.sampled_from(["arrive", "vanish", "late"]), st.integers(0, 20)), max_size=4),
    st.integers(1, 25),
    st.integers(2, 5),
)
def test_whatever_moves_during_the_walk_the_last_pass_misses_nothing(
    events: list[tuple[str, int]], length: int, size: int
) -> None:
    """Without it, some interplay of arrivals and deletions could still lose an order that stayed the whole time."""
    history = [f"o{n}" for n in range(length)]
    walk, script, stayed = NumberWalk(page_size=size), dict(enumerate(events, start=1)), set(history)
    for request in range(1000):
        kind, place = script.get(request, ("", 0))
        if kind == "arrive":
            history.insert(0, f"new{request}")
        elif kind == "late":
            history.insert(min(place, len(history)), f"late{request}")
        elif kind == "vanish" and history:
            stayed.discard(history.pop(place % len(history)))
        page = history[walk.number * size : (walk.number + 1) * size]
        verdict = walk.advance(PageFacts(tuple(page), more=(walk.number + 1) * size < len(history)))
        if verdict is not None:
            break
    assert verdict is not None
    if verdict.is_complete:
        assert stayed & set(history) <= walk.seen
