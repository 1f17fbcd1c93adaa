"""The roster in `ops.accounts` follows the configuration, and says who is to be crawled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets import accounts_file
from order_assets import settings as configuration
from order_assets.accounts_file import SettingsError
from order_assets.crawl import accounts
from order_assets.crawl.accounts import RosterChange, StateChange
from order_assets.settings import Settings, SourceSystem

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
        accounts=accounts_file.AccountsFile.model_validate(document),
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


def test_an_import_alone_keeps_the_sandbox_out(engine: sa.Engine) -> None:
    """Without it, a missing accounts file would mix invented orders with imported accounts' real ones."""
    invented, real = _settings("ab"), _settings("cd", path=Path("accounts.toml"))
    _sync(engine, real)
    _imported(engine, "s/c")
    with engine.connect() as connection:
        assert accounts.foreign_origin(connection, invented) == 1
        assert accounts.foreign_origin(connection, real) == 0


# Imported accounts


def _imported(engine: sa.Engine, *keys: str) -> None:
    """Turn accounts into imported ones."""
    query = sa.text("update ops.accounts set origin = 'import' where partition_key = any(:keys)")
    with engine.begin() as connection:
        connection.execute(query, {"keys": list(keys)})


def test_the_file_leaves_imported_accounts_alone(engine: sa.Engine) -> None:
    """Without it, the next start would retire what was imported, or rewrite it every minute."""
    _sync(engine, _settings("ab"))
    _imported(engine, "s/a", "s/b")
    with engine.begin() as connection:
        accounts.retire(connection, _settings(""), "s/b")
    before = _rows(engine, "partition_key, xmin::text")
    assert _sync(engine, _settings("")) == RosterChange(added=0, changed=0, retired=0)
    assert _rows(engine, "partition_key, xmin::text") == before


def test_imported_accounts_follow_the_store_of_the_file(engine: sa.Engine) -> None:
    """Without it, two accounts of one store could take the business date in two time zones."""
    _sync(engine, _settings("ab"))
    _imported(engine, "s/b")
    assert _sync(engine, _settings("a", currency="USD")) == RosterChange(added=0, changed=2, retired=0)
    assert _rows(engine, "partition_key, currency, origin") == [("s/a", "USD", "sandbox"), ("s/b", "USD", "import")]


# Retired by a person


def _retire(
    engine: sa.Engine, settings: Settings, key: str, *, undo: bool = False, source: SourceSystem | None = None
) -> StateChange:
    with engine.begin() as connection:
        act = accounts.bring_back if undo else accounts.retire
        return act(connection, settings, key, source_system=source)


def test_who_was_retired_by_hand_stays_retired(engine: sa.Engine) -> None:
    """Without it, the next start would bring back everybody the accounts file still lists."""
    settings = _settings("ab")
    _sync(engine, settings)
    assert _retire(engine, settings, "s/a") == StateChange("scalev", "s/a", "active", "retired")
    assert _retire(engine, settings, "s/a") == StateChange("scalev", "s/a", "retired", "retired")
    for names, change in (("ab", (0, 0, 0)), ("b", (0, 0, 0)), ("ab", (0, 0, 0))):
        assert _sync(engine, _settings(names)) == RosterChange(*change)
    assert _rows(engine, "partition_key, state, retired_by, retired_at is null") == [
        ("s/a", "retired", "command", False),
        ("s/b", "active", None, True),
    ]
    assert _sync(engine, _settings("ab", currency="USD")).changed == 2, "its store can still change"
    assert _rows(engine, "partition_key, state, currency")[0] == ("s/a", "retired", "USD")
    with engine.connect() as connection:
        assert accounts.active_keys(connection, "scalev") == ["s/b"]
        assert accounts.unfinished_keys(connection, "scalev") == {"s/b"}


def test_who_was_retired_comes_back_on_request(engine: sa.Engine) -> None:
    """Without it, a slip of the hand could not be undone."""
    settings = _settings("ab")
    _sync(engine, settings)
    _retire(engine, settings, "s/a")
    assert _retire(engine, settings, "s/a", undo=True) == StateChange("scalev", "s/a", "retired", "active")
    assert _retire(engine, settings, "s/a", undo=True) == StateChange("scalev", "s/a", "active", "active")
    assert set(_rows(engine, "state, retired_at, retired_by")) == {("active", None, None)}
    assert _sync(engine, settings) == RosterChange(added=0, changed=0, retired=0)


def test_an_account_can_be_retired_before_it_was_ever_crawled(engine: sa.Engine) -> None:
    """Without it, a new account would have to be crawled once before it can be left out."""
    settings = _settings("ab")
    assert _retire(engine, settings, "s/a") == StateChange("scalev", "s/a", "new", "retired")
    assert _sync(engine, settings) == RosterChange(added=1, changed=0, retired=0)
    with engine.connect() as connection:
        assert accounts.active_keys(connection, "scalev") == ["s/b"]


def test_who_left_the_file_can_be_retired_for_good(engine: sa.Engine) -> None:
    """Without it, an account that is moved out of the file and back would return against a person's word."""
    _sync(engine, _settings("ab"))
    _sync(engine, _settings("b"))
    with pytest.raises(SettingsError, match="s/a is not in the accounts file any more"):
        _retire(engine, _settings("b"), "s/a", undo=True)
    _retire(engine, _settings("b"), "s/a")
    _sync(engine, _settings("ab"))
    assert _rows(engine, "partition_key, state")[0] == ("s/a", "retired")


def test_an_unknown_account_is_not_retired_but_named_with_its_likes(engine: sa.Engine) -> None:
    """Without it, a slip in the key would look like success, and the account be crawled on."""
    settings = _settings(["c-001", "c-002", "other"], members=["m-1"])
    with pytest.raises(SettingsError, match=r"no account s/c-01; did you mean s/c-001 or s/c-002\?"):
        _retire(engine, settings, "s/c-01")
    with pytest.raises(SettingsError, match=r"no account s/c-001 of ktsp; see: order-assets accounts list"):
        _retire(engine, settings, "s/c-001", source="ktsp")
    assert _rows(engine, "partition_key") == []


def test_a_key_of_both_sources_needs_the_source(engine: sa.Engine) -> None:
    """Without it, the wrong one of two accounts could be retired."""
    same = _settings("").accounts.ktsp.programmes[0]
    twin = _settings("a")
    programme = same.model_copy(update={"name": "s", "members": (accounts_file.KtspMember(member_id="a"),)})
    ktsp = twin.accounts.ktsp.model_copy(update={"programmes": (programme,)})
    both = dataclasses.replace(twin, accounts=twin.accounts.model_copy(update={"ktsp": ktsp}))
    with pytest.raises(SettingsError, match="add --source scalev or --source ktsp"):
        _retire(engine, both, "s/a")
    _sync(engine, both)
    _retire(engine, both, "s/a", source="ktsp")
    assert _rows(engine, "source_system, state") == [("ktsp", "retired"), ("scalev", "active")]


def test_the_overview_says_where_accounts_come_from_and_what_they_wait_for(engine: sa.Engine) -> None:
    """Without it, nobody could tell why an account is not crawled."""
    settings = _settings("abcde")
    _sync(engine, _settings("abcd"))
    _imported(engine, "s/b")
    _retire(engine, settings, "s/c")
    _crawled(engine, "s/a", ["parked"])
    _crawled(engine, "s/d", ["parked", "complete"])
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.crawls set resume_at = '2030-01-01T00:00Z'"))
        rows = {row.partition_key: row for row in accounts.overview(connection, settings)}
        retired = accounts.overview(connection, settings, state="retired")
    assert {key: (row.state, row.origin, row.retired_by) for key, row in rows.items()} == {
        "s/a": ("active", "sandbox", None),
        "s/b": ("active", "import", None),
        "s/c": ("retired", "sandbox", "command"),
        "s/d": ("active", "sandbox", None),
        "s/e": ("new", "sandbox", None),
    }
    assert {key for key, row in rows.items() if row.resume_at} == {"s/a"}, "the others do not wait"
    assert [row.partition_key for row in retired] == ["s/c"]
