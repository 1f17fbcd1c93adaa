"""Probing an API, against the sandbox with and without its faults: what is found, and that nothing is left behind."""

from __future__ import annotations

import pytest

from order_assets.clients.errors import SignInError
from order_assets.crawl import probing
from order_assets.crawl.probing import Answer
from order_assets.sandbox.testing import RunningSandbox
from order_assets.settings import SourceSystem
from order_assets_tests.crawl.parts import Installation
from order_assets_tests.crawl.test_checking import open_gate

MOST_REQUESTS = 10


def _probe(installation: Installation, account: str) -> dict[str, Answer]:
    system: SourceSystem = "ktsp" if account.startswith("ktsp/") else "scalev"
    found = probing.probe_account(installation.engine, installation.settings, system, account, gate_of=open_gate)
    return {answer.question: answer for answer in found}


def _accounts(sandbox: RunningSandbox) -> tuple[str, str]:
    """Return the Scalev customer and the KTSP member with long histories."""
    return sandbox.world.stores[0].customers[1].account, sandbox.world.members[1].account


def test_a_sound_api_is_as_assumed_and_hardly_asked(installation: Installation, sandbox: RunningSandbox) -> None:
    """Without it, the probe could raise false alarms, change something, or ask a vendor's API a hundred times."""
    before = installation.rows("select count(*) as n from ops.crawls")
    for account in _accounts(sandbox):
        sandbox.reset_requests()
        answers = _probe(installation, account)
        assert {name for name, answer in answers.items() if answer.is_as_assumed is False} == set()
        assert answers["a wrong token is refused"].is_as_assumed
        assert answers["money, times and statuses can be read"].found.startswith(tuple("123456789"))
        assert sum(sandbox.requests().values()) <= MOST_REQUESTS
    assert installation.rows("select count(*) as n from ops.crawls") == before
    assert installation.rows("select count(*) as n from ops.credentials where access_token is not null") == [{"n": 0}]


@pytest.mark.parametrize(
    ("which", "fault", "question", "words"),
    [
        (0, "oldest_first", "orders come newest first", "no"),
        (0, "new_fields", "fields and values are documented", "loyalty_tier"),
        (0, "cursor_repeated", "a cursor holds its place", "its own cursor"),
        (0, "page_repeated", "a cursor holds its place", "repeats orders"),
        (1, "unsorted", "orders come newest first", "no"),
        (1, "last_page_repeated", "a page far beyond the end", "incomplete"),
    ],
)
def test_what_differs_is_found(
    installation: Installation, sandbox: RunningSandbox, which: int, fault: str, question: str, words: str
) -> None:
    """Without it, the probe could call any API sound."""
    account = _accounts(sandbox)[which]
    sandbox.set_fault(account, fault)
    answer = _probe(installation, account)[question]
    assert (answer.is_as_assumed, words in answer.found) == (False, True), answer


def test_the_page_base_is_told(installation: Installation, sandbox: RunningSandbox) -> None:
    """The one setting that could lose a page if it were guessed wrongly."""
    account = _accounts(sandbox)[1]
    assert _probe(installation, account)["pages count from"].found == "0"
    sandbox.set_fault(account, "first_page_is_one")
    assert _probe(installation, account)["pages count from"].found.startswith("1")


def test_a_refused_credential_is_not_renewed(installation: Installation, sandbox: RunningSandbox) -> None:
    """A look must not spend a single-use refresh token."""
    account = _accounts(sandbox)[0]
    sandbox.set_fault(account, "token_expired")
    with pytest.raises(SignInError):
        _probe(installation, account)
    assert sandbox.traffic()["refreshes"] in ({}, 0)


def test_an_unknown_account_is_said_to_be_none(installation: Installation) -> None:
    """Otherwise it would look as if the API were at fault."""
    with pytest.raises(KeyError):
        _probe(installation, "ktsp/KT99999999")
