"""One account's walk over its API: which page to ask for, with which token, and how a page is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from order_assets.clients import ktsp, scalev
from order_assets.clients.errors import AccountError, Reason, SignInError
from order_assets.clients.http import RawPage
from order_assets.clients.ktsp import KtspClient
from order_assets.clients.pagination import CursorWalk, NumberWalk, PageFacts
from order_assets.clients.scalev import ScalevClient
from order_assets.crawl.credentials import KtspCredential, ScalevCredential


class Walker(Protocol):
    """Fetches an account's pages in order; `walk` says when to stop."""

    @property
    def walk(self) -> CursorWalk | NumberWalk:
        """What was seen so far, and where to go on."""

    @property
    def place(self) -> tuple[int | None, str | None]:
        """The number and the cursor that `fetch` asks with."""

    @property
    def page_size(self) -> int:
        """Orders on a full page."""

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Return the page at the place; a refused token is renewed once and the same place asked again.

        Raises:
            ApiError: see the client.
        """

    def read(self, page: RawPage) -> PageFacts:
        """Return the facts of a page that was kept.

        Raises:
            ApiError: it cannot be read.
        """


@dataclass(slots=True)
class ScalevWalker:
    """Walks the cursor pages of one customer."""

    client: ScalevClient
    credential: ScalevCredential
    walk: CursorWalk

    @property
    def place(self) -> tuple[int | None, str | None]:
        """The cursor."""
        return None, self.walk.cursor

    @property
    def page_size(self) -> int:
        """As asked for; the API may give less."""
        return self.client.page_size

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Fetch the page at the cursor."""
        store_id = self.credential.store.store_id
        token = await self.credential.access_token()
        try:
            return await self.client.orders_page(store_id, token, self.walk.cursor)
        except SignInError:
            token = await self.credential.renew(token)
            return await self.client.orders_page(store_id, token, self.walk.cursor)

    def read(self, page: RawPage) -> PageFacts:
        """Read a page that was kept."""
        return scalev.read_page(page)


@dataclass(slots=True)
class KtspWalker:
    """Walks the numbered pages of one member."""

    client: KtspClient
    credential: KtspCredential
    walk: NumberWalk

    @property
    def place(self) -> tuple[int | None, str | None]:
        """The page number."""
        return self.walk.number, None

    @property
    def page_size(self) -> int:
        """As asked for; the API may give less."""
        return self.client.page_size

    async def fetch(self) -> tuple[RawPage, PageFacts]:
        """Fetch the page of the number."""
        member_id = self.credential.member.member_id
        token = await self.credential.access_token()
        try:
            return await self.client.orders_page(member_id, token, self.walk.number)
        except SignInError:
            token = await self.credential.renew(token)
            return await self.client.orders_page(member_id, token, self.walk.number)

    def read(self, page: RawPage) -> PageFacts:
        """Read a page that was kept."""
        return ktsp.read_page(page)


@dataclass(slots=True)
class NoCredential:
    """Stands for an account whose imported credential is not there any more: it fails without a request."""

    walk: CursorWalk = field(default_factory=CursorWalk)
    place: tuple[None, None] = (None, None)
    page_size: int = 0

    async def fetch(self) -> NoReturn:
        """Refuse.

        Raises:
            AccountError: always.
        """
        raise AccountError(Reason.SIGN_IN_NEEDED, "there is no credential for this account; import it again")

    def read(self, page: RawPage) -> NoReturn:
        """Refuse as well; nothing can have been kept."""
        del page
        raise AccountError(Reason.SIGN_IN_NEEDED, "there is no credential for this account")
