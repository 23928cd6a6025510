"""Test the pages as a visitor uses them: desktop and phone, light and dark, keyboard, touch, and without scripts.

The numbers V1 to V22 are those of a list of faults that visitors found; each test tries one of them in Chromium.
"""

import json
import os
import re
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import test_app
from ports import free_port
from repository import ROOT
from test_app import CHROMIUM, Server, go, shoot
from visited import LONG, NUM_PUBLISHED, fill

try:
    import axe_playwright_python as axe
except ImportError:
    axe = None

pytest.importorskip("gradio")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
browser = test_app.browser

PAGES = {
    "board": "?suite=made", "published": "?suite=reward-bench-2", "model": "?view=model&suite=made&model=org%2Freads",
    "compare": "?view=compare&suite=made&a=org%2Freads&b=org%2Fguesses", "size": "?view=size&suite=made",
    "items": "?view=items&suite=made", "suite": "?view=suite&suite=made", "about": "?view=about",
    "submit": "?view=submit",
}  # fmt: skip
LOOKS = [
    (1280, "light"),
    pytest.param(1280, "dark", marks=pytest.mark.slow),
    pytest.param(390, "light", marks=pytest.mark.slow),
    (390, "dark"),
]


class SpaceServer(Server):
    """The Space's `app.py` in a child process, with the variables that a Space has."""

    def __init__(self, results):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        variables = {"SPACE_ID": "org/board", "REWARDBENCH_RESULTS": str(results), "PORT": str(self.port)}
        self.start([sys.executable, "app.py"], ROOT / "leaderboard", {**os.environ, **variables})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("visited")
    fill(path)
    return path


@pytest.fixture(scope="module")
def server(folder):
    running = Server(folder)
    yield running
    running.stop()


@pytest.fixture
def visit(browser, server):
    """Return a function that opens an address in a new context, and that closes all contexts at the end."""
    contexts, raised = [], []

    def open_page(address="?suite=made", width=1280, theme="light", ready=True, **options):
        touch = {"has_touch": True, "is_mobile": True} if width < 640 else {}
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme, **touch, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: raised.append(str(error)))
        query = f"{address}&__theme={theme}" if address else ""
        if ready:
            return go(tab, server.url + query, "h1")
        tab.goto(server.url + query, wait_until="commit")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert raised == []


def visible(page, selector, expression):
    """Return the value of an expression of `e` for each visible element."""
    elements = f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.checkVisibility())"
    return page.evaluate(f"{elements}.map(e => {expression})")


def shown(page):
    return visible(page, "tr[data-key]", "e.dataset.key")


def box(page, selector):
    return page.locator(selector).first.bounding_box()


def test_the_page_opens_on_the_suite_with_most_models(visit):
    page = visit("")
    assert page.inner_text("h1") == "Reward models on reward-bench-2"
    tabs = page.locator(".rb-tabs a").all_inner_texts()
    assert [text.split() for text in tabs] == [["reward-bench-2", str(NUM_PUBLISHED)], ["made", "6"]]
    page.click(".rb-tabs a:has-text('made')")
    page.wait_for_selector("h1:has-text('Reward models on made')")


def test_the_first_screen_says_what_counts_and_what_guessing_gets(visit):
    page = visit()
    lead = page.inner_text(".rb-lead")
    assert lead.count(".") == 1
    assert all(
        words in lead
        for words in ("two prompts that differ in one detail", "turns with the prompt", "guessing gets 50")
    )
    groups = page.evaluate(
        """[...document.querySelectorAll('.rb-table tbody')].map(body => [body.dataset.group,
        [...body.rows].filter(r => r.checkVisibility()).map(r => r.dataset.key || r.className)])"""
    )
    assert [name for name, _ in groups] == ["verified", "open", "toys", "baselines"]
    rows = dict(groups)
    assert rows["verified"][0] == "org/reads"
    assert set(rows["verified"][1:]) == {"rb-chance", "org/guesses"}
    assert rows["open"][0] == "rb-group"
    assert "org/trained-step-300" in rows["open"]
    assert "org/trained-step-100" not in rows["open"], "checkpoints of a run are folded"
    assert rows["toys"] == rows["baselines"] == ["rb-group"]
    assert page.inner_text("[data-group=open] .rb-group") == "Not verified yet"
    assert page.inner_text("[data-group=toys] .rb-group").endswith("1 toy model, made for tests")
    assert page.inner_text("[data-group=verified] .rb-chance th") == "chance 50: coin flips"
    ranks = {key: page.inner_text(f"tr[data-key='{key}'] td:first-child") for key in ("org/reads", LONG)}
    assert ranks == {"org/reads": "1", LONG: ""}


def test_the_line_of_chance_is_at_its_place_in_every_order(visit):
    page = visit()
    for name in ("Turn accuracy", "Safety"):
        page.click(f"thead button:has-text('{name}')")
        column = page.evaluate("document.querySelector('th[aria-sort]').cellIndex")
        values = page.evaluate(
            """column => [...document.querySelector('[data-group=verified]').rows]
            .filter(row => row.matches('[data-key]:not([data-run]), .rb-chance'))
            .map(row => parseFloat(row.children[column].dataset.v ?? row.children[column].textContent))
            .map((x) => x < 1 ? 100 * x : x)""",
            column,
        )
        assert values == sorted(values, reverse=True)
        assert 50.0 in values
    page.click("thead button:has-text('Model')")
    assert not page.is_visible("[data-group=verified] .rb-chance")


def test_cells_are_marked_against_chance_in_color_and_words(visit):
    page = visit()
    assert visible(page, "tr[data-key] td:nth-child(5)", "getComputedStyle(e).textAlign") == ["right"] * 4
    cell = page.locator("tr[data-key='org/reads'] td:nth-child(3)")
    assert re.search(r"\bu[1-5]\b", cell.get_attribute("class"))
    assert "above guessing" in page.locator("tr[data-key='org/reads']").aria_snapshot()
    assert "guessing" not in page.locator("tr[data-key='org/guesses'] td:nth-child(3)").aria_snapshot()
    page = visit("?suite=made&scale=mirror")
    assert (
        "below guessing"
        in visit("?suite=made&scale=mirror&kind=Baseline").locator("[data-group=baselines]").aria_snapshot()
    )
    assert re.search("u[45]", page.locator("tr[data-key='org/reads'] td:nth-child(3)").get_attribute("class"))


def test_the_scale_can_be_switched_and_keeps_what_was_chosen(visit):
    page = visit("?suite=made&q=reads")
    turn = page.inner_text("tr[data-key='org/reads'] td:nth-child(3) b")
    page.click(".rb-scales a:has-text('Above chance')")
    page.wait_for_selector("th[data-name='Above chance']:not([data-off])")
    above = float(page.inner_text("tr[data-key='org/reads'] td:nth-child(3) b"))
    assert abs(above - (2 * float(turn) - 100)) <= 0.15, "both are rounded"
    assert "0 is guessing, 100 is all right" in page.inner_text(".rb-lead")
    assert shown(page) == ["org/reads"]
    page.reload()
    page.wait_for_selector(".rb-count:has-text('1 of')")
    page.click(".rb-scales a:has-text('Mirror accuracy')")
    page.wait_for_selector(".rb-lead:has-text('guessing gets 25')")


def test_folds_open_by_keyboard_and_by_search(visit):
    page = visit()
    page.focus("[data-group=toys] [data-fold]")
    page.keyboard.press("Enter")
    assert page.is_visible("tr[data-key='org/toy']")
    assert page.get_attribute("[data-group=toys] [data-fold]", "aria-expanded") == "true"
    page.keyboard.press("Enter")
    assert not page.is_visible("tr[data-key='org/toy']")
    page.fill("[data-search]", "shortest")
    assert shown(page) == ["baseline/shortest"]
    page.fill("[data-search]", "")
    page.click("[data-run-of]")
    assert [key for key in shown(page) if "step" in key] == [f"org/trained-step-{n}" for n in (300, 200, 100)]
    page.click("thead button:has-text('Model')")
    assert [key for key in shown(page) if "step" in key] == [f"org/trained-step-{n}" for n in (300, 200, 100)]


def test_up_to_five_models_are_ticked_and_compared(visit):
    page = visit()
    page.click("[data-group=toys] [data-fold]")
    page.click("[data-run-of]")
    boxes = page.locator("[data-pick]:visible")
    assert boxes.count() == 7
    assert not page.is_visible(".rb-compare")
    boxes.nth(0).check()
    assert page.inner_text(".rb-compare") == "Compare with another model"
    for n in range(1, 5):
        boxes.nth(n).check()
    assert page.inner_text(".rb-compare") == "Compare 5 models"
    assert boxes.nth(5).is_disabled()
    assert page.get_attribute(".rb-compare", "href").count("m=") == 5
    boxes.nth(4).uncheck()
    assert boxes.nth(5).is_enabled()
    page.click(".rb-compare")
    page.wait_for_selector(".rb-nav a[aria-current]:has-text('Compare')")
    assert page.url.count("&m=") == 4


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_v1_v2_ticks_and_choices_can_be_seen(visit, theme):
    page = visit(theme=theme)
    page.click("summary:has-text('Columns')")
    tick = page.locator("[data-column=Kind]")
    on = tick.screenshot()
    tick.uncheck()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    assert tick.screenshot() != on
    page = visit("?view=size&suite=made", theme=theme)
    (style,) = visible(page, ".rb select", "getComputedStyle(e)")
    assert (style["appearance"], style["backgroundImage"]) == ("auto", "none"), "the browser draws its arrow"


def test_v3_the_header_stays_in_sight(visit):
    page = visit("?suite=reward-bench-2")
    page.click("[data-more]")
    page.evaluate("document.querySelector('.rb-board').scrollTop = 1500")
    board, head = box(page, ".rb-board"), box(page, ".rb-table thead th:nth-child(2)")
    assert abs(head["y"] - board["y"]) < 2
    assert page.evaluate("document.querySelectorAll('tr[data-key]')[0].getBoundingClientRect().bottom") < 0


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_v4_v16_rows_have_names_and_figures_have_labels(visit, width, theme):
    page = visit(width=width, theme=theme)
    shoot(page, f"visitor-{width}-{theme}")
    first, name = box(page, "tr[data-key]"), box(page, "tr[data-key] .rb-link")
    assert first["y"] + first["height"] <= 844
    assert name["width"] > 60
    heights = visible(page, ".rb-link", "e.getBoundingClientRect().height")
    assert max(heights) < 30, "each name has one line"
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 1
    page.evaluate("document.querySelector('.rb-board').scrollLeft = 300")
    assert box(page, "tr[data-key] .rb-link")["x"] >= 0, "names stay when figures are scrolled"
    if width < 640:
        labels = page.evaluate(
            """[...document.querySelector('tr[data-key]').children].slice(3).filter(cell => cell.checkVisibility())
            .map(cell => [getComputedStyle(cell, '::before').content, cell.textContent])"""
        )
        assert {label.strip('"') for label, _ in labels} >= {"Instructions", "Safety", "Kind", "Size", "Badge"}
        assert page.locator("tr[data-key] td:nth-child(3)").first.bounding_box()["x"] < width
    else:
        lines = visible(page, "tr[data-key]", "e.offsetHeight")
        assert max(lines) - min(lines) <= 2


def test_v4_a_phone_sorts_by_a_choice(visit):
    page = visit(width=390)
    page.select_option("[data-order]", "Safety")
    assert "sort=-Safety" in page.url
    assert not page.is_visible("thead")


def test_v5_subsets_scroll_into_view_and_are_announced(visit):
    page = visit(width=1280)
    page.set_viewport_size({"width": 700, "height": 844})
    page.click("summary:has-text('Columns')")
    page.click("text=Show all subsets")
    page.wait_for_selector(".rb-count:has-text('2 subset columns added')")
    head, board = box(page, "th[data-name=rules]"), box(page, ".rb-board")
    assert board["x"] <= head["x"]
    assert head["x"] + head["width"] <= board["x"] + board["width"] + 1


@pytest.mark.parametrize("width", [1280, pytest.param(390, marks=pytest.mark.slow)])
def test_v6_columns_order_and_filters_are_kept_by_name(visit, width):
    page = visit(width=width)
    page.click("summary:has-text('Columns')")
    page.uncheck("[data-column=License]")
    page.check("[data-column=Organization]")
    page.keyboard.press("Escape")
    page.click("summary:has-text('Filter')")
    page.check("[data-filter=kind][value=DPO]")
    page.keyboard.press("Escape")
    if width > 640:
        page.click("thead button:has-text('Safety')")
    else:
        page.select_option("[data-order]", "Safety")
    assert "sort=-Safety" in page.url
    assert "columns=" in page.url
    address = page.url
    page.reload()
    page.wait_for_selector(".rb-count:has-text('of')")
    assert page.url == address
    assert page.get_attribute("th[aria-sort]", "data-name") == "Safety"
    off = page.evaluate("[...document.querySelectorAll('thead th[data-off]')].map(th => th.dataset.name)")
    assert "License" in off
    assert "Organization" not in off
    assert shown(page) == ["org/guesses"]


@pytest.mark.parametrize("query", ["", PAGES["model"]])
def test_v9_the_preview_of_a_link_is_ours(server, query):
    with urlopen(server.url + query) as answer:
        head = answer.read().decode().partition("</head>")[0]
    meta = dict(re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', head))
    title = "Reward models on reward-bench-2" if not query else "org/reads"
    assert meta["og:title"] == meta["twitter:title"] == f"{title} · rewardbench"
    assert meta["og:url"].replace("&amp;", "&") == server.url + query
    assert "{url}" not in head
    assert not [
        text for text in re.findall(r"https?://[^\"' ]+", "".join(meta.values())) if not text.startswith(server.url)
    ]
    assert "Gradio" not in "".join(meta.values())
    with urlopen(meta["og:image"]) as picture:
        data = picture.read()
    assert data.startswith(b"\x89PNG")
    assert [int.from_bytes(data[start : start + 4]) for start in (16, 20)] == [1200, 630]
    icon = re.search(r'<link rel="icon" href="/([^"]+)"', head)[1]
    with urlopen(server.url + icon) as picture:
        assert b"<svg" in picture.read()
    assert head.count("<title>") == 1


def test_v15_sizes_are_read_from_names(visit):
    page = visit("?suite=reward-bench-2&q=published-8-")
    assert page.inner_text("tr[data-key]:not([hidden]) td[data-v='9000000000']").strip() == "~9B"
    assert page.query_selector("th[data-name=License][data-off]"), "an empty column is hidden"


def test_v17_citations_are_copied_and_downloaded(visit, server):
    page = visit()
    page.click("summary:has-text('Export')")
    with page.expect_download() as download:
        page.click("[data-download=BibTeX]")
    text = download.value.path().read_text()
    keys = re.findall(r"@misc\{([^,]+),", text)
    assert len(keys) == len(set(keys)) == 8
    assert f"url = {{{server.url}?view=model&suite=made&model=org%2Freads}}" in text
    assert download.value.suggested_filename == "rewardbench-made.bib"
    page.click("[data-copy=CSV]")
    page.wait_for_function("document.querySelector('.rb').dataset.copied.startsWith('Rank')")
    assert page.get_attribute(".rb", "data-copied").splitlines()[0].startswith("Rank,Model,Turn,Instructions,Safety")


def test_v18_pages_agree_on_what_guessing_gets(server):
    words = {}
    for name in ("about", "suite"):
        with urlopen(server.url + PAGES[name]) as answer:
            words[name] = " ".join(answer.read().decode().split())
    assert "ignoring the prompt gives 0" in words["about"]
    assert "coin flips 25%" in words["about"]
    assert "coin flips give 25" in words["suite"]


def test_v19_the_chart_names_its_points_and_tells_kinds_by_shape(visit):
    page = visit(PAGES["size"])
    by_date = page.locator(".rb-chart").last
    shapes = set(by_date.locator(".mark").evaluate_all("marks => marks.map(mark => mark.getAttribute('d'))"))
    assert len(shapes) == 4
    kinds = [text.strip() for text in page.locator(".rb-shapes").last.locator("li").all_inner_texts()]
    assert sorted(kinds) == ["Baseline", "DPO", "Generative RM", "Seq. Classifier"]
    point = page.locator(".rb-chart a").first
    point.focus()
    assert page.locator(".rb-chart .tip").first.text_content().startswith("org/")
    page.locator(".rb-chart a .mark").nth(1).hover()
    assert page.locator(".rb-chart .tip").first.text_content() == page.locator(".rb-chart a").nth(1).get_attribute(
        "aria-label"
    )
    tip, chart = box(page, ".rb-chart .tip"), box(page, ".rb-chart")
    assert chart["x"] <= tip["x"]
    assert tip["x"] + tip["width"] <= chart["x"] + chart["width"]
    assert "No dates are available" in visit("?view=size&suite=reward-bench-2").inner_text("main")


@pytest.mark.parametrize("query", ["", "?suite=made", PAGES["model"]])
def test_v20_every_page_is_there_without_scripts(visit, query):
    page = visit(query, ready=False, java_script_enabled=False)
    page.wait_for_selector("#rb-first h1")
    assert page.is_visible("#rb-first main")
    if query in ("", "?suite=made"):
        visible = [row for row in page.locator("tr[data-key]").all() if row.is_visible()]
        assert len(visible) == (8 if query else 100), "also rows that are folded"
    links = page.locator("#rb-first .rb-nav a").first
    links.click()
    page.wait_for_selector("#rb-first .rb-table")
    if not query:
        for name, address in PAGES.items():
            page.goto(page.url.partition("?")[0] + address, wait_until="commit")
            page.wait_for_selector("#rb-first main h1")
            assert page.inner_text("#rb-first main"), name


def test_v20_a_click_on_a_header_before_the_app_is_ready_is_kept(visit):
    page = visit("?suite=made", ready=False)
    page.wait_for_selector("#rb-first thead button")
    clicked = page.evaluate(
        """() => { const button = document.querySelector('#rb-first th[data-name=Safety] button');
        button?.click(); return document.querySelector('#rb-first .rb-count')?.textContent ?? ''; }"""
    )
    page.wait_for_selector("#rb .rb main", timeout=60_000)
    if "Sorting" in clicked:  # else the app was ready before
        page.wait_for_selector("th[aria-sort]")
        assert page.get_attribute("th[aria-sort]", "data-name") == "Safety"
        assert "sort=-Safety" in page.url
        assert page.query_selector("#rb-first") is None


def test_v21_the_address_of_a_space_follows(browser, folder):
    """The page is in a frame of huggingface.co, which is served here by the browser's own routing."""
    space = SpaceServer(folder)
    try:
        context = browser.new_context(permissions=["local-network-access"])  # the frame is of this machine
        page = context.new_page()
        frame = f"<iframe src='{space.url}?suite=made' width=1200 height=800></iframe>"
        script = (
            "<script>window.seen = []; addEventListener('message', e => 'hash' in e.data && seen.push(e.data))</script>"
        )
        page.route(
            "https://huggingface.co/**", lambda route: route.fulfill(body=script + frame, content_type="text/html")
        )
        page.goto("https://huggingface.co/spaces/org/board")
        inner = page.frames[1]
        inner.wait_for_selector("#rb .rb-table", timeout=60_000)
        inner.wait_for_selector("#rb-first", state="detached")
        inner.click("thead button:has-text('Safety')")
        inner.click(".rb-nav a:has-text('About')")
        page.wait_for_function("seen.some(m => m.queryString.includes('view=about'))")
        sent = page.evaluate("seen")
        assert sent[0] == {"queryString": "suite=made", "hash": ""}
        assert any("sort=-Safety" in message["queryString"] for message in sent)
    finally:
        space.stop()


def test_v22_meanings_are_reached_by_touch(visit):
    page = visit(width=390)
    page.tap("tr[data-key='org/reads'] .rb-badge")
    meaning = page.locator("#badge-verified")
    assert meaning.is_visible()
    assert "re-scored a random sample" in meaning.inner_text()
    page.touchscreen.tap(10, 10)
    page.wait_for_selector("#badge-verified", state="hidden")
    page.tap(".rb-meanings summary")
    words = page.inner_text(".rb-meanings")
    titles = page.evaluate("[...document.querySelectorAll('thead button')].map(button => button.title)")
    assert all(title in words for title in titles)


AXE = Path(axe.__file__).with_name("axe.min.js") if axe else None
LOUD = ("serious", "critical")


def faults(page):
    """Return the serious findings of axe-core."""
    page.evaluate(AXE.read_text())
    found_rules = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found_rules if rule["impact"] in LOUD]


@pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed")
@pytest.mark.parametrize("name", ["board", "model"])
def test_axe_has_no_serious_finding(visit, name):
    page = visit(PAGES[name])
    assert faults(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert faults(page) == []


@pytest.mark.slow
@pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed")
@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_axe_has_no_serious_finding_on_any_page(visit, width, theme):
    for name, query in PAGES.items():
        page = visit(query, width=width, theme=theme)
        shoot(page, f"axe-{name}-{width}-{theme}")
        assert (name, faults(page)) == (name, [])
