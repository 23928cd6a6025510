"""Templates about parts of a whole: which share is whose, who has the larger part, and which step comes first.

Example of a mirror, from `share_of_rest`:

    prompt a: "Ines and Olga picked 60 figs. Ines takes a third of them, then Olga takes a quarter of what is left. ..."
    prompt b: "Ines and Olga picked 60 figs. Ines takes a quarter of them, then Olga takes a third of what is left. ..."
    response x, right for a: "First 60 / 3 = 20 are gone, which leaves 60 − 20 = 40. Next comes 40 / 4 = 10."
    response y, right for b: "First 60 / 4 = 15 are gone, which leaves 60 − 15 = 45. Next comes 45 / 3 = 15."
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.assembly import (
    SHARES,
    TIMES,
    Solution,
    SolutionWriter,
    math_mirror,
    money,
    number,
    whole_quotient,
)


def share_of_rest(rng: Rng, wording: int) -> MirrorContent:
    """Swap the shares of two people, one of all and the other of the remainder."""
    ann, bob = rng.people(2)
    i, j = rng.sample((2, 3, 4, 5, 6), 2)
    n = rng.number(60, 360, 60)
    first, second = swapped(SHARES[i], SHARES[j])
    fruit = rng.pick(("plums", "quinces", "limes", "figs", "guavas", "walnuts"))
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} and {bob} picked {n} {fruit} in the old orchard. {ann} takes {first} of them, then {bob} takes "
        f"{second} of what is left, and all the others go to the neighbours. How many {fruit} does {bob} take?",
        f"our choir got {n} free tickets. {first} of them go to the school, and after that {second} of the remaining "
        "ones to the hospital. how many tickets for the hospital",
        (
            f"You keep the books of a seed bank. Bags are handed out in two rounds: the first round gives out {first} "
            f"of the stock, the second one {second} of whatever stock the first has left over.",
            f"Hello, the stock is at {n} bags this spring. How many bags go out in the second round?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda i, s, j: (
                f"First {n} / {i} = {s} are gone, which leaves {n} − {s} = {n - s}. Next comes {n - s} / {j} = "
                f"{whole_quotient(n - s, j)}."
            ),
            lambda i, s, j: (
                f"- The first share is {n} / {i} = {s}.\n- That leaves {n} − {s} = {n - s}.\n"
                f"- The second share is {n - s} / {j} = {whole_quotient(n - s, j)}."
            ),
        )
    )
    solutions = [Solution(f"({n}-{n}/{u})/{v}", write(u, whole_quotient(n, u), v)) for u, v in ((i, j), (j, i))]
    return math_mirror("which share comes off all, which off the rest", prompts[wording], *solutions)


def times_as_much(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two people pays a multiple of what the other pays."""
    ann, bob, eve = rng.people(3)
    town, currency, scale = money(rng)
    m, part, fixed = rng.number(2, 4), rng.number(12, 40) * scale, rng.number(10, 45) * scale
    remainder = part * (m + 1)
    bill = remainder + fixed
    higher, lower = swapped(ann, bob)
    prompts: tuple[PromptTemplate, ...] = (
        f"Dinner in {town} came to {number(bill)} {currency} for {ann}, {bob} and {eve}. {eve} puts in "
        f"{number(fixed)} {currency}. Of the remainder, {higher} pays {TIMES[m]} as much as {lower}. What does {ann} "
        "pay?",
        f"splitting a van rental, {number(bill)} {currency} altogether. {eve} only needed it for an hour and gives "
        f"{number(fixed)}. {higher} had far more boxes than {lower} so we said {higher} pays {TIMES[m]} what {lower} "
        f"pays. how much is it for {ann}",
        (
            f"We are three flatmates, {ann}, {bob} and {eve}, and the yearly repair bill is {number(bill)} {currency}.",
            "Thanks. How do you want to divide it?",
            f"{eve} is moving out and settles {number(fixed)} {currency} of it. {higher} has the big room, {lower} "
            f"the small one, so {higher} will pay {TIMES[m]} as much as {lower}. Please tell me {ann}'s part.",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda mine, his: (
                f"Without {eve} there is {number(bill)} − {number(fixed)} = {number(remainder)} left. In {m} + 1 = "
                f"{m + 1} parts, one part is {number(remainder)} / {m + 1} = {number(part)}. With {his} for {bob} and "
                f"{mine} for {ann}, {ann} pays {mine} × {number(part)} = {number(mine * part)} {currency}."
            ),
            lambda mine, his: (
                f"1. {number(bill)} − {number(fixed)} = {number(remainder)} {currency} for {ann} and {bob}\n"
                f"2. {ann} : {bob} is {mine} : {his}, and {number(remainder)} / {m + 1} = {number(part)}\n"
                f"3. {ann} pays {mine} × {number(part)} = {number(mine * part)} {currency}"
            ),
        )
    )
    a = Solution(f"({bill}-{fixed})*{m}/{m + 1}", write(m, 1))
    b = Solution(f"({bill}-{fixed})/{m + 1}", write(1, m))
    return math_mirror("who pays the multiple of whom", prompts[wording], a, b)


def sum_and_difference(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two people has more, given the sum and the difference."""
    ann, bob = rng.people(2)
    smaller, gap = rng.number(15, 90), rng.number(4, 28, 2)
    total = smaller + smaller + gap
    ahead, behind = swapped(ann, bob)
    items = rng.pick(("stickers", "shells", "comics", "marbles", "postcards"))
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} and {bob} own {total} {items} between them. {ahead} has {gap} more than {behind}. How many has {ann} "
        "got?",
        f"Results of the village vote are in. Only {ann} and {bob} stood, {total} valid votes were cast, and {ahead} "
        f"beat {behind} by {gap}. Our paper wants a number: how many votes were for {ann}?",
        (
            f"{ann} and {bob} rowed across the lake together, {total} minutes altogether, first one at the oars and "
            "then the other.",
            "Sounds like a good workout! What would you like to work out?",
            f"{ahead} rowed {gap} minutes longer than {behind}. for how many minutes was {ann} rowing",
        ),
    )
    base = number(total - gap)
    write: SolutionWriter = rng.pick(
        (
            lambda big: (
                f"Leave the extra {gap} aside: {total} − {gap} = {base}, and half of that is {base} / 2 = {smaller}. "
                + (
                    f"{ann} has the extra: {smaller} + {gap} = {smaller + gap}."
                    if big
                    else f"{bob} has the extra, so {ann}'s is {smaller}."
                )
            ),
            lambda big: (
                f"Twice {ann}'s number is {total} {'+' if big else '−'} {gap} = {total + (gap if big else -gap)}.\n"
                f"So {ann}'s number is {total + (gap if big else -gap)} / 2 = {smaller + (gap if big else 0)}."
            ),
        )
    )
    a, b = Solution(f"({total}+{gap})/2", write(True)), Solution(f"({total}-{gap})/2", write(False))
    return math_mirror("who of the two has more", prompts[wording], a, b)


def chain(rng: Rng, wording: int) -> MirrorContent:
    """Swap the order of adding and multiplying in a chain of comparisons."""
    ann, bob, eve = rng.people(3)
    m, d, r = rng.number(2, 4), rng.number(5, 30), rng.number(6, 25)
    animals = rng.pick(("hens", "goats", "beehives", "olive trees", "sheep"))
    upper, lower = swapped(f"{d} more {animals} than", f"{TIMES[m]} as many {animals} as")
    longer, shorter = swapped(f"{d} pages more than", f"{TIMES[m]} as many pages as")
    plus, times = swapped(f"add {d}", f"multiply by {m}")
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} keeps {upper} {bob}, and {bob} keeps {lower} {eve}. {eve} keeps {r}. How many does {ann} keep?",
        f"summer reading: {eve} has read {r} pages, {bob} {shorter} {eve}, {ann} {longer} {bob}. how many is that for "
        f"{ann}?",
        (
            f"You are the guide in a puzzle trail. At the well, walkers {times}; at the gate, walkers {plus}. They "
            "come past the well first and past the gate second.",
            f"We set out with the number {r}. What do we have once we are through the gate?",
        ),
    )

    def lines(first: str, second: str) -> str:
        lead = draw_lead[wording == 2]
        return f"{lead} {r}.\nThe next step is {first}.\nAnd the last one is {second}."

    draw_lead = (rng.pick((f"Start from {eve}, who has", f"The one number we know is {eve}'s,")), "It starts at")
    a = Solution(f"{r}*{m}+{d}", lines(f"{r} × {m} = {r * m}", f"{r * m} + {d} = {r * m + d}"))
    b = Solution(f"({r}+{d})*{m}", lines(f"{r} + {d} = {r + d}", f"{r + d} × {m} = {(r + d) * m}"))
    return math_mirror("which step comes first, adding or multiplying", prompts[wording], a, b)


def only_one(rng: Rng, wording: int) -> MirrorContent:
    """Swap the sizes of two overlapping groups, and ask for the first group alone."""
    both = rng.number(4, 15)
    u, v = rng.numbers(2, both + 5, both + 40)
    left, right = swapped(u, v)
    language, other_language = rng.sample(("Hindi", "Portuguese", "Swahili", "Korean", "Arabic", "Polish"), 2)
    prompts: tuple[PromptTemplate, ...] = (
        f"On our floor {left} people speak {language} and {right} speak {other_language}; {both} of them speak both. "
        f"How many speak {language} but not {other_language}?",
        f"club survey.. {left} members said they swim, {right} said they cycle, and {both} of those ticked the two "
        "boxes. so how many swim without cycling?",
        (
            f"Of the houses in our lane, {left} have a cellar and {right} have an attic.",
            "Do any have a cellar as well as an attic?",
            f"Yes, {both} houses do. I'm writing to all that have a cellar and no attic. How many letters is it?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u: (
                f"The group in question has {u} in it. Of these, {both} belong to both, and {u} − {both} = {u - both} "
                "do not."
            ),
            lambda u: f"Start with all {u} and take away the {both} that are counted twice: {u} − {both} = {u - both}.",
        )
    )
    solutions = [Solution(f"{size}-{both}", write(size)) for size in (u, v)]
    return math_mirror("how large each group is", prompts[wording], *solutions)


def percent_of_percent(rng: Rng, wording: int) -> MirrorContent:
    """Swap a percentage of all and a percentage of that part."""
    i, j = rng.numbers(2, 10, 80, 5)
    n = rng.number(200, 2000, 100)
    if 100 in (i + j, 2 * i, 2 * j):
        raise Resample
    first, second = swapped(f"{i}%", f"{j}%")
    prompts: tuple[PromptTemplate, ...] = (
        f"There are {number(n)} pupils at the school in {rng.pick(('Maun', 'Jaffna', 'Narvik', 'Cuenca'))}. {first} "
        f"of them come by bike, and {second} of those who come by bike wear a helmet. How many come by bike without a "
        "helmet?",
        f"newsletter went to {number(n)} addresses, {first} opened it, {second} of the openers clicked the link. how "
        "many opened but didnt click",
        (
            f"You advise an orchard. In this year's crop, {first} of the apples are red, and {second} of the red "
            "apples are too small to sell. No other red apples are sorted out.",
            f"The crop is {number(n)} apples. How many red ones can be sold?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda i, j, s, t: (
                f"{i}% of {number(n)} is {number(s)}. {j}% of {number(s)} is {number(t)}, and those don't count, so "
                f"{number(s)} − {number(t)} = {number(s - t)} remain."
            ),
            lambda i, j, s, t: (
                f"1. {i}% of {number(n)} is {number(s)}.\n2. 100 − {j} = {100 - j}, so {100 - j}% of these are "
                "wanted.\n"
                f"3. {100 - j}% of {number(s)} is {number(s - t)}."
            ),
        )
    )
    solutions = []
    for u, v in ((i, j), (j, i)):
        part = whole_quotient(n * u, 100)
        part_of_part = whole_quotient(part * v, 100)
        solutions.append(Solution(f"{n}*{u}/100*(100-{v})/100", write(u, v, part, part_of_part)))
    return math_mirror("which percentage is of all, which of the part", prompts[wording], *solutions)


def choices(rng: Rng, wording: int) -> MirrorContent:
    """Swap the group from which two are chosen and the group from which one is chosen."""
    n, m = rng.numbers(2, 4, 12)
    single_text, pair_text = swapped("one", "two")
    prompts: tuple[PromptTemplate, ...] = (
        f"For the open evening we choose {pair_text} of {n} songs and {single_text} of {m} poems; in which order they "
        "come doesn't matter. How many different programmes are possible?",
        f"box has {n} teas & {m} biscuits, all different. you pick {pair_text} from the teas, {single_text} from the "
        "biscuits, order doesnt matter. how many ways",
        (
            f"You help a school council. Each committee has {pair_text} from year A and {single_text} from year B, "
            "all with equal rights.",
            f"{n} students of year A and {m} of year B want to be on it. How many different committees could there be?",
        ),
    )

    def solve(pairs_of: int, single: int, short: bool) -> Solution:
        pairs = pairs_of * (pairs_of - 1) // 2
        if short:
            text = (
                f"Two of {pairs_of}: {pairs_of} × {pairs_of - 1} / 2 = {pairs} ways. One of {single}: {single} ways. "
                f"Together {pairs} × {single} = {number(pairs * single)}."
            )
        else:
            text = (
                f"- Pairs of {pairs_of}: {pairs_of} × {pairs_of - 1} / 2 = {pairs}\n- Each goes with any of "
                f"{single}.\n- {pairs} × {single} = {number(pairs * single)}"
            )
        return Solution(f"{pairs_of}*({pairs_of}-1)/2*{single}", text)

    short = rng.chance()
    return math_mirror(
        "of which two are chosen, of which one", prompts[wording], solve(n, m, short), solve(m, n, short)
    )


def ages(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two is older by a factor."""
    ann, bob = rng.people(2)
    m, years, known = rng.number(2, 4), rng.number(3, 12), rng.number(2, 6)
    age = known * m
    old, young = swapped(ann, bob)
    prompts: tuple[PromptTemplate, ...] = (
        f"{ann} is {age} years old. {old} is {TIMES[m]} as old as {young}. How old will {bob} be in {years} years?",
        f"{bob} and {ann} are cousins, {old} {TIMES[m]} the age of {young}, {ann} is {age} now. whats {bob}'s age "
        f"{years} years from now",
        (
            f"A riddle for our family paper: two trees stand on the square, named {ann} and {bob}.",
            "Lovely names for trees. How does it go on?",
            f"Today {old} is {TIMES[m]} as old as {young}. {ann} was planted {age} years ago. {years} years from "
            f"today, how old is {bob}?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda sign, now: (
                f"Now {bob} is {age} {sign} {m} = {now} years old. In {years} years that is {now} + {years} = "
                f"{now + years}."
            ),
            lambda sign, now: (
                f"{ann}, today: {age}\n{bob}, today: {age} {sign} {m} = {now}\n{bob}, later: {now} + {years} = "
                f"{now + years}"
            ),
        )
    )
    a, b = Solution(f"{age}/{m}+{years}", write("/", known)), Solution(f"{age}*{m}+{years}", write("×", age * m))
    return math_mirror("who of the two is older", prompts[wording], a, b)


TEMPLATES = tuple(
    with_wordings(share_of_rest, times_as_much, sum_and_difference, chain, only_one, percent_of_percent, choices, ages)
)
