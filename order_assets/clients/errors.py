"""What can go wrong with an API, typed by what to do next. Every reason code of the product is listed here.

The exception classes say how to react; `Reason` says what happened, and ends up in `ops.crawls.reason`.

    ApiError
    ├── TransientError    try again, a bounded number of times
    │   └── RateLimitedError   try again, not before `retry_after_seconds`
    ├── SignInError       this credential is not accepted: renew it once, then ask a person
    ├── AccountError      this account cannot be had: record it and go on with the others
    └── ContractError     the answer is not what the API documents: keep the bytes, tell a developer
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from order_assets.clients.http import RawPage


_LONGEST_WORDS = 300


class Reason(StrEnum):
    """Stable codes for the outcome of a crawl; programs may rely on them. Words for people come beside them."""

    OK = "ok"
    CURSOR_REPEATED = "cursor_repeated"
    CURSOR_MISSING = "cursor_missing"
    PAGE_REPEATED = "page_repeated"
    PAGE_CAP = "page_cap"
    CURSOR_REJECTED = "cursor_rejected"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a reason code, not a secret
    SIGN_IN_NEEDED = "sign_in_needed"
    MEMBER_NOT_FOUND = "member_not_found"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    BAD_JSON = "bad_json"
    BAD_ENVELOPE = "bad_envelope"
    API_ERROR = "api_error"
    HISTORY_SHRANK = "history_shrank"
    SHIFTED_PAGES = "shifted_pages"


class ApiError(Exception):
    """Base of all errors of this ring. The text never holds a token, a body or a personal datum."""

    def __init__(self, reason: Reason, words: str, page: RawPage | None = None) -> None:
        """Keep the code and the words apart, so that both can be stored; `page` is an answer worth keeping."""
        # Words may quote the server, and whatever it sends must fit into a log line and a database.
        self.words = "".join(letter if letter.isprintable() else "?" for letter in words)[:_LONGEST_WORDS]
        super().__init__(self.words)
        self.reason = reason
        self.page = page


class TransientError(ApiError):
    """Likely to pass by itself: time-outs, 5xx, cut connections, bodies that are not JSON.

    `was_sent` is False only where the request certainly never reached the API.
    """

    was_sent = True


class RateLimitedError(TransientError):
    """HTTP 429. `retry_after_seconds` is what the server asked for, or None."""

    def __init__(self, words: str, retry_after_seconds: float | None) -> None:
        """Keep the wait beside the words."""
        super().__init__(Reason.RATE_LIMITED, words)
        self.retry_after_seconds = retry_after_seconds
        self.was_sent = False  # a limiter refuses before anything is done


class SignInError(ApiError):
    """The credential was refused (HTTP 401)."""


class AccountError(ApiError):
    """Permanent for this account, harmless for the others."""


class ContractError(ApiError):
    """The answer breaks the documented contract; repeating the request would not help."""
