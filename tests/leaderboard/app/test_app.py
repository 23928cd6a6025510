"""Test the leaderboard in Chromium, driven by Playwright, against a running server."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from hub_board import new_result
from ports import free_port
from repository import ROOT
from synthetic import mirrors, scores, store

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SHOTS = os.environ.get("REWARDBENCH_SCREENSHOTS")
"""A folder for pictures of the pages, to be looked at."""


class Server:
    """`rewardbench leaderboard` of a store, in a child process."""

    def __init__(self, results, *flags):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        command = [
            sys.executable,
            "-m",
            "rewardbench",
            "leaderboard",
            "--store",
            str(results),
            "--port",
            str(self.port),
            *flags,
        ]
        self.start(command, ROOT)

    def start(self, command, folder, environment=None):
        """Start the process, and wait until its port is open."""
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, env=environment
        )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with socket.socket() as ask:
                if ask.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                raise RuntimeError(self.process.stderr.read().decode())
            time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        instance = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield instance
        instance.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serve a writable copy of the demo."""
    folder = tmp_path_factory.mktemp("store") / "demo"
    shutil.copytree(ROOT / "leaderboard" / "demo", folder, ignore=shutil.ignore_patterns(".*"))
    running = Server(folder, "--writable")
    running.folder = folder
    yield running
    running.stop()


@pytest.fixture
def page(browser, server):
    """Open a page, and check that it sends requests to its server only and that its scripts raise no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    requested, raised = [], []
    tab.on("request", lambda request: requested.append(request.url))
    tab.on("pageerror", lambda error: raised.append(str(error)))
    yield tab
    context.close()
    assert [url for url in requested if not url.startswith((server.url, "data:", "blob:"))] == []
    assert raised == []


def go(page, url, words="tr[data-key]"):
    page.goto(url, timeout=120_000)  # a machine under load imports gradio for a minute
    page.wait_for_selector("#rb .rb main", timeout=60_000)
    page.wait_for_selector("#rb-first", state="detached", timeout=60_000)
    page.wait_for_selector(words, timeout=60_000)
    return page


def models(page):
    return [
        table_row.get_attribute("data-key")
        for table_row in page.query_selector_all("tr[data-key]")
        if table_row.is_visible()
    ]


def shoot(page, name):
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SHOTS, f"{name}.png")))


def test_the_table_is_searched_filtered_and_sorted(page, server):
    go(page, server.url)
    assert models(page) == ["demo/smollm2-135m", "demo/smollm2-135m-lora-rm"], "toy models and baselines are folded"
    assert len(page.query_selector_all("tr[data-key]")) >= 13
    page.fill("[data-search]", "tiny")
    assert sorted(models(page)) == ["tiny-dpo", "tiny-rm"]
    assert "2 of" in page.inner_text(".rb-count")
    page.fill("[data-search]", "")
    page.click("summary:has-text('Filter')")
    page.check("[data-filter=kind][value=Baseline]")
    assert sorted(models(page)) == ["baseline/longest", "baseline/random", "baseline/shortest"]
    page.reload()
    page.wait_for_selector(".rb-count:has-text('of')")
    assert len(models(page)) == 3, "what was chosen survives a reload"
    go(page, server.url)
    page.click("[data-group=toys] [data-fold]")
    page.click("th button:has-text('Size')")
    cells = page.query_selector_all("[data-group=toys] td[data-v]:nth-child(n+5)")
    sizes = [int(cell.get_attribute("data-v")) for cell in cells]
    assert len(sizes) == 8
    known = [size for size in sizes if size]
    assert known == sorted(known, reverse=True)
    assert page.get_attribute("th[aria-sort]", "aria-sort") == "descending"
    page.click("th button:has-text('Size')")
    assert page.get_attribute("th[aria-sort]", "aria-sort") == "ascending"


def test_columns_are_chosen_and_rows_are_copied(page, server):
    go(page, server.url)
    assert page.is_visible("th button:has-text('Badge')")
    page.click("summary:has-text('Columns')")
    page.uncheck("[data-column=Badge]")
    assert not page.is_visible("th button:has-text('Badge')")
    page.keyboard.press("Escape")
    assert page.query_selector("details[open]") is None
    page.click("summary:has-text('Columns')")
    page.click("h1")
    assert page.query_selector("details[open]") is None, "a click outside closes a panel"
    page.fill("[data-search]", "tiny-rm")
    page.click("summary:has-text('Export')")
    for kind, words in (
        ("CSV", "tiny-rm,"),
        ("LaTeX", "\\begin{tabular}"),
        ("BibTeX", "@misc{rewardbench-tiny-rm-"),
    ):
        page.evaluate("delete document.querySelector('.rb').dataset.copied")
        page.click(f"[data-copy={kind}]")
        page.wait_for_function("document.querySelector('.rb').dataset.copied")
        text = page.get_attribute(".rb", "data-copied")
        assert words in text
        assert "longest" not in text


def test_the_demo_shows_real_models_first(page, server):
    """A rank needs a re-run, which `scripts/leaderboard_demo` did for the models that it had."""
    go(page, server.url)
    first = page.locator("tbody[data-group=verified] tr[data-key]").first
    assert first.get_attribute("data-key") == "demo/smollm2-135m"
    assert first.locator("td").first.inner_text() == "1"
    order = page.evaluate("[...document.querySelectorAll('.rb-table tbody')].map(body => body.dataset.group)")
    assert order == ["verified", "open", "toys", "baselines"]
    assert "8 toy models, made for tests" in page.inner_text("[data-group=toys] .rb-group")
    shoot(page, "first-screen")


def test_pages_are_in_the_html(server):
    def fetched(query):
        with urlopen(server.url + query) as answer:
            return answer.read().decode().partition("<body")[2].partition("<gradio-app")[0]

    plain = fetched("")
    assert 'id="rb-first"' in plain
    assert 'data-key="tiny-rm"' in plain
    assert "What the badges mean" in fetched("?view=about")
    assert "fingerprint_sha256" in fetched("?view=model&suite=core&model=tiny-rm")


def test_model_page_shows_items_and_links_back(page, server):
    go(page, f"{server.url}?suite=core&q=tiny-rm", "tr[data-key=tiny-rm]")
    page.click("a:has-text('tiny-rm')")
    page.wait_for_selector("article.rb-item")
    assert page.inner_text("h1") == "tiny-rm"
    assert page.query_selector("article .rb-message.user")
    assert page.query_selector("article .rb-message.chosen")
    page.fill("[name=search]", "zzzz no such word")
    page.click("form button")
    page.wait_for_selector("text=/^0 items/")
    page.go_back()
    page.wait_for_selector("article.rb-item")
    page.go_back()
    page.wait_for_selector("tr[data-key=tiny-rm]")


def test_a_deep_link_survives_a_reload(page, server):
    go(page, f"{server.url}?view=model&suite=core&model=tiny-rm", "article.rb-item")
    page.reload()
    page.wait_for_selector("article.rb-item")
    assert page.inner_text("h1") == "tiny-rm"
    go(page, f"{server.url}?view=board&suite=core&row=tiny-dpo", "tr.chosen")
    page.reload()
    page.wait_for_selector("tr.chosen")
    assert page.get_attribute("tr.chosen", "data-key") == "tiny-dpo"


def test_two_models_are_compared(page, server):
    go(page, f"{server.url}?view=compare&suite=core", "input[name=m]")
    page.fill("input[name=m] >> nth=0", "baseline/longest")
    page.fill("input[name=m] >> nth=1", "tiny-rm")
    page.click("form button:has-text('Compare')")
    page.wait_for_selector("text=No significant difference between", timeout=30_000)
    assert page.inner_text("thead").split("\t")[2:4] == ["baseline/longest", "tiny-rm"]
    assert page.query_selector("article.rb-item")
    shoot(page, "compare")


def test_keyboard_reaches_and_sorts(page, server):
    go(page, server.url)
    page.focus("th button:has-text('Turn accuracy')")
    page.keyboard.press("Enter")
    assert page.get_attribute("th[aria-sort]", "aria-sort") == "descending"
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('.rb input, .rb select, .rb button, .rb a')]
        .filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim())).length"""
    )
    assert unnamed == 0, "everything that can be reached has a name"


def test_bad_submission_is_refused_with_reasons_and_a_good_one_is_added(page, server, tmp_path):
    before = sorted(path.name for path in server.folder.rglob("*"))
    go(page, f"{server.url}?view=submit", "#rb-submit button:has-text('Submit')")
    page.set_input_files("#rb-submit input[type=file]", new_result(tmp_path / "bad", headline=0.99))
    page.wait_for_selector(".rb-check.refused", timeout=60_000)
    assert "the items give" in page.inner_text(".rb-check")
    shoot(page, "submit-refused")
    assert page.is_disabled("#rb-submit button:has-text('Submit')")
    assert sorted(path.name for path in server.folder.rglob("*")) == before, "nothing was written"
    go(page, f"{server.url}?view=submit", "#rb-submit button:has-text('Submit')")
    page.set_input_files("#rb-submit input[type=file]", new_result(tmp_path / "good"))
    page.wait_for_selector(".rb-check.passed", timeout=60_000)
    shoot(page, "submit-passed")
    page.click("#rb-submit button:has-text('Submit')")
    page.wait_for_selector("text=Added as org/new", timeout=30_000)
    go(page, server.url)
    assert page.query_selector("[data-group=open] tr[data-key='org/new']")


def hostile_result(folder, name):
    """Return the files of a result under a name that is no file name."""
    summary, outputs = map(Path, new_result(folder))
    summary.write_text(json.dumps(json.loads(summary.read_bytes()) | {"model": name}))
    return [str(summary), str(outputs)]


def test_hostile_submission_is_refused_and_nothing_is_executed(page, server, tmp_path):
    evil = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    before = sorted(path.name for path in server.folder.rglob("*"))
    go(page, f"{server.url}?view=submit", "#rb-submit button:has-text('Submit')")
    page.set_input_files("#rb-submit input[type=file]", hostile_result(tmp_path, f"../../{evil}"))
    page.wait_for_selector(".rb-check.refused", timeout=60_000)
    assert "name" in page.inner_text(".rb-check")
    assert page.evaluate("window.hacked") is None
    assert sorted(path.name for path in server.folder.rglob("*")) == before


def test_the_app_starts_as_a_space_does(browser, tmp_path):
    """Only the variables of a Space are set, and a free port."""
    port = free_port()
    environment = {"HF_HOME": str(tmp_path), "HF_TOKEN": "hf_fake", "PORT": str(port), "PATH": os.environ["PATH"]}
    environment |= {name: os.environ[name] for name in ("PYTHONPATH", "HOME") if name in os.environ}
    app = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT / "leaderboard", env=environment, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and app.poll() is None:
            with socket.socket() as ask:
                if ask.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        page = browser.new_context().new_page()
        go(page, f"http://127.0.0.1:{port}/")
        assert "demo/smollm2-135m" in models(page)
    finally:
        app.terminate()
        app.wait(20)
        app.stderr.close()


def test_hostile_store_executes_nothing(browser, tmp_path):
    evil = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>${window.hacked=1}{{constructor}}'
    suite = mirrors(20)
    for n in range(2):
        path = store(tmp_path, suite, scores(suite, 0.5, seed=n), f"org/m{n}")
        summary = json.loads(path.read_bytes())
        summary |= {"model": f"{evil}{n}", "model_type": evil, "date": evil, "suite": evil, "revision": evil}
        summary["manifest"] |= {"command": evil, "model": {"license": evil}}
        path.write_text(json.dumps(summary))
    hostile = Server(tmp_path)
    try:
        page = browser.new_context().new_page()
        for query in ("", "?view=model&model=org/m0", "?view=compare&a=org/m0&b=org/m1", "?view=items", "?view=suite"):
            go(page, hostile.url + query, "h1")
            page.wait_for_timeout(300)
            assert page.evaluate("window.hacked") is None
            assert page.query_selector(".rb img") is None
            assert page.query_selector(".rb script") is None
    finally:
        hostile.stop()


def reject_wide_pages(page, server, theme, width, pages):
    """Check that no page, given as name and query, is wider than the screen."""
    for name, query in pages.items():
        go(page, f"{server.url}?__theme={theme}{query}", "h1")
        page.wait_for_timeout(200)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 1, f"{name} is {over} pixels too wide"
        shoot(page, f"{name}-{width}-{theme}")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_its_screen(browser, server, width, theme):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
    page = context.new_page()
    pages = {"board": "", "model": "&view=model&model=tiny-rm", "size": "&view=size", "items": "&view=items",
             "suite": "&view=suite", "about": "&view=about", "submit": "&view=submit"}  # fmt: skip
    reject_wide_pages(page, server, theme, width, pages)
    context.close()
