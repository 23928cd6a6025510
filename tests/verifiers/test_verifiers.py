"""Every verifier on core, and every verifier on an error planted where a reader would not look twice."""

import re
import shutil
import time
from dataclasses import replace
from itertools import combinations

import pytest

from rewardbench.builders.check import cells, verify
from rewardbench.builders.core import read_core
from rewardbench.paths import data_dir
from rewardbench.verifiers import VERIFIERS, Cell, faults
from rewardbench.verifiers.arithmetic import adds_up, best_worth, sums, value
from rewardbench.verifiers.cells import FAIL, PASS, Broken
from rewardbench.verifiers.names import mentions
from rewardbench.verifiers.programs import LANGUAGES, verify_code
from rewardbench.verifiers.sandbox import folder, run

CORE = read_core(data_dir())
MIRRORS = [mirror for mirrors in CORE.mirrors.values() for mirror in mirrors]
WRITTEN = {mirror.group: mirror for mirror in MIRRORS if mirror.check and not mirror.source}
LIGHT = sorted(set(VERIFIERS) - {"code", "ties"})


def cells_of(kind):
    return [cell for mirror in MIRRORS if mirror.check.get("kind") == kind for cell in cells(mirror)]


def python_cells():
    mirrors = [mirror for mirror in WRITTEN.values() if mirror.check["a"].get("language") == "python"]
    return [cell for mirror in mirrors[:3] for cell in cells(mirror)]


@pytest.mark.parametrize("kind", LIGHT)
def test_every_right_response_passes_and_every_wrong_one_fails(kind):
    asked = cells_of(kind)
    assert len(asked) >= 4 * 40
    assert faults(asked, VERIFIERS[kind](asked)) == []


@pytest.mark.parametrize("kind", LIGHT)
def test_a_swap_of_chosen_and_rejected_is_caught_in_every_cell(kind):
    asked = [replace(cell, right=not cell.right) for cell in cells_of(kind)]
    assert len(faults(asked, VERIFIERS[kind](asked))) == len(asked)


def test_all_answers_of_the_ties_pass_for_their_own_prompt_alone():
    twins = [twin for twin in CORE.ties if twin.check]
    asked = [cell for twin in twins for cell in twin.cells()]
    assert len(twins) >= 25
    assert faults(asked, VERIFIERS["ties"](asked)) == []
    swapped = [replace(cell, right=not cell.right) for cell in asked]
    assert len(faults(swapped, VERIFIERS["ties"](swapped))) == len(asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_passes_its_own_tests_and_fails_the_others(language):
    lacking = [tool for tool in LANGUAGES[language].needs if shutil.which(tool) is None]
    if lacking:
        pytest.skip(f"{', '.join(lacking)} not installed")
    mirrors = [m for m in MIRRORS if m.check.get("kind") == "code" and m.check["a"]["language"] == language]
    found = verify(mirrors[:6])
    assert (found.pairs, found.failed) == (12, ())


def test_swapped_programs_are_caught_when_they_run():
    asked = [replace(cell, right=not cell.right) for cell in python_cells()]
    assert len(faults(asked, verify_code(asked))) == len(asked) == 12


def test_a_program_that_breaks_is_no_wrong_answer():
    good = python_cells()[0]
    broken = replace(good, response=good.response.replace("):", ":", 1))
    crash = replace(good, response="```python\nraise KeyError('x')\n```")
    none = replace(good, response="No code today.")
    outcomes = verify_code([good, broken, crash, none])
    assert outcomes[0] == PASS
    assert "SyntaxError" in outcomes[1]
    assert "KeyError" in outcomes[2]
    assert "0 code blocks" in outcomes[3]


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_one_program_that_does_not_compile_does_not_spoil_the_others():
    tests = "int main() { return twice(2) == 4 ? 0 : 1; }\n"
    bodies = ("return 2 * n;", "return n + 3;", "return 2 * m;", "return n + n;")
    asked = [
        Cell(str(n), {"language": "cpp", "tests": tests}, f"```cpp\nint twice(int n) {{ {body} }}\n```", True)
        for n, body in enumerate(bodies)
    ]
    outcomes = verify_code(asked)
    assert [outcomes[n] for n in (0, 1, 3)] == [PASS, FAIL, PASS]
    assert "does not build" in outcomes[2]


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
def test_a_small_slip_in_a_right_response_is_seen(group, old, new):
    cell = next(cells(WRITTEN[group]))
    slip = re.sub(re.escape(old), new, cell.response, count=1, flags=re.IGNORECASE)
    assert slip != cell.response
    verifier = VERIFIERS[WRITTEN[group].check["kind"]]
    assert verifier([cell, replace(cell, response=slip)]) == [PASS, FAIL]


def test_a_check_of_an_unknown_kind_is_a_failure():
    odd = replace(WRITTEN["reasoning-math-001"], check={"kind": "maths", "a": {}, "b": {}})
    assert verify([odd]).failed == ("reasoning-math-001: there is no verifier 'maths'",)


def test_signs_and_digits_around_an_answer_are_seen():
    check = {"value": "8 - 3", "answer": "5"}
    said = [Cell("m", check, text, True) for text in ("It is 5.", "It is -5.", "It is −5.", "It is 15.", "It is 5.5.")]
    assert VERIFIERS["math"](said) == [PASS, FAIL, FAIL, FAIL, FAIL]


def test_a_check_that_breaks_is_told_and_the_others_go_on():
    good = Cell("good", {"holds": "len(r) == 2"}, "ab", True)
    bad = replace(good, row="bad", check={"holds": "open('x')"})
    endless = replace(good, row="endless", check={"holds": "nonsense +"})
    unreadable = replace(good, row="unreadable", check={"holds": "json.loads(r)"})
    outcomes = VERIFIERS["instructions"]([bad, endless, unreadable, good])
    assert "NameError" in outcomes[0]
    assert "SyntaxError" in outcomes[1]
    assert outcomes[2:] == [FAIL, PASS]


@pytest.mark.parametrize("change", [{"holds": "not fan"}, {"leaves": [{"vent": True}]}])
def test_a_premise_that_does_not_lead_to_the_conclusion_is_seen(change):
    cell = next(cells(WRITTEN["reasoning-logic-001"]))
    outcomes = VERIFIERS["logic"]([cell, replace(cell, check={**cell.check, **change})])
    assert outcomes[0] == PASS
    assert "the premises leave" in outcomes[1]


def test_a_knapsack_with_two_best_packings_is_seen():
    cell = next(cells(WRITTEN["reasoning-knapsack-001"]))
    double = {**cell.check["items"], "tea": cell.check["items"]["cocoa"]}
    outcomes = VERIFIERS["knapsack"]([cell, replace(cell, check={**cell.check, "items": double})])
    assert outcomes[0] == PASS
    assert "2 best packings" in outcomes[1]


def test_the_best_worth_is_that_of_brute_force():
    for mirror in WRITTEN.values():
        if mirror.check["kind"] != "knapsack":
            continue
        items, capacity = mirror.check["a"]["items"], mirror.check["a"]["capacity"]
        choices = [c for n in range(len(items) + 1) for c in combinations(items.values(), n)]
        worths = [sum(worth for _, worth in c) for c in choices if sum(w for w, _ in c) <= capacity]
        assert best_worth(items, capacity) == (max(worths), worths.count(max(worths)))


def test_sums_are_exact_and_nothing_but_sums():
    assert value("0.1 + 0.2 - 3/10") == 0
    assert value("-(2 - 5)") == 3
    for nonsense in ("__import__('os')", "1 if 2 else 3", "2 ** 9", "'a' * 3", "1 +"):
        with pytest.raises(Broken):
            value(nonsense)
    assert sums("(3 + 4) × 2 = 14, half of 14 is 7") == [("(3 + 4) * 2", "14")]
    assert not adds_up("2 + 2 = 5")


def test_no_sum_in_a_written_response_is_overlooked():
    checked = [cell for m in WRITTEN.values() if m.check["kind"] in ("math", "knapsack") for cell in cells(m)]
    for text in {cell.response for cell in checked}:
        assert len(sums(text)) == text.count("=") + len(re.findall(r"% of \S+ is ", text)), text


def test_mentions_are_whole_words_in_any_case_and_inflection():
    assert mentions("Nike's, NIKES and niked", ["Nike"]) == ["Nike's", "NIKES", "niked"]
    assert mentions("a sale of aleph", ["ale"]) == []
    assert mentions("plain C# here", ["C#"]) == ["C#"]


def test_the_sandbox_holds_its_limits(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    python = shutil.which("python3")
    with folder() as at:
        seen = run([python, "-c", "import os; print(os.environ.get('HF_TOKEN'), os.getcwd())"], at)
        assert seen.out.split() == ["None", str(at.resolve())]
        assert run([python, "-c", "x = bytearray(2 * 10**9)"], at).code == 1
        assert run([python, "-c", "open('big', 'wb').write(b'x' * 10**8)"], at).code != 0
        assert (at / "big").stat().st_size <= 16 * 2**20
    assert not at.exists()


def test_a_program_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr("rewardbench.verifiers.sandbox.SECONDS", 1)
    started = time.monotonic()
    with folder() as at:
        assert run([shutil.which("python3"), "-c", "while True: pass"], at).code != 0
        assert run(["sleep", "60"], at).code is None
    assert time.monotonic() - started < 15
