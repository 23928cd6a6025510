"""Run every verifier on core, and on planted errors that are easy to overlook."""

import re
from dataclasses import replace
from itertools import combinations

import pytest

from rewardbench.builders.check import verify
from rewardbench.builders.suite_files import read_suite
from rewardbench.paths import data_dir
from rewardbench.verifiers import VERIFIERS, Cell, faults
from rewardbench.verifiers.arithmetic import adds_up, best_worth, exact_value, written_sums
from rewardbench.verifiers.cells import FAIL, PASS, BrokenCheck
from rewardbench.verifiers.names import mentions

CORE = read_suite(data_dir())
MIRRORS = [mirror for mirrors in CORE.mirrors.values() for mirror in mirrors]
WRITTEN = {mirror.group: mirror for mirror in MIRRORS if mirror.check and not mirror.source}
LIGHT = sorted({mirror.check["kind"] for mirror in MIRRORS if mirror.check} - {"code"})


def cells_of(kind):
    return [cell for mirror in MIRRORS if mirror.check.get("kind") == kind for cell in mirror.cells()]


@pytest.mark.parametrize("kind", LIGHT)
def test_every_right_response_passes_and_every_wrong_one_fails(kind):
    cells_to_check = cells_of(kind)
    assert len(cells_to_check) >= 4 * 40
    assert faults(cells_to_check, VERIFIERS[kind](cells_to_check)) == []


@pytest.mark.parametrize("kind", LIGHT)
def test_a_swap_of_chosen_and_rejected_is_detected_in_every_cell(kind):
    swapped = [replace(cell, right=not cell.right) for cell in cells_of(kind)]
    assert len(faults(swapped, VERIFIERS[kind](swapped))) == len(swapped)


def test_answers_of_ties_pass_for_their_prompt_and_fail_for_the_other():
    twins = [twin for twin in CORE.ties if twin.check]
    twin_cells = [cell for twin in twins for cell in twin.cells()]
    assert len(twins) >= 25
    assert faults(twin_cells, VERIFIERS["ties"](twin_cells)) == []
    swapped = [replace(cell, right=not cell.right) for cell in twin_cells]
    assert len(faults(swapped, VERIFIERS["ties"](swapped))) == len(twin_cells)


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [
        ("chat-instructions-002", "train", "tram on rails"),  # an o, which is forbidden
        ("reasoning-math-001", "105 − 21 = 84", "105 − 20 = 84"),
        ("reasoning-math-001", "84 euros.", "84 euros, or 81."),
        ("reasoning-knapsack-001", "and dried mango", "coffee and dried mango"),
        ("reasoning-knapsack-001", "29 + 19 = 90", "29 + 18 = 90"),
        ("reasoning-logic-002", "3. Deka\n4. Chiku", "3. Chiku\n4. Deka"),
        ("pink-elephant-004", "A guitar", "Ukes aside, a guitar"),
        ("pink-elephant-015", "Nike", "the one with the Three Stripes, or Nike"),
    ],
)
def test_a_small_error_in_a_right_response_is_detected(group, old, new):
    cell = next(WRITTEN[group].cells())
    slip = re.sub(re.escape(old), new, cell.response, count=1, flags=re.IGNORECASE)
    assert slip != cell.response
    verifier = VERIFIERS[WRITTEN[group].check["kind"]]
    assert verifier([cell, replace(cell, response=slip)]) == [PASS, FAIL]


def test_a_check_of_an_unknown_kind_fails():
    odd = replace(WRITTEN["reasoning-math-001"], check={"kind": "maths", "a": {}, "b": {}})
    assert verify([odd]).failed == ("reasoning-math-001: there is no verifier 'maths'",)


def test_signs_and_digits_around_an_answer_are_detected():
    check = {"value": "8 - 3", "answer": "5"}
    responses = ("It is 5.", "It is -5.", "It is −5.", "It is 15.", "It is 5.5.")
    math_cells = [Cell("m", check, response, True) for response in responses]
    assert VERIFIERS["math"](math_cells) == [PASS, FAIL, FAIL, FAIL, FAIL]


def test_a_broken_check_is_reported_and_the_others_are_still_evaluated():
    good = Cell("good", {"holds": "len(r) == 2"}, "ab", True)
    bad = replace(good, row="bad", check={"holds": "open('x')"})
    endless = replace(good, row="endless", check={"holds": "nonsense +"})
    unreadable = replace(good, row="unreadable", check={"holds": "json.loads(r)"})
    outcomes = VERIFIERS["instructions"]([bad, endless, unreadable, good])
    assert "NameError" in outcomes[0]
    assert "SyntaxError" in outcomes[1]
    assert outcomes[2:] == [FAIL, PASS]


@pytest.mark.parametrize("change", [{"holds": "not fan"}, {"leaves": [{"vent": True}]}])
def test_premises_that_do_not_imply_the_conclusion_are_detected(change):
    cell = next(WRITTEN["reasoning-logic-001"].cells())
    outcomes = VERIFIERS["logic"]([cell, replace(cell, check={**cell.check, **change})])
    assert outcomes[0] == PASS
    assert "the premises leave" in outcomes[1]


def test_a_knapsack_with_two_best_packings_is_detected():
    cell = next(WRITTEN["reasoning-knapsack-001"].cells())
    double = {**cell.check["items"], "tea": cell.check["items"]["cocoa"]}
    outcomes = VERIFIERS["knapsack"]([cell, replace(cell, check={**cell.check, "items": double})])
    assert outcomes[0] == PASS
    assert "2 best packings" in outcomes[1]


def test_best_worth_equals_brute_force():
    for mirror in WRITTEN.values():
        if mirror.check["kind"] != "knapsack":
            continue
        items, capacity = mirror.check["a"]["items"], mirror.check["a"]["capacity"]
        choices = [c for n in range(len(items) + 1) for c in combinations(items.values(), n)]
        worths = [sum(worth for _, worth in c) for c in choices if sum(w for w, _ in c) <= capacity]
        assert best_worth(items, capacity) == (max(worths), worths.count(max(worths)))


def test_exact_value_is_exact_and_rejects_anything_but_sums():
    assert exact_value("0.1 + 0.2 - 3/10") == 0
    assert exact_value("-(2 - 5)") == 3
    for nonsense in ("__import__('os')", "1 if 2 else 3", "2 ** 9", "'a' * 3", "1 +"):
        with pytest.raises(BrokenCheck):
            exact_value(nonsense)
    assert written_sums("(3 + 4) × 2 = 14, half of 14 is 7") == [("(3 + 4) * 2", "14")]
    assert not adds_up("2 + 2 = 5")


def test_written_sums_finds_every_sum_of_the_written_responses():
    checked = [cell for m in WRITTEN.values() if m.check["kind"] in ("math", "knapsack") for cell in m.cells()]
    for text in {cell.response for cell in checked}:
        assert len(written_sums(text)) == text.count("=") + len(re.findall(r"% of \S+ is ", text)), text


def test_mentions_finds_whole_words_in_any_case_and_inflection():
    assert mentions("Nike's, NIKES and niked", ["Nike"]) == ["Nike's", "NIKES", "niked"]
    assert mentions("a sale of aleph", ["ale"]) == []
    assert mentions("plain C# here", ["C#"]) == ["C#"]
