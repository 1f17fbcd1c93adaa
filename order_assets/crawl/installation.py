"""What a database remembers of the installation that fills it, so that other keys or rules cannot mix in unnoticed."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from order_assets.accounts_file import PolicySection, SettingsError
from order_assets.crawl.encryption import DecryptionError, Vault
from order_assets.settings import Keys, Settings
from order_assets.warehouse.ledger_schema import installation, page_keys

_OTHER_RULES = (
    "[policy] is not what this database was filled with. Orders that change from now on follow the new policy,"
    " the others keep the old one until the facts are derived anew from the raw pages: order-assets replay"
)


def check(connection: sa.Connection, settings: Settings) -> list[str]:
    """Compare the keys and rules with those the database was filled with, or note them the first time.

    Returns:
        Warnings: the rules changed, and orders that do not change keep the old ones.

    Raises:
        SettingsError: the keys are others; going on would give every person a second pseudonym, or leave pages that
            nobody can read.
    """
    hmac_print = fingerprint(settings.keys)
    if _remembered(connection, "hmac_key_sha256", hmac_print) != hmac_print:
        raise SettingsError(
            "ORDER_ASSETS_HMAC_KEY: this database was filled with another key, and customers would get a second"
            " pseudonym. Set the key it was filled with (by default it is kept in the state folder, in keys/hmac_key),"
            " or use an empty database."
        )
    wrapped = connection.execute(sa.select(page_keys.c.wrapped_key).limit(1)).scalar_one_or_none()
    if wrapped is not None:
        try:
            Vault(settings.keys.encryption).open(wrapped)
        except DecryptionError as error:
            raise SettingsError(f"ORDER_ASSETS_ENCRYPTION_KEY: {error}") from None
    rules = _rules(settings.accounts.policy)
    known = _remembered(connection, "rules", rules)
    if _rules(PolicySection.model_validate_json(known)) != rules:  # what an older release did not know has its default
        return [_OTHER_RULES]
    return []


def fingerprint(keys: Keys) -> str:
    """Return what a database remembers of the pseudonym key: enough to know it again, nothing to guess it from."""
    return hashlib.sha256(f"pseudonyms {keys.hmac.get_secret_value()}".encode()).hexdigest()


def rules_of_facts(connection: sa.Connection) -> PolicySection | None:
    """Return the policy that the facts follow; None before the first run."""
    query = sa.select(installation.c.value).where(installation.c.name == "rules")
    text = connection.execute(query).scalar_one_or_none()
    return None if text is None else PolicySection.model_validate_json(text)


def adopt_rules(connection: sa.Connection, settings: Settings) -> None:
    """Note that every fact now follows the configured rules."""
    change = insert(installation).values(name="rules", value=_rules(settings.accounts.policy))
    connection.execute(change.on_conflict_do_update(index_elements=["name"], set_={"value": change.excluded.value}))


def _rules(policy: PolicySection) -> str:
    methods, statuses = tuple(sorted(policy.cod_like_methods)), dict(sorted(policy.statuses.items()))
    return policy.model_copy(update={"cod_like_methods": methods, "statuses": statuses}).model_dump_json(
        include={"recognition", "cod_like_methods", "statuses", "store_geography", "store_email_phone_hmac"}
    )


def _remembered(connection: sa.Connection, name: str, value: str) -> str:
    connection.execute(insert(installation).values(name=name, value=value).on_conflict_do_nothing())
    return str(connection.execute(sa.select(installation.c.value).where(installation.c.name == name)).scalar_one())
