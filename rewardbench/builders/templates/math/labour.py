"""Templates about work, flows and counts: hours, pumps, posts, pages, matches and places in a line.

Example of a mirror, from `pumps`:

    prompt a: "4 identical pumps empty the basin in 12 hours. How many hours do 3 of them take for the same basin?"
    prompt b: "3 identical pumps empty the basin in 12 hours. How many hours do 4 of them take for the same basin?"
    response x, right for a: "A single one would take 4 × 12 = 48. Shared by 3, that is 48 / 3 = 16."
    response y, right for b: "A single one would take 3 × 12 = 36. Shared by 4, that is 36 / 4 = 9."
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.assembly import (
    TIMES,
    Solution,
    SolutionWriter,
    math_mirror,
    number,
    ordinal,
    share,
    whole_quotient,
)


def weekday_pages(rng: Rng, wording: int) -> MirrorContent:
    """Swap the amount of a weekday and the amount of a day of the weekend."""
    u, v = rng.numbers(2, 8, 45)
    weeks = rng.number(2, 6)
    person = rng.people(1)[0]
    weekday, weekend = swapped(u, v)
    prompts: tuple[PromptTemplate, ...] = (
        f"{person} reads {weekday} pages of a long saga on each day from Monday to Friday and {weekend} pages on each "
        f"Saturday and each Sunday. How many pages is that in {weeks} full weeks?",
        f"bakery order: {weekend} rolls sat & sun (each day), {weekday} rolls on each of mon, tue, wed, thu, fri. how "
        f"many rolls in {weeks} weeks",
        (
            f"You are the helper of a small ferry. On a day of the weekend (Saturday, Sunday) it makes {weekend} "
            f"crossings, on any other day {weekday}. It runs every day of the year.",
            f"I'm ordering diesel for the coming {weeks} weeks, 7 days each. How many crossings should I count on?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"A week has 5 × {u} = {5 * u} and 2 × {v} = {2 * v}, so {5 * u} + {2 * v} = {5 * u + 2 * v}. In "
                f"{weeks} weeks: {weeks} × {5 * u + 2 * v} = {number(weeks * (5 * u + 2 * v))}."
            ),
            lambda u, v: (
                f"- {weeks} × 5 = {weeks * 5} days at {u}: {weeks * 5} × {u} = {number(weeks * 5 * u)}\n- {weeks} × 2 "
                f"= {weeks * 2} days at {v}: {weeks * 2} × {v} = {number(weeks * 2 * v)}\n- In all: "
                f"{number(weeks * 5 * u)} + {number(weeks * 2 * v)} = {number(weeks * (5 * u + 2 * v))}"
            ),
        )
    )
    solutions = [Solution(f"{weeks}*(5*{s}+2*{t})", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("which amount is for the five days, which for the two", prompts[wording], *solutions)


def tank(rng: Rng, wording: int) -> MirrorContent:
    """Swap the times without and with the outflow."""
    inflow = rng.number(9, 40)
    out = rng.number(2, inflow - 3)
    u, v = rng.numbers(2, 4, 30)
    left, right = swapped(u, v)
    prompts: tuple[PromptTemplate, ...] = (
        f"The rain tank was empty when the pump was switched on. The pump brings {inflow} liters a minute and never "
        f"stops; the drain lets {out} liters a minute out while it is open. The drain stayed shut for {left} minutes "
        f"and was then open for {right} minutes. How many liters were in the tank at that point?",
        f"game q: my farm makes {inflow} gold per hour, nonstop. the guard eats {out} gold an hour while hired. "
        f"{left} hours without the guard then {right} hours with. started from zero. gold now?",
        (
            f"You model a car park. It is empty at opening time; {inflow} cars drive in every minute all day. The "
            f"exit is closed for the first {left} minutes, and from then on {out} cars drive out every minute.",
            f"The exit has now been working for exactly {right} minutes. How many cars are inside?",
        ),
    )
    net = inflow - out
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{u} × {inflow} = {number(u * inflow)} to begin with. Then {inflow} − {out} = {net} net, {v} × {net} "
                f"= {number(v * net)}, and {number(u * inflow)} + {number(v * net)} = {number(u * inflow + v * net)}."
            ),
            lambda u, v: (
                f"In: ({u} + {v}) × {inflow} = {number((u + v) * inflow)}\nOut: {v} × {out} = {number(v * out)}\nIn "
                f"the end: {number((u + v) * inflow)} − {number(v * out)} = {number(u * inflow + v * net)}"
            ),
        )
    )
    solutions = [Solution(f"{s}*{inflow}+{t}*({inflow}-{out})", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("how long without and how long with the outflow", prompts[wording], *solutions)


def work_pair(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two works faster, and ask how long both need together."""
    ann, bob = rng.people(2)
    m = rng.number(2, 4)
    alone = m * (m + 1) * rng.number(1, 5)
    fast, slow = swapped(ann, bob)
    big, small = swapped("the old pump", "the new pump")
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} alone needs {alone} hours to mend all the nets of the boat. {fast} mends {TIMES[m]} as fast as "
        f"{slow}. How many hours do they need if both mend at the same time?",
        f"{fast} shells peas {TIMES[m]} as fast as {slow}. by {ann} alone the whole sack takes {alone} minutes. both "
        "start on it together, how many minutes till its empty?",
        (
            f"You advise on draining flooded cellars. Per hour, {big} moves {TIMES[m]} as much water as {small}.",
            f"With nothing but the old pump, our cellar was dry after {alone} hours last year. This year it's just as "
            "full, and we run the old and the new pump side by side. How many hours will that take?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda mine: (
                f"Count the slower one as 1 and the faster one as {m}, together 1 + {m} = {m + 1}. The one we know "
                f"the time of counts {mine}, so the job is {alone} × {mine} = {alone * mine}, and {alone * mine} / "
                f"{m + 1} = {whole_quotient(alone * mine, m + 1)}."
            ),
            lambda mine: (
                f"- The known speed: {mine} in {alone}, which is {alone} × {mine} = {alone * mine} for the job\n"
                f"- Both at once: {m} + 1 = {m + 1}\n- {alone * mine} / {m + 1} = "
                f"{whole_quotient(alone * mine, m + 1)}"
            ),
        )
    )
    solutions = Solution(f"{alone}*{m}/({m}+1)", write(m)), Solution(f"{alone}/({m}+1)", write(1))
    return math_mirror("who works faster than whom", prompts[wording], *solutions)


def pumps(rng: Rng, wording: int) -> MirrorContent:
    """Swap how many need the stated time and how many are asked about."""
    u, v = rng.numbers(2, 2, 12)
    time = rng.number(6, 60)
    left, right = swapped(u, v)
    prompts: tuple[PromptTemplate, ...] = (
        f"{left} identical pumps empty the basin in {time} hours. How many hours do {right} of them take for the same "
        "basin?",
        f"if {left} of us clear the beach in {time} minutes, and everyone is equally quick, how long for {right} of "
        "us? in minutes",
        (
            f"For our {left} horses the hay in the barn lasts {time} days. All horses eat the same amount.",
            "Good to know. Is something about to change?",
            f"We'll have {right} horses, from day one and with just as much hay. How many days will it last then?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"A single one would take {u} × {time} = {u * time}. Shared by {v}, that is {u * time} / {v} = "
                f"{number(share(u * time, v))}."
            ),
            lambda u, v: (
                f"Total: {u} × {time} = {u * time}\nDivided by {v}: {u * time} / {v} = {number(share(u * time, v))}"
            ),
        )
    )
    if (u * time) % v or (v * time) % u:
        raise Resample
    solutions = [Solution(f"{s}*{time}/{t}", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("how many need the given time, and how many are asked about", prompts[wording], *solutions)


def posts(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two regular rows also has posts at both ends."""
    gap, other = rng.sample((4, 5, 6, 8, 10, 12), 2)
    length = gap * other * rng.number(2, 5)
    yes, no = swapped("lamp", "bench")
    bus, tram = swapped("buses", "trams")
    rose, herb = swapped("rose", "lavender")
    prompts: tuple[PromptTemplate, ...] = (
        f"A straight promenade is {length} m long. It gets a lamp every {gap} m and a bench every {other} m, measured "
        f"from the start; right at the start and right at the end there is a {yes} too, but no {no}. How many lamps "
        "are needed?",
        f"a bus every {gap} min and a tram every {other} min for {length} min, counting from when the fair opens. the "
        f"{bus} also run right at opening and right at the last minute, the {tram} dont. number of buses?",
        (
            f"You plan flower beds of two rows. The {rose} row always has a bush at each of its two ends as well, the "
            f"{herb} row has none at its ends.",
            f"My bed is a straight line of {length} dm. Measured from one end I want a rose bush every {gap} dm in "
            f"the front row and a lavender bush every {other} dm in the back row. How many rose bushes do I buy?",
        ),
    )
    n = length // gap
    write: SolutionWriter = rng.pick(
        (
            lambda sign, end, why: (
                f"{length} / {gap} = {n} gaps. {why}, there is one {'more' if sign == '+' else 'fewer'} than gaps: "
                f"{n} {sign} 1 = {end}."
            ),
            lambda sign, end, why: f"- Gaps: {length} / {gap} = {n}\n- {why}: {n} {sign} 1 = {end}",
        )
    )
    a = Solution(f"{length}/{gap}+1", write("+", n + 1, "With one at each end"))
    b = Solution(f"{length}/{gap}-1", write("−", n - 1, "With none at the ends"))
    return math_mirror("which of two things stands at the ends too", prompts[wording], a, b)


def pages_between(rng: Rng, wording: int) -> MirrorContent:
    """Swap who counts both ends of a range and who counts neither."""
    ann, bob = rng.people(2)
    low = rng.number(12, 80)
    high = low + rng.number(15, 70)
    inclusive, exclusive = swapped(ann, bob)
    spring, autumn = swapped("spring", "autumn")
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} and {bob} proofread pages {low} to {high} of the yearbook. {inclusive} read all of these, page {low} "
        f"and page {high} included; {exclusive} read only what lies strictly between those two. How many pages did "
        f"{ann} read?",
        f"locker numbers.. {inclusive} has every locker from {low} to {high}, both of these included. {exclusive} had "
        f"every locker from {low} to {high} as well but lost both of these. how many does {ann} have now",
        (
            f"You answer questions about a museum's passes. In {spring}, a pass from day {low} to day {high} of the "
            f"season is valid on its first and last day; in {autumn} it is not, but on all days between.",
            f"Hello, I've got an autumn pass from day {low} to day {high}. On how many days can I come in?",
        ),
    )
    gap = high - low
    write: SolutionWriter = rng.pick(
        (
            lambda sign, end, what: (
                f"From {low} to {high} it is {high} − {low} = {gap} steps. {what}, that makes {gap} {sign} 1 = {end}."
            ),
            lambda sign, end, what: f"Steps: {high} − {low} = {gap}\n{what}: {gap} {sign} 1 = {end}",
        )
    )
    both = Solution(f"{high}-{low}+1", write("+", gap + 1, "With both ends counted"))
    none = Solution(f"{high}-{low}-1", write("−", gap - 1, "With neither end counted"))
    return math_mirror(
        "who counts both ends, who neither", prompts[wording], *((none, both) if wording == 2 else (both, none))
    )


def tournament(rng: Rng, wording: int) -> MirrorContent:
    """Swap how many play a knock-out and how many play all against all."""
    u, v = rng.numbers(2, 5, 16)
    left, right = swapped(u, v)
    sport = rng.pick(("table tennis", "petanque", "draughts", "badminton", "carrom"))
    prompts: tuple[PromptTemplate, ...] = (
        f"Our {sport} day has two events. In one, {left} players meet in a knock-out: who loses is out, until one is "
        f"left. In the other, {right} players each play all the others once. How many matches do we have to schedule?",
        f"{left} kids play everyone vs everyone (once), {right} grownups play knockout till theres a winner, no third "
        f"place game. how many games of {sport} all in all",
        (
            f"You set up {sport} cups. The junior cup is a knock-out without a match for third place. In the senior "
            "cup, everyone meets everyone else exactly once.",
            f"{left} juniors and {right} seniors signed up. How many matches will the umpires see?",
        ),
    )

    def solve(out: int, league: int, short: bool) -> Solution:
        pairs = league * (league - 1) // 2
        if short:
            text = (
                f"Knock-out: {out} − 1 = {out - 1}. All against all: {league} × {league - 1} / 2 = {pairs}. Together: "
                f"{out - 1} + {pairs} = {out - 1 + pairs}."
            )
        else:
            text = (
                f"- Everyone but the winner loses once: {out} − 1 = {out - 1}\n- Pairs of {league}: {league} × "
                f"{league - 1} / 2 = {pairs}\n- Sum: {out - 1} + {pairs} = {out - 1 + pairs}"
            )
        return Solution(f"{out}-1+{league}*({league}-1)/2", text)

    short = rng.chance()
    solutions = solve(u, v, short), solve(v, u, short)
    if wording == 1:
        solutions = solutions[::-1]
    return math_mirror("how many play in which form", prompts[wording], *solutions)


def queue(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two steps goes forward and which goes back."""
    ann, bob, eve = rng.people(3)
    up, down = rng.numbers(2, 3, 9)
    at = rng.number(14, 30)
    ahead, behind = swapped("ahead of", "behind")
    above, below = swapped("above", "below")
    hot, cold = swapped("warmer", "colder")
    prompts: tuple[PromptTemplate, ...] = (
        f"In the line at the ferry {ann} is {ordinal(at)}. {bob} stands {up} places {ahead} {ann}, and {eve} stands "
        f"{down} places {behind} {bob}. What is {eve}'s place in the line?",
        f"{ann} lives on floor {at}. {bob} is {up} floors {below} {ann}, {eve} is {down} floors {above} {bob}. which "
        f"floor is {eve} on?",
        (
            f"You read a weather table. The plain is {up} degrees {cold} than the coast. The pass is {down} degrees "
            f"{hot} than the plain.",
            f"The thermometer on the coast shows {at} degrees. What temperature should I expect up on the pass?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda s, mid, t, end: f"Step one: {at} {s} {up} = {mid}. Step two: {mid} {t} {down} = {end}.",
            lambda s, mid, t, end: (
                f"Start with {at}.\nThen it is {at} {s} {up} = {mid}.\nFrom there, {mid} {t} {down} = {end}."
            ),
        )
    )
    a = Solution(f"{at}-{up}+{down}", write("−", at - up, "+", at - up + down))
    b = Solution(f"{at}+{up}-{down}", write("+", at + up, "−", at + up - down))
    return math_mirror("which step goes forward and which back", prompts[wording], a, b)


TEMPLATES = tuple(with_wordings(weekday_pages, tank, work_pair, pumps, posts, pages_between, tournament, queue))
