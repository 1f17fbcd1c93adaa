"""How the pages of each source are read order by order, before anything is derived: the registry of readers.

What the orders mean, as rows of the facts, is in the modules of the sources (`scalev`, `ktsp`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from order_assets.domain import ktsp_page, scalev_page
from order_assets.domain.documented import Documented, KtspPage, ScalevPage
from order_assets.domain.pages import SourceSystem


@dataclass(frozen=True, slots=True)
class PageReader:
    """The reader of one source's pages.

    `decode`: the orders of a page, in its order; raises msgspec.DecodeError for what is no page of orders.
    `fingerprint`: the hash of an order's documented, non-personal fields. `order_id`: an order's id within its account,
    from the order and its fingerprint. `listed_by`: fields that say when an order was placed; the first readable one
    counts. `documented`: everything the vendor documents of a page. `orders_field`: the name of the list in the page.
    """

    decode: Callable[[bytes], Sequence[Any]]
    fingerprint: Callable[[Any], str]
    order_id: Callable[[Any, str], str]
    listed_by: tuple[str, ...]
    documented: type[Documented]
    orders_field: str


READERS: dict[SourceSystem, PageReader] = {
    "scalev": PageReader(
        scalev_page.decode, scalev_page.fingerprint, scalev_page.order_id, scalev_page.LISTED_BY, ScalevPage, "data"
    ),
    "ktsp": PageReader(
        ktsp_page.decode, ktsp_page.fingerprint, ktsp_page.order_id, ktsp_page.LISTED_BY, KtspPage, "items"
    ),
}
