"""Checks of the configuration and the machine: accounts file, variables, keys, folders, disk, port, Dagster's home."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from order_assets import runtime
from order_assets import settings as configuration
from order_assets.accounts_file import AccountsFile, SettingsError, exposed_literals, parse_accounts, why
from order_assets.doctor.finding import Finding, ok, problem, warning

VARIABLES = (
    "ORDER_ASSETS_DATABASE_URL", "ORDER_ASSETS_ACCOUNTS", "ORDER_ASSETS_STATE", "ORDER_ASSETS_HMAC_KEY",
    "ORDER_ASSETS_ENCRYPTION_KEY", "ORDER_ASSETS_ACCOUNTS_PER_RUN", "ORDER_ASSETS_DAGSTER_URL",
    "ORDER_ASSETS_COMPUTE_LOGS", "ORDER_ASSETS_ARTIFACTS",
)  # fmt: skip
_HOST = "127.0.0.1"
_LITTLE_BYTES, _NOTHING_BYTES = 2 << 30, 256 << 20
_KEYS = {"hmac_key": "ORDER_ASSETS_HMAC_KEY", "encryption_key": "ORDER_ASSETS_ENCRYPTION_KEY"}
_RESTORE = "put back the keys folder from your backup, or set {}; see .env.example"


def accounts_file() -> tuple[AccountsFile | None, list[Finding]]:
    """Read the accounts file; None where there is none, or it cannot be read."""
    try:
        path = configuration.accounts_path()
    except SettingsError as error:
        return None, [problem("accounts_file", str(error), "correct ORDER_ASSETS_ACCOUNTS, or unset it")]
    if path is None:
        return None, [ok("accounts_file", "none, so the sandbox stands in; for your own accounts: order-assets init")]
    try:
        text = path.read_text(encoding="utf-8")
        accounts = parse_accounts(text, str(path))
    except (OSError, UnicodeDecodeError) as error:
        return None, [problem("accounts_file", f"{path}: {why(error)}", "make it a UTF-8 text you can read")]
    except SettingsError as error:
        return None, [problem("accounts_file", str(error), "correct the line; accounts.example.toml shows each key")]
    found = [warning("accounts_file", words, f"chmod 600 {path}") for words in exposed_literals(path, text)]
    return accounts, found or [ok("accounts_file", f"{path} is in order")]


def variables() -> Iterator[Finding]:
    """Find variables that nobody reads, most likely misspelt."""
    for name in sorted(os.environ):
        near = difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.85)
        if name not in VARIABLES and near:
            yield warning("variables", f"{name} is read by nobody", f"did you mean {near[0]}?")


def keys(state: Path, *, is_filled: bool) -> Iterator[Finding]:
    """Look at the keys without making any. `is_filled`: the database was filled with the keys there were."""
    there = True
    for name, variable in _KEYS.items():
        path = state / "keys" / name
        if os.environ.get(variable):
            continue
        try:
            text, mode = path.read_text(encoding="utf-8").strip(), path.stat().st_mode
        except FileNotFoundError:
            there = False
            if is_filled:
                yield problem("keys", f"{path} is gone, and the database was filled with it", _RESTORE.format(variable))
            continue
        except (OSError, UnicodeDecodeError) as error:
            there = False
            yield problem("keys", f"{path} cannot be read: {why(error)}", f"let its owner run this, or set {variable}")
            continue
        if not text:
            there = False
            yield problem("keys", f"{path} is empty", _RESTORE.format(variable))
        elif mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield problem("keys", f"{path} can be read by others", f"chmod 600 {path}")
    if there:
        try:
            configuration.load_keys(state)
        except SettingsError as error:
            yield problem("keys", str(error), "correct the key; the first one encrypts, the others still decrypt")


def folders(state: Path, data: Path | None) -> Iterator[Finding]:
    """Look whether the state folder can be written, and how full the disks are."""
    place = _existing(state)
    if not os.access(place, os.W_OK | os.X_OK):
        yield problem("state_folder", f"{place} cannot be written", "change its owner, or set ORDER_ASSETS_STATE")
    places = [place, *([_existing(data)] if data else [])]
    for folder in {each.stat().st_dev: each for each in reversed(places)}.values():
        free = shutil.disk_usage(folder).free
        words = f"{free / (1 << 30):,.1f} GB free at {folder}"
        remedy = "free some space; old Dagster logs are in the state folder, in dagster/logs"
        if free < _NOTHING_BYTES:
            yield problem("disk", words, remedy)
        elif free < _LITTLE_BYTES:
            yield warning("disk", words, remedy)
        else:
            yield ok("disk", words)


def dagster_home() -> Finding:
    """Look whether Dagster's programs find the project's configuration."""
    folder = runtime.dagster_home()
    home = os.environ.get("DAGSTER_HOME")
    if home and Path(home).resolve() != folder.resolve():
        return warning(
            "dagster_home", f"DAGSTER_HOME is {home}; order-assets uses {folder}, other programs would not",
            "unset it, or start Dagster's programs by: order-assets dagster ...",
        )  # fmt: skip
    return ok("dagster_home", f"{folder}{'' if home else ' (set by order-assets, not in your environment)'}")


def port(number: int) -> Finding:
    """Look whether the UI can be served."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, number))
        except PermissionError:
            return problem("port", f"port {number} may not be used", "take one above 1023: order-assets dev --port")
        except OSError:
            if _is_dagster(number):
                return ok("port", f"a Dagster UI answers at http://{_HOST}:{number}")
            return problem(
                "port", f"another program has port {number}", f"stop it, or: order-assets dev --port {number + 1}"
            )
    return ok("port", f"port {number} is free for order-assets dev")


def _is_dagster(number: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_HOST}:{number}/server_info", timeout=3) as answer:
            return "dagster_version" in json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())
