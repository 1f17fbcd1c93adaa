"""Tokens: which one to send, when to renew it, and where the renewed one is kept.

Scalev's refresh tokens are single-use and rotate: using an old one revokes the whole family. So a refresh happens
under a lock shared by all processes, is never repeated blindly, and its result is stored (encrypted, durably) before
the new access token is used. A refresh is noted before it is sent, so that a process that dies meanwhile leaves
behind that the token is spent.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import ARRAY, insert

from order_assets.accounts_file import KtspMember, KtspProgramme, ScalevCustomer, ScalevStore
from order_assets.clients.errors import Reason, SignInError, TransientError
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.scalev import ScalevClient, Tokens
from order_assets.crawl.encryption import Vault
from order_assets.warehouse.ledger_schema import credentials

_RENEW_BEFORE = timedelta(seconds=60)
_RENEWALS_AT_ONCE = 4  # each holds a connection while the API answers; more would starve the ledger of the pool
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def fingerprint(person: ScalevCustomer | KtspMember) -> str | None:
    """Return what tells the configured tokens of a person from others, None without any.

    Stored tokens descend from the configured ones as long as it is the same; a new sign-in changes it.
    """
    own = person.token if isinstance(person, KtspMember) else person.refresh_token or person.access_token
    return None if own is None else hashlib.sha256(own.get_secret_value().encode()).hexdigest()


@dataclass(slots=True)
class ScalevCredential:
    """The token chain of one customer."""

    engine: sa.Engine
    vault: Vault
    client: ScalevClient
    store: ScalevStore
    customer: ScalevCustomer
    stored: Mapping[str, sa.Row[Any]] | None = None  # rows of `stored_tokens`; None: look when needed
    _tokens: Tokens | None = None

    @property
    def partition_key(self) -> str:
        """The account's partition key."""
        return f"{self.store.store_id}/{self.customer.name}"

    async def access_token(self) -> str:
        """Return the token to send now, renewed first if it is about to expire.

        Raises:
            SignInError, AccountError: it has to be renewed and cannot be.
        """
        if self._tokens is None and self.stored is not None:
            self._tokens = self._of_row(self.stored.get(self.partition_key))
        elif self._tokens is None:
            self._tokens = await asyncio.to_thread(self._read)
        expires = self._tokens.access_expires_at
        if expires is not None and expires < datetime.now(UTC) + _RENEW_BEFORE and self._can_renew:
            return await self.renew(self._tokens.access)
        return self._tokens.access

    async def renew(self, refused: str) -> str:
        """Return a token other than `refused`: one that another process renewed meanwhile, or a new one.

        Raises:
            SignInError: there is nothing to renew it with, or the refresh token is refused.
            AccountError: the answer to the refresh was lost.
        """
        if not self._can_renew:
            raise SignInError(
                Reason.TOKEN_EXPIRED,
                "the access token is refused and there is no refresh_token and storefront_key to renew it with",
            )
        async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_RENEWALS_AT_ONCE)):
            connection = await asyncio.to_thread(self._locked)
            try:
                current = await asyncio.to_thread(self._read, connection)
                if current.access == refused:
                    current = await self._refresh(connection, current)
                self._tokens = current
                return current.access
            finally:
                await asyncio.to_thread(self._unlock, connection)

    async def _refresh(self, connection: sa.Connection, current: Tokens) -> Tokens:
        assert self.store.storefront_key is not None  # noqa: S101 - `_can_renew` said so
        assert current.refresh is not None  # noqa: S101 - likewise
        if await asyncio.to_thread(self._was_sent, connection):
            raise SignInError(
                Reason.SIGN_IN_NEEDED,
                "the refresh token was sent before and is spent; sign in again for new tokens",
            )
        # Noted before it is sent: whatever happens to this process, nobody sends the token a second time.
        await asyncio.to_thread(self._write, connection, current, sent=True)
        key = self.store.storefront_key.get_secret_value()
        try:
            fresh = await self.client.refresh(self.store.store_id, key, current.refresh)
        except (TransientError, SignInError):  # it never got there, or was refused: nothing was spent
            await asyncio.to_thread(self._write, connection, current, sent=False)
            raise
        renewed = Tokens(fresh.access, fresh.refresh or current.refresh, fresh.access_expires_at)
        await asyncio.to_thread(self._write, connection, renewed, sent=False)
        return renewed

    @property
    def _can_renew(self) -> bool:
        return self.customer.refresh_token is not None and self.store.storefront_key is not None

    @property
    def _fingerprint(self) -> str | None:
        return fingerprint(self.customer)

    def _locked(self) -> sa.Connection:
        """Return a connection that holds the credential's lock beyond its transactions."""
        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.select(sa.func.pg_advisory_lock(self._lock_key)))
        return connection

    def _unlock(self, connection: sa.Connection) -> None:
        try:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(self._lock_key)))
        except sa.exc.DBAPIError:
            connection.invalidate()  # the lock goes with the session
        finally:
            connection.close()

    @property
    def _lock_key(self) -> sa.ColumnElement[int]:
        return sa.func.hashtextextended(f"order_assets credential scalev {self.partition_key}", 0)

    def _was_sent(self, connection: sa.Connection) -> bool:
        query = sa.select(credentials.c.refresh_sent_at).where(self._mine)
        return connection.execute(query).scalar_one_or_none() is not None

    @property
    def _mine(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            credentials.c.source_system == "scalev",
            credentials.c.partition_key == self.partition_key,
            credentials.c.configured_sha256 == self._fingerprint,
        )

    def _read(self, connection: sa.Connection | None = None) -> Tokens:
        if connection is None:
            with self.engine.connect() as own:
                return self._read(own)
        return self._of_row(connection.execute(sa.select(credentials).where(self._mine)).one_or_none())

    def _of_row(self, row: sa.Row[Any] | None) -> Tokens:
        """Return the stored tokens if they descend from the configured ones, else those."""
        if row is not None and row.access_token is not None and row.configured_sha256 == self._fingerprint:
            refresh = None if row.refresh_token is None else self.vault.open_text(row.refresh_token).get_secret_value()
            access = self.vault.open_text(row.access_token).get_secret_value()
            return Tokens(access, refresh, row.access_expires_at)
        refresh_token = self.customer.refresh_token
        return Tokens(
            access=self.customer.access_token.get_secret_value(),
            refresh=None if refresh_token is None else refresh_token.get_secret_value(),
            access_expires_at=None,
        )

    def _write(self, connection: sa.Connection, tokens: Tokens, *, sent: bool) -> None:
        now = datetime.now(UTC)
        values = {
            "source_system": "scalev",
            "partition_key": self.partition_key,
            "configured_sha256": self._fingerprint,
            "access_token": self.vault.seal(tokens.access),
            "refresh_token": None if tokens.refresh is None else self.vault.seal(tokens.refresh),
            "access_expires_at": tokens.access_expires_at,
            "renewed_at": now,
            "refresh_sent_at": now if sent else None,
        }
        upsert = insert(credentials).values(values)
        # The spent token is worthless from here on: losing this commit would cost a new sign-in.
        connection.execute(sa.text("set synchronous_commit = on"))
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["source_system", "partition_key"],
                set_={name: upsert.excluded[name] for name in values},
            )
        )


def stored_tokens(connection: sa.Connection, source_system: str, keys: Collection[str]) -> dict[str, sa.Row[Any]]:
    """Return the stored tokens of accounts by partition key, still encrypted, in one query.

    Another process may renew some of them later; whoever then sends an old one reads again before it renews.
    """
    wanted = credentials.c.partition_key == sa.any_(sa.bindparam(None, list(keys), type_=ARRAY(sa.Text)))
    query = sa.select(credentials).where(
        credentials.c.source_system == source_system, credentials.c.access_token.is_not(None), wanted
    )
    return {row.partition_key: row for row in connection.execute(query)}


class KtspSignIn:
    """The application's token of one programme, fetched once per process and again after a 401."""

    def __init__(self, client: KtspClient, programme: KtspProgramme) -> None:
        """Start without a token, or with the configured fixed one."""
        self._client = client
        self._secret: SecretStr | None = programme.app_secret
        self._token = None if programme.token is None else programme.token.get_secret_value()
        self._turn = asyncio.Lock()

    async def token(self, refused: str | None = None) -> str:
        """Return a token other than `refused`.

        Raises:
            SignInError: the application's credentials are refused, or there are none to renew the token with.
        """
        async with self._turn:
            if self._token is None or self._token == refused:
                if self._secret is None:
                    raise SignInError(
                        Reason.SIGN_IN_NEEDED, "the token is refused and there is no app_secret to renew it"
                    )
                self._token = await self._client.token(self._secret.get_secret_value())
            return self._token


@dataclass(frozen=True, slots=True)
class KtspCredential:
    """The token of one member: its own if it has one, else the programme's."""

    sign_in: KtspSignIn
    member: KtspMember

    async def access_token(self) -> str:
        """Return the token to send now."""
        if self.member.token is not None:
            return self.member.token.get_secret_value()
        return await self.sign_in.token()

    async def renew(self, refused: str) -> str:
        """Return a token other than `refused`.

        Raises:
            SignInError: a member's own token cannot be renewed, or the application's credentials are refused.
        """
        if self.member.token is not None:
            raise SignInError(Reason.SIGN_IN_NEEDED, "the member's own token is refused; configure a new one")
        return await self.sign_in.token(refused)
