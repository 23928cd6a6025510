"""Puzzles about days, lamps, relatives, a knock-out cup and the digits of a lock.

The claims of each prompt leave exactly one answer. For example, `bike_lock`:

    prompt a: 3 digit code, no zeros, no repeats. the second digit is 3 times the first; the first and the second digit
        add up to 8; the third digit is 1 more than the first. (first = leftmost, second = middle, third = rightmost.)
        code?
    prompt b: the same, but "the third digit is 1 more than the second"
    response x, right for a: 2-6-3, from left to right. Swap anything in it and some condition fails.
    response y, right for b: 2-6-7, from left to right. Swap anything in it and some condition fails.
"""

from __future__ import annotations

from collections.abc import Mapping

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.logic.puzzles import (
    Claim,
    Puzzle,
    World,
    claims,
    contrasting_claims,
    make_mirror,
    name_in_place,
    names_in_order,
    one_to_one,
    value_of,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTS = {"once": 1, "twice": 2, "three times": 3}
RELATIONS = ("a sibling", "an aunt or uncle", "a great-aunt or great-uncle", "a first cousin", "a cousin of a parent")


def rota(rng: Rng) -> MirrorContent:
    """Ask for a rota from Monday to Thursday."""
    names, days = rng.people(4), DAYS[:4]
    puzzle = one_to_one(names, range(4))
    pool = claims("after", "{0} takes the day straight after the one of {1}", "{0} == {1} + 1", names)
    pool += claims("earlier", "{0} has a shift earlier in the week than {1}", "{0} < {1}", names)
    for name in names:
        for k, day in enumerate(days):
            pool.append(Claim("cannot", f"{name} cannot do {day}", f"{name} != {k}"))
    pool += claims("gap", "{0} and {1} have exactly one day between them", "abs({0} - {1}) == 2", names)
    premises = contrasting_claims(rng, puzzle, pool, 3)
    prompts = (
        "Please make me the rota for {place}: Monday, Tuesday, Wednesday, Thursday, one person each day, and"
        " everybody once. People: {names}. {s}",
        "4 shifts at {place} (Monday Tuesday Wednesday Thursday), 4 people ({names}), one each\n{b}\nwho when?",
        (
            "You are in charge of the calendar of {place}.",
            "Hello! Next week {names} take one day each from Monday to Thursday (so Tuesday and Wednesday too). They"
            " wrote to me that {l}. Could you work out the days?",
        ),
        "Could you fill in four boxes for me? Monday, Tuesday, Wednesday, Thursday; a different one of {names} in"
        " each. It is for {place}, and these wishes must all be met.\n\n{n}",
    )

    def plan(worlds: list[World]) -> str:
        return ", ".join(map(" ".join, zip(days, names_in_order(worlds), strict=True)))

    place = rng.pick(
        (
            "the soup kitchen",
            "the toy library",
            "the animal shelter",
            "the repair café",
            "the seed bank",
            "the tool shed",
        )
    )
    replies = ("{answer}. {why}", "{how} So the week looks like this: {answer}.", "Here is the plan: {answer}. {why}")
    return make_mirror(
        rng, puzzle, premises, prompts, replies, plan, place=place, names=join_words(rng.sample(names, 4))
    )


def busy_week(rng: Rng) -> MirrorContent:
    """Ask for the day of one of three events, with "before" and "after" swapped."""
    events = ("exam", "match", "concert", "wedding", "funeral", "checkup", "rehearsal", "flight")
    target, linked, dated = rng.sample(events, 3)
    near, far = rng.numbers(2, 2, 4)
    day = rng.number(0, 6)
    puzzle = Puzzle(dict.fromkeys((target, linked, dated), range(7)))
    order = rng.sample(range(3), 3)

    def premises_with(near_word: str, far_word: str) -> list[Claim]:
        sign = {"before": "-", "after": "+"}
        near_expression = f"{target} == {linked} {sign[near_word]} {near}"
        far_expression = f"{linked} == {dated} {sign[far_word]} {far}"
        premises = [
            Claim("near", f"the {target} is {near} days {near_word} the {linked}", near_expression),
            Claim("far", f"the {linked} is {far} days {far_word} the {dated}", far_expression),
            Claim("fact", f"the {dated} is on {DAYS[day]}", f"{dated} == {day}"),
        ]
        return [premises[k] for k in order]

    premises = (premises_with("before", "after"), premises_with("after", "before"))
    if len(puzzle.solve(premises[0])) != 1 or len(puzzle.solve(premises[1])) != 1:
        raise Resample
    prompts = (
        "Next week, Monday to Sunday, I have three things on. {s} On which day is the {target}?",
        "whats the day of the {target}? {l}. all within one week that starts on a Monday",
        (
            "Can you help me with my diary for next week? It runs from Monday to Sunday.",
            "Yes, of course. Which entries do you have?",
            "Three:\n{b}\nI lost the page with the {target} on it. Which day must it be?",
        ),
        (
            "You are {name}'s assistant. {name}'s entries for this week (Monday to Sunday) come without dates:\n{n}",
            "Hi, {name} here. When's the {target}?",
        ),
    )
    replies = (
        "The {target} is on {answer}. I began with the entry whose day is fixed and stepped from there to the others.",
        "On {answer}: start from the entry with a day, step to the {linked}, and from there to the {target}.",
        "Stepping from the {dated} to the {linked} and on to the {target}, you arrive at {answer}.",
    )
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        lambda worlds: DAYS[worlds[0][target]],
        target=target,
        linked=linked,
        dated=dated,
        name=rng.people(1)[0],
    )


def light_switches(rng: Rng) -> MirrorContent:
    """Ask which lamps are lit after presses of switches, with two of the counts swapped."""
    lamps = rng.sample(("hall", "porch", "cellar", "attic", "kitchen", "garage", "landing"), 3)
    colours = rng.sample(("brass", "black", "white", "wooden", "round", "chipped"), 3)
    lamp_sets = [lamps[:2], lamps[1:], [lamps[0], lamps[2]], lamps, lamps[:1]]
    lamps_of = dict(zip(colours, rng.sample(lamp_sets, 3), strict=True))
    counts = rng.sample(sorted(COUNTS), 3)
    swapped_counts = [counts[1], counts[0], counts[2]]
    mention_order = rng.sample(colours, 3)

    def presses_claim(counts: list[str]) -> Claim:
        count_of = dict(zip(colours, counts, strict=True))
        flips = dict.fromkeys(lamps, 0)
        for colour in colours:
            for lamp in lamps_of[colour]:
                flips[lamp] += COUNTS[count_of[colour]]
        text = join_words([f"the {colour} one {count_of[colour]}" for colour in mention_order])
        return Claim("pressed", text, " and ".join(f"{lamp} == ({n} % 2 == 1)" for lamp, n in flips.items()))

    switches = []
    for colour in colours:
        wired = lamps_of[colour]
        switches.append(f"the {colour} switch flips {join_words(wired)}{' alone' if len(wired) == 1 else ''}")
    wiring = "; ".join(switches)
    prompts = (
        "Odd wiring in our new flat: {wiring}. (To flip means on if it was off, off if it was on.) With all of the"
        " {names} lamps off, my son pressed {l}. Which lamps are on now?",
        "3 switches, 3 lamps ({names}), all dark at first. {wiring}. somebody pressed {l}. whats lit",
        (
            "You answer questions about a house with strange switches. Pressing one turns its lamps on if they are"
            " off, and off if they are on. Wiring: {wiring}.",
            "All lamps ({names}) were off when I came in. Then I pressed {l}. Which ones should be burning?",
        ),
        "The electrician was drunk, so in our hut {wiring}. A flipped lamp goes from dark to lit or from lit to dark."
        " We had darkness everywhere ({names}); then the switches got pressed, {l}. Where is there light?",
    )

    def lit(worlds: list[World]) -> str:
        on = [lamp for lamp in lamps if worlds[0][lamp]]
        if not 0 < len(on) < 3:
            raise Resample
        off = [lamp for lamp in lamps if lamp not in on]
        return f"{' and '.join(on)} on, {' and '.join(off)} off"

    replies = (
        "The lamps are now: {answer}. An even number of flips changes nothing, so only the odd ones count.",
        "{Answer}. For each lamp I counted its flips and asked whether the number is odd.",
        "Count the flips of each lamp and see which are odd: that leaves {answer}.",
    )
    puzzle = Puzzle(dict.fromkeys(lamps, (False, True)))
    premises = ([presses_claim(counts)], [presses_claim(swapped_counts)])
    return make_mirror(rng, puzzle, premises, prompts, replies, lit, wiring=wiring, names=join_words(lamps))


def kinship(rng: Rng) -> MirrorContent:
    """Ask how two people are related, if a third is the sibling of one person or of another."""
    elder, middle, young, other, child = rng.people(5)
    further = rng.chance()
    who = child if further else other
    parent_of = {middle: elder, young: middle}
    if further:
        parent_of[child] = other
    parent_claims = [Claim("parent", f"{parent} is a parent of {name}", "True") for name, parent in parent_of.items()]
    order = rng.sample(range(len(parent_of) + 1), len(parent_of) + 1)

    def premises_with(sibling: str) -> list[Claim]:
        parents = {**parent_of, elder: "root"} if sibling == elder else dict(parent_of)
        parents[other] = parents[sibling]
        expression = _relation_expression(_ancestors(who, parents), _ancestors(young, parents))
        premises = [*parent_claims, Claim("sibling", f"{other} is a brother or sister of {sibling}", expression)]
        return [premises[k] for k in order]

    prompts = (
        "I'm drawing our family tree and got lost. {s} No second marriages, no adoptions anywhere. What is {who} to"
        " {young}?",
        "{l}. so {who} is {young}'s ... what? (normal family, nobody married twice, no cousins married)",
        (
            "You help visitors of an archive with family research. Assume full siblings and no marriages between"
            " relatives.",
            "From the parish books of {town}:\n{b}\nHow is {who} related to {young}?",
        ),
        "{who} and {young} met at a wedding and wondered how they are related. What they know is"
        " this.\n\n{n}\n\nTheir family has neither half-siblings nor marriages between kin. What is {who} to"
        " {young}?",
    )
    replies = (
        "{who} is {answer} of {young}. You see it when you draw the generations one above the other.",
        "{Answer}: that is what {who} is to {young} once the generations are drawn one above the other.",
        "Draw the generations one above the other, and {who} turns out to be {answer} of {young}.",
    )
    return make_mirror(
        rng,
        Puzzle({"link": RELATIONS}),
        (premises_with(elder), premises_with(middle)),
        prompts,
        replies,
        value_of("link"),
        who=who,
        young=young,
        town=rng.pick(("Braga", "Kotor", "Uppsala", "Popayán", "Gori", "Visby")),
    )


def _ancestors(name: str, parents: Mapping[str, str]) -> list[str]:
    """Return a person, a parent, a grandparent, and so on.

    >>> _ancestors("c", {"c": "b", "b": "a"})
    ['c', 'b', 'a']
    """
    line = [name]
    while line[-1] in parents:
        line.append(parents[line[-1]])
    return line


def _relation_expression(first_line: list[str], second_line: list[str]) -> str:
    """Return the expression that the relation of two people is the one that their lines of ancestors give.

    It looks up the numbers of generations from each person to their closest common ancestor.
    """
    generations = (
        f"min((k, m) for k, one in enumerate({first_line}) for m, two in enumerate({second_line}) if one == two)"
    )
    relation = f"{{(1, 1): 0, (1, 2): 1, (1, 3): 2, (2, 2): 3, (2, 3): 4}}[{generations}]"
    return f"{list(RELATIONS)}.index(link) == {relation}"


def knockout(rng: Rng) -> MirrorContent:
    """Ask who won a cup with two semi-finals and a final.

    The value of a name: 0 won, 1 lost the final, 2 lost to the winner, 3 lost to the other finalist.
    """
    names = rng.people(4)
    puzzle = one_to_one(names, range(4))
    pool = claims("beat", "{0} knocked {1} out", "({0}, {1}) in ((0, 1), (0, 2), (1, 3))", names)
    pool += claims(
        "never",
        "{0} and {1} did not play each other",
        "tuple(sorted(({0}, {1}))) not in ((0, 1), (0, 2), (1, 3))",
        names,
    )
    pool += claims("final", "{0} or {1} lost the final", "1 in ({0}, {1})", names)
    pool += claims("semi", "{0} went out in a semi-final", "{0} > 1", names)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "Our {game} cup had two semi-finals and a final, no match for third place. {names} took part. {s} Who won the"
        " cup?",
        "knockout with four players, {names}. semi-finals, then the final. i know only that {l}. who's the {game}"
        " champion",
        (
            "Who won your {game} tournament in the end?",
            "I can't look that up, but if you tell me who met whom I can try to deduce it.",
            "Two semi-finals, one final, and that was it. Players: {names}.\n{b}\nSo?",
        ),
        "Old photo from a {game} tournament: the winner with the cup, face scratched out. Four players had entered,"
        " {names}; there were two semi-finals, then a final for the cup.\n\n{n}\n\nWhose face is it?",
    )
    replies = ("{answer} won it. {why}", "{how} The winner is {answer}.", "It was {answer} who took the cup. {why}")
    game = rng.pick(("darts", "carrom", "table tennis", "draughts", "billiards", "mancala", "badminton"))
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        name_in_place(0),
        game=game,
        names=join_words(rng.sample(names, 4)),
    )


def bike_lock(rng: Rng) -> MirrorContent:
    """Ask for a code of three digits, from relations between them."""
    places = ["first", "second", "third"]
    difference, total, factor = rng.number(1, 4), rng.number(8, 14), rng.pick((2, 3))
    puzzle = Puzzle(dict.fromkeys(places, range(1, 10)), "len({first, second, third}) == 3")
    pool = claims("times", f"the {{0}} digit is {factor} times the {{1}}", f"{{0}} == {factor} * {{1}}", places)
    pool += claims(
        "more", f"the {{0}} digit is {difference} more than the {{1}}", f"{{0}} == {{1}} + {difference}", places
    )
    pool += claims("sum", f"the {{0}} and the {{1}} digit add up to {total}", f"{{0}} + {{1}} == {total}", places)
    premises = contrasting_claims(rng, puzzle, pool, 3)
    prompts = (
        "I forgot the code of my bike lock. It has a first, a second and a third digit, all different and none of"
        " them zero. I do remember some sums I made up about it. {s} What's the code?",
        "3 digit code, no zeros, no repeats. {l}. (first = leftmost, second = middle, third = rightmost.) code?",
        (
            "You help hotel guests with the room safe. Codes have three different digits from 1 to 9, read from left"
            " to right as first, second and third.",
            "{name} left me this note instead of the code:\n{n}\nWhat do I type in?",
        ),
        "Escape room, last door! Three dials (first, second, third from the left), each at a digit from 1 to 9, no"
        " digit twice. On the wall it says:\n{b}\nWe have two minutes left, please.",
    )
    replies = ("The code is {answer}. {why}", "{how} That gives {answer}.", "{answer}, from left to right. {why}")
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        lambda worlds: "-".join(str(worlds[0][place]) for place in places),
        name=rng.people(1)[0],
    )


TEMPLATES = (rota, busy_week, light_switches, kinship, knockout, bike_lock)
