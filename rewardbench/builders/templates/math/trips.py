"""Templates about trips and clocks: legs of a trip, head starts, time zones, schedules and weekdays.

Example of a mirror, from `two_legs`:

    prompt a: "Mei paddles 12 km down a river at 3 km/h and then goes on for 24 km at 4 km/h, without a break. ..."
    prompt b: "Mei paddles 12 km down a river at 4 km/h and then goes on for 24 km at 3 km/h, without a break. ..."
    response x, right for a: "12 / 3 = 4 hours, then 24 / 4 = 6 hours. Altogether 4 + 6 = 10 hours."
    response y, right for b: "12 / 4 = 3 hours, then 24 / 3 = 8 hours. Altogether 3 + 8 = 11 hours."
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.assembly import (
    Solution,
    SolutionWriter,
    clock,
    count,
    math_mirror,
    ordinal,
    span,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def two_legs(rng: Rng, wording: int) -> MirrorContent:
    """Swap the speeds of two legs of a trip."""
    slow, fast = rng.numbers(2, 3, 8)
    near, far = (slow * fast * n for n in rng.numbers(2, 1, 3))
    left, right = swapped(slow, fast)
    person = rng.people(1)[0]
    place, other = rng.sample(("the lighthouse", "the monastery", "the ferry pier", "the hot springs"), 2)
    prompts: tuple[PromptTemplate, ...] = (
        f"{person} paddles {near} km down a river at {left} km/h and then goes on for {far} km at {right} km/h, "
        "without a break. How many hours does the whole trip take?",
        f"by mule its {near} km to {place} doing {left} km an hour, from there {far} km more to {other} doing {right} "
        "km an hour. no rests. hours in total?",
        (
            f"You plan the work of a printing plant. The old press makes {left} posters a minute, the new press "
            f"{right}.",
            f"We have {near} posters for the old press and {far} for the new one. The presses run one after the "
            "other, since there's only one operator. How many minutes until all posters are done?",
        ),
    )
    unit = "minutes" if wording == 2 else "hours"
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{near} / {u} = {near // u} {unit}, then {far} / {v} = {far // v} {unit}. Altogether {near // u} + "
                f"{far // v} = {near // u + far // v} {unit}."
            ),
            lambda u, v: (
                f"First part: {near} / {u} = {near // u}\nSecond part: {far} / {v} = {far // v}\n"
                f"Sum in {unit}: {near // u} + {far // v} = {near // u + far // v}"
            ),
        )
    )
    solutions = [Solution(f"{near}/{s}+{far}/{t}", write(s, t)) for s, t in ((slow, fast), (fast, slow))]
    return math_mirror("which part goes at which speed", prompts[wording], *solutions)


def relay(rng: Rng, wording: int) -> MirrorContent:
    """Swap who takes longer and who takes less time than the first one."""
    ann, bob, eve = rng.people(3)
    base, plus, minus = rng.number(20, 55), rng.number(3, 15), rng.number(3, 15)
    slow, fast = swapped(bob, eve)
    late, soon = swapped("the rice", "the fish")
    prompts: tuple[PromptTemplate, ...] = (
        f"In the relay over the pass, {ann} goes first, {bob} second and {eve} third. {ann} needs {base} minutes, "
        f"{slow} {plus} minutes more than {ann}, and {fast} {minus} minutes less than {ann}. How many minutes after "
        f"the start does {bob} hand over to {eve}?",
        f"{ann}'s slot is {base} min. {fast}'s is {minus} min shorter than that and {slow}'s is {plus} min longer "
        f"than that. order on stage is {ann}, {bob}, {eve}, no gaps. how many min after the beginning does {eve} come "
        "on?",
        (
            f"You are a kitchen timer. With this stove, soup takes {base} minutes. Compared with the soup, {late} "
            f"takes {plus} minutes more and {soon} {minus} minutes less.",
            "I've a single pot, so it's soup to begin with, then the rice, then the fish, each put on when the last "
            "is done. When the rice is done, how many minutes have passed?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda sign, d, t: (
                f"The second one takes {base} {sign} {d} = {t} minutes. With the first: {base} + {t} = {base + t} "
                "minutes."
            ),
            lambda sign, d, t: (
                f"First: {base}\nSecond: {base} {sign} {d} = {t}\nBoth of them: {base} + {t} = {base + t}"
            ),
        )
    )
    a = Solution(f"{base}+{base}+{plus}", write("+", plus, base + plus))
    b = Solution(f"{base}+{base}-{minus}", write("−", minus, base - minus))
    return math_mirror("who takes longer and who less", prompts[wording], a, b)


def head_start(rng: Rng, wording: int) -> MirrorContent:
    """Swap whether the faster or the slower of two is ahead at the start."""
    ann, bob = rng.people(2)
    slow, gain, times = rng.number(4, 16), rng.number(2, 6), rng.number(3, 6)
    fast, won = slow + gain, gain * times
    lead = rng.number(2, won - 2)
    ahead, behind = swapped(ann, bob)
    left, right = swapped("blue", "red")
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} cycles at {fast} km/h, {bob} at {slow} km/h, along one and the same coast road in the same direction. "
        f"At noon {ahead} is {lead} km ahead of {behind}. How many kilometers lie between them {times} hours later?",
        f"{ann} collects {fast} stamps a week and {bob} {slow} a week. right now {ahead} has {lead} more than "
        f"{behind}. what's the difference between them in {times} weeks",
        (
            "Two sunflowers stand on my balcony, one in a blue pot and one in a red pot.",
            "Sunflowers are fun to watch! How fast do they grow?",
            f"The one in the blue pot grows {fast} mm a day and the one in the red pot {slow} mm a day. Today the "
            f"{left} pot's is {lead} mm taller than the {right} pot's. By how many mm will their heights differ in "
            f"{times} days?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda first, sign, second: (
                f"The faster one gains {fast} − {slow} = {gain} each time, which makes {times} × {gain} = {won}. With "
                f"the lead of {lead}, they end up {first} {sign} {second} = "
            ),
            lambda first, sign, second: (
                f"- Gain of the faster one: {fast} − {slow} = {gain}\n- Gain in all: {times} × {gain} = {won}\n"
                f"- Lead at the start: {lead}\n- In the end: {first} {sign} {second} = "
            ),
        )
    )
    a = Solution(f"{lead}+({fast}-{slow})*{times}", write(lead, "+", won) + f"{lead + won}.")
    b = Solution(f"({fast}-{slow})*{times}-{lead}", write(won, "−", lead) + f"{won - lead}.")
    return math_mirror("whether the faster or the slower one is ahead at first", prompts[wording], a, b)


def two_clocks(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two clocks is ahead."""
    off, walk, at = rng.number(3, 14), rng.number(16, 40), rng.number(8 * 60, 20 * 60, 5)
    fast, slow = swapped("my watch", "the station clock")
    oven, phone = swapped("the oven clock", "my phone")
    tower, hall = swapped("the tower clock", "the hall clock")
    prompts: tuple[PromptTemplate, ...] = (
        f"My bus leaves when the station clock says {clock(at + walk)}, and I need {walk} minutes to get there from "
        f"my door. By comparison, {fast} is {off} minutes ahead of {slow}. What does my watch say at the last moment "
        "to set off?",
        f"cake goes in when the oven clock shows {clock(at - walk)} and bakes for {walk} min. {phone} runs {off} min "
        f"behind {oven}. what time will my phone show when the cake is done",
        (
            f"You know the clocks of our school: {tower} is always exactly {off} minutes ahead of {hall}.",
            f"The exam lasts {walk} minutes and starts at {clock(at - walk)} by the hall clock. What is the time on "
            "the tower clock when it ends?",
        ),
    )
    stated, sign, way = (at + walk, "-", "back from") if wording == 0 else (at - walk, "+", "on from")
    write: SolutionWriter = rng.pick(
        (
            lambda shown, side: (
                f"{walk} minutes {way} {clock(stated)} it is {clock(at)} by the clock that counts. The other one is "
                f"{off} minutes {side}, so it shows {clock(shown)}."
            ),
            lambda shown, side: (
                f"1. {walk} minutes {way} {clock(stated)}: {clock(at)}\n2. The other clock is {off} minutes {side}.\n"
                f"3. So it shows {clock(shown)}."
            ),
        )
    )
    fore = Solution(f"{stated}{sign}{walk}+{off}", write(at + off, "ahead"), clock(at + off))
    back = Solution(f"{stated}{sign}{walk}-{off}", write(at - off, "behind"), clock(at - off))
    return math_mirror(
        "which of two clocks is ahead", prompts[wording], *((back, fore) if wording == 1 else (fore, back))
    )


def time_zones(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two time zones is ahead."""
    gap, length, start = rng.number(1, 4), rng.number(65, 290, 5), rng.number(8 * 60, 13 * 60, 5)
    departure, arrival = rng.sample(("Port Amaro", "Saint Odile", "Kalle Bay", "New Harran", "Mirel", "Tessaly"), 2)
    ann, bob = rng.people(2)
    east, west = swapped(departure, arrival)
    early, late = swapped(ann, bob)
    apart = count(gap, "hour")
    prompts: tuple[PromptTemplate, ...] = (
        f"The plane leaves {departure} at {clock(start)} local time and is in the air for {span(length)}. Clocks in "
        f"{east} are {apart} ahead of clocks in {west}. What is the local time in {arrival} on landing?",
        f"im {ann}, we're in different time zones, {bob} and me. {late} is {apart} behind {early}. our call starts "
        f"{clock(start)} my time and runs for {span(length)}. what time is it for {bob} when we hang up",
        (
            f"You help travellers in a game. In the game, the clocks of {east} run {apart} ahead of those of {west}.",
            f"I take the ship from {departure} at {clock(start)} by the clocks there, and it sails {span(length)} to "
            f"{arrival}. What do the clocks of {arrival} show when I step ashore?",
        ),
    )
    end = start + length
    write: SolutionWriter = rng.pick(
        (
            lambda shown, side: (
                f"Where it starts, it is {clock(end)} at the end, {span(length)} on from {clock(start)}. The other "
                f"place is {apart} {side}, so there it is {clock(shown)}."
            ),
            lambda shown, side: (
                f"- By the first clock: from {clock(start)} to {clock(end)}\n- The second clock is {apart} {side}.\n"
                f"- By the second clock it ends at {clock(shown)}."
            ),
        )
    )
    behind = Solution(f"{start}+{length}-{gap}*60", write(end - gap * 60, "behind"), clock(end - gap * 60))
    ahead = Solution(f"{start}+{length}+{gap}*60", write(end + gap * 60, "ahead"), clock(end + gap * 60))
    return math_mirror("which of two places is ahead in time", prompts[wording], behind, ahead)


def start_time(rng: Rng, wording: int) -> MirrorContent:
    """Swap the durations of two repeated steps, and ask when to start."""
    u, v = rng.numbers(2, 20, 55, 5)
    n, m = rng.pick(((2, 3), (3, 2), (2, 4), (4, 2), (3, 4)))
    ready = rng.number(11 * 60, 20 * 60, 15)
    left, right = swapped(u, v)
    dough = rng.pick(("flatbread", "plaited loaf", "rye loaf", "milk bread"))
    prompts: tuple[PromptTemplate, ...] = (
        f"My {dough} needs {count(n, 'rise')} of {left} minutes each and {count(m, 'round')} in the oven of {right} "
        f"minutes each, with nothing in between. It has to be ready at {clock(ready)}. When do I start the first step?",
        f"parents evening must end at {clock(ready)} sharp: {count(n, 'talk')} ({left} min each), {count(m, 'tour')} "
        f"({right} min each), back to back. latest start?",
        (
            f"You schedule a pottery. A wash cycle takes {left} minutes, a glaze cycle takes {right} minutes. Cycles "
            "follow each other without a gap.",
            f"I'd like to close up at {clock(ready)} exactly, and I have {count(n, 'wash cycle')} and "
            f"{count(m, 'glaze cycle')} to get through. At what time should the first one begin?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v, t: (
                f"{n} × {u} = {n * u} and {m} × {v} = {m * v}, which is {n * u} + {m * v} = {t} minutes. Counted back "
                f"from {clock(ready)}, the start is at {clock(ready - t)}."
            ),
            lambda u, v, t: (
                f"Needed: {n} × {u} + {m} × {v} = {t} minutes\nThat is the same as {span(t)}.\n"
                f"So long ahead of {clock(ready)} it is {clock(ready - t)}."
            ),
        )
    )
    solutions = []
    for s, t in ((u, v), (v, u)):
        total = n * s + m * t
        solutions.append(Solution(f"{ready}-({n}*{s}+{m}*{t})", write(s, t, total), clock(ready - total)))
    return math_mirror("which step takes how long", prompts[wording], *solutions)


def calendar(rng: Rng, wording: int) -> MirrorContent:
    """Swap the weekdays of two weekly events, and ask for the date of one of them."""
    weekday, date = rng.number(0, 6), rng.number(3, 9)
    i, j = rng.numbers(2, 0, 6)
    nth = rng.number(2, 4)
    month = rng.pick(("March", "May", "July", "October"))
    left, right = swapped(DAYS[i], DAYS[j])
    prompts: tuple[PromptTemplate, ...] = (
        f"In {month} the {ordinal(date)} is a {DAYS[weekday]}. The choir sings every {left} and the drummers meet "
        f"every {right} of that month. On what date of {month} does the choir sing for the {ordinal(nth)} time that "
        "month?",
        f"bins: glass every {left}, paper every {right}. {month} {date} is a {DAYS[weekday]}. date of the "
        f"{ordinal(nth)} glass pickup in {month}? just the day number",
        (
            f"You know the timetable of a village bus: to the coast on every {left}, to the hills on every {right}.",
            f"The calendar says {DAYS[weekday]}, {date} {month}. On which day of {month} is the month's "
            f"{ordinal(nth)} bus to the coast?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda day, first: (
                f"The first {day} of the month is day {first}. The {ordinal(nth)} one comes {nth - 1} × 7 = "
                f"{7 * (nth - 1)} days after: {first} + {7 * (nth - 1)} = {first + 7 * (nth - 1)}."
            ),
            lambda day, first: (
                f"1st {day}: day {first}\n{ordinal(nth)} {day}: {first} + {nth - 1} × 7 = {first + 7 * (nth - 1)}"
            ),
        )
    )
    if weekday in (i, j):
        raise Resample
    solutions = []
    for day in (i, j):
        first = (date - 1 + day - weekday) % 7 + 1
        solutions.append(Solution(f"{first}+7*({nth}-1)", write(DAYS[day], first)))
    return math_mirror("which weekday is whose", prompts[wording], *solutions)


TEMPLATES = tuple(with_wordings(two_legs, relay, head_start, two_clocks, time_zones, start_time, calendar))
