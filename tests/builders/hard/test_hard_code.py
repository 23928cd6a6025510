"""Test the tickets of core-hard: translations, clauses computed twice, and verifiers that see planted slips."""

import ast
import random
import re
import shutil
from dataclasses import replace
from difflib import SequenceMatcher
from functools import partial
from string import Template

import pytest

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.draw import RUNGS, Rng
from rewardbench.builders.templates.hard import hard_code
from rewardbench.builders.templates.hard.hard_code.conditions import Conditions, negated
from rewardbench.builders.templates.hard.hard_code.prompts import ticket_prompts
from rewardbench.builders.templates.hard.hard_code.rewriting import rewrite, rewrite_query
from rewardbench.builders.templates.hard.hard_code.runs import LoggedRun, both_readings
from rewardbench.builders.templates.hard.hard_code.worlds import clause_text, read_worlds
from rewardbench.verifiers import Cell
from rewardbench.verifiers.cells import FAIL, PASS
from rewardbench.verifiers.hard.hard_code import verify_cases, verify_clauses
from rewardbench.verifiers.hard.tickets import WORLDS, read_prompt
from rewardbench.verifiers.hard.tickets.clauses import numbered_clauses, read_ticket
from rewardbench.verifiers.hard.tickets.readings import ChecksummedRun, all_readings
from rewardbench.verifiers.programs import LANGUAGES

RULES = {world.__name__.rsplit(".", 1)[1]: world for world in WORLDS}
MIRRORS = [replace(draw_mirror("hard-code", 0, n), group=str(n)) for n in range(24)]


def in_languages(*languages):
    """Return the first mirror of each rung in these languages."""
    by_rung = {}
    for mirror in MIRRORS:
        if mirror.check["a"]["language"] in languages:
            by_rung.setdefault(mirror.source["rung"], mirror)
    return list(by_rung.values())


SAMPLE = [*in_languages("python"), *in_languages("javascript"), *in_languages("sql")]


def cells_of(mirrors):
    return [cell for mirror in mirrors for cell in mirror.cells()]


@pytest.mark.parametrize("verify", [verify_cases, verify_clauses])
def test_both_programs_pass_right_cells_and_fail_wrong_ones(verify):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    cells = cells_of(SAMPLE)
    assert verify(cells) == [PASS if cell.right else FAIL for cell in cells]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["java", "cpp", "go"])
def test_compiled_programs_pass_and_fail_likewise(language):
    if any(shutil.which(tool) is None for tool in LANGUAGES[language].needs):
        pytest.skip(f"{language} is not installed")
    cells = cells_of(in_languages(language))
    assert cells
    expected = [PASS if cell.right else FAIL for cell in cells]
    assert (verify_cases(cells), verify_clauses(cells)) == (expected, expected)


def test_a_key_determines_the_mirror():
    assert [replace(draw_mirror("hard-code", 0, n), group=str(n)) for n in range(4)] == MIRRORS[:4]


@pytest.mark.parametrize("world", read_worlds(), ids=lambda world: world.name)
def test_every_wording_of_a_clause_is_read_back(world):
    rules = RULES[world.name]
    switches = world.switches()
    assert (list(rules.CLAUSES), list(rules.SETTINGS)) == (list(world.clauses), switches)
    for seed in range(6):
        words = hard_code.draw_words(Rng(str(seed)), world)
        for name, wordings in world.clauses.items():
            for setting in (0, 1) if name in switches else (0,):
                for wording in wordings:
                    ticket = read_ticket([clause_text(wording, setting, words)], rules.CLAUSES, rules.SETTINGS)
                    assert ticket.settings == {name: setting}, wording


@pytest.mark.parametrize("world", read_worlds(), ids=lambda world: world.name)
def test_program_and_clauses_agree_on_random_inputs(world):
    """The program of the templates, against the outputs that the second verifier computes from the prompt."""
    for seed in range(6):
        rng = Rng(f"{world.name}/{seed}")
        words = hard_code.draw_words(rng, world)
        settings = hard_code.draw_settings(rng, world, (4, 8, 12)[seed % 3])
        program = hard_code.load(world, settings, words)
        draw_input = hard_code.INPUTS[world.name]
        example = draw_input(rng, words, settings)
        (prompt,) = ticket_prompts(rng, world, words, [settings], world.language, (example, []))
        rules, (ticket,) = read_prompt(prompt[-1]["content"])
        assert ticket.settings == settings
        generator = random.Random(seed)
        for n in range(40):
            lines = rules.random_lines(generator, ticket) if n % 2 else draw_input(rng, words, settings)
            assert program(lines) == rules.expected_output(ticket, lines), lines


def test_twins_differ_in_one_clause_and_at_the_lower_rungs_in_one_place_of_the_program():
    """At the upper rungs they have the same clauses, and differ in the checksum of a run."""
    for mirror in MIRRORS:
        clauses_a, clauses_b = (numbered_clauses(prompt[-1]["content"]) for prompt in (mirror.a, mirror.b))
        assert sum(a != b for a, b in zip(clauses_a, clauses_b, strict=True)) == (mirror.source["rung"] < 3)
        lines_x, lines_y = mirror.x.split("\n"), mirror.y.split("\n")
        if mirror.source["rung"] in hard_code.REWRITTEN:
            assert len(set(lines_x) - set(lines_y)) >= 6
            text_a, text_b = (prompt[-1]["content"] for prompt in (mirror.a, mirror.b))
            checksums = [re.search(r"checksum was (\d+)", text)[1] for text in (text_a, text_b)]
            assert checksums[0] != checksums[1]
            assert text_a.replace(checksums[0], "…", 1) == text_b.replace(checksums[1], "…", 1)
            continue
        shorter, longer = sorted((lines_x, lines_y), key=len)
        assert len(longer) - len(shorter) in (0, 1, 2, 3)
        if len(longer) == len(shorter):
            (pair,) = [(x, y) for x, y in zip(lines_x, lines_y, strict=True) if x != y]
            matcher = SequenceMatcher(None, *pair, autojunk=False)
            changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
            assert sum(max(i2 - i1, j2 - j1) for _, i1, i2, j1, j2 in changes) <= 16


@pytest.mark.parametrize("world", read_worlds(), ids=lambda world: world.name)
def test_a_rewritten_program_does_the_same(world):
    for seed in range(4):
        rng = Rng(f"{world.name}/{seed}")
        words = hard_code.draw_words(rng, world)
        settings = hard_code.draw_settings(rng, world, 12)
        source, program = world.program(settings, words), hard_code.load(world, settings, words)
        if world.language == "sql":
            rewritten = rewrite_query(rng, source)
            other = partial(hard_code.run_query, Template(world.schema).substitute(words), rewritten)
        else:
            rewritten = rewrite(rng, source)
            names = {}
            exec(hard_code.python_program(rewritten), names)
            other = names[words["f"]]
            assert all(hard_code.translate(language, rewritten) for language in hard_code.EMITTERS)
        assert rewritten != source
        for _ in range(30):
            lines = hard_code.INPUTS[world.name](rng, words, settings)
            assert other(lines) == program(lines), (rewritten, lines)


def test_forms_of_conditions_by_hand():
    """Of `a < 5` there are four forms, of which each draw has one; the opposite of a condition is its negation."""
    tree = ast.parse("a < 5", mode="eval").body
    forms = {ast.unparse(Conditions(Rng(str(n)))._form(tree)) for n in range(30)}
    assert forms == {"a < 5", "5 > a", "not a >= 5", "a <= 4"}
    opposites = [ast.unparse(negated(ast.parse(text, mode="eval").body)) for text in ("a <= b", "not x", "x", "a in b")]
    assert opposites == ["a > b", "x", "not x", "a not in b"]


def test_size_grows_and_the_share_of_differing_inputs_shrinks_with_the_rung():
    lengths, clauses = [], []
    for rung in RUNGS:
        mirrors = [mirror for mirror in MIRRORS if mirror.source["rung"] == rung]
        lengths.append(sum(mirror.x.count("\n") for mirror in mirrors) / len(mirrors))
        clauses.append({len(numbered_clauses(mirror.a[-1]["content"])) for mirror in mirrors})
        low, high = hard_code.SHARES[rung]
        assert all(low <= mirror.check["share"] <= high for mirror in mirrors)
    assert lengths == sorted(lengths)
    assert clauses == [{4}, {6}, {9}, {12}]


def test_a_planted_slip_is_seen_by_both_programs():
    cells = [cell for cell in cells_of(SAMPLE) if cell.right and cell.check["language"] == "python"]
    spoilt = []
    for cell in cells[:3]:
        response, count = re.subn(r"(return \w+)(\n```)", r"\1[1:]\2", cell.response)
        assert count == 1
        spoilt.append(replace(cell, response=response))
    assert spoilt
    assert verify_cases(spoilt) == [FAIL] * len(spoilt)
    assert verify_clauses(spoilt) == [FAIL] * len(spoilt)


def test_the_second_program_does_not_follow_a_wrong_check():
    """Give the first program the expected outputs of the other prompt: it believes them, the second does not."""
    mirror = next(mirror for mirror in SAMPLE if mirror.check["a"]["language"] == "python")
    cell = next(mirror.cells())
    deceived = replace(cell, check=mirror.check["b"])
    assert verify_cases([deceived]) == [FAIL]
    assert verify_clauses([deceived]) == [PASS]


def test_what_cannot_be_judged_is_reported():
    cell = next(next(iter(SAMPLE)).cells())
    for response, prompt in (("no code", cell.prompt), (cell.response, "1. Do as you like.")):
        (outcome,) = verify_clauses([replace(cell, response=response, prompt=prompt)])
        assert "breaks" in outcome
    crash = Cell("x", {"language": "python", "function": "f", "cases": [[["a"], ["b"]]]}, "```python\nx = 1\n```", True)
    (outcome,) = verify_cases([crash])
    assert "NameError" in outcome


def test_a_cache_by_hand():
    """Room for 4: the third put evicts the least recently used page; at minute 20 the page of minute 0 is too old."""
    clauses = [
        "`T put K N` stores the page K with N blocks at minute T.",
        "`T get K` outputs `K hit` if",
        "The limit is 4 blocks for all. Its `put` is a use, and so is a `get` that hits.",
        "From minute T + 20 on, a page put at minute T has expired.",
    ]
    rules = RULES["cache"]
    ticket = read_ticket(clauses, rules.CLAUSES, rules.SETTINGS)
    lines = ["0 put a 2", "1 put b 2", "2 get a", "3 put c 2", "4 get b", "19 get a", "20 get a", "20 get c"]
    assert rules.expected_output(ticket, lines) == ["a hit", "b miss", "a hit", "a miss", "c hit"]


def test_a_league_by_hand():
    """Oslo wins 2:1 and draws 0:0; Lima and Cork have 1 point each, Cork the better difference."""
    rules = RULES["league"]
    clauses = [
        "`match H A G E` reports",
        "A win brings 3 table points",
        "The order of the table: most points; if that is equal too, more goals for the team; then by name.",
        "Output one line for each team",
    ]
    ticket = read_ticket(clauses, rules.CLAUSES, rules.SETTINGS)
    lines = ["match Oslo Lima 2 1", "match Cork Oslo 0 0"]
    assert rules.expected_output(ticket, lines) == ["Oslo 4 1", "Cork 1 0", "Lima 0 -1"]


SOURCE = """class Item:
    name: str
    size: int


# Add up what is large.
def big_sum(lines: list[str]) -> list[str]:
    items: list[Item] = []
    total = 0
    for line in lines:
        parts = line.split(" ")
        items.append(Item(parts[0], int(parts[1])))
    items.sort(key=lambda item: (-item.size, item.name))
    for item in items:
        if item.size > 3 or item.name == "x" and total < 9:
            total += item.size // 2
    return [f"{total} of {len(items)}"]
"""


def test_a_program_in_five_languages():
    source = SOURCE.replace(
        '    return [f"{total} of {len(items)}"]\n',
        '    out: list[str] = []\n    out.append(f"{total} of {len(items)}")\n    return out\n',
    )
    texts = {language: hard_code.translate(language, source) for language in ("javascript", "java", "cpp", "go")}
    assert "items.sort((p, q) => q.size - p.size || (p.name < q.name ? -1 : 1));" in texts["javascript"]
    assert 'if (item.size > 3 || (item.name === "x" && total < 9)) {' in texts["javascript"]
    assert "total += Math.floor(item.size / 2);" in texts["javascript"]
    assert 'item.name.equals("x")' in texts["java"]
    assert "class BigSum {" in texts["java"]
    assert "#include <algorithm>" in texts["cpp"]
    assert 'out.push_back(std::to_string(total) + " of " + std::to_string((int)items.size()));' in texts["cpp"]
    assert "items = append(items, &Item{parts[0], number(parts[1])})" in texts["go"]
    assert all("// Add up what is large." in text for text in texts.values())
    with pytest.raises(TypeError, match="no translation"):
        hard_code.translate("java", "def f(lines: list[str]) -> list[str]:\n    with x:\n        return lines\n")


def test_lines_of_an_example_are_no_clauses():
    assert numbered_clauses("1. Do this.\n2. Do that.\n\n```\n1: 4\n7: 2\n```\n") == ["Do this.", "Do that."]


def test_words_that_differ_stand_in_brackets_and_are_read_back():
    pairs = [("A b c.", "A d c."), ("Go if free.", "Go."), ("Up it is", "Down it is"), ("a b", "a b c")]
    texts = [both_readings(*pair) for pair in pairs]
    assert texts == ["A [b | d] c.", "[Go if free. | Go.]", "[Up | Down] it is", "a [b | b c]"]
    assert [[clause for (clause,) in all_readings([text])] for text in texts] == [list(pair) for pair in pairs]
    assert len(all_readings(["[a | b] c", "d", "e [f | g]"])) == 4


@pytest.mark.parametrize("world", read_worlds(), ids=lambda world: world.name)
def test_both_readings_of_every_clause_are_read_back(world):
    words = hard_code.draw_words(Rng(world.name), world)
    rules = RULES[world.name]
    for name in world.switches():
        for wording in world.clauses[name]:
            text = both_readings(clause_text(wording, 0, words), clause_text(wording, 1, words))
            combinations = all_readings([text])
            settings = [read_ticket(clauses, rules.CLAUSES, rules.SETTINGS).settings[name] for clauses in combinations]
            assert settings == [0, 1], text


def test_two_checksums_by_hand():
    """By lines 1 + 2 + 7 = 10 and 26: 31 * 10 + 26; by characters b and 7: 31 * 2 + 7."""
    for by_line, unit, output, expected in ((True, "s", ["ab 7", "Z"], 336), (False, "v", ["b-", "7 ş"], 69)):
        assert LoggedRun([], [], 31, 9973, by_line).checksum(output) == expected
        assert ChecksummedRun([], 31, 9973, unit, expected).fits(output)
        assert not ChecksummedRun([], 31, 9973, unit, expected).fits([*output, "a"])


def test_a_program_that_misses_the_checksum_is_wrong_whatever_its_reading():
    mirror = next(mirror for mirror in SAMPLE if mirror.source["rung"] == 4)
    _, tickets = read_prompt(mirror.a[-1]["content"])
    _, other_tickets = read_prompt(mirror.b[-1]["content"])
    assert tickets
    assert not any(ticket in other_tickets for ticket in tickets)
    text = re.sub(r"checksum was \d+", "checksum was 100000", mirror.a[-1]["content"])
    with pytest.raises(ValueError, match="no reading fits"):
        read_prompt(text)
    with pytest.raises(ValueError, match="0 checksums"):
        read_prompt(text.replace("checksum was 100000", "checksum is gone"))


def test_a_square_has_four_programs_for_four_tickets():
    squares = (replace(draw_square("hard-code", 0, n), group="s") for n in range(20))
    square = next(square for square in squares if square.check["0"]["language"] == "python")
    cells = list(square.cells())
    expected = [PASS if cell.right else FAIL for cell in cells]
    assert (len(cells), verify_cases(cells), verify_clauses(cells)) == (16, expected, expected)
