"""Test the amended plans: both programs agree on all cells, see planted slips, and work alone."""

import json
from dataclasses import replace

import pytest

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import chat, to_json
from rewardbench.builders.templates.hard.retractions.turns import Amendment, replay_all
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.retractions import fold, verify_retractions
from rewardbench.verifiers.hard.retractions_second import verify_retractions_again

MIRRORS = [replace(draw_mirror("retractions", 7, index), group=f"r{index}") for index in range(12)]
SQUARES = [replace(draw_square("retractions", 7, index), group=f"s{index}") for index in range(4)]
BEDS = {"bed 1": "beans", "bed 2": "kale", "bed 3": "okra"}
START = "Planting plan:\n- bed 1: beans\n- bed 2: kale\n- bed 3: okra"


def test_both_programs_agree_on_all_cells():
    report = verify([*MIRRORS, *SQUARES])
    assert (report.failed, report.pairs, report.confirmed) == ((), 40, 40)


def test_the_same_key_gives_the_same_bytes():
    for index, mirror in enumerate(MIRRORS):
        assert to_json(draw_mirror("retractions", 7, index)) == to_json(replace(mirror, group=""))


def test_two_messages_of_the_user_swap_places():
    for mirror in MIRRORS:
        differences = [(a, b) for a, b in zip(mirror.a, mirror.b, strict=True) if a != b]
        (first, second), (third, fourth) = differences
        assert (first, second) == (fourth, third)
        assert first["role"] == "user"


def test_size_grows_with_the_rung():
    sizes = {mirror.source["rung"]: (len(mirror.a), len(mirror.x.split())) for mirror in MIRRORS}
    assert sizes[1] < sizes[2] < sizes[3] < sizes[4]
    users = [sum(turn["role"] == "user" for turn in mirror.a) for mirror in MIRRORS[:4]]
    assert users == [4, 12, 36, 70]


def test_responses_of_the_upper_rungs_share_no_entry_and_the_exchange_is_early():
    for mirror in MIRRORS:
        if mirror.source["rung"] > 2:
            check = mirror.check["a"]
            stated = []
            for response in (mirror.x, mirror.y):
                stated.append([entry[0] for text, entry in check["entries"].items() if entry and text in response])
            assert not set(stated[0]) & set(stated[1])
            assert len(stated[0]) == len(stated[1]) == check["wanted"]
            exchanged = [place for place, (a, b) in enumerate(zip(mirror.a, mirror.b, strict=True)) if a != b]
            assert max(exchanged) < 0.5 * len(mirror.a)
            finals = [fold(half["plan"], half["turns"]).plan for half in (check, mirror.check["b"])]
            assert 2 <= sum(finals[0][slot] != finals[1][slot] for slot in check["plan"]) <= 3


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.group)
def test_a_wrong_label_is_rejected_by_the_second_program(mirror):
    cells = [cell for cell in mirror.cells() if cell.row.endswith("-a")]
    lying = [replace(cell, check=json.loads(json.dumps(mirror.check["b"]))) for cell in cells]
    assert verify_retractions(lying) == [FAIL, PASS]
    assert verify_retractions_again(lying) == [PASS, FAIL]


def test_a_missing_entry_fails_in_both():
    for mirror in MIRRORS:
        cell = next(iter(mirror.cells()))
        sentence = next(text for text, entry in cell.check["entries"].items() if entry and text in cell.response)
        short = replace(cell, response=cell.response.replace(sentence, ""))
        assert verify_retractions([short]) == verify_retractions_again([short]) == [FAIL]


@pytest.mark.parametrize(
    ("turns", "messages", "final"),
    [
        ([[["swap", "bed 1", "bed 2"]]], ["Swap bed 1 and bed 2."], "kale beans okra"),
        (
            [[["set", "bed 1", "peas"]], [["undo"]]],
            ["For bed 1 I'd rather have peas.", "Scratch my last message."],
            "beans kale okra",
        ),
        (
            [[["set", "bed 1", "peas"]], [["set", "bed 2", "leeks"]], [["undo2"]]],
            [
                "bed 1 is peas from now on",
                "Put down leeks for bed 2.",
                "Scratch the last but one message of mine; the last one counts.",
            ],
            "beans leeks okra",
        ),
        (
            [[["set", "bed 3", "peas"]], [["swap", "bed 1", "bed 2"]], [["set", "bed 1", "leeks"]], [["undo_both"]]],
            [
                "bed 3 is peas from now on",
                "Swap bed 1 and bed 2.",
                "Put down leeks for bed 1.",
                "Take back my last two messages, both of them.",
            ],
            "beans kale peas",
        ),
        (
            [[["rotate", "bed 1", "bed 2", "bed 3"]]],
            ["Round robin, please: bed 1 hands its entry to bed 2, bed 2 to bed 3, and bed 3 to bed 1."],
            "okra beans kale",
        ),
        (
            [[["set", "bed 3", "peas"]], [], [["copy", "bed 1", "bed 3"]], [["back", "bed 3"]]],
            [
                "New entry for bed 3: peas.",
                "Somebody wants leeks for bed 2, and I said no.",
                "Copy the current entry of bed 3 over to bed 1.",
                "Bed 3 goes back to its previous entry.",
            ],
            "peas kale okra",
        ),
        (
            [[["clear", "bed 1"], ["set", "bed 2", "peas"]], [["swap", "bed 2", "bed 3"]]],
            ["Leave bed 1 empty. Then: Change bed 2 to peas, please.", "bed 2 and bed 3 trade entries"],
            "empty okra peas",
        ),
    ],
)
def test_both_programs_by_hand(turns, messages, final):
    values = final.split()
    plan = fold(BEDS, turns).plan
    assert [plan[bed] or "empty" for bed in BEDS] == values
    turns_of_chat = [START, "Noted."]
    for message in messages:
        turns_of_chat += [message, "Okay."]
    prompt = chat(*turns_of_chat, "The whole plan, please.")
    for answer in (values, ["taro", *values[1:]]):
        lines = "\n".join(f"In {bed} we have {value}." for bed, value in zip(BEDS, answer, strict=True))
        (outcome,) = verify_retractions_again([Cell("r", {}, f"Final state:\n{lines}", True, "", prompt)])
        assert (outcome == PASS) == (answer == values)


def test_ambiguous_orders_are_rejected():
    change, retraction, talk = (
        Amendment("", (("set", "bed 1", "peas"),)),
        Amendment("", (("undo",),)),
        Amendment("", ()),
    )
    assert replay_all(BEDS, [change, retraction]) == BEDS
    assert replay_all(BEDS, [retraction, change]) is None
    assert replay_all(BEDS, [change, talk, retraction]) is None
    assert replay_all(BEDS, [change, retraction, retraction]) is None
    assert replay_all(BEDS, [change, change]) is None


def test_a_message_that_cannot_be_read_is_an_error():
    prompt = chat(START, "Noted.", "Do something nice with bed 1.", "Okay.", "The plan?")
    (outcome,) = verify_retractions_again([Cell("r", {}, "In bed 1 we have beans.", True, "", prompt)])
    assert "cannot read" in outcome
