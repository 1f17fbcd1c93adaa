"""Checks of the APIs: whether they answer at all, over trusted TLS, and whether their clock and ours agree."""

from __future__ import annotations

import asyncio
import email.utils
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx

from order_assets.accounts_file import AccountsFile
from order_assets.clients.http import http_client
from order_assets.doctor.database import skew
from order_assets.doctor.finding import Finding, ok, problem

_SECONDS = 10.0
_PROXY = "check the network from here: curl -I {}; a firewall may have to let this machine out"


def addresses(accounts: AccountsFile) -> list[str]:
    """Return the addresses of the APIs that are crawled."""
    urls = [programme.base_url for programme in accounts.ktsp.programmes]
    if accounts.scalev.stores:
        urls.insert(0, accounts.scalev.base_url)
    return list(dict.fromkeys(urls))


def api(base_url: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Finding]:
    """Ask the API for its headers once, without a credential; any answer counts as one."""
    host = urlsplit(base_url).hostname or base_url
    try:
        answer = asyncio.run(_head(base_url))
    except (httpx.HTTPError, OSError) as error:
        yield _unreachable(host, base_url, error)
        return
    yield ok("api", f"{host} answers")
    stated = answer.headers.get("Date", "")
    try:
        theirs = email.utils.parsedate_to_datetime(stated)
    except ValueError:
        return
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)  # "-0000": UTC, of an unknown place
    finding = skew("clock", host, theirs - now().replace(microsecond=0))
    if finding.level != "ok":
        yield finding


async def _head(base_url: str) -> httpx.Response:
    async with http_client(base_url, connections=1) as client:
        return await client.head("/", timeout=_SECONDS)


def _unreachable(host: str, base_url: str, error: BaseException) -> Finding:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    words = next((text for each in causes if (text := getattr(each, "verify_message", ""))), "TLS failed")
    for each in causes:
        if isinstance(each, ssl.SSLError):
            return problem(
                "api", f"{host}: its TLS certificate is not trusted here ({words})",
                "put your company's root certificate into a file and set SSL_CERT_FILE to it, or correct base_url;"
                " certificates are always verified",
            )  # fmt: skip
        if isinstance(each, socket.gaierror):
            return problem("api", f"{host}: no such host", "correct base_url in the accounts file, or the DNS")
    words = next((str(each) for each in causes if str(each)), type(error).__name__)
    return problem("api", f"{host} cannot be reached: {words}", _PROXY.format(base_url))
