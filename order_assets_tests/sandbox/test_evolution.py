"""How the world goes on: the same way every time, believable order by order, and seen by the next request."""

import json
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from order_assets.sandbox.evolution import Changes
from order_assets.sandbox.scalev_changes import FINAL
from order_assets.sandbox.world import World, WorldSpec
from order_assets_tests.sandbox.conftest import SPEC, Own

Order = dict[str, Any]
Snapshot = dict[str, dict[str, Order]]

# What may follow a status in one step.
FOLLOWS = {
    "draft": {"pending"},
    "pending": {"confirmed", "canceled"},
    "confirmed": {"in_process", "closed", "completed"},
    "in_process": {"ready"},
    "ready": {"shipped"},
    "shipped": {"completed", "rts", "shipped_rts"},
}
STEPS = 40
HONG_KONG = ZoneInfo("Asia/Hong_Kong")


def code(order: Order) -> str:
    """The identifier of an order of either API."""
    return str(order["orderCode"] if "orderCode" in order else order["id"])


def snapshot(world: World) -> Snapshot:
    """Every order of every account by its identifier."""
    return {account: {code(order): order for order in world.orders(account)} for account in world.accounts}


class Step:
    """One step of evolution and what it did."""

    def __init__(self, world: World, before: Snapshot) -> None:
        """Takes the step."""
        self.then = world.now
        self.before = before
        self.counted = world.evolve()
        self.now = world.now
        self.after = snapshot(world)

    def orders(self, api: str) -> list[tuple[Order | None, Order | None]]:
        """Each order before and after, None where it did not exist."""
        return [
            (self.before[account].get(key), self.after[account].get(key))
            for account in self.after
            if (api == "ktsp") == account.startswith("ktsp/")
            for key in {**self.before[account], **self.after[account]}
        ]

    def changed(self) -> list[tuple[Order, Order]]:
        """Scalev orders that were there before and are different now."""
        return [(old, new) for old, new in self.orders("scalev") if old and new and old != new]

    def new(self, api: str) -> list[Order]:
        """Orders that were not there before."""
        return [new for old, new in self.orders(api) if new and not old]


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    """Many steps of a small world."""
    world = World(WorldSpec(seed=11, stores=2, customers_per_store=8, members=6))
    taken: list[Step] = []
    for _ in range(STEPS):
        taken.append(Step(world, taken[-1].after if taken else snapshot(world)))
    return taken


def is_advance(old: Order, new: Order) -> bool:
    """Whether an order moved on, in status or payment, rather than being corrected."""
    return bool(old["status"] != new["status"] or old["payment_status"] != new["payment_status"])


def test_the_same_course_every_time() -> None:
    """Without it, a failure after an evolution could not be repeated; nor may it matter who was asked for before."""
    first, second = World(SPEC), World(SPEC)
    for account in reversed(second.accounts):
        second.orders(account)
    counts = first.evolve(6)
    assert sum((second.evolve() for _ in range(6)), Changes()) == counts
    assert json.dumps(snapshot(first)) == json.dumps(snapshot(second))
    assert first.now == second.now > World(SPEC).now
    other = World(WorldSpec(**{**vars(SPEC), "seed": 8}))
    assert other.evolve(6) != counts


def test_time_passes(steps: list[Step]) -> None:
    """Without it, changes could lie outside of the hours that they are said to belong to."""
    for step in steps:
        assert timedelta(hours=4) <= step.now - step.then <= timedelta(hours=20)
        for old, new in step.changed():
            assert old["last_updated_at"] < new["last_updated_at"]
            assert step.then < datetime.fromisoformat(new["last_updated_at"]) <= step.now


def test_counts_are_what_happened(steps: list[Step]) -> None:
    """Without it, a test that compares a crawl with these counts would compare it with nothing."""
    for step in steps:
        pairs = step.orders("scalev") + step.orders("ktsp")
        advanced = sum(is_advance(old, new) for old, new in step.changed())
        late = [order for order in step.new("ktsp") if datetime.fromisoformat(order["orderTime"]) <= step.then]
        assert step.counted == Changes(
            added=len(step.new("scalev")) + len(step.new("ktsp")) - step.counted.late,
            advanced=advanced,
            corrected=len(step.changed()) - advanced,
            deleted=sum(new is None for _, new in pairs),
            late=step.counted.late,
        )
        assert len(late) == step.counted.late


def test_everything_happens(steps: list[Step]) -> None:
    """Without it, a kind of change could be missing for good, and its tests would be green."""
    total = sum((step.counted for step in steps), Changes())
    assert min(vars(total).values()) > 5
    kinds = Counter[str]()
    for step in steps:
        for old, new in step.changed():
            if is_advance(old, new):
                kinds[f"to {new['status']}" if old["status"] != new["status"] else "cash"] += 1
                kinds["paid"] += old["payment_status"] != new["payment_status"] == "paid"
            else:
                place = [key for account in step.before.values() if code(old) in account for key in account]
                kinds["moved" if old["created_at"] != new["created_at"] else "amount"] += 1
                kinds["late edit"] += old["status"] in FINAL and place.index(code(old)) >= 25
    expected = {"to confirmed", "to in_process", "to ready", "to shipped", "to completed", "to canceled", "to rts"}
    assert expected | {"cash", "paid", "moved", "amount", "late edit"} <= set(+kinds)


def test_orders_advance_along_their_life(steps: list[Step]) -> None:
    """Without it, an order could leap back or be shipped twice, and lifecycles made from it would be nonsense."""
    for step in steps:
        for old, new in step.changed():
            if old["status"] == new["status"]:
                continue
            assert new["status"] in FOLLOWS[old["status"]]
            assert new["courier_service"] or new["status"] not in {"in_process", "ready", "shipped"}
            entry, *earlier = new["status_history"]
            assert earlier == old["status_history"]
            assert entry["status"] == new["status"]
            moments = {new["last_updated_at"], *(entry.get(key) for key in ("at", "time", "timestamp"))} - {None}
            if new["status"] != "shipped_rts":
                moments.add(new[f"{new['status']}_time"])
            assert len(moments) == 1
            if earlier:
                assert entry.keys() == earlier[0].keys()
            if new["status"] == "shipped":
                assert new["shipment_receipt"]
                assert new["shipment_status_history"][0]["timestamp"] == new["last_updated_at"]


def test_payments_follow(steps: list[Step]) -> None:
    """Without it, revenue recognised at payment would not move with the world."""
    for step in steps:
        for old, new in step.changed():
            if new["status"] == "confirmed" != old["status"] and new["payment_method"] != "cod":
                assert new["payment_status"] in {"paid", "settled"}
            if old["payment_status"] != new["payment_status"] == "paid":
                assert new["created_at"] <= new["paid_time"] <= new["last_updated_at"]
                transferred = new["payment_method"] == "bank_transfer"
                assert bool(new["payment_account_holder"]) == bool(new["transfer_time"]) == transferred
                assert new["payment_method"] != "cod" or new["status"] == "completed"


def rupiah(value: str | int | None) -> Decimal:
    """A money field."""
    return Decimal(value or 0)


def test_corrections_keep_the_order_sound(steps: list[Step]) -> None:
    """Without it, a corrected order would fail the identities that facts are checked by."""
    for step in steps:
        for old, new in step.changed():
            if is_advance(old, new):
                continue
            fields = {key for key in new if new[key] != old[key]} - {"last_updated_at", "other_income_name"}
            assert fields in ({"created_at"}, {"other_income", "gross_revenue"})
            difference = rupiah(new["other_income"]) - rupiah(old["other_income"])
            assert rupiah(new["gross_revenue"]) - rupiah(old["gross_revenue"]) == difference
            assert rupiah(new["other_income"]) >= 0
            assert type(new["gross_revenue"]) is type(old["gross_revenue"])
            assert new["created_at"] <= old["created_at"]


def test_new_orders(steps: list[Step]) -> None:
    """Without it, late arrivals, which no watermark finds, could be like any other order."""
    for step in steps:
        for order in step.new("scalev"):
            assert order["status"] == "pending"
            assert step.then < datetime.fromisoformat(order["created_at"]) <= step.now
        for order in step.new("ktsp"):
            moment = datetime.fromisoformat(order["orderTime"])
            assert step.now - timedelta(days=10) <= moment <= step.now
            assert step.then < moment or step.now - moment >= timedelta(days=1)
            assert order["orderCode"][:8] == f"{step.now.astimezone(HONG_KONG):%Y%m%d}", "the day of the record"


def test_orders_stay_newest_first(steps: list[Step]) -> None:
    """Without it, the cursor of the Scalev route, a position in this order, would skip and repeat."""
    for orders in steps[-1].after.values():
        moments = [datetime.fromisoformat(o.get("created_at") or o["orderTime"]) for o in orders.values()]
        assert moments == sorted(moments, reverse=True)


def test_untouched_accounts_stay_as_they_were() -> None:
    """Without it, an account made only after the world went on would differ from one that was looked at before."""
    world, fresh = World(SPEC), World(SPEC)
    world.evolve(3)
    untouched = [account for account in world.accounts if not world.version(account)]
    assert untouched
    assert [world.orders(account) for account in untouched] == [fresh.orders(account) for account in untouched]


def test_only_touched_accounts_are_kept() -> None:
    """Without it, one step in a world of ten thousand accounts would hold all of them in memory."""
    world = World(WorldSpec(stores=4, customers_per_store=100, members=200, orders_per_account=2))
    world.evolve()
    kept = sum(world.version(account) > 0 for account in world.accounts)
    assert 0 < kept <= 60


def test_worlds_without_some_people_go_on() -> None:
    """Without it, a sandbox of one API alone could not evolve."""
    assert World(WorldSpec(stores=0, members=0)).evolve(3) == Changes()
    assert World(WorldSpec(stores=1, customers_per_store=2, members=0)).evolve(10).added > 0
    assert World(WorldSpec(stores=0, members=2)).evolve(10).added > 0


def test_orders_of_the_future_wait() -> None:
    """Without it, an order that a test put into the future could be confirmed before it was placed."""
    world = World(SPEC)
    customers = [account for account in world.accounts if not account.startswith("ktsp/")]
    added = [world.add_order(account, world.now + timedelta(days=365)) for account in customers]
    world.evolve(20)
    now = {order["id"]: order for account in customers for order in world.orders(account)}
    assert [order for order in added if now.get(order["id"], order) != order] == []
    newest = world.add_order(customers[0])
    assert world.orders(customers[0])[0] == newest


def test_evolution_over_http(own: Own) -> None:
    """Without it, the detached sandbox would stand still, and a second `make run` could only find nothing."""
    twin = World(SPEC)
    answer = own.http.post("/sandbox/evolve", params={"steps": "4"})
    assert answer.json() == vars(twin.evolve(4))
    assert snapshot(own.world) == snapshot(twin)
    assert own.http.post("/sandbox/evolve").json() == vars(twin.evolve())
    assert own.sandbox.evolve(2) == twin.evolve(2)
    assert own.world.now == twin.now
    for steps in ("0", "-1", "1001", "many"):
        refused = own.http.post("/sandbox/evolve", params={"steps": steps})
        assert refused.status_code == 400
        assert "from 1 to 1000" in refused.json()["error"]
    assert own.world.steps == 7
    assert own.http.get("/sandbox/evolve").status_code == 405


def test_pages_show_the_world_as_it_is_now(own: Own) -> None:
    """Without it, rendered pages of the past could be served from memory after the world went on."""
    for _ in range(6):
        for account in (own.account, own.member):
            own.world.orders(account)
        data = [order for page in own.scalev.walk() for order in page["data"]]
        items = [item for page in own.ktsp_pages() for item in page["items"]]
        assert data == own.world.orders(own.account)
        assert items == own.world.orders(own.member)
        own.sandbox.evolve(2)
    assert own.world.version(own.account) + own.world.version(own.member) > 0
