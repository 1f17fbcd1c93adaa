"""`order-assets doctor` finds each likely problem, says how to mend it, and is quiet where all is well."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from order_assets.accounts_file import parse_accounts
from order_assets.doctor import database, network, place
from order_assets.doctor.finding import Finding
from order_assets_tests import test_cli
from order_assets_tests.test_cli import Command

command = test_cli.command
sandbox = test_cli.sandbox


def _problems(findings: Iterable[Finding]) -> str:
    return "\n".join(f"{f.check} {f.level}: {f.words} -> {f.remedy}" for f in findings if f.level != "ok")


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_healthy_installation_and_then_one_problem_after_the_other(command: Command) -> None:
    """Without it, the command could be red on good installations, or green on broken ones."""
    port = _free_port()
    fresh = command("doctor", "--port", port)
    assert fresh.returncode == 0, fresh.stdout + fresh.stderr
    assert command.scalar("select count(*) from ops.installation") == 0, "a look fills nothing"
    assert not (Path(command.env["ORDER_ASSETS_STATE"]) / "keys").exists(), "a look makes no keys"

    assert command("run").returncode == 0
    well = command("doctor", "--port", port, "--json")
    assert well.returncode == 0, well.stdout
    found = json.loads(well.stdout)
    assert {each["level"] for each in found} == {"ok"}
    assert {each["check"] for each in found} == {
        "accounts_file", "database", "schema", "clock", "keys", "accounts", "disk", "dagster_home", "port", "api",
        "verdicts",
    }  # fmt: skip

    bad = command.sandbox.world.accounts[0]
    keys = Path(command.env["ORDER_ASSETS_STATE"]) / "keys"
    (keys / "encryption_key").chmod(0o644)
    (keys / "hmac_key").rename(keys / "elsewhere")
    with command.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into dagster.runs (run_id, pipeline_name, status, run_body) select 'abandoned', 'x', 'STARTED',"
                " replace(replace(run_body, run_id, 'abandoned'), 'SUCCESS', 'STARTED') from dagster.runs"
                " where status = 'SUCCESS' limit 1"
            )
        )
        connection.execute(sa.text("update ops.crawls set finished_at = finished_at - interval '100 hours'"))
        connection.execute(
            sa.text("update ops.crawls set status = 'failed', reason = 'token_expired' where partition_key = :key"),
            {"key": bad},
        )
    with socket.create_server(("127.0.0.1", int(port))):
        ill = command("doctor", "--port", port, DAGSTER_HOME="/elsewhere", ORDER_ASSETS_DATABSE_URL="x")
    assert ill.returncode == 1
    for words in (
        "accounts: failed token_expired", f"e.g. {bad}", "order-assets run --failed-only", "can be read by others",
        "chmod 600", "hmac_key is gone, and the database was filled with it", f"another program has port {port}",
        "DAGSTER_HOME is /elsewhere", "did you mean ORDER_ASSETS_DATABASE_URL?", "nothing was crawled for",
        "their process is gone",
    ):  # fmt: skip
        assert words in ill.stdout, words
    assert "Traceback" not in ill.stdout + ill.stderr


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"ORDER_ASSETS_ACCOUNTS": "/nowhere.toml"}, "/nowhere.toml: no such accounts file"),
        (
            {"ORDER_ASSETS_DATABASE_URL": "postgresql://someone:secret-canary@127.0.0.1:1/orders"},
            "cannot connect to postgresql://127.0.0.1:1/orders",
        ),
        ({"ORDER_ASSETS_DATABASE_URL": "mysql://host/x"}, "names mysql; it must be PostgreSQL"),
        ({"ORDER_ASSETS_ENCRYPTION_KEY": "short", "ORDER_ASSETS_HMAC_KEY": "k"}, "not 32 bytes in url-safe base64"),
    ],
)
def test_a_wrong_variable_is_a_problem_and_hides_no_other(command: Command, env: dict[str, str], words: str) -> None:
    """Without it, the first mistake would end the examination, or print a password."""
    done = command("doctor", "--offline", "--port", _free_port(), **env)
    assert done.returncode == 1
    assert words in done.stdout
    assert "free for order-assets dev" in done.stdout
    assert "secret-canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("[[scalev.stores]\n", 0o600, "not valid TOML"),
        ("[scalev]\npage_sice = 3\n", 0o600, "page_sice: unknown key"),
        ('[[ktsp.programmes]]\nname = "k"\nbase_url = "https://k.example"\napp_key = "x"\n', 0o644, "chmod 600"),
    ],
)
def test_a_wrong_accounts_file_is_named_with_its_line(
    text: str, mode: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a person would look for a typing mistake in a file of hundreds of lines."""
    path = tmp_path / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", str(path))
    _, findings = place.accounts_file()
    assert words in _problems(findings)
    assert f"{path}:" in _problems(findings)


def test_nobody_to_crawl_is_a_problem(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, an accounts file with stores but no customers would look fine, and no order ever come."""
    path = tmp_path / "accounts.toml"
    path.write_text("", encoding="utf-8")
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", str(path))
    assert "order-assets init" in _problems(database.configured(engine, parse_accounts("", "x")))


def test_keys_that_are_unreadable_empty_or_others(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a restored backup without its keys would give every customer a second pseudonym, unnoticed."""
    (tmp_path / "keys" / "hmac_key").mkdir(parents=True)
    (tmp_path / "keys" / "encryption_key").write_text("", encoding="utf-8")
    found = _problems(place.keys(tmp_path, is_filled=True))
    assert "hmac_key cannot be read: Is a directory" in found
    assert "encryption_key is empty" in found
    monkeypatch.setenv("ORDER_ASSETS_HMAC_KEY", "another")
    monkeypatch.setenv("ORDER_ASSETS_ENCRYPTION_KEY", "A" * 43 + "=")
    with engine.begin() as connection:
        connection.execute(sa.text("insert into ops.installation values ('hmac_key_sha256', 'of the first key')"))
        connection.execute(sa.text("insert into ops.page_keys values ('scalev', 'a/1', 'sealed')"))
    found = _problems(database.fitting_keys(engine, tmp_path))
    assert "not the one the database was filled with" in found
    assert "encrypted with a key that is not configured" in found


def test_a_schema_that_is_behind_or_ahead(engine: sa.Engine) -> None:
    """Without it, 'relation does not exist' would be all a person hears after an upgrade or a downgrade."""
    assert database.schema(engine).level == "ok"
    for revision, level, words in (("0001", "warning", "make a backup"), ("9999", "problem", "does not know")):
        with engine.begin() as connection:
            connection.execute(sa.text("update ops.alembic_version set version_num = :r"), {"r": revision})
        found = database.schema(engine)
        assert found.level == level
        assert words in found.words + found.remedy
        assert not database.is_current(engine)


def test_a_database_user_without_rights_hides_nothing(command: Command, engine: sa.Engine) -> None:
    """Without it, a missing grant would end the examination, and the disk that is full stay unknown."""
    name = f"nobody_{engine.url.database}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create role {name} login password 'p'")
    try:
        url = engine.url.set(drivername="postgresql", username=name, password="p")  # noqa: S106 - of a role made here
        done = command(
            "doctor", "--offline", ORDER_ASSETS_DATABASE_URL=url.render_as_string(hide_password=False)
        )  # fmt: skip
        assert done.returncode == 1
        assert "cannot be looked at: permission denied for schema ops" in done.stdout
        assert "GB free" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"drop role {name}")


def test_clocks_that_disagree(engine: sa.Engine) -> None:
    """Without it, tokens would seem to expire too early or too late, for no visible reason."""
    for off, level in ((0, "ok"), (-30, "warning"), (600, "problem")):
        found = database.clock(engine, lambda off=off: datetime.now(UTC) + timedelta(seconds=off))  # type: ignore[misc]
        assert found.level == level
    assert "before that of the database" in found.words


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the first sign would be a database that stops in the middle of a load."""

    class Usage(NamedTuple):
        free: int

    for free, level in ((1 << 40, "ok"), (1 << 30, "warning"), (1 << 20, "problem")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: Usage(free))
        assert {found.level for found in place.folders(tmp_path / "not" / "yet", tmp_path)} == {level}


def test_real_orders_and_the_sandbox_in_one_database(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, demo orders in the sums of a finance team would be found by nobody."""
    with engine.begin() as connection:
        for origin in ("file", "sandbox"):
            connection.execute(
                sa.text(
                    "insert into ops.accounts (source_system, partition_key, source_account, display_name, time_zone,"
                    " currency, state, origin, added_at)"
                    " values ('scalev', :o, 'a', 'x', 'UTC', 'IDR', 'active', :o, now())"
                ),
                {"o": origin},
            )
    (tmp_path / "accounts.toml").touch()
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", str(tmp_path / "accounts.toml"))
    assert "both real orders and those of the sandbox" in _problems(
        database.configured(engine, parse_accounts("", "x"))
    )


class _Answer(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[int]:
    """A server with a certificate nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), _Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_an_api_that_cannot_be_trusted_or_reached(tls_port: int) -> None:
    """Without it, a company's TLS proxy, a typo in the address and a firewall would all read 'connection failed'."""
    untrusted = _problems(network.api(f"https://127.0.0.1:{tls_port}"))
    assert "its TLS certificate is not trusted here" in untrusted
    assert "SSL_CERT_FILE" in untrusted
    assert "no such host" in _problems(network.api("http://no-such-host.invalid"))
    assert "cannot be reached" in _problems(network.api(f"http://127.0.0.1:{_free_port()}"))


def test_an_api_whose_clock_disagrees() -> None:
    """Without it, the end of a token's life would be misjudged against the server that issues it."""
    server = HTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        assert _problems(network.api(url)) == ""
        assert "behind that of 127.0.0.1" in _problems(network.api(url, lambda: datetime.now(UTC) - timedelta(hours=1)))
    finally:
        server.shutdown()
        server.server_close()
