"""The system's Chromium, driven by Playwright; tests are skipped if either is missing."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
HAS_PLAYWRIGHT = importlib.util.find_spec("playwright") is not None
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]
PATIENCE = 120_000
"""Timeout for the page in milliseconds, since the test machine may be busy."""

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or not HAS_PLAYWRIGHT,
    reason="needs Chromium (Debian: apt-get install chromium) and playwright (pip install 'taskscape[test]')",
)


@contextmanager
def browser(*flags: str) -> Iterator[Any]:
    """Start a headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(browser: Any, address: str | Path, width: int = 1400, **options: Any) -> Iterator[Any]:
    """Open a file or an address, and fail if the page has errors or sends requests to other machines."""
    context = browser.new_context(viewport={"width": width, "height": 850}, **options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith(("ws", "https")) else None)
    try:
        page.goto(address.resolve().as_uri() if isinstance(address, Path) else address)
        yield page
        assert not wrong, wrong
    finally:
        context.close()


def wait_for_prediction(page: Any) -> None:
    """Wait until the page shows a prediction and is idle."""
    page.wait_for_selector("body.predicted:not(.busy)", timeout=PATIENCE)
