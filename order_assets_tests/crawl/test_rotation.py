"""Rotation: after it, the old key opens nothing, and everything still opens."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets.crawl import replay, rotation
from order_assets.crawl.encryption import DecryptionError, Vault
from order_assets.crawl.installation import check
from order_assets.sandbox.testing import RunningSandbox
from order_assets.settings import Keys
from order_assets_tests.crawl.parts import Installation
from order_assets_tests.crawl.rosters import OTHER_KEY, csv_of, import_text


def _values(installed: Installation, column: sa.Column[bytes]) -> list[bytes]:
    with installed.engine.connect() as connection:
        return list(connection.execute(sa.select(column).where(column.is_not(None))).scalars())


def _under(installed: Installation, *keys: SecretStr) -> Installation:
    settings = dataclasses.replace(installed.settings, keys=Keys(installed.settings.keys.hmac, keys))
    return dataclasses.replace(installed, settings=settings)


def test_every_secret_moves_to_the_new_key(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, an old key that leaked could never be taken out of use, or would take tokens along."""
    (old,) = installation.settings.keys.encryption
    account = sandbox.world.stores[0].customers[0].account
    sandbox.set_fault(account, "token_expired")
    installation.crawl()  # renews a token
    installation.load()
    import_text(
        installation.engine, installation.settings,
        csv_of(["scalev,s,c-1,a,r,k"], "access_token", "refresh_token", "storefront_key"),
    )  # fmt: skip
    columns = {f"{column.table.name}.{column.name}" for column in rotation.sealed_columns()}
    assert columns == {
        "credentials.imported", "credentials.access_token", "credentials.refresh_token", "page_keys.wrapped_key",
        "sources.secrets",
    }  # fmt: skip
    sealed = {column: _values(installation, column) for column in rotation.sealed_columns()}
    assert all(sealed.values()), "there is something of each"
    both = _under(installation, OTHER_KEY, old)
    assert rotation.rotate(both.engine, both.vault) == sum(map(len, sealed.values()))
    assert rotation.rotate(both.engine, both.vault) == 0, "twice is once"
    for column, before in sealed.items():
        after = _values(installation, column)
        opened = sorted(Vault([OTHER_KEY]).open(each) for each in after)
        assert opened == sorted(Vault([old]).open(each) for each in before)
        for each in after:
            with pytest.raises(DecryptionError):
                Vault([old]).open(each)
    new = _under(installation, OTHER_KEY)
    with new.engine.begin() as connection:
        check(connection, new.settings)
    counts = replay.replay(new.engine, new.settings, "replay-1")
    assert (counts.kept, counts.unreadable, counts.removed) == (0, (), 0), "all pages are readable"


def test_a_lost_key_changes_nothing(installation: Installation) -> None:
    """Without it, half of the secrets could be under a key that nobody will think of."""
    installation.crawl()
    before = installation.rows("select * from ops.page_keys order by 1, 2")
    with pytest.raises(DecryptionError, match="ORDER_ASSETS_ENCRYPTION_KEY"):
        rotation.rotate(installation.engine, Vault([OTHER_KEY]))
    assert installation.rows("select * from ops.page_keys order by 1, 2") == before
