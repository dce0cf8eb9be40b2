"""A headless Chromium for tests. By itself it takes a picture: python tests/browser.py FILE.html OUT.png [WIDTH HEIGHT light|dark]."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None


@contextmanager
def chromium() -> Iterator:
    """The browser, the system's or else Playwright's own. Skips, with the reason, where there is none."""
    if sync_playwright is None:
        pytest.skip("needs Playwright: pip install -e .[browser]")
    with sync_playwright() as playwright:
        found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")] + [playwright.chromium.executable_path]
        path = next((path for path in found if path and Path(path).is_file()), None)
        if path is None:
            pytest.skip("needs Chromium: install it, or `playwright install chromium`")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def picture(file: Path, out: Path, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
    """What is seen first of a page in a window of this size; with a height of 0, all of it."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": height or 900}, color_scheme=scheme)
        page.goto(file.resolve().as_uri())
        page.screenshot(path=out, full_page=not height)


if __name__ == "__main__":
    picture(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:5]), *sys.argv[5:6])
