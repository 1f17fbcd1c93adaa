"""A database remembers the keys and rules it was filled with."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from order_assets.accounts_file import PolicySection, SettingsError
from order_assets.crawl import installation as remembered
from order_assets.sandbox.testing import RunningSandbox
from order_assets.settings import Keys, Settings
from order_assets_tests.crawl.parts import Installation


def check(engine: sa.Engine, settings: Settings) -> list[str]:
    """Check in a transaction of its own."""
    with engine.begin() as connection:
        return remembered.check(connection, settings)


def test_the_same_keys_and_rules_are_fine(installation: Installation) -> None:
    """Without it, every second run would be refused."""
    assert check(installation.engine, installation.settings) == []
    assert check(installation.engine, installation.settings) == []


def test_another_pseudonym_key_is_refused(installation: Installation) -> None:
    """Without it, a lost state folder would silently give every customer a second pseudonym."""
    check(installation.engine, installation.settings)
    keys = Keys(hmac=SecretStr("canary-of-another-key"), encryption=installation.settings.keys.encryption)
    with pytest.raises(SettingsError, match="ORDER_ASSETS_HMAC_KEY") as raised:
        check(installation.engine, dataclasses.replace(installation.settings, keys=keys))
    assert "canary" not in str(raised.value)


def test_another_encryption_key_is_refused_once_pages_are_kept(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, crawls would end one by one because no page can be written."""
    installation.crawl((sandbox.world.accounts[0],))
    keys = Keys(hmac=installation.settings.keys.hmac, encryption=(SecretStr("b" * 43 + "="),))
    with pytest.raises(SettingsError, match="ORDER_ASSETS_ENCRYPTION_KEY"):
        check(installation.engine, dataclasses.replace(installation.settings, keys=keys))


def test_another_policy_is_warned_of(installation: Installation) -> None:
    """Without it, two rules of recognition would stand side by side in one table, and nobody would know."""
    check(installation.engine, installation.settings)
    policy = PolicySection(recognition="placed")
    accounts = installation.settings.accounts.model_copy(update={"policy": policy})
    (warning,) = check(installation.engine, dataclasses.replace(installation.settings, accounts=accounts))
    assert "[policy]" in warning
