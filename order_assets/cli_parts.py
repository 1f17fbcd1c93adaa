"""`order-assets db` and `order-assets sandbox`: the parts that the job stands on, started, stopped and looked at.

What the database holds is the business of other commands.
"""

from __future__ import annotations

import dataclasses
import os

import sqlalchemy as sa
import typer

from order_assets import runtime
from order_assets import settings as configuration
from order_assets.cli_common import FAILED, USAGE, AsJson, open_engine, open_settings, print_json, say, stop
from order_assets.sandbox import process as sandbox_process
from order_assets.warehouse import embedded

db_app = typer.Typer(help="The embedded PostgreSQL.", no_args_is_help=True)
sandbox_app = typer.Typer(help="Both APIs as a local server with believable data.", no_args_is_help=True)


@db_app.command("start")
def db_start() -> None:
    """Start the embedded PostgreSQL if it is not running."""
    runtime.database_url()
    db_status(as_json=False)


@db_app.command("stop")
def db_stop() -> None:
    """Stop the embedded PostgreSQL; data stay."""
    stopped = embedded.down(configuration.state_folder())
    say("PostgreSQL stopped." if stopped else "PostgreSQL was not running.")


@db_app.command("status")
def db_status(*, as_json: AsJson = False) -> None:
    """Say whether the embedded PostgreSQL runs, and where."""
    if as_json:
        found = embedded.status(configuration.state_folder())
        used = configuration.configured_database_url() is None
        print_json({**{k: v for k, v in dataclasses.asdict(found).items() if k != "url"}, "is_used": used})
        return
    if configuration.configured_database_url() is not None:
        say("ORDER_ASSETS_DATABASE_URL is set, so the embedded PostgreSQL is not used.")
    found = embedded.status(configuration.state_folder())
    where = f"runs on 127.0.0.1:{found.port} (pid {found.pid})" if found.running else "is not running"
    say(f"{found.version or 'PostgreSQL'} {where}; data in {found.data}")


@db_app.command("url")
def db_url() -> None:
    """Print the URL of the database in use, password included, for psql and other programs."""
    print(runtime.database_url().get_secret_value())  # noqa: T201 - for programs


@db_app.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def db_psql(context: typer.Context) -> None:
    """Open psql on the database in use; further arguments go to psql."""
    url = runtime.database_url().get_secret_value()
    psql = embedded.psql(configuration.state_folder())
    if psql is None:
        stop("This installation has no psql; use your own with: order-assets db url", FAILED)
    # The password goes by environment, where `ps` does not show it.
    os.environ["PGPASSWORD"], bare = _without_password(url)
    os.execv(psql, [str(psql), bare, *context.args])  # noqa: S606 - the bundled psql, no shell


@db_app.command("rotate-keys")
def db_rotate_keys() -> None:
    """Encrypt every stored token and page key with the first key of ORDER_ASSETS_ENCRYPTION_KEY; pages need no change.

    Put the new key in front of the old one, restart what runs, call this, and take the old key away.
    """
    from order_assets.crawl import encryption, rotation

    settings = open_settings()
    engine = open_engine(settings)
    try:
        renewed = rotation.rotate(engine, encryption.Vault(settings.keys.encryption))
    except encryption.DecryptionError as error:
        stop(f"Nothing was changed: {error}", USAGE)
    finally:
        engine.dispose()
    say(f"{renewed:,} secrets encrypted anew. All of them are under the first key now; the others may go.")


@db_app.command("roles")
def db_roles() -> None:
    """Provide two database roles: one that may do all a run needs, and one that reads marts and reporting.

    To be run with the login that owns the tables; again after an upgrade, or as often as you like.
    """
    import dagster as dg

    from order_assets.warehouse import roles

    engine = open_engine(open_settings())
    try:
        with dg.DagsterInstance.get() as instance:
            # Whoever opens Dagster's storages first makes their tables, and then owns them.
            _ = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        roles.provide(engine)
    finally:
        engine.dispose()
    say(
        f"{roles.WRITER} may do all that a run needs; {roles.READER} reads {' and '.join(roles.PUBLISHED)}, no pages"
        " and no tokens. Both have no login. Make logins with: order-assets db psql"
    )
    for role in (roles.WRITER, roles.READER):
        say(f"  create role NAME login in role {role};  \\password NAME")


@sandbox_app.command("serve")
def sandbox_serve() -> None:
    """Start the sandbox in the background if it is not running, and print its address."""
    say(f"The sandbox answers at {sandbox_process.start(configuration.state_folder())}")


@sandbox_app.command("stop")
def sandbox_stop() -> None:
    """Stop the sandbox."""
    stopped = sandbox_process.stop(configuration.state_folder())
    say("The sandbox stopped." if stopped else "The sandbox was not running.")


@sandbox_app.command("status")
def sandbox_status(*, as_json: AsJson = False) -> None:
    """Say whether the sandbox runs, and where."""
    found = sandbox_process.status(configuration.state_folder())
    if as_json:
        print_json({"running": found is not None, **(dataclasses.asdict(found) if found else {})})
        return
    say(f"The sandbox answers at {found.base_url} (pid {found.pid})" if found else "The sandbox is not running.")


def _without_password(url: str) -> tuple[str, str]:
    parsed = sa.make_url(url)
    bare = parsed.set(drivername="postgresql", password=None)
    return str(parsed.password or ""), bare.render_as_string(hide_password=False)
