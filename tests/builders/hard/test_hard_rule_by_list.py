"""rule-by-list: mirrors and squares pass both programs, and a slip is noticed by both."""

from dataclasses import replace

import pytest
from hard_mirrors import draw_mirrors, outcomes, right_cells

from rewardbench.builders.build import draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import chat, to_lines
from rewardbench.builders.templates.hard.rule_by_list.listing import worlds
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.rule_by_list import verify_rule_by_list
from rewardbench.verifiers.hard.rule_by_list_prompt import verify_rule_by_list_prompt
from rewardbench.verifiers.names import mentions

MIRRORS = draw_mirrors("rule-by-list", range(24))
SYSTEM = """You sell tea.

Current list:
Quist: Amber Cup (alias Nightleaf), Dusky Heron
Tarrant: Early Fog, Ivory Mill
Vale: Misty Oak

Brackets hold a second name of the entry.

The Halyard group consists of Tarrant and Vale.

Changes since the list was printed:
Dusky Heron has gone from Quist to Vale.

"""
ENTRIES = {"Amber Cup": ["Quist"], "Dusky Heron": ["Vale"], "Early Fog": ["Tarrant"], "Ivory Mill": ["Tarrant"]}


def test_mirrors_pass_both_programs():
    verification = verify(MIRRORS)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 48


def test_squares_pass_both_programs():
    squares = [replace(draw_square("rule-by-list", 0, n), group=f"s{n}") for n in range(8)]
    verification = verify(squares)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 32


def test_the_same_key_gives_the_same_bytes():
    assert to_lines(draw_mirrors("rule-by-list", range(8))) == to_lines(MIRRORS[:8])


def test_lists_and_replies_grow_with_the_rung():
    lists = [max(len(mirror.check["a"]["entries"]) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    words = [max(len(mirror.x.split()) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    assert lists == sorted(lists)
    assert lists[0] <= 13
    assert lists[3] >= 50
    assert words == sorted(words)


def test_a_slip_in_a_right_response_fails_both_programs():
    """A sentence on a name that the rule excludes is added at the end."""
    slips = []
    for cell in right_cells(MIRRORS):
        for name, classes in cell.check["entries"].items():
            is_ruled = bool(set(classes) & set(cell.check["classes"]))
            if is_ruled == (cell.check["form"] == "none"):
                slips.append(replace(cell, response=f"{cell.response} And do not forget the {name}."))
                break
    assert len(slips) == len(MIRRORS) * 2
    assert set(outcomes(slips)) == {(FAIL, FAIL)}


def test_the_second_program_rejects_a_wrong_label():
    """The first is given the classes of the other prompt, the second reads the prompt."""
    for mirror in MIRRORS[:8]:
        wrong = Cell("", mirror.check["b"], mirror.y, True, "", mirror.a)
        assert verify_rule_by_list([wrong]) == [PASS]
        assert verify_rule_by_list_prompt([wrong]) == [FAIL]


@pytest.mark.parametrize(
    ("rule", "form", "classes", "reply", "expected"),
    [
        ("Do not name any teas of Quist, not even in passing.", "none", ["Quist"], "Take Early Fog.", PASS),
        ("Do not name any teas of Quist, not even in passing.", "none", ["Quist"], "Take NIGHTLEAF.", FAIL),
        ("Do not name any teas of Quist, not even in passing.", "none", ["Quist"], "Take Dusky Heron.", PASS),
        ("Of these, the teas of Vale must not be named.", "none", ["Vale"], "Dusky Heron's best.", FAIL),
        ("In your answers, name only teas of Quist or Vale.", "only", ["Quist", "Vale"], "Dusky Heron!", PASS),
        ("In your answers, name only teas of Quist.", "only", ["Quist"], "Amber Cup, then Ivory Mill.", FAIL),
        ("Of these, just the teas of the Halyard group may be named.", "only", ["Tarrant", "Vale"], "Ivory Mill", PASS),
        ("Name no teas other than those of the Halyard group.", "only", ["Tarrant", "Vale"], "an amber cup", FAIL),
    ],
)
def test_both_programs_decide_as_by_hand(rule, form, classes, reply, expected):
    check = {"form": form, "classes": classes, "entries": ENTRIES, "aliases": {"Nightleaf": "Amber Cup"}}
    cell = Cell("", check, reply, True, "", chat("What shall I drink?", system=SYSTEM + rule))
    assert verify_rule_by_list([cell]) == verify_rule_by_list_prompt([cell]) == [expected]


@pytest.mark.parametrize(
    ("rule", "reply", "reason"),
    [
        ("Be kind.", "Early Fog", "0 rules"),
        ("Do not name any teas of Bell, not even in passing.", "Early Fog", "nothing of 'Bell'"),
        ("Do not name any teas of Vale, not even in passing.", "Tea!", "no name of the list"),
    ],
)
def test_what_is_not_read_is_an_error(rule, reply, reason):
    cell = Cell("", {}, reply, True, "", chat("What shall I drink?", system=SYSTEM + rule))
    (outcome,) = verify_rule_by_list_prompt([cell])
    assert reason in outcome


def test_the_sentences_of_a_world_name_nothing_by_accident():
    for world in worlds():
        names = [f"{first} {second}" for first in world["first"] for second in world["second"]]
        text = " ".join([*world["lines"], *world["intro"], *world["outro"], *world["ask"]])
        assert mentions(text, [*names, *world["aliases"], *world["owners"]]) == []
        assert all(line.count("{n}") == 1 for line in world["lines"])
