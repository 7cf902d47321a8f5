"""A real browser, for tests of pages.

Needs the playwright package and a Chromium: $MT_CHROMIUM, or one on the PATH.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell")
CHROMIUM = os.environ.get("MT_CHROMIUM") or next(
    (path for path in map(shutil.which, NAMES) if path), None
)
HAS_PLAYWRIGHT = importlib.util.find_spec("playwright") is not None
NEEDS_BROWSER = pytest.mark.skipif(
    not (HAS_PLAYWRIGHT and CHROMIUM),
    reason="no Chromium on the PATH: set MT_CHROMIUM"
    if HAS_PLAYWRIGHT
    else "playwright is not installed: pip install playwright",
)


def launch_browser() -> Iterator:
    """Yield a browser, and close it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def expect(locator: Any) -> Any:
    """Return playwright's assertions on a locator, which wait until they hold."""
    from playwright.sync_api import expect

    return expect(locator)


def write(page: Any, text: str) -> None:
    """Type a text and wait for its translation."""
    page.locator("#text").fill(text)
    expect(page.locator("#status")).to_have_text(re.compile(r"\d s$"), timeout=30_000)
