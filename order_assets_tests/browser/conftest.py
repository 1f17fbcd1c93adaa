"""One `order-assets dev` and one browser for the tests of a module, a page for each test.

The browser is Debian's chromium: `apt-get install chromium`. Without it these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from order_assets.sandbox.testing import RunningSandbox, serve
from order_assets.sandbox.world import WorldSpec
from order_assets.warehouse import embedded
from order_assets.warehouse.engine import connect
from order_assets_tests.browser.dev import DEADLINE_SECONDS, Dev, wait_until

ROOT = Path(__file__).resolve().parents[2]
SMALL = WorldSpec(seed=11, stores=2, customers_per_store=4, members=5, orders_per_account=6.0)
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MAX_PICTURE_BYTES = 150_000
TAIL_LINES = 60


def accounts_file_without_newcomer(sandbox: RunningSandbox) -> str:
    """The accounts file of everyone but the last Scalev customer, who joins in a test."""
    blocks = sandbox.accounts_toml().split("\n\n")
    last = max(number for number, block in enumerate(blocks) if block.startswith("[[scalev.stores.customers]]"))
    return "\n\n".join(blocks[:last] + blocks[last + 1 :])


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of the browser."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium on this machine; on Debian: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless browser. Not for longer than a module: it keeps an event loop in this thread."""
    expect.set_options(timeout=DEADLINE_SECONDS * 1000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def dev(chromium: str, server_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """The UI and daemon on a free port, over an empty database and a small sandbox; every account has its partition."""
    del chromium  # asked for first: nothing is started where it is missing
    folder = tmp_path_factory.mktemp("browser")
    url = embedded.up(server_state, "browser")
    with serve(SMALL) as sandbox, (folder / "output").open("wb") as output:
        accounts_file = folder / "accounts.toml"
        accounts_file.write_text(accounts_file_without_newcomer(sandbox), encoding="utf-8")
        accounts_file.chmod(0o600)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("ORDER_ASSETS_", "DAGSTER_"))}
        env |= {
            "ORDER_ASSETS_DATABASE_URL": url,
            "ORDER_ASSETS_ACCOUNTS": str(accounts_file),
            "ORDER_ASSETS_STATE": str(folder / "state"),
        }
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "order_assets.cli", "dev", "--port", str(port)],
            cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        running = Dev(
            f"http://127.0.0.1:{port}", process, folder / "output", folder / "state", sandbox, accounts_file,
            connect(url),
        )  # fmt: skip
        try:
            wait_until(lambda: "The Dagster UI is at" in running.printed() or process.poll() is not None, "the UI")
            assert process.poll() is None, running.printed()
            wait_until(lambda: running.partitions("raw/ktsp_order_pages")["partitions"] == SMALL.members, "a tick")
            yield running
        finally:
            running.stop()
            running.engine.dispose()


@pytest.fixture
def page(browser: Browser, dev: Dev) -> Iterator[Page]:
    """A page whose browser knows nothing yet; afterwards nothing may have gone wrong behind it."""
    troubles: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=dev.url)
    context.set_default_timeout(DEADLINE_SECONDS * 1000)
    opened = context.new_page()
    opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("response", lambda answer: troubles.append(f"{answer.status} {answer.url}") if not answer.ok else None)
    yield opened
    context.close()
    assert troubles == []


@pytest.fixture(scope="module")
def picture() -> Callable[[Page, str], None]:
    """Take the pictures of the documentation where ORDER_ASSETS_SCREENSHOTS names a folder; else do nothing."""
    wanted = os.environ.get("ORDER_ASSETS_SCREENSHOTS")

    def take(page: Page, name: str) -> None:
        if wanted is None:
            return
        path = ROOT / wanted / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, animations="disabled", caret="hide")
        assert path.stat().st_size < MAX_PICTURE_BYTES, f"{path} is large for a picture in a repository"

    return take


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what `order-assets dev` printed last, and what the page showed."""
    report = yield
    values: dict[str, object] = getattr(item, "funcargs", {})
    if report.failed:
        if isinstance(dev := values.get("dev"), Dev):
            report.sections.append(("order-assets dev", "\n".join(dev.printed().splitlines()[-TAIL_LINES:])))
        if isinstance(page := values.get("page"), Page) and not page.is_closed():
            with suppress(Exception):
                report.sections.append((page.url, page.locator("body").inner_text()))
    return report
