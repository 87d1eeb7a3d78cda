"""Chromium as Debian has it, with nothing of anybody's own in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from tests.servers.errors import ServerUnavailableError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # which root can't have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run it until the block ends; each page has an empty profile.

    Raises: ServerUnavailableError where it isn't installed.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise ServerUnavailableError(
            "No Chromium to look at pages with: apt-get install chromium, or its like."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()
