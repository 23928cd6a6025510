"""scopes: every mirror passes both programs, and both read rules and facts as a person would."""

from dataclasses import replace

import pytest
from hard_mirrors import draw_mirrors, outcomes, right_cells

from rewardbench.builders.check import verify
from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat, to_lines
from rewardbench.builders.templates.hard.scopes.conversation import ChatWordings
from rewardbench.builders.templates.hard.scopes.measured import TIGHT, measure
from rewardbench.builders.templates.hard.scopes.rules import NamePool
from rewardbench.builders.templates.hard.scopes.wording import bare, long_turns, wording, worlds
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.scopes import applies, verify_scopes
from rewardbench.verifiers.hard.scopes_prompt import verify_scopes_prompt
from rewardbench.verifiers.names import mentions

MIRRORS = draw_mirrors("scopes", range(24))
FACTS = {"turn": 2, "age": 17, "is_member": True, "day": "Monday", "used": ["Orrery"], "measures": {}}
REPLY = "Hello, see Ada first.\n\n- Go up.\n- Visit the Orrery.\n- Rest.\n- Ask Ben's aunt.\n\nGreet Cleo."


def test_mirrors_pass_both_programs():
    verification = verify(MIRRORS)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 48


def test_the_same_key_gives_the_same_bytes():
    assert to_lines(draw_mirrors("scopes", range(8))) == to_lines(MIRRORS[:8])


def test_rules_turns_and_replies_grow_with_the_rung():
    for rung, (rules, turns, items) in enumerate(SIZES):
        for mirror in MIRRORS[rung::4]:
            assert len(mirror.check["a"]["rules"]) == rules
            assert len(mirror.a) >= turns
            assert mirror.x.count("\n- ") == items


SIZES = [(2, 2, 2), (4, 6, 4), (9, 12, 10), (15, 24, 16)]
"""Rules, messages at least, and items of the list, by rung."""


def test_a_slip_in_a_right_response_fails_both_programs():
    """The name of a rule that applies to every place is added."""
    slips = []
    for cell in right_cells(MIRRORS):
        for rule in cell.check["rules"]:
            if rule["kind"] == "avoid" and not rule["region"] and applies(rule, cell.check["facts"]):
                slips.append(replace(cell, response=cell.response.replace("\n- ", f"\n- {rule['name']}? ", 1)))
                break
    assert len(slips) > len(MIRRORS)
    assert set(outcomes(slips)) == {(FAIL, FAIL)}


def test_the_second_program_rejects_a_wrong_label():
    """The first is given rules and facts of the other prompt, the second reads the prompt."""
    for mirror in MIRRORS[:8]:
        wrong = Cell("", mirror.check["b"], mirror.y, True, "", mirror.a)
        assert verify_scopes([wrong]) == [PASS]
        assert verify_scopes_prompt([wrong]) == [FAIL]


@pytest.mark.parametrize(
    ("kind", "name", "conditions", "region", "expected"),
    [
        ("avoid", "Dora", [["always"]], "", PASS),
        ("avoid", "Ben", [["always"]], "", FAIL),
        ("avoid", "Ben", [["until", "3"]], "", FAIL),
        ("avoid", "Ben", [["until", "2"]], "", PASS),
        ("avoid", "Ben", [["from", "2"]], "", FAIL),
        ("avoid", "Ben", [["minor"]], "", FAIL),
        ("avoid", "Ben", [["adult"]], "", PASS),
        ("avoid", "Ben", [["minor"], ["member"]], "", FAIL),
        ("avoid", "Ben", [["minor"], ["guest"]], "", PASS),
        ("avoid", "Ben", [["member"], ["workday"]], "", FAIL),
        ("avoid", "Ben", [["weekend"]], "", PASS),
        ("avoid", "Ben", [["unnamed"]], "", FAIL),
        ("avoid", "Orrery", [["unnamed"]], "", PASS),
        ("avoid", "Orrery", [["named"]], "", FAIL),
        ("avoid", "Ada", [], "closing", PASS),
        ("avoid", "Ada", [], "opening", FAIL),
        ("only", "Ada", [], "opening", PASS),
        ("only", "Orrery", [], "upper", PASS),
        ("only", "Orrery", [], "lower", FAIL),
        ("only", "Cleo", [], "opening", FAIL),
        ("use", "Cleo", [["from", "2"]], "", PASS),
        ("use", "Dora", [["from", "2"]], "", FAIL),
        ("use", "Dora", [["from", "3"]], "", PASS),
    ],
)
def test_both_programs_decide_as_by_hand(kind, name, conditions, region, expected):
    texts = wording()
    ordinals = {"2": "second", "3": "third"}
    parts = [texts["scopes"][word].format(n=ordinals.get("".join(number))) for word, *number in conditions]
    scope = " ".join([*parts, *([texts["scopes"][region]] if region else [])])
    scope = scope.replace("to users under 18 to members", "to members under 18")
    scope = scope.replace("to users under 18 to users who", "to users under 18 who")
    rule = {"kind": kind, "name": name, "conditions": conditions, "region": region, "unless": []}
    for sentence in texts[kind]:
        system = f"You help. The user is 17 years old. Today is Monday. {sentence.format(n=name, s=scope)}"
        prompt = chat("btw im a member. What is the Orrery?", "A model.", "What now?", system=system)
        cell = Cell("", {"rules": [rule], "facts": FACTS, "count": 1}, REPLY, True, "", prompt)
        assert verify_scopes([cell]) == verify_scopes_prompt([cell]) == [expected], sentence


TEXTS = {"user": ["Don't stop, Tess!", "two or 2 teapots, what now?"], "replies": ["That's Tomorrow."]}
"""Messages of each speaker."""
COUNTS = {
    "user words": 9,
    "replies words": 2,
    "user initial t": 3,
    "replies initial t": 2,
    "user length 4": 4,
    "user length 3": 2,
    "replies length 8": 1,
    "user letter t": 7,
    "user letter s": 4,
    "replies letter o": 3,
}
"""Counts over these messages, by hand."""


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(("comparison", "distance", "is_true"), [("below", 1, True), ("below", 0, False)])
def test_both_programs_count_as_by_hand(name, comparison, distance, is_true):
    assert measure(TEXTS, [name]) == {name: COUNTS[name]}
    for kind, holds in ((comparison, is_true), ("reached", not is_true)):
        expected = [FAIL if holds else PASS]
        assert _outcomes([[kind, name, str(COUNTS[name] + distance)]], []) == (expected, expected)


@pytest.mark.parametrize(
    ("unless", "expected"),
    [
        ([["reached", "user words", "9"]], PASS),
        ([["reached", "user words", "10"]], FAIL),
        ([["reached", "user words", "9"], ["below", "replies words", "3"]], PASS),
        ([["reached", "user words", "9"], ["below", "replies words", "2"]], FAIL),
        ([["below", "user words", "9"], ["below", "replies words", "3"]], FAIL),
    ],
)
def test_an_exception_needs_all_its_conditions(unless, expected):
    assert _outcomes([["reached", "user letter t", "7"]], unless) == ([expected], [expected])


def _outcomes(conditions, unless):
    """Return the outcomes of both programs for a reply with a name under a rule on counts."""
    rule = {"kind": "avoid", "name": "Ada", "conditions": conditions, "region": "", "unless": unless}
    conversation = ChatWordings(Rng("names"), 4, worlds()[0], NamePool(("Ada",), {"Ada": "person"}))
    system = f"The user is 17 years old. Today is Monday. The user is a member. {conversation.write_rule(rule, 0)}"
    prompt = chat(TEXTS["user"][0], TEXTS["replies"][0], TEXTS["user"][1], system=system)
    facts = {**FACTS, "measures": COUNTS}
    cell = Cell("", {"rules": [rule], "facts": facts, "count": 1}, REPLY, True, "", prompt)
    return verify_scopes([cell]), verify_scopes_prompt([cell])


def test_the_deciding_rules_of_upper_rungs_depend_on_the_exact_count():
    for mirror in [*MIRRORS[2::4], *MIRRORS[3::4]]:
        rules = [mirror.check[side]["rules"] for side in "ab"]
        changed = [pair for pair in zip(*rules, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 2
        for rule in (rule for pair in changed for rule in pair):
            for _, name, threshold in [*rule["conditions"], *rule["unless"]]:
                assert int(threshold) - mirror.check["a"]["facts"]["measures"][name] in TIGHT


def test_a_rule_that_is_not_read_is_an_error():
    prompt = chat("hi", system="Today is Monday. Age of the user: 20. The user is a member. Never say Ada.")
    (outcome,) = verify_scopes_prompt([Cell("", {"count": 1}, REPLY, True, "", prompt)])
    assert "0 rules in the prompt instead of 1" in outcome


def test_the_sentences_of_a_world_use_no_name_by_accident():
    for world in worlds():
        names = list(map(bare, [*world["products"], *world["places"]]))
        turns = [text for turn in [*world["chat"], *long_turns()] for text in turn]
        text = " ".join(
            [*world["neutral"], *world["ask"], *turns, *world["product"], *world["place"], *world["person"]]
        )
        assert mentions(text, names) == []
        assert world["opening"].keys() == world["closing"].keys() == {"product", "place", "person", "neutral"}
