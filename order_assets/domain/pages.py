"""What goes into the derivation and what comes out of it, the same for both sources; and the repair of broken text."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from order_assets.domain.columns import series

SourceSystem: TypeAlias = Literal["scalev", "ktsp"]

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair, which is one letter
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One raw page, decoded from its transfer encoding, and whose it is.

    `time_zone` (IANA) and `currency_code` are the store's or account's configuration; `fetched_at` is aware UTC.
    `known_customer_key` is the pseudonym the account's other orders have, if any were loaded before.
    """

    content: bytes = field(repr=False)
    source_account: str
    partition_key: str
    time_zone: str
    currency_code: str
    fetched_at: datetime
    crawl_id: int
    page_number: int
    known_customer_key: str | None = None

    @property
    def account_name(self) -> str:
        """The part of the partition key that names the customer or member."""
        return self.partition_key.removeprefix(f"{self.source_account}/")


@dataclass(frozen=True, slots=True)
class Frames:
    """Rows to load, by table; columns are those of `warehouse.schema` and the lineage of each order.

    `orders`: one row per order and page it was seen on (the load picks the newest). Beside the columns of
    `marts.order_facts` it has `partition_key`, `crawl_id`, `page_number`, `position` and `fetched_at`.
    `lines`, `events`, `lifecycles`, `discounts`: rows of `marts.order_line_facts`, `marts.order_status_events`,
    `marts.order_lifecycle` and `marts.discount_facts`; they name the row of `orders` they belong to by `crawl_id`,
    `page_number` and `position`.
    `stores`, `customers`: rows of the dimensions, one per key and batch.
    `unknown`: how often the pages have which undocumented field or value, as `unknown.count` counts them.
    """

    orders: pd.DataFrame
    lines: pd.DataFrame
    events: pd.DataFrame
    lifecycles: pd.DataFrame
    discounts: pd.DataFrame
    stores: pd.DataFrame
    customers: pd.DataFrame
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)


VERSION = ["order_key", "crawl_id", "page_number", "position"]
"""Columns that name one version of an order: the order, and the place where it was seen."""


def readable(content: bytes) -> bytes:
    """Return the page with broken UTF-8 replaced by U+FFFD.

    The clients look at the envelope alone, so such a page arrives here; one odd letter must not cost the others.
    """
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode(errors="replace").encode()
    return content


def repaired(content: bytes) -> bytes:
    r"""Return the page without what decoders refuse although the rest is sound; whole letters stay as they are.

    A byte order mark is cut off. Broken UTF-8, and the escape of half a surrogate pair (`\ud83d`, where somebody cut
    an emoji in two), become U+FFFD. Meant for a page that could not be decoded, since looking costs time.
    """
    text = readable(content).removeprefix(BOM_UTF8)
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape["half"] else escape[0], text)


def page_columns(pages: Sequence[Page], counts: Sequence[int]) -> pd.DataFrame:
    """Repeat each page's context for each of its orders; `position` counts from 1 within the page."""
    index = np.repeat(np.arange(len(pages)), counts)
    instant = pa.timestamp("us", "UTC")

    def spread(values: list[object], dtype: pa.DataType) -> pd.Series:
        return series(pa.array(values, dtype).take(pa.array(index)))

    positions = [position for count in counts for position in range(1, count + 1)]
    return pd.DataFrame({
        "source_account": spread([page.source_account for page in pages], pa.string()),
        "partition_key": spread([page.partition_key for page in pages], pa.string()),
        "account_name": spread([page.account_name for page in pages], pa.string()),
        "store_time_zone": spread([page.time_zone for page in pages], pa.string()),
        "default_currency": spread([page.currency_code for page in pages], pa.string()),
        "fetched_at": spread([page.fetched_at for page in pages], instant),
        "crawl_id": spread([page.crawl_id for page in pages], pa.int64()),
        "page_number": spread([page.page_number for page in pages], pa.int64()),
        "known_customer_key": spread([page.known_customer_key for page in pages], pa.string()),
        "position": series(pa.array(positions, pa.int64())),
    })  # fmt: skip
