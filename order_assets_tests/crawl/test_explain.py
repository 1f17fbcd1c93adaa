"""Explaining: the rule in words is the rule that classed the row, and the page named is the page it came from."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import order_assets
from order_assets.clients.http import decode
from order_assets.crawl import anomalies, explain, replay
from order_assets.crawl.encryption import PageCipher
from order_assets.sandbox.testing import RunningSandbox
from order_assets_tests.crawl.parts import Installation
from order_assets_tests.crawl.test_replay import with_policy

# model.md 1.7
CODES = [
    "residual_positive", "residual_negative", "bad_timestamp", "mixed_currency", "bad_currency",
    "currency_defaulted", "bad_amount", "negative_amount", "discount_exceeds_original", "unknown_status",
    "unknown_payment_status", "payment_conflict", "completed_unpaid", "recognised_at_missing",
    "ordered_at_missing", "line_sum_mismatch", "line_discount_mismatch", "line_code_mismatch",
    "quantity_mismatch", "no_lines", "store_missing", "customer_missing", "order_code_missing",
    "code_without_amount", "amount_without_code", "zero_payment_paid", "sequence_break", "member_conflict",
]  # fmt: skip


def explained(installation: Installation, order_key: str) -> explain.Explanation:
    """Explain one order."""
    with installation.engine.connect() as connection:
        return explain.explain(connection, installation.settings, order_key)


def _keys(installation: Installation) -> list[str]:
    return [row["order_key"] for row in installation.rows("select order_key from marts.order_facts order by 1")]


def test_every_anomaly_code_has_words() -> None:
    """Without it, a user would read a code where a sentence was promised."""
    assert sorted(anomalies.WORDS) == sorted(CODES)
    folder = Path(order_assets.__file__).parent / "domain"
    raised = {
        code.partition(":")[0]
        for path in folder.glob("*.py")
        for code in re.findall(r'flags\.add\(\s*f?"([a-z_:{}]+)"', path.read_text(encoding="utf-8"))
    }
    assert raised
    assert raised <= set(anomalies.WORDS)
    assert anomalies.in_words("bad_timestamp:paid_time").startswith("paid_time: ")
    assert "not described" in anomalies.in_words("of_a_later_version")


def test_the_rule_in_words_is_the_rule_that_classed_the_row(
    installation: Installation, sandbox: RunningSandbox
) -> None:
    """Without it, the explanation could tell another story than the numbers, under any policy."""
    sandbox.world.evolve(20)
    installation.crawl()
    installation.load()
    for policy in ("paid", "placed", "shipped", "completed"):
        changed = with_policy(installation, policy)
        replay.replay(changed.engine, changed.settings, f"replay-{policy}")
        rules = {explained(changed, key).rule for key in _keys(changed)}
        assert not [rule for rule in rules if "other rules" in rule]
        assert len(rules) > 2


def test_other_rules_are_said(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, a row of former rules would be explained by rules that never classed it."""
    account = sandbox.world.stores[0].customers[1].account
    installation.crawl((account,))
    installation.load()
    row = installation.rows("select order_key from marts.order_facts where recognition_state = 'recognised' limit 1")
    installation.do(
        "update marts.order_facts set recognition_state = 'open' where order_key = :key", key=row[0]["order_key"]
    )
    assert "order-assets replay" in explained(installation, row[0]["order_key"]).rule


def test_the_bytes_named_are_the_order(installation: Installation) -> None:
    """Without it, who checks a number against the source would look at somebody else's order."""
    installation.crawl()
    installation.load()
    for key in _keys(installation)[::7]:
        found = explained(installation, key)
        assert found.lineage is not None
        (page,) = installation.rows(
            "select p.*, k.wrapped_key from raw.order_pages as p inner join ops.crawls as c using (crawl_id)"
            " inner join ops.page_keys as k using (source_system, partition_key)"
            " where crawl_id = :crawl and page_number = :page",
            crawl=found.lineage["crawl_id"],
            page=found.lineage["page_number"],
        )
        cipher = PageCipher.of(installation.vault.open(page["wrapped_key"]))
        content = decode(cipher.decrypt(page["body"], page["crawl_id"], page["page_number"]), page["content_encoding"])
        first, last = re.match(r"(\d+)\.\.(\d+) of", found.lineage["bytes_of_page"]).groups()  # type: ignore[union-attr]
        order = json.loads(content[int(first) : int(last)])
        label = order["orderCode"] if found.identity["source_system"] == "ktsp" else order["order_id"]
        assert str(label) == found.identity["source_order_id"]
        assert hashlib.sha256(content).hexdigest() == found.lineage["body_sha256"]
        assert len(found.identities) == (2 if found.status["is_money_reportable"] else 1)


def test_an_order_is_found_by_any_of_its_names(installation: Installation) -> None:
    """Without it, one would have to know our key to ask about an order one knows from the shop."""
    installation.crawl()
    installation.load()
    (row,) = installation.rows("select * from marts.order_facts where source_order_uuid is not null limit 1")
    with installation.engine.connect() as connection:
        for name in (row["source_order_id"], row["order_key"], row["order_key"][:12].upper(), row["source_order_uuid"]):
            assert [each.order_key for each in explain.find(connection, name)] == [row["order_key"]]
        assert explain.find(connection, "nothing") == []


def test_a_deleted_order_names_the_crawl_that_missed_it(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, an order that left the sums could not be told from a mistake of ours."""
    account = sandbox.world.members[0].account
    installation.crawl()
    installation.load()
    order = sandbox.world.orders(account)[0]
    sandbox.world.delete_order(account, order["orderCode"])
    crawl = installation.crawl((account,), run_id="run-2")[account]
    installation.load("run-2")
    with installation.engine.connect() as connection:
        (candidate,) = explain.find(connection, order["orderCode"])
    found = explained(installation, candidate.order_key)
    assert found.deleted is not None
    assert (found.deleted["crawl_id"], found.deleted["run_id"]) == (crawl.crawl_id, "run-2")
    assert "deleted at the source" in found.rule
    assert found.time["last_changed_at"] <= datetime.now(UTC)


def test_pages_that_are_gone_are_said_to_be(installation: Installation) -> None:
    """Without it, explaining an old order would end in an error."""
    installation.crawl()
    installation.load()
    (key, *_) = _keys(installation)
    installation.do("delete from raw.order_pages")
    found = explained(installation, key)
    assert found.lineage is not None
    assert found.lineage["bytes_of_page"] == "the page is not kept any more"
    installation.do("delete from ops.order_lineage")
    assert explained(installation, key).lineage is None
