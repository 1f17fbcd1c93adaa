"""From an error to the verdict of an account's crawl."""

from __future__ import annotations

from order_assets.clients.errors import AccountError, ApiError, RateLimitedError, SignInError
from order_assets.clients.pagination import Status, Verdict


def of_error(error: ApiError, *, pages: int) -> Verdict:
    """Return how a crawl ended that an error stopped after `pages` good pages.

    Parked: the API asked for a longer wait than a run has patience for. Failed: the account gave nothing, or its
    credential needs a person. Incomplete: some pages are good, and kept, but not all were seen.
    """
    if isinstance(error, RateLimitedError):
        return Verdict(Status.PARKED, error.reason, error.words)
    if pages == 0 or isinstance(error, AccountError | SignInError):
        return Verdict(Status.FAILED, error.reason, error.words)
    return Verdict(Status.INCOMPLETE, error.reason, f"after {pages} good pages: {error.words}")


def account_state(verdict: Verdict) -> str:
    """Return the account's state in `ops.accounts` that follows from a verdict."""
    return {"token_expired": "needs_sign_in", "sign_in_needed": "needs_sign_in", "member_not_found": "not_found"}.get(
        verdict.reason, "active"
    )
