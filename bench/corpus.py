"""The pages of the benchmark: a large world of the sandbox as ready answers, before and after it went on for a while.

Made once and kept on disk, since making it takes longer than crawling it. Who serves the pages is in `mock`.
"""

from __future__ import annotations

import gzip
import json
import pickle
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from order_assets.sandbox.state import dump
from order_assets.sandbox.world import World, WorldSpec

SCALEV_PAGE = 25
KTSP_PAGE = 200
_STORES = 20
_ORDERS_PER_ACCOUNT = 100
_MEMBERS_PER_CUSTOMER = 5  # one KTSP member to so many Scalev customers
_GZIP_LEVEL = 6  # what web servers use
_SETTLED_AFTER_DAYS = 60
_ENDS = {"completed", "canceled", "closed", "rts"}


@dataclass(frozen=True, slots=True)
class Spec:
    """What a corpus is made from: about so many orders over so many days, and how many changes come after."""

    orders: int
    orders_per_account: int = _ORDERS_PER_ACCOUNT
    days: int = 730
    changed_share: float = 0.01

    def world(self) -> WorldSpec:
        """Return the world that has about so many orders."""
        per_customer = self.orders_per_account * (1 + 1.25 / _MEMBERS_PER_CUSTOMER)  # members have a quarter more
        per_store = max(1, round(self.orders / per_customer / _STORES))
        return WorldSpec(
            seed=7,
            stores=_STORES,
            customers_per_store=per_store,
            members=_STORES * per_store // _MEMBERS_PER_CUSTOMER,
            orders_per_account=self.orders_per_account,
            days=self.days,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """Whose pages they are: `source` scalev or ktsp, the store's or member's id, and the customer's name."""

    source: str
    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Accounts in order, and the gzipped answers of each: `before`, and `after` where something changed.

    `orders`, `pages` and `plain_bytes` count those before; `changed_orders` were added, changed or deleted after.
    """

    accounts: list[Account]
    before: list[list[bytes]]
    after: dict[int, list[bytes]]
    orders: int
    pages: int
    plain_bytes: int
    changed_orders: int


def corpus(spec: Spec, folder: Path) -> Corpus:
    """Return the corpus of a specification, from disk if it was made before."""
    kept = folder / f"corpus-{spec.orders}-{spec.orders_per_account}-{spec.days}.pickle"
    if kept.exists():
        made: Corpus = pickle.loads(kept.read_bytes())  # noqa: S301 - our own file, in our own folder
        return made
    made = _make(spec)
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(made))
    return made


def _make(spec: Spec) -> Corpus:
    world = World(spec.world())
    accounts = [_account(key) for key in world.accounts]
    before, orders, plain = [], 0, 0
    for key, account in zip(world.accounts, accounts, strict=True):
        history = _settled(world.orders(key), spec)
        orders += len(history)
        bodies = _bodies(account, history)
        plain += sum(map(len, bodies))
        before.append([gzip.compress(body, _GZIP_LEVEL, mtime=0) for body in bodies])
    changed = 0
    while changed < orders * spec.changed_share:
        changed += sum(asdict(world.evolve(1)).values())
    after = {
        index: [
            gzip.compress(body, _GZIP_LEVEL, mtime=0)
            for body in _bodies(accounts[index], _settled(world.orders(key), spec))
        ]
        for index, key in enumerate(world.accounts)
        if world.version(key)
    }
    return Corpus(accounts, before, after, orders, sum(map(len, before)), plain, changed)


def _settled(orders: list[dict[str, Any]], spec: Spec) -> list[dict[str, Any]]:
    """Leave out old orders that never came to an end.

    The sandbox has some, as real stores do, and a refresh has to look down to the oldest of them. How long a history is
    and how far down its oldest open order lies are two things; this keeps them apart.
    """
    newest = spec.world().until - timedelta(days=_SETTLED_AFTER_DAYS)
    return [
        order
        for order in orders
        if "orderCode" in order
        or order["created_at"] >= newest.isoformat()
        or (order["status"] in _ENDS and (order["status"] != "completed" or order["paid_time"]))
    ]


def _account(key: str) -> Account:
    owner, name = key.split("/", 1)
    return Account("ktsp", name, "") if owner == "ktsp" else Account("scalev", owner, name)


def _bodies(account: Account, orders: list[dict[str, Any]]) -> list[bytes]:
    size = KTSP_PAGE if account.source == "ktsp" else SCALEV_PAGE
    parts = [orders[start : start + size] for start in range(0, len(orders), size)] or [[]]
    last = len(parts) - 1
    if account.source == "ktsp":
        return [
            json.dumps(
                {"status": 1, "errorCode": 0, "message": "success", "morePage": number < last, "pageNo": number,
                 "pageSize": size, "items": part},
                separators=(",", ":"), ensure_ascii=False,
            ).encode()
            for number, part in enumerate(parts)
        ]  # fmt: skip
    return [
        dump(
            {"data": part, "is_paginated": True, "has_next": number < last, "has_previous": number > 0,
             "next_cursor": f"c{number + 1}" if number < last else None,
             "previous_cursor": f"c{number - 1}" if number else None, "page_size": size}
        )
        for number, part in enumerate(parts)
    ]  # fmt: skip
