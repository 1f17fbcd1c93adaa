"""Where this installation runs: which accounts, which database, and the environment Dagster needs.

Decides between configured and built-in parts: an accounts file or the sandbox, `ORDER_ASSETS_DATABASE_URL` or the
embedded server. Starts what is built in. Used by `defs` and `cli`; holds no logic of its own.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from order_assets import settings as configuration
from order_assets.accounts_file import SettingsError
from order_assets.sandbox import process as sandbox
from order_assets.settings import Settings
from order_assets.warehouse import embedded, engine

# Sandbox orders and real ones never share the embedded server's database.
REAL_DATABASE = "order_assets"
SANDBOX_DATABASE = "order_assets_sandbox"


def open_settings() -> Settings:
    """Return the settings, with the sandbox (started if need be) where no accounts file is configured.

    Raises:
        SettingsError: the configuration is wrong.
    """
    if configuration.accounts_path() is not None:
        return configuration.load()
    base_url = sandbox.start(configuration.state_folder())
    with urllib.request.urlopen(f"{base_url}/sandbox/accounts.toml", timeout=30) as answer:  # noqa: S310 - our own http URL
        return configuration.load(answer.read().decode())


def database_url() -> SecretStr:
    """Return the URL of the database in use; starts the embedded server if none is configured.

    Raises:
        EmbeddedServerError: the embedded server cannot be started.
    """
    configured = configuration.configured_database_url()
    if configured is not None:
        return configured
    name = SANDBOX_DATABASE if configuration.accounts_path() is None else REAL_DATABASE
    return SecretStr(embedded.up(configuration.state_folder(), name))


def open_engine() -> sa.Engine:
    """Return an engine on the database in use, with its schemas up to date.

    Raises:
        WarehouseError: the database cannot be reached or is newer than this release.
    """
    opened = engine.connect(database_url().get_secret_value())
    try:
        engine.migrate(opened)
    except BaseException:
        opened.dispose()
        raise
    return opened


def accounts_per_run() -> int | None:
    """Return how many accounts one run of a backfill or schedule crawls at most, None for all of them.

    Several runs can be shared between several workers (deploy/README.md); on one machine a run more only costs time.

    Raises:
        SettingsError: `ORDER_ASSETS_ACCOUNTS_PER_RUN` is not a number above 0.
    """
    text = os.environ.get("ORDER_ASSETS_ACCOUNTS_PER_RUN", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingsError(f"ORDER_ASSETS_ACCOUNTS_PER_RUN: {text!r} is not a number of accounts such as 50")
    return int(text)


def dagster_home() -> Path:
    """Return the folder with dagster.yaml and workspace.yaml.

    The project's; where the package is installed without one, copies of the files that came with it. Copies, since
    Dagster may write into its home, and whoever runs the package need not own it.
    """
    project = configuration.project_folder()
    if (project / "dagster.yaml").exists():
        return project
    home = configuration.state_folder() / "dagster" / "home"
    home.mkdir(parents=True, exist_ok=True)
    for packaged in (Path(__file__).parent / "installed").iterdir():
        mine = home / f"{packaged.name}.{os.getpid()}"
        mine.write_bytes(packaged.read_bytes())
        mine.replace(home / packaged.name)
    return home


def dagster_environment() -> Mapping[str, str]:
    """Return what Dagster's processes need in their environment; dagster.yaml refers to it by name."""
    data = configuration.state_folder() / "dagster"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)  # Dagster leaves its logs readable to everyone who comes that far
    for folder in ("logs", "artifacts", "matplotlib"):
        (data / folder).mkdir(exist_ok=True)
    return {
        "DAGSTER_HOME": str(dagster_home()),
        "ORDER_ASSETS_DAGSTER_URL": engine.dagster_url(database_url().get_secret_value()),
        "ORDER_ASSETS_COMPUTE_LOGS": str(data / "logs"),
        "ORDER_ASSETS_ARTIFACTS": str(data / "artifacts"),
        "ORDER_ASSETS_STATE": str(configuration.state_folder()),
        # Where matplotlib keeps what it found out about fonts: a home folder may be read-only, or another's.
        "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(data / "matplotlib")),
        # Events of thousands of accounts are written in batches, not one transaction each.
        "DAGSTER_EVENT_BATCH_SIZE": os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "500"),
        # Otherwise every account of a range is planned by an event of its own; see defs.raw.partition_events.
        "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1",
    }
