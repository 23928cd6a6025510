"""Work by the hour, water in and out, and counts: posts, pages, matches, places."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.telling import TIMES, Tell, Work, number, ordinal, problem, share, whole


def weekday_pages(rng: Rng, wording: int) -> MirrorContent:
    """So many on a weekday, so many on a day of the weekend: what whole weeks come to."""
    u, v = rng.numbers(2, 8, 45)
    weeks = rng.number(2, 6)
    person = rng.people(1)[0]
    work, rest = swapped(u, v)
    frames: tuple[PromptTemplate, ...] = (
        f"{person} reads {work} pages of a long saga on each day from Monday to Friday and {rest} "
        "pages on each Saturday "
        f"and each Sunday. How many pages is that in {weeks} full weeks?",
        f"bakery order: {rest} rolls sat & sun (each day), {work} rolls on each of mon, tue, wed, "
        "thu, fri. how many rolls in "
        f"{weeks} weeks",
        (
            "You are the helper of a small ferry. On a day of the weekend (Saturday, Sunday) it "
            f"makes {rest} crossings, on "
            f"any other day {work}. It runs every day of the year.",
            f"I'm ordering diesel for the coming {weeks} weeks, 7 days each. How many crossings should I count on?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda u, v: (
                f"A week has 5 × {u} = {5 * u} and 2 × {v} = {2 * v}, so {5 * u} + {2 * v} = "
                f"{5 * u + 2 * v}. In {weeks} weeks: {weeks} × {5 * u + 2 * v} = "
                f"{number(weeks * (5 * u + 2 * v))}."
            ),
            lambda u, v: (
                f"- {weeks} × 5 = {weeks * 5} days at {u}: {weeks * 5} × {u} = "
                f"{number(weeks * 5 * u)}\n- {weeks} × 2 = {weeks * 2} days at {v}: {weeks * 2} × {v} "
                f"= {number(weeks * 2 * v)}\n- In all: {number(weeks * 5 * u)} + "
                f"{number(weeks * 2 * v)} = {number(weeks * (5 * u + 2 * v))}"
            ),
        )
    )
    sides = [Work(f"{weeks}*(5*{s}+2*{t})", tell(s, t)) for s, t in ((u, v), (v, u))]
    return problem("which amount is for the five days, which for the two", frames[wording], *sides)


def tank(rng: Rng, wording: int) -> MirrorContent:
    """Inflow alone for a while, then inflow and outflow together, the two times exchanged."""
    inflow = rng.number(9, 40)
    out = rng.number(2, inflow - 3)
    u, v = rng.numbers(2, 4, 30)
    left, right = swapped(u, v)
    frames: tuple[PromptTemplate, ...] = (
        f"The rain tank was empty when the pump was switched on. The pump brings {inflow} liters a "
        "minute and never stops; "
        f"the drain lets {out} liters a minute out while it is open. The drain stayed shut for "
        f"{left} minutes and was then "
        f"open for {right} minutes. How many liters were in the tank at that point?",
        f"game q: my farm makes {inflow} gold per hour, nonstop. the guard eats {out} gold an hour "
        f"while hired. {left} hours "
        f"without the guard then {right} hours with. started from zero. gold now?",
        (
            f"You model a car park. It is empty at opening time; {inflow} cars drive in every "
            "minute all day. The exit is "
            f"closed for the first {left} minutes, and from then on {out} cars drive out every minute.",
            f"The exit has now been working for exactly {right} minutes. How many cars are inside?",
        ),
    )
    net = inflow - out
    tell: Tell = rng.pick(
        (
            lambda u, v: (
                f"{u} × {inflow} = {number(u * inflow)} to begin with. Then {inflow} − {out} = {net} "
                f"net, {v} × {net} = {number(v * net)}, and {number(u * inflow)} + {number(v * net)} = "
                f"{number(u * inflow + v * net)}."
            ),
            lambda u, v: (
                f"In: ({u} + {v}) × {inflow} = {number((u + v) * inflow)}\nOut: {v} × {out} = "
                f"{number(v * out)}\nIn the end: {number((u + v) * inflow)} − {number(v * out)} = "
                f"{number(u * inflow + v * net)}"
            ),
        )
    )
    sides = [Work(f"{s}*{inflow}+{t}*({inflow}-{out})", tell(s, t)) for s, t in ((u, v), (v, u))]
    return problem("how long without and how long with the outflow", frames[wording], *sides)


def work_pair(rng: Rng, wording: int) -> MirrorContent:
    """One works several times as fast as the other: how long both together need."""
    one, two = rng.people(2)
    m = rng.number(2, 4)
    alone = m * (m + 1) * rng.number(1, 5)
    fast, slow = swapped(one, two)
    big, small = swapped("the old pump", "the new pump")
    frames: tuple[PromptTemplate, ...] = (
        f"{one} alone needs {alone} hours to mend all the nets of the boat. {fast} mends "
        f"{TIMES[m]} as fast as {slow}. How "
        f"many hours do they need if both mend at the same time?",
        f"{fast} shells peas {TIMES[m]} as fast as {slow}. by {one} alone the whole sack takes "
        f"{alone} minutes. both start "
        f"on it together, how many minutes till its empty?",
        (
            f"You advise on draining flooded cellars. Per hour, {big} moves {TIMES[m]} as much water as {small}.",
            f"With nothing but the old pump, our cellar was dry after {alone} hours last year. "
            "This year it's just as full, "
            f"and we run the old and the new pump side by side. How many hours will that take?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda mine: (
                f"Count the slower one as 1 and the faster one as {m}, together 1 + {m} = {m + 1}. "
                "The one we know the time "
                f"of counts {mine}, so the job is {alone} × {mine} = {alone * mine}, and "
                f"{alone * mine} / {m + 1} = {whole(alone * mine, m + 1)}."
            ),
            lambda mine: (
                f"- The known speed: {mine} in {alone}, which is {alone} × {mine} = {alone * mine} for the job\n"
                f"- Both at once: {m} + 1 = {m + 1}\n- {alone * mine} / {m + 1} = {whole(alone * mine, m + 1)}"
            ),
        )
    )
    sides = Work(f"{alone}*{m}/({m}+1)", tell(m)), Work(f"{alone}/({m}+1)", tell(1))
    return problem("who works faster than whom", frames[wording], *sides)


def pumps(rng: Rng, wording: int) -> MirrorContent:
    """More hands, less time: so many need so long, how long do others need."""
    u, v = rng.numbers(2, 2, 12)
    time = rng.number(6, 60)
    left, right = swapped(u, v)
    frames: tuple[PromptTemplate, ...] = (
        f"{left} identical pumps empty the basin in {time} hours. How many hours do {right} of "
        "them take for the same basin?",
        f"if {left} of us clear the beach in {time} minutes, and everyone is equally quick, how "
        f"long for {right} of us? in "
        f"minutes",
        (
            f"For our {left} horses the hay in the barn lasts {time} days. All horses eat the same amount.",
            "Good to know. Is something about to change?",
            f"We'll have {right} horses, from day one and with just as much hay. How many days will it last then?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda u, v: (
                f"A single one would take {u} × {time} = {u * time}. Shared by {v}, that is {u * time} "
                f"/ {v} = {number(share(u * time, v))}."
            ),
            lambda u, v: (
                f"Total: {u} × {time} = {u * time}\nDivided by {v}: {u * time} / {v} = {number(share(u * time, v))}"
            ),
        )
    )
    if (u * time) % v or (v * time) % u:
        raise Resample
    sides = [Work(f"{s}*{time}/{t}", tell(s, t)) for s, t in ((u, v), (v, u))]
    return problem("how many need the given time, and how many are asked about", frames[wording], *sides)


def posts(rng: Rng, wording: int) -> MirrorContent:
    """Two things in a row at regular gaps: which of them stands at both ends too."""
    gap, other = rng.sample((4, 5, 6, 8, 10, 12), 2)
    length = gap * other * rng.number(2, 5)
    yes, no = swapped("lamp", "bench")
    bus, tram = swapped("buses", "trams")
    rose, herb = swapped("rose", "lavender")
    frames: tuple[PromptTemplate, ...] = (
        f"A straight promenade is {length} m long. It gets a lamp every {gap} m and a bench every "
        f"{other} m, measured from "
        f"the start; right at the start and right at the end there is a {yes} too, but no {no}. "
        "How many lamps are needed?",
        f"a bus every {gap} min and a tram every {other} min for {length} min, counting from when "
        f"the fair opens. the {bus} "
        f"also run right at opening and right at the last minute, the {tram} dont. number of buses?",
        (
            f"You plan flower beds of two rows. The {rose} row always has a bush at each of its two ends as well, the "
            f"{herb} row has none at its ends.",
            f"My bed is a straight line of {length} dm. Measured from one end I want a rose bush every {gap} dm in the "
            f"front row and a lavender bush every {other} dm in the back row. How many rose bushes do I buy?",
        ),
    )
    n = length // gap
    tell: Tell = rng.pick(
        (
            lambda sign, end, why: (
                f"{length} / {gap} = {n} gaps. {why}, there is one "
                f"{'more' if sign == '+' else 'fewer'} than gaps: {n} {sign} 1 = {end}."
            ),
            lambda sign, end, why: f"- Gaps: {length} / {gap} = {n}\n- {why}: {n} {sign} 1 = {end}",
        )
    )
    a = Work(f"{length}/{gap}+1", tell("+", n + 1, "With one at each end"))
    b = Work(f"{length}/{gap}-1", tell("−", n - 1, "With none at the ends"))
    return problem("which of two things stands at the ends too", frames[wording], a, b)


def pages_between(rng: Rng, wording: int) -> MirrorContent:
    """From one number to another: one counts both ends, the other neither."""
    one, two = rng.people(2)
    low = rng.number(12, 80)
    high = low + rng.number(15, 70)
    whole_, inner = swapped(one, two)
    spring, autumn = swapped("spring", "autumn")
    frames: tuple[PromptTemplate, ...] = (
        f"{one} and {two} proofread pages {low} to {high} of the yearbook. {whole_} read all "
        f"of these, page {low} and page {high} included; {inner} read only what lies strictly between those two. "
        f"How many pages did {one} read?",
        f"locker numbers.. {whole_} has every locker from {low} to {high}, both of these included. "
        f"{inner} had every locker "
        f"from {low} to {high} as well but lost both of these. how many does {one} have now",
        (
            f"You answer questions about a museum's passes. In {spring}, a pass from day {low} to "
            f"day {high} of the season "
            f"is valid on its first and last day; in {autumn} it is not, but on all days between.",
            f"Hello, I've got an autumn pass from day {low} to day {high}. On how many days can I come in?",
        ),
    )
    gap = high - low
    tell: Tell = rng.pick(
        (
            lambda sign, end, what: (
                f"From {low} to {high} it is {high} − {low} = {gap} steps. {what}, that makes {gap} {sign} 1 = {end}."
            ),
            lambda sign, end, what: f"Steps: {high} − {low} = {gap}\n{what}: {gap} {sign} 1 = {end}",
        )
    )
    both = Work(f"{high}-{low}+1", tell("+", gap + 1, "With both ends counted"))
    none = Work(f"{high}-{low}-1", tell("−", gap - 1, "With neither end counted"))
    return problem(
        "who counts both ends, who neither", frames[wording], *((none, both) if wording == 2 else (both, none))
    )


def tournament(rng: Rng, wording: int) -> MirrorContent:
    """Knock-out among so many, all against all among so many others."""
    u, v = rng.numbers(2, 5, 16)
    left, right = swapped(u, v)
    sport = rng.pick(("table tennis", "petanque", "draughts", "badminton", "carrom"))
    frames: tuple[PromptTemplate, ...] = (
        f"Our {sport} day has two events. In one, {left} players meet in a knock-out: who loses is "
        "out, until one is left. "
        f"In the other, {right} players each play all the others once. How many matches do we have to schedule?",
        f"{left} kids play everyone vs everyone (once), {right} grownups play knockout till theres "
        "a winner, no third place "
        f"game. how many games of {sport} all in all",
        (
            f"You set up {sport} cups. The junior cup is a knock-out without a match for third "
            "place. In the senior cup, "
            f"everyone meets everyone else exactly once.",
            f"{left} juniors and {right} seniors signed up. How many matches will the umpires see?",
        ),
    )

    def work(out: int, league: int, short: bool) -> Work:
        pairs = league * (league - 1) // 2
        if short:
            text = (
                f"Knock-out: {out} − 1 = {out - 1}. All against all: {league} × {league - 1} / 2 = "
                f"{pairs}. Together: {out - 1} + {pairs} = {out - 1 + pairs}."
            )
        else:
            text = (
                f"- Everyone but the winner loses once: {out} − 1 = {out - 1}\n- Pairs of {league}: "
                f"{league} × {league - 1} / 2 = {pairs}\n- Sum: {out - 1} + {pairs} = "
                f"{out - 1 + pairs}"
            )
        return Work(f"{out}-1+{league}*({league}-1)/2", text)

    short = rng.chance()
    sides = work(u, v, short), work(v, u, short)
    return problem("how many play in which form", frames[wording], *(sides[::-1] if wording == 1 else sides))


def queue(rng: Rng, wording: int) -> MirrorContent:
    """So many places ahead, then so many behind; or the other way round."""
    one, two, three = rng.people(3)
    up, down = rng.numbers(2, 3, 9)
    at = rng.number(14, 30)
    ahead, behind = swapped("ahead of", "behind")
    above, below = swapped("above", "below")
    hot, cold = swapped("warmer", "colder")
    frames: tuple[PromptTemplate, ...] = (
        f"In the line at the ferry {one} is {ordinal(at)}. {two} stands {up} places {ahead} {one}, "
        f"and {three} stands {down} "
        f"places {behind} {two}. What is {three}'s place in the line?",
        f"{one} lives on floor {at}. {two} is {up} floors {below} {one}, {three} is {down} floors "
        f"{above} {two}. which floor "
        f"is {three} on?",
        (
            f"You read a weather table. The plain is {up} degrees {cold} than the coast. The pass "
            f"is {down} degrees {hot} "
            f"than the plain.",
            f"The thermometer on the coast shows {at} degrees. What temperature should I expect up on the pass?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda s, mid, t, end: f"Step one: {at} {s} {up} = {mid}. Step two: {mid} {t} {down} = {end}.",
            lambda s, mid, t, end: (
                f"Start with {at}.\nThen it is {at} {s} {up} = {mid}.\nFrom there, {mid} {t} {down} = {end}."
            ),
        )
    )
    a = Work(f"{at}-{up}+{down}", tell("−", at - up, "+", at - up + down))
    b = Work(f"{at}+{up}-{down}", tell("+", at + up, "−", at + up - down))
    return problem("which step goes forward and which back", frames[wording], a, b)


TEMPLATES = tuple(with_wordings(weekday_pages, tank, work_pair, pumps, posts, pages_between, tournament, queue))
