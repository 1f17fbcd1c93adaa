"""A whole installation to be hurt: a server of its own, the sandbox, keys, databases copied from each other, runs."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from order_assets import settings as configuration
from order_assets.sandbox.state import Options
from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets.warehouse import embedded
from order_assets.warehouse.engine import connect, migrate
from order_assets_tests.crawl.crawling_process import until
from order_assets_tests.reliability.truth import Truth, differences, left_over, truth
from order_assets_tests.reliability.victim import AS_OF, Victim
from order_assets_tests.reliability.views import LEFT_OVER

COMMAND = ("run", "--as-of", AS_OF.isoformat())
SPEC = WorldSpec(seed=71, stores=2, customers_per_store=4, members=4, orders_per_account=12)
PAGE_SIZE = 5
_NEVER_EXPIRES = 10**8  # seconds; a token that is renewed while its process is killed needs a sign-in, by design
_EMPTY = "empty"


@dataclass
class Scene:
    """An installation; its databases are on a server that may be killed."""

    folder: Path
    sandbox: RunningSandbox
    accounts_file: Path
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def server(self) -> Path:
        """State folder of the database server."""
        return self.folder / "server"

    def url(self, database: str) -> str:
        """Return the URL of a database; starts the server if it was killed, and makes the database if it is missing."""
        return embedded.up(self.server, database)

    def copy(self, template: str = _EMPTY, tablespace: str = "pg_default") -> str:
        """Return the name of a fresh copy of a database that nobody is using."""
        name = f"copy_{next(self._numbers)}"
        self.administer(f"create database {name} template {template} tablespace {tablespace} strategy file_copy")
        return name

    def drop(self, database: str) -> None:
        """Remove a copy."""
        self.administer(f"drop database if exists {database} with (force)")

    def administer(self, *statements: str) -> None:
        """Run statements as the server's administrator."""
        url = sa.make_url(self.url("postgres")).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def environment(self, database: str) -> dict[str, str]:
        """Return the environment of a run on this database."""
        return {
            "ORDER_ASSETS_DATABASE_URL": self.url(database),
            "ORDER_ASSETS_ACCOUNTS": str(self.accounts_file),
            "ORDER_ASSETS_STATE": str(self.folder / "state"),
        }

    def start(self, database: str, *words: str, **how: Any) -> Victim:
        """Start `order-assets` with these words, or its work alone without; `how` is what `Victim` takes."""
        env = self.environment(database) | how.pop("env", {})
        return Victim(words, env, self.folder / "output" / f"{next(self._numbers)}", **how)

    def run(self, database: str, *words: str, **how: Any) -> str:
        """Run to a good end; return what it printed."""
        victim = self.start(database, *words, **how)
        code = victim.exit_code()
        assert code == 0, f"exit code {code}:\n{victim.printed()}"
        return victim.printed()

    @contextmanager
    def engine(self, database: str) -> Iterator[sa.Engine]:
        """Lend an engine."""
        engine = connect(self.url(database))
        try:
            yield engine
        finally:
            engine.dispose()

    def truth(self, database: str) -> Truth:
        """Return what a database says."""
        with self.engine(database) as engine:
            return truth(engine)

    def complaints(self, database: str, expected: Truth, as_of: date = AS_OF) -> list[str]:
        """Say what is not as after an uninterrupted run, once the server has noticed the end of every process."""
        encryption = configuration.load_keys(self.folder / "state").encryption[0]
        with self.engine(database) as engine:

            def sessions() -> int:
                with engine.connect() as connection:
                    query = LEFT_OVER["sessions of the product"]
                    return int(connection.execute(sa.text(query)).scalar_one())

            until(lambda: sessions() == 0, "the server notices that processes are gone")
            return differences(expected, truth(engine)) + left_over(engine, encryption, as_of)

    def data_folder(self) -> Path:
        """Return where the server keeps its data; it belongs to the server's account."""
        return embedded.status(self.server).data

    def is_up(self) -> bool:
        """Whether the server runs."""
        return embedded.status(self.server).running

    def postmaster(self) -> int:
        """Return the process id of the server, which is started if it was killed."""
        self.url(_EMPTY)
        pid = embedded.status(self.server).pid
        assert pid is not None
        return pid

    def kill_server(self) -> None:
        """End the server as a power cut would."""
        os.kill(self.postmaster(), signal.SIGKILL)
        until(lambda: not self.is_up(), "it is gone")


@contextmanager
def scene(spec: WorldSpec = SPEC, *, latency_ms: float = 2.0) -> Iterator[Scene]:
    """Set up an installation with an empty, migrated database to copy; afterwards nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="order-assets-reliability-"))
    folder.chmod(0o755)  # as root the server runs under another account
    (folder / "output").mkdir()
    outliving = multiprocessing.get_context("forkserver").Process(target=_clean_up_after_harness, args=(folder,))
    outliving.start()
    try:
        with serve(spec, Options(latency_ms=latency_ms, access_seconds=_NEVER_EXPIRES)) as sandbox:
            accounts = folder / "accounts.toml"
            text = re.sub(r"^page_size = .*$", f"page_size = {PAGE_SIZE}", sandbox.accounts_toml(), flags=re.MULTILINE)
            accounts.touch(0o600)
            accounts.write_text(text, encoding="utf-8")
            made = Scene(folder, sandbox, accounts)
            with made.engine(_EMPTY) as engine:
                migrate(engine)
            yield made
    finally:
        outliving.kill()
        _clean_up(folder)


def _clean_up(folder: Path) -> None:
    embedded.down(folder / "server")
    location = folder / "server" / "postgres" / "location"
    if location.exists():
        shutil.rmtree(location.read_text(encoding="utf-8"))
    shutil.rmtree(folder)


def _clean_up_after_harness(folder: Path) -> None:
    """Wait for the end of the harness, by Ctrl-C or SIGKILL too; its victims end then as well."""
    os.setsid()  # Ctrl-C is for the harness
    harness = multiprocessing.parent_process()
    assert harness is not None
    harness.join()
    _clean_up(folder)
