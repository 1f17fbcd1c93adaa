"""TLS is verified by default: whoever cannot show a trusted certificate gets no token and no alert."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from order_assets.clients.alerts import AlertError, Mail, mail, post
from order_assets.clients.errors import TransientError
from order_assets.clients.http import Http, http_client

Converse = Callable[[socket.socket, ssl.SSLContext], bytes]


@pytest.fixture
def nobody(tmp_path: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@contextmanager
def serving(context: ssl.SSLContext, converse: Converse) -> Iterator[tuple[int, list[bytes]]]:
    """Take one connection; yield the port, and what the client said behind TLS."""
    heard: list[bytes] = []

    def take() -> None:
        with suppress(OSError), listener.accept()[0] as client:  # a client that hangs up is what is hoped for
            heard.append(converse(client, context))

    with socket.create_server(("localhost", 0)) as listener:
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join()


def https(client: socket.socket, context: ssl.SSLContext) -> bytes:
    """Read the head of a request."""
    with context.wrap_socket(client, server_side=True) as secure:
        return secure.recv(10_000)


def smtp(client: socket.socket, context: ssl.SSLContext) -> bytes:
    """Offer STARTTLS, and read what comes behind it."""
    client.sendall(b"220 ready\r\n")
    client.recv(1000)
    client.sendall(b"250-hello\r\n250 STARTTLS\r\n")
    client.recv(1000)
    client.sendall(b"220 go on\r\n")
    return https(client, context)


def test_an_api_that_nobody_vouches_for_gets_no_token(nobody: ssl.SSLContext) -> None:
    """Without it, whoever sits between us and the API could read every customer's token."""

    async def ask(port: int) -> None:
        async with http_client(f"https://localhost:{port}", connections=1) as client:
            http = Http(client)
            await http.send(http.request("GET", "/v3/orders", headers={"Authorization": "Bearer canary"}))

    with serving(nobody, https) as (port, heard), pytest.raises(TransientError, match="Certificate"):
        asyncio.run(ask(port))
    assert heard == []


def test_a_webhook_that_nobody_vouches_for_gets_no_alert(nobody: ssl.SSLContext) -> None:
    """Without it, the webhook's address and our accounts' keys could be read on the way."""
    with serving(nobody, https) as (port, heard), pytest.raises(AlertError):
        post(f"https://localhost:{port}/canary", "text")
    assert heard == []


def test_a_mail_server_that_nobody_vouches_for_gets_no_password(nobody: ssl.SSLContext) -> None:
    """Without it, smtplib would hand the password to anybody who answers."""
    with serving(nobody, smtp) as (port, heard), pytest.raises(AlertError, match="SSLCertVerificationError"):
        mail(Mail(("a@example.com",), "b@example.com", "localhost", port, True, "user", "canary"), "s", "t")
    assert heard == []
