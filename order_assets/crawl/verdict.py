"""From an error, or from what a walk saw, to the verdict of an account's crawl."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from order_assets.clients.errors import AccountError, ApiError, RateLimitedError, Reason, SignInError
from order_assets.clients.pagination import Status, Verdict, incomplete

RESUMABLE = frozenset({
    Reason.TIMEOUT, Reason.SERVER_ERROR, Reason.RATE_LIMITED, Reason.BAD_JSON, Reason.TOKEN_EXPIRED,
    Reason.SIGN_IN_NEEDED,
})  # fmt: skip
"""Reasons that say nothing against the pages before: the next crawl goes on behind them."""

DOUBTS = frozenset({
    Reason.HISTORY_SHRANK, Reason.SHIFTED_PAGES, Reason.PAGE_REPEATED, Reason.PAGE_CAP, Reason.CURSOR_REPEATED,
    Reason.CURSOR_MISSING, Reason.CURSOR_REJECTED,
})  # fmt: skip
"""Reasons after which the head of a history is not enough: only a look at the whole can clear them."""


def of_error(error: ApiError, *, pages: int, now: datetime) -> Verdict:
    """Return how a crawl ended that an error stopped after `pages` good pages.

    Parked: the API asked for a longer wait than a run has patience for. Failed: the account gave nothing, or its
    credential needs a person. Incomplete: some pages are good, and kept, but not all were seen.
    """
    if isinstance(error, RateLimitedError):
        wait = error.retry_after_seconds
        return Verdict(
            Status.PARKED, error.reason, error.words, None if wait is None else now + timedelta(seconds=wait)
        )
    if pages == 0 or isinstance(error, AccountError | SignInError):
        return Verdict(Status.FAILED, error.reason, error.words)
    return incomplete(error.reason, f"after {pages} good pages: {error.words}")


def of_whole_history(
    found: Verdict,
    known: Mapping[str, tuple[str, datetime]],
    listed: Collection[str],
    *,
    oldest_listed: datetime | None,
    ends_with_full_page: bool,
    shrink_fraction: float | None,
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict of a walk that reached the end, and the keys of known orders that are gone.

    A history that lost a large part, or everything, or exactly its old end behind a full page, is more likely cut
    than deleted: it is distrusted, and nothing is taken for gone. A single order may always go.

    Args:
        found: what the walk concluded.
        known: orders the history is thought to hold: key and time by their id at the source.
        listed: ids the walk saw.
        oldest_listed: when the oldest order was placed that the walk saw and that is known.
        ends_with_full_page: whether the last page was as long as a page can be.
        shrink_fraction: the share of the known orders that may go at once; None believes any loss.
    """
    gone = {order_id: entry for order_id, entry in known.items() if order_id not in listed}
    keys = tuple(sorted(key for key, _ in gone.values()))
    if len(gone) < 2 or shrink_fraction is None:  # noqa: PLR2004 - a single order
        return found, keys
    is_cut = ends_with_full_page and all(oldest_listed is not None and at < oldest_listed for _, at in gone.values())
    if len(gone) == len(known) or len(gone) > len(known) * shrink_fraction or is_cut:
        words = (
            f"{len(gone)} of {len(known)} known orders are missing, too many to be believed; if they were really"
            " deleted, crawl the account with: order-assets run --mode full --allow-shrink --account KEY"
        )
        return incomplete(Reason.HISTORY_SHRANK, words), ()
    return found, keys


def account_state(verdict: Verdict) -> str | None:
    """Return the account's state in `ops.accounts` that follows from a verdict; None if it tells nothing."""
    states = {
        Reason.TOKEN_EXPIRED: "needs_sign_in",
        Reason.SIGN_IN_NEEDED: "needs_sign_in",
        Reason.MEMBER_NOT_FOUND: "not_found",
    }
    if verdict.reason in states:
        return states[verdict.reason]
    return None if verdict.status is Status.PARKED else "active"
