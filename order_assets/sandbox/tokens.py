"""Signed tokens of both APIs, JWT-shaped and stateless, so that they survive a restart of the server.

Only what cannot be stateless is remembered: how far each family of refresh tokens has rotated, and which
families are revoked. The key comes from the seed: these secrets protect nothing.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from typing import Any, Final

_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
_PARTS = 3


class InvalidTokenError(Exception):
    """The text is not a token of this server, or no longer good.

    Attributes:
        account: whose token it was, where the signature proves it.
    """

    def __init__(self, reason: str, account: str | None = None) -> None:
        """Keeps the reason as message."""
        super().__init__(reason)
        self.account = account


class Signer:
    """Seals small dictionaries as `header.payload.signature` with HMAC-SHA256."""

    def __init__(self, seed: int) -> None:
        """Derives the key from the seed of the world."""
        self._key = hashlib.sha256(f"order-assets sandbox {seed}".encode()).digest()

    def _signature(self, payload: str) -> str:
        digest = hmac.digest(self._key, f"{_HEADER}.{payload}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def derive(self, purpose: str) -> str:
        """A constant secret for one purpose, in hex."""
        return hmac.digest(self._key, purpose.encode(), "sha256").hex()[:32]

    def seal(self, claims: dict[str, Any]) -> str:
        """The token that carries these claims."""
        payload = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).rstrip(b"=").decode()
        return f"{_HEADER}.{payload}.{self._signature(payload)}"

    def open(self, token: str) -> dict[str, Any]:
        """The claims of a token.

        Raises:
            InvalidTokenError: it was not sealed here.
        """
        parts = token.split(".")
        if len(parts) != _PARTS or not token.isascii() or not hmac.compare_digest(parts[2], self._signature(parts[1])):
            raise InvalidTokenError("Invalid token")
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return claims


class Tokens:
    """Issues, checks, rotates and revokes tokens."""

    def __init__(
        self, signer: Signer, clock: Callable[[], float], *, access_seconds: int, refresh_seconds: int
    ) -> None:
        """Keeps no list of tokens.

        Args:
            signer: seals and opens them.
            clock: Unix seconds now.
            access_seconds: life of an access token, also of a KTSP token.
            refresh_seconds: life of a refresh token.
        """
        self._signer = signer
        self._clock = clock
        self._access_seconds = access_seconds
        self._refresh_seconds = refresh_seconds
        self._used: dict[str, int] = {}
        self._revoked: set[str] = set()

    def issue(self, account: str, family: str | None = None, generation: int = 0) -> dict[str, Any]:
        """A token body of Scalev for this account; a new family unless one is given."""
        now = int(self._clock())
        common = {"sub": account, "fam": family or secrets.token_hex(8), "gen": generation, "iat": now}
        access = {**common, "typ": "access", "exp": now + self._access_seconds}
        refresh = {**common, "typ": "refresh", "exp": now + self._refresh_seconds}
        return {
            "access": self._signer.seal(access),
            "refresh": self._signer.seal(refresh),
            "token_type": "Bearer",
            "expires_in": self._access_seconds,
            "refresh_expires_in": self._refresh_seconds,
            "store_unique_id": account.partition("/")[0],
        }

    def issue_ktsp(self) -> str:
        """A token of the KTSP programme."""
        now = int(self._clock())
        return self._signer.seal(
            {"sub": "ktsp", "typ": "ktsp", "exp": now + self._access_seconds, "jti": secrets.token_hex(4)}
        )

    def check(self, token: str, kind: str) -> dict[str, Any]:
        """The claims of a token that is good now.

        Args:
            token: as received.
            kind: `access`, `refresh` or `ktsp`.

        Raises:
            InvalidTokenError: forged, of another kind, expired, or of a revoked family.
        """
        claims = self._signer.open(token)
        if claims.get("typ") != kind:
            raise InvalidTokenError("Invalid token")
        if claims["exp"] <= self._clock():
            raise InvalidTokenError("Token has expired", claims["sub"])
        if claims.get("fam") in self._revoked:
            raise InvalidTokenError("Token has been revoked", claims["sub"])
        return claims

    def rotate(self, refresh: str) -> dict[str, Any]:
        """Uses up a refresh token and returns the next token body of its family.

        Raises:
            InvalidTokenError: not good, or used before; the latter revokes the whole family.
        """
        claims = self.check(refresh, "refresh")
        family, generation = claims["fam"], claims["gen"]
        if generation <= self._used.get(family, -1):
            self._revoked.add(family)
            raise InvalidTokenError("Token has been revoked", claims["sub"])
        self._used[family] = generation
        return self.issue(claims["sub"], family, generation + 1)

    def revoke(self, tokens: list[str]) -> None:
        """Revokes the families of these refresh tokens; anything else is ignored, as the API does."""
        for token in tokens:
            try:
                self._revoked.add(self.check(token, "refresh")["fam"])
            except InvalidTokenError:
                continue
