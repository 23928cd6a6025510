"""`rewardbench report`: one HTML file without requests, with the figures of the result and without anyone's markup."""

import json
import re
import shutil
from html.parser import HTMLParser
from math import nan

import pytest
import synthetic
from terminal import run

from rewardbench.analysis.page import collect
from rewardbench.analysis.page.render import MOST_BYTES, render_page
from rewardbench.errors import InputError
from rewardbench.types import Item, ItemScores, Message, Rule, Suite

HOSTILE = "<script>alert(1)</script><img src=https://evil.example/x.png onerror=alert(1)> $\\frac$ \x1b[2J \u202e"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Elements(HTMLParser):
    """Collect the tags of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def paths(tmp_path):
    """Store results of two models on mirrors: the candidate is right on 80 % of items, the baseline on 60 %."""
    suite = synthetic.mirrors(60)
    baseline = synthetic.store(tmp_path / "base", suite, synthetic.scores(suite, 0.6, seed=1), "baseline-model")
    candidate = synthetic.store(tmp_path / "new", suite, synthetic.scores(suite, 0.8, seed=2), "candidate-model")
    return baseline, candidate


def hostile_suite(count=30):
    items = []
    for number in range(count):
        prompt = (Message(role="user", content=f"{HOSTILE} {number}"),)
        completions = tuple((Message(role="assistant", content=f"{HOSTILE} {side}"),) for side in ("right", "wrong"))
        items.append(Item(f"{HOSTILE}{number}", HOSTILE, prompt, completions))
    return Suite(HOSTILE, "r1", tuple(items), {HOSTILE: Rule(HOSTILE)})


def test_the_page_has_the_figures_of_the_result(paths, tmp_path, capsys):
    baseline, candidate = paths
    output = tmp_path / "page.html"
    code, out, _ = run(capsys, "report", candidate, "--baseline", baseline, "--output", output, "--misses", "5")
    assert code == 0
    page = output.read_text()
    assert f"bytes={len(page.encode())}" in out
    content = collect([str(candidate)], [str(baseline)])
    (suite,) = content.suites
    assert f"{100 * suite.estimates.accuracy.value:.1f}" in page
    assert f"{100 * suite.comparison.score.difference:+.1f} points" in page
    assert "Against baseline-model" in page
    assert f"{suite.num_missed} of 240 items lack full credit" in page
    assert page.count('<details class="miss">') == 5
    assert all(name in page for name in ("Calibration", "Bias", "toy@r1"))


def test_the_page_loads_nothing_and_runs_nothing(paths, tmp_path):
    suite = hostile_suite()
    path = synthetic.store(tmp_path / "x", suite, synthetic.scores(suite, 0.5), HOSTILE.replace("/", "_"))
    page = render_page(collect([str(path)]))
    tags = Elements(page).tags
    assert {tag for tag, _ in tags} & {"script", "iframe", "link", "object", "form", "base"} == set()
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png")), tag
    assert not re.search(r"url\((?!#)|@import", page)
    assert "\x1b" not in page


def test_a_page_includes_a_report_with_its_picture(paths, tmp_path):
    report = {"analysis": "robustness", "values": {"flips": 0.25}, "sentence": "Typos flip <b>25 %</b>.", "notes": []}
    report["tables"] = [{"title": "Flips", "rows": [{"perturbation": "typos", "share": 0.25}]}]
    place = tmp_path / "robustness.json"
    place.write_text(json.dumps(report))
    place.with_suffix(".png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    page = render_page(collect([str(paths[1])], include=[str(place)]))
    assert "Typos flip &lt;b&gt;25 %&lt;/b&gt;." in page
    assert "data:image/png;base64,iVBORw0KGgo" in page
    assert "0.2500" in page


@pytest.mark.parametrize(
    "changes",
    [
        {"values": [1]},
        {"notes": 5},
        {"tables": "x"},
        {"tables": [{"title": "t", "rows": [[1]]}]},
        {"tables": [{"title": "t", "rows": [{"a": 1}, {"b": 2}]}]},
    ],
)
def test_a_file_that_is_no_report_is_rejected(paths, tmp_path, changes):
    place = tmp_path / "report.json"
    place.write_text(json.dumps({"analysis": "a", "values": {}, "sentence": "", "notes": [], "tables": [], **changes}))
    with pytest.raises(InputError, match="is not a report: pass a JSON file that rewardbench analyze wrote"):
        collect([str(paths[1])], include=[str(place)])


def test_a_page_of_unscored_items_has_no_local_path(tmp_path):
    suite = synthetic.singles(20)
    unscored = [ItemScores(item.id, (nan, nan), reason="too long") for item in suite.items]
    page = render_page(collect([str(synthetic.store(tmp_path, suite, unscored, "m"))]))
    assert "20 items are unscored" in page
    assert "chat-0a · chat-sub · unscored (too long)" in page
    assert "No calibration: m.json has 0 scored pairs" in page
    assert str(tmp_path) not in page
    assert "nan" not in page.split("<main>")[1]


def test_a_large_page_leaves_out_its_pictures(paths, monkeypatch):
    content = collect([str(paths[1])])
    assert "<svg" in render_page(content)
    monkeypatch.setattr("rewardbench.analysis.page.render.MOST_BYTES", 1000)
    assert "<svg" not in render_page(content)


def test_the_page_of_many_misses_is_small(tmp_path):
    suite = synthetic.mirrors(500)
    path = synthetic.store(tmp_path, suite, synthetic.scores(suite, 0.1), "m")
    assert len(render_page(collect([str(path)], num_misses=200)).encode()) < MOST_BYTES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "{candidate}", "{baseline}"], "The results are of 2 models (baseline-model, candidate-model)"),
        (["report", "{candidate}", "--output", "page.txt"], "must end with .html"),
        (["report", "{candidate}", "--include", "{candidate}"], "is not a report"),
        (["report", "missing.json"], "missing.json"),
    ],
)
def test_bad_input_is_one_line(paths, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    baseline, candidate = paths
    code, _, err = run(capsys, *[text.format(baseline=baseline, candidate=candidate) for text in arguments])
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_a_baseline_of_another_suite_is_rejected(paths, tmp_path, capsys):
    suite = hostile_suite()
    other = synthetic.store(tmp_path / "other", suite, synthetic.scores(suite, 0.5), "other")
    code, _, err = run(capsys, "report", paths[1], "--baseline", other)
    assert (code, err.count("\n")) == (2, 1)
    assert "pass a result of the same suite" in err


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_the_page_without_requests(paths, tmp_path, width):
    sync_api = pytest.importorskip("playwright.sync_api")
    place = tmp_path / "page.html"
    place.write_text(render_page(collect([str(paths[1])], [str(paths[0])])))
    requested, messages = [], []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("request", lambda request: requested.append(request.url))
        tab.on("console", lambda message: messages.append(message.text))
        tab.goto(place.as_uri())
        assert tab.locator("h1").inner_text() == "candidate-model"
        assert tab.locator("figure svg").count() >= 2
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
    assert requested == [place.as_uri()]
    assert messages == []
