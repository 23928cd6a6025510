"""Money over time and between people: exchange, interest, savings, shared costs."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import PromptTemplate, swapped, with_wordings
from rewardbench.builders.templates.math.telling import Tell, Work, money, number, problem, share, whole


def exchange_desk(rng: Rng, wording: int) -> MirrorContent:
    """A desk that buys and sells at two rates: who has what, and who wants what."""
    buy = rng.number(8, 40)
    sell, n = buy + rng.number(1, 4), rng.number(40, 400, 20)
    coin = rng.pick(("pesos", "kronor", "rand", "baht", "rupees"))
    other = rng.pick(("euros", "dollars", "pounds"))
    verbs = swapped("have", "want")
    give, take = swapped("give", "get")
    hand, leave = swapped("hands over", "leaves with")
    frames: tuple[PromptTemplate, ...] = (
        f"The exchange desk at the port buys one of your {other} for {buy} {coin} and sells one to "
        f"you for {sell} {coin}. "
        f"I {verbs[0]} {n} {other} and {verbs[1]} {coin}. How many {coin} change hands?",
        f"rates at the kiosk: they pay {buy} {coin} for each of the {other} they get, and ask "
        f"{sell} {coin} for each of "
        f"the {other} they give. im there to {give} them {coin} and {take} {n} {other}. how many {coin} is that",
        (
            f"You assist the cashiers of a bank. When the bank buys {other}, one is worth {buy} {coin}; when the bank "
            f"sells {other}, one is worth {sell} {coin}. There is no other fee.",
            f"Next in the line: a customer who {hand} {n} {other} and {leave} {coin}. How many {coin} should I enter?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda rate, deal: (
                f"The desk {deal} here, so the rate of {rate} is the right one: {n} × {rate} = {number(n * rate)}."
            ),
            lambda rate, deal: (
                f"Seen from the desk, it {deal}.\nRate: {rate}\n{n} × {rate} = {number(n * rate)} {coin}"
            ),
        )
    )
    buys, sells = Work(f"{n}*{buy}", tell(buy, f"buys {other}")), Work(f"{n}*{sell}", tell(sell, f"sells {other}"))
    sides = (sells, buys) if wording == 1 else (buys, sells)
    return problem("which currency is given and which wanted", frames[wording], *sides)


def simple_or_compound(rng: Rng, wording: int) -> MirrorContent:
    """Interest on interest at one of two places, on the first amount only at the other."""
    town, coin, k = money(rng)
    rate, start = rng.pick((2, 4, 5, 10, 20)), rng.number(1000, 8000, 500) * k
    one, two = rng.sample(("Acacia", "Baobab", "Cedar", "Juniper", "Larch", "Tamarind"), 2)
    ann, bob = rng.people(2)
    grows, stays = swapped(one, two)
    lends, asks = swapped(ann, bob)
    frames: tuple[PromptTemplate, ...] = (
        f"Two banks in {town}, {one} and {two}, both pay {rate}% interest a year. {grows} pays "
        "interest on earlier interest "
        f"too, {stays} only ever on the deposit. I leave {number(start)} {coin} at {one} for exactly 2 years. How much "
        f"interest will that have earned?",
        f"borrowing {number(start)} {coin} for two full years, nothing repaid until the end, "
        f"{rate}% a year. {lends} wants "
        f"interest on the interest of year one as well, {asks} just on the {number(start)}. say i "
        f"borrow from {ann}, how "
        f"much interest do i owe at the end",
        (
            f"You explain savings plans. Plan {one} and plan {two} yield {rate}% a year. In plan "
            f"{grows} the interest is "
            f"added to the savings each year and earns interest itself; in plan {stays} it is set "
            "aside and earns none.",
            f"Suppose {number(start)} {coin} go into plan {one} and stay for 2 whole years. What "
            "does the interest come "
            f"to, both years together?",
        ),
    )
    year = whole(start * rate, 100)

    def work(compound: bool, short: bool) -> Work:
        base = start + year if compound else start
        again = share(base * rate, 100)
        total = f"{number(year)} + {number(again)} = {number(year + again)}"
        lines = f"{rate}% of {number(start)} is {number(year)}", f"{rate}% of {number(base)} is {number(again)}"
        text = f"{lines[0]}, and in the second year {lines[1]}. Over the two years: {total} {coin}."
        if not short:
            text = f"Year 1: {lines[0]}.\nYear 2: {lines[1]}.\nBoth: {total} {coin}."
        return Work(f"{start}*(100+{rate})*(100+{rate})/10000-{start}" if compound else f"{start}*{rate}/100*2", text)

    short = rng.chance()
    return problem("which of the two pays interest on interest", frames[wording], work(True, short), work(False, short))


def savings_goal(rng: Rng, wording: int) -> MirrorContent:
    """So many weeks at one amount, then another amount a week up to a goal."""
    _, coin, k = money(rng)
    u, v = rng.numbers(2, 10, 60, 5)
    weeks = rng.number(3, 8)
    goal = rng.number(300, 1200, 20)
    person = rng.people(1)[0]
    low, high = swapped(number(u * k), number(v * k))
    slow, fast = swapped(u, v)
    ride, wish = rng.pick(("kayak", "sewing machine", "cello", "telescope")), number(goal * k)
    frames: tuple[PromptTemplate, ...] = (
        f"{person} wants a {ride} that costs {wish} {coin}. For {weeks} weeks {person} puts {low} "
        f"{coin} a week in a jar, "
        f"and in every week after that {high}. How many weeks does it take in all until the {ride} is paid for?",
        f"need to save {wish} {coin}. first {weeks} weeks i can do {low} a week, afterwards {high} "
        "a week. total number of "
        f"weeks?",
        (
            f"I'm training for a {number(goal)} km challenge that runs as long as I like.",
            "Nice! How far do you ride?",
            f"In each of the first {weeks} weeks {slow} km, and {fast} km in every later week. In which week of the "
            f"challenge will I complete the {number(goal)} km?",
        ),
    )
    k = 1 if wording == 2 else k
    tell: Tell = rng.pick(
        (
            lambda u, v, n: (
                f"{weeks} × {number(u * k)} = {number(weeks * u * k)} comes first. Then "
                f"{number(goal * k)} − {number(weeks * u * k)} = "
                f"{number((goal - weeks * u) * k)} is missing, {number((goal - weeks * u) * k)} / "
                f"{number(v * k)} = {n} weeks, and "
                f"{weeks} + {n} = {weeks + n}."
            ),
            lambda u, v, n: (
                f"1. {weeks} weeks: {weeks} × {number(u * k)} = {number(weeks * u * k)}\n"
                f"2. Missing: {number(goal * k)} − {number(weeks * u * k)} = {number((goal - weeks * u) * k)}\n"
                f"3. Further weeks: {number((goal - weeks * u) * k)} / {number(v * k)} = {n}\n4. "
                f"In all: {weeks} + {n} = {weeks + n}"
            ),
        )
    )
    if max(u, v) * weeks >= goal:
        raise Resample
    sides = [
        Work(f"{weeks}+({goal}-{weeks}*{s})/{t}", tell(s, t, whole(goal - weeks * s, t))) for s, t in ((u, v), (v, u))
    ]
    return problem("which amount comes in the first weeks", frames[wording], *sides)


def shared_ride(rng: Rng, wording: int) -> MirrorContent:
    """Two share a ride, one gets out earlier: who pays for the rest alone."""
    town, coin, k = money(rng)
    one, two = rng.people(2)
    near, more, price = rng.number(4, 20, 2), rng.number(3, 16), rng.number(2, 4) * k
    far = near + more
    early, late = swapped(one, two)
    frames: tuple[PromptTemplate, ...] = (
        f"A taxi in {town} costs {number(price)} {coin} a kilometer. {one} and {two} get in together; {early} gets out "
        f"after {near} km and {late} rides on to km {far}. Each kilometer is shared equally by "
        "those in the car. What does "
        f"{two} pay?",
        f"storage unit is {number(price * 10)} {coin} a month. {one} & {two} rented it together, "
        f"{early} cleared out after "
        f"{near} months, {late} after {far}. every month is split evenly between whoever still has stuff in there. "
        f"{two}'s total??",
        (
            f"{one} and {two} moor their boats at one jetty. The jetty costs {number(price * 10)} "
            f"{coin} a day, and each "
            f"day's cost is divided equally among the boats that lie there.",
            f"They came on the same day. {early} left after {near} days and {late} after {far} "
            "days; no other boats came. "
            f"What does {two} have to pay?",
        ),
    )
    price *= 1 if wording == 0 else 10
    half, alone = whole(near * price, 2), more * price
    tell: Tell = rng.pick(
        (
            lambda extra, who: (
                f"The shared part costs {near} × {number(price)} = {number(2 * half)}, and half of it is "
                f"{number(2 * half)} / 2 = {number(half)}. The other {more} fall to {who} alone, "
                f"{more} × {number(price)} = {number(alone)}. "
                f"So {two} pays {number(half)} + {number(extra)} = {number(half + extra)} {coin}."
            ),
            lambda extra, who: (
                f"Together: {near} × {number(price)} / 2 = {number(half)} for each\n"
                f"Alone: {more} × {number(price)} = {number(alone)}, all of it for {who}\n"
                f"{two}: {number(half)} + {number(extra)} = {number(half + extra)}"
            ),
        )
    )
    a, b = Work(f"{near}*{price}/2+({far}-{near})*{price}", tell(alone, two)), Work(f"{near}*{price}/2", tell(0, one))
    return problem("who of the two leaves first", frames[wording], a, b)


def split_by_nights(rng: Rng, wording: int) -> MirrorContent:
    """A bill split by how long each stayed, less what one has paid already."""
    town, coin, k = money(rng)
    one, two = rng.people(2)
    u, v = rng.numbers(2, 2, 9)
    each = rng.number(10, 60, 5) * k
    total, paid = (u + v) * each, rng.number(5, 15, 5) * k
    left, right = swapped(u, v)
    frames: tuple[PromptTemplate, ...] = (
        f"The cabin near {town} cost {number(total)} {coin}. {one} slept there {left} nights and "
        f"{two} {right} nights, and "
        f"they split the cost by nights. {one} has put down a deposit of {number(paid)} {coin} "
        f"already. What does {one} "
        f"still owe?",
        f"{one} worked {left} hours on the mural and {two} {right}. fee is {number(total)} {coin}, "
        "divided by hours worked. "
        f"{one} already got an advance of {number(paid)}. how much is still to come for {one}",
        (
            "You do the accounts of a garden club. Water costs are divided among the plots by area.",
            f"There are only two plots: {one} has {left} ares, {two} has {right} ares. This year's water costs are "
            f"{number(total)} {coin}, and {one} has a credit of {number(paid)} from last year. How "
            f"much must {one} pay now?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda u, v: (
                f"{number(total)} / ({u} + {v}) = {number(each)} for each unit. {u} × "
                f"{number(each)} = {number(u * each)} "
                f"is {one}'s part. Less what is settled: {number(u * each)} − {number(paid)} = "
                f"{number(u * each - paid)} {coin}."
            ),
            lambda u, v: (
                f"- Units: {u} + {v} = {u + v}\n- One unit: {number(total)} / {u + v} = {number(each)}\n"
                f"- {one}: {u} × {number(each)} = {number(u * each)}\n- Open: {number(u * each)} − "
                f"{number(paid)} = {number(u * each - paid)}"
            ),
        )
    )
    sides = [Work(f"{total}*{s}/({s}+{t})-{paid}", tell(s, t)) for s, t in ((u, v), (v, u))]
    return problem("who was there how long", frames[wording], *sides)


def packing(rng: Rng, wording: int) -> MirrorContent:
    """Full boxes only, or the one begun as well: which rule is whose."""
    size, full = rng.number(6, 24), rng.number(4, 15)
    over = rng.number(1, size - 1)
    n, rate = size * full + over, rng.number(3, 12)
    town, coin, k = money(rng)
    pay = rate * k
    one, two = rng.people(2)
    only, every = swapped(one, two)
    road, rail = swapped("road", "rail")
    bed, lab = swapped("North", "South")
    frames: tuple[PromptTemplate, ...] = (
        f"Our hens laid {n} eggs; {size} go in a tray. {one} and {two} in {town} both pay "
        f"{number(pay)} {coin} a tray, but "
        f"{only} pays for full trays only, while {every} pays for the tray that isn't full as "
        f"well. What would {one} pay?",
        f"{n} tiles, {size} to a crate. by {road} they charge for full crates only, by {rail} they "
        f"charge for the crate thats not full as well. {number(pay)} {coin} per crate either way. cost by road?",
        (
            f"You count parking time. Car park {bed} charges completed blocks of {size} minutes "
            "and nothing for a block "
            f"that has only begun. Car park {lab} charges for a block as soon as it has begun. A "
            f"block is {number(pay)} "
            f"{coin} in both.",
            f"I was in car park North for {n} minutes. How much is that?",
        ),
    )
    tell: Tell = rng.pick(
        (
            lambda t, what: (
                f"{full} × {size} = {full * size}, and {n} − {full * size} = {over} are over. {what}, "
                f"{t} count: {t} × {number(pay)} = {number(t * pay)} {coin}."
            ),
            lambda t, what: (
                f"1. {n} − {full} × {size} = {over} left over\n2. {what}: {t}\n3. {t} × {number(pay)} "
                f"= {number(t * pay)} {coin}"
            ),
        )
    )
    a = Work(f"{n}//{size}*{pay}", tell(full, "Without the one begun"))
    return problem(
        "who counts the box that is not full",
        frames[wording],
        a,
        Work(f"({n}//{size}+1)*{pay}", tell(full + 1, "With the one begun")),
    )


TEMPLATES = tuple(with_wordings(exchange_desk, simple_or_compound, savings_goal, shared_ride, split_by_nights, packing))
