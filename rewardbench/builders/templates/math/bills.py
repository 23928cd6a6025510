"""Templates about money over time and between people: exchange, interest, savings and shared costs.

Example of a mirror, from `shared_ride`:

    prompt a: "... Anouk gets out after 6 km and Ravi rides on to km 10. Each kilometer is shared equally by those in
        the car. What does Ravi pay?"
    prompt b: "... Ravi gets out after 6 km and Anouk rides on to km 10. ... What does Ravi pay?"
    response x, right for a: "Together: 6 × 3 / 2 = 9 for each. Alone: 4 × 3 = 12, all of it for Ravi. ... 9 + 12 = 21"
    response y, right for b: "Together: 6 × 3 / 2 = 9 for each. Alone: 4 × 3 = 12, all of it for Anouk. ... 9 + 0 = 9"
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.assembly import (
    Solution,
    SolutionWriter,
    math_mirror,
    money,
    number,
    share,
    whole_quotient,
)


def exchange_desk(rng: Rng, wording: int) -> MirrorContent:
    """Swap the currency that a customer gives and the currency that the customer wants."""
    buy = rng.number(8, 40)
    sell, n = buy + rng.number(1, 4), rng.number(40, 400, 20)
    currency = rng.pick(("pesos", "kronor", "rand", "baht", "rupees"))
    other = rng.pick(("euros", "dollars", "pounds"))
    verbs = swapped("have", "want")
    give, take = swapped("give", "get")
    hand, leave = swapped("hands over", "leaves with")
    prompts: tuple[PromptTemplate, ...] = (
        f"The exchange desk at the port buys one of your {other} for {buy} {currency} and sells one to you for {sell} "
        f"{currency}. I {verbs[0]} {n} {other} and {verbs[1]} {currency}. How many {currency} change hands?",
        f"rates at the kiosk: they pay {buy} {currency} for each of the {other} they get, and ask {sell} {currency} "
        f"for each of the {other} they give. im there to {give} them {currency} and {take} {n} {other}. how many "
        f"{currency} is that",
        (
            f"You assist the cashiers of a bank. When the bank buys {other}, one is worth {buy} {currency}; when the "
            f"bank sells {other}, one is worth {sell} {currency}. There is no other fee.",
            f"Next in the line: a customer who {hand} {n} {other} and {leave} {currency}. How many {currency} should I "
            "enter?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda rate, deal: (
                f"The desk {deal} here, so the rate of {rate} is the right one: {n} × {rate} = {number(n * rate)}."
            ),
            lambda rate, deal: (
                f"Seen from the desk, it {deal}.\nRate: {rate}\n{n} × {rate} = {number(n * rate)} {currency}"
            ),
        )
    )
    buys = Solution(f"{n}*{buy}", write(buy, f"buys {other}"))
    sells = Solution(f"{n}*{sell}", write(sell, f"sells {other}"))
    solutions = (sells, buys) if wording == 1 else (buys, sells)
    return math_mirror("which currency is given and which wanted", prompts[wording], *solutions)


def simple_or_compound(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two places pays interest on interest."""
    town, currency, scale = money(rng)
    rate, start = rng.pick((2, 4, 5, 10, 20)), rng.number(1000, 8000, 500) * scale
    bank, other_bank = rng.sample(("Acacia", "Baobab", "Cedar", "Juniper", "Larch", "Tamarind"), 2)
    ann, bob = rng.people(2)
    grows, stays = swapped(bank, other_bank)
    lends, asks = swapped(ann, bob)
    prompts: tuple[PromptTemplate, ...] = (
        f"Two banks in {town}, {bank} and {other_bank}, both pay {rate}% interest a year. {grows} pays interest on "
        f"earlier interest too, {stays} only ever on the deposit. I leave {number(start)} {currency} at {bank} for "
        "exactly 2 years. How much interest will that have earned?",
        f"borrowing {number(start)} {currency} for two full years, nothing repaid until the end, {rate}% a year. "
        f"{lends} wants interest on the interest of year one as well, {asks} just on the {number(start)}. say i "
        f"borrow from {ann}, how much interest do i owe at the end",
        (
            f"You explain savings plans. Plan {bank} and plan {other_bank} yield {rate}% a year. In plan {grows} the "
            f"interest is added to the savings each year and earns interest itself; in plan {stays} it is set aside "
            "and earns none.",
            f"Suppose {number(start)} {currency} go into plan {bank} and stay for 2 whole years. What does the "
            "interest come to, both years together?",
        ),
    )
    year = whole_quotient(start * rate, 100)

    def solve(compound: bool, short: bool) -> Solution:
        base = start + year if compound else start
        again = share(base * rate, 100)
        total = f"{number(year)} + {number(again)} = {number(year + again)}"
        lines = f"{rate}% of {number(start)} is {number(year)}", f"{rate}% of {number(base)} is {number(again)}"
        text = f"{lines[0]}, and in the second year {lines[1]}. Over the two years: {total} {currency}."
        if not short:
            text = f"Year 1: {lines[0]}.\nYear 2: {lines[1]}.\nBoth: {total} {currency}."
        expression = f"{start}*(100+{rate})*(100+{rate})/10000-{start}" if compound else f"{start}*{rate}/100*2"
        return Solution(expression, text)

    short = rng.chance()
    solutions = solve(True, short), solve(False, short)
    return math_mirror("which of the two pays interest on interest", prompts[wording], *solutions)


def savings_goal(rng: Rng, wording: int) -> MirrorContent:
    """Swap the weekly amounts of the first weeks and of the later weeks."""
    _, currency, scale = money(rng)
    u, v = rng.numbers(2, 10, 60, 5)
    weeks = rng.number(3, 8)
    goal = rng.number(300, 1200, 20)
    person = rng.people(1)[0]
    low, high = swapped(number(u * scale), number(v * scale))
    slow, fast = swapped(u, v)
    ride, wish = rng.pick(("kayak", "sewing machine", "cello", "telescope")), number(goal * scale)
    prompts: tuple[PromptTemplate, ...] = (
        f"{person} wants a {ride} that costs {wish} {currency}. For {weeks} weeks {person} puts {low} {currency} a "
        f"week in a jar, and in every week after that {high}. How many weeks does it take in all until the {ride} is "
        "paid for?",
        f"need to save {wish} {currency}. first {weeks} weeks i can do {low} a week, afterwards {high} a week. total "
        "number of weeks?",
        (
            f"I'm training for a {number(goal)} km challenge that runs as long as I like.",
            "Nice! How far do you ride?",
            f"In each of the first {weeks} weeks {slow} km, and {fast} km in every later week. In which week of the "
            f"challenge will I complete the {number(goal)} km?",
        ),
    )
    scale = 1 if wording == 2 else scale
    write: SolutionWriter = rng.pick(
        (
            lambda u, v, n: (
                f"{weeks} × {number(u * scale)} = {number(weeks * u * scale)} comes first. Then "
                f"{number(goal * scale)} − {number(weeks * u * scale)} = {number((goal - weeks * u) * scale)} is "
                f"missing, {number((goal - weeks * u) * scale)} / {number(v * scale)} = {n} weeks, and {weeks} + {n} "
                f"= {weeks + n}."
            ),
            lambda u, v, n: (
                f"1. {weeks} weeks: {weeks} × {number(u * scale)} = {number(weeks * u * scale)}\n"
                f"2. Missing: {number(goal * scale)} − {number(weeks * u * scale)} = "
                f"{number((goal - weeks * u) * scale)}\n"
                f"3. Further weeks: {number((goal - weeks * u) * scale)} / {number(v * scale)} = {n}\n4. In all: "
                f"{weeks} + {n} = {weeks + n}"
            ),
        )
    )
    if max(u, v) * weeks >= goal:
        raise Resample
    solutions = []
    for s, t in ((u, v), (v, u)):
        further_weeks = whole_quotient(goal - weeks * s, t)
        solutions.append(Solution(f"{weeks}+({goal}-{weeks}*{s})/{t}", write(s, t, further_weeks)))
    return math_mirror("which amount comes in the first weeks", prompts[wording], *solutions)


def shared_ride(rng: Rng, wording: int) -> MirrorContent:
    """Swap which of two people leaves a shared ride first."""
    town, currency, scale = money(rng)
    ann, bob = rng.people(2)
    near, extra_distance, price = rng.number(4, 20, 2), rng.number(3, 16), rng.number(2, 4) * scale
    far = near + extra_distance
    early, late = swapped(ann, bob)
    prompts: tuple[PromptTemplate, ...] = (
        f"A taxi in {town} costs {number(price)} {currency} a kilometer. {ann} and {bob} get in together; {early} "
        f"gets out after {near} km and {late} rides on to km {far}. Each kilometer is shared equally by those in the "
        f"car. What does {bob} pay?",
        f"storage unit is {number(price * 10)} {currency} a month. {ann} & {bob} rented it together, {early} cleared "
        f"out after {near} months, {late} after {far}. every month is split evenly between whoever still has stuff in "
        f"there. {bob}'s total??",
        (
            f"{ann} and {bob} moor their boats at one jetty. The jetty costs {number(price * 10)} {currency} a day, "
            "and each day's cost is divided equally among the boats that lie there.",
            f"They came on the same day. {early} left after {near} days and {late} after {far} days; no other boats "
            f"came. What does {bob} have to pay?",
        ),
    )
    price *= 1 if wording == 0 else 10
    half, alone = whole_quotient(near * price, 2), extra_distance * price
    write: SolutionWriter = rng.pick(
        (
            lambda extra, who: (
                f"The shared part costs {near} × {number(price)} = {number(2 * half)}, and half of it is "
                f"{number(2 * half)} / 2 = {number(half)}. The other {extra_distance} fall to {who} alone, "
                f"{extra_distance} × {number(price)} = {number(alone)}. So {bob} pays {number(half)} + "
                f"{number(extra)} = {number(half + extra)} {currency}."
            ),
            lambda extra, who: (
                f"Together: {near} × {number(price)} / 2 = {number(half)} for each\n"
                f"Alone: {extra_distance} × {number(price)} = {number(alone)}, all of it for {who}\n"
                f"{bob}: {number(half)} + {number(extra)} = {number(half + extra)}"
            ),
        )
    )
    a = Solution(f"{near}*{price}/2+({far}-{near})*{price}", write(alone, bob))
    b = Solution(f"{near}*{price}/2", write(0, ann))
    return math_mirror("who of the two leaves first", prompts[wording], a, b)


def split_by_nights(rng: Rng, wording: int) -> MirrorContent:
    """Swap how long two people stayed, and ask for a share of the bill less a deposit."""
    town, currency, scale = money(rng)
    ann, bob = rng.people(2)
    u, v = rng.numbers(2, 2, 9)
    each = rng.number(10, 60, 5) * scale
    total, paid = (u + v) * each, rng.number(5, 15, 5) * scale
    left, right = swapped(u, v)
    prompts: tuple[PromptTemplate, ...] = (
        f"The cabin near {town} cost {number(total)} {currency}. {ann} slept there {left} nights and {bob} {right} "
        f"nights, and they split the cost by nights. {ann} has put down a deposit of {number(paid)} {currency} "
        f"already. What does {ann} still owe?",
        f"{ann} worked {left} hours on the mural and {bob} {right}. fee is {number(total)} {currency}, divided by "
        f"hours worked. {ann} already got an advance of {number(paid)}. how much is still to come for {ann}",
        (
            "You do the accounts of a garden club. Water costs are divided among the plots by area.",
            f"There are only two plots: {ann} has {left} ares, {bob} has {right} ares. This year's water costs are "
            f"{number(total)} {currency}, and {ann} has a credit of {number(paid)} from last year. How much must "
            f"{ann} pay now?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda u, v: (
                f"{number(total)} / ({u} + {v}) = {number(each)} for each unit. {u} × {number(each)} = "
                f"{number(u * each)} is {ann}'s part. Less what is settled: {number(u * each)} − {number(paid)} = "
                f"{number(u * each - paid)} {currency}."
            ),
            lambda u, v: (
                f"- Units: {u} + {v} = {u + v}\n- One unit: {number(total)} / {u + v} = {number(each)}\n"
                f"- {ann}: {u} × {number(each)} = {number(u * each)}\n- Open: {number(u * each)} − {number(paid)} = "
                f"{number(u * each - paid)}"
            ),
        )
    )
    solutions = [Solution(f"{total}*{s}/({s}+{t})-{paid}", write(s, t)) for s, t in ((u, v), (v, u))]
    return math_mirror("who was there how long", prompts[wording], *solutions)


def packing(rng: Rng, wording: int) -> MirrorContent:
    """Swap whose rule it is to count the box that is not full."""
    size, full = rng.number(6, 24), rng.number(4, 15)
    over = rng.number(1, size - 1)
    n, rate = size * full + over, rng.number(3, 12)
    town, currency, scale = money(rng)
    pay = rate * scale
    ann, bob = rng.people(2)
    only, every = swapped(ann, bob)
    road, rail = swapped("road", "rail")
    bed, lab = swapped("North", "South")
    prompts: tuple[PromptTemplate, ...] = (
        f"Our hens laid {n} eggs; {size} go in a tray. {ann} and {bob} in {town} both pay {number(pay)} {currency} a "
        f"tray, but {only} pays for full trays only, while {every} pays for the tray that isn't full as well. What "
        f"would {ann} pay?",
        f"{n} tiles, {size} to a crate. by {road} they charge for full crates only, by {rail} they charge for the "
        f"crate thats not full as well. {number(pay)} {currency} per crate either way. cost by road?",
        (
            f"You count parking time. Car park {bed} charges completed blocks of {size} minutes and nothing for a "
            f"block that has only begun. Car park {lab} charges for a block as soon as it has begun. A block is "
            f"{number(pay)} {currency} in both.",
            f"I was in car park North for {n} minutes. How much is that?",
        ),
    )
    write: SolutionWriter = rng.pick(
        (
            lambda t, what: (
                f"{full} × {size} = {full * size}, and {n} − {full * size} = {over} are over. {what}, {t} count: {t} "
                f"× {number(pay)} = {number(t * pay)} {currency}."
            ),
            lambda t, what: (
                f"1. {n} − {full} × {size} = {over} left over\n2. {what}: {t}\n3. {t} × {number(pay)} = "
                f"{number(t * pay)} {currency}"
            ),
        )
    )
    a = Solution(f"{n}//{size}*{pay}", write(full, "Without the one begun"))
    b = Solution(f"({n}//{size}+1)*{pay}", write(full + 1, "With the one begun"))
    return math_mirror("who counts the box that is not full", prompts[wording], a, b)


TEMPLATES = tuple(with_wordings(exchange_desk, simple_or_compound, savings_goal, shared_ride, split_by_nights, packing))
