"""The KTSP routes as a sound server answers them."""

from itertools import chain, count
from typing import Any

import httpx
import pytest

from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets_tests.sandbox.callers import KtspCaller
from order_assets_tests.sandbox.conftest import SPEC


@pytest.fixture
def caller(sandbox: RunningSandbox, http: httpx.Client) -> KtspCaller:
    """The signed-in application."""
    return KtspCaller(sandbox, http)


def test_walk_meets_every_order_once(sandbox: RunningSandbox, caller: KtspCaller) -> None:
    """Page 0 is the first; the last page says that there is no more."""
    for member in sandbox.world.members:
        pages = []
        for number in count():
            pages.append(caller.page(member.member_id, number, 200))
            if not pages[-1]["morePage"]:
                break
        items = list(chain.from_iterable(page.get("items", []) for page in pages))
        assert items == sandbox.world.ktsp_orders(member.member_id)
        assert [page["status"] for page in pages] == [1] * len(pages)
    assert sandbox.requests()["ktsp/KT00000002"] == 2


def test_past_the_end_and_without_orders(sandbox: RunningSandbox, caller: KtspCaller) -> None:
    """Items may be empty or absent; both are success."""
    assert caller.page("KT00000001", 999)["items"] == []
    nobody = sandbox.world.members[-1].member_id
    assert sandbox.world.ktsp_orders(nobody) == []
    assert "items" not in caller.page(nobody, 0)


def test_bad_credentials_are_the_only_401(caller: KtspCaller, http: httpx.Client) -> None:
    """Everything else rides in the body."""
    keys = caller.keys
    assert http.post("/v1/auth", json={**keys, "appSecret": "wrong"}).status_code == 401
    assert http.post("/v1/auth", json={"appKey": keys["appKey"]}).json()["errorCode"] == 3
    assert caller.list({}, memberId="KT00000001").status_code == 401
    assert caller.list({"Authorization": caller.token}, memberId="KT00000001").status_code == 401
    good = {"Authorization": f"Bearer {caller.token}", "X-App-Key": keys["appKey"]}
    assert caller.list(good, memberId="KT00000001").json()["status"] == 1


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({}, 3, "Missing Parameter: memberId"),
        ({"memberId": 5}, 4, "Invalid Input: memberId"),
        ({"memberId": "KT00000001", "pageSize": 201}, 4, "Invalid Input: pageSize"),
        ({"memberId": "KT00000001", "pageSize": 0}, 4, "Invalid Input: pageSize"),
        ({"memberId": "KT00000001", "pageNo": -1}, 4, "Invalid Input: pageNo"),
        ({"memberId": "KT00000001", "pageNo": "0"}, 4, "Invalid Input: pageNo"),
        ({"memberId": "KT99999999"}, 4100, "Member not found"),
    ],
)
def test_business_errors_ride_on_200(caller: KtspCaller, body: dict[str, Any], code: int, message: str) -> None:
    """A client that looks only at the HTTP status would take these for empty histories."""
    answer = caller.list(**body)
    assert answer.status_code == 200
    assert answer.json() == {"status": 0, "errorCode": code, "message": message}


def test_body_that_is_no_json(caller: KtspCaller, http: httpx.Client) -> None:
    """Answered in the envelope too."""
    headers = {"Authorization": caller.token, "X-App-Key": caller.keys["appKey"]}
    assert http.post("/v1/order/list", content=b"{", headers=headers).json()["errorCode"] == 4


def test_status_as_text() -> None:
    """The page's table types it as string, the samples as number; clients must take both."""
    with serve(SPEC, Options(ktsp_status_as_text=True)) as own, httpx.Client(base_url=own.base_url) as http:
        page = KtspCaller(own, http).page("KT00000001", 0)
        assert (page["status"], page["errorCode"]) == ("1", "0")
