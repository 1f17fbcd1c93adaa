"""Tables of the schemas `ops` (accounts, crawls, bookkeeping) and `raw` (pages). Part of `schema.metadata`."""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

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
    _text("source_account", "Store or programme: the scope of order ids"),
    _text("display_name", "Name for people; no personal data"),
    _text("time_zone", "IANA zone in which business dates are taken"),
    sa.Column("currency", sa.CHAR(3), nullable=False, comment="ISO 4217, used where the source names none"),
    _text("state", "active, needs_sign_in, not_found or retired"),
    _text("origin", "Where the account was configured: file, sandbox or import"),
    _text("customer_key", "Pseudonym of the person, once an order named it", null=True),
    _col("added_at", _INSTANT, "When the account was first configured"),
    _col("retired_at", _INSTANT, "When the account left the configuration", null=True),
    sa.CheckConstraint("source_system in ('scalev', 'ktsp')", name="source_system"),
    sa.CheckConstraint("state in ('active', 'needs_sign_in', 'not_found', 'retired')", name="state"),
    schema="ops",
    comment="One row per credential: a customer of a Scalev store, a member of a KTSP programme",
)

crawls = sa.Table(
    "crawls",
    metadata,
    sa.Column("crawl_id", sa.BigInteger(), sa.Identity(always=True), primary_key=True, comment="Number of the crawl"),
    _text("source_system", "scalev or ktsp"),
    _text("partition_key", "The account"),
    _text("mode", "full: every page was asked for"),
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
            ("duplicates", "Orders seen again within the crawl"),
            ("bytes", "Bytes received, as compressed by the server"),
        )
    ),
    _text("run_id", "Dagster run that crawled"),
    _col("loaded_at", _INSTANT, "When the pages went into the facts; NULL while they have not", null=True),
    sa.ForeignKeyConstraint(
        ["source_system", "partition_key"], ["ops.accounts.source_system", "ops.accounts.partition_key"]
    ),
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
    _text("configured_sha256", "Fingerprint of the configured token these were renewed from"),
    _col("access_token", sa.LargeBinary(), "Current access token, encrypted"),
    _col("refresh_token", sa.LargeBinary(), "Current single-use refresh token, encrypted", null=True),
    _col("access_expires_at", _INSTANT, "End of life of the access token", null=True),
    _col("renewed_at", _INSTANT, "When the tokens were renewed"),
    schema="ops",
    comment="Tokens that were renewed by us and so are newer than the configured ones",
)

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
    sa.Index(None, "source_system", "partition_key"),
    schema="ops",
    comment="Where each fact comes from: account, crawl, page and place",
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
    schema="ops",
    comment="Months whose facts changed; a summary is stale while its own number is lower",
)
change_numbers = sa.Sequence("change_numbers", metadata=metadata, schema="ops")

summarised_months = sa.Table(
    "summarised_months",
    metadata,
    sa.Column("table_name", sa.Text(), primary_key=True, comment="Summary in schema marts"),
    sa.Column("order_month", sa.Date(), primary_key=True, comment="First day of the month"),
    _col("change_number", sa.BigInteger(), "Change of the facts up to which the month is summarised"),
    schema="ops",
    comment="How far each monthly summary has followed the facts",
)

order_pages = sa.Table(
    "order_pages",
    metadata,
    sa.Column(
        "crawl_id", sa.BigInteger(), sa.ForeignKey("ops.crawls.crawl_id", ondelete="CASCADE"), primary_key=True,
        comment="Crawl that fetched the page",
    ),
    sa.Column("page_number", sa.Integer(), primary_key=True, comment="Scalev: 1, 2, ... in walking order; KTSP: pageNo"),
    sa.Column("cursor_hash", sa.CHAR(64), nullable=True, comment="SHA-256 of the cursor the page was asked with"),
    _col("fetched_at", _INSTANT, "When the last byte was received"),
    _col("http_status", sa.Integer(), "HTTP status"),
    _text("content_encoding", "Encoding of the body as the server sent it: gzip, deflate or identity"),
    _col("body", sa.LargeBinary(), "The body as received, AES-GCM under the account's data key"),
    sa.Column("body_sha256", sa.CHAR(64), nullable=False, comment="SHA-256 of the decoded body"),
    _col("items", sa.Integer(), "Orders on the page; NULL if it could not be read", null=True),
    schema="raw",
    comment="Pages as received, readable only with the keys",
)  # fmt: skip
