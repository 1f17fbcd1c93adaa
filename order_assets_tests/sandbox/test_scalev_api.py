"""The Scalev routes as a sound server answers them."""

import gzip
from itertools import chain

import httpx
import pytest

from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets_tests.sandbox.callers import Clock, ScalevCaller
from order_assets_tests.sandbox.conftest import SPEC


@pytest.fixture
def caller(sandbox: RunningSandbox, http: httpx.Client) -> ScalevCaller:
    """The customer with several pages."""
    return ScalevCaller(sandbox, http, sandbox.world.stores[0].customers[1].account)


def test_walk_meets_every_order_once(sandbox: RunningSandbox, http: httpx.Client) -> None:
    """A crawler compared with this truth must be able to reach all of it."""
    for store in sandbox.world.stores:
        for customer in store.customers:
            pages = ScalevCaller(sandbox, http, customer.account).walk()
            orders = list(chain.from_iterable(page["data"] for page in pages))
            assert orders == sandbox.world.scalev_orders(store.store_id, customer.name)
            assert sandbox.requests()[customer.account] == len(pages) == max(1, -(-len(orders) // 25))
            assert [page["has_previous"] for page in pages] == [False] + [True] * (len(pages) - 1)


def test_previous_cursor_leads_back(caller: ScalevCaller) -> None:
    """It is documented, and must not skip or repeat at the border."""
    first, second = caller.walk()[:2]
    assert caller.get(previous_cursor=second["previous_cursor"]).json()["data"] == first["data"]


def test_page_size_is_clamped_or_refused(caller: ScalevCaller) -> None:
    """More than 25 is not to be had; nonsense is a 400."""
    assert len(caller.get(page_size="100").json()["data"]) == 25
    small = caller.get(page_size="10").json()
    assert (len(small["data"]), small["page_size"]) == (10, 10)
    assert [caller.get(page_size=text).status_code for text in ("0", "-1", "many")] == [400] * 3


def test_gzip_only_for_those_who_accept_it(caller: ScalevCaller, http: httpx.Client) -> None:
    """Raw pages are archived as they came; the client must be able to trust the header."""
    http.headers["Accept-Encoding"] = "identity"
    plain = caller.get()
    assert "Content-Encoding" not in plain.headers
    http.headers["Accept-Encoding"] = "gzip"
    url = f"/v3/stores/{caller.store_id}/customers/me/orders"
    with http.stream("GET", url, headers={"Authorization": f"Bearer {caller.pair['access']}"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        raw = b"".join(answer.iter_raw())
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 3


def test_bad_cursors_are_refused(sandbox: RunningSandbox, http: httpx.Client, caller: ScalevCaller) -> None:
    """A forged cursor, and one of another customer, must not silently restart the walk."""
    other = ScalevCaller(sandbox, http, sandbox.world.stores[1].customers[1].account)
    for cursor in ("nonsense", "a.b.c", "\u00e9.b.c", other.page()["next_cursor"], caller.pair["access"]):
        answer = caller.get(next_cursor=cursor)
        assert answer.status_code == 400
        assert answer.json() == {"error": "Invalid request format, parameters, or cursor"}


def test_a_walk_is_not_shifted_by_new_orders() -> None:
    """Cursors are positions, not page numbers."""
    with serve(SPEC) as own, httpx.Client(base_url=own.base_url) as http:
        account = own.world.stores[0].customers[1].account
        before = own.world.orders(account)
        caller = ScalevCaller(own, http, account)
        first = caller.page()
        added = own.world.add_order(account)
        assert caller.page(first["next_cursor"])["data"] == before[25:50]
        assert caller.page()["data"][0] == added


def test_only_good_tokens_of_the_store_open_it(
    sandbox: RunningSandbox, http: httpx.Client, caller: ScalevCaller
) -> None:
    """One token is one customer of one store."""
    other = sandbox.world.stores[1].store_id
    url = f"/v3/stores/{caller.store_id}/customers/me/orders"
    assert http.get(url).status_code == 401
    assert caller.get(token=caller.pair["refresh"]).status_code == 401
    assert caller.get(token=caller.pair["access"][:-2]).status_code == 401
    assert caller.get(store_id=other).status_code == 401
    assert caller.get(store_id="store_unknown").status_code == 404


def test_one_order_by_id(caller: ScalevCaller, http: httpx.Client) -> None:
    """The detail route gives the same object, or 404."""
    order = caller.page()["data"][3]
    url = f"/v3/stores/{caller.store_id}/customers/me/orders/"
    headers = {"Authorization": f"Bearer {caller.pair['access']}"}
    assert http.get(url + order["id"], headers=headers).json() == order
    assert http.get(url + "unknown", headers=headers).status_code == 404


def test_access_expires_and_a_refresh_heals_it() -> None:
    """The most frequent 401 in production; the cursor stays good across it."""
    clock = Clock()
    with serve(SPEC, Options(clock=clock)) as own, httpx.Client(base_url=own.base_url) as http:
        caller = ScalevCaller(own, http, own.world.stores[0].customers[1].account)
        cursor = caller.page()["next_cursor"]
        clock.now += caller.pair["expires_in"]
        assert caller.get(next_cursor=cursor).status_code == 401
        caller.pair = caller.refresh().raise_for_status().json()
        assert caller.page(cursor)["data"]
        assert own.traffic()["refreshes"] == {caller.account: 1}


def test_reuse_revokes_the_family(caller: ScalevCaller) -> None:
    """Documented: a refresh token used twice ends every token that came from it."""
    old = caller.pair["refresh"]
    first = caller.refresh(old).raise_for_status().json()
    second = caller.refresh(first["refresh"]).raise_for_status().json()
    assert caller.get(token=second["access"]).status_code == 200
    assert caller.refresh(old).status_code == 401
    assert caller.refresh(second["refresh"]).status_code == 401
    assert caller.get(token=second["access"]).status_code == 401


def test_refresh_needs_the_storefront_key(caller: ScalevCaller, http: httpx.Client) -> None:
    """The header is required, and a refused call must not use the token up."""
    body = {"refresh": caller.pair["refresh"]}
    assert caller.auth("jwt/refresh", body, key="wrong").status_code == 401
    unknown = http.post("/v3/stores/store_unknown/public/auth/jwt/refresh", json=body)
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Store not found"})
    assert caller.auth("jwt/refresh", []).status_code == 400
    assert caller.auth("jwt/refresh", {"refresh": "nonsense"}).status_code == 401
    assert caller.refresh().status_code == 200


def test_sign_in_and_out(sandbox: RunningSandbox, caller: ScalevCaller) -> None:
    """Login gives tokens for a password and a message without; a revoked family stays out."""
    who = sandbox.world.stores[0].customers[1]
    assert "OTP" in caller.auth("login", {"email": who.email}).json()["message"]
    assert caller.auth("login", {"email": who.email, "password": "guess"}).status_code == 401
    pair = caller.auth("login", {"email": who.email, "password": "sandbox"}).json()
    assert caller.get(token=pair["access"]).status_code == 200
    assert caller.auth("jwt/blacklist", {"tokens": [pair["refresh"], "nonsense"]}).status_code == 204
    assert caller.get(token=pair["access"]).status_code == 401
    assert caller.refresh(pair["refresh"]).status_code == 401


def test_tokens_survive_a_restart() -> None:
    """The detached server may be killed at any time; its customers stay signed in."""
    with serve(SPEC) as first:
        account = first.world.stores[0].customers[0].account
        pair = first.tokens(account)
    with serve(SPEC) as second, httpx.Client(base_url=second.base_url) as http:
        caller = ScalevCaller(second, http, account)
        assert caller.get(token=pair["access"]).status_code == 200
        assert caller.refresh(pair["refresh"]).status_code == 200


def test_rate_limit() -> None:
    """Over the limit: plain text 429; the headers say when the window ends, and then it goes on."""
    clock = Clock()
    with serve(SPEC, Options(rate_limit=2, clock=clock)) as own, httpx.Client(base_url=own.base_url) as http:
        caller = ScalevCaller(own, http, own.world.stores[0].customers[0].account)
        answers = [caller.get() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-Ratelimit-Remaining"] for answer in answers] == ["1", "0", "0"]
        assert answers[2].text == "Too many requests"
        assert answers[2].headers["Content-Type"].startswith("text/plain")
        clock.now = float(answers[2].headers["X-Ratelimit-Reset"])
        assert caller.get().status_code == 200
