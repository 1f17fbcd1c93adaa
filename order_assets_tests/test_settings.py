"""Configuration: the documented example, secrets that stay secret, keys."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from order_assets import settings
from order_assets.accounts_file import SettingsError, parse_accounts
from order_assets.settings import load, load_keys

# design.md section 4, word for word but for the address and the variable of the member's token.
EXAMPLE = """\
[scalev]
base_url = "https://api.scalev.com"   # default
page_size = 25
max_in_flight = 8                     # requests in flight to this API, over all processes
requests_per_second = 8.0             # over all processes

[[scalev.stores]]
store_id = "store_A"                  # the path parameter = store.unique_id = source_account
time_zone = "Asia/Jakarta"            # default
currency = "IDR"                      # default, used where no line names one
storefront_key = { env = "SCALEV_STORE_A_KEY" }   # needed only to refresh tokens

[[scalev.stores.customers]]
name = "c-001"                        # yours; partition key is "store_A/c-001"; no personal data
access_token = { env = "SCALEV_C001_TOKEN" }
refresh_token = { env = "SCALEV_C001_REFRESH" }   # optional

[ktsp]
max_in_flight = 8
requests_per_second = 8.0
page_size = 200
first_page = 0                        # see api.md B2; duplicates are harmless

[[ktsp.programmes]]
name = "ktsp"                         # source_account
base_url = "https://ktsp.example"     # required: production is not published
app_key = { env = "KTSP_APP_KEY" }
app_secret = { env = "KTSP_APP_SECRET" }          # POST /v1/auth; or a fixed token = { env = ... }
time_zone = "Asia/Hong_Kong"          # default
currency = "HKD"                      # default

[[ktsp.programmes.members]]
member_id = "KT00000001"              # partition key is "ktsp/KT00000001"
token = { env = "KTSP_MEMBER_TOKEN" } # optional own token

[policy]
recognition = "paid"                  # paid | placed | shipped | completed  (model.md 1.4)
raw_retention_days = 365
store_email_phone_hmac = false
store_geography = false
"""
MINIMAL = """\
[[scalev.stores]]
store_id = "store_A"
[[scalev.stores.customers]]
name = "c-001"
access_token = "t"
[[ktsp.programmes]]
name = "ktsp"
base_url = "https://ktsp.example"
app_key = "k"
[[ktsp.programmes.members]]
member_id = "KT00000001"
"""
VARIABLES = (
    "SCALEV_STORE_A_KEY", "SCALEV_C001_TOKEN", "SCALEV_C001_REFRESH", "KTSP_APP_KEY", "KTSP_APP_SECRET",
    "KTSP_MEMBER_TOKEN",
)  # fmt: skip


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder that holds neither accounts nor keys."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.setenv("ORDER_ASSETS_STATE", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Set every variable of the example to a value that must not be seen anywhere."""
    for name in VARIABLES:
        monkeypatch.setenv(name, f"canary-{name}")
    return [f"canary-{name}" for name in VARIABLES]


def _configure(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "accounts.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


# The accounts file


def test_the_documented_example_parses(installation: Path, canaries: list[str]) -> None:
    """Without it, the file that every user starts from could be refused."""
    path = _configure(installation, EXAMPLE)
    loaded = load()
    assert (loaded.accounts_path, loaded.is_sandbox, loaded.warnings) == (path, False, ())
    store = loaded.accounts.scalev.stores[0]
    assert store.storefront_key is not None
    assert store.storefront_key.get_secret_value() == canaries[0]
    assert store.customers[0].access_token.get_secret_value() == canaries[1]
    roster = [(a.source_system, a.partition_key, a.time_zone, a.currency) for a in loaded.roster()]
    assert roster == [
        ("scalev", "store_A/c-001", "Asia/Jakarta", "IDR"),
        ("ktsp", "ktsp/KT00000001", "Asia/Hong_Kong", "HKD"),
    ]


@pytest.mark.usefixtures("canaries")
def test_the_example_only_writes_out_the_defaults() -> None:
    """Without it, a default could drift from the one in the documents."""
    written, left_out = parse_accounts(EXAMPLE, "a"), parse_accounts(MINIMAL, "b")
    assert written.policy == left_out.policy
    for section in ("scalev", "ktsp"):
        names = type(getattr(written, section)).model_fields.keys() - {"stores", "programmes"}
        for name in names:
            assert getattr(getattr(written, section), name) == getattr(getattr(left_out, section), name), name
    for one, other in (
        (written.scalev.stores[0], left_out.scalev.stores[0]),
        (written.ktsp.programmes[0], left_out.ktsp.programmes[0]),
    ):
        assert (one.time_zone, one.currency) == (other.time_zone, other.currency)


def test_without_an_accounts_file_the_sandbox_takes_its_place() -> None:
    """Without it, `make run` on a fresh machine would have nothing to crawl."""
    loaded = load('[[scalev.stores]]\nstore_id = "s"\n')
    assert loaded.is_sandbox
    assert loaded.accounts.scalev.stores[0].store_id == "s"
    assert load().roster() == []


def test_a_configured_url_is_kept_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the database password would show wherever settings are printed."""
    monkeypatch.setenv("ORDER_ASSETS_DATABASE_URL", " postgresql://u:canary@host/db ")
    loaded = load()
    assert loaded.database_url is not None
    assert loaded.database_url.get_secret_value() == "postgresql://u:canary@host/db"
    assert "canary" not in f"{loaded} {loaded!r}"


def test_an_accounts_file_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a typing mistake would silently load invented orders."""
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", "nowhere/accounts.toml")
    with pytest.raises(SettingsError, match=r"nowhere/accounts\.toml: no such accounts file .*ORDER_ASSETS_ACCOUNTS"):
        load()


def test_the_home_of_nobody_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a `~` before a wrong name would end in a traceback."""
    monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS", "~no-such-user/accounts.toml")
    with pytest.raises(SettingsError, match="no such accounts file"):
        load()


def test_a_file_in_another_encoding_is_named(installation: Path) -> None:
    """Without it, a file saved by an old editor would end in a traceback."""
    path = installation / "accounts.toml"
    path.write_bytes("# caf\xe9\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"accounts\.toml: cannot read the accounts file: it is not UTF-8 text"):
        load()


# Secrets stay secret


@pytest.mark.usefixtures("canaries")
def test_no_secret_shows_in_settings(installation: Path) -> None:
    """Without it, a log line with the settings would publish every token."""
    _configure(installation, EXAMPLE)
    loaded = load()
    shown = f"{loaded} {loaded!r} {loaded.accounts.model_dump_json()} {loaded.roster()!r}"
    keys = [loaded.keys.hmac, *loaded.keys.encryption]
    assert "canary" not in shown
    assert not any(key.get_secret_value() in shown for key in keys)


@pytest.mark.usefixtures("canaries")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "c-001" ', "name = 5 "),
        ("store_geography = false", "geography = false"),
        ('{ env = "SCALEV_C001_TOKEN" }', '{ secret = "canary" }'),
        ('{ env = "SCALEV_C001_TOKEN" }', '["canary"]'),
        ('{ env = "SCALEV_C001_TOKEN" }', '{ env = "sfpk_canary77" }'),  # the token itself, in the wrong place
        ('{ env = "SCALEV_C001_TOKEN" }', '{ file = "sfpk_canary77" }'),
        ('{ env = "SCALEV_C001_TOKEN" }', '{ file = "eyJcanary.eyJ.77" }'),
        ('{ env = "SCALEV_C001_TOKEN" }', '"canary'),
        ("[[ktsp.programmes.members]]", "[[ktsp.programmes]]\nname='ktsp'\nbase_url='https://x'\napp_key='canary'\n#"),
    ],
)
def test_no_secret_shows_in_an_error(old: str, new: str) -> None:
    """Without it, a mistake beside a token would print the token."""
    assert old in EXAMPLE
    with pytest.raises(SettingsError) as caught:
        parse_accounts(EXAMPLE.replace(old, new, 1), "f")
    assert "canary" not in f"{caught.value} {caught.value!r}"


_LITERALS = {
    "a line": (MINIMAL, 5, "access_token"),
    "an inline table": ('[[scalev.stores]]\nstore_id = "s"\ncustomers = [{ name = "c", access_token = "t" }]', 3,
                        "access_token"),
    "a quoted key": ('[[scalev.stores]]\nstore_id = "s"\n\n"storefront_key" = "t"', 4, "storefront_key"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key"), _LITERALS.values(), ids=_LITERALS)
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o600])
def test_literal_tokens_warn_unless_the_file_is_private(
    text: str, line: int, key: str, mode: int, installation: Path
) -> None:
    """Without it, tokens would lie readable for everyone on the machine, and nobody would say so."""
    path = _configure(installation, text, mode)
    warnings = load().warnings
    assert bool(warnings) is (mode != 0o600)
    if warnings:
        assert warnings[0].startswith(f"{path}:{line}: {key} is written out")
        assert f"chmod 600 {path}" in warnings[0]


@pytest.mark.usefixtures("canaries")
def test_references_do_not_warn(installation: Path) -> None:
    """Without it, those who did it right would be told off."""
    _configure(installation, EXAMPLE + '# access_token = "old"\n', 0o644)
    assert load().warnings == ()


# Keys of the installation


def _key(letter: str) -> str:
    return base64.urlsafe_b64encode(letter.encode() * 32).decode()


def _values(keys: settings.Keys) -> tuple[str, ...]:
    return (keys.hmac.get_secret_value(), *(key.get_secret_value() for key in keys.encryption))


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    """Without it, pseudonyms would change with every start, or other users could read them."""
    state = tmp_path / "fresh"
    first = load_keys(state)
    assert _values(load_keys(state)) == _values(first)
    folder = state / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["encryption_key", "hmac_key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_concurrent_first_users_get_the_same_keys(tmp_path: Path) -> None:
    """Without it, two processes started together would encrypt under keys of which one is lost."""
    with ThreadPoolExecutor(16) as pool:
        found = {_values(keys) for keys in pool.map(load_keys, [tmp_path / "fresh"] * 64)}
    assert len(found) == 1
    assert len(list((tmp_path / "fresh" / "keys").iterdir())) == 2


def test_keys_from_the_environment_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a fleet of machines could not share one set of keys."""
    load_keys(tmp_path)
    monkeypatch.setenv("ORDER_ASSETS_HMAC_KEY", "h")
    monkeypatch.setenv("ORDER_ASSETS_ENCRYPTION_KEY", f" {_key('n')} , {_key('o')},")
    assert _values(load_keys(tmp_path)) == ("h", _key("n"), _key("o"))


def test_configured_keys_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a read-only container with both keys configured could not start."""
    monkeypatch.setenv("ORDER_ASSETS_HMAC_KEY", "h")
    monkeypatch.setenv("ORDER_ASSETS_ENCRYPTION_KEY", _key("n"))
    load_keys(tmp_path / "state")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("listed", "number"),
    [("short", 1), (_key("a")[:-4], 1), (f"{_key('a')},tooshort", 2), ("ключ", 1), (_key("a") + _key("b"), 1)],
)
def test_a_bad_encryption_key_is_refused_without_showing_it(
    listed: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the mistake would show only when the first page is to be encrypted."""
    monkeypatch.setenv("ORDER_ASSETS_ENCRYPTION_KEY", listed)
    with pytest.raises(SettingsError, match=rf"ORDER_ASSETS_ENCRYPTION_KEY: key {number} is not 32 bytes") as caught:
        load_keys(tmp_path)
    assert not any(key in str(caught.value) for key in listed.split(","))


@pytest.mark.parametrize("listed", [",", " , "])
def test_a_list_without_keys_is_refused(listed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, a variable left half empty by a template would crash the first use of a key."""
    monkeypatch.setenv("ORDER_ASSETS_ENCRYPTION_KEY", listed)
    with pytest.raises(SettingsError, match="ORDER_ASSETS_ENCRYPTION_KEY"):
        load_keys(tmp_path)


def test_the_state_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, installation: Path) -> None:
    """Without it, a process in another folder would make another set of keys."""
    monkeypatch.setenv("ORDER_ASSETS_STATE", "relative")
    assert settings.state_folder() == installation / "relative"
    monkeypatch.delenv("ORDER_ASSETS_STATE")
    assert settings.state_folder() == Path(os.path.realpath(installation)) / ".order_assets"
