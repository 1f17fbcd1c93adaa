"""`account_failures_sensor`: tells people of accounts that began to fail, once, wherever `[alerts]` says."""

from collections.abc import Callable
from functools import partial

import dagster as dg

from order_assets import runtime
from order_assets.accounts_file import AlertsSection
from order_assets.clients.alerts import AlertError, Mail, mail, post
from order_assets.crawl import alerts
from order_assets.defs.resources import WarehouseResource


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of accounts that began to fail or are complete again: here, and by the webhook and e-mail"
    " addresses of [alerts] in the accounts file.",
)
def account_failures_sensor(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SkipReason:
    """Follow the verdicts of crawls. An alert that nobody took is sent again, with what came since."""
    with warehouse.engine.connect() as connection:
        told = alerts.news(connection)
    if not told:
        return dg.SkipReason("no account began to fail")
    section = runtime.open_settings().accounts.alerts
    words = alerts.text(told, section.ui_url or "")
    ways = _ways(section, alerts.subject(told), words)
    failures = list(filter(None, map(_failure, ways)))
    if failures and len(failures) == len(ways):
        raise AlertError("; ".join(failures))
    for failure in failures:
        context.log.error(failure)  # the others were taken, and must not be taken again
    context.log.warning(words)
    with warehouse.engine.begin() as connection:
        alerts.note_told(connection, told)
    return dg.SkipReason(alerts.subject(told))


def _ways(section: AlertsSection, subject: str, words: str) -> list[Callable[[], None]]:
    ways: list[Callable[[], None]] = []
    if section.webhook is not None:
        ways.append(partial(post, section.webhook.get_secret_value(), words))
    if section.email_to:
        how = Mail(
            to=section.email_to,
            sender=section.email_from,
            host=section.smtp_host,
            port=section.smtp_port,
            use_starttls=section.smtp_starttls,
            user=section.smtp_user,
            password="" if section.smtp_password is None else section.smtp_password.get_secret_value(),
        )
        ways.append(partial(mail, how, subject, words))
    return ways


def _failure(way: Callable[[], None]) -> str:
    try:
        way()
    except AlertError as error:
        return str(error)
    return ""
