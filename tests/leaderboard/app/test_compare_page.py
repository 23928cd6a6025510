"""Compare up to five models: which are chosen, what is shown for each case, and that figures are those of `compare`."""

import re
import time
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from synthetic import mirrors, scores, store

pytest.importorskip("gradio")

from rewardbench.comparison.compare import compare
from rewardbench.comparison.several import compare_all
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.results import assemble
from rewardbench.store import LocalStore

SUITE = mirrors(60)
SHARES = {"org/a": 0.95, "org/b": 0.9, "org/c": 0.85, "org/d": 0.7, "org/e": 0.6, "org/f": 0.55}
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>${3}{{4}}'


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for n, (name, share) in enumerate(SHARES.items()):
        store(folder, SUITE, scores(SUITE, share, n), name)
    other = replace(SUITE, name="other")
    for n, name in enumerate(("org/a", "org/b")):
        store(folder, other, scores(other, 0.8, n + 20), name)
    return Library(str(folder))


def see(library, *models, **query):
    return app.view(library, "?" + urlencode({"view": "compare", "m": models, **query}, doseq=True))


def text_of(page):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def matrix(page):
    """Return the text of the cells of the head-to-head matrix, by row."""
    body = page.partition("rb-matrix")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [text_of(cell) for cell in re.findall(r"<td.*?</td>", line, re.DOTALL)] for line in body.split("</tr>")[:-1]
    ]


def test_five_models_have_intervals_by_section_and_a_matrix_of_all_pairs(library):
    names = list(SHARES)[:5]
    page = see(library, *names)
    table = page.partition("Scores by section")[2].partition("</table>")[0]
    for name in names:
        assert f">{name}</a>" in page
        row = library.row(name)
        for figure in (*row.sections, row.score):
            limits = f"{100 * figure.low:.1f}–{100 * figure.high:.1f}"
            assert f'<b>{100 * figure.value:.1f}</b> <span class="rb-dim">{limits}</span>' in table
    assert page.count('class="whisker"') == 15
    cells = matrix(page)
    pairs = compare_all([library.items(library.row(name)) for name in names], "mirror")
    for pair in pairs:
        score = pair.score
        wins = f"{score.losses} wins, {score.wins} losses"
        assert cells[pair.first][pair.second].startswith(f"{-100 * score.difference:+.1f}")
        assert wins in cells[pair.first][pair.second]
        assert cells[pair.second][pair.first].startswith(f"{100 * score.difference:+.1f}")
        assert ("*" in cells[pair.first][pair.second]) == (score.adjusted < 0.05)
    assert "Holm's correction over the 10 pairs shown" in text_of(page)
    worse = [names[pair.second] for pair in pairs if pair.first == 0 and pair.score.adjusted < 0.05]
    assert len(worse) > 1
    verdict = f"org/a is significantly better than {' , '.join(worse[:-1])} and {worse[-1]} ."
    assert verdict in text_of(page)
    assert "Disagreements" not in page


def test_two_models_have_the_detailed_page_at_both_forms_of_address(library):
    page = see(library, "org/e", "org/a")
    assert "is better than" in page
    assert "Disagreements" in page
    assert "only org/a is correct" in page
    assert page.count('class="whisker"') == 6
    earlier = app.view(library, "?view=compare&a=org/e&b=org/a")
    assert earlier == page
    difference = compare(library.items(library.row("org/e")), library.items(library.row("org/a"))).score.difference
    assert f"{100 * difference:+.1f}" in page


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ((), "Choose two to 5 models."),
        (("org/a",), "Choose a model to compare org/a with."),
        (("org/a", "org/a"), "org/a is chosen twice: choose another model."),
        (("org/a", "org/zzz"), "toy has no model named org/zzz with per-item scores."),
        (("org/a", "ORG/B"), "Similar names: org/b ."),
        (tuple(SHARES), "Up to 5 models can be compared: these are the first 5."),
    ],
)
def test_a_choice_that_is_not_complete_says_what_to_do(library, models, message):
    page = see(library, *models)
    assert message in text_of(page)
    assert page.count('name="m"') == 5, "the form remains"


def test_a_repeated_or_unknown_model_does_not_hide_the_others(library):
    page = see(library, "org/a", "org/a", "org/zzz", "org/d", "org/e")
    assert len(matrix(page)) == 3
    assert "chosen twice" in page
    assert "no model named" in page


def test_the_form_offers_every_model_by_name_and_keeps_the_choice(library):
    page = see(library, "org/c", "org/d")
    offered = re.findall(r'<option value="(org/[^"]*)"></option>', page)
    assert sorted(offered) == sorted(SHARES)
    assert re.findall(r'name="m" list="rb-names" value="([^"]*)"', page) == ["org/c", "org/d", "", "", ""]
    assert '<form class="rb-form rb-models" method="get"' in page


def test_the_suite_can_be_changed_and_keeps_the_models(library):
    page = see(library, "org/a", "org/b", suite="other")
    assert "is better than" in page or "No significant difference" in page
    assert re.findall(r'<option value="(other|toy)" selected', page) == ["other"]
    key = next(row.key for row in library.board.rows if (row.suite, row.model) == ("other", "org/a"))
    assert key != "org/a"
    assert 'value="other" selected' in see(library, key, "org/b"), "the suite of the first model"
    back = re.search(r'data-go="([^"]*)" data-name="suite"', page)[1]
    assert dict(parse_qsl(unescape(back)[1:]))["view"] == "compare"


def test_a_suite_with_totals_only_keeps_its_choice_of_suites(library, tmp_path):
    import json

    from rewardbench.leaderboard.submissions.published import read_published

    table = tmp_path / "table.json"
    table.write_text(json.dumps({"v1": [[name, "DPO", {"Score": 0.7, "Chat": 0.7}] for name in ("x/a", "x/b")]}))
    for n in range(2):
        store(tmp_path / "results", SUITE, scores(SUITE, 0.8, n), f"org/m{n}")
    LocalStore(tmp_path / "results").add(read_published(table))
    page = see(Library(str(tmp_path / "results")), suite="reward-bench")
    assert "published totals only" in page
    offered = re.findall(r'<option value="([^"]+)"', page.partition("</form>")[0])
    assert sorted(offered) == ["reward-bench", "toy"]


def test_results_of_other_items_are_not_compared(tmp_path):
    for n, count in enumerate((60, 60, 50)):
        suite = mirrors(count, revision=f"r{count}")
        store(tmp_path, suite, scores(suite, 0.8, n), f"org/m{n}")
    page = see(Library(str(tmp_path)), "org/m0", "org/m2")
    assert "org/m0 and org/m2 were scored on different items (revisions r60 and r50)" in text_of(page)
    assert str(tmp_path) not in page


def test_a_name_of_two_results_is_chosen_by_key(tmp_path):
    for n, fingerprint in enumerate(("1", "2", "3")):
        manifest = {"fingerprint_sha256": fingerprint}
        item_scores = scores(SUITE, 0.9 - n / 10, n)
        LocalStore(tmp_path).put(assemble(SUITE, "org/same", "DPO", item_scores, manifest), SUITE)
    library = Library(str(tmp_path))
    keys = sorted(row.key for row in library.board.rows)
    page = see(library, *keys)
    assert len(keys) == len(matrix(page)) == 3
    assert sorted(re.findall(r'<option value="(org/[^"]*)"></option>', page)) == keys


@pytest.mark.parametrize("name", ["m", "a", "b", "suite", "metric", "markdown"])
def test_text_of_an_address_is_escaped(library, name):
    page = app.view(library, "?" + urlencode({"view": "compare", "m": ["org/a", EVIL], name: EVIL}, doseq=True))
    for mark in ("<img", "<script", "${", "{{"):
        assert mark not in page


def test_a_comparison_is_computed_once_for_the_rows_of_a_store(library):
    see(library, "org/b", "org/c", "org/d")
    start = time.process_time()
    see(library, "org/b", "org/c", "org/d")
    assert time.process_time() - start < 0.1


def test_comparisons_do_not_remove_a_page_that_is_in_use(library):
    made = []
    for n in range(100):
        library.cached(("page",), lambda: made.append(1) or "page")
        library.cached(("other", n), lambda: "other")
    assert len(made) == 1
    assert library._making == {}


def test_the_form_of_a_thousand_models_is_small_and_quick(tmp_path):
    """Timed by processor time, which a busy machine moves little."""
    (key,) = {Path(store(tmp_path, SUITE, scores(SUITE, 0.8), "org/m")).stem}
    library = Library(str(tmp_path))
    (row,) = library.board.rows
    rows = [replace(row, key=f"org{n % 40}/model-{n:04}", model=f"org{n % 40}/model-{n:04}") for n in range(1_000)]
    library.board = replace(library.board, rows=(row, *rows))
    start = time.process_time()
    page = see(library, key, "org7/model-0007")
    assert time.process_time() - start < 0.5
    assert page.count("<option") >= 1_000
    assert len(page) < 200_000
