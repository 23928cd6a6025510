"""The page of a model: its facts with their links, the curve of its run, and its history."""

import json
import re
from html import unescape
from urllib.parse import urlencode

import pytest
from hub_server import WHERE
from synthetic import mirrors, scores, store

pytest.importorskip("gradio")

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.app import runs
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.results import assemble
from rewardbench.store import open_store
from rewardbench.types import ItemScores

SUITE = mirrors(20)
COMMIT = "0123456789" * 4


def change(path, stated=None, manifest=None, **changes):
    """Change a stored summary, what its manifest states about its model, and other parts of the manifest."""
    summary = json.loads(path.read_bytes()) | changes
    summary["manifest"] |= {"model": stated or {}, **(manifest or {})}
    path.write_text(json.dumps(summary))


def see(library, **query):
    return app.view(library, "?" + urlencode(query))


def details(page):
    """Return the facts of a page as text, by name."""
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    return {name: unescape(re.sub(r"<[^>]*>", "", value)) for name, value in pairs}


def links(page):
    """Return the links of a page to other hosts: the whole tag."""
    return [tag for tag in re.findall(r"<a [^>]*>", page) if re.search(r'href="\w+:', tag)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for n, step in enumerate((100, 200, 1000)):
        store(folder, SUITE, scores(SUITE, (0.5, 0.9, 0.8)[n], seed=n), f"org/rm-8B-step-{step}")
    path = store(folder, SUITE, scores(SUITE, 0.9, seed=5), "org/stated")
    stated = {"parameters": 8_030_000_000, "license": "llama3.1", "base_model": "meta-llama/Llama-3.1-8B"}
    change(path, stated, {"fingerprint": {"weights": {"commit": COMMIT}}})
    store(folder, SUITE, scores(SUITE, 0.7, seed=6), "openai/gpt-4o")
    return Library(str(folder))


def test_facts_say_where_they_are_from(library):
    stated = details(see(library, view="model", model="org/stated"))
    assert stated["Size"] == "8B, as stated"
    assert stated["License"] == "llama3.1 (restricted), as stated"
    assert stated["Base model"] == "meta-llama/Llama-3.1-8B, as stated"
    assert stated["Weights"] == "open, by the license, commit 01234567"
    named = details(see(library, view="model", model="org/rm-8B-step-100"))
    assert (named["Size"], named["License"], named["Weights"]) == ("8B, by its name", "unknown", "unknown")
    assert "Base model" not in named
    assert details(see(library, view="model", model="openai/gpt-4o"))["Weights"].startswith(
        "served through an API only"
    )


def test_links_lead_to_the_hub_only_and_pass_nothing_on(library):
    tags = links(see(library, view="model", model="org/stated"))
    targets = [re.search(r'href="([^"]*)"', tag)[1] for tag in tags]
    assert targets == [
        "https://huggingface.co/org/stated",
        f"https://huggingface.co/org/stated/tree/{COMMIT}",
        "https://huggingface.co/meta-llama/Llama-3.1-8B",
    ]
    assert all('rel="noopener noreferrer nofollow"' in tag and 'target="_blank"' in tag for tag in tags)
    assert links(see(library, view="model", model="openai/gpt-4o")) == []


@pytest.mark.parametrize(
    "name",
    ['org/"onmouseover="x', "javascript:x/y", "https://example.org/x", "org/m?x#y", "org/../x", "//example.org/x"],
)
def test_a_hostile_name_gets_no_link(tmp_path, name):
    path = store(tmp_path, SUITE, scores(SUITE, 0.6), "org/m")
    change(path, {"base_model": name}, model=name)
    evil = Library(str(tmp_path))
    assert [row.model for row in evil.board.rows] == [name]
    assert links(see(evil, view="model", model="org/m")) == []


def test_the_run_of_a_checkpoint_is_drawn_over_its_steps(library):
    page = see(library, view="model", model="org/rm-8B-step-200")
    section = page[page.index('id="run"') : page.index('id="items"')]
    assert "one of 3 checkpoints of org/rm-8B" in section
    assert section.count('class="mark"') == section.count('class="whisker"') == 3
    assert section.count('class="here"') == 1
    (path,) = re.findall(r'class="curve" d="([^"]*)"', section)
    places = [tuple(map(float, place.split())) for place in path[1:].split("L")]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert places[1][1] < places[2][1] < places[0][1]  # 0.9, 0.8 and 0.5 from the top
    assert (places[1][0] - places[0][0]) * 7 < places[2][0] - places[1][0]  # steps 100, 200 and 1,000
    assert section.count("<tr") == 4
    assert 'id="run"' not in see(library, view="model", model="org/stated")


def test_a_small_curve_says_in_words_what_it_shows(library):
    group = facts.run_group(library.board.of("toy"), library.row("org/rm-8B-step-100"))
    scored = [f"{100 * row.score.value:.1f}%" for row in group.rows]
    text = (
        f"Score over 3 checkpoints: {scored[0]} at step 100, {scored[2]} at step 1,000; highest {scored[1]} at step 200"
    )
    assert runs.describe(group) == text
    picture = runs.draw_small(group)
    assert f'role="img" width="84" height="20" viewBox="0 0 84 20" aria-label="{text}"' in picture
    (line,) = re.findall(r'points="([^"]*)"', picture)
    assert len(line.split()) == 3
    single = facts.RunGroup(group.rows[:1], group.run, group.unit, group.steps[:1])
    assert runs.draw_small(single) == ""


def test_runs_that_are_not_one_training_have_no_line(tmp_path):
    for n in range(3):
        store(tmp_path, SUITE, scores(SUITE, 0.6, seed=n), f"allenai/open_instruct_dev-rm_{n}__1__174355122{n}")
    library = Library(str(tmp_path))
    group = facts.run_group(library.board.of("toy"), library.board.rows[0])
    assert runs.describe(group).startswith("Scores of 3 runs: ")
    assert "<polyline" not in runs.draw_small(group)
    page = see(library, view="model", model=group.head.key)
    assert "which differ in their settings" in page
    assert 'class="curve"' not in page
    assert "01 Apr 2025" in page
    assert "https://huggingface.co/allenai/open_instruct_dev" in page


def test_names_that_are_cut_off_have_no_curve(tmp_path):
    for n in range(2):
        path = store(tmp_path, SUITE, scores(SUITE, 0.6, seed=n), f"org/m{n}")
        change(path, model="org/rm-check...")
    page = see(Library(str(tmp_path)), view="model", model="org/m0")
    assert "cut off where they differ" in page
    assert "rb-chart" not in page[: page.index('id="items"')]


def test_other_results_of_a_model_are_its_history(tmp_path):
    for n, revision in enumerate(("r1", "r2")):
        suite = mirrors(20, revision=revision)
        path = store(tmp_path, suite, scores(suite, 0.6 + 0.2 * n), "org/rm")
        change(path, manifest={"environment": {"rewardbench": f"1.{n}.0"}}, date=f"2026-0{n + 1}-01")
    library = Library(str(tmp_path))
    newer = next(row for row in library.board.rows if row.revision == "r2")
    page = see(library, view="model", model=newer.key)
    section = page[page.index('id="history"') : page.index('id="items"')]
    assert all(text in section for text in ("toy@r1", "1.0.0", "2026-01-01"))
    assert "toy@r2" not in section
    assert "view=history" not in page
    assert "keeps one version" in see(library, view="history", model=newer.key)


def test_versions_of_a_result_are_read_from_the_commits_of_a_dataset(hub):
    values = []
    for share in (0.6, 0.9):
        item_scores = [ItemScores(i.id, i.scores, tokens=(1, 1), texts=("a", "b")) for i in scores(SUITE, share)]
        entry = assemble(SUITE, "org/rm", "Seq. Classifier", item_scores, {"fingerprint_sha256": "ab"})
        open_store(WHERE).put(entry, SUITE)
        values.append(f"{100 * entry.score.value:.1f}")
    library = Library(WHERE)
    assert "view=history" in see(library, view="model", model="org/rm")
    page = see(library, view="history", model="org/rm")
    assert page.index(f"<b>{values[1]}</b>") < page.index(f"<b>{values[0]}</b>")
    assert page.count("toy@r1") == 2
    hub.fault = 503
    assert f"<b>{values[0]}</b>" in see(library, view="history", model="org/rm")  # from the cache
    assert "cannot be read" in see(Library(WHERE, library.board), view="history", model="org/rm")
    assert "No such model" in see(library, view="history", model="none")
