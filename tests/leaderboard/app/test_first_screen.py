"""Test what the first screen shows, without a browser: groups of rows, the line of chance, scales, and its size."""

import random
import re
import time

import pytest
from groups import mirror, square, styled, suite_of
from synthetic import singles

pytest.importorskip("gradio")

from rewardbench.leaderboard.app import board_lines, board_page, charts, tables
from rewardbench.leaderboard.app.chance import expected_figures, guessing_on
from rewardbench.leaderboard.app.scales import choose_scale, scales_of
from rewardbench.leaderboard.types import Board, Figure, LeaderboardRow
from rewardbench.metrics import measure
from rewardbench.types import ItemScores

SECTIONS = ("Chat", "Safety")


def row(model, turn=0.6, suite="made", **changes):
    figure = Figure("score", turn, turn - 0.05, turn + 0.05, 100)
    values = {
        "key": model, "mark": "1", "model": model, "model_type": "Seq. Classifier", "suite": suite, "revision": "r",
        "ids": "x", "metric": "mirror", "score": figure, "gap": (), "badge": "recomputed",
        "sections": tuple(Figure(name, turn) for name in SECTIONS), "subsets": (Figure("facts", 0.7),),
        "turns": (figure, *(Figure(name, turn) for name in SECTIONS)),
    }  # fmt: skip
    return LeaderboardRow(**{**values, **changes})


def board(*rows):
    return Board(rows, time.time())


def groups(rows, scale=None, selected=""):
    shown = board(*rows)
    ordered = shown.of(rows[0].suite)
    chosen = choose_scale(scales_of(ordered, rows[0].suite), scale or "")
    columns = tables.columns(ordered, False, chosen)
    return {group.name: group for group in board_lines.group_lines(ordered, columns, chosen, selected)}


def keys(group):
    return [line.row.key for line in group.lines]


ROWS = [
    row("org/good", 0.8, badge="verified", rank_range=(1, 1)),
    row("org/poor", 0.4, badge="verified", rank_range=(2, 2)),
    row("org/open", 0.9),
    row("org/toy", 0.7, parameters=10**6, badge="verified", rank_range=(1, 2)),
    row("baseline/random", 0.5, model_type="Baseline"),
]


def test_verified_models_come_first_and_toys_and_baselines_are_folded():
    shown = groups(ROWS)
    assert {name: keys(group) for name, group in shown.items()} == {
        "verified": ["org/good", "org/poor"],
        "open": ["org/open"],
        "toys": ["org/toy"],
        "baselines": ["baseline/random"],
    }
    assert [name for name, group in shown.items() if group.is_closed] == ["toys", "baselines"]
    assert shown["open"].heading == "Not verified yet"
    assert shown["verified"].heading == ""
    assert not groups(ROWS, selected="org/toy")["toys"].is_closed, "a link to a row opens its group"
    assert not groups(ROWS[3:])["toys"].is_folded, "there are no other models"


def test_the_line_of_chance_is_between_the_rows_above_and_below_it():
    shown = groups(ROWS)
    assert {name: group.above_chance for name, group in shown.items()} == {
        "verified": 1,
        "open": None,
        "toys": None,
        "baselines": None,
    }
    assert groups([*ROWS, row("org/bad", 0.3)])["open"].above_chance == 1, "a row of the group is below chance"
    assert groups(ROWS[2:])["open"].above_chance == 1, "no other group has the line"
    assert groups(ROWS, "mirror")["verified"].above_chance == 2, "chance is 25 there"
    assert groups(ROWS, "above")["verified"].above_chance == 1
    page = board_page.build_page(board(*ROWS), "made", {}).body
    assert page.count("chance 50: coin flips") == 1
    lines = re.findall(r'<tr (?:data-key="([^"]+)"|class="(rb-chance)")', page)
    assert [key or name for key, name in lines][:4] == ["org/good", "rb-chance", "org/poor", "org/open"]


def test_pairs_whose_items_are_unknown_have_no_line():
    rows = [row("org/a", metric="pair", turns=(), suite="own")]
    assert groups(rows)["open"].above_chance is None
    assert "guessing" not in board_page.build_page(board(*rows), "own", {}).body.partition("rb-meanings")[0]


def test_a_published_table_has_its_own_chance():
    rows = [row("org/a", 0.5, metric="pair", turns=(), suite="reward-bench-2", ids="", badge="published")]
    page = board_page.build_page(board(*rows), "reward-bench-2", {}).body
    assert "guessing gets 25." in page
    assert "chance 25: random picks" in page


def test_the_page_opens_on_the_suite_with_most_real_models():
    toys = [row(f"org/toy-{n}", suite="small", parameters=10**6) for n in range(5)]
    baselines = [row(f"baseline/{n}", suite="small", model_type="Baseline") for n in range(5)]
    models = [row(f"org/m{n}", suite=suite) for suite in ("core", "a-suite") for n in range(2)]
    shown = board(*toys, *baselines, *models)
    assert board_page.count_models(shown) == {"core": 2, "a-suite": 2, "small": 0}
    assert board_page.first_suite(shown) == "core"
    assert board_page.first_suite(board(*toys, *baselines)) == "small"
    assert board_page.first_suite(board()) == ""


def test_above_chance_is_0_for_guessing_and_100_for_all_right():
    scales = scales_of(ROWS, "made")
    assert [scale.name for scale in scales] == ["turn", "mirror", "above"]
    above = scales[-1]
    totals = [round(above.total(row("a", share)).value, 9) for share in (0.0, 0.5, 0.75, 1.0)]
    assert totals == [-1.0, 0.0, 0.5, 1.0]
    assert above.chance("score") == 0.0
    assert above.total(ROWS[0]).low == pytest.approx(0.5)
    assert above.section(ROWS[0], "Chat").value == pytest.approx(0.6)
    assert above.section(ROWS[0], "facts") is None, "what guessing gets on this subset is unknown"
    assert scales[0].section(ROWS[0], "facts").value == 0.7


SUITES = {
    "mirrors": suite_of(*(mirror(f"m{n}") for n in range(8))),
    "squares": suite_of(*(square(f"s{n}") for n in range(8))),
    "both": suite_of(*(mirror(f"m{n}") for n in range(5)), *(square(f"s{n}") for n in range(3))),
    "pairs": singles(12),
}


@pytest.mark.parametrize("name", SUITES)
def test_guessing_gets_what_random_scores_get(name):
    suite = SUITES[name]
    chance = random.Random(0)
    metrics = ["pair"] if name == "pairs" else ["pair", "mirror", "turn"]
    totals = {metric: [] for metric in metrics}
    for _ in range(400):
        scored = [ItemScores(i.id, tuple(chance.random() for _ in i.completions)) for i in suite.items]
        measured = measure(suite, scored)
        for metric in metrics:
            totals[metric].append(measured.total(metric).value)
    guessing = expected_figures(suite)
    for metric, values in totals.items():
        mean = sum(values) / len(values)
        deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        assert abs(mean - guessing.of(metric, "score")) <= 4 * deviation / len(values) ** 0.5 + 1e-9, metric


def test_guessing_on_the_suites_of_the_package():
    assert guessing_on("core").of("mirror", "score") == guessing_on("core").of("mirror", "Chat") == 0.25
    assert guessing_on("core").of("mirror", "Ties") is None, "its rule is its own"
    assert expected_figures(suite_of(styled("a"))).of("mirror", "score") == 2**-32
    assert guessing_on("reward-bench-2").of("pair", "Ties") is None
    assert guessing_on("reward-bench").of("pair", "Chat Hard") == 0.5
    assert guessing_on("any/data").of("pair", "score") is None


def test_names_of_columns_cannot_leave_their_style_sheet():
    evil = '"}</style><script>alert(1)</script>'
    page = board_page.build_page(board(row("a", turns=(), sections=(Figure(evil, 0.5),))), "made", {}).body
    assert "<script" not in page
    sheet = page.partition("<style>")[2].partition("</style>")[0]
    assert r"\3c \2f style\3e " in sheet
    assert sheet.count("{") == sheet.count("}")


def test_a_page_of_a_thousand_models_is_below_a_megabyte():
    rows = []
    for n in range(1000):
        sections = tuple(Figure(f"Section {m}", 0.5) for m in range(6))
        facts = {"parameters": 10 ** (7 + n % 5), "license": "apache-2.0", "date": "2026-11-28", "sections": sections}
        rows.append(row(f"org{n % 40}/a-model-{n:04}", n / 1000, turns=(), **facts))
    page = board_page.build_page(board(*rows), "made", {})
    assert page.body.count("<tr data-key") == 1000
    assert len(page.body.encode()) < 10**6


def test_a_chart_of_many_points_has_small_marks_and_a_shape_for_each_kind():
    kinds = ("DPO", "Seq. Classifier", "Generative RM")
    points = []
    for n in range(1000):
        points.append(charts.Point(10.0 ** (6 + n % 6), n / 10, n / 10, n / 10, f"m{n}", "?", kind=kinds[n % 3]))
    x = charts.logarithmic("Parameters", 1e6, 1e12, str)
    y = charts.linear("Score", 0, 100, str)
    many, few = charts.scatter(points, x, y, "all"), charts.scatter(points[:100], x, y, "some")
    assert 'class="rb-chart many"' in many
    assert "scale(.7)" in many
    assert 'class="rb-chart"' in few
    shapes = charts.shapes_of(points)
    assert len(set(shapes.values())) == 3
    assert [many.count(f'class="mark" d="{shape}"') for shape in shapes.values()] == [334, 333, 333]
    assert len(set(charts.shapes_of([charts.Point(1, 1, 1, 1, "", "", kind=str(n)) for n in range(9)]).values())) == 6
