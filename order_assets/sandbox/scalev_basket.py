"""What a Scalev order contains and costs: lines, discounts, shipping and fees in whole rupiah.

All amounts are int. How they are spelled in JSON is in `scalev_orders`.
"""

import random
from dataclasses import dataclass

from order_assets.sandbox.catalogue import PRODUCT_CODES, SHIPPING_CODES, Variant
from order_assets.sandbox.scalev_life import E_PAYMENTS, chance

_LINE_COUNTS = (55, 25, 12, 5, 3)
_QUANTITIES = (70, 20, 6, 4)
_STEP = 500
_GRAMS = 1_000


@dataclass(frozen=True)
class Line:
    """One order line; `gross`, `discount` and `code_discount` are totals of the line, not per unit."""

    number: int
    variant: Variant
    quantity: int
    discount: int
    code_discount: int

    @property
    def gross(self) -> int:
        """Line total before discounts."""
        return self.variant.price * self.quantity


@dataclass(frozen=True)
class Basket:
    """The lines and the amounts of one order in whole rupiah.

    Attributes:
        lines: one to five.
        code: discount code as typed by the buyer, or None.
        code_applied_to: `product_price` or `shipping_cost`; None without a code.
        code_discount: what the code took off.
        unique_code: 1 to 999 on bank transfers, else 0.
        shipping_cost: charged for the parcel.
        shipping_discount: taken off the shipping by the store.
        other_income: surcharge of the store.
        other_income_name: its label.
        service_fee: e-payment fee paid by the buyer; in `gross_revenue`, but the route does not return it.
    """

    lines: tuple[Line, ...]
    code: str | None
    code_applied_to: str | None
    code_discount: int
    unique_code: int
    shipping_cost: int
    shipping_discount: int
    other_income: int
    other_income_name: str | None
    service_fee: int

    @property
    def product_price(self) -> int:
        """Goods before discounts."""
        return sum(line.gross for line in self.lines)

    @property
    def product_discount(self) -> int:
        """Discounts of the store on the goods."""
        return sum(line.discount for line in self.lines)

    @property
    def weight(self) -> int:
        """Grams."""
        return sum(line.variant.weight * line.quantity for line in self.lines)

    @property
    def gross_revenue(self) -> int:
        """What the buyer pays."""
        return (
            self.product_price
            - self.product_discount
            - self.code_discount
            - self.unique_code
            + self.shipping_cost
            - self.shipping_discount
            + self.other_income
            + self.service_fee
        )


def pick(rng: random.Random, catalogue: tuple[Variant, ...]) -> list[tuple[int, Variant, int]]:
    """Chooses goods: (number of the variant in the catalogue, variant, quantity).

    Physical and digital goods do not meet in one order, as stores sell them on separate pages.
    """
    count = rng.choices(range(1, len(_LINE_COUNTS) + 1), weights=_LINE_COUNTS)[0]
    first = rng.randrange(len(catalogue))
    same_kind = [
        number
        for number, variant in enumerate(catalogue)
        if number != first and bool(variant.weight) == bool(catalogue[first].weight)
    ]
    numbers = [first, *rng.sample(same_kind, min(count - 1, len(same_kind)))]
    quantities = rng.choices(range(1, len(_QUANTITIES) + 1), weights=_QUANTITIES, k=len(numbers))
    return [
        (number, catalogue[number], quantity if catalogue[number].weight else 1)
        for number, quantity in zip(numbers, quantities, strict=True)
    ]


def fill(rng: random.Random, goods: list[tuple[int, Variant, int]], method: str, per_kilo: int) -> Basket:
    """Prices the goods.

    Args:
        rng: the account's stream.
        goods: from `pick`.
        method: payment method, which decides the unique code and the fees.
        per_kilo: shipping price to the buyer's place, rupiah per started kilogram.
    """
    percent = rng.choice((5, 10, 15, 20, 25)) if chance(rng, 22) else 0
    gross = [variant.price * quantity for _, variant, quantity in goods]
    discounts = [amount * percent // 100 // _STEP * _STEP for amount in gross]
    net = [amount - discount for amount, discount in zip(gross, discounts, strict=True)]
    grams = sum(variant.weight * quantity for _, variant, quantity in goods)
    shipping = per_kilo * -(-grams // _GRAMS)
    code, applied_to, code_discount = _code(rng, sum(net), shipping)
    shares = _share(code_discount, net) if applied_to == "product_price" else [0] * len(goods)
    left_on_shipping = shipping - (code_discount if applied_to == "shipping_cost" else 0)
    shipping_discount = min(left_on_shipping, rng.randrange(4, 31) * _STEP) if chance(rng, 20) else 0
    other, other_name = _other_income(rng, method, sum(net))
    return Basket(
        lines=tuple(
            Line(number, variant, quantity, discount, share)
            for (number, variant, quantity), discount, share in zip(goods, discounts, shares, strict=True)
        ),
        code=code,
        code_applied_to=applied_to,
        code_discount=code_discount,
        unique_code=rng.randint(1, 999) if method == "bank_transfer" else 0,
        shipping_cost=shipping,
        shipping_discount=shipping_discount,
        other_income=other,
        other_income_name=other_name,
        service_fee=_service_fee(rng, method, sum(net)),
    )


def _code(rng: random.Random, net: int, shipping: int) -> tuple[str | None, str | None, int]:
    if chance(rng, 13):
        return rng.choice(PRODUCT_CODES), "product_price", net * rng.choice((10, 15, 20)) // 100
    if shipping and chance(rng, 7):
        return rng.choice(SHIPPING_CODES), "shipping_cost", min(shipping, rng.choice((8_000, 15_000)))
    return None, None, 0


def _share(amount: int, weights: list[int]) -> list[int]:
    shares = [amount * weight // sum(weights) for weight in weights]
    shares[-1] += amount - sum(shares)
    return shares


def _other_income(rng: random.Random, method: str, net: int) -> tuple[int, str | None]:
    if method == "cod" and chance(rng, 35):
        return -(-net * 3 // 100 // _STEP) * _STEP, "Biaya COD"
    if chance(rng, 6):
        return rng.choice((1_000, 2_000, 2_500, 5_000)), rng.choice(("Biaya Penanganan", "Biaya Lainnya"))
    return 0, None


def _service_fee(rng: random.Random, method: str, net: int) -> int:
    if method not in E_PAYMENTS or not chance(rng, 60):
        return 0
    if method.startswith("va_") or method in {"alfamart", "payment_link"}:
        return 4_000
    per_mille = {"qris": 7, "card": 29}.get(method, 20)
    return -(-net * per_mille // 1_000)
