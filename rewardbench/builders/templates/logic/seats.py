"""Puzzles about positions: seats, corners of a map, the direction somebody faces, swapped cups.

Each prompt has claims or steps that lead to exactly one position. For example, `cup_shuffle`:

    prompt a: Three cups in a row, a marble under the left one. The cups are swapped by position: right with middle,
        then middle with left, then left with right. Where's the marble now?
    prompt b: the same, but the swaps are "right with middle, then left with right, then middle with left"
    response x, right for a: Go for the middle one: that is where the marble comes to rest after the last swap.
    response y, right for b: Go for the right one: that is where the marble comes to rest after the last swap.
"""

from __future__ import annotations

from itertools import pairwise

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.logic.puzzles import (
    Claim,
    Puzzle,
    claims,
    contrasting_claims,
    in_order,
    make_mirror,
    name_with,
    one_to_one,
    value_of,
)

CORNERS = ("north-west", "north-east", "south-west", "south-east")
COMPASS = ("north", "east", "south", "west")


def round_table(rng: Rng) -> MirrorContent:
    """Ask who sits where at a round table, clockwise."""
    names = rng.people(4)
    puzzle = one_to_one(names, range(4))
    puzzle = Puzzle(puzzle.variables, f"{puzzle.base} and {names[0]} == 0")
    pool = claims(
        "clockwise", "{0} sits next to {1}, in the clockwise direction from {1}", "{0} == ({1} + 1) % 4", names
    )
    pool += claims("opposite", "{0} and {1} are not facing each other", "abs({0} - {1}) != 2", names)
    pool += claims(
        "passes", "when {0} hands the bread on clockwise, {1} is not the next to get it", "{1} != ({0} + 1) % 4", names
    )
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "Four friends around a round table, evenly spaced: {names}. {s} Going clockwise, starting from {first}: who"
        " comes next, and next, and next?",
        "seating riddle. round table with 4 chairs, at 12, 3, 6 and 9 o'clock. {names} on them. {l}. clockwise order"
        " please, {first} first",
        (
            "You assist a waiter who serves every table clockwise.",
            "At the small round table I have {names}, and I always begin with {first}. They told me:\n{b}\nIn what"
            " order do I serve the four?",
        ),
        "Place cards for a small round table, one at each quarter: {names}. The hostess left me these"
        " lines.\n\n{n}\n\nGive me the names clockwise as seen from above, and let {first} be the first.",
    )

    replies = (
        "Clockwise: {answer}. {why}",
        "{answer}, and then you are back at the start. {why}",
        "{how} So it goes {answer}.",
    )
    return make_mirror(
        rng, puzzle, premises, prompts, replies, in_order, first=names[0], names=join_words(rng.sample(names, 4))
    )


def town_map(rng: Rng) -> MirrorContent:
    """Ask which landmark is at one corner of a square."""
    marks = rng.sample(("mill", "chapel", "school", "well", "inn", "smithy", "library", "market", "museum"), 4)
    pool = claims("north", "the {0} is due north of the {1}", "{0} + 2 == {1}", marks)
    pool += claims("east", "the {0} is due east of the {1}", "{0} == {1} + 1 and {1} % 2 == 0", marks)
    pool += claims("diagonal", "the {0} and the {1} are at opposite corners of the square", "{0} + {1} == 3", marks)
    pool += claims("not", "the {0} is not on the northern side of the square", "{0} > 1", marks)
    puzzle, corner = one_to_one(marks, range(4)), rng.number(0, 3)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "I am drawing a map of a square in {town}. At its four corners (north-west, north-east, south-west,"
        " south-east) there are the {names}, one at each. {s} What do I draw at the {corner} corner?",
        "treasure hunt in {town}: its in the {corner} corner building. corners (nw, ne, sw, se) = {names} in some"
        " order.\n{b}\nwhich building do we run to",
        (
            "can you help me remember the layout of a square in {town}?",
            "Gladly. Tell me what you still know about it.",
            "The four corners point north-west, north-east, south-west and south-east and hold the {names}. And: {l}."
            " We had parked at the {corner} one. Which one was that?",
        ),
        "Old square in {town}, four sides facing north, east, south and west, and a building at every corner:"
        " {names}.\n\n{n}\n\nMy friend waits at the one in the {corner} corner, and I don't know the place. Where"
        " must I go?",
    )
    replies = ("The {answer}. {why}", "{how} In that corner there is the {answer}.", "It must be the {answer}. {why}")
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        name_with(corner),
        town=rng.pick(("Lucca", "Antigua", "Bukhara", "Évora", "Galle", "Sibiu", "Trogir")),
        corner=CORNERS[corner],
        names=join_words(rng.sample(marks, 4)),
    )


def coach_seats(rng: Rng) -> MirrorContent:
    """Ask who has one of the seats in two rows of two.

    Seats 0 and 1 are window and aisle of the front row, 2 and 3 those of the back row.
    """
    names, window_seat = rng.people(4), rng.pick((0, 2))
    pool = claims("behind", "{0} sits directly behind {1}", "{0} == {1} + 2", names)
    pool += claims("window", "{0} has the window seat in the row of {1}", "{0} % 2 == 0 and {1} == {0} + 1", names)
    pool += claims("row", "{0} and {1} are in different rows", "{0} // 2 != {1} // 2", names)
    pool += claims("aisle", "{0} is by the aisle", "{0} % 2 == 1", names)
    puzzle, seat = one_to_one(names, range(4)), window_seat + rng.number(0, 1)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "On the night coach to {town} four of us have a front row and a back row of two seats each: one by the"
        " window, one by the aisle. {s} So which of us ({names}) has the {seat}?",
        "4 seats on a bus. front window, front aisle, and right behind those back window, back aisle. {names} booked"
        " them.\n{b}\nwho got the {seat}?",
        (
            "You are the travel agent of a group of four: {names}. They booked seats 1A (front row, window), 1B"
            " (front row, aisle), 2A (back row, window, behind 1A) and 2B (back row, aisle, behind 1B).",
            "The seat cards for {town} got wet. As far as I recall, {l}. Whose card says {seat}?",
        ),
        "Our photo from the bus to {town} shows two double seats, one pair in front, the other pair behind it,"
        " windows on one side and the aisle on the other. {names} sat there.\n\n{n}\n\nThe {seat} is hidden by a bag."
        " Who was in it?",
    )
    replies = ("{answer} has it. {why}", "{how} That seat belongs to {answer}.", "That is the seat of {answer}. {why}")
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        name_with(seat),
        town=rng.pick(("Cusco", "Almaty", "Mendoza", "Kars", "Lhasa", "Oaxaca", "Tirana")),
        seat=f"{('front', 'back')[seat // 2]} {('window', 'aisle')[seat % 2]} seat",
        names=join_words(rng.sample(names, 4)),
    )


def turning_robot(rng: Rng) -> MirrorContent:
    """Ask for the direction after quarter turns, with left and right swapped."""
    start, job = rng.pick(COMPASS), rng.pick(("clean", "mow", "paint", "patrol"))
    turns = rng.sample(["left", "left", "right"], 3) + rng.sample(["left", "right"], 2)
    opposite_turns = ["right" if turn == "left" else "left" for turn in turns]
    prompts = (
        "A little robot that can {job} faces {start}. Then it makes these quarter turns on the spot: {l}. Which way"
        " is it facing now?",
        "my {job}bot got stuck, log says start heading = {start}, then 90 degree turns: {l}. final heading?",
        (
            "You read the logs of a machine that can {job}. Every entry 'left' or 'right' is a turn by 90 degrees on"
            " the spot.",
            "Log of today, in order: {l}. Heading before the first entry: {start}. Heading after the last one?",
        ),
        "Close your eyes and picture it: you stand facing {start}, and somebody calls out quarter turns to you, one"
        " by one. They call: {l}. Which way do you face in the end?",
    )
    replies = (
        "Towards the {answer}. A left and a right turn cancel each other, so only what remains after pairing them"
        " counts.",
        "In the end, {answer}. Pair up lefts with rights as far as they go, drop the pairs, and do what remains.",
        "Once each pair of a left and a right is cancelled, what remains of the turns leads to {answer}.",
    )
    return make_mirror(
        rng,
        Puzzle({"facing": COMPASS}),
        ([_turns_claim(start, turns)], [_turns_claim(start, opposite_turns)]),
        prompts,
        replies,
        value_of("facing"),
        job=job,
        start=start,
    )


def _turns_claim(start: str, turns: list[str]) -> Claim:
    """Return the claim that the machine makes these turns; its expression states the direction they lead to."""
    direction = (COMPASS.index(start) + turns.count("right") - turns.count("left")) % 4
    return Claim("turns", ", ".join(turns), f"{COMPASS}.index(facing) == {direction}")


def cup_shuffle(rng: Rng) -> MirrorContent:
    """Ask for the place of a pea after swaps of cups, the swaps in either order."""
    places = ["left", "middle", "right"]
    swaps = [rng.sample(places, 2) for _ in range(rng.number(3, 4))]
    reordered = rng.sample(swaps, len(swaps))
    start, token = rng.pick(places), rng.pick(("pea", "marble", "coin", "ring", "bean", "pebble", "button"))
    if _undoes_a_swap(swaps) or _undoes_a_swap(reordered):
        raise Resample
    prompts = (
        "Three cups in a row, a {token} under the {start} one. The cups are swapped by position: {l}. Where's the"
        " {token} now?",
        "shell game: {token} goes under the {start} cup (of three). she swaps {l} (each time she means whatever cup"
        " stands at that spot at that time). which cup do i point at, left middle or right?",
        (
            "I hid a {token} under one of three cups and shuffled them. Want to guess where it is?",
            "Tell me where it started and which positions you exchanged, and I will work it out.",
            "It started under the {start} one. I exchanged {l}; left, middle and right always name places on the"
            " table.",
        ),
        "At the fair I lost money on this one: cups on the left, in the middle and on the right, a {token} beneath"
        " the {start} one, and then the hands moved, changing the cups at two places each time: {l}. Under which one"
        " was it in the end?",
    )
    replies = (
        "The {token} is under the {answer} cup now. I followed it from one swap to the next.",
        "Follow the {token} swap by swap, and it comes to rest in the {answer} position.",
        "Go for the {answer} one: that is where the {token} comes to rest after the last swap.",
    )
    return make_mirror(
        rng,
        Puzzle({"end": places}),
        ([_swaps_claim(start, swaps)], [_swaps_claim(start, reordered)]),
        prompts,
        replies,
        value_of("end"),
        token=token,
        start=start,
    )


def _undoes_a_swap(swaps: list[list[str]]) -> bool:
    """Return True if a swap is followed by the same swap."""
    return any(set(swap) == set(following) for swap, following in pairwise(swaps))


def _swaps_claim(start: str, swaps: list[list[str]]) -> Claim:
    """Return the claim that the cups are swapped so; its expression states where the swaps lead from `start`."""
    place = start
    for left, right in swaps:
        if place in (left, right):
            place = right if place == left else left
    text = ", then ".join(f"{left} with {right}" for left, right in swaps)
    return Claim("swaps", text, f"end == {place!r}")


TEMPLATES = (round_table, town_map, coach_seats, turning_robot, cup_shuffle)
