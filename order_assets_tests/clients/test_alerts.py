"""Alerts arrive as they were written, over real sockets; what goes wrong is an error without the webhook's address."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from order_assets.clients.alerts import AlertError, Mail, mail, post

TEXT = "2 accounts began to fail\n\nstore/übel: <script>alert(1)</script>\n.\n"


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    """Serve a webhook; yield its address, whose path is its secret, and the bodies it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/CANARY-HOOK", bodies
        server.shutdown()


@contextmanager
def mail_server(answer: bytes = b"250 ok") -> Iterator[tuple[int, list[bytes]]]:
    """Serve as much of SMTP as a delivery needs; yield the port and the messages. `answer`: to the recipient."""
    messages: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            while command := self.rfile.readline().strip().upper():
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    messages.append(b"".join(line.removeprefix(b".") if line[:2] == b".." else line for line in lines))
                if command == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write((answer if command.startswith(b"RCPT") else b"250 ok") + b"\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], messages
        server.shutdown()


def _mail(port: int) -> Mail:
    return Mail(
        to=("a@example.com", "b@example.com"), sender="us@example.com", host="127.0.0.1", port=port, use_starttls=False
    )


def test_a_webhook_gets_the_text() -> None:
    """Without it, Slack and its like would show nothing, or something else."""
    with webhook() as (url, bodies):
        post(url, TEXT)
    assert [json.loads(body) for body in bodies] == [{"text": TEXT}]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_an_error_without_its_address(status: int) -> None:
    """Without it, an alert would be lost in silence, or the secret address would be in the tick's error."""
    with webhook(status) as (url, _), pytest.raises(AlertError, match=f"answered {status}") as caught:
        post(url, TEXT)
    assert "CANARY" not in str(caught.value)
    with pytest.raises(AlertError, match="cannot be reached") as caught:
        post(url, TEXT)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_email_arrives_as_written() -> None:
    """Without it, a line with a single point would cut the alert short, and other letters come out wrong."""
    with mail_server() as (port, messages):
        mail(_mail(port), "2 accounts", TEXT)
    (raw,) = messages
    message = message_from_bytes(raw, policy=policy.default)
    assert (message["Subject"], message["From"], message["To"]) == (
        "2 accounts", "us@example.com", "a@example.com, b@example.com",
    )  # fmt: skip
    body = message.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == TEXT


def test_an_email_that_is_not_taken_is_an_error() -> None:
    """Without it, nobody would know that nobody is told."""
    with (
        mail_server(b"550 no such user") as (port, messages),
        pytest.raises(AlertError, match="did not take the e-mail"),
    ):
        mail(_mail(port), "2 accounts", TEXT)
    assert messages == []
