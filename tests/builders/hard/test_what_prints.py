"""Test the programs of core-hard whose output turns on their language: models, verifiers and planted slips."""

import re
import shutil
from dataclasses import replace

import pytest

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.draw import RUNGS, Resample, Rng
from rewardbench.builders.templates.hard import what_prints
from rewardbench.builders.templates.hard.what_prints import DIALECTS, javascript_traps, python_traps, wording
from rewardbench.builders.templates.hard.what_prints.fragments import ProgramState, truncated, wrapped
from rewardbench.builders.templates.hard.what_prints.long import draw_long, same_form
from rewardbench.builders.templates.hard.what_prints.round_parts import HEAVY, LIGHT, mixing
from rewardbench.builders.templates.hard.what_prints.rounds import RoundPart
from rewardbench.verifiers.cells import FAIL, PASS
from rewardbench.verifiers.hard.what_prints import verify_run, verify_stated_output
from rewardbench.verifiers.programs import LANGUAGES, run_sources

MIRRORS = [replace(draw_mirror("what-prints", 0, n), group=str(n)) for n in range(40)]


def cells_of(*languages):
    chosen = [mirror for mirror in MIRRORS if mirror.check["a"]["language"] in languages]
    return [cell for mirror in chosen for cell in mirror.cells()]


def need(language):
    if any(shutil.which(tool) is None for tool in LANGUAGES[language].needs):
        pytest.skip(f"{language} is not installed")


def fragment_programs(language):
    """Return a program and its modelled output for both variants of every fragment of a language."""
    dialect = DIALECTS[language]
    programs = []
    for maker in dialect.makers:
        rng = Rng(maker.__name__)
        fragment = maker(rng)
        start = ProgramState(rng.number(1, 30), rng.numbers(5, 1, 25))
        names = what_prints._draw_names(rng, 1)
        for variant in (0, 1):
            state = start.copy()
            fragment.model(state, variant)
            definitions, lines = fragment.text(variant, names[0])
            programs.append((dialect.program(definitions, lines, start, names[0]), dialect.output(state)))
    return programs


def long_program(plan, variants, factor):
    """Return the program of a plan with a loop, and the number that it should print."""
    (code,) = re.findall(r"```\w+\n(.*?)```", plan.prompt(variants, factor)[-1]["content"], re.DOTALL)
    return code, str(plan.digest(plan.states(variants)[-1], factor))


def loop_programs(language):
    """Return a program and its modelled output for both variants of a loop with all parts."""
    rng = Rng(language)
    plan = draw_long(rng, 4, language, DIALECTS[language])
    parts = [maker(rng, plan.loop.size) for maker in [*LIGHT, *HEAVY, mixing]]
    first = {name: getattr(plan, name)[:1] for name in ("fragments", "fragment_variants", "names")}
    plan = replace(plan, **first, loop=replace(plan.loop, parts=parts))
    return [long_program(plan, [variant] * len(parts), 211) for variant in (0, 1)]


@pytest.mark.parametrize("language", ["python", "javascript", "java", pytest.param("cpp", marks=pytest.mark.slow)])
def test_the_model_of_every_fragment_is_what_its_language_does(language):
    need(language)
    programs = [*fragment_programs(language), *loop_programs(language)]
    results = run_sources(LANGUAGES[language], [program for program, _ in programs])
    assert [result.out.strip() for result in results] == [expected for _, expected in programs]
    assert len(programs) >= 20


def test_both_programs_pass_right_cells_and_fail_wrong_ones():
    need("javascript")
    cells = cells_of("python", "javascript")
    assert len(cells) > 20
    expected = [PASS if cell.right else FAIL for cell in cells]
    assert (verify_stated_output(cells), verify_run(cells)) == (expected, expected)


def test_a_key_determines_the_mirror():
    assert [replace(draw_mirror("what-prints", 0, n), group=str(n)) for n in range(40)] == MIRRORS


def test_twins_differ_in_one_line_and_state_two_outputs():
    for mirror in MIRRORS:
        lines_a, lines_b = (prompt[-1]["content"].split("\n") for prompt in (mirror.a, mirror.b))
        assert sum(a != b for a, b in zip(lines_a, lines_b, strict=True)) == 1
        assert mirror.check["a"]["output"] != mirror.check["b"]["output"]


def test_size_grows_with_the_rung():
    sizes = []
    for rung in RUNGS:
        same = [mirror for mirror in MIRRORS if mirror.source["rung"] == rung]
        sizes.append(sum(mirror.a[-1]["content"].count("\n") for mirror in same) / len(same))
    assert sizes == sorted(sizes)


def test_responses_of_the_upper_rungs_state_only_the_output():
    """The numbers of a response are the count of rounds and the output, whose form is the same in both."""
    for mirror in MIRRORS:
        if mirror.source["rung"] >= 3:
            outputs = [int(mirror.check[side]["output"]) for side in "ab"]
            assert same_form(outputs, 90)
            for response, output in zip((mirror.x, mirror.y), outputs, strict=True):
                assert len(re.findall(r"\d+", response)) == 2
                assert response.rstrip(".").endswith(f"`{output}`")
                assert len(response.split()) > 90
    assert same_form([4711, 4801], 90)
    assert not any(same_form(outputs, 90) for outputs in ([4711, 4711], [91, 181], [-4711, 4711], [4711, 4712]))


def test_no_state_of_a_loop_occurs_twice():
    rng = Rng("states")
    for rung in (3, 4):
        plan = draw_long(rng, rung, "python", DIALECTS["python"])
        snapshots = plan.states(plan.variants)
        assert len(set(snapshots)) == len(snapshots) == plan.loop.rounds
        idle = replace(plan, loop=replace(plan.loop, parts=[RoundPart(("$x = 5",), ())]), variants=[0])
        with pytest.raises(Resample):
            idle.states([0])


def test_names_of_functions_and_variables_are_different():
    names = [*wording.HELPER_NAMES, *wording.OTHER_NAMES, *wording.NUMBER_NAMES, *wording.LIST_NAMES]
    names += [*wording.CHURN_NAMES, *wording.STEP_NAMES]
    assert len(set(names)) == len(names)


def test_products_beyond_32_bits_are_rejected():
    plan = draw_long(Rng("wide"), 3, "java", DIALECTS["java"])
    wide = replace(plan.loop, parts=[RoundPart(("$x = ($x + 7) * 999999937 % 1000",), ())])
    with pytest.raises(OverflowError):
        wide.run("java", [0], [1, 2, 3], 5)
    assert len(wide.run("python", [0], [1, 2, 3], 5)) == wide.rounds


def test_a_planted_slip_is_seen_by_both_programs():
    spoilt = []
    for cell in cells_of("python")[:12]:
        if cell.right:
            head, number, tail = re.fullmatch(r"(.*`)(-?\d+)([^`]*`\.?)", cell.response, re.DOTALL).groups()
            spoilt.append(replace(cell, response=f"{head}{int(number) + 1}{tail}"))
    assert verify_stated_output(spoilt) == [FAIL] * len(spoilt)
    assert verify_run(spoilt) == [FAIL] * len(spoilt)


def test_the_second_program_does_not_follow_a_wrong_check():
    mirror = next(mirror for mirror in MIRRORS if mirror.check["a"]["language"] == "python")
    deceived = replace(next(mirror.cells()), check=mirror.check["b"])
    assert verify_stated_output([deceived]) == [FAIL]
    assert verify_run([deceived]) == [PASS]


def test_what_cannot_be_judged_is_reported():
    cell = cells_of("python")[0]
    (outcome,) = verify_stated_output([replace(cell, response="No idea.")])
    assert "does not end with an output" in outcome
    (outcome,) = verify_run([replace(cell, messages=({"role": "user", "content": "What is it?"},))])
    assert "0 programs" in outcome
    broken = cell.messages[-1]["content"].replace("print(", "print(1 / 0, ")
    (outcome,) = verify_run([replace(cell, messages=({"role": "user", "content": broken},))])
    assert "ZeroDivisionError" in outcome


def test_arithmetic_of_other_languages_by_hand():
    assert [truncated(*pair) for pair in ((-7, 2), (7, -2), (-8, 4), (9, 4))] == [(-3, -1), (-3, 1), (-2, 0), (2, 1)]
    assert (wrapped(2**31, 32), wrapped(300, 8, signed=False), wrapped(-129, 8)) == (-(2**31), 44, 127)


def test_two_fragments_by_hand():
    """Sorted as texts, 10 comes before 9; `(2 - 3 * 5) // 4` is -4 in Python, and its remainder 3."""
    state = ProgramState(0, [9, 10, 25])
    javascript_traps.default_sort(Rng("a")).model(state, 0)
    assert state.data == [10, 25, 9]

    class FixedRng(Rng):
        def number(self, low, high, step=1):
            return {2: 2, 3: 4}[low]

    for variant, expected in ((0, -4), (1, 3)):
        state = ProgramState(5, [])
        python_traps.floor_or_remainder(FixedRng("a")).model(state, variant)
        assert state.x == expected


def test_a_square_has_four_programs_with_four_outputs():
    square = replace(draw_square("what-prints", 0, 0), group="s")
    assert len({square.check[str(n)]["output"] for n in range(4)}) == 4
    need(square.check["0"]["language"])
    cells = list(square.cells())
    assert len(cells) == 16
    expected = [PASS if cell.right else FAIL for cell in cells]
    assert (verify_stated_output(cells), verify_run(cells)) == (expected, expected)
