"""Every fault does what its line in the table says, to the account that has it and no other."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from order_assets.sandbox.faults import KINDS, Fault
from order_assets.sandbox.testing import RunningSandbox
from order_assets_tests.sandbox.callers import KtspCaller, ScalevCaller

MEMBER = "KT00000002"


def both(scalev: ScalevCaller, ktsp: KtspCaller) -> list[httpx.Response]:
    """The first page of either API."""
    return [scalev.get(), ktsp.list(memberId=MEMBER, pageNo=0, pageSize=50)]


def set_both(sandbox: RunningSandbox, account: str, text: str) -> None:
    """The same fault for both accounts."""
    sandbox.set_fault(account, text)
    sandbox.set_fault(f"ktsp/{MEMBER}", text)


@pytest.mark.parametrize(
    ("text", "status", "content_type"),
    [
        ("token_expired", 401, "application/json"),
        ("rate_limited", 429, "text/plain"),
        ("server_error", 500, "application/json"),
        ("server_error:status=503", 503, "application/json"),
        ("html_error", 502, "text/html"),
        ("html_error:status=200", 200, "text/html"),
        ("bad_envelope", 200, "application/json"),
        ("empty_body", 200, "application/json"),
        ("no_content", 204, ""),
    ],
)
def test_errors_for_ever(
    sandbox: RunningSandbox,
    account: str,
    scalev: ScalevCaller,
    ktsp: KtspCaller,
    text: str,
    status: int,
    content_type: str,
) -> None:
    """Retrying must not help: these decide the verdict of a crawl."""
    set_both(sandbox, account, text)
    for answer in both(scalev, ktsp) + both(scalev, ktsp):
        assert (answer.status_code, answer.headers.get("Content-Type", "").split(";")[0]) == (status, content_type)
        assert bool(answer.content) == (text not in {"empty_body", "no_content"})
        assert b'"data"' not in answer.content
        assert b'"items"' not in answer.content
    other = ScalevCaller(sandbox, scalev._http, sandbox.world.stores[1].customers[1].account)
    assert other.page()["data"]
    sandbox.clear_faults()
    assert [answer.status_code for answer in both(scalev, ktsp)] == [200, 200]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("rate_limited_once", [429, 200, 200]),
        ("server_error_once", [500, 200, 200]),
        ("token_expired:times=2", [401, 401, 200]),
    ],
)
def test_faults_that_pass(
    sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller, text: str, codes: list[int]
) -> None:
    """Retrying must help, after exactly as many tries as said."""
    set_both(sandbox, account, text)
    rounds = [both(scalev, ktsp) for _ in codes]
    assert [[answer.status_code for answer in answers] for answers in rounds] == [[code] * 2 for code in codes]


def test_from_page(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """A failure in the middle of a walk is another case than one at its start."""
    set_both(sandbox, account, "server_error:from_page=2")
    first = scalev.page()
    second = scalev.page(first["next_cursor"])
    assert scalev.get(next_cursor=second["next_cursor"]).status_code == 500
    codes = [ktsp.list(memberId=MEMBER, pageNo=number, pageSize=50).status_code for number in range(4)]
    assert codes == [200, 200, 500, 500]


def test_retry_after(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """Seconds, a date, and nonsense all occur; by default there is none."""
    sandbox.set_fault(account, "rate_limited")
    assert "Retry-After" not in scalev.get().headers
    sandbox.set_fault(account, "rate_limited:retry_after=7")
    assert scalev.get().headers["Retry-After"] == "7"
    sandbox.set_fault(account, "rate_limited:retry_after=absurd")
    assert int(scalev.get().headers["Retry-After"]) > 10**9
    sandbox.set_fault(account, "rate_limited:retry_after=date+3600")
    assert parsedate_to_datetime(scalev.get().headers["Retry-After"]) > datetime.now(UTC)


def test_sign_in_needed(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """Only a human can help: refreshing fails as well, but does not use the token up."""
    sandbox.set_fault(account, "sign_in_needed")
    assert (scalev.get().status_code, scalev.refresh().status_code) == (401, 401)
    sandbox.clear_faults()
    assert scalev.refresh().status_code == 200


def test_refresh_response_lost(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """The token is used up although the client never saw the next one; trying again revokes the family."""
    sandbox.set_fault(account, "refresh_response_lost:times=1")
    assert scalev.get().status_code == 200
    with pytest.raises(httpx.TransportError):
        scalev.refresh()
    assert scalev.refresh().status_code == 401
    assert scalev.get().status_code == 401


@pytest.mark.parametrize("text", ["disconnected", "truncated_body"])
def test_cut_connections(
    sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller, text: str
) -> None:
    """The client sees a broken transfer, not a short answer."""
    set_both(sandbox, account, text)
    with pytest.raises(httpx.RemoteProtocolError):
        scalev.get()
    with pytest.raises(httpx.RemoteProtocolError):
        ktsp.page(MEMBER, 0)


def test_bad_json(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """The transfer is whole, its content is not."""
    set_both(sandbox, account, "bad_json")
    for answer in both(scalev, ktsp):
        assert answer.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            answer.json()


def test_bom(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """Without it, the only thing wrong with the body could be something else than the mark before it."""
    set_both(sandbox, account, "bom")
    first, second = both(scalev, ktsp)
    assert first.content[:3] == second.content[:3] == b"\xef\xbb\xbf"
    assert json.loads(first.content.decode("utf-8-sig"))["data"] == sandbox.world.orders(account)[:25]
    assert json.loads(second.content.decode("utf-8-sig"))["items"] == sandbox.world.ktsp_orders(MEMBER)[:50]


def test_rate_limit_headers(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """Without it, the wait that a 429 names in Scalev's own headers would be that of the window, or none."""
    set_both(sandbox, account, "rate_limited:reset=120")
    for answer in both(scalev, ktsp):
        assert answer.status_code == 429
        assert answer.headers["X-Ratelimit-Remaining"] == "0"
        assert 100 < int(answer.headers["X-Ratelimit-Reset"]) - datetime.now(UTC).timestamp() <= 120
        assert "Retry-After" not in answer.headers
    sandbox.set_fault(account, "rate_limited_once:reset=-30:retry_after=2")
    answer = scalev.get()
    assert answer.headers["Retry-After"] == "2"
    assert int(answer.headers["X-Ratelimit-Reset"]) < datetime.now(UTC).timestamp()
    assert scalev.get().status_code == 200
    assert "X-Ratelimit-Reset" not in ktsp.list(memberId="KT00000001").headers


def test_slow(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """A client with a timeout gives up; a patient one gets the usual page."""
    sandbox.set_fault(account, "slow:seconds=30")
    scalev._http.timeout = httpx.Timeout(0.1)
    with pytest.raises(httpx.ReadTimeout):
        scalev.get()
    scalev._http.timeout = httpx.Timeout(10)
    sandbox.set_fault(account, "slow:seconds=0")
    assert scalev.page()["data"] == sandbox.world.orders(account)[:25]


def test_cursor_repeated(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """Following the cursor never ends and never advances."""
    sandbox.set_fault(account, "cursor_repeated")
    cursor = scalev.page()["next_cursor"]
    for _ in range(3):
        page = scalev.page(cursor)
        assert page["has_next"]
        assert page["next_cursor"] == cursor
        assert page["data"] == sandbox.world.orders(account)[25:50]


def test_cursor_cycle(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """A, B, A: comparing with the last cursor alone does not notice."""
    sandbox.set_fault(account, "cursor_cycle")
    cursors = [scalev.page()["next_cursor"]]
    for _ in range(3):
        cursors.append(scalev.page(cursors[-1])["next_cursor"])
    assert cursors[0] == cursors[2] != cursors[1] == cursors[3]


def test_cursor_missing(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """There is more, but no way to it."""
    sandbox.set_fault(account, "cursor_missing")
    page = scalev.page()
    assert (page["has_next"], page["next_cursor"], len(page["data"])) == (True, None, 25)


def test_cursor_rejected(sandbox: RunningSandbox, account: str, scalev: ScalevCaller) -> None:
    """As an expired cursor: the first page works, the second never."""
    sandbox.set_fault(account, "cursor_rejected")
    assert scalev.get(next_cursor=scalev.page()["next_cursor"]).status_code == 400


def test_page_repeated(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """New cursors, same orders: only looking at the orders notices."""
    set_both(sandbox, account, "page_repeated")
    pages = [scalev.page()]
    for _ in range(3):
        pages.append(scalev.page(pages[-1]["next_cursor"]))
    assert len({page["next_cursor"] for page in pages}) == 4
    assert all(page["has_next"] and page["data"] == pages[0]["data"] for page in pages)
    numbered = [ktsp.page(MEMBER, number) for number in (0, 1, 99)]
    assert all(page["morePage"] and page["items"] == numbered[0]["items"] for page in numbered)


def test_endless_empty(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """The first page is good, then nothing comes for ever; also for a history of one page."""
    set_both(sandbox, account, "endless_empty")
    pages = [scalev.page()]
    for _ in range(3):
        pages.append(scalev.page(pages[-1]["next_cursor"]))
    assert [len(page["data"]) for page in pages] == [25, 0, 0, 0]
    assert all(page["has_next"] for page in pages)
    assert len({page["next_cursor"] for page in pages}) == 4
    numbered = [ktsp.page(MEMBER, number) for number in (0, 1, 99)]
    assert [(len(page["items"]), page["morePage"]) for page in numbered] == [(50, True), (0, True), (0, True)]
    short = sandbox.world.stores[0].customers[3].account
    sandbox.set_fault(short, "endless_empty")
    assert ScalevCaller(sandbox, scalev._http, short).page()["has_next"]


def test_last_page_repeated(sandbox: RunningSandbox, ktsp: KtspCaller) -> None:
    """As Magento: past the end comes the end again."""
    sandbox.set_fault(f"ktsp/{MEMBER}", "last_page_repeated")
    last = sandbox.world.ktsp_orders(MEMBER)[200:]
    pages = [ktsp.page(MEMBER, number) for number in (4, 5, 50)]
    assert all(page["morePage"] and page["items"] == last for page in pages)


def test_first_page_is_one(sandbox: RunningSandbox, ktsp: KtspCaller) -> None:
    """Starting at 0 sees the first page twice and still everything."""
    sandbox.set_fault(f"ktsp/{MEMBER}", "first_page_is_one")
    orders = sandbox.world.ktsp_orders(MEMBER)
    pages = [ktsp.page(MEMBER, number) for number in range(6)]
    assert pages[0]["items"] == pages[1]["items"] == orders[:50]
    assert pages[5]["items"] == orders[200:]
    assert [page["morePage"] for page in pages] == [True] * 5 + [False]


def test_shifted(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """Orders that came in during the walk push others onto the next page; negative ones hide some."""
    set_both(sandbox, account, "shifted:by=2")
    orders, items = sandbox.world.orders(account), sandbox.world.ktsp_orders(MEMBER)
    first = scalev.page()
    assert first["data"] == orders[:25]
    assert scalev.page(first["next_cursor"])["data"] == orders[23:48]
    assert ktsp.page(MEMBER, 1)["items"] == items[48:98]
    set_both(sandbox, account, "shifted:by=-2")
    assert scalev.page(first["next_cursor"])["data"] == orders[27:52]
    assert ktsp.page(MEMBER, 1)["items"] == items[52:102]


def test_history_shrinks(sandbox: RunningSandbox, account: str, scalev: ScalevCaller, ktsp: KtspCaller) -> None:
    """A complete-looking walk that lost most orders must not delete them."""
    set_both(sandbox, account, "history_shrinks:keep=60")
    assert [len(page["data"]) for page in scalev.walk()] == [25, 25, 10]
    assert len(ktsp.page(MEMBER, 1)["items"]) == 10
    assert not ktsp.page(MEMBER, 1)["morePage"]
    set_both(sandbox, account, "history_shrinks")
    assert scalev.page()["data"] == []
    assert ktsp.page(MEMBER, 0)["items"] == []


def test_ktsp_errors_in_the_envelope(sandbox: RunningSandbox, ktsp: KtspCaller) -> None:
    """HTTP 200 all the same."""
    sandbox.set_fault(f"ktsp/{MEMBER}", "api_error")
    assert ktsp.page(MEMBER, 0) == {"status": 0, "errorCode": 1, "message": "Internal error"}
    sandbox.set_fault(f"ktsp/{MEMBER}", "api_error:code=4:message=Invalid Input")
    assert ktsp.page(MEMBER, 0)["errorCode"] == 4
    sandbox.set_fault(f"ktsp/{MEMBER}", "member_not_found")
    assert ktsp.page(MEMBER, 0) == {"status": 0, "errorCode": 4100, "message": "Member not found"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "server_error:status",
        "server_error:colour=red",
        "server_error:status=99",
        "slow:seconds=x",
        "slow:seconds=-1",
        "slow:seconds=inf",
        "slow:seconds=",
        "token_expired:times=x",
        "token_expired:times=-1",
        "token_expired:from_page=-1",
        "cursor_expired:from_page=0",
        "order_arrives:by=0",
        "order_vanishes:index=-1",
        "more_lies:pages=0",
        "history_shrinks:keep=-1",
        "shifted:by=x",
        "rate_limited:reset=x",
        "rate_limited:retry_after=date+x",
    ],
)
def test_bad_fault_texts_are_refused(text: str) -> None:
    """A misspelt fault, or one that can do nothing, would make a test pass for no reason."""
    with pytest.raises(ValueError, match="fault"):
        Fault.parse(text)


def test_every_kind_is_documented_and_parses() -> None:
    """The documentation is generated from the table."""
    for name, kind in KINDS.items():
        assert kind.summary
        assert kind.expected
        assert Fault.parse(name).parameters == kind.parameters


def test_faults_over_http(sandbox: RunningSandbox, account: str, http: httpx.Client, scalev: ScalevCaller) -> None:
    """The detached server is controlled this way; mistakes are answered, not swallowed."""
    assert http.put(f"/sandbox/faults/{account}", content="server_error").status_code == 204
    assert scalev.get().status_code == 500
    assert http.delete(f"/sandbox/faults/{account}").status_code == 204
    assert scalev.get().status_code == 200
    assert http.put(f"/sandbox/faults/{account}", content="server_error").status_code == 204
    assert http.delete("/sandbox/faults").status_code == 204
    assert scalev.get().status_code == 200
    assert http.put("/sandbox/faults/nobody", content="server_error").status_code == 404
    assert "known:" in http.put(f"/sandbox/faults/{account}", content="typo").json()["error"]
    assert http.put(f"/sandbox/faults/{account}", content="member_not_found").status_code == 400
    with pytest.raises(ValueError, match="no account"):
        sandbox.set_fault("nobody", "slow")
