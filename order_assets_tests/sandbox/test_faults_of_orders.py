"""Faults that concern the orders: those that come and go during a walk, odd sequences and odd contents."""

import json
from decimal import Decimal
from typing import Any

import pytest

from order_assets_tests.sandbox.conftest import Own

Order = dict[str, Any]


def codes(orders: list[Order]) -> list[str]:
    """Identifiers in the order given."""
    return [order.get("id") or order["orderCode"] for order in orders]


def scalev_data(own: Own) -> list[Order]:
    """All orders of a whole walk of the customer."""
    return [order for page in own.scalev.walk() for order in page["data"]]


def ktsp_items(own: Own) -> list[Order]:
    """All orders of a whole walk of the member."""
    return [item for page in own.ktsp_pages() for item in page["items"]]


def test_order_arrives_shifts_numbered_pages(own: Own) -> None:
    """Without it, a client that drops duplicates and calls a moving history complete would never be tried."""
    before = codes(own.world.orders(own.member))
    own.sandbox.set_fault(own.member, "order_arrives:by=2")
    assert len(own.world.orders(own.member)) == len(before), "nothing happens before the page is asked for"
    walked = codes(ktsp_items(own))
    assert walked == before[:50] + before[48:50] + before[50:]
    after = codes(own.world.orders(own.member))
    assert after[2:] == before
    assert codes(ktsp_items(own)) == after, "it struck once; the next walk is sound and sees them"


def test_order_arrives_does_not_shift_cursors(own: Own) -> None:
    """Without it, the sandbox could be more hostile than the API, whose cursors are positions."""
    before = codes(own.world.orders(own.account))
    own.sandbox.set_fault(own.account, "order_arrives:from_page=2")
    assert codes(scalev_data(own)) == before
    assert codes(scalev_data(own)) == codes(own.world.orders(own.account))
    assert len(own.world.orders(own.account)) == len(before) + 1
    assert own.world.orders(own.account)[0]["status"] == "pending"


def test_orders_may_arrive_with_every_page(own: Own) -> None:
    """Without it, a history that never stands still could not be had."""
    own.sandbox.set_fault(own.member, "order_arrives:times=0:from_page=0")
    before = codes(own.world.orders(own.member))
    pages = own.ktsp_pages()
    assert len(own.world.orders(own.member)) == len(before) + len(pages)
    assert set(codes([item for page in pages for item in page["items"]])) >= set(before)


def test_order_vanishes_hides_another_from_numbered_pages(own: Own) -> None:
    """Without it, the silent loss would stay untested: an order that slips onto a page already read."""
    before = codes(own.world.orders(own.member))
    own.sandbox.set_fault(own.member, "order_vanishes:index=3")
    walked = codes(ktsp_items(own))
    assert walked == [code for code in before if code != before[50]]
    assert codes(own.world.orders(own.member)) == [code for code in before if code != before[3]]


def test_order_vanishes_does_not_shift_cursors(own: Own) -> None:
    """Without it, losing the very order at the border of a page could restart or skip."""
    before = codes(own.world.orders(own.account))
    own.sandbox.set_fault(own.account, "order_vanishes:index=24")
    assert codes(scalev_data(own)) == before
    assert codes(scalev_data(own)) == codes(own.world.orders(own.account)) == before[:24] + before[25:]
    own.sandbox.set_fault(own.account, "order_vanishes:index=9999:from_page=0")
    assert codes(scalev_data(own)) == before[:24] + before[25:], "no such place, nothing to delete"


def test_cursor_expired(own: Own) -> None:
    """Without it, the remedy for an expired cursor, to begin again, could not be told from giving up."""
    own.sandbox.set_fault(own.account, "cursor_expired")
    cursor = own.scalev.page()["next_cursor"]
    answer = own.scalev.get(next_cursor=cursor)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "Invalid request format, parameters, or cursor"},
    )
    assert codes(scalev_data(own)) == codes(own.world.orders(own.account))
    own.sandbox.set_fault(own.account, "cursor_expired:from_page=3:times=2")
    pages = [own.scalev.page()]
    while len(pages) < 3:
        pages.append(own.scalev.page(pages[-1]["next_cursor"]))
    statuses = [own.scalev.get(next_cursor=pages[-1]["next_cursor"]).status_code for _ in range(3)]
    assert statuses == [400, 400, 200]


def test_more_lies(own: Own) -> None:
    """Without it, a history cut at a round number, as others lost orders to, could not be tried."""
    for account in (own.account, own.member):
        own.sandbox.set_fault(account, "more_lies:pages=3")
    pages = own.scalev.walk()
    assert [len(page["data"]) for page in pages] == [25, 25, 25]
    assert (pages[-1]["has_next"], pages[-1]["next_cursor"]) == (False, None)
    assert [len(page["items"]) for page in own.ktsp_pages()] == [50, 50, 50]
    follows = own.ktsp.page(own.member_id, 3)
    assert (len(follows["items"]), follows["morePage"]) == (50, False), "who asks all the same gets them"
    for account in (own.account, own.member):
        own.sandbox.set_fault(account, "more_lies")
    assert [len(own.scalev.walk()), len(own.ktsp_pages())] == [1, 1]


@pytest.mark.parametrize("name", ["unsorted", "oldest_first"])
def test_other_orders_meet_everything_once(own: Own, name: str) -> None:
    """Without it, a client that relies on newest-first, which nobody promised, would pass for sound."""
    for account, walk in ((own.account, scalev_data), (own.member, ktsp_items)):
        truth = own.world.orders(account)
        own.sandbox.set_fault(account, name)
        walked = walk(own)
        assert sorted(codes(walked)) == sorted(codes(truth))
        assert len(set(codes(walked))) == len(walked)
        assert walked == walk(own), "the same every time"
        assert (walked == truth[::-1]) == (name == "oldest_first")
        assert walked != truth
    pages = own.scalev.walk()
    back = own.scalev.get(previous_cursor=pages[2]["previous_cursor"]).json()
    assert back["data"] == pages[1]["data"]


def test_shuffled_orders_stay_where_they_are(own: Own) -> None:
    """Without it, one new order would shuffle all others, and a second crawl could not be compared with the first."""
    own.sandbox.set_fault(own.account, "unsorted")
    before = codes(scalev_data(own))
    added = own.world.add_order(own.account)
    assert [code for code in codes(scalev_data(own)) if code != added["id"]] == before


def test_new_fields(own: Own) -> None:
    """Without it, a client that refuses what the documents do not name would break on the next release of the API."""
    for account in (own.account, own.member):
        own.sandbox.set_fault(account, "new_fields")
    data, truth = scalev_data(own), own.world.orders(own.account)
    assert {order["loyalty_tier"] for order in data + ktsp_items(own)} == {"gold"}
    assert all(order["store"]["region"] for order in data if order["store"])
    assert all(line["tax_hint"] for order in data for line in order["orderlines"])
    assert "loyalty_tier" not in truth[0], "the world stays as it is"
    for order in data:
        del order["loyalty_tier"]
        for part in filter(None, (order["store"], *order["orderlines"])):
            part.pop("region", None)
            part.pop("tax_hint", None)
    assert data == truth


def test_new_values(own: Own) -> None:
    """Without it, an unknown status could be dropped, or stop a crawl, and no test would say so."""
    own.sandbox.set_fault(own.account, "new_values")
    sent = {order["id"]: order["status"] for order in scalev_data(own)}
    for order in own.world.orders(own.account):
        assert sent[order["id"]] == ("teleported" if order["status"] == "completed" else order["status"])
    assert "teleported" in sent.values()


def test_half_surrogate(own: Own) -> None:
    """Without it, one emoji that a store cut in half could cost a whole page of orders."""
    for account in (own.account, own.member):
        own.sandbox.set_fault(account, "half_surrogate")
    answers = [own.scalev.get(), own.ktsp.list(memberId=own.member_id, pageNo=0, pageSize=50)]
    for answer in answers:
        assert answer.content.count(b"\\ud83d") == 1
        assert answer.content.decode("utf-8"), "the bytes are sound UTF-8"
    orders: list[Order] = json.loads(answers[0].content)["data"]
    spoiled = next(order for order in orders if order["store"])
    assert spoiled["store"]["name"] == own.world.stores[0].name + " \ud83d"
    assert codes(orders) == codes(own.world.orders(own.account)[:25])
    own.sandbox.clear_faults()
    assert b"\\ud83d" not in own.scalev.get().content


def test_odd_numbers(own: Own) -> None:
    """Without it, 1.89e+5 or an id beyond 2^53 could pass through a float, and be wrong, unseen."""
    own.sandbox.set_fault(own.account, "odd_numbers")
    text = own.scalev.get().content.decode()
    assert "e+" in text
    assert ".0," in text
    sent: list[Order] = json.loads(text, parse_float=Decimal)["data"]
    for order, truth in zip(sent, own.world.orders(own.account), strict=False):
        assert isinstance(order["id"], int)
        assert order["id"] > 2**53
        assert order["order_id"] == truth["order_id"]
        for name in ("product_price", "other_income", "gross_revenue"):
            assert Decimal(order[name] or 0) == Decimal(truth[name] or 0)
            assert not isinstance(order[name], str)
        for line, true_line in zip(order["orderlines"], truth["orderlines"], strict=True):
            assert isinstance(line["id"], int)
            assert Decimal(line["product_price"] or 0) == Decimal(true_line["product_price"] or 0)
    assert len({order["id"] for order in sent}) == len(sent)


@pytest.mark.parametrize(
    "text",
    ["order_arrives:from_page=0", "order_vanishes:from_page=0", "more_lies", "unsorted", "oldest_first", "new_fields",
     "half_surrogate", "bom", "empty_body", "no_content"],
)  # fmt: skip
def test_other_accounts_do_not_notice(own: Own, text: str) -> None:
    """Without it, a fault could spoil accounts that a test takes for sound."""
    neighbour, friend = own.world.stores[0].customers[0].account, own.world.members[0]
    truths = own.world.orders(neighbour), own.world.orders(friend.account)
    for account in (own.account, own.member):
        own.sandbox.set_fault(account, text)
    own.scalev.get()
    own.ktsp.list(memberId=own.member_id)
    other = type(own.scalev)(own.sandbox, own.http, neighbour)
    assert [order for page in other.walk() for order in page["data"]] == truths[0]
    assert own.ktsp.page(friend.member_id, 0, 200)["items"] == truths[1]
