"""rule-by-list: mirrors and squares pass both programs, and a slip is noticed by both."""

from dataclasses import replace

import pytest
from hard_mirrors import draw_mirrors, outcomes, right_cells

from rewardbench.builders.build import draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import chat, to_lines
from rewardbench.builders.templates.hard.rule_by_list.listing import wording, worlds
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.rule_by_list import allowed_names, verify_rule_by_list
from rewardbench.verifiers.hard.rule_by_list_places import is_rotating
from rewardbench.verifiers.hard.rule_by_list_prompt import verify_rule_by_list_prompt
from rewardbench.verifiers.names import mentions

MIRRORS = draw_mirrors("rule-by-list", range(24))
SYSTEM = """You sell tea.

Current list:
Quist: Amber Cup (alias Nightleaf)
Tarrant: Early Fog, Ivory Mill
Vale: Misty Oak, Dusky Heron

Brackets hold a second name of the entry.

"""
ENTRIES = {
    "Amber Cup": ["Quist"],
    "Dusky Heron": ["Vale"],
    "Misty Oak": ["Vale"],
    "Early Fog": ["Tarrant"],
    "Ivory Mill": ["Tarrant"],
}
STEPS = {"Amber Cup": 2, "Early Fog": 1, "Misty Oak": 3, "Dusky Heron": 2}
"""A first order, and how far each entry moves."""
PLACES = """You sell tea.

Behind every name is its number of places to move. {move} Number of rounds so far: {rounds}.

{entries}

{rule}"""
LAYOUTS = (
    "1. Amber Cup (alias Nightleaf): 2\n2. Early Fog: 1\n3. Misty Oak: 3\n4. Dusky Heron: 2",
    "teas | number\nAmber Cup (alias Nightleaf) | 2\nEarly Fog | 1\nMisty Oak | 3\nDusky Heron | 2",
    "The list:\nAmber Cup (alias Nightleaf) 2, Early Fog 1, Misty Oak 3, Dusky Heron 2",
)


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
    lists = []
    for rung in range(4):
        checks = [mirror.check["a"] for mirror in MIRRORS[rung::4]]
        lists.append([len(check.get("order") or check["entries"]) for check in checks])
    assert max(lists[0]) <= 13 < min(lists[1])
    assert min(lists[2]) >= 14
    assert min(lists[3]) >= 22
    moves = [min(_moves(mirror.check["a"]) for mirror in MIRRORS[rung::4]) for rung in (2, 3)]
    assert moves[0] >= 96
    assert moves[1] >= 1796
    words = [max(len(mirror.x.split()) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    assert words == sorted(words)


def _moves(check):
    return check["rounds"] * (2 if check["move"] == "ends" else 1)


def test_the_names_allowed_on_upper_rungs_differ_by_one():
    for mirror in [*MIRRORS[2::4], *MIRRORS[3::4]]:
        names = [allowed_names(mirror.check[side]) for side in "ab"]
        assert len(names[0] - names[1]) == len(names[1] - names[0]) == 1
        assert names[0] - names[1] <= {*_named(mirror.x, mirror.check["a"])}


def _named(reply, check):
    aliases = {name: alias for alias, name in check["aliases"].items()}
    return [name for name in check["order"] if mentions(reply, [name, aliases.get(name, name)])]


def test_a_slip_in_a_right_response_fails_both_programs():
    """A sentence on a name that the rule excludes is added at the end."""
    slips = []
    for cell in right_cells(MIRRORS):
        names = cell.check.get("order") or list(cell.check["entries"])
        name = next(name for name in names if name not in allowed_names(cell.check))
        slips.append(replace(cell, response=f"{cell.response} And do not forget the {name}."))
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
        ("Of these, just the teas of Tarrant or Vale may be named.", "only", ["Tarrant", "Vale"], "Ivory Mill", PASS),
        ("Name no teas other than those of Tarrant.", "only", ["Tarrant"], "an amber cup", FAIL),
    ],
)
def test_both_programs_decide_as_by_hand(rule, form, classes, reply, expected):
    check = {"form": form, "classes": classes, "entries": ENTRIES, "aliases": {"Nightleaf": "Amber Cup"}}
    cell = Cell("", check, reply, True, "", chat("What shall I drink?", system=SYSTEM + rule))
    assert verify_rule_by_list([cell]) == verify_rule_by_list_prompt([cell]) == [expected]


ORDERS = {
    ("ends", 1): ["Early Fog", "Dusky Heron", "Misty Oak", "Amber Cup"],
    ("turns", 2): ["Early Fog", "Dusky Heron", "Misty Oak", "Amber Cup"],
    ("turns", 3): ["Dusky Heron", "Early Fog", "Misty Oak", "Amber Cup"],
}
"""Orders after some rounds, by hand."""


@pytest.mark.parametrize(("move", "rounds"), ORDERS)
@pytest.mark.parametrize(("form", "end"), [("only", "first"), ("only", "last"), ("none", "first"), ("none", "last")])
def test_both_programs_follow_the_rounds_as_by_hand(move, rounds, form, end):
    texts = wording()["rotation"]
    check = {"form": form, "end": end, "bound": 2, "order": list(STEPS), "steps": STEPS, "move": move}
    check |= {"rounds": rounds, "aliases": {"Nightleaf": "Amber Cup"}}
    for n, name in enumerate(ORDERS[move, rounds]):
        is_allowed = ((n < 2) == (end == "first")) == (form == "only")
        for number, entries in enumerate(LAYOUTS):
            rule = texts[form][number].format(plural="teas", end=end, k=2)
            system = PLACES.format(move=texts[move][number], rounds=rounds, entries=entries, rule=rule)
            reply = "Try Nightleaf." if name == "Amber Cup" else f"Try {name}."
            cell = Cell("", check, reply, True, "", chat("What shall I drink?", system=system))
            expected = [PASS if is_allowed else FAIL]
            assert verify_rule_by_list([cell]) == verify_rule_by_list_prompt([cell]) == expected, system


def test_the_wordings_of_rounds_are_read():
    for sentence in wording()["rotation"]["rounds"]:
        assert is_rotating(sentence.format(t=41))


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
