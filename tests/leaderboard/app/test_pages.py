"""Test the HTML of every page without a browser: its text, and that untrusted text is escaped."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from synthetic import mirrors, scores, singles, store

pytest.importorskip("gradio")

from rewardbench.analysis.page import run_analyses
from rewardbench.leaderboard.app import model_page, suite_pages
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render

SUITE = mirrors(40)
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>${3}{{4}}'


class Markup(HTMLParser):
    """Tags, attributes and text of a page; closing an element that is not open is an error."""

    VOID = ("img", "input", "br", "line", "circle", "path")

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], "", []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for n, (name, share) in enumerate({"org/best": 0.98, "org/mid": 0.8, "org/low": 0.5}.items()):
        store(folder, SUITE, scores(SUITE, share, seed=n), name)
    return Library(str(folder))


def see(library, **query):
    from urllib.parse import urlencode

    return Markup(app.view(library, "?" + urlencode(query)))


def test_leaderboard_has_a_row_per_model_with_rank_and_interval(library):
    page = see(library)
    assert page.attributes.count("data-key") == 3
    assert all(name in page.words for name in ("org/best", "org/mid", "org/low", "recomputed", "Chat", "Safety"))


def test_model_page_shows_missed_items_and_manifest(library):
    page = see(library, view="model", model="org/mid")
    assert "items, lowest margin first" in page.words
    assert page.tags.count("article") == 10
    assert "Question" in page.words
    assert "fingerprint_sha256" in page.words
    fewer = see(library, view="model", model="org/mid", search="zzz")
    assert "0 items" in fewer.words


def test_model_page_shows_the_analyses_of_its_report(library):
    assert "calibration and bias" in see(library, view="model", model="org/mid").words
    page = see(library, view="model", model="org/mid", analyses="1")
    assert page.tags.count("figure") == 2
    assert all(word in page.words for word in ("Calibration", "Bias"))
    row = library.row("org/mid")
    reports, _ = run_analyses(library.items(row))
    assert all(report.sentence in page.words for report in reports)


def test_items_are_paginated(library):
    first, second = (see(library, view="model", model="org/low", **{"from": start}) for start in (0, 10))
    assert "Next" in first.words
    assert "Previous" in second.words
    assert first.words != second.words
    anchored = app.view(library, "?view=model&model=org/low&from=10#items")
    assert Markup(anchored).words == second.words
    for odd in ("-5", "x", "9" * 30, "1e9"):
        assert see(library, view="model", model="org/low", **{"from": odd}).tags


def test_two_models_are_compared(library):
    page = see(library, view="compare", a="org/low", b="org/best")
    assert "is better than" in page.words
    assert "only org/best is correct" in page.words
    assert "Choose two" in see(library, view="compare").words


def test_hardest_items_suite_and_about_pages_are_built(library):
    assert "are missed by all 3 models" in see(library, view="items").words
    assert "Mirrors" in see(library, view="suite").words
    assert "95% confidence" in see(library, view="about").words
    assert "No model here reports its size" in see(library, view="size").words


@pytest.mark.parametrize(
    "query", [{"view": "model", "model": "none"}, {"view": "model"}, {"view": "zzz"}, {"suite": "zzz"}]
)
def test_unknown_address_shows_a_message_or_the_leaderboard(library, query):
    assert see(library, **query).tags.count("h1") == 1


@pytest.mark.parametrize("name", ["view", "suite", "model", "a", "b", "search", "subset", "from", "row", "q"])
@pytest.mark.parametrize("page", ["board", "model", "compare"])
def test_text_in_an_address_is_escaped(library, name, page):
    query = {"view": page, "model": "org/mid", "a": "org/low", "b": "org/mid"} | {name: EVIL}
    page = see(library, **query)
    assert not {"script", "img"} & set(page.tags)
    assert not [attribute for attribute in page.attributes if attribute.startswith("on")]


def test_text_in_a_result_is_escaped(library, tmp_path):
    """Also if a hostile file is in the store despite all checks."""
    suite = replace(
        SUITE,
        items=tuple(
            replace(
                item, id=f"{EVIL}{n}", subset=EVIL, group=f"{EVIL}{n // 2}", prompt=({"role": "user", "content": EVIL},)
            )
            for n, item in enumerate(SUITE.items)
        ),
        rules={EVIL: replace(next(iter(SUITE.rules.values())), section=EVIL)},
        name=EVIL,
        revision=EVIL,
    )
    for n in range(2):
        path = store(tmp_path, suite, scores(suite, 0.5, seed=n), f"org/m{n}")
        summary = json.loads(path.read_bytes())
        summary |= {"model": f"{EVIL}{n}", "model_type": EVIL, "date": EVIL}
        summary["manifest"] |= {"command": EVIL, EVIL: EVIL, "model": {"license": EVIL}}
        path.write_text(json.dumps(summary))
    evil = Library(str(tmp_path))
    assert len(evil.board.rows) == 2
    keys = [row.key for row in evil.board.rows]
    for query in (
        {},
        {"subsets": "1"},
        {"view": "model", "model": keys[0]},
        {"view": "compare", "a": keys[0], "b": keys[1]},
        {"view": "items"},
        {"view": "suite"},
        {"view": "size"},
    ):
        page = see(evil, **query)
        assert not {"script", "img"} & set(page.tags), query
        assert not [attribute for attribute in page.attributes if attribute.startswith("on")]
        raw = app.view(evil, "")
        assert "${" not in raw
        assert "{{" not in raw


def test_chance_level_is_shown_for_mirrors_only(library, tmp_path):
    suite = singles(20)
    store(tmp_path, suite, scores(suite, 0.5), "org/a")
    assert "guessing gets 25" in see(library).words
    assert "chance 25: coin flips" in see(library).words
    assert "guessing" not in see(Library(str(tmp_path))).words.partition("What the columns")[0]


@pytest.mark.parametrize("days", [("2024-01-01", "2026-11-28"), ("2024-01-01",) * 2])
def test_any_date_can_be_plotted(tmp_path, days):
    for n, day in enumerate(days):
        path = store(tmp_path, SUITE, scores(SUITE, 0.6, seed=n), f"org/m{n}")
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"date": day}))
    page = app.view(Library(str(tmp_path)), "?view=size")
    assert page.count('class="mark"') == (2 if len(set(days)) > 1 else 0)
    assert ("All 2 dated models are of" in page) == (len(set(days)) == 1)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "verified", "2026-02-30"])
def test_date_that_is_none_is_left_out(tmp_path, day):
    path = store(tmp_path, SUITE, scores(SUITE, 0.6), "org/m")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"date": day}))
    assert Library(str(tmp_path)).row("org/m").date == ""
    assert "circle" not in see(Library(str(tmp_path)), view="size").tags


def test_deeply_nested_manifest_is_truncated(tmp_path):
    path = store(tmp_path, SUITE, scores(SUITE, 0.8), "org/wide")
    summary = json.loads(path.read_bytes())
    zeros = [0]
    for _ in range(20):
        zeros = [zeros, zeros] if len(json.dumps(zeros)) < 100_000 else [zeros]
    path.write_text(json.dumps(summary | {"manifest": summary["manifest"] | {"zeros": zeros}}))
    assert len(json.dumps(zeros, indent=2)) > 1_000_000
    page = app.view(Library(str(tmp_path)), "?view=model&model=org/wide")
    assert "the result file has the full manifest" in page
    assert len(page) < 500_000
    assert len(model_page._cut_json(nested(100_000))) < 60_000


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def test_page_is_built_once_for_concurrent_requests(tmp_path, monkeypatch):
    for n in range(3):
        store(tmp_path, SUITE, scores(SUITE, 0.5, seed=n), f"org/m{n}")
    library = Library(str(tmp_path))
    made = []
    hardest = suite_pages.build_hardest_page
    monkeypatch.setattr(
        suite_pages, "build_hardest_page", lambda *arguments: (made.append(1), time.sleep(0.2), hardest(*arguments))[2]
    )
    with ThreadPoolExecutor(12) as pool:
        pages = set(pool.map(lambda _: app.view(library, "?view=items"), range(12)))
    assert len(made) == len(pages) == 1
    store(tmp_path, SUITE, scores(SUITE, 0.9, seed=9), "org/new")
    library.refresh()
    assert "of 4 models are correct" in app.view(library, "?view=items")
    assert len(made) == 2


def test_outdated_rows_are_shown_with_their_age_if_the_store_is_unreachable(library):
    board = library.board
    library.board = replace(board, offline="The Hub is down.", built=board.built - 7200)
    try:
        page = see(library)
    finally:
        library.board = board
    assert "cannot be reached right now" in page.words
    assert "2 hours ago" in page.words
    assert page.attributes.count("data-key") == 3


def test_empty_store_explains_how_to_add_results(tmp_path):
    assert "No results yet" in see(Library(str(tmp_path))).words


def test_impossible_comparison_explains_what_is_missing(library, tmp_path):
    assert "org/low is chosen twice" in see(library, view="compare", a="org/low", b="org/low").words
    assert "Choose a model to compare org/low with." in see(library, view="compare", a="org/low").words
    assert "published totals only" in see(Library(str(tmp_path)), view="compare").words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank_range": (1, 3)}, "1–3 among verified models"),
        ({"model_type": "Baseline"}, "none (a baseline)"),
        ({}, "none (not verified)"),
    ],
)
def test_a_model_page_states_the_rank_or_why_there_is_none(library, changes, words):
    row = replace(library.board.rows[0], **changes)
    assert model_page._details(row)["Rank"] == words


def test_templates_escape_text_and_gradio_braces():
    for name in ("message.html", "sent.html"):
        page = str(render(name, message=EVIL, verdict="passed", links={EVIL: f"?{EVIL}"}))
        assert not [mark for mark in ("<img", "<script", "${", "{{") if mark in page]
        assert "&lt;script&gt;" in page


def test_exported_rows_and_columns_follow_the_request(library):
    text = app.export(library, "CSV", "toy", ["org/low", "org/best", "none"], ["Model", "Score"])
    assert [line.split(",")[0] for line in text.splitlines()] == ["Model", "org/low", "org/best"]
    assert "tabular" in app.export(library, "LaTeX", "toy", ["org/low"], ["Model"])
    assert "@misc" in app.export(library, "BibTeX", "toy", ["org/low"], [])
