"""`account_failures_sensor`: what is news is told once, in words, and until it was delivered."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from order_assets.clients.alerts import AlertError
from order_assets.defs.alerts import account_failures_sensor
from order_assets.defs.resources import WarehouseResource
from order_assets_tests.clients.test_alerts import mail_server, webhook
from order_assets_tests.defs.conftest import Installation


@pytest.fixture
def context(installation: Installation) -> Iterator[dg.SensorEvaluationContext]:
    """A sensor's context on the installation."""
    resources = {"warehouse": WarehouseResource()}
    with dg.build_sensor_context(instance=installation.instance, resources=resources) as built:
        yield built


def _alerts(installation: Installation, section: str) -> None:
    with installation.accounts_file.open("a", encoding="utf-8") as file:
        file.write(f"\n[alerts]\n{section}\n")


def _tick(context: dg.SensorEvaluationContext) -> str:
    skipped = account_failures_sensor(context)
    assert isinstance(skipped, dg.SkipReason)
    return skipped.skip_message or ""


NOTHING = "no account began to fail"


def test_what_is_news_is_told_once(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Without it, people would hear nothing, or the same every minute, and stop reading."""
    bad, worse = installation.sandbox.world.accounts[:2]
    with webhook() as (url, bodies):
        _alerts(installation, f'webhook = "{url}"\nui_url = "https://dagster.example"')
        installation.run("refresh_orders")
        assert _tick(context) == NOTHING
        installation.sandbox.set_fault(bad, "sign_in_needed")
        installation.run("refresh_orders")
        assert _tick(context) == "Order Assets: 1 account began to fail"
        told = bodies[-1].decode()
        assert bad in told
        assert "sign the customer in again" in told
        assert "retry_failed_accounts" in told
        assert "https://dagster.example" in told
        installation.run("refresh_orders")
        assert _tick(context) == NOTHING, "it fails for the same reason"
        installation.sandbox.clear_faults()
        installation.sandbox.set_fault(worse, "server_error")
        installation.run("refresh_orders", config={"ops": {"crawl_scalev": {"config": {"accounts": [bad, worse]}}}})
        assert _tick(context) == "Order Assets: 1 account began to fail, 1 account is complete again"
        assert f"Complete again: {bad}" in bodies[-1].decode()
        assert _tick(context) == NOTHING
        assert len(bodies) == 2


def test_an_alert_that_was_not_delivered_is_sent_again(
    installation: Installation, context: dg.SensorEvaluationContext
) -> None:
    """Without it, a mail server that is down for an hour would swallow the news of that hour."""
    installation.sandbox.set_fault(installation.sandbox.world.accounts[0], "sign_in_needed")
    installation.run("refresh_orders")
    mailing = (
        'email_to = ["a@example.com"]\nemail_from = "b@example.com"\nsmtp_host = "127.0.0.1"\nsmtp_starttls = false'
    )
    with mail_server(b"450 later") as (port, _):
        _alerts(installation, f"{mailing}\nsmtp_port = {port}")
        with pytest.raises(AlertError):
            account_failures_sensor(context)
    text = installation.accounts_file.read_text(encoding="utf-8")
    with mail_server() as (other, messages):
        installation.accounts_file.write_text(text.replace(f"{port}", f"{other}"), encoding="utf-8")
        assert "1 account began to fail" in _tick(context)
        assert _tick(context) == NOTHING
    assert len(messages) == 1
    assert installation.sandbox.world.accounts[0].encode() in messages[0]


def test_one_broken_way_does_not_repeat_the_other(
    installation: Installation, context: dg.SensorEvaluationContext
) -> None:
    """Without it, a mail server that is down would make the webhook repeat the same news every minute."""
    installation.sandbox.set_fault(installation.sandbox.world.accounts[0], "sign_in_needed")
    installation.run("refresh_orders")
    mailing = 'email_to = ["a@example.com"]\nemail_from = "b@example.com"\nsmtp_host = "127.0.0.1"'
    with webhook() as (url, bodies), mail_server(b"450 later") as (port, _):
        _alerts(installation, f'{mailing}\nsmtp_starttls = false\nsmtp_port = {port}\nwebhook = "{url}"')
        assert "1 account began to fail" in _tick(context)
        assert _tick(context) == NOTHING
    assert len(bodies) == 1


def test_a_stopped_run_is_no_news(installation: Installation, context: dg.SensorEvaluationContext) -> None:
    """Without it, each Ctrl-C would send an alert about a hundred healthy accounts."""
    installation.run("refresh_orders")
    with installation.engine.begin() as connection:
        connection.exec_driver_sql(
            "update ops.crawls set status = 'incomplete', reason = 'timeout',"
            " reason_words = 'interrupted: the run ended before the crawl did'"
        )
    assert _tick(context) == NOTHING


def test_thousands_of_failures_are_one_short_alert(
    installation: Installation, context: dg.SensorEvaluationContext
) -> None:
    """Without it, an API that is down would send a message of a hundred pages."""
    installation.run("refresh_orders")
    with installation.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into ops.accounts (source_system, partition_key, source_account, display_name, time_zone, currency,"
            " state, origin, added_at) select 'ktsp', 'ktsp/X' || n, 'ktsp', 'X' || n, 'Asia/Hong_Kong', 'HKD',"
            " 'active', 'import', now() from generate_series(1, 5000) as n"
        )
        connection.exec_driver_sql(
            "insert into ops.crawls (source_system, partition_key, mode, started_at, finished_at, status, reason,"
            " reason_words, run_id) select 'ktsp', 'ktsp/X' || n, 'full', now(), now(), 'failed', 'server_error',"
            " 'the server answered 500', 'r' from generate_series(1, 5000) as n"
        )
    with webhook() as (url, bodies):
        _alerts(installation, f'webhook = "{url}"')
        assert _tick(context) == "Order Assets: 5,000 accounts began to fail"
    assert b"and 4,980 more" in bodies[0]
    assert len(bodies[0]) < 2_000
    assert installation.scalar("select count(*) from ops.accounts where told_reason = 'server_error'") == 5000
