"""What a database says, in a form that two runs can be compared by: marts, ledger, pages, and what must not be left.

Left out is only what says when and by which run something came: a run that was killed differs there from one that was
not.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import date
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from pydantic import SecretStr

from order_assets.clients.http import decode
from order_assets.crawl.encryption import PageCipher, Vault
from order_assets.warehouse import schema, summaries
from order_assets.warehouse.engine import connect
from order_assets_tests.reliability.victim import AS_OF
from order_assets_tests.reliability.views import FINGERPRINTS, LEDGER, LEFT_OVER, RESTATED

_PASSING = {"run_id", "computed_at", "first_seen_at", "last_seen_at", "last_changed_at"}
_POLL_SECONDS = 0.02

Truth = Mapping[str, tuple[str, ...]]


def truth(engine: sa.Engine) -> Truth:
    """Return the rows of every mart, the verdicts, restatements and the contents of the raw pages, as sorted text."""
    with engine.connect() as connection:
        marts = [table for table in schema.order_facts.metadata.sorted_tables if table.schema == "marts"]
        found = {table.fullname: _rows(connection, _lasting(table)) for table in marts}
        found["verdicts"] = _rows(connection, LEDGER)
        found["restatements"] = _rows(connection, RESTATED)
        found["raw pages"] = _rows(
            connection,
            "select distinct partition_key, body_sha256 from raw.order_pages inner join ops.crawls using (crawl_id)",
        )
    return found


def _lasting(table: sa.Table) -> str:
    names = ", ".join(column.name for column in table.columns if column.name not in _PASSING)
    return f"select {names} from {table.fullname}"  # noqa: S608 - names of the schema


def _rows(connection: sa.Connection, query: str) -> tuple[str, ...]:
    return tuple(connection.execute(sa.text(f"select t::text from ({query}) as t order by t::text")).scalars())  # noqa: S608 - queries of these tests


def differences(expected: Truth, found: Truth) -> list[str]:
    """Say in which of the expected tables what was found is not what was expected, with an example of each."""
    complaints = []
    for name, rows in expected.items():
        lost = sorted(set(rows) - set(found[name]))
        more = sorted(set(found[name]) - set(rows))
        if lost or more or len(rows) != len(found[name]):
            example = f"lost {lost[:1]}, more {more[:1]}"
            complaints.append(f"{name}: {len(rows)} rows expected, {len(found[name])} found; {example}"[:1_500])
    return complaints


def left_over(engine: sa.Engine, encryption: SecretStr, as_of: date = AS_OF) -> list[str]:
    """Say what a finished run must not leave: open crawls, locks, sessions, leases, slots, stale sums, unread pages."""
    with engine.connect() as connection:
        complaints = [
            f"{what}: {count}"
            for what, query in LEFT_OVER.items()
            if (count := connection.execute(sa.text(query)).scalar_one())
        ]
        stale = {name for name in summaries.MONTHLY_TABLES if summaries.stale_months(connection, name)}
        stale |= set(summaries.stale_tables(connection, as_of))
        complaints += [f"stale: {name}" for name in sorted(stale)]
        complaints += _unreadable(connection, encryption)
    return complaints


def _unreadable(connection: sa.Connection, encryption: SecretStr) -> list[str]:
    """Return the pages that cannot be decrypted to what was received."""
    vault, bad = Vault([encryption]), []
    query = sa.text(
        "select p.crawl_id, p.page_number, b.crawl_id as body_crawl_id, b.page_number as body_page_number, b.body,"
        " p.content_encoding, p.body_sha256, k.wrapped_key"
        " from raw.order_pages as p"
        " inner join raw.order_pages as b on b.crawl_id = coalesce(p.same_crawl_id, p.crawl_id)"
        " and b.page_number = coalesce(p.same_page_number, p.page_number)"
        " inner join ops.crawls as c on c.crawl_id = p.crawl_id"
        " inner join ops.page_keys as k using (source_system, partition_key)"
    )
    for row in connection.execute(query):
        body = PageCipher.of(vault.open(row.wrapped_key)).decrypt(row.body, row.body_crawl_id, row.body_page_number)
        if hashlib.sha256(decode(body, row.content_encoding)).hexdigest() != row.body_sha256:
            bad.append(f"page {row.page_number} of crawl {row.crawl_id} is not what was received")
    return bad


class Reader:
    """Somebody who looks at the marts all the time; afterwards, whatever was seen must be whole.

    Seen is, of each account, all its facts, and of each month, each summary; in one snapshot. What may be seen is what
    was there before and what is there in the end.
    """

    def __init__(self, url: str) -> None:
        """Begin to look."""
        self._engine = connect(url)
        self._seen: dict[str, set[str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.looks = 0

    def __enter__(self) -> Self:
        """Begin to look."""
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look for the last time."""
        self._stop.set()
        self._thread.join()
        self._engine.dispose()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                self._look()
            except sa.exc.DBAPIError:  # the server was killed; it will be back
                continue

    def _look(self) -> None:
        for key, print_ in fingerprints(self._engine).items():
            self._seen.setdefault(key, set()).add(print_)
        self.looks += 1

    def half_visible(self, *whole: Mapping[str, str]) -> list[str]:
        """Return accounts and months that were seen in a state that is none of these."""
        return sorted(
            key for key, seen in self._seen.items() if not seen <= {state[key] for state in whole if key in state}
        )


def fingerprints(engine: sa.Engine) -> dict[str, str]:
    """Return a hash of each account's facts and of each month of each summary, in one snapshot."""
    parts = [FINGERPRINTS]
    for name in summaries.MONTHLY_TABLES:
        table: Any = schema.order_facts.metadata.tables[f"marts.{name}"]
        month = f"date_trunc('month', {next(iter(table.columns)).name})::date"
        parts.append(
            f"select '{name} ' || {month}, md5(string_agg(t::text, '' order by t::text)) from ({_lasting(table)}) as t"  # noqa: S608 - names of the schema
            f" group by {month}"
        )
    with engine.connect() as connection:
        rows = connection.execute(sa.text(" union all ".join(parts)))
        return {str(row[0]): str(row[1]) for row in rows}
