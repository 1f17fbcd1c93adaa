"""The fewest lines that call either API, and a clock for it; shared by the tests, no assertions here."""

from typing import Any

import httpx

from order_assets.sandbox.testing import RunningSandbox


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        """Starts at the beginning of some second, minute and window of a rate limit."""
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class ScalevCaller:
    """One Scalev customer with a fresh token."""

    def __init__(self, sandbox: RunningSandbox, http: httpx.Client, account: str) -> None:
        """Signs the customer in."""
        self.store_id = account.partition("/")[0]
        self.account = account
        self.pair = sandbox.tokens(account)
        self._http = http
        store = sandbox.world.store(self.store_id)
        self._key = store.storefront_key if store else ""

    def get(self, *, token: str | None = None, store_id: str | None = None, **query: str) -> httpx.Response:
        """One page."""
        url = f"/v3/stores/{store_id or self.store_id}/customers/me/orders"
        return self._http.get(url, params=query, headers={"Authorization": f"Bearer {token or self.pair['access']}"})

    def page(self, cursor: str | None = None) -> dict[str, Any]:
        """One page, decoded."""
        answer = self.get(next_cursor=cursor) if cursor else self.get()
        body: dict[str, Any] = answer.raise_for_status().json()
        return body

    def walk(self) -> list[dict[str, Any]]:
        """Every page in turn."""
        pages = [self.page()]
        while pages[-1]["has_next"]:
            pages.append(self.page(pages[-1]["next_cursor"]))
        return pages

    def auth(self, route: str, body: object, *, key: str | None = None) -> httpx.Response:
        """A public authentication route."""
        headers = {"X-Scalev-Storefront-Api-Key": self._key if key is None else key}
        return self._http.post(f"/v3/stores/{self.store_id}/public/auth/{route}", json=body, headers=headers)

    def refresh(self, token: str | None = None) -> httpx.Response:
        """Swaps a refresh token."""
        return self.auth("jwt/refresh", {"refresh": token or self.pair["refresh"]})


class KtspCaller:
    """The application of the KTSP programme, signed in."""

    def __init__(self, sandbox: RunningSandbox, http: httpx.Client) -> None:
        """Signs in."""
        self.keys = {"appKey": sandbox.state.app_key, "appSecret": sandbox.state.app_secret}
        self._http = http
        self.token: str = http.post("/v1/auth", json=self.keys).json()["token"]

    def list(self, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """One call of the order list."""
        usual = {"Authorization": self.token, "X-App-Key": self.keys["appKey"]}
        return self._http.post("/v1/order/list", json=body, headers=usual if headers is None else headers)

    def page(self, member: str, number: int, size: int = 50) -> dict[str, Any]:
        """One page, decoded."""
        answer = self.list(memberId=member, pageNo=number, pageSize=size)
        body: dict[str, Any] = answer.raise_for_status().json()
        return body
