"""The page of a comparison and TensorBoard's image tab in a real browser: keyboard, themes, narrow screens, no request to the outside."""

import contextlib
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser import chromium
from compared_runs import copied, error, measured, unfinished, without_generator  # noqa: F401 (fixtures)

SIZES = {"wide": 1280, "narrow": 360}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def compared(command, finished, unfinished, without_generator, tmp_path_factory) -> Path:  # noqa: F811
    """The folder of a comparison of four runs, one with a name that is long and hostile."""
    folder = tmp_path_factory.mktemp("compare")
    two = error(copied(finished, folder / "two", seed=5), 40.0)
    runs = [measured(copied(finished, folder / "one"), 10.0), measured(two, 20.0), unfinished, without_generator]
    names = ["one", "<script>alert(1)</script>" + "long" * 40, "stopped", "alone"]
    outcome = command("compare", *runs, "--names", *names, "--out", folder / "out")
    assert outcome.status == 0, outcome.err
    return folder / "out"


@pytest.fixture
def opened(browser, compared):
    """Opens the page in a window of a width; whatever goes wrong in it, or is asked for, fails the test."""
    with contextlib.ExitStack() as stack:

        def open_page(width: int = 1280, scheme: str = "light", **options):
            page = stack.enter_context(
                contextlib.closing(browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme, **options))
            )
            page.wrong = []
            page.on("pageerror", lambda e: page.wrong.append(str(e)))
            page.on("console", lambda m: page.wrong.append(m.text) if m.type == "error" else None)
            page.on("dialog", lambda d: (page.wrong.append(d.message), d.dismiss()))
            page.on("request", lambda r: page.wrong.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
            page.goto((compared / "index.html").as_uri())
            pages.append(page)
            return page

        pages = []
        yield open_page
        assert [page.wrong for page in pages if page.wrong] == []


def seen(page) -> list[str]:
    """The grids that can be seen, by their alternative text."""
    return page.eval_on_selector_all("figure.run img", "images => images.filter(i => i.offsetParent).map(i => i.alt.slice(-20))")


def test_the_slider_goes_through_the_epochs_by_keyboard(opened):
    page = opened()
    assert [text[-1] for text in seen(page)] == ["3", "3", "2"] and "epoch 2, the last before" in page.content()
    page.focus("#epoch")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert [text[-1] for text in seen(page)] == ["1", "1", "1"] and page.inner_text("#at") == "1"
    assert page.get_attribute("#epoch", "aria-valuetext") == "epoch 1"
    page.keyboard.press("End")
    assert [text[-1] for text in seen(page)] == ["3", "3", "2"]


def test_the_theme_follows_the_system_and_its_button_turns_it(opened):
    color = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(), opened(scheme="dark")
    white, black = light.evaluate(color), dark.evaluate(color)
    assert white == "rgb(255, 255, 255)" and black != white
    for page, before, after in (light, white, black), (dark, black, white):
        page.focus("#theme")
        page.keyboard.press("Enter")
        assert page.evaluate(color) == after
        page.click("#theme")
        assert page.evaluate(color) == before


@pytest.mark.parametrize("size", SIZES)
def test_no_width_makes_the_page_scroll_sideways(opened, size):
    page = opened(SIZES[size])
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]
    for summary in page.query_selector_all("summary"):
        if summary.is_visible():
            summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]
    assert all(
        box["x"] >= 0 and box["x"] + box["width"] <= SIZES[size]
        for box in map(lambda e: e.bounding_box(), page.query_selector_all("figure"))
    )


def test_curves_are_drawn_read_at_the_cursor_and_changed(opened):
    page = opened()
    assert len(page.query_selector_all("#chart svg path.line")) == 4
    page.focus("#chart")
    page.keyboard.press("Home")
    first = page.inner_text("#legend")
    page.keyboard.press("End")
    assert "epoch 1" in first and "epoch 3" in page.inner_text("#legend") and re.search(r"alone\s*–", page.inner_text("#legend"))
    page.select_option("#metric", "d/labeled")
    assert "Loss terms of the discriminator" in page.text_content("#chart svg") and "epoch" in page.text_content("#chart svg")
    assert page.get_attribute("#chart", "aria-valuetext").startswith("epoch 3: one ")


def test_without_javascript_the_page_says_what_is_missing_and_shows_the_rest(opened):
    page = opened(java_script_enabled=False)
    assert page.is_visible("noscript p") and len(page.query_selector_all("figure.run img:not([hidden])")) == 3 and page.is_visible("table")


def test_tensorboards_image_tab_shows_the_panel(browser, compared):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--logdir", str(compared / "tensorboard"), "--port", str(port), "--samples_per_plugin", "images=3", "--load_fast", "false"]
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / "tensorboard"), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/images/tags") as answer:
                if b"samples" in answer.read():
                    break
            time.sleep(0.2)
        with contextlib.closing(browser.new_page(viewport={"width": 1600, "height": 900})) as page:
            page.goto(f"http://127.0.0.1:{port}/#images")
            image = page.wait_for_selector("image-card img, tf-image-loader img", timeout=60_000)
            page.wait_for_function("i => i.complete && i.naturalWidth > 0", arg=image, timeout=60_000)
            assert image.evaluate("i => i.naturalWidth") > 900  # three grids side by side
    finally:
        server.terminate()
        server.wait()
