"""Faults that break HTTP or the envelope, the same for both APIs. Paging faults are in `scalev` and `ktsp`."""

import asyncio
import codecs
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from aiohttp import web

from order_assets.sandbox.faults import Fault
from order_assets.sandbox.state import SANDBOX

_ABSURD_SECONDS: Final = "99999999999"
_HTML: Final = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


async def befall(
    request: web.Request, fault: Fault, *, unauthorized: Callable[[], web.Response], body: Callable[[], bytes]
) -> web.StreamResponse | None:
    """Answers a request as the fault wants.

    Args:
        request: what came.
        fault: the account's fault.
        unauthorized: makes the 401 of this API.
        body: makes the body that a sound answer would have.

    Returns:
        The answer, or None when the request should be answered as usual or the fault is one of paging.
    """
    name = fault.name
    if name == "slow":
        await asyncio.sleep(float(fault.parameters["seconds"]))
        return None
    if name == "disconnected":
        return hang_up(request)
    if name == "truncated_body":
        return await _cut(request, body())
    if name in {"token_expired", "sign_in_needed"}:
        return unauthorized()
    if name.startswith("rate_limited"):
        return _too_many(fault, request.app[SANDBOX].options.clock())
    if name in {"bad_json", "bom", "empty_body"}:
        return web.Response(body=_damaged(name, body()), content_type="application/json", charset="utf-8")
    return _replaced(name, fault)


def _damaged(name: str, sound: bytes) -> bytes:
    if name == "bom":
        return codecs.BOM_UTF8 + sound
    return sound[: len(sound) // 2] if name == "bad_json" else b""


def _replaced(name: str, fault: Fault) -> web.Response | None:
    if name.startswith("server_error"):
        return web.json_response({"error": "Internal server error"}, status=fault.number("status"))
    if name == "html_error":
        status = fault.number("status")
        return web.Response(text=_HTML.format(f"{status} from the gateway"), content_type="text/html", status=status)
    if name == "no_content":
        return web.Response(status=204)
    if name == "bad_envelope":
        return web.json_response({"result": {"rows": []}, "success": True})
    return None


def too_many(headers: dict[str, str] | None = None) -> web.Response:
    """The 429 of Scalev: plain text."""
    return web.Response(text="Too many requests", status=429, headers=headers)


def _too_many(fault: Fault, now: float) -> web.Response:
    """A 429 with the headers that the fault names."""
    headers = {}
    retry_after, reset = fault.parameters["retry_after"], fault.parameters["reset"]
    if retry_after == "absurd":
        headers["Retry-After"] = _ABSURD_SECONDS
    elif retry_after.startswith("date+"):
        headers["Retry-After"] = formatdate(now + float(retry_after[5:]), usegmt=True)
    elif retry_after:
        headers["Retry-After"] = retry_after
    if reset:
        headers |= {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(int(now) + int(reset))}
    return too_many(headers)


def hang_up(request: web.Request) -> web.Response:
    """Closes the connection without an answer; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
