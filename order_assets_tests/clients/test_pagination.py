"""A walk sees everything or says that it did not, and never goes on for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_assets.clients.errors import Reason
from order_assets.clients.pagination import MAX_EMPTY_PAGES, CursorWalk, NumberWalk, PageFacts, Status, Verdict


def facts(keys: str = "", *, more: bool = True, cursor: str | None = None) -> PageFacts:
    """A page whose orders have names of one letter."""
    return PageFacts(keys=tuple(keys), more=more, next_cursor=cursor)


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
        ([facts("ab", cursor="1"), facts("bc", cursor="2"), facts("cd", more=False)], Reason.OK),
        ([facts("ab", cursor="1"), facts("ab", more=False)], Reason.OK),
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
        ([facts(more=False)], Reason.OK),
        ([facts(more=True), facts(more=True)], Reason.OK),
        ([facts(more=True), facts("ab", more=False)], Reason.OK),
        ([facts("ab"), facts("cd"), facts(more=True)], Reason.OK),
        ([facts("ab"), facts("ab"), facts("cd"), facts("e", more=False)], Reason.OK),
        ([facts("ab"), facts("ab", more=False)], Reason.OK),
        ([facts("ab"), facts("bc"), facts("cd", more=False)], Reason.OK),
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
    verdict = follow(NumberWalk(number=1), [facts("ab"), facts("ab")])
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
    verdict = follow(walk, [facts("a", cursor="1"), facts("b", more=False)])
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
    assert walk._seen == seen
    assert walk.duplicates == 0


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
    assert walk.pages <= len(pages) + 2


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
    for number in range(cap):
        verdict = walk.advance(serve(number))
        if verdict is not None:
            break
    assert verdict is not None
    assert verdict.is_complete or verdict.status is Status.INCOMPLETE
    assert verdict.is_complete == (verdict.reason is Reason.OK)
