"""Parts of a whole: who gets which share, of all or of the rest; who has more, and how many times as much."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.telling import SHARES, TIMES, Tell, Work, money, number, problem, whole


def share_of_rest(rng: Rng, wording: int) -> MirrorContent:
    """The first takes a share of all, the second a share of the rest: which share is whose."""
    one, two = rng.people(2)
    i, j = rng.sample((2, 3, 4, 5, 6), 2)
    n = rng.number(60, 360, 60)
    first, second = swapped(SHARES[i], SHARES[j])
    fruit = rng.pick(("plums", "quinces", "limes", "figs", "guavas", "walnuts"))
    frames: tuple[PromptTemplate, ...] = (
        f"{one} and {two} picked {n} {fruit} in the old orchard. {one} takes {first} of them, then "
        f"{two} takes {second} "
        f"of what is left, and all the others go to the neighbours. How many {fruit} does {two} take?",
        f"our choir got {n} free tickets. {first} of them go to the school, and after that {second} of the remaining "
        f"ones to the hospital. how many tickets for the hospital",
        (
            f"You keep the books of a seed bank. Bags are handed out in two rounds: the first round gives out {first} "
            f"of the stock, the second one {second} of whatever stock the first has left over.",
            f"Hello, the stock is at {n} bags this spring. How many bags go out in the second round?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda i, s, j: (
                f"First {n} / {i} = {s} are gone, which leaves {n} − {s} = {n - s}. "
                f"Next comes {n - s} / {j} = {whole(n - s, j)}."
            ),
            lambda i, s, j: (
                f"- The first share is {n} / {i} = {s}.\n- That leaves {n} − {s} = {n - s}.\n"
                f"- The second share is {n - s} / {j} = {whole(n - s, j)}."
            ),
        )
    )
    sides = [Work(f"({n}-{n}/{u})/{v}", tell(u, whole(n, u), v)) for u, v in ((i, j), (j, i))]
    return problem("which share comes off all, which off the rest", frames[wording], *sides)


def times_as_much(rng: Rng, wording: int) -> MirrorContent:
    """Of two who share what a third leaves, one pays a multiple of the other."""
    one, two, third = rng.people(3)
    town, coin, k = money(rng)
    m, part, fixed = rng.number(2, 4), rng.number(12, 40) * k, rng.number(10, 45) * k
    rest = part * (m + 1)
    bill = rest + fixed
    more, less = swapped(one, two)
    frames: tuple[PromptTemplate, ...] = (
        f"Dinner in {town} came to {number(bill)} {coin} for {one}, {two} and {third}. {third} puts in {number(fixed)} "
        f"{coin}. Of the remainder, {more} pays {TIMES[m]} as much as {less}. What does {one} pay?",
        f"splitting a van rental, {number(bill)} {coin} altogether. {third} only needed it for an hour and gives "
        f"{number(fixed)}. {more} had far more boxes than {less} so we said {more} pays {TIMES[m]} what {less} pays. "
        f"how much is it for {one}",
        (
            f"We are three flatmates, {one}, {two} and {third}, and the yearly repair bill is {number(bill)} {coin}.",
            "Thanks. How do you want to divide it?",
            f"{third} is moving out and settles {number(fixed)} {coin} of it. {more} has the big "
            f"room, {less} the small "
            f"one, so {more} will pay {TIMES[m]} as much as {less}. Please tell me {one}'s part.",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda mine, his: (
                f"Without {third} there is {number(bill)} − {number(fixed)} = {number(rest)} left. "
                f"In {m} + 1 = {m + 1} "
                f"parts, one part is {number(rest)} / {m + 1} = {number(part)}. With {his} for {two} and {mine} for "
                f"{one}, {one} pays {mine} × {number(part)} = {number(mine * part)} {coin}."
            ),
            lambda mine, his: (
                f"1. {number(bill)} − {number(fixed)} = {number(rest)} {coin} for {one} and {two}\n"
                f"2. {one} : {two} is {mine} : {his}, and {number(rest)} / {m + 1} = {number(part)}\n"
                f"3. {one} pays {mine} × {number(part)} = {number(mine * part)} {coin}"
            ),
        )
    )
    a = Work(f"({bill}-{fixed})*{m}/{m + 1}", tell(m, 1))
    b = Work(f"({bill}-{fixed})/{m + 1}", tell(1, m))
    return problem("who pays the multiple of whom", frames[wording], a, b)


def sum_and_difference(rng: Rng, wording: int) -> MirrorContent:
    """A sum, a difference, and who has more."""
    one, two = rng.people(2)
    less, gap = rng.number(15, 90), rng.number(4, 28, 2)
    total = less + less + gap
    more, fewer = swapped(one, two)
    thing = rng.pick(("stickers", "shells", "comics", "marbles", "postcards"))
    frames: tuple[PromptTemplate, ...] = (
        f"{one} and {two} own {total} {thing} between them. {more} has {gap} more than {fewer}. "
        f"How many has {one} got?",
        f"Results of the village vote are in. Only {one} and {two} stood, {total} valid votes were "
        f"cast, and {more} beat "
        f"{fewer} by {gap}. Our paper wants a number: how many votes were for {one}?",
        (
            f"{one} and {two} rowed across the lake together, {total} minutes altogether, first "
            "one at the oars and then "
            f"the other.",
            "Sounds like a good workout! What would you like to work out?",
            f"{more} rowed {gap} minutes longer than {fewer}. for how many minutes was {one} rowing",
        ),
    )
    base = number(total - gap)
    tell: Tell = rng.pick(
        (
            lambda big: (
                f"Leave the extra {gap} aside: {total} − {gap} = {base}, and half of that is {base} / 2 = {less}. "
                + (
                    f"{one} has the extra: {less} + {gap} = {less + gap}."
                    if big
                    else f"{two} has the extra, so {one}'s is {less}."
                )
            ),
            lambda big: (
                f"Twice {one}'s number is {total} {'+' if big else '−'} {gap} = {total + (gap if big else -gap)}.\n"
                f"So {one}'s number is {total + (gap if big else -gap)} / 2 = {less + (gap if big else 0)}."
            ),
        )
    )
    a, b = Work(f"({total}+{gap})/2", tell(True)), Work(f"({total}-{gap})/2", tell(False))
    return problem("who of the two has more", frames[wording], a, b)


def chain(rng: Rng, wording: int) -> MirrorContent:
    """More than, then times as many; or times as many, then more than."""
    one, two, three = rng.people(3)
    m, d, r = rng.number(2, 4), rng.number(5, 30), rng.number(6, 25)
    thing = rng.pick(("hens", "goats", "beehives", "olive trees", "sheep"))
    upper, lower = swapped(f"{d} more {thing} than", f"{TIMES[m]} as many {thing} as")
    longer, shorter = swapped(f"{d} pages more than", f"{TIMES[m]} as many pages as")
    plus, times = swapped(f"add {d}", f"multiply by {m}")
    frames: tuple[PromptTemplate, ...] = (
        f"{one} keeps {upper} {two}, and {two} keeps {lower} {three}. {three} keeps {r}. How many does {one} keep?",
        f"summer reading: {three} has read {r} pages, {two} {shorter} {three}, {one} {longer} {two}. "
        f"how many is that for {one}?",
        (
            f"You are the guide in a puzzle trail. At the well, walkers {times}; at the gate, "
            f"walkers {plus}. They come "
            f"past the well first and past the gate second.",
            f"We set out with the number {r}. What do we have once we are through the gate?",
        ),
    )

    def lines(first: str, second: str) -> str:
        lead = draw_lead[wording == 2]
        return f"{lead} {r}.\nThe next step is {first}.\nAnd the last one is {second}."

    draw_lead = (rng.pick((f"Start from {three}, who has", f"The one number we know is {three}'s,")), "It starts at")
    a = Work(f"{r}*{m}+{d}", lines(f"{r} × {m} = {r * m}", f"{r * m} + {d} = {r * m + d}"))
    b = Work(f"({r}+{d})*{m}", lines(f"{r} + {d} = {r + d}", f"{r + d} × {m} = {(r + d) * m}"))
    return problem("which step comes first, adding or multiplying", frames[wording], a, b)


def only_one(rng: Rng, wording: int) -> MirrorContent:
    """Two overlapping groups whose sizes change places: how many are in the first alone."""
    both = rng.number(4, 15)
    u, v = rng.numbers(2, both + 5, both + 40)
    left, right = swapped(u, v)
    one, two = rng.sample(("Hindi", "Portuguese", "Swahili", "Korean", "Arabic", "Polish"), 2)
    frames: tuple[PromptTemplate, ...] = (
        f"On our floor {left} people speak {one} and {right} speak {two}; {both} of them speak both. How many speak "
        f"{one} but not {two}?",
        f"club survey.. {left} members said they swim, {right} said they cycle, and {both} of "
        "those ticked the two boxes. "
        f"so how many swim without cycling?",
        (
            f"Of the houses in our lane, {left} have a cellar and {right} have an attic.",
            "Do any have a cellar as well as an attic?",
            f"Yes, {both} houses do. I'm writing to all that have a cellar and no attic. How many letters is it?",
        ),
    )
    neither = rng.number(0, 1)
    tell: Tell = (
        lambda u: (
            f"The group in question has {u} in it. Of these, {both} belong to both, and {u} − "
            f"{both} = {u - both} do not."
        ),
        lambda u: f"Start with all {u} and take away the {both} that are counted twice: {u} − {both} = {u - both}.",
    )[neither]
    return problem("how large each group is", frames[wording], *(Work(f"{s}-{both}", tell(s)) for s in (u, v)))


def percent_of_percent(rng: Rng, wording: int) -> MirrorContent:
    """A percentage of all, and another of those: how many are in the first only."""
    i, j = rng.numbers(2, 10, 80, 5)
    n = rng.number(200, 2000, 100)
    if 100 in (i + j, 2 * i, 2 * j):
        raise Resample
    first, second = swapped(f"{i}%", f"{j}%")
    frames: tuple[PromptTemplate, ...] = (
        f"There are {number(n)} pupils at the school in "
        f"{rng.pick(('Maun', 'Jaffna', 'Narvik', 'Cuenca'))}. {first} of "
        f"them come by bike, and {second} of those who come by bike wear a helmet. How many come by bike without a "
        f"helmet?",
        f"newsletter went to {number(n)} addresses, {first} opened it, {second} of the openers "
        "clicked the link. how many "
        f"opened but didnt click",
        (
            f"You advise an orchard. In this year's crop, {first} of the apples are red, and "
            f"{second} of the red apples "
            f"are too small to sell. No other red apples are sorted out.",
            f"The crop is {number(n)} apples. How many red ones can be sold?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda i, j, s, t: (
                f"{i}% of {number(n)} is {number(s)}. {j}% of {number(s)} is {number(t)}, and those don't count, so "
                f"{number(s)} − {number(t)} = {number(s - t)} remain."
            ),
            lambda i, j, s, t: (
                f"1. {i}% of {number(n)} is {number(s)}.\n2. 100 − {j} = {100 - j}, so {100 - j}% "
                "of these are wanted.\n"
                f"3. {100 - j}% of {number(s)} is {number(s - t)}."
            ),
        )
    )
    sides = []
    for u, v in ((i, j), (j, i)):
        all_of_them = whole(n * u, 100)
        sides.append(Work(f"{n}*{u}/100*(100-{v})/100", tell(u, v, all_of_them, whole(all_of_them * v, 100))))
    return problem("which percentage is of all, which of the part", frames[wording], *sides)


def choices(rng: Rng, wording: int) -> MirrorContent:
    """Two of these and one of those, or one of these and two of those: how many ways."""
    n, m = rng.numbers(2, 4, 12)
    one, two = swapped("one", "two")
    frames: tuple[PromptTemplate, ...] = (
        f"For the open evening we choose {two} of {n} songs and {one} of {m} poems; in which order "
        "they come doesn't matter. "
        f"How many different programmes are possible?",
        f"box has {n} teas & {m} biscuits, all different. you pick {two} from the teas, {one} from "
        "the biscuits, order doesnt "
        f"matter. how many ways",
        (
            f"You help a school council. Each committee has {two} from year A and {one} from year "
            "B, all with equal rights.",
            f"{n} students of year A and {m} of year B want to be on it. How many different committees could there be?",
        ),
    )

    def work(pairs_of: int, single: int, short: bool) -> Work:
        pairs = pairs_of * (pairs_of - 1) // 2
        if short:
            text = (
                f"Two of {pairs_of}: {pairs_of} × {pairs_of - 1} / 2 = {pairs} ways. One of {single}: "
                f"{single} ways. Together {pairs} × {single} = {number(pairs * single)}."
            )
        else:
            text = (
                f"- Pairs of {pairs_of}: {pairs_of} × {pairs_of - 1} / 2 = {pairs}\n- Each goes with "
                f"any of {single}.\n- {pairs} × {single} = {number(pairs * single)}"
            )
        return Work(f"{pairs_of}*({pairs_of}-1)/2*{single}", text)

    short = rng.chance()
    return problem("of which two are chosen, of which one", frames[wording], work(n, m, short), work(m, n, short))


def ages(rng: Rng, wording: int) -> MirrorContent:
    """Older by so many years or a multiple: who of the two, and how old in some years."""
    one, two = rng.people(2)
    m, years, known = rng.number(2, 4), rng.number(3, 12), rng.number(2, 6)
    age = known * m
    old, young = swapped(one, two)
    frames: tuple[PromptTemplate, ...] = (
        f"{one} is {age} years old. {old} is {TIMES[m]} as old as {young}. How old will {two} be in {years} years?",
        f"{two} and {one} are cousins, {old} {TIMES[m]} the age of {young}, {one} is {age} now. "
        f"whats {two}'s age {years} years "
        f"from now",
        (
            f"A riddle for our family paper: two trees stand on the square, named {one} and {two}.",
            "Lovely names for trees. How does it go on?",
            f"Today {old} is {TIMES[m]} as old as {young}. {one} was planted {age} years ago. "
            f"{years} years from today, how "
            f"old is {two}?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda sign, now: (
                f"Now {two} is {age} {sign} {m} = {now} years old. In {years} years that is {now} + "
                f"{years} = {now + years}."
            ),
            lambda sign, now: (
                f"{one}, today: {age}\n{two}, today: {age} {sign} {m} = {now}\n{two}, later: {now} + "
                f"{years} = {now + years}"
            ),
        )
    )
    a, b = Work(f"{age}/{m}+{years}", tell("/", known)), Work(f"{age}*{m}+{years}", tell("×", age * m))
    return problem("who of the two is older", frames[wording], a, b)


TEMPLATES = tuple(
    with_wordings(share_of_rest, times_as_much, sum_and_difference, chain, only_one, percent_of_percent, choices, ages)
)
