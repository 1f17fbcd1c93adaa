"""Checks as Dagster runs: what they read is looked at again exactly when somebody wrote it."""

from __future__ import annotations

import re

import dagster as dg
import pytest
import sqlalchemy as sa

from order_assets.defs.marts.tables import mart
from order_assets.warehouse.checks import CHECKS, Check
from order_assets_tests.defs.conftest import Installation

_AS_BEFORE = "as before"


def _evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def _as_before(result: dg.ExecuteInProcessResult) -> set[str]:
    return {name for name, each in _evaluations(result).items() if _AS_BEFORE in (each.description or "")}


@pytest.fixture
def loaded(installation: Installation) -> Installation:
    """Facts that were checked."""
    installation.run("refresh_orders")
    assert _as_before(installation.run("load_facts")) == set()
    return installation


def test_what_nobody_wrote_is_not_read_again(loaded: Installation) -> None:
    """Without it, a refresh that brings nothing would read the whole history, thirty times."""
    result = loaded.run("load_facts")
    assert result.success
    found, same = _evaluations(result), _as_before(result)
    assert {"revenue_ladder_holds", "lines_tie_to_orders", "no_personal_data"} <= same
    assert same.isdisjoint({"accounts_are_fresh", "orders_match_pages", "pages_are_continuous"}), "of a clock, a ledger"
    assert found["residual_is_zero"].metadata["total"].value == loaded.scalar(
        "select count(*) from marts.order_facts where is_money_reportable"
    )
    assert all(each.passed for name, each in found.items() if name in same and each.blocking)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("update marts.order_facts set order_date = order_date + 1", "dates_are_local"),
        ("delete from marts.order_line_facts where line_number = 1", "lines_tie_to_orders"),
        ("truncate marts.discount_facts", "discounts_tie_to_orders"),
        ("alter table marts.dim_store add column owner_email text", "no_personal_data"),
    ],
)  # fmt: skip
def test_what_somebody_wrote_by_hand_is_found(loaded: Installation, change: str, check: str) -> None:
    """Without it, a row that was changed behind our back would stay in the sums because a check had passed once."""
    with loaded.engine.begin() as connection:
        connection.execute(sa.text(change))
        connection.execute(sa.text("select pg_stat_force_next_flush()"))  # a session at rest does so after ten seconds
    found = _evaluations(loaded.run("load_facts"))[check]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_schema_a_check_reads_is_thought_of(check: Check) -> None:
    """Without it, a check could read a table whose changes nobody looks for, and pass for ever."""
    read = re.findall(r"\b(?:from|join)\s+(?:lateral\s+)?([a-z_]+)\.[a-z_]+", check.sql())
    assert set(read) <= {"marts", "ops", "raw", "information_schema"} | set(re.findall(r"\bas (\w+)\b", check.sql()))


def test_a_limit_that_was_changed_is_applied(loaded: Installation) -> None:
    """Without it, a merchant who sets another limit would go on reading the old verdict."""
    before = _evaluations(loaded.run("load_facts"))["residual_is_small"]
    text = loaded.accounts_file.read_text()
    loaded.accounts_file.write_text(f"{text}\n[checks]\nresidual_large_share_percent = 0.0\n")
    after = _evaluations(loaded.run("load_facts"))["residual_is_small"]
    assert _AS_BEFORE in (before.description or "")
    assert _AS_BEFORE not in (after.description or "")


def test_whoever_asks_for_a_check_gets_it(loaded: Installation) -> None:
    """Without it, a click on "execute" would show the answer of yesterday."""
    wanted = dg.AssetCheckKey(mart("order_facts"), "revenue_ladder_holds")
    job = loaded.repository.get_job("__ASSET_JOB").get_subset(asset_selection=set(), asset_check_selection={wanted})
    result = job.execute_in_process(instance=loaded.instance, raise_on_error=False)
    assert result.success
    assert set(_evaluations(result)) == {"revenue_ladder_holds"}
    assert _as_before(result) == set()
