"""Legs of a trip, head starts, clocks and time zones."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.telling import Tell, Work, clock, count, ordinal, problem, span

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def two_legs(rng: Rng, wording: int) -> MirrorContent:
    """Two distances at two speeds that change places: the time for both."""
    slow, fast = rng.numbers(2, 3, 8)
    near, far = (slow * fast * n for n in rng.numbers(2, 1, 3))
    left, right = swapped(slow, fast)
    person = rng.people(1)[0]
    place, other = rng.sample(("the lighthouse", "the monastery", "the ferry pier", "the hot springs"), 2)
    frames: tuple[PromptTemplate, ...] = (
        f"{person} paddles {near} km down a river at {left} km/h and then goes on for {far} km at "
        f"{right} km/h, without "
        f"a break. How many hours does the whole trip take?",
        f"by mule its {near} km to {place} doing {left} km an hour, from there {far} km more to "
        f"{other} doing {right} km an "
        f"hour. no rests. hours in total?",
        (
            f"You plan the work of a printing plant. The old press makes {left} posters a minute, "
            f"the new press {right}.",
            f"We have {near} posters for the old press and {far} for the new one. The presses run one after the other, "
            f"since there's only one operator. How many minutes until all posters are done?",
        ),
    )
    unit = "minutes" if wording == 2 else "hours"
    tell: Tell = rng.pick(
        (
            lambda u, v: (
                f"{near} / {u} = {near // u} {unit}, then {far} / {v} = {far // v} {unit}. "
                f"Altogether {near // u} + {far // v} = {near // u + far // v} {unit}."
            ),
            lambda u, v: (
                f"First part: {near} / {u} = {near // u}\nSecond part: {far} / {v} = {far // v}\n"
                f"Sum in {unit}: {near // u} + {far // v} = {near // u + far // v}"
            ),
        )
    )
    sides = [Work(f"{near}/{s}+{far}/{t}", tell(s, t)) for s, t in ((slow, fast), (fast, slow))]
    return problem("which part goes at which speed", frames[wording], *sides)


def relay(rng: Rng, wording: int) -> MirrorContent:
    """One takes longer than the first, another less: when the second hands over."""
    one, two, three = rng.people(3)
    base, plus, minus = rng.number(20, 55), rng.number(3, 15), rng.number(3, 15)
    slow, fast = swapped(two, three)
    late, soon = swapped("the rice", "the fish")
    frames: tuple[PromptTemplate, ...] = (
        f"In the relay over the pass, {one} goes first, {two} second and {three} third. {one} "
        f"needs {base} minutes, {slow} "
        f"{plus} minutes more than {one}, and {fast} {minus} minutes less than {one}. How many minutes after the start "
        f"does {two} hand over to {three}?",
        f"{one}'s slot is {base} min. {fast}'s is {minus} min shorter than that and {slow}'s is {plus} min longer than "
        f"that. order on stage is {one}, {two}, {three}, no gaps. how many min after the beginning "
        f"does {three} come on?",
        (
            f"You are a kitchen timer. With this stove, soup takes {base} minutes. Compared with "
            f"the soup, {late} takes "
            f"{plus} minutes more and {soon} {minus} minutes less.",
            "I've a single pot, so it's soup to begin with, then the rice, then the fish, each put on when the last is "
            "done. When the rice is done, how many minutes have passed?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda sign, d, t: (
                f"The second one takes {base} {sign} {d} = {t} minutes. With the first: {base} + {t} = "
                f"{base + t} minutes."
            ),
            lambda sign, d, t: (
                f"First: {base}\nSecond: {base} {sign} {d} = {t}\nBoth of them: {base} + {t} = {base + t}"
            ),
        )
    )
    a = Work(f"{base}+{base}+{plus}", tell("+", plus, base + plus))
    b = Work(f"{base}+{base}-{minus}", tell("−", minus, base - minus))
    return problem("who takes longer and who less", frames[wording], a, b)


def head_start(rng: Rng, wording: int) -> MirrorContent:
    """Two going the same way: who is ahead at the start, the faster or the slower."""
    one, two = rng.people(2)
    slow, gain, times = rng.number(4, 16), rng.number(2, 6), rng.number(3, 6)
    fast, won = slow + gain, gain * times
    lead = rng.number(2, won - 2)
    ahead, behind = swapped(one, two)
    left, right = swapped("blue", "red")
    frames: tuple[PromptTemplate, ...] = (
        f"{one} cycles at {fast} km/h, {two} at {slow} km/h, along one and the same coast road in "
        "the same direction. At "
        f"noon {ahead} is {lead} km ahead of {behind}. How many kilometers lie between them {times} hours later?",
        f"{one} collects {fast} stamps a week and {two} {slow} a week. right now {ahead} has "
        f"{lead} more than {behind}. "
        f"what's the difference between them in {times} weeks",
        (
            "Two sunflowers stand on my balcony, one in a blue pot and one in a red pot.",
            "Sunflowers are fun to watch! How fast do they grow?",
            f"The one in the blue pot grows {fast} mm a day and the one in the red pot {slow} mm a "
            f"day. Today the {left} "
            f"pot's is {lead} mm taller than the {right} pot's. By how many mm will their heights "
            f"differ in {times} days?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda first, sign, second: (
                f"The faster one gains {fast} − {slow} = {gain} each time, which makes {times} × {gain} = {won}. "
                f"With the lead of {lead}, they end up {first} {sign} {second} = "
            ),
            lambda first, sign, second: (
                f"- Gain of the faster one: {fast} − {slow} = {gain}\n- Gain in all: {times} × {gain} = {won}\n"
                f"- Lead at the start: {lead}\n- In the end: {first} {sign} {second} = "
            ),
        )
    )
    a = Work(f"{lead}+({fast}-{slow})*{times}", tell(lead, "+", won) + f"{lead + won}.")
    b = Work(f"({fast}-{slow})*{times}-{lead}", tell(won, "−", lead) + f"{won - lead}.")
    return problem("whether the faster or the slower one is ahead at first", frames[wording], a, b)


def two_clocks(rng: Rng, wording: int) -> MirrorContent:
    """One clock is ahead of the other: which, and what the other shows."""
    off, walk, at = rng.number(3, 14), rng.number(16, 40), rng.number(8 * 60, 20 * 60, 5)
    fast, slow = swapped("my watch", "the station clock")
    oven, phone = swapped("the oven clock", "my phone")
    tower, hall = swapped("the tower clock", "the hall clock")
    frames: tuple[PromptTemplate, ...] = (
        f"My bus leaves when the station clock says {clock(at + walk)}, and I need {walk} minutes to get there from my "
        f"door. By comparison, {fast} is {off} minutes ahead of {slow}. What does my watch say at "
        "the last moment to set "
        f"off?",
        f"cake goes in when the oven clock shows {clock(at - walk)} and bakes for {walk} min. "
        f"{phone} runs {off} min behind "
        f"{oven}. what time will my phone show when the cake is done",
        (
            f"You know the clocks of our school: {tower} is always exactly {off} minutes ahead of {hall}.",
            f"The exam lasts {walk} minutes and starts at {clock(at - walk)} by the hall clock. "
            "What is the time on the "
            f"tower clock when it ends?",
        ),
    )
    given, sign, way = (at + walk, "-", "back from") if wording == 0 else (at - walk, "+", "on from")
    tell: Tell = rng.pick(
        (
            lambda shown, side: (
                f"{walk} minutes {way} {clock(given)} it is {clock(at)} by the clock that counts. "
                f"The other one is {off} "
                f"minutes {side}, so it shows {clock(shown)}."
            ),
            lambda shown, side: (
                f"1. {walk} minutes {way} {clock(given)}: {clock(at)}\n2. The other clock is {off} minutes {side}.\n"
                f"3. So it shows {clock(shown)}."
            ),
        )
    )
    fore = Work(f"{given}{sign}{walk}+{off}", tell(at + off, "ahead"), clock(at + off))
    back = Work(f"{given}{sign}{walk}-{off}", tell(at - off, "behind"), clock(at - off))
    return problem("which of two clocks is ahead", frames[wording], *((back, fore) if wording == 1 else (fore, back)))


def time_zones(rng: Rng, wording: int) -> MirrorContent:
    """A trip or a call between two time zones: which is ahead."""
    gap, length, start = rng.number(1, 4), rng.number(65, 290, 5), rng.number(8 * 60, 13 * 60, 5)
    one, two = rng.sample(("Port Amaro", "Saint Odile", "Kalle Bay", "New Harran", "Mirel", "Tessaly"), 2)
    ann, bob = rng.people(2)
    east, west = swapped(one, two)
    early, late = swapped(ann, bob)
    apart = count(gap, "hour")
    frames: tuple[PromptTemplate, ...] = (
        f"The plane leaves {one} at {clock(start)} local time and is in the air for "
        f"{span(length)}. Clocks in {east} are "
        f"{apart} ahead of clocks in {west}. What is the local time in {two} on landing?",
        f"im {ann}, we're in different time zones, {bob} and me. {late} is {apart} behind {early}. our call starts "
        f"{clock(start)} my time and runs for {span(length)}. what time is it for {bob} when we hang up",
        (
            f"You help travellers in a game. In the game, the clocks of {east} run {apart} ahead of those of {west}.",
            f"I take the ship from {one} at {clock(start)} by the clocks there, and it sails "
            f"{span(length)} to {two}. What "
            f"do the clocks of {two} show when I step ashore?",
        ),
    )
    end = start + length
    tell: Tell = rng.pick(
        (
            lambda shown, side: (
                f"Where it starts, it is {clock(end)} at the end, {span(length)} on from "
                f"{clock(start)}. The other place is "
                f"{apart} {side}, so there it is {clock(shown)}."
            ),
            lambda shown, side: (
                f"- By the first clock: from {clock(start)} to {clock(end)}\n- The second clock is {apart} {side}.\n"
                f"- By the second clock it ends at {clock(shown)}."
            ),
        )
    )
    behind = Work(f"{start}+{length}-{gap}*60", tell(end - gap * 60, "behind"), clock(end - gap * 60))
    ahead = Work(f"{start}+{length}+{gap}*60", tell(end + gap * 60, "ahead"), clock(end + gap * 60))
    return problem("which of two places is ahead in time", frames[wording], behind, ahead)


def start_time(rng: Rng, wording: int) -> MirrorContent:
    """So many of one step and so many of another up to a time of day: when to start."""
    u, v = rng.numbers(2, 20, 55, 5)
    n, m = rng.pick(((2, 3), (3, 2), (2, 4), (4, 2), (3, 4)))
    ready = rng.number(11 * 60, 20 * 60, 15)
    left, right = swapped(u, v)
    dough = rng.pick(("flatbread", "plaited loaf", "rye loaf", "milk bread"))
    frames: tuple[PromptTemplate, ...] = (
        f"My {dough} needs {count(n, 'rise')} of {left} minutes each and {count(m, 'round')} in "
        f"the oven of {right} minutes "
        f"each, with nothing in between. It has to be ready at {clock(ready)}. When do I start the first step?",
        f"parents evening must end at {clock(ready)} sharp: {count(n, 'talk')} ({left} min each), {count(m, 'tour')} "
        f"({right} min each), back to back. latest start?",
        (
            f"You schedule a pottery. A wash cycle takes {left} minutes, a glaze cycle takes "
            f"{right} minutes. Cycles follow "
            f"each other without a gap.",
            f"I'd like to close up at {clock(ready)} exactly, and I have {count(n, 'wash cycle')} and "
            f"{count(m, 'glaze cycle')} to get through. At what time should the first one begin?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda u, v, t: (
                f"{n} × {u} = {n * u} and {m} × {v} = {m * v}, which is {n * u} + {m * v} = {t} minutes. "
                f"Counted back from {clock(ready)}, the start is at {clock(ready - t)}."
            ),
            lambda u, v, t: (
                f"Needed: {n} × {u} + {m} × {v} = {t} minutes\nThat is the same as {span(t)}.\n"
                f"So long ahead of {clock(ready)} it is {clock(ready - t)}."
            ),
        )
    )
    totals = [(s, t, n * s + m * t) for s, t in ((u, v), (v, u))]
    sides = [Work(f"{ready}-({n}*{s}+{m}*{t})", tell(s, t, all_), clock(ready - all_)) for s, t, all_ in totals]
    return problem("which step takes how long", frames[wording], *sides)


def calendar(rng: Rng, wording: int) -> MirrorContent:
    """Two fixed weekdays that change places: the date of the third, fourth ... time."""
    given, date = rng.number(0, 6), rng.number(3, 9)
    i, j = rng.numbers(2, 0, 6)
    nth = rng.number(2, 4)
    month = rng.pick(("March", "May", "July", "October"))
    left, right = swapped(DAYS[i], DAYS[j])
    frames: tuple[PromptTemplate, ...] = (
        f"In {month} the {ordinal(date)} is a {DAYS[given]}. The choir sings every {left} and the drummers meet every "
        f"{right} of that month. On what date of {month} does the choir sing for the {ordinal(nth)} time that month?",
        f"bins: glass every {left}, paper every {right}. {month} {date} is a {DAYS[given]}. date "
        f"of the {ordinal(nth)} glass "
        f"pickup in {month}? just the day number",
        (
            f"You know the timetable of a village bus: to the coast on every {left}, to the hills on every {right}.",
            f"The calendar says {DAYS[given]}, {date} {month}. On which day of {month} is the "
            f"month's {ordinal(nth)} bus to "
            f"the coast?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda day, first: (
                f"The first {day} of the month is day {first}. The {ordinal(nth)} one comes {nth - 1} "
                f"× 7 = {7 * (nth - 1)} days after: {first} + {7 * (nth - 1)} = "
                f"{first + 7 * (nth - 1)}."
            ),
            lambda day, first: (
                f"1st {day}: day {first}\n{ordinal(nth)} {day}: {first} + {nth - 1} × 7 = {first + 7 * (nth - 1)}"
            ),
        )
    )
    if given in (i, j):
        raise Resample
    firsts = [(date - 1 + day - given) % 7 + 1 for day in (i, j)]
    sides = [Work(f"{first}+7*({nth}-1)", tell(DAYS[day], first)) for day, first in zip((i, j), firsts, strict=True)]
    return problem("which weekday is whose", frames[wording], *sides)


TEMPLATES = tuple(with_wordings(two_legs, relay, head_start, two_clocks, time_zones, start_time, calendar))
