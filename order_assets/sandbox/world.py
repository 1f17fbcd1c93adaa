"""The world of the sandbox: everyone and every order, made from one seed. No HTTP, no tokens, no faults.

Accounts are made when first asked for and forgotten when many others follow, so that a world of ten
thousand accounts costs little. Accounts that a test or a step of evolution changed are kept.
"""

import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from order_assets.sandbox import ktsp_orders, scalev_orders
from order_assets.sandbox.catalogue import SHOPS
from order_assets.sandbox.evolution import Changes, evolve_ktsp, evolve_scalev, hours_of_a_step, touched
from order_assets.sandbox.people import Member, Store, make_member, make_store
from order_assets.sandbox.scalev_changes import entered
from order_assets.sandbox.seasons import Seasons, stream

Order = dict[str, Any]

_SPREAD = 0.8
_ACCOUNTS_IN_MEMORY = 256
_PAGE = 25


@dataclass(frozen=True)
class WorldSpec:
    """What a world is made from; equal specs give byte-identical answers.

    Attributes:
        seed: chooses everything that is drawn.
        stores: Scalev stores.
        customers_per_store: Scalev customers of each store.
        members: KTSP members.
        until: the present of the world is the end of this day in Jakarta, until it evolves.
        days: length of the history.
        orders_per_account: mean per Scalev customer; KTSP members have a quarter more.
    """

    seed: int = 1
    stores: int = 3
    customers_per_store: int = 40
    members: int = 60
    until: date = date(2026, 10, 31)
    days: int = 730
    orders_per_account: float = 20.0


class World:
    """Stores, customers, members and their orders: the truth behind every answer of the server."""

    def __init__(self, spec: WorldSpec | None = None) -> None:
        """Makes the people; orders are made on demand."""
        self.spec = spec or WorldSpec()
        # Accounts are always made as of the beginning, however late they are first asked for.
        self._beginning = datetime.combine(self.spec.until, time(23, 59, 59), scalev_orders.JAKARTA).astimezone(UTC)
        self.now = self._beginning
        self.steps = 0
        self.stores: tuple[Store, ...] = tuple(
            make_store(self.spec.seed, number, self.spec.customers_per_store) for number in range(self.spec.stores)
        )
        self.members: tuple[Member, ...] = tuple(make_member(number) for number in range(self.spec.members))
        # The last day is today; drawing up to yesterday keeps every order in the past.
        self._seasons = Seasons(self.spec.until - timedelta(days=1), self.spec.days)
        self._stores = {store.store_id: store for store in self.stores}
        self._customers = {who.account: who for store in self.stores for who in store.customers}
        self._members = {who.account: who for who in self.members}
        self._made = lru_cache(maxsize=_ACCOUNTS_IN_MEMORY)(self._make)
        # A test changes the world in its own thread, while a fault may change it in the server's.
        self._lock = threading.RLock()
        self._edited: dict[str, list[Order]] = {}
        self._versions: dict[str, int] = {}

    @property
    def accounts(self) -> list[str]:
        """Every account key: `<store_id>/<name>`, then `ktsp/<member_id>`."""
        return [*self._customers, *self._members]

    def store(self, store_id: str) -> Store | None:
        """The store with this `unique_id`."""
        return self._stores.get(store_id)

    def has(self, account: str) -> bool:
        """Whether the account exists."""
        return account in self._customers or account in self._members

    def orders(self, account: str) -> list[Order]:
        """All orders of an account, newest first. Not to be changed in place.

        Raises:
            KeyError: no such account.
        """
        edited = self._edited.get(account)
        return self._made(account) if edited is None else edited

    def scalev_orders(self, store_id: str, name: str) -> list[Order]:
        """All orders of a Scalev customer, newest first."""
        return self.orders(f"{store_id}/{name}")

    def ktsp_orders(self, member_id: str) -> list[Order]:
        """All orders of a KTSP member, newest first."""
        return self.orders(f"ktsp/{member_id}")

    def version(self, account: str) -> int:
        """Grows with every change of the account; part of the key of cached pages."""
        return self._versions.get(account, 0)

    def add_order(self, account: str, moment: datetime | None = None, *, status: str = "pending") -> Order:
        """Lets the account order something.

        Args:
            account: its key.
            moment: when, UTC; by default a minute after its newest order or the present, whichever is later.
            status: status of a Scalev order; KTSP has none.

        Returns:
            The new order.
        """
        with self._lock:
            orders = self.orders(account)
            rng = stream(self.spec.seed, "added", account, self.version(account))
            newest = max([self.now, *(_moment(order) for order in orders[:1])])
            when = moment or newest + timedelta(minutes=1)
            if account in self._members:
                order = ktsp_orders.make_order(rng, when, list(SHOPS))
            else:
                who = self._customers[account]
                order = scalev_orders.make_order(rng, self._stores[who.store_id], who, when, when, forced=status)
            self._replace(account, _newest_first([order, *orders]))
            return order

    def change_order(self, account: str, order_code: str, changes: Mapping[str, Any]) -> None:
        """Overwrites fields of the order with this `order_id` or `orderCode`.

        Raises:
            KeyError: no such order.
        """
        with self._lock:
            index = self._index(account, order_code)
            orders = list(self.orders(account))
            orders[index] = {**orders[index], **changes}
            self._replace(account, orders)

    def change_status(self, account: str, order_code: str, status: str, at: datetime) -> None:
        """Moves a Scalev order into another status at `at` (UTC), as staff would.

        Raises:
            KeyError: no such order.
        """
        with self._lock:
            order = self.orders(account)[self._index(account, order_code)]
            self.change_order(account, order_code, entered(order, status, at))

    def delete_order(self, account: str, order_code: str) -> None:
        """Removes an order for good.

        Raises:
            KeyError: no such order.
        """
        with self._lock:
            index = self._index(account, order_code)
            orders = self.orders(account)
            self._replace(account, orders[:index] + orders[index + 1 :])

    def evolve(self, steps: int = 1) -> Changes:
        """Lets some hours pass, `steps` times; the same world takes the same course after as many steps.

        Each step touches a share of the accounts: new orders, open ones that advance, corrections, deletions.
        """
        with self._lock:
            return sum((self._step() for _ in range(steps)), Changes())

    def _step(self) -> Changes:
        self.steps += 1
        rng = stream(self.spec.seed, "step", self.steps)
        then, self.now = self.now, self.now + hours_of_a_step(rng)
        total = Changes()
        for account in [*touched(rng, list(self._customers)), *touched(rng, list(self._members))]:
            own = stream(self.spec.seed, "step", self.steps, account)
            if account in self._members:
                orders, changes = evolve_ktsp(own, self.orders(account), then, self.now)
            else:
                who = self._customers[account]
                store = self._stores[who.store_id]
                orders, changes = evolve_scalev(own, store, who, self.orders(account), then, self.now)
            if changes != Changes():
                self._replace(account, _newest_first(orders))
            total += changes
        return total

    def _replace(self, account: str, orders: list[Order]) -> None:
        self._edited[account] = orders
        self._versions[account] = self.version(account) + 1

    def _index(self, account: str, order_code: str) -> int:
        for index, order in enumerate(self.orders(account)):
            if order_code in {order.get("order_id"), order.get("orderCode")}:
                return index
        raise KeyError(order_code)

    def _make(self, account: str) -> list[Order]:
        return _newest_first(self._draw(account))

    def _draw(self, account: str) -> list[Order]:
        rng = stream(self.spec.seed, "orders", account)
        mean = self.spec.orders_per_account
        if account in self._members:
            member = self._members[account]
            count = self._count(rng, member.number, self.spec.members, mean * 1.25)
            return ktsp_orders.make_orders(rng, self._seasons.moments(rng, "Asia/Hong_Kong", count))
        customer = self._customers[account]
        store = self._stores[customer.store_id]
        count = self._count(rng, customer.number, self.spec.customers_per_store, mean)
        moments = self._seasons.moments(rng, store.time_zone, count)
        return scalev_orders.make_orders(rng, store, customer, moments, self._beginning, showcase=customer.number == 1)

    @staticmethod
    def _count(rng: random.Random, number: int, people: int, mean: float) -> int:
        """How much one person bought; a few positions are fixed so that the awkward sizes always exist."""
        if mean <= 0:
            return 0
        if number == 1:
            return round(mean * 9)  # several pages
        if number == 3:  # noqa: PLR2004 - the fourth person
            return _PAGE  # a history that ends exactly with a page
        if number == people - 1 and number:
            return 0  # signed up, never bought
        drawn = rng.lognormvariate(math.log(mean) - _SPREAD**2 / 2, _SPREAD)
        return min(max(1, round(drawn)), round(mean * 7))


def _moment(order: Order) -> datetime:
    """When an order of either API was placed."""
    return datetime.fromisoformat(order["orderTime"] if "orderTime" in order else order["created_at"])


def _newest_first(orders: list[Order]) -> list[Order]:
    """Sorts an account's orders as both APIs list them."""
    return sorted(orders, key=lambda order: (_moment(order), order.get("id") or order["orderCode"]), reverse=True)
