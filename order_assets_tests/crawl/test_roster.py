"""The accounts file and the imported accounts as one: who is crawled, below which store, with which tokens."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import sqlalchemy as sa

from order_assets.crawl import accounts, roster
from order_assets.crawl.encryption import DecryptionError, Vault
from order_assets.crawl.importing import ImportCounts
from order_assets.crawl.roster import Roster
from order_assets.crawl.run import crawl_accounts
from order_assets.sandbox.testing import RunningSandbox
from order_assets.settings import Settings, SourceSystem
from order_assets_tests.crawl.rosters import (
    OTHER_KEY,
    csv_of,
    do,
    import_text,
    rows_of,
    settings_of,
    with_key,
)

OWN = settings_of(
    """
    [scalev]
    base_url = "https://scalev.example"
    max_in_flight = 3
    [[scalev.stores]]
    store_id = "mine"
    time_zone = "Asia/Makassar"
    storefront_key = "own-key"
    [[scalev.stores.customers]]
    name = "c-1"
    access_token = "own-1"
    [[scalev.stores.customers]]
    name = "c-2"
    access_token = "own-2"
    [[scalev.stores]]
    store_id = "quiet"
    [ktsp]
    first_page = 1
    [[ktsp.programmes]]
    name = "ours"
    base_url = "https://ours.example"
    app_key = "our-key"
    [[ktsp.programmes.members]]
    member_id = "KT1"
    [policy]
    recognition = "placed"
    """
)
CUSTOMERS = csv_of(
    ["scalev,mine,c-3,a-3,r-3,", "scalev,theirs,c-1,a-1,,their-key", "scalev,theirs,c-2,a-2,,"],
    "access_token",
    "refresh_token",
    "storefront_key",
)
MEMBERS = csv_of(
    ["ktsp,ours,KT2,own,,,", "ktsp,theirs,KT1,,https://theirs.example,their-key,their-secret"],
    "token",
    "base_url",
    "app_key",
    "app_secret",
)


def _effective(
    engine: sa.Engine, settings: Settings, source: SourceSystem, keys: Collection[str] | None = None
) -> Roster:
    with engine.connect() as connection:
        return roster.effective(connection, settings, Vault(settings.keys.encryption), source, keys)


def _tokens(found: Roster) -> dict[str, tuple[str | None, ...]]:
    """Return each customer's and member's store key and tokens, by partition key."""
    scalev = {
        f"{store.store_id}/{who.name}": (store.storefront_key, who.access_token, who.refresh_token)
        for store in found.sections.scalev.stores
        for who in store.customers
    }
    ktsp = {
        f"{group.name}/{who.member_id}": (group.app_key, group.app_secret, who.token)
        for group in found.sections.ktsp.programmes
        for who in group.members
    }
    return {
        key: tuple(None if secret is None else secret.get_secret_value() for secret in secrets)
        for key, secrets in (scalev | ktsp).items()
    }


def test_imported_customers_stand_beside_those_of_the_file(engine: sa.Engine) -> None:
    """Without it, imported accounts would not be crawled, or with the wrong store's key."""
    import_text(engine, OWN, CUSTOMERS)
    found = _effective(engine, OWN, "scalev")
    assert _tokens(found) == {
        "mine/c-1": ("own-key", "own-1", None),
        "mine/c-2": ("own-key", "own-2", None),
        "mine/c-3": ("own-key", "a-3", "r-3"),
        "theirs/c-1": ("their-key", "a-1", None),
        "theirs/c-2": ("their-key", "a-2", None),
    }
    zones = {store.store_id: store.time_zone for store in found.sections.scalev.stores}
    assert zones == {"mine": "Asia/Makassar", "theirs": "Asia/Jakarta"}, "a store without accounts is left out"
    assert (found.warnings, found.left_out) == ((), ())


def test_imported_members_stand_beside_those_of_the_file(engine: sa.Engine) -> None:
    """Without it, a member would be asked for at another programme's address."""
    import_text(engine, OWN, MEMBERS)
    found = _effective(engine, OWN, "ktsp")
    assert _tokens(found) == {
        "ours/KT1": ("our-key", None, None),
        "ours/KT2": ("our-key", None, "own"),
        "theirs/KT1": ("their-key", "their-secret", None),
    }
    addresses = {group.name: group.base_url for group in found.sections.ktsp.programmes}
    assert addresses == {"ours": "https://ours.example", "theirs": "https://theirs.example"}


def test_everything_else_is_as_in_the_file(engine: sa.Engine) -> None:
    """Without it, limits and policy of the file would be lost for whoever crawls."""
    sections = _effective(engine, OWN, "scalev").sections
    own = OWN.accounts
    assert (sections.policy, sections.crawl) == (own.policy, own.crawl)
    assert sections.scalev.model_copy(update={"stores": ()}) == own.scalev.model_copy(update={"stores": ()})
    assert sections.ktsp == own.ktsp.model_copy(update={"programmes": ()}), "the other source takes no part"


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([], set()),
        (["mine/c-2", "theirs/c-2"], {"mine/c-2", "theirs/c-2"}),
        (["mine/c-3", "nobody/c-9", "ours/KT1"], {"mine/c-3"}),
    ],
)
def test_only_the_wanted_accounts_are_in_it(keys: list[str], found: set[str], engine: sa.Engine) -> None:
    """Without it, a run over ten accounts would hold the tokens of ten thousand."""
    import_text(engine, OWN, CUSTOMERS)
    assert set(_tokens(_effective(engine, OWN, "scalev", keys))) == found


def test_retired_accounts_are_never_in_it(engine: sa.Engine) -> None:
    """Without it, a person who was taken out would be crawled again by a run that names them."""
    import_text(engine, OWN, CUSTOMERS)
    with engine.begin() as connection:
        accounts.sync(connection, OWN)
        for key in ("mine/c-1", "theirs/c-1"):
            accounts.retire(connection, OWN, key)
        everyone = {account.partition_key for account in roster.every_account(connection, OWN)}
    left = {"mine/c-2", "mine/c-3", "theirs/c-2"}
    assert set(_tokens(_effective(engine, OWN, "scalev"))) == left
    assert set(_tokens(_effective(engine, OWN, "scalev", ["mine/c-1", "mine/c-2"]))) == {"mine/c-2"}
    assert everyone == left | {"ours/KT1"}


def test_the_file_wins_over_an_import(engine: sa.Engine) -> None:
    """Without it, new tokens in the accounts file would be ignored for imported ones, or an account crawled twice."""
    none = settings_of()
    import_text(engine, none, csv_of(["scalev,mine,c-1,imported"], "access_token"))
    assert _tokens(_effective(engine, OWN, "scalev"))["mine/c-1"] == ("own-key", "own-1", None)
    with engine.connect() as connection:
        listed = [account.partition_key for account in roster.every_account(connection, OWN)]
    assert listed == ["mine/c-1", "mine/c-2", "ours/KT1"]


def test_every_account_has_the_zone_of_its_store(engine: sa.Engine) -> None:
    """Without it, imported accounts would be missing from whatever goes over all accounts."""
    import_text(engine, OWN, CUSTOMERS)
    import_text(engine, OWN, MEMBERS)
    with engine.connect() as connection:
        found = {account.partition_key: account for account in roster.every_account(connection, OWN)}
    assert len(found) == 8
    assert (found["mine/c-3"].time_zone, found["mine/c-3"].name) == ("Asia/Makassar", "c-3")
    assert (found["theirs/KT1"].source_system, found["theirs/KT1"].currency) == ("ktsp", "HKD")


def test_accounts_without_a_store_are_left_out_with_a_warning(engine: sa.Engine) -> None:
    """Without it, one store that left the accounts file would stop the crawl of all others."""
    text = csv_of([f"scalev,mine,c-{number},a" for number in range(3, 9)], "access_token")
    import_text(engine, OWN, text)
    found = _effective(engine, settings_of(), "scalev", ["mine/c-3", "mine/c-4"])
    assert found.left_out == ("mine/c-3", "mine/c-4")
    (warning,) = found.warnings
    assert warning == (
        "the store mine is neither in the accounts file nor imported, so mine/c-3, mine/c-4 cannot be crawled;"
        " import them again with their store, or retire them"
    )
    everyone = _effective(engine, settings_of(), "scalev")
    assert "mine/c-3, mine/c-4, mine/c-5 and 3 more cannot be crawled" in everyone.warnings[0]


def test_accounts_without_tokens_are_left_out_with_a_warning(engine: sa.Engine) -> None:
    """Without it, one row that is gone would stop the crawl of everybody."""
    import_text(engine, OWN, CUSTOMERS)
    do(engine, "delete from ops.credentials where partition_key = 'theirs/c-1'")
    found = _effective(engine, OWN, "scalev")
    assert found.left_out == ("theirs/c-1",)
    assert found.warnings == ("the imported tokens of theirs/c-1 are gone; import them again",)


def test_tokens_under_a_missing_key_say_which_key(engine: sa.Engine) -> None:
    """Without it, a key that was rotated away would look like thousands of dead accounts."""
    import_text(engine, OWN, CUSTOMERS)
    with pytest.raises(DecryptionError, match="ORDER_ASSETS_ENCRYPTION_KEY"):
        _effective(engine, with_key(OWN, OTHER_KEY), "scalev")


def test_ten_thousand_accounts_take_two_queries(engine: sa.Engine) -> None:
    """Without it, the start of a run would ask the database once per account."""
    rows = [f"scalev,s-{number % 50},c-{number},a-{number},r-{number}" for number in range(10_000)]
    assert import_text(engine, OWN, csv_of(rows, "access_token", "refresh_token")).added == 10_000
    asked: list[str] = []
    with engine.connect() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
        keys = accounts.active_keys(connection, "scalev")
        found = roster.effective(connection, OWN, Vault(OWN.keys.encryption), "scalev", keys)
    assert len(_tokens(found)) == 10_000
    assert len(asked) == 3


def test_imported_accounts_are_crawled(engine: sa.Engine, sandbox: RunningSandbox) -> None:
    """Without it, an import could be stored perfectly and crawled by nobody."""
    settings = settings_of(f'[scalev]\nbase_url = "{sandbox.base_url}"\nrequests_per_second = 500.0')
    counts = import_text(engine, settings, sandbox.accounts_toml(), "more.toml")
    assert counts == ImportCounts(added=15, changed=0, unchanged=0, sources=3)
    done: dict[str, str] = {}
    for source in ("scalev", "ktsp"):
        system: SourceSystem = "scalev" if source == "scalev" else "ktsp"
        with engine.connect() as connection:
            keys = accounts.active_keys(connection, system)
        results = crawl_accounts(system, keys, settings, engine, "run-1", lambda _: None)
        done |= {result.account.partition_key: str(result.verdict.status) for result in results}
    assert done == dict.fromkeys(sandbox.world.accounts, "complete")
    assert rows_of(engine, "select distinct state from ops.accounts") == [("active",)]
