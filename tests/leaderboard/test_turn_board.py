"""Test that a board is sorted by turn accuracy, that figures are recomputed, and that old revisions are not ranked."""

import json
import random
from dataclasses import replace

import pytest
from groups import mirror, scored, suite_of
from submissions import result, write
from synthetic import changed, mirrors, scores, store, verify

pytest.importorskip("gradio")

from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app import tables
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions import check, read_submission
from rewardbench.leaderboard.submissions.checks import verdict_of
from rewardbench.store import LocalStore
from rewardbench.suites import load_suite
from rewardbench.types import ItemScores, Rule

NAMES = [(subset, rung, n) for subset in ("rules", "scopes") for rung in (1, 2) for n in range(40)]
SUITE = suite_of(
    *(mirror(f"{subset}-{rung}-{n}", subset, rung=rung) for subset, rung, n in NAMES),
    rules={"rules": Rule("Instructions", weight=1.0), "scopes": Rule("Instructions", weight=1.0)},
    breakdowns={"rung": "mirror"},
)


def learned(prompt, response):
    """Read the prompt of most mirrors, and prefer short responses more than that."""
    reads = not prompt.endswith(("1", "2"))
    return float(reads and ("no" in response) == prompt.startswith("isn't")) - len(response)


def drawn(suite, seed=0):
    chance = random.Random(seed)
    item_scores = []
    for item in suite.items:
        item_scores.append(ItemScores(item.id, tuple(chance.random() for _ in item.completions)))
    return item_scores


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Store a model that reads the prompt with a strong bias, coin flips, and a rule that prefers short responses."""
    path = tmp_path_factory.mktemp("results")
    store(path, SUITE, scored(SUITE, learned), "org/learned")
    store(path, SUITE, drawn(SUITE), "org/random")
    store(path, SUITE, scored(SUITE, lambda prompt, response: -len(response)), "org/shortest")
    verify(path)
    return path


def test_random_is_not_above_a_model_that_reads_the_prompt(folder):
    rows = refresh(LocalStore(folder)).of("made")
    assert [row.model for row in rows] == ["org/learned", *sorted(("org/random", "org/shortest"), key=_turn_of(rows))]
    by_model = {row.model: row for row in rows}
    assert by_model["org/random"].score.value > by_model["org/learned"].score.value == 0
    assert by_model["org/shortest"].turn.value == 0.5
    assert by_model["org/learned"].turn.value == 0.9
    ranges = {"org/learned": (1, 1), "org/random": (2, 3), "org/shortest": (2, 3)}
    assert {row.model: row.rank_range for row in rows} == ranges


def _turn_of(rows):
    turns = {row.model: row.turn.value for row in rows}
    return lambda model: -turns[model]


def test_the_index_keeps_turn_accuracy_and_breakdowns(folder):
    first = refresh(LocalStore(folder))
    again = refresh(LocalStore(folder), lambda key, total: pytest.fail("it reads the result again"))
    assert again.rows == first.rows
    row = next(row for row in again.rows if row.model == "org/learned")
    assert [figure.name for figure in row.turns] == ["score", "Instructions"]
    assert {figure.name: figure.value for figure in row.breakdowns}["rules/rung.1"] == 0
    assert row.turn.low < 0.9 < row.turn.high


def test_pages_show_turn_accuracy_and_rank_by_it(folder):
    library = Library(str(folder))
    board = " ".join(app.view(library, "?suite=made").split())
    assert "counts if the preference turns with the prompt: guessing gets 50." in board
    assert "ignoring the prompt gives exactly 50" in board
    assert board.index("org/learned") < board.index("org/random")
    rows = library.rows().of("made")
    names = [column.name for column in tables.columns(rows)]
    assert names[:4] == ["Rank", "Model", "Turn", "Score"]
    assert tables.cell_text(rows[0], "Turn") == "90.0"
    model = app.view(library, "?view=model&suite=made&model=org%2Flearned")
    assert "Turn accuracy" in model
    assert "reach" in model
    assert "exactly 50" in app.view(library, "?view=suite&suite=made")


def test_boards_without_turn_accuracy_have_no_column(tmp_path):
    suite = mirrors(10)
    store(tmp_path, suite, scores(suite, 0.6), "org/a")
    rows = refresh(LocalStore(tmp_path)).of("toy")
    assert rows[0].turn is None
    assert "Turn" not in [column.name for column in tables.columns(rows)]


def test_a_stated_turn_accuracy_is_not_shown(folder, tmp_path):
    """It is recomputed from the rows."""
    path = store(tmp_path, SUITE, scored(SUITE, learned), "org/liar")
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(changed(summary, ("turn", "score", "value"), 1.0)))
    assert refresh(LocalStore(tmp_path)).of("made")[0].turn.value == 0.9


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("turn", "score", "value"), 0.99),
        (("turn", "Instructions", "low"), 0.99),
        (("turn", "score", "name"), "other"),
        (("turn",), {}),
        (("breakdowns", "rung.1", "value"), 0.99),
        (("breakdowns",), {}),
        (("reach", "rules"), 4),
        (("reach",), {"rules": 1, "more": 1}),
        (("mirror_subsets", 0, "value"), 0.99),
    ],
)
def test_an_edited_turn_accuracy_or_breakdown_is_refused(tmp_path, where, value):
    summary, rows = result(suite=SUITE)
    assert check(read_submission(write(tmp_path, summary, rows)), SUITE) == []
    findings = check(read_submission(write(tmp_path, changed(summary, where, value), rows)), SUITE)
    assert verdict_of(findings) == "refused"
    assert "the items give" in findings[0].message


@pytest.mark.parametrize("value", [7, [1], {"score": 7}, {"score": {"name": "score"}}, {"a": None}])
@pytest.mark.parametrize("name", ["turn", "breakdowns", "reach"])
def test_a_malformed_field_is_refused(tmp_path, name, value):
    summary, rows = result(suite=SUITE)
    findings = check(read_submission(write(tmp_path, {**summary, name: value}, rows)), SUITE)
    assert verdict_of(findings) == "refused"


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory):
    """Store a result of an earlier core, with a high score, and one of this core."""
    path = tmp_path_factory.mktemp("versions")
    core = load_suite("core")
    old = mirrors(30, ("Chat", "Safety"), revision="1.0.1+bb875906055a")
    old = replace(old, name="core")
    store(path, core, drawn(core), "org/new")
    store(path, core, drawn(core, 1), "org/newer")
    for n in range(4):
        store(path, old, scores(old, 0.99, n), f"org/old-{n}")
    verify(path)
    return path


def test_results_of_an_earlier_core_are_readable_but_not_ranked(two_versions):
    rows = {row.model: row for row in refresh(LocalStore(two_versions)).of("core")}
    assert (rows["org/new"].rank_range, rows["org/newer"].rank_range) == ((1, 2), (1, 2))
    for n in range(4):
        row = rows[f"org/old-{n}"]
        assert (row.rank_range, row.turn, row.revision) == (None, None, "1.0.1+bb875906055a")
        assert row.score.value > 0.9
        assert "another revision" in row.note


def test_the_page_lists_earlier_revisions_apart(two_versions):
    library = Library(str(two_versions))
    page = app.view(library, "?suite=core")
    table, _, others = page.partition("Other revisions")
    assert "org/new" in table
    assert "org/old-0" not in table
    assert "org/old-0" in others
    assert "1.0.1" in others
    assert "not ranked" in others
    model = app.view(library, "?view=model&suite=core&model=org%2Fold-0")
    assert "none (not verified)" in model


def test_a_store_of_earlier_results_alone_is_a_board_of_them(tmp_path):
    old = replace(mirrors(30, revision="1.0.1+bb875906055a"), name="core")
    for n, share in enumerate((0.6, 0.9)):
        store(tmp_path, old, scores(old, share, n), f"org/old-{n}")
    library = Library(str(tmp_path))
    assert [row.model for row in library.rows().of("core")] == ["org/old-1", "org/old-0"]
    page = app.view(library, "?suite=core")
    assert page.index("org/old-1") < page.index("org/old-0")
    assert "Other revisions" not in page
    assert "Turn accuracy" not in page


def test_results_of_two_revisions_are_not_compared_on_the_page(two_versions):
    library = Library(str(two_versions))
    page = app.view(library, "?view=compare&suite=core&a=org%2Fold-0&b=org%2Fnew")
    assert "rb-figures" not in page


def test_a_submission_of_an_earlier_core_is_refused(tmp_path):
    old = replace(mirrors(4, revision="1.0.1+bb875906055a"), name="core")
    summary, rows = result(suite=old)
    (finding,) = check(read_submission(write(tmp_path, summary, rows)), load_suite("core"))
    assert finding.kind == "refused"
    assert "it is of core@1.0.1+bb875906055a, but the current revision is 2" in finding.message
