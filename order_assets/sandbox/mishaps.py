"""Faults that break HTTP or the envelope, the same for both APIs. Paging faults are in `scalev` and `ktsp`."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from aiohttp import web

from order_assets.sandbox.faults import Fault

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
    return _replaced(name, fault, body)


def _replaced(name: str, fault: Fault, body: Callable[[], bytes]) -> web.Response | None:
    if name.startswith("rate_limited"):
        return too_many(_retry_after(fault.parameters["retry_after"]))
    if name.startswith("server_error"):
        return web.json_response({"error": "Internal server error"}, status=fault.number("status"))
    if name == "html_error":
        status = fault.number("status")
        return web.Response(text=_HTML.format(f"{status} from the gateway"), content_type="text/html", status=status)
    if name == "bad_json":
        sound = body()
        return web.Response(body=sound[: len(sound) // 2], content_type="application/json", charset="utf-8")
    if name == "bad_envelope":
        return web.json_response({"result": {"rows": []}, "success": True})
    return None


def too_many(retry_after: str | None = None) -> web.Response:
    """The 429 of Scalev: plain text."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.Response(text="Too many requests", status=429, headers=headers)


def _retry_after(text: str) -> str:
    if text == "absurd":
        return _ABSURD_SECONDS
    if text.startswith("date+"):
        return formatdate(time.time() + float(text[5:]), usegmt=True)
    return text


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
