"""An installation that was filled under an older schema, upgraded in place: nothing is lost, and a refresh goes on.

Every schema that was released is tried. Data of an older release are today's, brought back by the migrations' own
downgrades; that the schema is then the older one exactly is part of each test.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from order_assets.sandbox.testing import RunningSandbox
from order_assets.warehouse import engine as warehouse
from order_assets.warehouse import schema
from order_assets.warehouse.engine import migrate
from order_assets_tests.crawl.parts import AUTO, Installation
from order_assets_tests.warehouse import conftest
from order_assets_tests.warehouse.catalog import ALL, catalog
from order_assets_tests.warehouse.parts import rows, summarise_all
from order_assets_tests.warehouse.releases import HEAD, MIGRATIONS, add_migration, release

empty_url, empty_engine = conftest.empty_url, conftest.empty_engine

VERSIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
OLDER = VERSIONS[1:]
_VIEWS = """
    select c.relname, pg_get_viewdef(c.oid), obj_description(c.oid) from pg_class as c
    where c.relkind = 'v' and c.relnamespace::regnamespace::text = any(:schemas)
"""
_BREAKS = (
    "delete from marts.order_facts",
    "alter table ops.crawls drop column reason_words",
    "drop table marts.revenue_daily",
    "select 1 / 0",
)

Catalogs = list[set[tuple[object, ...]]]
Contents = dict[str, list[dict[str, Any]]]


@contextmanager
def _alembic(engine: sa.Engine) -> Iterator[Config]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        yield config


def _catalogs(engine: sa.Engine) -> Catalogs:
    return [catalog(engine, query) for query in (*ALL, _VIEWS)]


def _contents(engine: sa.Engine, like: Contents | None = None) -> Contents:
    """Return every row of every table; only the tables and columns of `like`, if it is given."""
    found: Contents = {}
    tables = sa.inspect(engine)
    for place in schema.SCHEMAS:
        for name in sorted(tables.get_table_names(place)):
            if name == "alembic_version" or (like is not None and f"{place}.{name}" not in like):
                continue
            columns = [column["name"] for column in tables.get_columns(name, place)]
            if like is not None and like[f"{place}.{name}"]:
                columns = [column for column in columns if column in like[f"{place}.{name}"][0]]
            quoted = ", ".join(f'"{column}"' for column in columns)
            found[f"{place}.{name}"] = sorted(rows(engine, f"select {quoted} from {place}.{name}"), key=repr)  # noqa: S608 - names of ours
    return found


def _version(engine: sa.Engine) -> str:
    return str(rows(engine, "select version_num from ops.alembic_version")[0]["version_num"])


@pytest.fixture(params=OLDER)
def version(request: pytest.FixtureRequest) -> str:
    """A schema that was released before the present one."""
    return str(request.param)


@pytest.fixture
def older(version: str, installation: Installation) -> Installation:
    """An installation with pages, ledger, facts and summaries, at the older schema."""
    installation.crawl()
    installation.load()
    summarise_all(installation.engine)
    with _alembic(installation.engine) as config:
        command.downgrade(config, version)
    return installation


def test_an_upgrade_keeps_every_row_and_a_refresh_goes_on(
    version: str, older: Installation, sandbox: RunningSandbox, empty_engine: sa.Engine
) -> None:
    """Without it, a release could lose what users have, or crawl and restate all of it again."""
    with empty_engine.begin() as connection:
        for name in schema.SCHEMAS:
            connection.execute(sa.schema.CreateSchema(name))
    with _alembic(empty_engine) as config:
        command.upgrade(config, version)
    assert _catalogs(older.engine) == _catalogs(empty_engine), "the older schema is what that release made"
    before = _contents(older.engine)
    assert all(before[name] for name in ("marts.order_facts", "marts.revenue_monthly", "ops.crawls", "raw.order_pages"))

    migrate(older.engine)

    assert _version(older.engine) == HEAD
    assert _contents(older.engine, like=before) == before
    migrate(empty_engine)
    assert _catalogs(older.engine) == _catalogs(empty_engine)

    calm = older.crawl(plan=AUTO, run_id="run-2")
    assert {(result.verdict.status, result.orders_new, result.orders_changed) for result in calm.values()} == {
        ("complete", 0, 0)
    }
    assert older.load(run_id="run-2").orders_new == 0
    assert older.rows("select count(*) as n from marts.order_facts where run_id = 'run-2'") == [{"n": 0}]

    sandbox.evolve(steps=3)
    older.crawl(run_id="run-3")
    assert older.load(run_id="run-3").orders_new > 0
    summarise_all(older.engine, "run-3")
    listed = sum(len(sandbox.world.orders(account)) for account in sandbox.world.accounts)
    kept = "select count(*) as n from marts.order_facts where not is_deleted_at_source"
    assert older.rows(kept) == [{"n": listed}]


def test_a_failed_upgrade_leaves_the_old_state(
    version: str, older: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, an upgrade cut off half way would leave a database that neither release can use."""
    catalogs, contents = _catalogs(older.engine), _contents(older.engine)
    broken = add_migration(release(tmp_path / "migrations"), _BREAKS)
    with monkeypatch.context() as patched:
        patched.setattr(warehouse, "_MIGRATIONS", broken)
        with pytest.raises(sa.exc.DBAPIError):
            migrate(older.engine)
    assert _version(older.engine) == version
    assert _catalogs(older.engine) == catalogs
    assert _contents(older.engine) == contents
    migrate(older.engine)
    assert _contents(older.engine, like=contents) == contents


def test_processes_may_upgrade_at_once(older: Installation) -> None:
    """Without it, the daemon, the webserver and a run of a new release, started together, could spoil the data."""
    before = _contents(older.engine)
    url = older.engine.url.render_as_string(hide_password=False)
    code = f"from order_assets.warehouse.engine import connect, migrate; migrate(connect({url!r}))"
    started = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]  # noqa: S603 - our own
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    assert rows(older.engine, "select version_num from ops.alembic_version") == [{"version_num": HEAD}]
    assert _contents(older.engine, like=before) == before
