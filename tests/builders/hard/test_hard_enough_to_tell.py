"""Test the questions that facts settle or leave open: worlds by hand and by brute force, labels, and squares."""

import random
import re
from dataclasses import replace
from itertools import permutations

import pytest
from hard_mirrors import assert_both_programs_agree, cell_outcomes, cells_of, draw_mirrors

from rewardbench.builders.build import draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Rng
from rewardbench.builders.templates.hard.enough_to_tell.claims import FactSetting, random_claim, sentence
from rewardbench.verifiers.hard.enough_to_tell import FactSet, holds, possible_answers, worlds
from rewardbench.verifiers.hard.enough_to_tell_second import _Reader, _Search

PROMPT = (
    "A house with 3 floors. Tenants (in alphabetical order): the baker, the cook and the vet.\n"
    "[1] The vet lives below the cook. [2] The cook collects stamps. [3] {}.\nWhich floor does the vet have?"
)


@pytest.mark.parametrize(
    ("claim", "text", "answers"),
    [
        (["next", "baker", "vet"], "The vet lives directly above the baker", {"2"}),
        (["apart", "cook", "vet"], "The cook and the vet do not have neighbouring floors", {"1"}),
        (["not", "cook", 3], "The cook does not have floor 3", {"1"}),
        (["pick", 1, "baker", "cook"], "Floor 1 belongs to the baker or to the cook", {"2"}),
        (["if", ["before", "baker", "cook"], ["before", "baker", "vet"]],
         "If the baker lives below the cook, then the baker lives below the vet", {"1", "2"}),
        (["either", "baker", 1, 3], "The baker has either floor 1 or floor 3", {"1", "2"}),
    ],
)  # fmt: skip
def test_answers_by_hand(claim, text, answers):
    facts = FactSet(("baker", "cook", "vet"), 1, 3, True, (["before", "vet", "cook"], claim))
    assert possible_answers("vet", list(worlds(facts))) == answers
    search = _Search(_Reader(PROMPT.format(text)))
    possible = {
        str(floor) for floor in (1, 2, 3) if search.exists(lambda world, floor=floor: world.get("vet", floor) == floor)
    }
    assert possible == answers


def test_worlds_equal_brute_force():
    rng = random.Random(0)
    names = ("ash", "elm", "fir", "gum", "yew")
    setting = FactSetting("order", "floor", "", [], "lives", "below", "directly above")
    for n in range(30):
        draws = Rng(f"{n}")
        claims = tuple(random_claim(draws, setting, names, 5, 4) for _ in range(rng.randint(2, 6)))
        expected = []
        for values in permutations(range(1, 6)):
            world = dict(zip(names, values, strict=True))
            if all(holds(claim, world) for claim in claims):
                expected.append(world)
        assert sorted(map(str, map(sorted, map(dict.items, worlds(FactSet(names, 1, 5, True, claims)))))) == sorted(
            map(str, map(sorted, map(dict.items, expected)))
        )


def test_both_programs_agree_at_all_rungs():
    assert_both_programs_agree("enough-to-tell")


def test_both_programs_agree_on_squares():
    square = replace(draw_square("enough-to-tell", 0, 1), group="square")
    check = verify([square])
    assert (check.failed, check.pairs, check.confirmed) == ((), 4, 4)


def test_the_second_program_reads_the_prompt():
    for mirror in draw_mirrors("enough-to-tell", range(3)):
        _, wrong, *_ = cells_of(mirror)
        other = {**mirror.check["b"], "kind": "enough-to-tell"}
        assert cell_outcomes(replace(wrong, check=other)) == ("pass", "fail")


def test_a_planted_slip_fails_both_programs():
    """A consequence on the order of two names, with the names swapped."""
    slips = 0
    for mirror in draw_mirrors("enough-to-tell", (n for n in range(32) if n % 4 < 2)):
        cell = next(cell for cell in cells_of(mirror) if cell.right)
        for text, (kind, *names) in cell.check["facts"].items():
            if kind == "before":
                left, right = names
                slip = text.replace(left, "#").replace(right, left).replace("#", right)
                facts = {**cell.check["facts"], slip: ["before", right, left]}
                broken = replace(cell, response=cell.response.replace(text, slip), check={**cell.check, "facts": facts})
                assert cell_outcomes(broken) == ("fail", "fail")
                slips += 1
    assert slips > 2


def test_a_slip_in_the_example_fails_both_programs():
    mirror = draw_mirrors("enough-to-tell", [1])[0]
    for cell in cells_of(mirror):
        if cell.right:
            line = next(line for line in cell.response.splitlines() if line.startswith("Example: "))
            entries = line.removeprefix("Example: ").rstrip(".").split("; ")
            names = [entry.split(": ")[0] for entry in entries]
            values = [entry.split(": ")[1] for entry in entries]
            rotated = [f"{name}: {value}" for name, value in zip(names, values[1:] + values[:1], strict=True)]
            slip = f"Example: {'; '.join(rotated)}."
            assert cell_outcomes(replace(cell, response=cell.response.replace(line, slip))) == ("fail", "fail")


def test_a_prompt_that_cannot_be_read_is_an_error():
    cell = cells_of(draw_mirrors("enough-to-tell", [0])[0])[0]
    broken = replace(cell, prompt=cell.prompt.replace("[1] ", "[1] Whatever they say, "))
    assert "cannot read" in cell_outcomes(broken)[1]


def test_nouns_have_their_plural():
    shelf = FactSetting("order", "shelf", "", [], "stands", "below", "directly above")
    assert sentence(shelf, ["apart", "jug", "vase"]) == "The jug and the vase do not have neighbouring shelves"


def test_upper_rungs_ask_for_a_verdict_on_weighted_sums():
    for mirror in draw_mirrors("enough-to-tell", (2, 3)):
        for check in (mirror.check["a"], mirror.check["b"]):
            weighted = [claim for claim in check["claims"] if claim[0] == "weighted"]
            assert len(weighted) >= 2
            plain = [claim for claim in check["claims"] if claim[0] != "weighted"]
            facts = FactSet(tuple(check["names"]), check["low"], check["high"], check["one_to_one"], tuple(plain))
            assert len(possible_answers(check["question"], list(worlds(facts)))) > 1
            assert not any(re.search(rf"\b{text}\b", mirror.x + mirror.y) for text in check["answers"].values())


def test_the_other_verdict_fails_both_programs():
    for mirror in draw_mirrors("enough-to-tell", (2, 3)):
        for cell in cells_of(mirror):
            assert cell_outcomes(cell) == (("pass", "pass") if cell.right else ("fail", "fail"))


def test_weighted_sums_by_hand():
    """2 * vet + 3 * cook = 2 + 9, 4 + 3, 6 + 6 (mod 7: 4, 0, 5), and 2 + 6, 4 + 9, 6 + 3 (1, 6, 2)."""
    text = "2 times the floor number of the vet plus 3 times that of the cook, divided by 7, leaves a remainder of 4"
    claim = ["weighted", 7, 4, 2, "vet", 3, "cook"]
    setting = FactSetting("order", "floor", "", [], "lives", "below", "directly above")
    assert sentence(setting, claim) == text
    facts = FactSet(("baker", "cook", "vet"), 1, 3, True, (claim,))
    assert [dict(world) for world in worlds(facts)] == [{"vet": 1, "cook": 3, "baker": 2}]
    search = _Search(_Reader(PROMPT.format(text)))
    assert search.worlds == [{"vet": 1, "cook": 3, "baker": 2}]


def test_size_grows_with_the_rung():
    means = []
    for rung in range(4):
        checks = [mirror.check["a"] for mirror in draw_mirrors("enough-to-tell", range(rung, 12, 4))]
        worlds_at_first = [len(check["names"]) ** 2 * check["high"] for check in checks]
        means.append(sum(worlds_at_first) / len(worlds_at_first))
    assert means[0] < means[1] < means[3]
    assert means[0] < means[2] < means[3]
