"""Test the amended plans: both programs agree on all cells, see planted slips, and work alone."""

import json
from dataclasses import replace

import pytest
from hard_mirrors import cell_outcomes, cells_of, outcomes

from rewardbench.builders.build import draw_mirror, draw_square
from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import chat, to_json
from rewardbench.builders.templates.hard.retractions.turns import Amendment, replay_all
from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.amounts import replay_amounts
from rewardbench.verifiers.hard.amounts_second import verify_amounts_again
from rewardbench.verifiers.hard.retractions import fold
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
    assert users == [4, 12, 30, 64]


def test_long_responses_share_no_entry_and_the_exchange_is_late():
    mirror = draw_mirror("retractions-long", 7, 0)
    check = mirror.check["a"]
    stated = []
    for response in (mirror.x, mirror.y):
        stated.append([entry[0] for text, entry in check["entries"].items() if entry and text in response])
    assert not set(stated[0]) & set(stated[1])
    assert len(stated[0]) == len(stated[1]) == check["wanted"] == 12
    exchanged = [place for place, (a, b) in enumerate(zip(mirror.a, mirror.b, strict=True)) if a != b]
    assert min(exchanged) > 0.8 * len(mirror.a)
    finals = [fold(half["plan"], half["turns"]).plan for half in (check, mirror.check["b"])]
    assert 2 <= sum(finals[0][slot] != finals[1][slot] for slot in check["plan"]) <= 3


def test_the_upper_rungs_state_only_who_has_most_and_the_exchange_is_early():
    for mirror in MIRRORS:
        if mirror.source["rung"] > 2:
            assert not any(character.isdigit() for character in mirror.x + mirror.y)
            check = mirror.check["a"]
            x, y = (
                [names for text, names in check["verdicts"].items() if names and text in r]
                for r in (mirror.x, mirror.y)
            )
            assert x[0] == y[0][::-1]
            exchanged = [place for place, (a, b) in enumerate(zip(mirror.a, mirror.b, strict=True)) if a != b]
            assert max(exchanged) < 0.7 * len(mirror.a)
            lists = [tuple(map(tuple, check["list"]))]
            final = dict(replay_amounts(lists[0], check["events"])[-1])
            assert len(final) == {3: 10, 4: 14}[mirror.source["rung"]]
            assert final[x[0][0]] > final[x[0][1]]


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.group)
def test_a_wrong_label_is_rejected_by_the_second_program(mirror):
    cells = [cell for cell in cells_of(mirror) if cell.row.endswith("-a")]
    lying = [
        replace(cell, check=json.loads(json.dumps(mirror.check["b"])) | {"kind": cell.check["kind"]}) for cell in cells
    ]
    assert outcomes(lying) == [(FAIL, PASS), (PASS, FAIL)]


def test_a_missing_entry_fails_in_both():
    for mirror in MIRRORS:
        cell = cells_of(mirror)[0]
        sentences = cell.check["entries" if mirror.source["rung"] < 3 else "verdicts"]
        sentence = next(text for text, entry in sentences.items() if entry and text in cell.response)
        for outcome in cell_outcomes(replace(cell, response=cell.response.replace(sentence, ""))):
            assert outcome == FAIL if mirror.source["rung"] < 3 else "0 verdicts" in outcome


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


JARS = (("beans", 101), ("kale", 200), ("okra", 57))
JAR_MESSAGES = [
    ([["percent", 10]], ["Raise every amount by 10 percent."], (111, 220, 62)),
    ([["percent", -33]], ["Take 33 percent off each amount."], (67, 134, 38)),
    (
        [["parity", 10, -50]],
        ["Raise the odd amounts by 10 percent and cut the even ones by 50 percent."],
        (111, 100, 62),
    ),
    (
        [["parity", -7, 20]],
        ["Amounts that are even numbers now go up by 20 percent, odd ones go down by 7 percent."],
        (93, 240, 53),
    ),
    (
        [["lower", 30, -10], ["lower", -20, 15]],
        [
            "Amounts that have an odd number right below them go up by 30 percent, all others go down by 10 percent.",
            "each entry looks at the amount below it: if that is even, it goes up by 15 percent, if odd, down by 20 "
            "percent",
        ],
        (103, 299, 85),
    ),
    (
        [["places", 1, 2], ["below", 3]],
        [
            "Swap the entries in places 1 and 2.",
            "Add to each amount a third of the amount right below it.",
        ],
        (120, 233, 123),
    ),
    (
        [["move", "beans", 3], ["reverse", 1, 2], ["below", 2]],
        [
            "take beans out of the list and put it back in as number 3",
            "Reverse the order of places 1 to 2.",
            "Each entry gets a half of the amount below it on top.",
        ],
        (129, 250, 157),
    ),
    (
        [["sort", "up"], ["below", 4], ["above", 106, 3], ["under", 73, 2]],
        [
            "Put the list in order of amount, smallest first.",
            "Each entry gets a quarter of the amount below it on top.",
            "Whatever is above 106 is cut to a third.",
            "amounts below 73 are doubled",
        ],
        (100, 142, 82),
    ),
    (
        [["trade", "okra", "kale"], [], ["set", "beans", 99], ["percent", 50], ["strike", 2]],
        [
            "Without moving them, exchange the amounts of okra and kale.",
            "One moment, somebody is at the door.",
            "New figure for beans: 99.",
            "Add 50 percent to each amount.",
            "Do as if I had never sent the message before my last one. My last one still counts.",
        ],
        (151, 85, 300),
    ),
    (
        [["set", "okra", 300], ["above", 250, 2], ["percent", 1], ["strike", 3], ["sort", "down"], ["strike", 1]],
        [
            "Make it 300 for okra.",
            "Amounts above 250 shrink to a half of what they are.",
            "All amounts go up by 1 percent.",
            "Counting back, the message before this one is number 1. Do as if I had never sent number 3; the later "
            "ones count as they would have without it.",
            "Sort the list by amount, the largest at the top.",
            "Scratch my last message.",
        ],
        (102, 202, 57),
    ),
]


@pytest.mark.parametrize(("events", "messages", "amounts"), JAR_MESSAGES)
def test_amounts_by_hand(events, messages, amounts):
    final = dict(replay_amounts(JARS, events)[-1])
    assert tuple(final[name] for name, _ in JARS) == amounts
    turns = ["Our jars:\n1. beans: 101\n2. kale: 200\n3. okra: 57", "Noted."]
    for message in messages:
        turns += [message, "Okay."]
    prompt = chat(*turns, "Who is ahead?")
    for leader, other in (("beans", "kale"), ("okra", "kale"), ("okra", "beans")):
        response = f"I am through. Of {other} and {leader}, the largest amount is that of {leader}."
        (outcome,) = verify_amounts_again([Cell("r", {}, response, True, "", prompt)])
        assert (outcome == PASS) == (final[leader] > final[other])


def test_an_unreadable_change_and_an_open_sort_are_errors():
    for message, reason in (("Do something nice with kale.", "0 readings"), ("Make it 57 for kale.", "equal amounts")):
        prompt = chat(
            "- beans: 101\n- kale: 200\n- okra: 57",
            "Noted.",
            message,
            "Okay.",
            "sort the list by amount, the largest at the top",
            "Okay.",
            "Who is ahead?",
        )
        (outcome,) = verify_amounts_again(
            [Cell("r", {}, "Among kale and okra, it is okra that has the most.", True, "", prompt)]
        )
        assert reason in outcome
