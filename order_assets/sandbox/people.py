"""Who is in the world: Scalev stores with their customers, KTSP members. Identity only, no orders."""

import string
from dataclasses import dataclass

from order_assets.sandbox.catalogue import FAMILY_NAMES, GIVEN_NAMES, PLACES, STORE_NAMES, STREETS, ZONES
from order_assets.sandbox.seasons import stream

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Customer:
    """One customer of one Scalev store.

    Attributes:
        store_id: `unique_id` of the store.
        name: partition name such as `c-001`; no personal data.
        number: position in the store, from 0.
        customer_id: Scalev's integer id.
        full_name: the person's name.
        email: address to sign in with.
        phone: digits with country code.
        street: first address line.
        place: index into `catalogue.PLACES`.
    """

    store_id: str
    name: str
    number: int
    customer_id: int
    full_name: str
    email: str
    phone: str
    street: str
    place: int

    @property
    def account(self) -> str:
        """`<store_id>/<name>`: the key of faults, counts and truth."""
        return f"{self.store_id}/{self.name}"


@dataclass(frozen=True)
class Store:
    """One Scalev store.

    Attributes:
        store_id: `unique_id`, the path parameter.
        number: position in the world, from 0.
        name: shown to buyers.
        time_zone: IANA zone of the store.
        storefront_key: publishable key needed to refresh tokens.
        customers: everyone with an account.
    """

    store_id: str
    number: int
    name: str
    time_zone: str
    storefront_key: str
    customers: tuple[Customer, ...]

    @property
    def host(self) -> str:
        """The store's own domain; never resolves."""
        return f"{self.name.lower().replace(' ', '-')}.example"


@dataclass(frozen=True)
class Member:
    """One KTSP member; `number` is the position in the programme, from 0."""

    member_id: str
    number: int

    @property
    def account(self) -> str:
        """`ktsp/<member_id>`: the key of faults, counts and truth."""
        return f"ktsp/{self.member_id}"


def make_store(seed: int, number: int, customers: int) -> Store:
    """Invents store `number` with that many customers."""
    rng = stream(seed, "store", number)
    store_id = "store_" + "".join(rng.choices(_ALPHABET, k=24))
    name = STORE_NAMES[number % len(STORE_NAMES)]
    if number >= len(STORE_NAMES):
        name += f" {number // len(STORE_NAMES) + 1}"
    return Store(
        store_id=store_id,
        number=number,
        name=name,
        time_zone=ZONES[number % len(ZONES)],
        storefront_key="sfpk_" + "".join(rng.choices(_ALPHABET, k=32)),
        customers=tuple(_make_customer(seed, store_id, number, index) for index in range(customers)),
    )


def _make_customer(seed: int, store_id: str, store_number: int, number: int) -> Customer:
    rng = stream(seed, "customer", store_number, number)
    given, family = rng.choice(GIVEN_NAMES), rng.choice(FAMILY_NAMES)
    return Customer(
        store_id=store_id,
        name=f"c-{number + 1:03d}",
        number=number,
        customer_id=410_000 + 10_000 * store_number + number * 7 + rng.randrange(7),
        full_name=f"{given} {family}",
        email=f"{given}.{family}{number + 1}@example.com".lower(),
        phone=f"62812{rng.randrange(10**8):08d}",
        street=f"{rng.choice(STREETS)} No. {rng.randint(1, 180)}",
        place=rng.randrange(len(PLACES)),
    )


def make_member(number: int) -> Member:
    """Names member `number`."""
    return Member(f"KT{number + 1:08d}", number)
