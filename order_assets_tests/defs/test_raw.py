"""Crawls as Dagster runs: exactly the failed accounts are red, and events hold no secret."""

from __future__ import annotations

import json
import tomllib

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from order_assets.defs.partitions import KTSP_MEMBERS, SCALEV_CUSTOMERS
from order_assets.defs.raw.order_pages import KTSP_PAGES, QUIET, SCALEV_PAGES
from order_assets.defs.resources import ApiResource
from order_assets_tests.defs.conftest import Installation

PARTITIONS = {SCALEV_PAGES: SCALEV_CUSTOMERS, KTSP_PAGES: KTSP_MEMBERS}


def accounts_of(installation: Installation, key: dg.AssetKey) -> list[str]:
    """Return the accounts of an asset's source."""
    is_ktsp = key == KTSP_PAGES
    return [account for account in installation.sandbox.world.accounts if account.startswith("ktsp/") is is_ktsp]


def colours(installation: Installation, key: dg.AssetKey) -> dict[str, str]:
    """Return the status of each partition as the UI reads it; missing ones are left out."""
    definition = PARTITIONS[key]
    assert definition.name is not None
    keys = accounts_of(installation, key)
    installation.instance.add_dynamic_partitions(definition.name, keys)
    found = installation.instance.get_status_by_partition(key, keys, definition) or {}
    return {partition: status.value for partition, status in found.items() if status is not None}


@pytest.fixture
def bad(installation: Installation) -> str:
    """A Scalev account whose credential is refused for good."""
    account = accounts_of(installation, SCALEV_PAGES)[2]
    installation.sandbox.set_fault(account, "sign_in_needed")
    return account


def test_refresh_orders_crawls_every_account_of_both_apis(installation: Installation) -> None:
    """One click or one schedule refreshes everything; every partition is green with its own metadata."""
    result = installation.run("refresh_orders")
    assert result.success
    for key in PARTITIONS:
        assert set(colours(installation, key).values()) == {"MATERIALIZED"}
        assert set(colours(installation, key)) == set(accounts_of(installation, key))
    account = accounts_of(installation, KTSP_PAGES)[0]
    wanted = dg.AssetRecordsFilter(asset_key=KTSP_PAGES, asset_partitions=[account])
    (event,) = installation.instance.fetch_materializations(wanted, limit=1).records
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["verdict"].value == "complete"
    assert metadata["orders"].value == len(installation.sandbox.world.orders(account))


def test_exactly_the_failed_account_is_red(installation: Installation, bad: str) -> None:
    """One bad credential is one red partition: the run fails, the others are green, and the other API is untouched."""
    result = installation.run("refresh_orders")
    assert not result.success
    assert {a for a, colour in colours(installation, SCALEV_PAGES).items() if colour == "FAILED"} == {bad}
    assert set(colours(installation, KTSP_PAGES).values()) == {"MATERIALIZED"}
    complete = installation.scalar("select count(*) from ops.crawls where status = 'complete'")
    assert complete == len(installation.sandbox.world.accounts) - 1
    assert installation.state_of(bad) == "needs_sign_in"


def test_retry_crawls_only_the_failed_and_turns_them_green(installation: Installation, bad: str) -> None:
    """Re-running what failed costs requests for what failed only, wherever the accounts stand in the list."""
    other = accounts_of(installation, KTSP_PAGES)[1]
    installation.sandbox.set_fault(other, "server_error:times=4")  # as often as a request is tried
    installation.run("refresh_orders")
    assert colours(installation, KTSP_PAGES)[other] == "FAILED"
    installation.sandbox.clear_faults()
    installation.sandbox.reset_requests()
    assert installation.run("retry_failed_accounts").success
    assert set(installation.sandbox.requests()) == {bad, other}
    assert colours(installation, SCALEV_PAGES)[bad] == "MATERIALIZED"
    assert colours(installation, KTSP_PAGES)[other] == "MATERIALIZED"


def test_a_green_account_that_fails_later_turns_red(installation: Installation) -> None:
    """A partition that stays green after its crawl failed would hide stale data."""
    account = accounts_of(installation, SCALEV_PAGES)[0]
    installation.run("refresh_orders")
    installation.sandbox.set_fault(account, "sign_in_needed")
    installation.run("refresh_orders", config=only_scalev([account]))
    assert colours(installation, SCALEV_PAGES)[account] == "FAILED"
    assert list(colours(installation, SCALEV_PAGES).values()).count("FAILED") == 1


def test_a_backfill_of_a_range_marks_only_the_failed(installation: Installation, bad: str) -> None:
    """A click on a range of partitions behaves like the job: one run, one red partition."""
    keys = accounts_of(installation, SCALEV_PAGES)
    colours(installation, SCALEV_PAGES)  # adds the partitions, as the accounts sensor does
    result = installation.materialize(SCALEV_PAGES, keys[1], keys[4])
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "1 of 4 accounts are not complete" in str(failure.event_specific_data)
    found = colours(installation, SCALEV_PAGES)
    assert found == {key: "FAILED" if key == bad else "MATERIALIZED" for key in keys[1:5]}


def queue(installation: Installation, key: str, backfill: str) -> str:
    """Put a run of one account of a backfill into the queue, as the daemon does; return its id."""
    job = installation.repository.get_job("__ASSET_JOB")
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("order_assets"), "__repository__")
    return installation.instance.create_run_for_job(
        job,
        tags={"dagster/partition": key, "dagster/backfill": backfill},
        asset_selection=frozenset({SCALEV_PAGES}),
        run_config=QUIET,
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(repository, job.name),
    ).run_id


@pytest.mark.parametrize("most", [None, 2])
def test_a_backfill_over_scattered_accounts_is_one_run(
    installation: Installation, bad: str, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    """Without it, a backfill over every second account would start a run, two seconds and more, for each of them."""
    if most is not None:
        monkeypatch.setenv("ORDER_ASSETS_ACCOUNTS_PER_RUN", str(most))
    keys = accounts_of(installation, SCALEV_PAGES)
    assert colours(installation, SCALEV_PAGES) == {}
    scattered = keys[::2]
    assert bad in scattered[1:]
    siblings = [queue(installation, key, "mine") for key in scattered[1:]]
    other = queue(installation, keys[1], "another")
    result = installation.materialize(SCALEV_PAGES, scattered[0], scattered[0], tags={"dagster/backfill": "mine"})
    left = installation.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), ascending=True)
    waiting = [other] if most is None else [*siblings, other]
    assert [run.run_id for run in left] == waiting, "what is left is another's, or for other workers"
    crawled = scattered if most is None else scattered[:1]
    assert result.success is (bad not in crawled)
    assert colours(installation, SCALEV_PAGES) == {key: "FAILED" if key == bad else "MATERIALIZED" for key in crawled}


def test_a_backfill_run_that_is_stopped_leaves_the_others_in_the_queue(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, accounts whose run was taken along would be crawled by nobody, and nobody would know."""
    keys = accounts_of(installation, SCALEV_PAGES)
    assert colours(installation, SCALEV_PAGES) == {}
    sibling = queue(installation, keys[2], "mine")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ApiResource, "crawl", stopped)
    installation.materialize(SCALEV_PAGES, keys[0], keys[0], tags={"dagster/backfill": "mine"})
    assert installation.instance.get_run_by_id(sibling) is not None


def test_an_accounts_partition_says_what_the_crawl_found(installation: Installation) -> None:
    """Without it, whoever looks at an account would not see whether anything came, or changed."""
    account = accounts_of(installation, SCALEV_PAGES)[1]
    count = len(installation.sandbox.world.orders(account))
    shown = []
    for _ in range(2):
        installation.run("refresh_orders")
        installation.run("load_facts")
        wanted = dg.AssetRecordsFilter(asset_key=SCALEV_PAGES, asset_partitions=[account])
        (event,) = installation.instance.fetch_materializations(wanted, limit=1).records
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        shown.append((metadata["orders new"].value, metadata["orders changed"].value))
    assert shown == [(count, 0), (0, 0)]


def test_a_retired_account_is_neither_crawled_nor_red(installation: Installation) -> None:
    """An account that left the file has no credential; asking for it again must not look like a failure."""
    installation.run("refresh_orders")
    text = installation.accounts_file.read_text(encoding="utf-8")
    last = max(tomllib.loads(text)["ktsp"]["programmes"][0]["members"], key=lambda member: str(member["member_id"]))
    head, _, _ = text.rpartition("[[ktsp.programmes.members]]")
    installation.accounts_file.write_text(head, encoding="utf-8")
    installation.sandbox.reset_requests()
    assert installation.run("refresh_orders").success
    retired = f"ktsp/{last['member_id']}"
    assert retired not in installation.sandbox.requests()
    assert installation.state_of(retired) == "retired"
    assert colours(installation, KTSP_PAGES)[retired] == "MATERIALIZED"


def test_no_token_and_no_personal_datum_reaches_dagster(installation: Installation, bad: str) -> None:
    """Event logs are kept for long and read by many: no credential, e-mail, phone or name may be in them."""
    results = [installation.run("refresh_orders"), installation.run("load_facts")]
    stored = "".join(
        dg.serialize_value(record) for result in results for record in installation.instance.all_logs(result.run_id)
    )
    run_configs = json.dumps([installation.instance.get_run_by_id(r.run_id).run_config for r in results], default=str)  # type: ignore[union-attr]  # these runs exist
    canaries = set(credentials_of(installation))
    for store in installation.sandbox.world.stores:
        for customer in store.customers:
            canaries |= {customer.email, customer.phone, customer.full_name}
    assert bad in stored  # the logs are really what is searched
    assert not [canary for canary in canaries if canary in stored + run_configs]


def credentials_of(installation: Installation) -> list[str]:
    """Return every secret of the accounts file."""
    document = tomllib.loads(installation.accounts_file.read_text(encoding="utf-8"))
    secrets: list[str] = []
    for store in document["scalev"]["stores"]:
        secrets.append(store["storefront_key"])
        for customer in store["customers"]:
            secrets += [customer["access_token"], customer["refresh_token"]]
    for programme in document["ktsp"]["programmes"]:
        secrets += [programme["app_key"], programme["app_secret"]]
    return secrets


def only_scalev(accounts: list[str]) -> dict[str, object]:
    """Return the run config that crawls only these Scalev accounts."""
    return {
        "ops": {"crawl_scalev": {"config": {"accounts": accounts}}, "crawl_ktsp": {"config": {"accounts": []}}},
    }
