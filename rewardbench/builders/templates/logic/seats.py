"""Who sits where, what lies in which corner of a map, which way one faces, and where the ball ends up."""

from __future__ import annotations

from itertools import pairwise

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.logic.puzzles import Claim, Puzzle, World, claims, listing, mirror, one_each, parted

CORNERS = {0: "north-west", 1: "north-east", 2: "south-west", 3: "south-east"}


def round_table(rng: Rng) -> MirrorContent:
    """Four chairs in a circle: who is opposite."""
    names = rng.people(4)
    puzzle = one_each(names, range(4))
    puzzle = Puzzle(puzzle.variables, f"{puzzle.base} and {names[0]} == 0")
    pool = claims(
        "clockwise", "{0} sits next to {1}, in the clockwise direction from {1}", "{0} == ({1} + 1) % 4", names
    )
    pool += claims("opposite", "{0} and {1} are not facing each other", "abs({0} - {1}) != 2", names)
    pool += claims(
        "passes", "when {0} hands the bread on clockwise, {1} is not the next to get it", "{1} != ({0} + 1) % 4", names
    )
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
        "Four friends around a round table, evenly spaced: {names}. {s} Going clockwise, starting from {one}: who"
        " comes next, and next, and next?",
        "seating riddle. round table with 4 chairs, at 12, 3, 6 and 9 o'clock. {names} on them. {l}. clockwise order"
        " please, {one} first",
        (
            "You assist a waiter who serves every table clockwise.",
            "At the small round table I have {names}, and I always begin with {one}. They told me:\n{b}\nIn what"
            " order do I serve the four?",
        ),
        "Place cards for a small round table, one at each quarter: {names}. The hostess left me these"
        " lines.\n\n{n}\n\nGive me the names clockwise as seen from above, and let {one} be the first.",
    )

    def round_from(found: list[World]) -> str:
        return ", ".join(sorted(found[0], key=lambda name: found[0][name]))

    replies = (
        "Clockwise: {answer}. {why}",
        "{answer}, and then you are back at the start. {why}",
        "{how} So it goes {answer}.",
    )
    return mirror(rng, puzzle, heard, frames, replies, round_from, one=names[0], names=listing(rng.sample(names, 4)))


def town_map(rng: Rng) -> MirrorContent:
    """Four landmarks on the corners of a square."""
    marks = rng.sample(("mill", "chapel", "school", "well", "inn", "smithy", "library", "market", "museum"), 4)
    pool = claims("north", "the {0} is due north of the {1}", "{0} + 2 == {1}", marks)
    pool += claims("east", "the {0} is due east of the {1}", "{0} == {1} + 1 and {1} % 2 == 0", marks)
    pool += claims("diagonal", "the {0} and the {1} are at opposite corners of the square", "{0} + {1} == 3", marks)
    pool += claims("not", "the {0} is not on the northern side of the square", "{0} > 1", marks)
    puzzle, wanted = one_each(marks, range(4)), rng.number(0, 3)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
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
    return mirror(
        rng,
        puzzle,
        heard,
        frames,
        replies,
        lambda found: next(name for name in marks if found[0][name] == wanted),
        town=rng.pick(("Lucca", "Antigua", "Bukhara", "Évora", "Galle", "Sibiu", "Trogir")),
        corner=CORNERS[wanted],
        names=listing(rng.sample(marks, 4)),
    )


def coach_seats(rng: Rng) -> MirrorContent:
    """Two rows with a window and an aisle seat each: 0 and 1 in front (window, aisle), 2 and 3 behind."""
    names, window = rng.people(4), rng.pick((0, 2))
    pool = claims("behind", "{0} sits directly behind {1}", "{0} == {1} + 2", names)
    pool += claims("window", "{0} has the window seat in the row of {1}", "{0} % 2 == 0 and {1} == {0} + 1", names)
    pool += claims("row", "{0} and {1} are in different rows", "{0} // 2 != {1} // 2", names)
    pool += claims("aisle", "{0} is by the aisle", "{0} % 2 == 1", names)
    puzzle, wanted = one_each(names, range(4)), window + rng.number(0, 1)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
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
    return mirror(
        rng,
        puzzle,
        heard,
        frames,
        replies,
        lambda found: next(name for name in names if found[0][name] == wanted),
        town=rng.pick(("Cusco", "Almaty", "Mendoza", "Kars", "Lhasa", "Oaxaca", "Tirana")),
        seat=f"{('front', 'back')[wanted // 2]} {('window', 'aisle')[wanted % 2]} seat",
        names=listing(rng.sample(names, 4)),
    )


def _turns(rng: Rng, one: str, other: str) -> tuple[list[str], list[str]]:
    turns = rng.sample([one] * 2 + [other], 3) + rng.sample([one, other], 2)
    return turns, [other if turn == one else one for turn in turns]


def turning_robot(rng: Rng) -> MirrorContent:
    """Left and right exchanged; the direction faced at the end."""
    start, job = rng.pick(("north", "east", "south", "west")), rng.pick(("clean", "mow", "paint", "patrol"))
    compass = ("north", "east", "south", "west")
    puzzle = Puzzle({"facing": list(compass)})
    heard = tuple(
        [
            Claim("turns", f"{', '.join(turns[:-1])}, {turns[-1]}", f"{compass}.index(facing) == {end}"),
        ]
        for turns in _turns(rng, "left", "right")
        for end in [(compass.index(start) + sum(1 if turn == "right" else -1 for turn in turns)) % 4]
    )
    frames = (
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
    return mirror(
        rng, puzzle, (heard[0], heard[1]), frames, replies, lambda found: str(found[0]["facing"]), job=job, start=start
    )


def cup_shuffle(rng: Rng) -> MirrorContent:
    """Swaps of cups, in one order or another."""
    places = ["left", "middle", "right"]
    swaps = [rng.sample(places, 2) for _ in range(rng.number(3, 4))]
    again = rng.sample(swaps, len(swaps))
    start, thing = rng.pick(places), rng.pick(("pea", "marble", "coin", "ring", "bean", "pebble", "button"))

    def told(swaps: list[list[str]]) -> list[Claim]:
        at = start
        for one, other in swaps:
            at = other if at == one else one if at == other else at
        return [Claim("swaps", ", then ".join(f"{one} with {other}" for one, other in swaps), f"end == {at!r}")]

    if any(set(one) == set(other) for mine in (swaps, again) for one, other in pairwise(mine)):
        raise Resample
    frames = (
        "Three cups in a row, a {thing} under the {start} one. The cups are swapped by position: {l}. Where's the"
        " {thing} now?",
        "shell game: {thing} goes under the {start} cup (of three). she swaps {l} (each time she means whatever cup"
        " stands at that spot at that time). which cup do i point at, left middle or right?",
        (
            "I hid a {thing} under one of three cups and shuffled them. Want to guess where it is?",
            "Tell me where it started and which positions you exchanged, and I will work it out.",
            "It started under the {start} one. I exchanged {l}; left, middle and right always name places on the"
            " table.",
        ),
        "At the fair I lost money on this one: cups on the left, in the middle and on the right, a {thing} beneath"
        " the {start} one, and then the hands moved, changing the cups at two places each time: {l}. Under which one"
        " was it in the end?",
    )
    replies = (
        "The {thing} is under the {answer} cup now. I followed it from one swap to the next.",
        "Follow the {thing} swap by swap, and it comes to rest in the {answer} position.",
        "Go for the {answer} one: that is where the {thing} comes to rest after the last swap.",
    )
    puzzle = Puzzle({"end": places})
    return mirror(
        rng,
        puzzle,
        (told(swaps), told(again)),
        frames,
        replies,
        lambda found: str(found[0]["end"]),
        thing=thing,
        start=start,
    )


TEMPLATES = (round_table, town_map, coach_seats, turning_robot, cup_shuffle)
