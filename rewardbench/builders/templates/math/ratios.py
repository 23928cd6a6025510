"""Templates about ratios, mixtures, averages, units, recipes and scales: the two sides of a proportion are swapped.

Example of a mirror, from `map_scale`:

    prompt a: "In my knitting pattern, 3 rows give 5 cm of scarf. ... I've finished 15 rows. ..."
    prompt b: "In my knitting pattern, 5 rows give 3 cm of scarf. ... I've finished 15 rows. ..."
    response x, right for a: "15 / 3 = 5 steps of the scale, each worth 5. That is 5 × 5 = 25."
    response y, right for b: "15 / 5 = 3 steps of the scale, each worth 3. That is 3 × 3 = 9."
"""

from __future__ import annotations

from math import gcd, lcm

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.assembly import (
    Solution,
    SolutionWriter,
    math_mirror,
    number,
    share,
    whole_quotient,
)


def _coprime(rng: Rng) -> tuple[int, int]:
    """Draw two numbers without a common divisor."""
    i, j = rng.numbers(2, 2, 9)
    if gcd(i, j) > 1:
        raise Resample
    return i, j


def ratio_of_total(rng: Rng, wording: int) -> MirrorContent:
    """Swap the two sides of the ratio in which a total is divided."""
    i, j = _coprime(rng)
    part = rng.number(5, 60, 5)
    total = (i + j) * part
    material, other_material = rng.sample(("sand", "gravel", "clay", "lime", "ash"), 2)
    grain, seed = rng.sample(("oats", "barley", "millet", "lentils", "raisins", "sesame"), 2)
    wanted = (material, grain, "wool")[wording]
    left, right = swapped(material, other_material)
    first, second = swapped(grain, seed)
    cotton, wool = swapped("cotton", "wool")
    prompts: tuple[PromptTemplate, ...] = (
        f"I'm mixing a floor for the goat shed: {left} and {right} in the ratio {i} : {j} by weight, {number(total)} "
        f"kg in all. How many kilos of {material} should I fetch?",
        f"porridge mix is {i} parts {first} to {j} parts {second} (by weight). need {number(total)} g of mix. grams "
        f"of {grain}?",
        (
            f"You answer questions of weavers. House rule: in every blanket, {cotton} and {wool} stand in the ratio "
            f"{i} to {j} by weight, and nothing else is used.",
            f"One more order came in this morning. The finished blankets will weigh {number(total)} kg together. What "
            "weight of wool do I need to buy for that?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u: (
                f"There are {i} + {j} = {i + j} parts, so one part is {number(total)} / {i + j} = {part}. Of these "
                f"parts, {u} are {wanted}: {u} × {part} = {number(u * part)}."
            ),
            lambda u: (
                f"Parts: {i} + {j} = {i + j}\nOne part: {number(total)} / {i + j} = {part}\n"
                f"The {wanted}, with {u} parts: {u} × {part} = {number(u * part)}"
            ),
        )
    )
    solutions = [Solution(f"{total}*{u}/({i}+{j})", write(u)) for u in (i, j)]
    return math_mirror(
        "which side of the ratio is asked for", prompts[wording], *(solutions[::-1] if wording == 2 else solutions)
    )


def ratio_of_part(rng: Rng, wording: int) -> MirrorContent:
    """Swap the two sides of a ratio of which one amount is known."""
    i, j = _coprime(rng)
    known = i * j * rng.number(1, 5)
    left, right = swapped(i, j)
    syrup = rng.pick(("ginger syrup", "hibiscus syrup", "tamarind syrup", "elderflower syrup"))
    place = rng.pick(("Kyoto", "Zanzibar", "Bergen", "Cusco", "Tbilisi"))
    prompts: tuple[PromptTemplate, ...] = (
        f"For the street party we stir {left} cups of {syrup} into every {right} cups of water. There are {known} "
        f"cups of {syrup} in the pantry and we want to use them all. How many cups of water is that?",
        f"bead pattern from {place}: always {left} green ones, then {right} white ones, over and over. ive got "
        f"{known} green ones & want to use every one, whole patterns only. how many white ones to order",
        (
            f"In our climbing hall, an evening group has {left} children for every {right} grown-ups, no exceptions.",
            "Understood. What would you like to know?",
            f"Tonight's list has {known} children on it. How many grown-ups have to be there?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{known} is {known} / {u} = {known // u} times the given {u}, and each time {v} go with it. That "
                f"makes {known // u} × {v} = {known // u * v}."
            ),
            lambda u, v: (
                f"One round takes {u} of the first and {v} of the second.\nRounds: {known} / {u} = {known // u}\n"
                f"So it takes {known // u} × {v} = {known // u * v}."
            ),
        )
    )
    solutions = [Solution(f"{known}*{v}/{u}", write(u, v)) for u, v in ((i, j), (j, i))]
    return math_mirror("the two sides of the ratio change places", prompts[wording], *solutions)


def mixture(rng: Rng, wording: int) -> MirrorContent:
    """Swap the amounts of two strengths that are mixed."""
    u, v = rng.numbers(2, 2, 14)
    weak, strong = sorted(rng.numbers(2, *((3, 24), (10, 90, 5), (5, 50, 5))[wording]))
    left, right = swapped(u, v)
    what = rng.pick(("vinegar", "bleach solution", "brine", "plant feed"))
    prompts: tuple[PromptTemplate, ...] = (
        f"If I pour {left} liters of {weak}% {what} and {right} liters of {strong}% {what} into one bucket, what "
        "percentage does the bucket end up at?",
        f"hi! got two canisters of alcohol for cleaning instruments, the blue one is {weak}% and the red one "
        f"{strong}%. mixing {left} cups from blue with {right} cups from red. whats the strength of the result in %",
        (
            f"You help in the lab of a dairy. Cream on shelf 1 has {weak}% fat, cream on shelf 2 has {strong}% fat.",
            f"For today's batch I blended {left} kg from shelf 1 with {right} kg from shelf 2. I have to write the "
            "fat content on the label. How many percent?",
        ),
    )

    def solve(u: int, v: int, short: bool) -> Solution:
        low, high, n = u * weak, v * strong, u + v
        end = f"({low} + {high}) / {n} = {number(share(low + high, n))}"
        if short:
            return Solution(
                f"({u}*{weak}+{v}*{strong})/({u}+{v})", f"{u} × {weak} = {low} and {v} × {strong} = {high}. {end}%."
            )
        text = (
            f"Weigh each strength by its amount: {u} × {weak} = {low}, {v} × {strong} = {high}.\nIn all {u} + {v} = "
            f"{n}."
        )
        return Solution(f"({u}*{weak}+{v}*{strong})/({u}+{v})", f"{text}\nThe mix has {end} percent.")

    short = rng.chance()
    return math_mirror("which amount has which strength", prompts[wording], solve(u, v, short), solve(v, u, short))


def average_replaced(rng: Rng, wording: int) -> MirrorContent:
    """Swap the value that leaves an average and the value that comes in."""
    n, mean = rng.number(4, 8), rng.number(30, 60)
    low, gap = rng.number(12, 45), n * rng.number(1, 4)
    out, new = swapped(low, low + gap)
    town = rng.pick(("Bergamo", "Ulsan", "Gaborone", "Salta", "Vaasa"))
    prompts: tuple[PromptTemplate, ...] = (
        f"{n} crates on a scale in {town} weigh {mean} kg each on average. A crate of {out} kg is lifted off and one "
        f"of {new} kg put in its place. What is the average now, in kg?",
        f"average age in our quiz team is {mean}, there are {n} of us. now the member aged {out} quits and somebody "
        f"aged {new} joins. new average age?",
        (
            f"I had {n} measurements with a mean of {mean}.",
            "Got it. Is anything wrong with them?",
            f"Yes, I mistyped one. I put in {out}, but the sheet says {new}. All the rest is fine. What is the "
            "corrected mean?",
        ),
    )
    total = n * mean
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"The sum was {n} × {mean} = {total}. Now it is {total} − {u} + {v} = {total - u + v}, which gives "
                f"{total - u + v} / {n} = {number(share(total - u + v, n))}."
            ),
            lambda u, v: (
                f"- Old sum: {n} × {mean} = {total}\n- Take out {u}: {total} − {u} = {total - u}\n"
                f"- Put in {v}: {total - u} + {v} = {total - u + v}\n"
                f"- New average: {total - u + v} / {n} = {number(share(total - u + v, n))}"
            ),
        )
    )
    solutions = [Solution(f"{mean}+({v}-{u})/{n}", write(u, v)) for u, v in ((low, low + gap), (low + gap, low))]
    return math_mirror("which value leaves and which comes in", prompts[wording], *solutions)


def weighted_average(rng: Rng, wording: int) -> MirrorContent:
    """Swap the sizes of two groups with different averages."""
    u, v = rng.numbers(2, 4, 26)
    low, high = sorted(rng.numbers(2, 12, 70))
    left, right = swapped(u, v)
    ann, bob = rng.people(2)
    prompts: tuple[PromptTemplate, ...] = (
        f"A ferry carries {left} sacks of {low} kg on average and {right} barrels of {high} kg on average. What is "
        "the average weight of all this freight taken together, in kg a piece?",
        f"{ann} marked {left} exam papers, mean {low} points. {bob} marked {right} papers, mean {high} points. whats "
        "the mean over all papers",
        (
            "You are the assistant of an egg farm. Answer with a short working.",
            f"We have {left} young birds and {right} old ones. The young ones laid {low} eggs each on average over "
            f"the spring and the old ones {high} each. How many eggs is that per bird, over the whole flock?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{u} × {low} = {number(u * low)} and {v} × {high} = {number(v * high)}, together "
                f"{number(u * low + v * high)}. Over {u} + {v} = {u + v} that is {number(u * low + v * high)} / "
                f"{u + v} = {number(share(u * low + v * high, u + v))}."
            ),
            lambda u, v: (
                f"First sum: {u} × {low} = {number(u * low)}\nSecond sum: {v} × {high} = {number(v * high)}\n"
                f"Average: {number(u * low + v * high)} / {u + v} = {number(share(u * low + v * high, u + v))}"
            ),
        )
    )
    solutions = [Solution(f"({s}*{low}+{t}*{high})/({s}+{t})", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("which average belongs to the larger group", prompts[wording], *solutions)


def units(rng: Rng, wording: int) -> MirrorContent:
    """Swap the direction in which a quantity is converted between two units."""
    small, mid = rng.numbers(2, 3, 9)
    n = small * mid * rng.number(2, 6)
    target_unit, source_unit = swapped("baskets", "bushels")
    source_measure, target_measure = swapped("knots", "spans")
    target_coin, source_coin = swapped("silver coins", "gold coins")
    prompts: tuple[PromptTemplate, ...] = (
        f"At our orchard, {small} baskets fill one of the bushels exactly. For the harvest list I need to write {n} "
        f"{source_unit} as {target_unit}. What number goes on the list?",
        f"old rope measure from grandpas notes: {small} knots make one of the spans. he says the boat rope is {n} "
        f"{source_measure} long. how many {target_measure} is that",
        (
            f"You are the banker of a board game. {small} copper coins are worth one of the silver coins, and {mid} "
            "silver coins are worth one of the gold coins. No fees.",
            f"I would like to know about pure exchanges of copper, silver and gold. What are {n} {source_coin} worth "
            f"in {target_coin}?",
        ),
    )
    each = mid if wording == 2 else small
    write: SolutionWriter = rng.pick(
        (
            lambda sign, end, way: (
                f"The unit asked for is {way}, and {each} of one make one of the other: {n} {sign} {each} = "
                f"{number(end)}."
            ),
            lambda sign, end, way: (
                f"Rule: {each} to 1\nThe new unit is {way}.\nResult: {n} {sign} {each} = {number(end)}"
            ),
        )
    )
    to_small, to_large = (
        Solution(f"{n}*{each}", write("×", n * each, "smaller")),
        Solution(f"{n}/{each}", write("/", whole_quotient(n, each), "larger")),
    )
    solutions = (to_large, to_small) if wording == 1 else (to_small, to_large)
    return math_mirror("from the large unit to the small or back", prompts[wording], *solutions)


def recipe(rng: Rng, wording: int) -> MirrorContent:
    """Swap the number of people of a recipe and the number of people at the table."""
    u, v = rng.numbers(2, 3, 15)
    amount = lcm(u, v) * rng.number(2, 40)
    if not 50 * max(u, v) <= amount <= 130 * min(u, v):  # grams a head, as people and hens eat them
        raise Resample
    left, right = swapped(u, v)
    flour = rng.pick(("chickpea flour", "rice", "red lentils", "cornmeal", "couscous"))
    prompts: tuple[PromptTemplate, ...] = (
        f"My aunt's recipe is for {left} people and takes {amount} g of {flour}. There will be {right} people at the "
        f"table. How many grams of {flour} do I weigh out?",
        f"{amount} ml of dye is enough for {left} shirts. how many ml for {right} shirts, same shade",
        (
            "You help at a poultry yard. Grain is given in proportion to the number of hens.",
            f"Last week I had {left} hens in the yard and gave out {amount} g of grain each morning. This week I have "
            f"{right} hens. How many grams should it be each morning?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"For one it is {amount} / {u} = {number(share(amount, u))}. For {v} it is {v} × "
                f"{number(share(amount, u))} = {number(share(amount * v, u))}."
            ),
            lambda u, v: (
                f"- One: {amount} / {u} = {number(share(amount, u))}\n- {v} of them: {number(share(amount, u))} × {v} "
                f"= {number(share(amount * v, u))}"
            ),
        )
    )
    solutions = [Solution(f"{amount}*{t}/{s}", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("for how many it is, and for how many it is wanted", prompts[wording], *solutions)


def map_scale(rng: Rng, wording: int) -> MirrorContent:
    """Swap the two lengths of a scale."""
    i, j = _coprime(rng)
    known = i * j * rng.number(1, 2)
    left, right = swapped(i, j)
    place = rng.pick(("Svalbard", "the Atacama", "Sumba", "the Karoo", "Skye", "Hokkaido"))
    prompts: tuple[PromptTemplate, ...] = (
        f"On my hiking map of {place}, {left} cm stand for {right} km. The trail measures {known} cm on the map. How "
        "many kilometers will we walk?",
        f"model railway: every {left} mm of the model are {right} cm of the real train. real cm for a model part of "
        f"{known} mm?",
        (
            f"In my knitting pattern, {left} rows give {right} cm of scarf.",
            "That sounds like a dense stitch. How can I help?",
            f"I've finished {known} rows. So how many cm of scarf should I have by now?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{known} / {u} = {known // u} steps of the scale, each worth {v}. That is {known // u} × {v} = "
                f"{known // u * v}."
            ),
            lambda u, v: (
                f"Scale: {u} to {v}\nSteps: {known} / {u} = {known // u}\nLength: {known // u} × {v} = {known // u * v}"
            ),
        )
    )
    solutions = [Solution(f"{known}*{t}/{s}", write(s, t)) for s, t in ((i, j), (j, i))]
    return math_mirror("the two sides of the scale change places", prompts[wording], *solutions)


TEMPLATES = tuple(
    with_wordings(ratio_of_total, ratio_of_part, mixture, average_replaced, weighted_average, units, recipe, map_scale)
)
