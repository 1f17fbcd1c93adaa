"""The short form of `daemon`: one kill in a small world. The long form is its command; see docs/reliability.md."""

from __future__ import annotations

import pytest

from order_assets_tests.reliability.daemon import daemons


@pytest.mark.timeout(1_200)  # some sensors look twice a minute, on a machine that may be busy
def test_a_daemon_killed_with_its_runs_loses_nothing() -> None:
    """Without it, a machine that lost its power in a crawl would leave runs that hold up everything after its start."""
    with daemons(is_short=True) as kills:
        assert kills.killed_once("while accounts are crawled") == []
