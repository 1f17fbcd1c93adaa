"""Imports into the database: what is written, what a second import changes, and that nothing is half done."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets.accounts_file import KtspMember, ScalevCustomer, ScalevStore, SettingsError
from order_assets.clients.http import Http, http_client
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl import accounts
from order_assets.crawl.credentials import ScalevCredential, fingerprint
from order_assets.crawl.encryption import DecryptionError
from order_assets.crawl.importing import ImportCounts
from order_assets_tests.crawl.rosters import (
    KEY,
    OTHER_KEY,
    VAULT,
    csv_of,
    do,
    import_text,
    rows_of,
    settings_of,
    with_key,
)

EMPTY = settings_of()
OWN = settings_of(
    """
    [scalev]
    base_url = "https://scalev.example"
    [[scalev.stores]]
    store_id = "mine"
    time_zone = "Asia/Makassar"
    storefront_key = "canary-key"
    [[scalev.stores.customers]]
    name = "c-1"
    access_token = "t"
    [[ktsp.programmes]]
    name = "ours"
    base_url = "https://k.example"
    app_key = "k"
    """
)
SCALEV = csv_of(
    ["scalev,s,c-1,canary-a1,canary-r1,canary-key", "scalev,s,c-2,canary-a2,,"],
    "access_token",
    "refresh_token",
    "storefront_key",
)
KTSP = csv_of(
    ["ktsp,p,KT1,canary-own,https://k.example,canary-app,canary-secret", "ktsp,p,KT2,,,,"],
    "token",
    "base_url",
    "app_key",
    "app_secret",
)
ACCOUNTS = "select partition_key, source_account, time_zone, currency, state, origin from ops.accounts order by 1"
VERSIONS = (
    "select a.xmin::text, c.xmin::text, s.xmin::text from ops.accounts as a"
    " left join ops.credentials as c using (source_system, partition_key)"
    " left join ops.sources as s using (source_system, source_account) order by a.account_number"
)


def _renewed(engine: sa.Engine, key: str) -> None:
    """Let a crawl have renewed the tokens of an account, and lost the answer to the next refresh."""
    do(
        engine,
        "update ops.credentials set access_token = :a, refresh_token = :r, access_expires_at = now(),"
        " renewed_at = now(), refresh_sent_at = now() where partition_key = :key",
        a=VAULT.seal("renewed-access"),
        r=VAULT.seal("renewed-refresh"),
        key=key,
    )


def _tokens(engine: sa.Engine, key: str) -> dict[str, str | None]:
    """Return the imported credential and the current access token, in clear."""
    ((imported, current),) = rows_of(
        engine,
        f"select imported, access_token from ops.credentials where partition_key = '{key}'",  # noqa: S608 - literals of this file
    )
    return {
        "imported": VAULT.open_text(imported).get_secret_value(),
        "current": None if current is None else VAULT.open_text(current).get_secret_value(),
    }


def test_an_import_adds_accounts_sources_and_tokens(engine: sa.Engine) -> None:
    """Without it, thousands of accounts would have to be kept in a file."""
    assert import_text(engine, EMPTY, SCALEV) == ImportCounts(added=2, changed=0, unchanged=0, sources=1)
    assert import_text(engine, EMPTY, KTSP) == ImportCounts(added=2, changed=0, unchanged=0, sources=1)
    assert rows_of(engine, ACCOUNTS) == [
        ("p/KT1", "p", "Asia/Hong_Kong", "HKD", "active", "import"),
        ("p/KT2", "p", "Asia/Hong_Kong", "HKD", "active", "import"),
        ("s/c-1", "s", "Asia/Jakarta", "IDR", "active", "import"),
        ("s/c-2", "s", "Asia/Jakarta", "IDR", "active", "import"),
    ]
    assert rows_of(engine, "select source_account, base_url, secrets is null from ops.sources order by 1") == [
        ("p", "https://k.example", False),
        ("s", None, False),
    ]
    assert _tokens(engine, "s/c-1") == {
        "imported": '{"access_token": "canary-a1", "refresh_token": "canary-r1"}',
        "current": None,
    }
    assert _tokens(engine, "p/KT1")["imported"] == '{"token": "canary-own"}'
    with_rows = rows_of(engine, "select partition_key from ops.credentials order by 1")
    assert with_rows == [("p/KT1",), ("s/c-1",), ("s/c-2",)], "a member without a token of its own needs none"


def test_tokens_are_nowhere_in_clear(engine: sa.Engine) -> None:
    """Without it, whoever reads the database or a backup of it could read the orders of every customer."""
    import_text(engine, EMPTY, SCALEV)
    import_text(engine, EMPTY, KTSP)
    tables = ("accounts", "sources", "credentials")
    dumped = str([rows_of(engine, f"select t::text from ops.{table} as t") for table in tables])  # noqa: S608 - literals
    assert "s/c-1" in dumped
    assert "canary" not in dumped
    assert b"canary".hex() not in dumped


def test_the_toml_is_imported_alike(engine: sa.Engine) -> None:
    """Without it, an accounts file that became too long could not be moved into the database."""
    text = (
        '[[scalev.stores]]\nstore_id = "s"\nstorefront_key = "canary-key"\n'
        '[[scalev.stores.customers]]\nname = "c-1"\naccess_token = "canary-a1"\nrefresh_token = "canary-r1"\n'
        '[[scalev.stores.customers]]\nname = "c-2"\naccess_token = "canary-a2"\n'
    )
    assert import_text(engine, EMPTY, text, "more.toml") == ImportCounts(added=2, changed=0, unchanged=0, sources=1)
    assert import_text(engine, EMPTY, SCALEV) == ImportCounts(added=0, changed=0, unchanged=2, sources=0)


def test_ten_thousand_accounts_in_one_go(engine: sa.Engine) -> None:
    """Without it, a large import could take an hour, or exceed what one statement may hold."""
    rows = [f"scalev,s-{number % 7},c-{number:05d},a-{number},r-{number}" for number in range(10_000)]
    text = csv_of(rows, "access_token", "refresh_token")
    assert import_text(engine, EMPTY, text) == ImportCounts(added=10_000, changed=0, unchanged=0, sources=7)
    assert import_text(engine, EMPTY, text) == ImportCounts(added=0, changed=0, unchanged=10_000, sources=0)
    changed = import_text(engine, EMPTY, text.replace(",r-", ",new-"))
    assert changed == ImportCounts(added=0, changed=10_000, unchanged=0, sources=0)
    with engine.connect() as connection:
        listed = accounts.active_keys(connection, "scalev")
    assert listed[:3] == ["s-0/c-00000", "s-1/c-00001", "s-2/c-00002"], "in the order of the file"


# Again


def test_the_same_file_again_writes_nothing(engine: sa.Engine) -> None:
    """Without it, a nightly import would rewrite every row, and lose every token that was renewed since."""
    for text in (SCALEV, KTSP):
        import_text(engine, EMPTY, text)
    _renewed(engine, "s/c-1")
    before = rows_of(engine, VERSIONS)
    for text in (SCALEV, KTSP):
        assert import_text(engine, EMPTY, text) == ImportCounts(added=0, changed=0, unchanged=2, sources=0)
    assert rows_of(engine, VERSIONS) == before
    assert _tokens(engine, "s/c-1")["current"] == "renewed-access"


def test_new_tokens_replace_renewed_ones(engine: sa.Engine) -> None:
    """Without it, a new sign-in would be ignored for the dead tokens in the database."""
    import_text(engine, EMPTY, SCALEV)
    _renewed(engine, "s/c-1")
    do(engine, "update ops.accounts set state = 'needs_sign_in'")
    again = SCALEV.replace("canary-r1", "canary-r9").replace("canary-a1", "canary-a9")
    assert import_text(engine, EMPTY, again) == ImportCounts(added=0, changed=1, unchanged=1, sources=0)
    assert _tokens(engine, "s/c-1") == {
        "imported": '{"access_token": "canary-a9", "refresh_token": "canary-r9"}',
        "current": None,
    }
    left = "refresh_token, access_expires_at, renewed_at, refresh_sent_at"
    assert rows_of(engine, f"select {left} from ops.credentials where partition_key = 's/c-1'") == [(None,) * 4]  # noqa: S608 - literals
    states = rows_of(engine, "select partition_key, state from ops.accounts order by 1")
    assert states == [("s/c-1", "active"), ("s/c-2", "needs_sign_in")]


def test_another_access_token_of_the_same_chain_is_kept(engine: sa.Engine) -> None:
    """Without it, a fresh access token would be ignored where the refresh token stayed the same."""
    import_text(engine, EMPTY, SCALEV)
    again = SCALEV.replace("canary-a1", "canary-a9")
    assert import_text(engine, EMPTY, again) == ImportCounts(added=0, changed=1, unchanged=1, sources=0)
    assert "canary-a9" in str(_tokens(engine, "s/c-1")["imported"])
    _renewed(engine, "s/c-1")
    import_text(engine, EMPTY, SCALEV)
    assert _tokens(engine, "s/c-1")["current"] == "renewed-access", "the renewed ones are newer"


@pytest.mark.parametrize("by", ["command", "file"])
def test_a_retired_account_comes_back(by: str, engine: sa.Engine) -> None:
    """Without it, who was retired once could never be imported again."""
    import_text(engine, EMPTY, SCALEV)
    do(engine, "update ops.accounts set state = 'retired', retired_at = now(), retired_by = :by", by=by)
    assert import_text(engine, EMPTY, SCALEV) == ImportCounts(added=0, changed=2, unchanged=0, sources=0)
    assert set(rows_of(engine, "select state, retired_at, retired_by from ops.accounts")) == {("active", None, None)}


def test_an_account_that_left_the_accounts_file_can_be_imported(engine: sa.Engine) -> None:
    """Without it, accounts could not be moved out of the file; and their renewed tokens would be lost on the way."""
    with engine.begin() as connection:
        accounts.sync(connection, OWN)
        accounts.sync(connection, EMPTY)
    text = csv_of(["scalev,mine,c-1,t"], "access_token")
    assert import_text(engine, EMPTY, text) == ImportCounts(added=0, changed=1, unchanged=0, sources=1)
    assert rows_of(engine, "select state, origin from ops.accounts") == [("active", "import")]


def test_a_member_can_lose_its_own_token(engine: sa.Engine) -> None:
    """Without it, a member's dead token would be sent instead of the programme's for ever."""
    import_text(engine, EMPTY, KTSP)
    again = KTSP.replace("canary-own", "")
    assert import_text(engine, EMPTY, again) == ImportCounts(added=0, changed=1, unchanged=1, sources=0)
    assert rows_of(engine, "select * from ops.credentials") == []


def test_tokens_under_a_lost_key_can_be_imported_again(engine: sa.Engine) -> None:
    """Without it, whoever lost the encryption key could not even start anew."""
    import_text(engine, EMPTY, csv_of(["scalev,s,c-1,canary"], "access_token"))
    other = with_key(EMPTY, OTHER_KEY)
    counts = import_text(engine, other, csv_of(["scalev,s,c-1,canary"], "access_token"))
    assert counts == ImportCounts(added=0, changed=1, unchanged=0, sources=0)
    assert import_text(engine, with_key(EMPTY, OTHER_KEY, KEY), csv_of(["scalev,s,c-1,canary"], "access_token")) == (
        ImportCounts(added=0, changed=0, unchanged=1, sources=0)
    )


# Stores and programmes


def test_a_known_store_need_not_be_described_again(engine: sa.Engine) -> None:
    """Without it, every file of new customers would have to repeat the keys of their store."""
    import_text(engine, EMPTY, KTSP)
    more = import_text(engine, OWN, csv_of(["ktsp,p,KT3", "ktsp,ours,KT1"]))
    assert more == ImportCounts(added=2, changed=0, unchanged=0, sources=0)
    customer = import_text(engine, OWN, csv_of(["scalev,mine,c-2,a"], "access_token"))
    assert customer == ImportCounts(added=1, changed=0, unchanged=0, sources=0)
    zones = rows_of(engine, "select time_zone from ops.accounts where partition_key = 'mine/c-2'")
    assert zones == [("Asia/Makassar",)], "as the accounts file says"
    assert rows_of(engine, "select source_account from ops.sources") == [("p",)]


def test_what_is_said_of_a_store_is_added_to_what_is_known(engine: sa.Engine) -> None:
    """Without it, a new key would wipe out the time zone, or earlier accounts of the store keep another one."""
    import_text(engine, EMPTY, KTSP)
    counts = import_text(engine, EMPTY, csv_of(["ktsp,p,KT3,Asia/Macau,MOP"], "time_zone", "currency"))
    assert counts == ImportCounts(added=1, changed=2, unchanged=0, sources=1)
    assert set(rows_of(engine, "select time_zone, currency from ops.accounts")) == {("Asia/Macau", "MOP")}
    import_text(engine, EMPTY, csv_of(["ktsp,p,KT3,k-9"], "app_key"))
    ((zone, base_url, secrets),) = rows_of(engine, "select time_zone, base_url, secrets from ops.sources")
    assert (zone, base_url) == ("Asia/Macau", "https://k.example")
    assert VAULT.open_text(secrets).get_secret_value() == '{"app_key": "k-9", "app_secret": "canary-secret"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (csv_of(["ktsp,new,KT1"]), "more.csv:2: programme new: base_url: it is missing"),
        (csv_of(["ktsp,new,KT1,u"], "base_url"), "more.csv:2: programme new: base_url: write a URL"),
        (csv_of(["ktsp,n/w,KT1,https://k.example,k"], "base_url", "app_key"), "account: use 1 to 120 characters"),
        (csv_of(["scalev,s,c-1,a,Mars/Base"], "access_token", "time_zone"), "time_zone: it is not an IANA time zone"),
        (
            csv_of(["scalev,s,c-1,a,env:NO_SUCH_KEY"], "access_token", "storefront_key"),
            "more.csv:2: store s: storefront_key: the environment variable NO_SUCH_KEY is not set",
        ),
        (
            csv_of(["scalev,s,c-1,a,https://other.example"], "access_token", "base_url"),
            "more.csv:2: base_url: every Scalev store is asked at https://scalev.example",
        ),
        (csv_of(["scalev,s,c-1,a,canary"], "access_token", "base_url"), "more.csv:2: base_url: write a URL"),
        (
            csv_of(["scalev,mine,c-2,a,Asia/Jakarta"], "access_token", "time_zone"),
            "more.csv:2: store mine: time_zone: accounts.toml has another; change it there",
        ),
        (
            csv_of(["scalev,mine,c-2,a,canary-other"], "access_token", "storefront_key"),
            "more.csv:2: store mine: storefront_key: accounts.toml has another; change it there",
        ),
    ],
)
def test_a_wrong_store_stops_the_whole_import(text: str, message: str, engine: sa.Engine) -> None:
    """Without it, half of a file would be imported, or a token be sent to another address than its own."""
    good = csv_of(["ktsp,ours,KT7"])
    with pytest.raises(SettingsError) as caught:
        import_text(engine, OWN, text)
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert rows_of(engine, "select 1 from ops.accounts union all select 1 from ops.sources") == []
    assert import_text(engine, OWN, good).added == 1


def test_what_the_accounts_file_says_of_a_store_may_be_repeated(engine: sa.Engine) -> None:
    """Without it, a part of an accounts file could not be imported without editing it first."""
    columns = ("access_token", "storefront_key", "time_zone", "base_url")
    row = "scalev,mine,c-2,a,canary-key,Asia/Makassar,https://scalev.example/"
    assert import_text(engine, OWN, csv_of([row], *columns)).added == 1
    assert rows_of(engine, "select * from ops.sources") == []


def test_keys_of_a_store_under_a_lost_encryption_key_say_so(engine: sa.Engine) -> None:
    """Without it, the keys of a store would be lost in silence when one more is imported."""
    import_text(engine, EMPTY, KTSP)
    with pytest.raises(DecryptionError, match="ORDER_ASSETS_ENCRYPTION_KEY"):
        import_text(engine, with_key(EMPTY, OTHER_KEY), csv_of(["ktsp,p,KT3"]))


# The other side


@pytest.mark.parametrize("refresh", ["r", None])
def test_tokens_are_told_apart_as_the_crawl_tells_them_apart(refresh: str | None, engine: sa.Engine) -> None:
    """Without it, a crawl would take every imported token for another one, and forget what it renewed."""
    customer = ScalevCustomer(name="c", access_token=SecretStr("a"), refresh_token=refresh and SecretStr(refresh))
    client = ScalevClient(Http(http_client("https://scalev.example", connections=1)))
    credential = ScalevCredential(engine, VAULT, client, ScalevStore(store_id="s"), customer)
    assert fingerprint(customer) == credential._fingerprint
    assert fingerprint(KtspMember(member_id="m")) is None


def test_the_accounts_file_takes_over_an_imported_account(engine: sa.Engine) -> None:
    """Without it, an account in both places would be crawled with the one's tokens and listed as the other's."""
    import_text(engine, EMPTY, csv_of(["scalev,mine,c-1,t", "scalev,mine,c-2,t"], "access_token"))
    with engine.begin() as connection:
        change = accounts.sync(connection, OWN)
    assert (change.added, change.changed, change.retired) == (0, 2, 0)
    origins = "select partition_key, origin, time_zone, state from ops.accounts order by 1"
    assert rows_of(engine, origins) == [
        ("mine/c-1", "file", "Asia/Makassar", "active"),
        ("mine/c-2", "import", "Asia/Makassar", "active"),
    ]
    with engine.begin() as connection:
        assert accounts.sync(connection, EMPTY).retired == 1, "only the one that was in the file"
