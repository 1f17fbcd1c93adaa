"""Tables of the schemas `ops` (accounts, crawls, bookkeeping) and `raw` (pages). Part of `schema.metadata`."""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

from order_assets.warehouse import fact_schema, summary_schema  # noqa: F401 - whoever has the ledger has every table
from order_assets.warehouse.schema import col, metadata, text

_INSTANT = sa.TIMESTAMP(timezone=True)


_col = partial(col, null=False)
_text = partial(text, null=False)


def _account_key() -> tuple[sa.Column[Any], sa.Column[Any]]:
    return (
        sa.Column("source_system", sa.Text(), primary_key=True, comment="scalev or ktsp"),
        sa.Column("partition_key", sa.Text(), primary_key=True, comment="STORE_ID/NAME or PROGRAMME/MEMBER_ID"),
    )


accounts = sa.Table(
    "accounts",
    metadata,
    *_account_key(),
    sa.Column(
        "account_number", sa.BigInteger(), sa.Identity(always=True), nullable=False,
        comment="Grows in the order in which accounts were first configured",
    ),
    _text("source_account", "Store or programme: the scope of order ids"),
    _text("display_name", "Name for people; no personal data"),
    _text("time_zone", "IANA zone in which business dates are taken"),
    sa.Column("currency", sa.CHAR(3), nullable=False, comment="ISO 4217, used where the source names none"),
    _text("state", "active, needs_sign_in, not_found or retired"),
    _text("origin", "Where the account was configured: file, sandbox or import"),
    _text("customer_key", "Pseudonym of the person, once an order named it", null=True),
    _col("added_at", _INSTANT, "When the account was first configured"),
    _col("retired_at", _INSTANT, "When the account was retired", null=True),
    _text("retired_by", "file: it left the configuration, and comes back with it; command: by a person", null=True),
    _text("told_reason", "Why its crawls fail, as far as people were told; NULL: they believe all is well", null=True),
    sa.CheckConstraint("source_system in ('scalev', 'ktsp')", name="source_system"),
    sa.CheckConstraint("state in ('active', 'needs_sign_in', 'not_found', 'retired')", name="state"),
    schema="ops",
    comment="One row per credential: a customer of a Scalev store, a member of a KTSP programme",
)  # fmt: skip

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("source_system", sa.Text(), primary_key=True, comment="scalev or ktsp"),
    sa.Column("source_account", sa.Text(), primary_key=True, comment="Store or programme"),
    _text("time_zone", "IANA zone in which business dates are taken"),
    sa.Column("currency", sa.CHAR(3), nullable=False, comment="ISO 4217, used where the source names none"),
    _text("base_url", "Where the API answers; NULL: as the accounts file says", null=True),
    _col("secrets", sa.LargeBinary(), "Keys of the store or programme as imported, encrypted JSON", null=True),
    schema="ops",
    comment="Stores and programmes that were imported; those of the accounts file come from there",
)

crawls = sa.Table(
    "crawls",
    metadata,
    sa.Column("crawl_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="Number of the crawl"),
    _text("source_system", "scalev or ktsp"),
    _text("partition_key", "The account"),
    _text("mode", "full: every page was asked for; head: down to where everything older is known and final"),
    _col("started_at", _INSTANT, "When the first request was sent"),
    _col("finished_at", _INSTANT, "When the verdict was reached", null=True),
    _text("status", "running, complete, incomplete, failed or parked"),
    _text("reason", "Stable reason code, ok if complete", null=True),
    _text("reason_words", "The reason in words", null=True),
    *(
        sa.Column(name, sa.BigInteger(), nullable=False, server_default="0", comment=comment)
        for name, comment in (
            ("requests", "Requests sent, retries and token calls included"),
            ("pages", "Pages received"),
            ("orders_seen", "Distinct orders on the pages"),
            ("orders_new", "Orders that were not in the facts before"),
            ("orders_changed", "Orders that differ from the facts before"),
            ("stale_payloads", "Orders that came older than the facts hold them, and were ignored"),
            ("duplicates", "Orders seen again within the crawl"),
            ("bytes", "Bytes received, as compressed by the server"),
            ("requests_saved", "Pages that a head crawl did not have to ask for, by the last full crawl"),
            ("orders_vanished", "Orders known before that a complete history no longer holds"),
        )
    ),
    _col("is_newest_first", sa.Boolean(), "Whether the orders came newest first, as far as was seen", null=True),
    _col("resume_at", _INSTANT, "Parked: not to be asked again before", null=True),
    _text("run_id", "Dagster run that crawled"),
    _col("loaded_at", _INSTANT, "When the pages went into the facts; NULL while they have not", null=True),
    sa.ForeignKeyConstraint(
        ["source_system", "partition_key"], ["ops.accounts.source_system", "ops.accounts.partition_key"]
    ),
    sa.CheckConstraint("mode in ('full', 'head')", name="mode"),
    sa.CheckConstraint("status in ('running', 'complete', 'incomplete', 'failed', 'parked')", name="status"),
    sa.Index(None, "source_system", "partition_key", "crawl_id"),
    sa.Index("crawls_not_loaded_idx", "crawl_id", postgresql_where=sa.text("loaded_at is null")),
    schema="ops",
    comment="One row per crawl of one account, with its verdict",
)

credentials = sa.Table(
    "credentials",
    metadata,
    *_account_key(),
    _text("configured_sha256", "Fingerprint of the configured or imported token that the current ones descend from"),
    _col("imported", sa.LargeBinary(), "Credential as imported, encrypted JSON; NULL: it is in the file", null=True),
    _col("access_token", sa.LargeBinary(), "Current access token, encrypted; NULL: as configured", null=True),
    _col("refresh_token", sa.LargeBinary(), "Current single-use refresh token, encrypted", null=True),
    _col("access_expires_at", _INSTANT, "End of life of the access token", null=True),
    _col("renewed_at", _INSTANT, "When the tokens were renewed", null=True),
    _col("refresh_sent_at", _INSTANT, "When a refresh was sent whose answer never arrived: the token is spent", null=True),
    schema="ops",
    comment="Tokens that were imported, or renewed by us and so newer than the configured ones",
)  # fmt: skip

page_keys = sa.Table(
    "page_keys",
    metadata,
    *_account_key(),
    _col("wrapped_key", sa.LargeBinary(), "Data key of the account's pages, encrypted by the configured key"),
    schema="ops",
    comment="One data key per account; deleting it makes the account's pages unreadable",
)

order_lineage = sa.Table(
    "order_lineage",
    metadata,
    sa.Column(
        "order_key",
        sa.Text(),
        sa.ForeignKey("marts.order_facts.order_key", ondelete="CASCADE"),
        primary_key=True,
        comment="The order",
    ),
    _text("source_system", "scalev or ktsp"),
    _text("partition_key", "The account that brought the order"),
    _col("crawl_id", sa.BigInteger(), "Crawl that brought the version in the facts"),
    _col("page_number", sa.Integer(), "Page of that crawl"),
    _col("position", sa.Integer(), "Place on the page, from 1"),
    _col("ordered_at", _INSTANT, "As in the facts"),
    _col("is_open", sa.Boolean(), "Its status can still change in the usual course"),
    _col("is_listed", sa.Boolean(), "The account's history holds it, as far as is known"),
    sa.Index(None, "source_system", "partition_key", "ordered_at"),
    sa.Index(
        "order_lineage_open_idx", "source_system", "partition_key", "ordered_at", postgresql_where=sa.text("is_open")
    ),
    schema="ops",
    comment="Where each fact comes from (account, crawl, page and place), and what the next crawl has to look at",
)

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("name", sa.Text(), primary_key=True, comment="hmac_key_sha256 or rules"),
    _text("value", "What the database was first filled with"),
    schema="ops",
    comment="Keys (as fingerprints) and rules of the installation that fills this database",
)

touched_months = sa.Table(
    "touched_months",
    metadata,
    sa.Column("order_month", sa.Date(), primary_key=True, comment="First day of the month"),
    _col("change_number", sa.BigInteger(), "Grows with every load that changed an order of the month"),
    _col("touched_at", _INSTANT, "When that was"),
    _col("whole_change_number", sa.BigInteger(), "Last change of which the days are not in touched_days"),
    schema="ops",
    comment="Months whose facts changed; a summary is stale while its own number is lower",
)

touched_days = sa.Table(
    "touched_days",
    metadata,
    sa.Column("order_date", sa.Date(), primary_key=True, comment="Business date of the orders"),
    sa.Column("store_key", sa.Text(), primary_key=True, comment="The store"),
    _col("change_number", sa.BigInteger(), "Number of the last load that changed an order of the day"),
    schema="ops",
    comment="Days of stores whose facts changed after their month was summarised first",
)
change_numbers = sa.Sequence("change_numbers", metadata=metadata, schema="ops")
crawl_sessions = sa.Sequence("crawl_sessions", metadata=metadata, schema="ops")

vanished_orders = sa.Table(
    "vanished_orders",
    metadata,
    sa.Column(
        "crawl_id",
        sa.BigInteger(),
        sa.ForeignKey("ops.crawls.crawl_id", ondelete="CASCADE"),
        primary_key=True,
        comment="Complete crawl of the account's whole history",
    ),
    sa.Column("order_key", sa.Text(), primary_key=True, comment="Order of the account that it no longer held"),
    schema="ops",
    comment="Why an order counts as deleted at the source: the crawl that no longer saw it",
)

api_pace = sa.Table(
    "api_pace",
    metadata,
    sa.Column("host", sa.Text(), primary_key=True, comment="Address of the API"),
    _col("next_start", _INSTANT, "When the next request may start"),
    _col("blocked_until", _INSTANT, "The API asked all of us to wait until then", null=True),
    schema="ops",
    comment="Pace of requests per API, shared by all processes",
)

api_leases = sa.Table(
    "api_leases",
    metadata,
    sa.Column("host", sa.Text(), primary_key=True, comment="Address of the API"),
    sa.Column("session_id", sa.BigInteger(), primary_key=True, comment="Crawling process; it holds an advisory lock"),
    _col("places", sa.Integer(), "Requests it may have in flight"),
    schema="ops",
    comment="Who may have how many requests in flight; a lease ends with its process",
)

unknown_fields = sa.Table(
    "unknown_fields",
    metadata,
    sa.Column("source_system", sa.Text(), primary_key=True, comment="scalev or ktsp"),
    sa.Column("field", sa.Text(), primary_key=True, comment="Path of the field within an order"),
    sa.Column("value", sa.Text(), primary_key=True, comment="Undocumented value of a documented field, else empty"),
    _col("occurrences", sa.BigInteger(), "How often it came, in all pages that were loaded"),
    _col("first_crawl_id", sa.BigInteger(), "Crawl that brought it first"),
    _col("last_crawl_id", sa.BigInteger(), "Crawl that brought it last"),
    schema="ops",
    comment="What the APIs send beyond their documents; the values are in the raw pages alone",
)

as_of = sa.Table(
    "as_of",
    metadata,
    sa.Column("is_only_row", sa.Boolean(), primary_key=True, comment="True: the table has one row at most"),
    _col("as_of_date", sa.Date(), "Date at which ages are taken and calendars end"),
    _text("run_id", "Dagster run that set it"),
    sa.CheckConstraint("is_only_row", name="is_only_row"),
    schema="ops",
    comment="The date of the last run of the summaries; an input of the run, never the database's clock",
)

summarised_tables = sa.Table(
    "summarised_tables",
    metadata,
    sa.Column("table_name", sa.Text(), primary_key=True, comment="Summary in schema marts"),
    _col("change_number", sa.BigInteger(), "Change of the facts up to which the table is summarised"),
    _col("as_of_date", sa.Date(), "Date at which the table was taken"),
    schema="ops",
    comment="How far each summary that is computed whole has followed the facts",
)

summarised_months = sa.Table(
    "summarised_months",
    metadata,
    sa.Column("table_name", sa.Text(), primary_key=True, comment="Summary in schema marts"),
    sa.Column("order_month", sa.Date(), primary_key=True, comment="First day of the month"),
    _col("change_number", sa.BigInteger(), "Change of the facts up to which the month is summarised"),
    schema="ops",
    comment="How far each monthly summary has followed the facts",
)

restatements = sa.Table(
    "restatements",
    metadata,
    sa.Column(
        "restatement_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="Grows with each entry"
    ),
    _col("period", sa.Date(), "First day of the month of the order date"),
    _text("source_system", "scalev or ktsp"),
    _text("store_key", "Store"),
    sa.Column("currency_code", sa.CHAR(3), nullable=False, comment="ISO 4217"),
    _text("metric", "Which sum changed: net_sales_amount, payment_amount, discount_amount or orders_recognised"),
    _col("old_value", sa.Numeric(20, 4), "Sum of the month before; an amount in currency_code, or a number of orders"),
    _col("new_value", sa.Numeric(20, 4), "Sum of the month after"),
    _col("order_count", sa.Integer(), "How many orders did it"),
    sa.Column(
        "order_keys", sa.ARRAY(sa.Text), nullable=False,
        comment="Which orders did it, those with the largest part first; 20 at most",
    ),
    _col("detected_at", _INSTANT, "When the facts changed"),
    _col("crawl_id", sa.BigInteger(), "Crawl that brought the change; NULL: the facts were replayed", null=True),
    sa.Index(None, "detected_at"),
    schema="ops",
    comment="Changes of months that were published already, i.e. had rows in the summaries",
)  # fmt: skip

order_pages = sa.Table(
    "order_pages",
    metadata,
    sa.Column(
        "crawl_id", sa.BigInteger(), sa.ForeignKey("ops.crawls.crawl_id", ondelete="CASCADE"), primary_key=True,
        comment="Crawl that fetched the page",
    ),
    sa.Column("page_number", sa.Integer(), primary_key=True, comment="1, 2, ... in the order of fetching"),
    _col("pass_number", sa.Integer(), "How often the history was begun to be read, from 1"),
    sa.Column("page_no", sa.Integer(), nullable=True, comment="KTSP: the pageNo that was asked for"),
    sa.Column("cursor_hash", sa.CHAR(64), nullable=True, comment="SHA-256 of the cursor the page was asked with"),
    _col("fetched_at", _INSTANT, "When the last byte was received"),
    _col("http_status", sa.Integer(), "HTTP status"),
    _text("content_encoding", "Encoding of the body as the server sent it: gzip, deflate or identity"),
    _col(
        "body", sa.LargeBinary(),
        "The body as received, AES-GCM under the account's data key; empty if it was deleted by age, or another page has it",
    ),
    sa.Column("body_sha256", sa.CHAR(64), nullable=False, comment="SHA-256 of the decoded body"),
    _col("items", sa.Integer(), "Orders on the page; NULL if it could not be read", null=True),
    _col("same_crawl_id", sa.BigInteger(), "Crawl of the page that has the same body, if this one has none", null=True),
    _col("same_page_number", sa.Integer(), "Number of the page that has the same body", null=True),
    sa.Index(
        "order_pages_same_idx", "same_crawl_id", "same_page_number",
        postgresql_where=sa.text("same_crawl_id is not null"),
    ),
    schema="raw",
    comment="Pages as received, readable only with the keys",
)  # fmt: skip
