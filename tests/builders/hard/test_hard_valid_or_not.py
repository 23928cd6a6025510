"""Test the derivations: polynomials, gaps by hand, every argument of the table, labels, and planted slips."""

from dataclasses import replace

import pytest
from hard_mirrors import assert_both_programs_agree, cell_outcomes, cells_of, draw_mirrors

from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.valid_or_not import Lemma, _texts
from rewardbench.builders.templates.hard.valid_or_not.conditions import draw_license
from rewardbench.builders.templates.hard.valid_or_not.polynomials import to_terms
from rewardbench.verifiers.hard.valid_or_not import unsound_lines
from rewardbench.verifiers.hard.valid_or_not_second import _gaps

NAMES = {"x": "a", "y": "b", "z": "c"}
LEMMAS = [Lemma(**fields, names=NAMES) for fields in _texts()[0]]


def gaps(data, lines):
    """Return the gaps that the first and the second program find."""
    first = unsound_lines(-9, 9, list(map(to_terms, data)), list(map(to_terms, lines)))
    listing = [f"(G{n}) {text}" for n, text in enumerate(data, 1)] + [
        f"{n}. So {text}" for n, text in enumerate(lines, 1)
    ]
    second = _gaps("\n".join(["whole numbers from −9 to 9", *listing]))
    assert first == second
    return first


@pytest.mark.parametrize(
    ("statement", "terms"),
    [
        ("(a − b)(a + b) = 0", ["=", 0, {"aa": 1, "bb": -1}]),
        ("2ab² − 3 < a³", ["<", 0, {"abb": 2, "": -3, "aaa": -1}]),
        ("a² − 1 = (a − 1)(a + 1)", ["=", 0, {}]),
        ("6 divides c(a + 2)", ["divides", 6, {"ac": 1, "c": 2}]),
    ],
)
def test_statements_become_polynomials(statement, terms):
    assert to_terms(statement) == terms


@pytest.mark.parametrize(
    ("data", "lines", "expected"),
    [
        (["ab = 0"], ["a = 0"], [1]),
        (["ab = 0", "b > 0"], ["a = 0", "a² = 0"], []),
        (["a² = 4"], ["a is even", "a = 2", "a > 0"], [2]),
        (["a < b", "d ≠ 0"], ["a² < b²", "2d ≠ 0", "d > 0"], [1, 3]),
        (["2 divides a"], ["4 divides a²", "4 divides a", "8 divides a³"], [2]),
    ],
)
def test_gaps_by_hand(data, lines, expected):
    assert gaps(data, lines) == expected


@pytest.mark.parametrize("lemma", LEMMAS, ids=lambda lemma: lemma.move)
def test_each_argument_holds_with_enough_and_fails_where_it_should_without(lemma):
    lines = list(map(lemma.rename, lemma.lines))
    enough = [*lemma.data, lemma.enough] if lemma.enough else lemma.data
    assert gaps(list(map(lemma.rename, enough)), lines) == []
    if lemma.short:
        assert gaps(list(map(lemma.rename, [*lemma.data, lemma.short])), lines) == [lemma.delicate]


def test_a_drawn_license_takes_both_assumptions():
    """Neither licenses the line, both do, and the weaker second one does not."""
    data, line = ["x² > y²"], "x > y"
    license_pair = next(filter(None, (draw_license(Rng(f"{n}"), "xy", data, line) for n in range(9))))
    first, enough, short = license_pair.first, license_pair.enough, license_pair.short
    results = []
    for extra in ([first], [enough], [first, enough], [first, short]):
        statements = [text.translate(str.maketrans(NAMES)) for text in [*data, *extra, line]]
        results.append(gaps(statements[:-1], statements[-1:]))
    assert results == [[1], [1], [], [1]]


def test_both_programs_agree_at_all_rungs():
    assert_both_programs_agree("valid-or-not", 8)


def test_the_second_program_reads_the_prompt():
    for mirror in draw_mirrors("valid-or-not", range(3)):
        _, wrong, *_ = cells_of(mirror)
        other = {**mirror.check["b"], "kind": "valid-or-not"}
        assert cell_outcomes(replace(wrong, check=other)) == ("pass", "fail")


def test_another_line_is_wrong_for_both_programs():
    """Of the responses that name a line, the right one with another line in its last paragraph."""
    for mirror in draw_mirrors("valid-or-not", (0, 1, 4, 5)):
        for cell in cells_of(mirror):
            *above, last = cell.response.split("\n\n")
            number = next(word.strip(",.") for word in last.split() if word.strip(",.").isdigit())
            slip = "\n\n".join([*above, last.replace(number, "1" if number != "1" else "2", 1)])
            if cell.right and ("doesn't" in above[0] or "but one" in above[0]):
                assert cell_outcomes(replace(cell, response=slip)) == ("fail", "fail")


def test_what_is_not_an_answer_is_an_error():
    cell = cells_of(draw_mirrors("valid-or-not", [0])[0])[0]
    first, second = cell_outcomes(replace(cell, response="I wonder.", prompt="What?"))
    assert "breaks" in first
    assert "breaks" in second


def test_size_grows_with_the_rung():
    counts = [len(mirror.check["a"]["lines"]) for mirror in draw_mirrors("valid-or-not", range(4))]
    assert counts == sorted(counts)
    assert counts[3] > 5 * counts[0]
