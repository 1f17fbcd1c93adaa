"""One URL in, the right dialect out, and messages that name the place but never the password."""

from __future__ import annotations

import socket

import pytest
import sqlalchemy as sa

from order_assets.warehouse.engine import DAGSTER_SCHEMA, WarehouseError, connect, dagster_url, warehouse_url
from order_assets_tests.warehouse.parts import rows

CANARY = "canary-password"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h:1/db",
        "postgres://u:p@h:1/db",
        "postgresql+psycopg://u:p@h:1/db",
        "postgresql+psycopg2://u:p@h:1/db",
        "postgresql+asyncpg://u:p@h:1/db",
        "  postgresql://u:p@h:1/db\n",
    ],
)
def test_every_spelling_leads_to_the_same_drivers(url: str) -> None:
    """Without it, a URL copied from a hosting provider would ask for a driver that is not installed."""
    assert warehouse_url(url).render_as_string(hide_password=False) == "postgresql+psycopg://u:p@h:1/db"
    ours = sa.make_url(dagster_url(url))
    assert (ours.drivername, ours.host, ours.port, ours.database) == ("postgresql+psycopg2", "h", 1, "db")
    assert (ours.username, ours.password) == ("u", "p")
    assert ours.query == {"options": f"-csearch_path={DAGSTER_SCHEMA}"}


@pytest.mark.parametrize("password", ["p@ss/w:rd?#%", "postgres://", "ключ"])
def test_awkward_passwords_survive(password: str) -> None:
    """Without it, a generated password would have to be changed for us."""
    url = sa.URL.create("postgresql", "u", password, "h", 1, "db").render_as_string(hide_password=False)
    assert warehouse_url(url).password == password
    assert sa.make_url(dagster_url(url)).password == password


def test_options_of_the_url_are_kept() -> None:
    """Without it, `sslmode=require` would be dropped silently."""
    assert warehouse_url("postgres://u@h/db?sslmode=require").query == {"sslmode": "require"}
    assert sa.make_url(dagster_url("postgres://u@h/db?sslmode=require")).query["sslmode"] == "require"


@pytest.mark.parametrize(
    "url",
    [
        f"not a url {CANARY}",
        f"mysql://u:{CANARY}@h/db",
        f"sqlite:///{CANARY}",
        f"postgresql://u:{CANARY}@h:port/db",
        f"postgresql//u:{CANARY}@h/db",
        "",
    ],
)
def test_a_wrong_url_is_named_without_its_password(url: str) -> None:
    """Without it, a typing mistake would print the password into a log."""
    with pytest.raises(WarehouseError, match="ORDER_ASSETS_DATABASE_URL") as caught:
        connect(url)
    assert CANARY not in f"{caught.value} {caught.value!r}"


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    "text", ["postgresql://user:{0}@127.0.0.1:{1}/db", "postgresql://127.0.0.1:{1}/db?user=user&password={0}"]
)
def test_a_server_that_is_away_is_named_without_the_password(text: str) -> None:
    """Without it, the message would be a traceback of a driver, or hold the password."""
    port = _closed_port()
    with pytest.raises(WarehouseError, match=rf"cannot connect to postgresql://127\.0\.0\.1:{port}/db") as caught:
        connect(text.format(CANARY, port))
    assert CANARY not in f"{caught.value} {caught.value!r}"
    assert "refused" in str(caught.value)


def test_a_refused_database_says_why(database_url: str) -> None:
    """Without it, a missing database would look like a server that is away."""
    url = sa.make_url(database_url).set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(WarehouseError, match=r"no_such_database.* does not exist"):
        connect(url)


def test_sessions_run_in_utc(engine: sa.Engine) -> None:
    """Without it, dates computed in SQL would depend on the server's zone."""
    (row,) = rows(engine, "select current_setting('timezone') as zone, current_setting('application_name') as name")
    assert row == {"zone": "UTC", "name": "order-assets"}


def test_dagster_has_a_schema_of_its_own(database_url: str, engine: sa.Engine) -> None:
    """Without it, Dagster's tables would mix with the user's in `public`."""
    with sa.create_engine(dagster_url(database_url), poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("create table a_table_of_dagster (id int)"))
    found = rows(engine, "select schemaname from pg_tables where tablename = 'a_table_of_dagster'")
    assert found == [{"schemaname": DAGSTER_SCHEMA}]
