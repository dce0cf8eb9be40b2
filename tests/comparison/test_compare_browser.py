"""The page of a comparison and TensorBoard's image tab, in headless Chromium. Skipped where it or Playwright is not installed."""

import pytest
from helpers.browser import chromium
from helpers.run_comparison import NASTY, copied, cut, scored
from tensorboard import program

from gan_sntg.runs.tensorboard import CAPTION, GAP

SEEN = "figure.run img:not([hidden])"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def runs(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    made = [copied(run, folder / run.name) for run in runs]
    for k, run in enumerate(made):
        scored(run, 2.0 + k)
    return made


@pytest.fixture(scope="module")
def two(command, runs, tmp_path_factory):
    """The folder of a comparison of two runs, one of them unfinished."""
    out = tmp_path_factory.mktemp("two") / "out"
    last = cut(copied(runs[1], out.parent / "unfinished"), 2)
    assert command("compare", runs[0], last, "--out", out).status == 0
    return out


@pytest.fixture(scope="module")
def eight(command, runs, tmp_path_factory):
    """The same of eight, with names that are long, or try to be more than a name."""
    folder = tmp_path_factory.mktemp("eight")
    made = [copied(runs[k % 2], folder / str(k)) for k in range(8)]
    names = [NASTY, "long_" * 30, "words " * 20, *"abcde"]
    assert command("compare", *made, "--names", *names, "--out", folder / "out").status == 0
    return folder / "out"


@pytest.fixture
def opened(browser):
    """Opens the page of a folder; at the end nothing was asked for from outside and the console is silent."""
    asked, said, contexts = [], [], []

    def open_page(folder, width=1280, scheme="light"):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(("file:", "data:")) else route.abort())
        page.goto((folder / "index.html").as_uri())
        return page

    yield open_page
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and said == []
    assert sum(url.startswith("file:") for url in asked) == len(contexts)
    for context in contexts:
        context.close()


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_slider_goes_through_the_epochs_by_keyboard(opened, two):
    page = opened(two)

    def epochs() -> list[str]:
        return [image.get_attribute("data-epoch") for image in page.locator(SEEN).all()]

    assert epochs() == ["3", "2"] and page.locator("#at").inner_text() == "3"
    page.locator("#epoch").focus()
    page.keyboard.press("ArrowLeft")
    assert epochs() == ["2", "2"] and page.locator("#epoch").get_attribute("aria-valuetext") == "epoch 2"
    page.keyboard.press("Home")
    assert epochs() == ["1", "1"] and page.locator("#at").inner_text() == "1"
    page.keyboard.press("End")
    assert epochs() == ["3", "2"] and "epoch 2, the last before" in page.locator("figure.run").nth(1).inner_text()
    assert all(image.evaluate("i => i.complete && i.naturalWidth > 0") for image in page.locator("img").all())


def test_every_control_is_reached_by_tab_in_the_order_of_the_page(opened, two):
    page = opened(two)
    reached = []
    while len(reached) < 6:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.localName"))
    assert reached[:2] == ["theme", "epoch"] and "scroll" in reached and "summary" in reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_the_button_is_pressed(opened, two, scheme):
    page, colours = opened(two, scheme=scheme), {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 28)"}
    other = {"light": "dark", "dark": "light"}[scheme]
    assert background(page) == colours[scheme] and page.locator("#theme").inner_text() == f"{other.title()} theme"
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    assert background(page) == colours[other] and page.locator("#theme").inner_text() == f"{scheme.title()} theme"
    page.keyboard.press("Space")
    assert background(page) == colours[scheme]


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_nothing_is_wider_than_the_window(opened, two, eight, width):
    for folder in two, eight:
        page = opened(folder, width)
        for details in page.locator("details").all():
            details.evaluate("d => d.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = "all => all.filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML)"
        assert page.locator("main *").evaluate_all(outside) == []


def test_charts_draw_the_chosen_metric_and_the_cursor_reads_all_of_them(opened, two):
    page = opened(two)
    assert page.locator("figure.curve").count() == 2
    for text in "test error, %", "loss term of the discriminator", "epoch":
        assert page.locator(".chart text", has_text=text).count() >= 1
    line = page.locator(".chart .line").first
    before = line.get_attribute("d")
    page.locator("select").first.select_option("graph/precision")
    assert line.get_attribute("d") != before and page.locator(".chart text", has_text="graph").count() == 1
    read = page.locator(".legend .at")
    assert read.all_inner_texts() == ["3", "3"]
    page.locator(".chart").first.focus()
    page.keyboard.press("ArrowLeft")
    assert read.all_inner_texts() == ["2", "2"]
    assert page.locator(".chart").first.get_attribute("aria-valuetext").startswith("epoch 2: ")
    assert page.locator(".legend").first.locator("li output").first.inner_text() not in ("", "–")


def test_without_javascript_the_page_says_what_is_missing_and_shows_the_last_grids(browser, two):
    page = browser.new_page(java_script_enabled=False)
    page.goto((two / "index.html").as_uri())
    assert page.locator("noscript p").is_visible() and page.locator(SEEN).count() == 2 and page.locator("table").first.is_visible()
    page.close()


def test_a_name_that_is_markup_does_nothing(opened, eight):
    page = opened(eight)
    assert page.title().startswith('"><img src=x') and page.locator("img[src=x]").count() == 0
    assert page.locator(".name", has_text="<img src=x").count() >= 5


def test_what_is_injected_cannot_run_or_ask(browser, two):
    page = browser.new_page()
    failures = []
    page.on("requestfailed", lambda request: failures.append(request.failure))
    page.goto((two / "index.html").as_uri())
    page.evaluate("""document.body.insertAdjacentHTML("beforeend", '<img src="http://127.0.0.1:9/a.png" onerror="document.title = 1">')""")
    page.evaluate("s => document.body.append(Object.assign(document.createElement('script'), { textContent: s }))", "document.title = 2")
    assert page.evaluate("fetch('http://127.0.0.1:9/').catch(error => error.message)") == "Failed to fetch"
    assert page.title() not in ("1", "2") and set(failures) == {"csp"}
    page.close()


def test_tensorboard_shows_the_panel_of_all_runs(browser, two):
    board = program.TensorBoard()
    board.configure(
        argv=[None, "--logdir", str(two / "tensorboard"), "--port", "0", "--samples_per_plugin", "images=3", "--load_fast=false"]
    )
    page = browser.new_page()
    page.goto(f"{board.launch()}#images")
    image = page.locator("img[src*=individualImage], #main-image-container img").first
    image.wait_for()
    assert image.evaluate("i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])") == [2 * 306 + GAP, 306 + CAPTION]
    assert page.get_by_text("samples").count() >= 1
    page.close()
