"""`order-assets replay | explain | restatements | purge | forget`. Parsing and printing only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import sqlalchemy as sa
import typer

from order_assets import cli_report
from order_assets.cli_common import (
    FAILED,
    NOT_ALL_COMPLETE,
    USAGE,
    AsJson,
    inert,
    open_engine,
    open_settings,
    out,
    print_json,
    print_table,
    say,
    stop,
    warn,
)
from order_assets.cli_progress import Shown
from order_assets.report.location import report_file
from order_assets.settings import Settings

if TYPE_CHECKING:
    from order_assets.crawl.explain import Candidate, Explanation
    from order_assets.crawl.forget import Forgotten
    from order_assets.crawl.replay import ReplayCounts
    from order_assets.warehouse.restatements import Restatement

_SHOWN_KEYS, _KEY_LETTERS = 3, 12  # order keys per line, cut short; --json has all that are kept


def replay(
    since: Annotated[
        str | None, typer.Option(help="Only orders on pages fetched since this date or time (UTC), e.g. 2026-05-01.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Rebuild facts and summaries from the raw pages, without the APIs.

    For after a change of [policy], of a store's time zone or currency, or of this program. Readers see the old
    numbers until all new ones are there. Months that were published and change are noted: order-assets restatements.
    """
    moment = _moment(since)
    settings = open_settings()
    engine = open_engine(settings)

    from order_assets import refresh
    from order_assets.crawl import replay as replaying

    results: list[ReplayCounts] = []
    config = {"ops": {"replay_pages": {"config": {} if moment is None else {"since": moment.isoformat()}}}}
    try:
        with Shown("crawls derived", {"replay": None}) as shown:
            observer = replaying.Observer(_advance(shown), results.append)
            with replaying.observed_by(observer):
                refresh.run_job("replay_marts", config)
    except refresh.RunFailedError as error:
        stop(str(error), FAILED)
    except (KeyboardInterrupt, refresh.Interrupted):
        stop("Stopped. Everything is as it was before.", FAILED)
    finally:
        engine.dispose()
    (counts,) = results
    if as_json:
        print_json(dataclasses.asdict(counts))
    else:
        out.print(
            f"{counts.crawls:,} crawls derived, {counts.orders:,} orders: {counts.added:,} added, {counts.changed:,}"
            f" changed, {counts.removed:,} removed. {counts.restated:,} sums of published months changed"
            f"{'; see: order-assets restatements' if counts.restated else ''}."
        )
    if counts.kept:
        warn([f"{counts.kept:,} orders stay as they were, since their raw pages are gone or cannot be read"])
    if counts.unreadable:
        warn([f"{len(counts.unreadable):,} crawls could not be loaded: {', '.join(map(str, counts.unreadable[:20]))}"])
        raise typer.Exit(NOT_ALL_COMPLETE)


def explain(
    order: Annotated[str, typer.Argument(help="The order's id at the source, its order_key, or its UUID.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say why an order is in the numbers as it is, and where it comes from."""
    from order_assets.crawl import explain as explaining

    settings = open_settings()
    engine = open_engine(settings)
    try:
        with engine.connect() as connection:
            found = explaining.find(connection, order)
            explanation = explaining.explain(connection, settings, found[0].order_key) if len(found) == 1 else None
    finally:
        engine.dispose()
    if not found:
        stop(f"There is no order {order}. Give its id at the source, its order_key, or its UUID.", USAGE)
    if explanation is None:
        _print_candidates(order, found, as_json=as_json)
        raise typer.Exit(USAGE)
    print_json(dataclasses.asdict(explanation)) if as_json else _print_explanation(explanation)


def restatements(
    since: Annotated[
        str | None, typer.Option(help="Only those detected since this date or time (UTC), e.g. 2026-05-01.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List which published months changed, by how much, and because of which orders."""
    from order_assets.warehouse import restatements as restated

    moment = _moment(since)
    engine = open_engine(open_settings())
    try:
        with engine.connect() as connection:
            rows = restated.listed(connection, moment)
    finally:
        engine.dispose()
    if as_json:
        print_json([{**dataclasses.asdict(row), "difference": row.difference} for row in rows])
    else:
        _print_restatements(rows)


def purge(*, as_json: AsJson = False) -> None:
    """Delete raw pages older than [policy] raw_retention_days, as the schedule purge_raw_pages_daily does.

    Facts and summaries stay. Of orders that no younger page shows, a replay can then only keep what is known.
    """
    from order_assets.crawl import retention

    settings = open_settings()
    engine = open_engine(settings)
    days = settings.accounts.policy.raw_retention_days
    try:
        purged = retention.purge(engine, days)
    except KeyboardInterrupt:
        stop("Stopped. What was deleted is; the next purge goes on from there.", FAILED)
    finally:
        engine.dispose()
    if as_json:
        print_json(dataclasses.asdict(purged))
    else:
        out.print(f"{purged.pages:,} raw pages older than {days:,} days deleted ({purged.bytes:,} bytes).")


def forget(
    source: Annotated[Literal["scalev", "ktsp"], typer.Option(help="The source of the account.")],
    account: Annotated[str, typer.Option(help="The account, e.g. store_A/c-001.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase one person: raw pages and their key, tokens, crawls, orders, what summaries and Dagster hold of them.

    Sums of everybody else stay. The account is retired, so that it is not crawled again. This cannot be undone.
    """
    from order_assets.crawl import forget as forgetting

    settings = open_settings()
    engine = open_engine(settings)
    try:
        with engine.connect() as connection:
            extent = forgetting.preview(connection, settings, source, account)
        if not yes:
            _ask(extent)
        done = forgetting.forget(engine, settings, source, account)
        _renew_report(engine, settings)
    except forgetting.AccountBusyError as error:
        stop(str(error), FAILED)
    except KeyboardInterrupt:
        stop("Stopped. Nothing was erased.", FAILED)
    finally:
        engine.dispose()
    if as_json:
        print_json(dataclasses.asdict(done))
    else:
        out.print(_in_words(done, "erased"), markup=False)
    if done.dagster_rows is None:
        warn(["Dagster's storage is in another database, and its events still name the account: delete its partition"])
    if done.still_configured:
        listed = ", ".join(done.still_configured)
        words = "still in the accounts file; it is not crawled any more, but delete it there as well"
        warn([f"{listed}: {words}"])


def _renew_report(engine: sa.Engine, settings: Settings) -> None:
    """Write the report anew if there is one, since that may name the account."""
    if report_file().exists():
        cli_report.write_report(engine, settings, report_file())


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        stop(f"--since {text}: write a date or time like 2026-05-01 or 2026-05-01T12:00", USAGE)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _advance(shown: Shown) -> Callable[[int, int], None]:
    def advance(done: int, total: int) -> None:
        shown.expect("replay", total)
        shown.advance("replay", done)
        if done == total:
            say("Recomputing summaries and running the checks ...")

    return advance


def _ask(extent: Forgotten) -> None:
    say(_in_words(extent, "to be erased"))
    try:
        typer.confirm("Erase this for good?", abort=True, err=True)
    except typer.Abort:
        stop("Nothing was erased. Without a terminal to answer on, add --yes.", USAGE)


def _in_words(extent: Forgotten, what: str) -> str:
    return (
        f"{', '.join(extent.partition_keys)}: {extent.orders:,} orders of {len(extent.months):,} months,"
        f" {extent.crawls:,} crawls and {extent.pages:,} raw pages {what}."
    )


def _print_candidates(order: str, found: Sequence[Candidate], *, as_json: bool) -> None:
    if as_json:
        print_json({"ambiguous": [dataclasses.asdict(each) for each in found]})
    else:
        rows = [[each.order_key, each.source_system, each.source_account, each.source_order_id] for each in found]
        print_table("Orders of that name", ("order_key", "source", "account", "order id"), rows)
    say(f"{order} fits {len(found)} orders; give the order_key of one.")


def _print_explanation(explained: Explanation) -> None:
    _print_group("Order", explained.identity)
    _print_group("Status", explained.status)
    out.print(f"Rule: {inert(explained.rule)}\n", markup=False, soft_wrap=True)
    _print_group("Money", explained.money)
    for identity in explained.identities:
        out.print(f"  {identity}", markup=False, soft_wrap=True)
    out.print()
    _print_group("Time", explained.time)
    _print_group("What is odd", explained.anomalies or {"nothing": ""})
    for name, rows in explained.details.items():
        for number, row in enumerate(rows, 1):
            shown = {key: value for key, value in row.items() if key != "order_key" and value is not None}
            _print_group(f"{name} {number} of {len(rows)}", shown)
    _print_group("Where it comes from", explained.lineage or {"unknown": "no page of ours brought it"})
    if explained.deleted:
        _print_group("Deleted at the source: the crawl that no longer saw it", explained.deleted)


def _print_group(title: str, values: Mapping[str, Any]) -> None:
    out.print(title, style="bold", markup=False)
    width = max(map(len, values), default=0)
    for name, value in values.items():
        shown = f"{value:%Y-%m-%d %H:%M:%S %Z}" if isinstance(value, datetime) else "-" if value is None else str(value)
        out.print(f"  {name:<{width}}  {inert(shown)}", markup=False, soft_wrap=True)
    out.print()


def _print_restatements(rows: Sequence[Restatement]) -> None:
    if not rows:
        say("No published month changed.")
        return
    cells = [("month", "store", "", "sum", "before", "after", "change", "detected", "by", "orders")]
    for row in rows:
        keys = [key[:_KEY_LETTERS] for key in row.order_keys[:_SHOWN_KEYS]]
        amounts = (row.old_value, row.new_value, row.difference)
        numbers = [f"{n:,.0f}" if row.metric == "orders_recognised" else f"{n:,.2f}" for n in amounts]
        cells.append((
            f"{row.period:%Y-%m}", inert(row.store_key), row.currency_code, row.metric,
            numbers[0], numbers[1], numbers[2],
            f"{row.detected_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            "replay" if row.crawl_id is None else f"crawl {row.crawl_id}",
            f"{row.order_count}: {' '.join(keys)}{' ...' if row.order_count > len(keys) else ''}",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        aligned = [
            cell.rjust(width) if 4 <= place <= 6 else cell.ljust(width)  # noqa: PLR2004 - the amounts
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.print("  ".join(aligned).rstrip(), markup=False, soft_wrap=True)
    say("Times are UTC. See why an order is as it is with: order-assets explain ORDER (the letters shown will do)")
