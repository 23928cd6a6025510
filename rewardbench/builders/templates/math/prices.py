"""Templates about prices: the order of discounts, the base of a percentage, and which units have which price.

Example of a mirror, from `tiered`:

    prompt a: "Painted tiles cost 3 euros each for the first 10, and 7 euros each for all that go beyond 10. ..."
    prompt b: "Painted tiles cost 7 euros each for the first 10, and 3 euros each for all that go beyond 10. ..."
    response x, right for a: "10 × 3 = 30. Then 15 − 10 = 5 remain, and 5 × 7 = 35. Together 30 + 35 = 65 euros."
    response y, right for b: "10 × 7 = 70. Then 15 − 10 = 5 remain, and 5 × 3 = 15. Together 70 + 15 = 85 euros."
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.assembly import Solution, SolutionWriter, math_mirror, money, number, share


def voucher_orders(rng: Rng, wording: int) -> MirrorContent:
    """Swap the order of a voucher and a percentage."""
    town, currency, scale = money(rng)
    price, off, cut = (
        rng.number(60, 240, 20) * scale,
        rng.number(5, 30, 5) * scale,
        rng.pick((5, 10, 15, 20, 25, 30, 40)),
    )
    first, second = swapped(f"the voucher of {number(off)} {currency}", f"the discount of {cut}%")
    early, late = swapped(f"takes {cut}% off", f"takes {number(off)} {currency} off")
    what = rng.pick(("a rucksack", "a bread oven", "a rain coat", "a drum", "a desk lamp", "a hammock"))
    prompts: tuple[PromptTemplate, ...] = (
        f"I found {what} for {number(price)} {currency} in {town}. The till applies {first} to begin with and "
        f"{second} to whatever is left then. What do I pay?",
        f"price tag says {number(price)}. according to the cashier {second} comes last, and {first} comes ahead of "
        f"it. how many {currency} do i end up paying",
        (
            f"You are the price bot of a shop in {town}. For members, the shop {early} at step one. At step two, it "
            f"{late} what remains.",
            f"I'm a member and would like to buy {what} at {number(price)} {currency}. What will it cost me?",
        ),
    )
    write: SolutionWriter = rng.pick((voucher_price, voucher_lines))
    voucher_first = Solution(f"({price}-{off})*(100-{cut})/100", write(price, off, cut, currency, True))
    voucher_last = Solution(f"{price}*(100-{cut})/100-{off}", write(price, off, cut, currency, False))
    solutions = (voucher_last, voucher_first) if wording == 2 else (voucher_first, voucher_last)
    return math_mirror("whether the voucher or the percentage comes off first", prompts[wording], *solutions)


def voucher_price(price: int, off: int, cut: int, currency: str, voucher_first: bool) -> str:
    """Write the price after voucher and percentage in sentences."""
    if voucher_first:
        left = price - off
        part = share(left * cut, 100)
        return (
            f"{number(price)} − {number(off)} = {number(left)}. Then {cut}% of {number(left)} is {number(part)}, and "
            f"{number(left)} − {number(part)} = {number(left - part)} {currency}."
        )
    part = share(price * cut, 100)
    return (
        f"{cut}% of {number(price)} is {number(part)}, and {number(price)} − {number(part)} = {number(price - part)}. "
        f"Then {number(price - part)} − {number(off)} = {number(price - part - off)} {currency}."
    )


def voucher_lines(price: int, off: int, cut: int, currency: str, voucher_first: bool) -> str:
    """Write the price after voucher and percentage in two lines."""
    factor = f"× {100 - cut} / 100"
    if voucher_first:
        left = price - off
        steps = (
            f"{number(price)} − {number(off)} = {number(left)}",
            f"{number(left)} {factor} = {number(share(left * (100 - cut), 100))}",
        )
    else:
        reduced = share(price * (100 - cut), 100)
        steps = (
            f"{number(price)} {factor} = {number(reduced)}",
            f"{number(reduced)} − {number(off)} = {number(reduced - off)}",
        )
    return f"Step 1: {steps[0]}\nStep 2: {steps[1]}\n\nSo that is what you pay, in {currency}."


def taxed_extra(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two extras is taxed."""
    town, currency, scale = money(rng)
    base, rate = rng.number(40, 200, 20) * scale, rng.pick((5, 10, 15, 20, 25))
    u, v = (scale * n for n in rng.numbers(2, 4, 30, 2))
    left, right = swapped("delivery", "engraving")
    bed, meal = swapped("breakfast", "parking")
    prompts: tuple[PromptTemplate, ...] = (
        f"A trophy costs {number(base)} {currency} in {town}, plus {number(u)} for delivery and {number(v)} for "
        f"engraving. {rate}% tax goes on the trophy and on the {left}, none on the {right}. What is the sum to "
        "transfer?",
        f"hotel is {number(base)} {currency} a night, breakfast {number(u)} on top, parking {number(v)} on top. "
        f"theres a {rate}% city tax that counts for the room and {bed}, {meal} is exempt. total for a night with both "
        "extras?",
        (
            f"You write invoices for a print shop in {town}. Tax of {rate}% is due on the prints and on {left}; there "
            f"is none on {right}.",
            f"One invoice, please: prints {number(base)} {currency}, delivery {number(u)} and engraving of the frame "
            f"{number(v)}. What is the amount due?",
        ),
    )

    def solve(taxed: int, free: int, short: bool) -> Solution:
        net = base + taxed
        tax = share(net * rate, 100)
        total = f"{number(net)} + {number(tax)} + {number(free)} = {number(net + tax + free)}"
        net_sum = f"{number(base)} + {number(taxed)} = {number(net)}"
        tax_text = f"{rate}% of {number(net)} is {number(tax)}"
        if short:
            text = f"Taxed: {net_sum}, and {tax_text}. All told {total} {currency}."
        else:
            text = f"The tax is due on {net_sum} {currency}.\n{tax_text}.\nWith the untaxed {number(free)}: {total}"
        return Solution(f"({base}+{taxed})*(100+{rate})/100+{free}", text)

    short = rng.chance()
    return math_mirror("which of two extras is taxed", prompts[wording], solve(u, v, short), solve(v, u, short))


def dearer_than(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two amounts is the base of a percentage."""
    _, currency, scale = money(rng)
    percent, known = rng.pick((10, 20, 25, 50, 60)), rng.number(8, 120, 4) * scale
    vehicle, other_vehicle = rng.sample(("the ferry", "the train", "the bus", "the night boat"), 2)
    ann, bob = rng.people(2)
    high, low = swapped(vehicle, other_vehicle)
    rich, poor = swapped(ann, bob)
    yes, no = swapped("cashews", "almonds")
    prompts: tuple[PromptTemplate, ...] = (
        f"A ticket for {high} costs {percent}% more than one for {low}. For {vehicle} it is {number(known)} "
        f"{currency}. What does a ticket for {other_vehicle} cost?",
        f"{ann} earns {number(known)} {currency} an hour, and {rich} earns {percent}% more than {poor}. so whats {bob} "
        "on?",
        (
            f"You know the price list of a nut stall. A bag of {yes} is always priced {percent}% above a bag of {no}.",
            f"Good morning! Cashews are {number(known)} {currency} a bag today, I see. And how much is a bag of "
            "almonds?",
        ),
    )
    higher, lower = share(known * (100 + percent), 100), share(known * 100, 100 + percent)
    in_sentences, factor = rng.chance(), number(share(100 + percent, 100))
    if in_sentences:
        one_percent_down, one_percent_up = number(lower / 100), number(share(known, 100))
        down = (
            f"{number(known)} {currency} is 100 + {percent} = {100 + percent} percent of the other amount. One percent "
            f"is {number(known)} / {100 + percent} = {one_percent_down}, and 100 × {one_percent_down} = "
            f"{number(lower)}."
        )
        up = (
            f"{number(known)} {currency} is 100 percent here, and the other amount is 100 + {percent} = "
            f"{100 + percent} percent. One percent is {number(known)} / 100 = {one_percent_up}, and {100 + percent} × "
            f"{one_percent_up} = {number(higher)}."
        )
    else:
        down = f"The amount we look for is the smaller one.\nSo divide: {number(known)} / {factor} = {number(lower)}"
        up = f"The amount we look for is the larger one.\nSo multiply: {number(known)} × {factor} = {number(higher)}"
    a, b = Solution(f"{known}*100/(100+{percent})", down), Solution(f"{known}*(100+{percent})/100", up)
    return math_mirror("which of two amounts the percentage is of", prompts[wording], a, b)


def margin_base(rng: Rng, wording: int) -> MirrorContent:
    """Swap whether the profit is a percentage of the selling price or of the cost."""
    town, currency, scale = money(rng)
    cost = rng.number(12, 120, 4) * scale
    rate = rng.pick((20, 25, 40, 50, 60))
    yes, no = swapped("what the customer pays", "what I pay the maker")
    sale, buy = swapped("selling price", "purchase price")
    mine, theirs = swapped("till price", "supplier's price")
    article = rng.pick(("basket", "vase", "shawl", "carpet", "lantern"))
    prompts: tuple[PromptTemplate, ...] = (
        f"In my shop in {town}, a {article} costs me {number(cost)} {currency} from the maker. My profit has to be "
        f"{rate}% of {yes}, not {rate}% of {no}. What must I sell it for?",
        f"purchase price {number(cost)} {currency}, want {rate}% profit, and by that i mean percent of the {sale}, "
        f"forget percent of the {buy}. what price goes on the {article}",
        (
            f"In this wholesale office, profit is a percentage of the {mine}; counting it as a percentage of the "
            f"{theirs} is not allowed.",
            f"We get a {article} for {number(cost)} {currency} and our profit on it is to be {rate}%. Which price do "
            "we print on the label?",
        ),
    )
    high, low = share(cost * 100, 100 - rate), share(cost * (100 + rate), 100)
    if high > 3 * cost:
        raise Resample
    gains = number(high - cost), number(low - cost)
    a = (
        f"The cost is 100 − {rate} = {100 - rate} percent of the price we want. {number(cost)} / "
        f"{number(share(100 - rate, 100))} = {number(high)}"
    )
    b = (
        f"The price we want is 100 + {rate} = {100 + rate} percent of the cost. {number(cost)} × "
        f"{number(share(100 + rate, 100))} = {number(low)}"
    )
    if rng.chance():
        a = (
            f"100 − {rate} = {100 - rate}, and the cost over {100 - rate}% leaves a profit of {gains[0]}: "
            f"{number(cost)} + {gains[0]} = {number(high)}"
        )
        b = (
            f"100 + {rate} = {100 + rate}, so the cost times {100 + rate}% leaves a profit of {gains[1]}: "
            f"{number(cost)} + {gains[1]} = {number(low)}"
        )
    works = (
        Solution(f"{cost}*100/(100-{rate})", f"{a} {currency}."),
        Solution(f"{cost}*(100+{rate})/100", f"{b} {currency}."),
    )
    return math_mirror("what the profit is a percentage of", prompts[wording], *works)


def tiered(rng: Rng, wording: int) -> MirrorContent:
    """Swap the price of the first units and the price of the units beyond."""
    town, currency, scale = money(rng)
    u, v = (n * max(1, scale // 5) for n in rng.numbers(2, 2, 12))
    limit, over = rng.number(10, 40, 5), rng.number(4, 30)
    used = limit + over
    low, high = swapped(number(u), number(v))
    prompts: tuple[PromptTemplate, ...] = (
        f"The waterworks of {town} charge {low} {currency} for each of the first {limit} cubic meters in a quarter "
        f"and {high} {currency} for each one after those. We used {used}. What is the bill?",
        f"desk in a shared office: {low} an hour up to hour {limit} of a month, from there on {high} an hour. was "
        f"there for {used} hours this month. how many {currency}",
        (
            f"You are the desk of a tile workshop. Painted tiles cost {low} {currency} each for the first {limit} in "
            f"an order, and {high} {currency} each for all that go beyond {limit}.",
            f"Hi there, I'd like {used} tiles with the heron on them, all in one order. What should I bring along?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{limit} × {number(u)} = {number(limit * u)}. Then {used} − {limit} = {over} remain, and {over} × "
                f"{number(v)} = {number(over * v)}. Together {number(limit * u)} + {number(over * v)} = "
                f"{number(limit * u + over * v)} {currency}."
            ),
            lambda u, v: (
                f"- First {limit}: {limit} × {number(u)} = {number(limit * u)} {currency}\n"
                f"- Next {over}: {over} × {number(v)} = {number(over * v)} {currency}\n"
                f"- Sum: {number(limit * u)} + {number(over * v)} = {number(limit * u + over * v)} {currency}"
            ),
        )
    )
    solutions = [Solution(f"{limit}*{s}+({used}-{limit})*{t}", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("which price is for the first units", prompts[wording], *solutions)


def change_from_note(rng: Rng, wording: int) -> MirrorContent:
    """Swap how many of two goods are bought, and ask for the change from a note."""
    town, currency, scale = money(rng)
    u, v = rng.numbers(2, 2, 9)
    p, q = (n * scale for n in rng.numbers(2, 2, 12))
    note = next((size * scale for size in (20, 50, 100, 200) if size * scale > max(u * p + v * q, v * p + u * q)), 0)
    left, right = swapped(u, v)
    goods, other_goods = rng.sample(("mangoes", "loaves", "coconuts", "cheeses", "melons", "pastries"), 2)
    person = rng.people(1)[0]
    prompts: tuple[PromptTemplate, ...] = (
        f"At the market in {town} {goods} are {number(p)} {currency} each and {other_goods} {number(q)} {currency} "
        f"each. {person} takes {left} of the {goods} and {right} of the {other_goods} and pays with {number(note)} "
        f"{currency}. How much change is due?",
        f"paid with a {number(note)} note, bought {left} {goods} at {number(p)} and {right} {other_goods} at "
        f"{number(q)} apiece. what should i get back? ({currency})",
        (
            f"You are a till. {goods.capitalize()}: {number(p)} {currency} each. {other_goods.capitalize()}: "
            f"{number(q)} {currency} each. Say how much change to give.",
            f"{left} {goods}, {right} {other_goods}, customer gave {number(note)}",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{u} × {number(p)} = {number(u * p)} and {v} × {number(q)} = {number(v * q)}, so the price is "
                f"{number(u * p)} + {number(v * q)} = {number(u * p + v * q)}. The change is {number(note)} − "
                f"{number(u * p + v * q)} = {number(note - u * p - v * q)} {currency}."
            ),
            lambda u, v: (
                f"{goods.capitalize()}: {u} × {number(p)} = {number(u * p)}\n{other_goods.capitalize()}: {v} × "
                f"{number(q)} = {number(v * q)}\n"
                f"Change: {number(note)} − {number(u * p)} − {number(v * q)} = {number(note - u * p - v * q)}"
            ),
        )
    )
    if not note:
        raise Resample
    solutions = [Solution(f"{note}-({s}*{p}+{t}*{q})", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("how many of which thing are bought", prompts[wording], *solutions)


def fee_and_rate(rng: Rng, wording: int) -> MirrorContent:
    """Swap an amount paid once and an amount paid each time."""
    town, currency, scale = money(rng)
    u, v = (n * scale for n in rng.numbers(2, 5, 60))
    n = rng.number(3, 14)
    once, each = swapped(number(u), number(v))
    prompts: tuple[PromptTemplate, ...] = (
        f"The rowing club in {town} takes {once} {currency} on joining and {each} {currency} a month from the first "
        f"month on. What have I paid after {n} months?",
        f"plumber: {each} per hour, plus {once} for coming out. was here {n} hours, one visit. how many {currency} is "
        "the bill",
        (
            f"You answer for a bike hire. A hire is {once} {currency} for the paperwork, whatever its length, and "
            f"{each} {currency} for each day.",
            f"Hello! My cousin needs a bike for {n} days in a row, a single hire. Could you tell me the full price?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{n} × {number(v)} = {number(n * v)}, and once {number(u)} on top: {number(n * v)} + {number(u)} = "
                f"{number(n * v + u)} {currency}."
            ),
            lambda u, v: (
                f"Once: {number(u)} {currency}\nEach time: {n} × {number(v)} = {number(n * v)} {currency}\n"
                f"Together: {number(u)} + {number(n * v)} = {number(u + n * v)} {currency}"
            ),
        )
    )
    solutions = [Solution(f"{s}+{n}*{t}", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("which amount is due once", prompts[wording], *solutions)


def fence_cost(rng: Rng, wording: int) -> MirrorContent:
    """Swap the prices of the long and the short sides of a rectangle."""
    _, currency, scale = money(rng)
    long, short = sorted(rng.numbers(2, 6, 60), reverse=True)
    p, q = (n * scale for n in rng.numbers(2, 3, 20))
    left, right = swapped(number(p), number(q))
    prompts: tuple[PromptTemplate, ...] = (
        f"A rectangular paddock is {long} m long and {short} m wide. Along the two long sides the fence costs {left} "
        f"{currency} a meter, along the two short sides {right} {currency} a meter. What does the whole fence cost?",
        f"framing a carpet {short} dm x {long} dm. ribbon for both short edges is {right} {currency} per dm, for both "
        f"long edges {left} per dm. total for the ribbon",
        (
            f"You quote for a stage builder. Edging costs {left} {currency} per meter on long sides and {right} "
            f"{currency} per meter on short sides. All four sides always get edging.",
            f"Our stage is a rectangle of {long} by {short} meters. What will the edging be?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"2 × {long} × {number(u)} = {number(2 * long * u)} and 2 × {short} × {number(v)} = "
                f"{number(2 * short * v)}. In total {number(2 * long * u)} + {number(2 * short * v)} = "
                f"{number(2 * long * u + 2 * short * v)} {currency}."
            ),
            lambda u, v: (
                f"Long: 2 × {long} = {2 * long}, {2 * long} × {number(u)} = {number(2 * long * u)}\nShort: 2 × "
                f"{short} = {2 * short}, {2 * short} × {number(v)} = {number(2 * short * v)}\nSum: "
                f"{number(2 * long * u)} + {number(2 * short * v)} = {number(2 * long * u + 2 * short * v)}"
            ),
        )
    )
    solutions = [Solution(f"2*{long}*{s}+2*{short}*{t}", write(s, t)) for s, t in ((p, q), (q, p))]
    return math_mirror("which price is for the long sides", prompts[wording], *solutions)


TEMPLATES = tuple(
    with_wordings(
        voucher_orders, taxed_extra, dearer_than, margin_base, tiered, change_from_note, fee_and_rate, fence_cost
    )
)
