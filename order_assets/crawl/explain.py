"""Why an order is in the numbers as it is: its row, the rule that classed it, what is odd, and where it comes from.

Nothing personal is returned: facts hold none, and of the raw page only the place of the order is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from order_assets.accounts_file import PolicySection
from order_assets.clients.http import decode
from order_assets.crawl.anomalies import in_words
from order_assets.crawl.encryption import DecryptionError, PageCipher, Vault
from order_assets.crawl.installation import rules_of_facts
from order_assets.domain.columns import one_indexable
from order_assets.domain.pages import readable
from order_assets.domain.readers import READERS
from order_assets.domain.recognition import STATUS_MAP
from order_assets.settings import Settings, SourceSystem
from order_assets.warehouse import rebuild, schema
from order_assets.warehouse.bodies import BODY, HOLDER, holds
from order_assets.warehouse.ledger_schema import (
    crawls,
    order_lineage,
    order_pages,
    page_keys,
    vanished_orders,
)

_MONEY = tuple(column.name for column in schema.order_facts.columns if column.name.endswith("_amount"))
_STATUS = (
    "source_status", "source_payment_status", "source_shipment_status", "source_awb_status", "order_state",
    "payment_state", "state_source", "recognition_state", "lost_kind", "revenue_class", "excluded_reason",
    "is_money_reportable", "is_deleted_at_source", "payment_method", "is_cod", "is_dropship", "is_physical",
)  # fmt: skip
_IDENTITY = (
    "order_key", "source_system", "source_account", "source_order_id", "source_order_uuid", "store_key",
    "customer_key", "customer_order_seq",
)  # fmt: skip
_TIME = (
    "ordered_at", "ordered_at_source", "store_time_zone", "order_date", "recognised_at", "recognised_at_source",
    "recognised_date", "lost_at", "lost_date", "source_updated_at", "first_seen_at", "last_seen_at", "last_changed_at",
    "run_id",
)  # fmt: skip
_BEGINNING = re.compile("[0-9a-fA-F]{8,64}")
_SHIPPED = frozenset({"shipped", "completed"})
_PAID = frozenset({"paid", "settled"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several orders that a name fits."""

    order_key: str
    source_system: str
    source_account: str
    source_order_id: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """An order explained; `lineage` is None if nothing says where it comes from."""

    identity: dict[str, Any]
    status: dict[str, Any]
    money: dict[str, Any]
    identities: tuple[str, ...]
    time: dict[str, Any]
    rule: str
    anomalies: dict[str, str]
    details: dict[str, list[dict[str, Any]]]
    lineage: dict[str, Any] | None
    deleted: dict[str, Any] | None


def find(connection: sa.Connection, name: str) -> list[Candidate]:
    """Return the orders with this id at the source, key (or its beginning, at least 8 letters) or UUID."""
    facts = schema.order_facts
    columns = [facts.c[field] for field in Candidate.__dataclass_fields__]
    source_id = facts.c.source_order_id == one_indexable(name)
    fits = sa.or_(source_id, facts.c.order_key == name.lower(), facts.c.source_order_uuid == name)
    if _BEGINNING.fullmatch(name):
        fits = sa.or_(fits, facts.c.order_key.like(f"{name.lower()}%"))
    query = sa.select(*columns).where(fits).order_by(facts.c.source_system, facts.c.source_account, facts.c.order_key)
    return [Candidate(*row) for row in connection.execute(query)]


def explain(connection: sa.Connection, settings: Settings, order_key: str) -> Explanation:
    """Explain one order."""
    facts = schema.order_facts
    fact = dict(connection.execute(sa.select(facts).where(facts.c.order_key == order_key)).mappings().one())
    details = {
        table.name: [dict(row) for row in connection.execute(_rows(table, order_key)).mappings()]
        for table in rebuild.of_orders()
        if table.schema == "marts"
    }
    lifecycle = next(iter(details.get("order_lifecycle", [])), {})
    return Explanation(
        identity={name: fact[name] for name in _IDENTITY},
        status={name: fact[name] for name in _STATUS},
        money={"currency_code": fact["currency_code"], "currency_source": fact["currency_source"]}
        | {name: fact[name] for name in _MONEY},
        identities=_identities(fact),
        time={name: fact[name] for name in _TIME},
        rule=_rule(fact, lifecycle, rules_of_facts(connection) or settings.accounts.policy),
        anomalies={code: in_words(code) for code in fact["anomaly_codes"]},
        details=details,
        lineage=_lineage(connection, settings, fact),
        deleted=_deleted(connection, order_key) if fact["is_deleted_at_source"] else None,
    )


def _rows(table: sa.Table, order_key: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.order_key == order_key).order_by(*table.primary_key.columns)


def _identities(fact: Mapping[str, Any]) -> tuple[str, ...]:
    if not fact["is_money_reportable"]:
        return (f"no money is reported: {fact['excluded_reason']}",)
    amount = {name: f"{fact[name] or 0:,.2f}" for name in _MONEY}
    return (
        "original {original_amount} - discount {discount_amount} + residual {residual_amount}"
        " = payment {payment_amount}".format(**amount),
        "net sales {net_sales_amount} + net shipping {net_shipping_amount} + other income {other_income_amount}"
        " + residual {residual_amount} = payment {payment_amount}".format(**amount),
    )


def _rule(fact: Mapping[str, Any], lifecycle: Mapping[str, Any], policy: PolicySection) -> str:
    """Say which rule of model.md 1.4 classed the order, and why."""
    state, words = _first_match(fact, lifecycle, policy)
    if state != fact["recognition_state"]:
        words = (
            f"the rules say {state} ({words}), the row says {fact['recognition_state']}: it was derived under other"
            " rules; order-assets replay derives it anew, if a page that shows it is still kept"
        )
    if fact["is_deleted_at_source"]:
        words += ". It was deleted at the source, and so is excluded from every sum"
    elif not fact["is_money_reportable"]:
        words += f". Its money cannot be trusted ({fact['excluded_reason']}), and so it is excluded from every sum"
    return words


def _first_match(fact: Mapping[str, Any], lifecycle: Mapping[str, Any], policy: PolicySection) -> tuple[str, str]:
    if fact["source_system"] == "ktsp":
        return "recognised", "KTSP reports no status; an order that is listed is assumed to be completed and paid"
    if fact["order_state"] == "draft":
        return "draft", f"rule 1: the status is {_status(fact)}"
    if policy.recognition == "placed":
        return "recognised", "policy placed: every order that is no draft counts as revenue"
    lost = _why_lost(fact, lifecycle)
    if lost:
        return "lost", lost
    return _why_recognised(fact, policy)


def _why_lost(fact: Mapping[str, Any], lifecycle: Mapping[str, Any]) -> str | None:
    state, payment = fact["order_state"], fact["source_payment_status"]
    if state in {"canceled", "returned"}:
        return f"rule 2: the status is {_status(fact)}"
    if state != "closed":
        return None
    for milestone in ("rts", "canceled"):
        if lifecycle.get(f"{milestone}_at") is not None:
            return f"rule 3: closed, and there is a valid {milestone}_time"
    return None if payment in _PAID else f"rule 3: closed and not paid (payment status {payment})"


def _status(fact: Mapping[str, Any]) -> str:
    """Name the status as sent, and what it counts as where that is another word."""
    sent, state = fact["source_status"], fact["order_state"]
    return str(sent) if sent == state or STATUS_MAP.get(sent) == state else f"{sent}, which counts as {state}"


def _why_recognised(fact: Mapping[str, Any], policy: PolicySection) -> tuple[str, str]:
    state, payment, method = fact["order_state"], fact["source_payment_status"], fact["payment_method"]
    status, recognition = _status(fact), policy.recognition
    if recognition == "shipped":
        met, needs, why = (
            state in {"shipped", "completed"},
            "the status shipped or completed",
            f"the status is {status}",
        )
    elif recognition == "completed":
        met, needs, why = state == "completed", "the status completed", f"the status is {status}"
    else:
        met = payment in _PAID or (state == "completed" and method in policy.cod_like_methods)
        needs = "a payment status paid or settled, or completed with a method that is paid on delivery"
        why = f"the payment status is {payment}" if payment in _PAID else f"completed with the method {method}"
    if met:
        return "recognised", f"rule 4 under the policy {recognition}: {why}"
    return "open", (
        f"rule 5: nothing before matched; the policy {recognition} needs {needs}, and the order has the status"
        f" {status}, the payment status {payment} and the method {method}"
    )


def _lineage(connection: sa.Connection, settings: Settings, fact: Mapping[str, Any]) -> dict[str, Any] | None:
    query = (
        sa.select(
            order_lineage.c.partition_key.label("account"),
            order_lineage.c.crawl_id,
            crawls.c.run_id,
            crawls.c.mode,
            crawls.c.status.label("verdict"),
            crawls.c.reason,
            crawls.c.started_at,
            crawls.c.finished_at,
            order_lineage.c.page_number,
            order_lineage.c.position,
            order_lineage.c.is_listed,
            order_lineage.c.is_open,
            *(
                order_pages.c[name]
                for name in (
                    "pass_number", "page_no", "cursor_hash", "fetched_at", "http_status", "content_encoding",
                    "body_sha256",
                )
            ),
            *BODY,
            page_keys.c.wrapped_key,
        )
        .outerjoin(crawls, crawls.c.crawl_id == order_lineage.c.crawl_id)
        .outerjoin(
            order_pages,
            sa.and_(
                order_pages.c.crawl_id == order_lineage.c.crawl_id,
                order_pages.c.page_number == order_lineage.c.page_number,
            ),
        )
        .outerjoin(HOLDER, holds(order_pages))
        .outerjoin(
            page_keys,
            sa.and_(
                page_keys.c.source_system == order_lineage.c.source_system,
                page_keys.c.partition_key == order_lineage.c.partition_key,
            ),
        )
        .where(order_lineage.c.order_key == fact["order_key"])
    )  # fmt: skip
    found = connection.execute(query).mappings().one_or_none()
    if found is None:
        return None
    row: dict[str, Any] = dict(found)
    left_out = {column.name for column in BODY} | {"wrapped_key"}
    lineage = {name: value for name, value in row.items() if name not in left_out}
    return lineage | {"bytes_of_page": _span(settings, fact["source_system"], row)}


def _span(settings: Settings, source_system: SourceSystem, row: Mapping[str, Any]) -> str:
    """Say which bytes of the decoded page are the order, from 0, the end not included."""
    if not row["held_body"] or row["wrapped_key"] is None:
        return "the page is not kept any more"
    try:
        cipher = PageCipher.of(Vault(settings.keys.encryption).open(row["wrapped_key"]))
        body = cipher.decrypt(row["held_body"], row["body_crawl_id"], row["body_page_number"])
        content = readable(decode(body, row["content_encoding"]))
        page = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
        listed = page[READERS[source_system].orders_field]
        orders = msgspec.json.decode(listed, type=list[msgspec.Raw])
        start = content.index(bytes(listed))
        for order in orders[: row["position"]]:
            start = content.index(bytes(order), start)
            end = start + len(bytes(order))
            span, start = f"{start}..{end} of {len(content)}", end
    except DecryptionError:
        return "the page cannot be read with the configured keys"
    except (msgspec.DecodeError, KeyError, ValueError, RecursionError):
        return "unknown: the page had to be repaired to be read"
    return span


def _deleted(connection: sa.Connection, order_key: str) -> dict[str, Any] | None:
    query = (
        sa.select(crawls.c.crawl_id, crawls.c.partition_key, crawls.c.run_id, crawls.c.mode, crawls.c.finished_at)
        .join(vanished_orders, vanished_orders.c.crawl_id == crawls.c.crawl_id)
        .where(vanished_orders.c.order_key == order_key)
        .order_by(crawls.c.crawl_id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)
