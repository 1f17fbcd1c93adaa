"""Sending an alert: to a webhook (Slack, Mattermost and others take the same body), and by e-mail."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

import httpx

_SECONDS = 20.0
logging.getLogger("httpx").setLevel(logging.WARNING)  # below that it logs addresses, and a webhook's is a secret


class AlertError(RuntimeError):
    """An alert could not be delivered; the message names the way and the cause, never the address of a webhook."""


@dataclass(frozen=True, slots=True)
class Mail:
    """How e-mail is sent. `user` and `password` are left out where the server asks for none."""

    to: Sequence[str]
    sender: str
    host: str
    port: int
    use_starttls: bool
    user: str = ""
    password: str = ""


def post(url: str, text: str) -> None:
    """Post `{"text": ...}` to a webhook, whose address is a secret.

    Raises:
        AlertError: it was not taken.
    """
    try:
        answer = httpx.post(url, json={"text": text}, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise AlertError(f"the webhook of [alerts] cannot be reached ({type(error).__name__})") from None
    if not answer.is_success:
        raise AlertError(f"the webhook of [alerts] answered {answer.status_code}")


def mail(how: Mail, subject: str, text: str) -> None:
    """Send an e-mail in plain text.

    Raises:
        AlertError: the server did not take it.
    """
    message = EmailMessage()
    try:
        message["Subject"], message["From"], message["To"] = subject, how.sender, ", ".join(how.to)
        message.set_content(text)
        with smtplib.SMTP(how.host, how.port, timeout=_SECONDS) as server:
            if how.use_starttls:
                server.starttls(context=ssl.create_default_context())  # without one, smtplib believes anybody
            if how.user:
                server.login(how.user, how.password)
            server.send_message(message)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise AlertError(f"{how.host}:{how.port} did not take the e-mail ({type(error).__name__})") from None
