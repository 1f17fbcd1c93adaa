"""`python -m bench.mock`: both APIs from ready answers, fast enough never to be what is measured.

Answers lie in memory, gzipped, headers included; a request costs a look-up. No tokens are checked beyond whose they
are, and nothing fails: faults and rules of the APIs are the sandbox's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.corpus import Corpus, Spec, corpus

_END = b"\r\n\r\n"


def answer(body: bytes, *, zipped: bool = False) -> bytes:
    """Return a whole HTTP answer."""
    encoding = b"Content-Encoding: gzip\r\n" if zipped else b""
    length = str(len(body)).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %b\r\n\r\n%b" % (
        encoding,
        length,
        body,
    )


class Mock:
    """The answers, which version of them is served, and the latency."""

    def __init__(self, made: Corpus) -> None:
        """Make the answers ready."""
        self.before = [[answer(page, zipped=True) for page in pages] for pages in made.before]
        self.after = {index: [answer(page, zipped=True) for page in pages] for index, pages in made.after.items()}
        self.members = {a.owner: index for index, a in enumerate(made.accounts) if a.source == "ktsp"}
        self.evolved = False
        self.latency = 0.0
        self.requests = 0
        self.token = answer(json.dumps({"status": 1, "errorCode": 0, "message": "success", "token": "app"}).encode())

    def page(self, index: int, number: int) -> bytes:
        """Return a page of an account."""
        self.requests += 1
        pages = self.after.get(index, self.before[index]) if self.evolved else self.before[index]
        return pages[min(number, len(pages) - 1)]

    def respond(self, path: str, head: bytes, body: bytes) -> bytes:
        """Return the answer to a request."""
        if path.startswith("/v3/"):
            lower = head.lower()
            start = lower.index(b"bearer t-") + 9
            index = int(head[start : head.index(b"\r\n", start)])
            cursor = path.partition("next_cursor=c")[2].partition("&")[0]
            return self.page(index, int(cursor or 0))
        if path == "/v1/order/list":
            asked = json.loads(body)
            return self.page(self.members[asked["memberId"]], asked["pageNo"])
        if path == "/v1/auth":
            return self.token
        return self._control(path)

    def _control(self, path: str) -> bytes:
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        self.evolved = query.get("evolved", str(int(self.evolved))) == "1"
        self.latency = float(query.get("latency_ms", self.latency * 1000)) / 1000
        used = resource.getrusage(resource.RUSAGE_SELF)
        return answer(json.dumps({"requests": self.requests, "cpu": used.ru_utime + used.ru_stime}).encode())


class _Connection(asyncio.Protocol):
    def __init__(self, mock: Mock) -> None:
        self.mock = mock
        self.waiting = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server's
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(_END)) >= 0:
            head, rest = self.waiting[: end + 2], self.waiting[end + 4 :]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 : head.index(b"\r\n", at)]) if at >= 0 else 0
            if len(rest) < length:
                return
            body, self.waiting = rest[:length], rest[length:]
            sent = self.mock.respond(head.split(b" ", 2)[1].decode(), head, body)
            if self.mock.latency:
                asyncio.get_running_loop().call_later(self.mock.latency, self.transport.write, sent)
            else:
                self.transport.write(sent)


async def _serve(made: Corpus) -> None:
    mock = Mock(made)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(mock), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve until the process is ended; the port is the first line of the output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--orders-per-account", type=int, required=True)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args()
    asyncio.run(_serve(corpus(Spec(args.orders, args.orders_per_account, args.days), args.folder)))


if __name__ == "__main__":
    main()
