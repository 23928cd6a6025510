"""The pages over suites, comparisons and markdown in Chromium, with a mouse, a keyboard and without JavaScript."""

import shutil
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
import test_app
from repository import ROOT
from synthetic import mirrors, scores, store
from test_app import CHROMIUM, Server, go, reject_wide_pages

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
browser, page = test_app.browser, test_app.page
FIVE = "&".join(f"m={name}" for name in ("tiny-rm", "tiny-dpo", "demo/llama-64", "demo/smollm2-135m", "demo/gpt2-64"))
HOSTILE = (
    "# Title <script>window.hacked=1</script>\n\n<img src=x onerror=window.hacked=1> **bold** "
    "[link](javascript:window.hacked=1) ![image](https://evil.example/x.png) [site](https://evil.example/)\n\n"
    "```html onload=window.hacked=1\n<script>window.hacked=1</script>\n```\n${window.hacked=1} {{constructor}}"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serve the demo, and a suite whose texts are hostile."""
    folder = tmp_path_factory.mktemp("store") / "demo"
    shutil.copytree(ROOT / "leaderboard" / "demo", folder, ignore=shutil.ignore_patterns(".*"))
    suite = mirrors(10)
    items = []
    for item in suite.items:
        chosen = ({"role": "assistant", "content": HOSTILE},)
        items.append(replace(item, prompt=({"role": "user", "content": HOSTILE},), completions=(chosen, chosen)))
    suite = replace(suite, name="hostile", items=tuple(items))
    for n in range(2):
        store(folder, suite, scores(suite, 0.5, seed=n), f"org/hostile-{n}")
    running = Server(folder)
    yield running
    running.stop()


def models_in(page):
    return [text for name, text in parse_qsl(urlsplit(page.url).query) if name == "m"]


def test_three_models_are_chosen_by_name_and_kept_in_the_address(page, server):
    go(page, f"{server.url}?view=compare&suite=core", "input[name=m]")
    assert page.eval_on_selector("input[name=m]", "box => box.list.options.length") == 13
    for n, name in enumerate(("tiny-rm", "demo/llama-64", "demo/smollm2-135m")):
        page.fill(f"input[name=m] >> nth={n}", name)
    page.keyboard.press("Enter")
    page.wait_for_selector(".rb-matrix", timeout=30_000)
    assert models_in(page) == ["tiny-rm", "demo/llama-64", "demo/smollm2-135m"]
    assert page.locator(".rb-dots path").count() == 15
    assert page.locator(".rb-matrix td a").count() == 6
    page.click(".rb-matrix td a >> nth=0")
    page.wait_for_selector("h2:has-text('Disagreements')")
    assert len(models_in(page)) == 2
    page.go_back()
    page.wait_for_selector(".rb-matrix")
    page.select_option("select[name=suite]", "core-hard")
    page.wait_for_selector("text=core-hard has no model named demo/llama-64", timeout=60_000)
    assert page.input_value("input[name=m] >> nth=0") == "tiny-rm"


def ticks(page):
    return page.eval_on_selector_all(
        "[data-pick]", "boxes => boxes.filter((b) => b.checked).map((b) => b.closest('tr').dataset.key)"
    )


def test_up_to_five_rows_are_ticked_and_compared(page, server):
    go(page, f"{server.url}?view=board&suite=core&row=tiny-rm", "[data-pick]")
    boxes = page.locator("[data-pick]")
    assert page.is_hidden(".rb-compare")
    page.evaluate("document.querySelectorAll('[data-fold][aria-expanded=false]').forEach((fold) => fold.click())")
    boxes.nth(0).check()
    assert page.inner_text(".rb-compare") == "Compare with another model"
    boxes.nth(1).focus()
    page.keyboard.press("Space")
    assert page.inner_text(".rb-compare") == "Compare 2 models"
    chosen = ticks(page)
    assert models_in(page) == chosen
    page.reload()
    page.wait_for_selector(".rb-compare:visible", timeout=60_000)
    assert ticks(page) == chosen
    page.evaluate("document.querySelectorAll('[data-pick]:not(:checked)').forEach((box) => box.click())")
    assert len(ticks(page)) == len(models_in(page)) == 5
    assert page.eval_on_selector_all("[data-pick]", "boxes => boxes.filter((box) => box.disabled).length") >= 5
    page.click(".rb-compare")
    page.wait_for_selector(".rb-matrix", timeout=30_000)
    assert len(models_in(page)) == 5
    page.go_back()
    page.wait_for_selector(".rb-compare:visible")
    assert len(ticks(page)) == 5


def test_models_are_compared_and_searched_without_scripts(browser, server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}?view=compare&suite=core-style", timeout=120_000)
    page.fill("input[name=m] >> nth=0", "tiny-rm")
    page.fill("input[name=m] >> nth=1", "demo/smollm2-135m")
    page.fill("input[name=m] >> nth=2", "baseline/random")
    page.click("form button:has-text('Compare')")
    page.wait_for_selector(".rb-matrix", timeout=60_000)
    assert models_in(page)[:3] == ["tiny-rm", "demo/smollm2-135m", "baseline/random"]
    page.goto(f"{server.url}?view=suites", timeout=60_000)
    page.fill("input[name=q]", "tiny")
    page.click("form button:has-text('Show')")
    page.wait_for_selector("text=2 models")
    page.click(".rb-overview thead a:has-text('core-style')")
    page.wait_for_selector(".rb-overview th[aria-sort=descending]")
    context.close()


def test_the_table_over_suites_is_sorted_and_searched(page, server):
    go(page, f"{server.url}?view=suites", ".rb-overview")
    assert page.inner_text(".rb-overview tbody th >> nth=0") == "demo/smollm2-135m", "the verified one"
    page.click(".rb-overview thead a:has-text('core-style')")
    page.wait_for_selector(".rb-overview th[aria-sort=descending]")
    assert page.inner_text(".rb-overview tbody th >> nth=0") == "demo/smollm2-135m-lora-rm"
    page.fill("input[name=q]", "tiny")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('.rb-overview tbody tr').length === 2")
    assert "sort=core-style" in page.url
    page.click(".rb-overview tbody th a >> nth=0")
    page.wait_for_selector("h1:has-text('tiny-rm')")
    assert page.locator(".rb-figures tbody tr").count() == 3


def test_markdown_is_rendered_on_demand_and_hostile_texts_do_nothing(page, server):
    go(page, f"{server.url}?view=model&suite=hostile&model=org/hostile-0", "article.rb-item")
    assert page.locator(".rb-markdown").count() == 0
    assert "**bold**" in page.inner_text("article >> nth=0")
    page.check("input[name=markdown]")
    page.click("form:has(input[name=markdown]) button")
    page.wait_for_selector(".rb-markdown")
    for address in ("", "?view=compare&m=org/hostile-0&m=org/hostile-1&markdown=1"):
        if address:
            go(page, server.url + address, ".rb-markdown")
        texts = page.locator(".rb-markdown")
        assert texts.locator("strong").count() > 0
        assert texts.locator("a, img, script, h1, iframe, svg").count() == 0
        page.wait_for_timeout(300)
        assert page.evaluate("window.hacked") is None


def test_roles_of_a_conversation_have_labels(page, server):
    go(page, f"{server.url}?view=model&suite=core&model=tiny-rm&all=1&subset=instructions", "article.rb-item")
    labels = set(page.locator(".rb-role").all_inner_texts())
    assert {"user", "assistant", "system"} & labels >= {"user"}
    assert any(label.startswith("chosen") for label in labels)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_over_suites_fit_their_screen(browser, server, width, theme):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
    page = context.new_page()
    pages = {
        "suites": "&view=suites",
        "plot": "&view=suites&scale=chance&x=core&y=core-style",
        "results": "&view=model&name=tiny-rm",
        "model": "&view=model&model=tiny-rm&suite=core&markdown=1&all=1",
        "compare-two": "&view=compare&m=tiny-rm&m=demo/smollm2-135m",
        "compare-five": f"&view=compare&{FIVE}",
    }
    reject_wide_pages(page, server, theme, width, pages)
    context.close()
