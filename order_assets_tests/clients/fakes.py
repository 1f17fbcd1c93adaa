"""Servers that answer from a script, and what the tests of both clients share."""

from __future__ import annotations

import asyncio
import io
import json
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from order_assets.clients.errors import ApiError
from order_assets.clients.http import Http, RetryPolicy, http_client

Answer = httpx.Response | Exception
TOKEN = "canary-token-8f3a"  # noqa: S105 - what must not show up anywhere
T = TypeVar("T")


class ScriptedServer:
    """Gives its answers one after the other, the last one for ever, and remembers the requests."""

    def __init__(self, *answers: Answer | Callable[[httpx.Request], httpx.Response]) -> None:
        """Take the script."""
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            # A response can be read once, so the last of the script is copied.
            return httpx.Response(answer.status_code, headers=answer.headers, stream=OneChunk(answer.content))
        return answer(request)


class OneChunk(httpx.AsyncByteStream):
    """A body as it is on the wire: httpx does not touch it."""

    def __init__(self, body: bytes) -> None:
        """Take the bytes."""
        self._body = body

    async def __aiter__(self) -> Any:
        """Yield the body at once."""
        yield self._body


class BreaksOff(httpx.AsyncByteStream):
    """A body that ends with the connection."""

    async def __aiter__(self) -> Any:
        """Yield a part, then fail."""
        yield b'{"data": ['
        raise httpx.RemoteProtocolError("peer closed the connection")


class Endless(httpx.AsyncByteStream):
    """A body without an end."""

    def __init__(self) -> None:
        """Count what was taken."""
        self.chunks = 0

    async def __aiter__(self) -> Any:
        """Yield a megabyte at a time."""
        while True:
            self.chunks += 1
            yield bytes(1024 * 1024)


class RecordedSleep:
    """Sleeps not at all and remembers for how long it should have."""

    def __init__(self) -> None:
        """Start with none."""
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Remember the wait."""
        self.waits.append(seconds)


def answer(body: Any = None, status: int = 200, **headers: str) -> httpx.Response:
    """A JSON answer; bytes and text stay as they are."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return raw_answer(content, status, {name.replace("_", "-"): value for name, value in headers.items()})


def raw_answer(content: bytes, status: int, headers: dict[str, str]) -> httpx.Response:
    """An answer whose body is `content` on the wire, whatever its headers say."""
    response = httpx.Response(status, content=content)
    response.headers.update(headers)
    return response


@asynccontextmanager
async def http_of(server: ScriptedServer) -> Any:
    """Our side of the connection to a scripted server."""
    client = http_client("https://api.test/base", connections=4, transport=httpx.MockTransport(server))
    async with client:
        yield Http(client)


def retries(sleep: RecordedSleep | None = None, *, attempts: int = 4) -> RetryPolicy:
    """The product's policy without its waits."""
    return RetryPolicy(attempts=attempts, sleep=sleep or RecordedSleep())


def outcome(work: Awaitable[T]) -> T | ApiError:
    """Run to the end; return the result, or the error of our own kind."""

    async def run() -> T | ApiError:
        try:
            return await work
        except ApiError as error:
            return error

    return asyncio.run(run())


def error_of(work: Awaitable[object]) -> ApiError:
    """Run to the error that must come."""
    result = outcome(work)
    assert isinstance(result, ApiError), f"no error, but {result!r}"
    return result


def all_texts_of(error: BaseException) -> Iterator[str]:
    """Every text an error could leave in a log: its own, its causes', the traceback's with all frames."""
    yield str(error)
    yield repr(error)
    yield "".join(traceback.format_exception(error))
    sink = io.StringIO()
    traceback.print_exception(error, file=sink)
    yield sink.getvalue()
    for name, value in vars(error).items():
        yield f"{name}={value!r}"
    for linked in (error.__cause__, None if error.__suppress_context__ else error.__context__):
        if linked is not None:
            yield from all_texts_of(linked)
