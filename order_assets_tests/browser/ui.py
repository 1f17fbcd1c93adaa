"""The UI as a user goes through it: by what is written on it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

# Whatever has such a word in it is looked at twice by a new user.
ALARMING = re.compile(
    r"\b(error|errors|fail|failed|failure|failures|warn|warning|warnings|exception|traceback|deprecated|stale|denied"
    r"|unable|cannot|could not|not found|invalid|unloadable|missing)\b",
    re.IGNORECASE,
)


def open_asset(page: Page, asset: str, tab: str | None = None) -> None:
    """Go to an asset's page, and there to a tab."""
    page.goto(f"/assets/{asset}")
    if tab is not None:
        page.get_by_role("tab", name=tab, exact=True).click()


def materialize_dialog(page: Page, asset: str) -> Locator:
    """Press Materialize on an asset's page, and return what asks for the partitions."""
    open_asset(page, asset)
    page.get_by_role("button", name="Materialize").click()
    dialog = page.get_by_role("dialog").filter(has_text="Partition selection")
    expect(dialog).to_be_visible()
    return dialog


def choose_partition(page: Page, asset: str, key: str) -> None:
    """Press Materialize on an asset's page, and choose one partition."""
    materialize_dialog(page, asset).get_by_text("Select a partition or create one").click()
    page.get_by_placeholder("Filter partitions").fill(key)
    page.get_by_role("menuitem").filter(has_text=key).click()
    page.keyboard.press("Escape")


def launch(page: Page) -> None:
    """Press the button that launches a run or a backfill, and wait for the UI to say that it did."""
    page.get_by_role("button", name=re.compile("^Launch")).click()
    expect(page.get_by_text(re.compile("^(Launched run|Created backfill)"))).to_be_visible()


def dots(page: Page, colour: str) -> Locator:
    """The dots of a colour behind the names of partitions."""
    return page.locator(f"[style*='background: var(--color-accent-{colour})']")


def alarming_lines(page: Page, explained: re.Pattern[str]) -> list[str]:
    """Return the visible lines with an alarming word that are not explained."""
    lines = page.locator("body").inner_text().splitlines()
    return [line for line in lines if ALARMING.search(line) and not explained.fullmatch(line.strip())]
