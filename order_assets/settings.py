"""Environment and accounts file to frozen settings; nothing else reads either.

Every error names the place and is raised before any request is sent. Secrets are `SecretStr` from the moment they are
read. design.md section 4 is the contract for names and defaults; what an accounts file may say is in `accounts_file`.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from order_assets import accounts_file
from order_assets.accounts_file import (
    KINDS,
    AccountsFile,
    SettingsError,
    exposed_literals,
    parse_accounts,
    why,
)

SourceSystem: TypeAlias = accounts_file.SourceSystem


@dataclass(frozen=True, slots=True)
class Account:
    """One credential to crawl. `partition_key` is `<store_id>/<name>` or `<programme>/<member_id>`."""

    source_system: SourceSystem
    source_account: str
    name: str
    time_zone: str
    currency: str

    @property
    def partition_key(self) -> str:
        """The key of the account's partition in Dagster and of its rows in `ops`."""
        return f"{self.source_account}/{self.name}"


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of this installation. `encryption`: the first encrypts, the others still decrypt."""

    hmac: SecretStr
    encryption: tuple[SecretStr, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process needs to know; made by `load`. `accounts_path` None means the sandbox."""

    state: Path
    accounts_path: Path | None
    accounts: AccountsFile
    keys: Keys
    database_url: SecretStr | None
    warnings: tuple[str, ...] = field(default=())

    @property
    def is_sandbox(self) -> bool:
        """Whether the accounts are those of the sandbox, for want of an accounts file."""
        return self.accounts_path is None

    def roster(self) -> list[Account]:
        """Return every configured account, in the order of the file."""
        return [
            Account(
                system,
                getattr(source, kind.source_name),
                getattr(person, kind.person_name),
                source.time_zone,
                source.currency,
            )
            for system, kind in KINDS.items()
            for source in getattr(getattr(self.accounts, system), kind.sources)
            for person in getattr(source, kind.people)
        ]


def _at_home(path: str) -> Path:
    # Path.expanduser would raise where `~name` names nobody; this leaves the text as it is.
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - see above


def project_folder() -> Path:
    """Return the folder that holds accounts.toml and the state folder.

    The current one if it has a dagster.yaml; else the checkout the package is run from; else the current one.
    """
    here = Path.cwd()
    if (here / "dagster.yaml").exists():
        return here
    source = Path(__file__).resolve().parent.parent
    return source if (source / "dagster.yaml").exists() else here


def state_folder() -> Path:
    """Return the folder of the embedded server, keys and reports (`ORDER_ASSETS_STATE`)."""
    named = os.environ.get("ORDER_ASSETS_STATE")
    return _at_home(named) if named else project_folder().absolute() / ".order_assets"


def configured_database_url() -> SecretStr | None:
    """Return `ORDER_ASSETS_DATABASE_URL`, or None for the embedded server."""
    url = os.environ.get("ORDER_ASSETS_DATABASE_URL", "").strip()
    return SecretStr(url) if url else None


def accounts_path() -> Path | None:
    """Return the accounts file, or None if there is none and the sandbox takes its place.

    Raises:
        SettingsError: `ORDER_ASSETS_ACCOUNTS` names a file that does not exist.
    """
    named = os.environ.get("ORDER_ASSETS_ACCOUNTS", "").strip()
    path = _at_home(named) if named else project_folder() / "accounts.toml"
    if path.is_file():
        return path
    if named:
        raise SettingsError(f"{path}: no such accounts file (named by ORDER_ASSETS_ACCOUNTS)")
    return None


def load(sandbox_accounts: str | None = None) -> Settings:
    """Read the environment and the accounts file.

    Args:
        sandbox_accounts: text of the sandbox's accounts file; used when no accounts file is configured.

    Raises:
        SettingsError: anything in them is wrong.
    """
    path = accounts_path()
    warnings: list[str] = []
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: cannot read the accounts file: {why(error)}") from None
        accounts = parse_accounts(text, str(path))
        warnings += exposed_literals(path, text)
    else:
        accounts = parse_accounts(sandbox_accounts or "", "the sandbox's accounts")
    state = state_folder()
    return Settings(
        state=state,
        accounts_path=path,
        accounts=accounts,
        keys=load_keys(state),
        database_url=configured_database_url(),
        warnings=tuple(warnings),
    )


def load_keys(state: Path) -> Keys:
    """Return the installation's keys: from the environment, else from the state folder, made once.

    Raises:
        SettingsError: an encryption key is not 32 bytes in url-safe base64.
    """
    hmac_key = os.environ.get("ORDER_ASSETS_HMAC_KEY") or _kept(state / "keys" / "hmac_key", secrets.token_urlsafe(32))
    listed = os.environ.get("ORDER_ASSETS_ENCRYPTION_KEY") or _kept(
        state / "keys" / "encryption_key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )
    encryption = tuple(key.strip() for key in listed.split(",") if key.strip())
    if not encryption:
        raise SettingsError("ORDER_ASSETS_ENCRYPTION_KEY: names no key")
    for number, key in enumerate(encryption, start=1):
        try:
            good = len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32  # noqa: PLR2004 - AES-256 and Fernet keys
        except ValueError:
            good = False
        if not good:
            raise SettingsError(
                f"ORDER_ASSETS_ENCRYPTION_KEY: key {number} is not 32 bytes in url-safe base64; make one with: "
                'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
            )
    return Keys(hmac=SecretStr(hmac_key), encryption=tuple(SecretStr(key) for key in encryption))


def _kept(path: Path, fresh: str) -> str:
    """Return the content of a private file, written with `fresh` by whoever comes first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        mine = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(mine, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(fresh)
        try:
            os.link(mine, path)  # fails if another process was first; then its key is the key
        except FileExistsError:
            pass
        finally:
            mine.unlink()
    return path.read_text(encoding="utf-8").strip()
