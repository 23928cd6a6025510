"""Test derivations and arguments: polynomials, gaps and truth tables by hand, labels, and planted slips."""

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest
from hard_mirrors import assert_both_programs_agree, cell_outcomes, cells_of, draw_mirrors

from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.templates.hard.valid_or_not.derivations import Lemma, _texts
from rewardbench.builders.templates.hard.valid_or_not.polynomials import to_terms
from rewardbench.builders.templates.hard.valid_or_not.premises import draw_premises
from rewardbench.verifiers.hard.truth_table import follows
from rewardbench.verifiers.hard.valid_or_not import unsound_lines
from rewardbench.verifiers.hard.valid_or_not_search import argument_is_valid
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


EXACTLY_TWO = ("Of Ana, Bo and Chen, exactly two come.", [["Ana", "Bo", "Chen"], [2]])
ODD = ("An odd number of Ana, Chen and Dina come.", [["Ana", "Chen", "Dina"], [1, 3]])
AT_MOST_ONE = ("At most one of Bo, Chen and Dina come.", [["Bo", "Chen", "Dina"], [0, 1]])
CASE = ("If Ana comes and Bo stays away, then Dina stays away.", [["-Ana", "Bo", "-Dina"], [1, 2, 3]])
DENIAL = ("It can't be that Ana comes, Bo comes and Dina stays away all at once.", [["-Ana", "-Bo", "Dina"], [1, 2, 3]])
CHOICE = ("If Dina stays away, then Chen comes or Ana stays away.", [["Dina", "Chen", "-Ana"], [1, 2, 3]])


@pytest.mark.parametrize(
    ("premises", "conclusion", "expected"),
    [
        ((EXACTLY_TWO, AT_MOST_ONE), "Ana", True),
        ((EXACTLY_TWO, AT_MOST_ONE), "Bo", False),
        ((EXACTLY_TWO, AT_MOST_ONE), "-Dina", True),
        ((EXACTLY_TWO, AT_MOST_ONE, DENIAL), "Chen", True),
        ((EXACTLY_TWO, ODD), "Bo", False),
        ((EXACTLY_TWO, ODD, CASE), "Bo", True),
        ((EXACTLY_TWO, ODD, CHOICE), "Chen", True),
        ((EXACTLY_TWO, CASE, CHOICE), "Chen", False),
    ],
)
def test_arguments_by_hand(premises, conclusion, expected):
    sentences, statements = zip(*premises, strict=True)
    assert argument_outcomes(sentences, statements, conclusion) == (expected, expected)


def argument_outcomes(sentences, statements, conclusion):
    """Return whether the conclusion follows, for the first and the second program."""
    claim = f"{conclusion.lstrip('-')} {'stays away' if conclusion.startswith('-') else 'comes'}"
    prompt = "\n".join([*map("- {}".format, sentences), f"Conclusion: {claim}."])
    return follows(list(statements), conclusion), argument_is_valid(prompt, "comes", "stays away")


def test_arguments_equal_brute_force():
    """On nine names, with premises as the builder draws them."""
    verdicts = Counter()
    names = ["Ana", "Bo", "Chen", "Dina", "Emeka", "Farah", "Goran", "Hana", "Ivo"]
    for n in range(24):
        try:
            pair = draw_premises(Rng(f"{n}"), names, (4, 5), 0.4)
        except Resample:
            continue
        for premises in (pair.valid, pair.invalid):
            statements = [premise.to_json() for premise in premises]
            worlds = [dict(zip(names, values, strict=True)) for values in product((False, True), repeat=len(names))]
            possible = [world for world in worlds if all(holds(world, *statement) for statement in statements)]
            is_valid = all(holds(world, [pair.conclusion], [1]) for world in possible)
            assert follows(statements, pair.conclusion) is is_valid is (premises is pair.valid)
            verdicts[is_valid] += 1
    assert verdicts[True] == verdicts[False] > 9


def holds(world, literals, counts):
    """Return True if the number of true literals is one of the counts."""
    return sum(world[literal.lstrip("-")] != literal.startswith("-") for literal in literals) in counts


def test_the_wrong_verdict_on_an_argument_fails_both_programs():
    for mirror in draw_mirrors("valid-or-not", (2, 6)):
        for cell in cells_of(mirror):
            assert cell_outcomes(cell) == (("pass", "pass") if cell.right else ("fail", "fail"))
            vague = replace(cell, response="Hard to say.")
            assert all("breaks" in outcome for outcome in cell_outcomes(vague))


def test_both_programs_agree_at_all_rungs():
    assert_both_programs_agree("valid-or-not", 8)


def test_the_second_program_reads_the_prompt():
    for mirror in draw_mirrors("valid-or-not", range(4)):
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
    checks = [mirror.check["a"] for mirror in draw_mirrors("valid-or-not", range(4))]
    assert 2 * len(checks[0]["lines"]) <= len(checks[1]["lines"])
    names = []
    for check in checks[2:]:
        names.append({literal.lstrip("-") for literals, _ in check["premises"] for literal in literals})
    assert list(map(len, names)) == [16, 22]
