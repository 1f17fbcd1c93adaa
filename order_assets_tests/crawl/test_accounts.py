"""The roster in `ops.accounts` follows the configuration, and says who is to be crawled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets import settings as configuration
from order_assets.crawl import accounts
from order_assets.crawl.accounts import RosterChange
from order_assets.settings import Settings

TOKEN = SecretStr("t")


def _settings(
    names: Iterable[str], *, currency: str = "IDR", members: Iterable[str] = (), path: Path | None = None
) -> Settings:
    """Return settings with these customers of one store and these members of one programme."""
    customers = [{"name": name, "access_token": "t"} for name in names]
    document = {
        "scalev": {"stores": [{"store_id": "s", "currency": currency, "customers": customers}]},
        "ktsp": {
            "programmes": [
                {
                    "name": "p",
                    "base_url": "https://k.example",
                    "app_key": "k",
                    "members": [{"member_id": member} for member in members],
                }
            ]
        },
    }
    return Settings(
        state=Path("state"),
        accounts_path=path,
        accounts=configuration.AccountsFile.model_validate(document),
        keys=configuration.Keys(TOKEN, (TOKEN,)),
        database_url=None,
    )


def _sync(engine: sa.Engine, settings: Settings) -> RosterChange:
    with engine.begin() as connection:
        return accounts.sync(connection, settings)


def _rows(engine: sa.Engine, columns: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(f"select {columns} from ops.accounts order by 1"))]  # noqa: S608 - literals of this file


def _crawled(engine: sa.Engine, key: str, statuses: Sequence[str], source_system: str = "scalev") -> None:
    query = sa.text(
        "insert into ops.crawls (source_system, partition_key, mode, started_at, status, run_id)"
        " values (:source_system, :key, 'full', now(), :status, 'r')"
    )
    with engine.begin() as connection:
        for status in statuses:
            connection.execute(query, {"source_system": source_system, "key": key, "status": status})


def test_the_roster_follows_the_configuration(engine: sa.Engine) -> None:
    """Without it, new people would not be crawled, or people who left would be for ever."""
    assert _sync(engine, _settings("ab", members="m")) == RosterChange(added=3, changed=0, retired=0)
    assert _sync(engine, _settings("bc", currency="USD")) == RosterChange(added=1, changed=1, retired=2)
    assert _rows(engine, "partition_key, state, currency, retired_at is null") == [
        ("p/m", "retired", "HKD", False),
        ("s/a", "retired", "IDR", False),
        ("s/b", "active", "USD", True),
        ("s/c", "active", "USD", True),
    ]
    assert _sync(engine, _settings("abc", currency="USD", members="m")) == RosterChange(added=0, changed=2, retired=0)
    assert {row[1:] for row in _rows(engine, "partition_key, state, retired_at is null")} == {("active", True)}


def test_nothing_is_written_when_nothing_differs(engine: sa.Engine) -> None:
    """Without it, the sensor would rewrite thousands of rows every minute."""
    _sync(engine, _settings("abc", members="mn"))
    before = _rows(engine, "partition_key, xmin::text, ctid::text")
    assert _sync(engine, _settings("cba", members="nm")) == RosterChange(added=0, changed=0, retired=0)
    assert _rows(engine, "partition_key, xmin::text, ctid::text") == before


def test_one_change_writes_one_row(engine: sa.Engine) -> None:
    """Without it, one new customer could rewrite the whole roster."""
    _sync(engine, _settings("abc"))
    before = _rows(engine, "partition_key, xmin::text")
    _sync(engine, _settings("abcd"))
    assert _rows(engine, "partition_key, xmin::text")[:3] == before


def test_thousands_of_accounts_in_one_go(engine: sa.Engine) -> None:
    """Without it, a large roster could exceed the number of parameters a statement may have."""
    names = [f"c-{number:05d}" for number in range(5_000)]
    assert _sync(engine, _settings(names)) == RosterChange(added=5_000, changed=0, retired=0)
    assert _sync(engine, _settings(names, currency="USD")) == RosterChange(added=0, changed=5_000, retired=0)
    with engine.begin() as connection:
        assert accounts.active_keys(connection, "scalev") == [f"s/{name}" for name in names]
        accounts.set_state(connection, "scalev", [f"s/{name}" for name in names], "needs_sign_in")
    assert _sync(engine, _settings([])) == RosterChange(added=0, changed=0, retired=5_000)


def test_a_state_survives_a_change_of_configuration(engine: sa.Engine) -> None:
    """Without it, a new currency would hide that somebody has to sign in."""
    _sync(engine, _settings("ab"))
    with engine.begin() as connection:
        accounts.set_state(connection, "scalev", ["s/a"], "needs_sign_in")
    _sync(engine, _settings("ab", currency="USD"))
    assert _rows(engine, "partition_key, state") == [("s/a", "needs_sign_in"), ("s/b", "active")]


def test_a_retired_account_stays_retired_whatever_a_crawl_finds(engine: sa.Engine) -> None:
    """Without it, a crawl still running would bring back who was just taken out."""
    _sync(engine, _settings("ab"))
    _sync(engine, _settings("b"))
    with engine.begin() as connection:
        accounts.set_state(connection, "scalev", ["s/a", "s/b"], "not_found")
        assert accounts.active_keys(connection, "scalev") == ["s/b"]
    assert _rows(engine, "partition_key, state") == [("s/a", "retired"), ("s/b", "not_found")]


def test_imported_accounts_are_not_retired_by_the_file(engine: sa.Engine) -> None:
    """Without it, thousands of imported accounts would be retired by the next start."""
    _sync(engine, _settings("a"))
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.accounts set origin = 'import'"))
    assert _sync(engine, _settings("b")).retired == 0
    assert _rows(engine, "partition_key, state") == [("s/a", "active"), ("s/b", "active")]


def test_accounts_come_in_the_order_they_were_configured(engine: sa.Engine) -> None:
    """Without it, the order of partitions would change from run to run."""
    _sync(engine, _settings(["z", "a", "m"], members=["m2", "m1"]))
    _sync(engine, _settings(["b", "z", "a", "m"], members=["m2", "m1"]))
    with engine.connect() as connection:
        assert accounts.active_keys(connection, "scalev") == ["s/z", "s/a", "s/m", "s/b"]
        assert accounts.active_keys(connection, "ktsp") == ["p/m2", "p/m1"]


@pytest.mark.parametrize(
    ("statuses", "unfinished"),
    [
        ([], {"s/a", "s/b"}),
        (["complete"], {"s/b"}),
        (["complete", "failed"], {"s/a", "s/b"}),
        (["failed", "complete"], {"s/b"}),
        (["complete", "running"], {"s/a", "s/b"}),
        (["incomplete"], {"s/a", "s/b"}),
        (["complete", "parked"], {"s/a", "s/b"}),
    ],
)
def test_the_latest_crawl_decides_who_is_unfinished(
    statuses: list[str], unfinished: set[str], engine: sa.Engine
) -> None:
    """Without it, `--failed-only` would leave out who failed, or crawl everybody."""
    _sync(engine, _settings("ab", members="a"))
    _crawled(engine, "s/a", statuses)
    with engine.connect() as connection:
        assert accounts.unfinished_keys(connection, "scalev") == unfinished
        assert accounts.unfinished_keys(connection, "ktsp") == {"p/a"}


def test_retired_accounts_are_not_unfinished(engine: sa.Engine) -> None:
    """Without it, a retry would crawl people who were taken out."""
    _sync(engine, _settings("ab"))
    _sync(engine, _settings("a"))
    with engine.connect() as connection:
        assert accounts.unfinished_keys(connection, "scalev") == {"s/a"}


def test_sandbox_and_real_orders_know_of_each_other(engine: sa.Engine) -> None:
    """Without it, invented and real orders could be added up in one database unnoticed."""
    invented, real = _settings("ab"), _settings("cd", path=Path("accounts.toml"))
    _sync(engine, invented)
    with engine.connect() as connection:
        assert accounts.foreign_origin(connection, real) == 0, "configured, but nothing crawled"
    _crawled(engine, "s/a", ["complete", "complete"])
    with engine.connect() as connection:
        assert accounts.foreign_origin(connection, real) == 1
        assert accounts.foreign_origin(connection, invented) == 0
