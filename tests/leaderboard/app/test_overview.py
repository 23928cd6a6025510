"""One table over suites: which results are of one model, the order of the table, and how suites agree."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from synthetic import mirrors, scores, verify

pytest.importorskip("gradio")

from rewardbench.leaderboard.app import overview
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.submissions.published import read_published
from rewardbench.leaderboard.types import Board, Figure, LeaderboardRow
from rewardbench.results import assemble
from rewardbench.store import LocalStore
from rewardbench.types import ItemScores

COMMIT, OTHER_COMMIT, HASH = "a" * 40, "b" * 40, "c" * 64
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>${3}{{4}}'
NAMES = [f"org/m{n}" for n in range(8)]


def row(suite, model="org/a", value=0.8, badge="recomputed", weights="", protocol="", ids="x", revision="r"):
    return LeaderboardRow(
        key=f"{model}.{suite}.{badge}.{weights[:1]}.{protocol}.{value}",
        mark="1",
        model=model,
        model_type="Seq. Classifier",
        suite=suite,
        revision=revision,
        ids="" if badge == "published" else ids,
        metric="pair",
        score=Figure("score", value),
        sections=(),
        subsets=(),
        gap=(),
        badge=badge,
        weights=weights,
        protocol=protocol,
    )


def models_of(*rows, protocol=""):
    """Return the badges and suites of the results of each model."""
    models = overview.collect_models(Board(rows, 0.0), protocol)
    return sorted(sorted((row.suite, row.badge) for rows in model.rows.values() for row in rows) for model in models)


def test_results_of_one_name_without_other_weights_are_of_one_model():
    assert models_of(row("a"), row("b")) == [[("a", "recomputed"), ("b", "recomputed")]]
    assert len(models_of(row("a", weights=COMMIT), row("b", weights=COMMIT), row("c"))) == 1
    assert len(models_of(row("a", weights=COMMIT), row("b", weights=HASH))) == 1, "a commit and a hash may agree"
    assert len(models_of(row("a"), row("b", model="org/A"))) == 2
    assert len(models_of(row("a", protocol="p@1#0"), row("b", protocol="p@2#0"), row("c"))) == 1


def test_different_weights_are_different_models_whatever_the_name():
    models = models_of(row("a", weights=COMMIT), row("b", weights=OTHER_COMMIT))
    assert models == [[("a", "recomputed")], [("b", "recomputed")]]
    ambiguous = models_of(row("a", weights=COMMIT), row("b", weights=OTHER_COMMIT), row("c"), row("d"))
    assert [("c", "recomputed"), ("d", "recomputed")] in ambiguous


@pytest.mark.parametrize("squatter", [row("c", weights=OTHER_COMMIT), row("a", value=0.99, weights=OTHER_COMMIT)])
def test_a_submission_does_not_divide_verified_and_published_results(squatter):
    honest = (row("a", badge="verified", weights=COMMIT), row("b", badge="published"))
    models = models_of(*honest, squatter)
    assert [("a", "verified"), ("b", "published")] in models
    assert [(squatter.suite, "recomputed")] in models


def test_the_verified_result_is_shown_not_the_highest():
    rows = (row("a", value=0.99), row("a", value=0.6, badge="verified"), row("b"))
    (model,) = overview.collect_models(Board(rows, 0.0))
    assert model.score("a") == 0.6
    assert len(model.rows["a"]) == 2
    main = [row("s", model=f"org/x{n}", badge="verified") for n in range(2)]
    odd = [row("s", model=f"org/y{n}", ids="part") for n in range(5)]
    mixed = [row("s", ids="part", value=0.9), row("s", value=0.5), row("t")]
    board = Board((*main, *odd, *mixed), 0.0)
    assert overview.main_items(board, "s") == "x", "verified rows decide, not the number of submissions"
    by_name = {model.name: model for model in overview.collect_models(board)}
    assert by_name["org/a"].score("s") == 0.5


def test_models_with_most_verified_results_come_first():
    few = [row(name, model="org/verified", badge="verified", value=0.6) for name in "ab"]
    many = [row(name, model="org/flood", value=0.99) for name in "abcdefgh"]
    single = [row("a", model="org/better", badge="verified", value=0.9)]
    board = Board((*few, *many, *single), 0.0)
    models = overview.collect_models(board)
    columns = overview.describe_suites(board)
    order = [model.name for model in overview.sort_models(models, columns)]
    assert order == ["org/verified", "org/better", "org/flood"]
    by_score = [model.name for model in overview.sort_models(models, columns, "a")]
    assert by_score == ["org/flood", "org/better", "org/verified"]
    assert next(model.name for model in overview.sort_models(models, columns, "h", is_ascending=True)) == "org/flood"


def agreement_rows(badge="verified"):
    first = [row("a", name, 0.5 + n / 20, badge) for n, name in enumerate(NAMES)]
    second = [row("b", name, 0.5 + (n ^ 1) / 20, badge) for n, name in enumerate(NAMES)]
    return [*first, *second]


def test_agreement_is_that_of_the_common_models():
    board = Board(tuple(agreement_rows()), 0.0)
    (agreement,) = overview.measure_agreement(board, overview.collect_models(board))
    assert agreement.correlation.n == 8
    assert agreement.correlation.alike == pytest.approx(24 / 28)
    assert agreement.correlation.value == pytest.approx(1 - 6 * 8 / (8 * 63))
    few = Board(tuple(line for line in board.rows if line.model in NAMES[:4]), 0.0)
    assert overview.measure_agreement(few, overview.collect_models(few)) == []


def test_junk_baselines_and_other_items_do_not_move_an_agreement():
    honest = agreement_rows()
    junk = [row(suite, f"junk/{n}", n / 99 if suite == "a" else 1 - n / 99) for n in range(99) for suite in "ab"]
    baselines = [replace(row(s, f"baseline/{n}", 0.1, "verified"), model_type="Baseline") for n in "xyz" for s in "ab"]
    part = [row(suite, "org/part", 0.1, "verified", ids="part") for suite in "ab"]
    correlations = []
    for rows in (honest, [*honest, *junk, *baselines, *part]):
        board = Board(tuple(rows), 0.0)
        (agreement,) = overview.measure_agreement(board, overview.collect_models(board))
        assert agreement.trusted
        correlations.append(agreement.correlation)
    assert correlations[0] == correlations[1]
    unverified = Board(tuple(agreement_rows("recomputed")), 0.0)
    assert not overview.measure_agreement(unverified, overview.collect_models(unverified))[0].trusted


def add(folder, suite_name, model, share, seed=0, weights="", sections=("Chat", "Safety")):
    """Store a result on a suite; return its key."""
    suite = replace(mirrors(30, sections), name=suite_name)
    item_scores = [ItemScores(item.id, item.scores, tokens=(1, 1)) for item in scores(suite, share, seed)]
    manifest = {"fingerprint_sha256": model, "fingerprint": {"weights": {"commit": weights}}}
    path = LocalStore(folder).put(assemble(suite, model, "Seq. Classifier", item_scores, manifest), suite)
    return Path(path).relative_to(folder).as_posix().removesuffix(".json")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for n, name in enumerate(NAMES):
        for suite in ("first", "second") if n < 6 else ("first",):
            add(folder, suite, name, 0.6 + n / 20, n, COMMIT)
    verify(folder, *NAMES[:6])
    table = folder.parent / "table.json"
    published = {name: {"Score": 0.7, "Chat": 0.7} for name in NAMES[:3]}
    table.write_text(json.dumps({"v1": [[name, "Seq. Classifier", shares] for name, shares in published.items()]}))
    LocalStore(folder).add(read_published(table))
    return Library(str(folder))


def see(library, **query):
    return app.view(library, "?" + urlencode(query))


def names_shown(page):
    return re.findall(r'<th scope="row"><a [^>]*>(org/[^<]*)</a>', page)


def test_the_table_has_a_row_for_each_model_and_a_column_for_each_suite(library):
    page = see(library, view="suites")
    assert sorted(names_shown(page)) == NAMES
    assert set(names_shown(page)[:3]) == set(NAMES[:3]), "models with results on three suites first"
    assert set(names_shown(page)[-2:]) == set(NAMES[6:])
    headers = re.findall(r'<th scope="col" class="num".*?</th>', page, re.DOTALL)
    assert [re.search(r">(\S+)</a>", header)[1] for header in headers] == ["first", "second", "reward-bench"]
    assert "chance 25" in headers[0]
    assert "chance 50" in headers[2]
    assert page.count('title="verified"') == 12
    assert page.count('title="published"') == 3
    assert page.count('title="recomputed"') == 2


def test_the_table_is_sorted_searched_and_scaled_by_address(library):
    page = see(library, view="suites", sort="first")
    assert names_shown(page)[0] == "org/m7"
    assert 'aria-sort="descending"' in page
    assert names_shown(see(library, view="suites", sort="-first"))[0] == "org/m0"
    assert names_shown(see(library, view="suites", q="M3")) == ["org/m3"]
    assert "No model matches" in see(library, view="suites", q="zzz")
    assert re.search(r">\+40</a>\s*<abbr[^>]*published", see(library, view="suites", scale="chance"))


def test_agreement_is_stated_with_its_number_of_models_and_a_plot_on_demand(library):
    page = see(library, view="suites")
    stated = re.search(r"first and second</th>(.*?)</tr>", page, re.DOTALL)[1]
    (agreement,) = library.cached(("agreement", ""), list)
    assert f">{agreement.correlation.n}<" in stated
    assert f"<b>{agreement.correlation.value:.2f}</b>" in stated
    assert f"{100 * agreement.correlation.alike:.0f}%" in stated
    assert "2 pairs of suites have fewer than 5 models in common" in page
    assert "rb-chart" not in page
    plot = see(library, view="suites", x="first", y="second")
    assert plot.count('class="mark"') == 6


def test_a_model_has_a_page_over_all_suites_and_a_section_on_its_pages(library):
    page = see(library, view="model", name="org/m1")
    assert re.findall(r"<th scope=\"row\"><a [^>]*>([^<]*)</a>", page) == ["first", "second", "reward-bench"]
    assert page.count("rb-badge verified") == 2
    key = next(line.key for line in library.board.rows if (line.model, line.suite) == ("org/m1", "first"))
    section = see(library, view="model", model=key).partition("On other suites")[2].partition("</table>")[0]
    assert re.findall(r"<th scope=\"row\"><a [^>]*>([^<]*)</a>", section) == ["second", "reward-bench"]
    assert "On other suites" not in see(library, view="model", model="org/m7")
    assert "No such model" in see(library, view="model", name="org/none")


def test_a_name_with_two_weights_is_listed_apart(tmp_path):
    add(tmp_path, "first", "org/a", 0.8, weights=COMMIT)
    add(tmp_path, "second", "org/a", 0.7, weights=OTHER_COMMIT)
    library = Library(str(tmp_path))
    assert names_shown(see(library, view="suites")) == ["org/a", "org/a"]
    page = see(library, view="model", name="org/a")
    assert "2 models have this name" in page
    assert f"Weights {COMMIT[:8]}" in page


@pytest.mark.parametrize("name", ["q", "sort", "scale", "protocol", "from", "x", "y", "name", "suite"])
@pytest.mark.parametrize("view", ["suites", "model"])
def test_text_of_an_address_is_escaped(library, view, name):
    page = see(library, **{"view": view, "name": "org/m1", name: EVIL})
    assert "<img" not in page
    assert "<script" not in page
    assert "${" not in page
    assert "{{" not in page


def test_text_of_results_is_escaped(tmp_path):
    for number, suite in enumerate((EVIL, f"{EVIL}2")):
        for n in range(6):
            path = tmp_path / f"{add(tmp_path, 'first', f'org/m{n}-{number}', 0.5 + n / 20, n)}.json"
            summary = json.loads(path.read_bytes()) | {"suite": suite, "model": f"{EVIL}{n}", "date": EVIL}
            path.write_text(json.dumps(summary))
    library = Library(str(tmp_path))
    assert len(library.board.rows) == 12
    for query in ({"view": "suites", "x": EVIL, "y": f"{EVIL}2"}, {"view": "model", "name": f"{EVIL}1"}):
        page = see(library, **query)
        assert "<img" not in page
        assert "<script" not in page
        assert "${" not in page
        assert "rb-figures" in page


def test_a_thousand_models_on_eight_suites_are_paged_in_half_a_second(tmp_path):
    """Timed by processor time, which a busy machine moves little."""
    rows = []
    for n in range(1_000):
        for suite in "abcdefgh"[: 1 + n % 8]:
            value = 0.3 + (n * 7 % 500) / 1_000 + 0.1 * ((n * 13 + ord(suite) * 31) % 100) / 100
            rows.append(row(suite, f"org{n % 40}/model-{n:04}", value, ("verified", "recomputed")[n % 2]))
    library = Library(str(tmp_path))
    library.board = Board(tuple(rows), time.time())
    see(library, view="suites")
    for query in ({}, {"sort": "a"}, {"q": "model-05"}, {"from": "300"}, {"x": "a", "y": "b"}):
        start = time.process_time()
        page = see(library, view="suites", **query)
        assert time.process_time() - start < 0.5
        assert len(page) < 500_000
    assert page.count('<th scope="row"><a') >= 100
    assert "901 to 1000 shown" in see(library, view="suites", **{"from": "999999"})
