"""What is fuzzed: each target takes any bytes, and raises only if the code under it broke a promise.

The promises: nothing but the documented errors comes out; no order is dropped or doubled on the way from the envelope
to the facts; amounts are exact or refused, never floats. That nothing hangs is watched by whoever calls (libFuzzer's
`-timeout`, pytest's).

A target knows nothing of the fuzzer: `fuzz` feeds it bytes that mutate by coverage, `test_corpus` the kept ones,
`test_properties` generated ones.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pandas as pd
import pyarrow as pa
from pydantic import SecretStr

from order_assets.accounts_file import AccountsFile, SettingsError, parse_accounts
from order_assets.clients import ktsp as ktsp_client
from order_assets.clients import scalev as scalev_client
from order_assets.clients.errors import ApiError
from order_assets.clients.http import Http, RawPage, RetryPolicy
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import CursorWalk, NumberWalk, PageFacts, Status
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl import import_file
from order_assets.domain import clock, ktsp, money, scalev
from order_assets.domain.columns import arrow, one_indexable, series
from order_assets.domain.glance import glance
from order_assets.domain.pages import Frames, Page, SourceSystem, readable
from order_assets.domain.recognition import Policy
from order_assets.settings import Keys, Settings

Target = Callable[[bytes], None]

_NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_POLICY = Policy(store_email_phone_hmac=True, store_geography=True)
_READ = {"scalev": scalev_client.read_page, "ktsp": ktsp_client.read_page}
_DERIVE = {"scalev": scalev.derive, "ktsp": ktsp.derive}
_TOO_MANY_PAGES = 200
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_SURELY_AN_AMOUNT = re.compile(r"-?[0-9]{1,14}(\.[0-9]{1,4})?")
_NO_SETTINGS = Settings(Path("state"), Path("accounts.toml"), AccountsFile(), Keys(SecretStr("key"), ()), None)


def _answer(content: bytes) -> RawPage:
    return RawPage(200, httpx.Headers(), "identity", content, content, _NOW)


def count_orders(source_system: SourceSystem, content: bytes) -> int:
    """Read a body as the crawl does (envelope, glance), derive it as the load does, compare, and count the facts."""
    try:
        facts = _READ[source_system](_answer(content))
    except ApiError:
        facts = None
    page = Page(content, "acc", "acc/one", "Asia/Jakarta", "IDR", _NOW, 1, 1)
    try:
        seen = glance(source_system, content, "acc")
        frames = _DERIVE[source_system]([page], _POLICY, "key")
    except msgspec.DecodeError:
        # What the crawl took for a page of orders must not be refused by the load.
        assert facts is None or not facts.keys, "the crawl lists orders that the facts do not"
        return 0
    assert [each.order_key for each in seen] == frames.orders["order_key"].tolist()
    assert [each.payload_sha256 for each in seen] == frames.orders["payload_sha256"].tolist()
    _check_frames(frames)
    if facts is not None:
        ids = frames.orders["source_order_id"].tolist()
        # An order without an identifier is known to the crawl as "", to the facts by its content.
        assert list(map(one_indexable, facts.keys)) == ["" if _is_by_content(each) else each for each in ids]
        assert len(facts.times) == len(ids)
    return len(frames.orders)


def _is_by_content(order_id: str) -> bool:
    return re.fullmatch(r"sha256:[0-9a-f]{64}", order_id) is not None


def _check_frames(frames: Frames) -> None:
    """Check what must hold of any page, however odd."""
    orders = frames.orders
    places = list(zip(orders["page_number"], orders["position"], strict=True))
    assert places == [(1, number) for number in range(1, len(orders) + 1)]
    named = set(zip(orders["order_key"], orders["position"], strict=True))
    for name in ("lines", "events", "lifecycles", "discounts"):
        frame = getattr(frames, name)
        assert set(zip(frame["order_key"], frame["position"], strict=True)) <= named, name
    for each in fields(frames):
        frame = getattr(frames, each.name)
        if isinstance(frame, pd.DataFrame):
            for column in frame.columns:
                _check_column(f"{each.name}.{column}", frame[column])
    assert not any("\0" in f"{path}{value}" for path, value in frames.unknown)


def _check_column(name: str, column: pd.Series) -> None:
    kind = arrow(column).type if isinstance(column.dtype, pd.ArrowDtype) else pa.array(column.tolist()).type
    assert not pa.types.is_floating(kind), f"{name} is a float"
    assert not name.endswith("_amount") or pa.types.is_decimal(kind) or pa.types.is_null(kind), f"{name} is {kind}"
    if pa.types.is_string(kind):
        for text in column.dropna():
            assert "\0" not in text, f"{name} holds a NUL, which PostgreSQL cannot"
            text.encode()  # no half surrogates


def scalev_page(data: bytes) -> None:
    """A body in the place of a page of Scalev orders."""
    count_orders("scalev", data)


def ktsp_page(data: bytes) -> None:
    """A body in the place of a page of KTSP orders."""
    count_orders("ktsp", data)


def amounts(data: bytes) -> None:
    """JSON values, one after the other, in the place of amounts; compared with Python's decimals."""
    try:
        raw = msgspec.json.decode(b"[" + readable(data) + b"]", type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return
    parsed = money.parse(raw)
    assert arrow(parsed.value).type == pa.decimal128(20, 4)
    for sent, value, is_null, is_bad in zip(raw, parsed.value, parsed.is_null, parsed.is_bad, strict=True):
        text = bytes(sent).decode()
        digits = text.strip('"')
        assert is_null == (text == "null"), text
        assert is_bad == (value is pd.NA and text != "null"), text
        if value is not pd.NA:
            assert _NUMBER.fullmatch(digits), text
            assert value == Decimal(digits), text
        assert value is not pd.NA or not _SURELY_AN_AMOUNT.fullmatch(digits), text


def times(data: bytes) -> None:
    """Texts, one a line, in the place of times; the two readers of the domain and that of the clients agree."""
    texts = readable(data).decode().split("\n")
    fetched = series(pa.array([_NOW] * len(texts), pa.timestamp("us", "UTC")))
    parsed = clock.parse(texts, fetched)
    for text, value, is_bad in zip(texts, parsed.value, parsed.is_bad, strict=True):
        alone = clock.moment(text)
        listed = scalev_client.instant(msgspec.Raw(msgspec.json.encode(text)))
        assert is_bad == (value is pd.NA), text
        if value is not pd.NA:
            assert value.tzinfo is not None
            assert alone == value.to_pydatetime(), text
            assert listed is None or abs(listed - alone).total_seconds() < 1, text
    assert clock.business_date(parsed.value, pd.Series(["Asia/Hong_Kong"] * len(texts))).notna().sum() == len(
        parsed.value.dropna()
    )


def walks(data: bytes) -> None:
    """Bytes as what an API answers page after page: both walks end, and know every order they were shown."""
    script = iter(data)
    for walk in (CursorWalk(max_pages=50), NumberWalk(max_pages=50, page_size=3)):
        shown: set[str] = set()
        for number in range(_TOO_MANY_PAGES * 2):
            flags, count = next(script, 0), next(script, 0) % 5
            keys = tuple(f"{next(script, 0) % 32}" if flags & 16 else f"{number}-{n}" for n in range(count))
            times_of = tuple(None if flags & 32 else _NOW for _ in keys)
            cursor = None if flags & 2 else " " if flags & 4 else str(flags >> 4 if flags & 8 else number)
            shown |= set(keys)
            verdict = walk.advance(PageFacts(keys, bool(flags & 1), cursor, times_of))
            assert walk.seen == shown
            if verdict is not None:
                assert verdict.status in {Status.COMPLETE, Status.INCOMPLETE}
                assert walk.listed | walk.gone == shown
                assert not verdict.is_complete or not flags & 1 or isinstance(walk, NumberWalk)
                break
        else:
            raise AssertionError("the walk goes on for ever")


def answers(data: bytes) -> None:
    """A whole HTTP answer (status, headers, body) to every request the clients make."""
    head, _, body = data.partition(b"\n\n")
    status, *lines = head.split(b"\n")
    code = int(status) if status.isdigit() and len(status) == 3 and int(status) >= 200 else 200
    headers = [(name, value) for name, colon, value in (line.partition(b":") for line in lines) if colon]
    known = [pair for pair in headers if pair[0].lower() in _HEADERS]

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(code, headers=known, stream=_Body(body))

    asyncio.run(_ask_everything(httpx.MockTransport(answer)))


_HEADERS = {b"content-encoding", b"retry-after", b"x-ratelimit-reset", b"x-ratelimit-remaining"}


class _Body(httpx.AsyncByteStream):
    """The body as the wire brings it, which httpx does not decode."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> Any:
        yield self._content


async def _ask_everything(transport: httpx.AsyncBaseTransport) -> None:
    once = RetryPolicy(attempts=1)
    async with httpx.AsyncClient(base_url="http://api", transport=transport) as client:
        one, two = ScalevClient(Http(client), retry=once), KtspClient(Http(client), "app", retry=once)
        for ask in (
            lambda: one.orders_page("store", "token", None),
            lambda: one.orders_page("store", "token", "cursor"),
            lambda: one.refresh("store", "key", "refresh"),
            lambda: two.orders_page("member", "token", 0),
            lambda: two.token("secret"),
        ):
            try:
                await ask()
            except ApiError as error:
                assert error.words.isprintable() or not error.words  # noqa: PT017 - any error, or none


def accounts_toml(data: bytes) -> None:
    """A text in the place of the accounts file."""
    try:
        accounts = parse_accounts(data.decode(errors="replace"), "accounts.toml")
    except SettingsError as error:
        assert str(error).startswith("accounts.toml")  # noqa: PT017 - any error, or none
    else:
        assert isinstance(accounts, AccountsFile)


def accounts_csv(data: bytes) -> None:
    """A file in the place of an import."""
    with tempfile.TemporaryDirectory(prefix="order-assets-fuzz-") as folder:
        path = Path(folder) / "import.csv"
        path.write_bytes(data)
        try:
            imported = import_file.read(path, _NO_SETTINGS)
        except SettingsError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - any error, or none
        else:
            keys = [(entry.source_system, entry.partition_key) for entry in imported.entries]
            assert len(set(keys)) == len(keys)


TARGETS: Mapping[str, Target] = {
    each.__name__: each
    for each in (scalev_page, ktsp_page, amounts, times, walks, answers, accounts_toml, accounts_csv)
}
