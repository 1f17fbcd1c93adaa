"""What people should hear of: accounts that began to fail, and accounts that are well again. Sending is in `clients`.

News only: an account that fails every hour is told of once, until its reason changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from order_assets.warehouse.sql import statement

_NAMED = 20  # accounts written out per reason
_REMEDY = {
    "token_expired": "sign the customer in again and put the new token into the accounts file",
    "sign_in_needed": "sign the customer in again and put the new token into the accounts file",
    "member_not_found": "correct the member's id, or retire the account: order-assets accounts retire KEY",
    "history_shrank": "if the orders were really deleted: order-assets run --mode full --allow-shrink --account KEY",
    "bad_envelope": "the API may have changed; the pages are kept: see docs/unknowns.md",
}
_RETRY = "crawl them again: launch the job retry_failed_accounts, or order-assets run --failed-only"


@dataclass(frozen=True, slots=True)
class News:
    """One account that began to fail for a reason, or is complete again (no reason)."""

    source_system: str
    partition_key: str
    reason: str | None
    words: str


def news(connection: sa.Connection) -> list[News]:
    """Return the accounts whose last crawl ended otherwise than people were told."""
    rows = connection.execute(statement("crawl/news"))
    return [News(row.source_system, row.partition_key, row.reason, row.reason_words or "") for row in rows]


def note_told(connection: sa.Connection, told: Sequence[News]) -> None:
    """Remember that people were told."""
    values = {
        "systems": [each.source_system for each in told],
        "keys": [each.partition_key for each in told],
        "reasons": [each.reason for each in told],
    }
    connection.execute(statement("crawl/note_told"), values)


def subject(told: Sequence[News]) -> str:
    """Return one line that says how many accounts began to fail, and how many are well again."""
    failing = sum(each.reason is not None for each in told)
    parts = [_accounts(failing, "began to fail")] if failing else []
    if failing < len(told):
        back = len(told) - failing
        parts.append(_accounts(back, "is complete again" if back == 1 else "are complete again"))
    return f"Order Assets: {', '.join(parts)}"


def text(told: Sequence[News], link: str = "") -> str:
    """Return the alert in plain text: accounts by reason, the reason in words, and what to do next.

    `link`: address of Dagster's UI, if there is one to show.
    """
    lines = [subject(told)]
    failing = [each for each in told if each.reason is not None]
    for (source, reason), group in groupby(failing, key=lambda each: (each.source_system, each.reason)):
        mine = list(group)
        lines += ["", f"{source}, {reason}: {mine[0].words}", f"  {_named(mine)}"]
        if reason in _REMEDY:
            lines.append(f"  To do: {_REMEDY[reason]}")
    if failing:
        lines += ["", f"To do then: {_RETRY}. All other accounts are committed."]
    back = [each for each in told if each.reason is None]
    if back:
        lines += ["", f"Complete again: {_named(back)}"]
    if link:
        lines += ["", link]
    return "\n".join(lines)


def _named(told: Sequence[News]) -> str:
    names = ", ".join(each.partition_key for each in told[:_NAMED])
    return f"{names} and {len(told) - _NAMED:,} more" if len(told) > _NAMED else names


def _accounts(count: int, words: str) -> str:
    return f"{count:,} account {words}" if count == 1 else f"{count:,} accounts {words}"
