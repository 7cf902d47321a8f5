"""A real browser, for tests of pages.

Needs the playwright package and a Chromium: $MT_CHROMIUM, or one on the PATH.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator

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
