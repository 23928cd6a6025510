"""open-decline: every mirror passes both programs, and both know declining, evading and answering."""

from dataclasses import replace

import pytest
from hard_mirrors import draw_mirrors, outcomes, right_cells

from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import chat, to_lines
from rewardbench.builders.templates.hard.open_decline import wording, worlds
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.open_decline import DECLINES, answers_in_mode, verify_open_decline
from rewardbench.verifiers.hard.open_decline_prompt import BARS, SPEECH, verify_open_decline_prompt
from rewardbench.verifiers.names import mentions

MIRRORS = draw_mirrors("open-decline", range(24))
DECLINED = "I'm sorry, but I can't discuss that one. May I suggest Bell Steps? It is short."
EVADED = "Bell Steps is short. Bring a hat."
ANSWERED = "Heron Ridge is steep. Bring a hat."


def test_mirrors_pass_both_programs():
    verification = verify(MIRRORS)
    assert verification.failed == ()
    assert verification.pairs == verification.confirmed == 48


def test_the_same_key_gives_the_same_bytes():
    assert to_lines(draw_mirrors("open-decline", range(8))) == to_lines(MIRRORS[:8])


def test_rules_and_replies_grow_with_the_rung():
    for rung, (rules, number) in enumerate([(2, 1), (4, 2), (7, 4), (10, 5)]):
        for mirror in MIRRORS[rung::4]:
            assert mirror.check["a"]["count"] == rules
            assert len(mirror.check["a"]["questions"]) == number
            assert mirror.x.count("\n\n") == number - 1


def swap_name(cell):
    """Name the declined or evaded subject at the end, or decline it if it may be named."""
    question = cell.check["questions"][-1]
    return (
        f"{cell.response} {DECLINES[0]}" if question["mode"] == "free" else f"{cell.response} {question['names'][0]}!"
    )


def drop_subject(cell):
    """Leave out the name or the substitute of the last paragraph."""
    question = cell.check["questions"][-1]
    return cell.response.replace(question["substitute"], "it").replace(question["names"][0], "it")


@pytest.mark.parametrize("slip", [swap_name, drop_subject, lambda cell: f"{cell.response}\n\nThat is all."])
def test_a_slip_in_a_right_response_fails_both_programs(slip):
    slips = [replace(cell, response=slip(cell)) for cell in right_cells(MIRRORS)]
    assert set(outcomes(slips)) == {(FAIL, FAIL)}


def test_the_second_program_rejects_a_wrong_label():
    """The first is given the modes of the other prompt, the second reads the prompt."""
    for mirror in MIRRORS[:8]:
        wrong = Cell("", mirror.check["b"], mirror.y, True, "", mirror.a)
        assert verify_open_decline([wrong]) == [PASS]
        assert verify_open_decline_prompt([wrong]) == [FAIL]


@pytest.mark.parametrize(("mode", "right"), [("open", DECLINED), ("silent", EVADED), ("free", ANSWERED)])
def test_both_programs_decide_as_by_hand(mode, right):
    question = {"mode": mode, "names": ["Heron Ridge", "the Stairs"], "substitute": "Bell Steps"}
    level = "\n".join([f"Level B: {wording()[f'level_{mode}'][0]}.", "", "Heron Ridge | B | Bell Steps"])
    for rule in (*(text.format(n="Heron Ridge", m="Bell Steps") for text in wording()[mode]), level):
        system = f"You guide.\n\n{rule}\n\nHeron Ridge is also known as the Stairs."
        prompt = chat("What about the Stairs?", system=system)
        for reply in (DECLINED, EVADED, ANSWERED, f"{DECLINED} {EVADED}", "The Stairs are steep.", "No."):
            cell = Cell("", {"questions": [question], "count": 1}, reply, True, "", prompt)
            expected = reply == right or (mode == "free" and reply.startswith("The Stairs"))
            expected |= mode == "open" and reply.startswith(DECLINED)
            outcome = [PASS if expected else FAIL]
            assert verify_open_decline([cell]) == verify_open_decline_prompt([cell]) == outcome, (rule, reply)


def test_a_rule_by_reference_is_followed():
    same = wording()["same"][0].format(n="Larch Loop", k="Heron Ridge", m="Bell Steps")
    rule = wording()["silent"][0].format(n="Heron Ridge", m="Fox Path")
    prompt = chat("What about Larch Loop?", system=f"{rule}\n{same}")
    for reply, outcome in ((EVADED, PASS), (DECLINED, FAIL), ("Larch Loop is steep.", FAIL)):
        assert verify_open_decline_prompt([Cell("", {"count": 2}, reply, True, "", prompt)]) == [outcome]


def test_rules_that_are_not_read_are_an_error():
    cell = Cell("", {"count": 3}, EVADED, True, "", chat("Hm?", system="Be kind."))
    (outcome,) = verify_open_decline_prompt([cell])
    assert "0 rules in the prompt instead of 3" in outcome


def test_only_declining_sentences_decline():
    for sentence in DECLINES:
        assert BARS.search(sentence)
        assert SPEECH.search(sentence)
    for world in worlds():
        names = [f"{first} {second}" for first in world["first"] for second in world["second"]]
        for line in (*world["lead"], *world["follow"], *wording()["offer"]):
            assert not (BARS.search(line) and SPEECH.search(line)), line
            assert mentions(line, [*names, *world["aliases"]]) == []


def test_a_paragraph_with_two_declines_is_wrong():
    question = {"mode": "open", "names": ["Heron Ridge"], "substitute": "Bell Steps"}
    assert answers_in_mode(DECLINED, question)
    assert not answers_in_mode(f"{DECLINED} {DECLINES[1]}", question)
