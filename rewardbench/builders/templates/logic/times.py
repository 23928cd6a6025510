"""Days, digits, switches, kin and cups: rotas, before and after, locks, lamps, families, knock-out rounds."""

from __future__ import annotations

from collections.abc import Mapping

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.logic.puzzles import (
    Claim,
    Puzzle,
    World,
    claims,
    in_order,
    listing,
    mirror,
    one_each,
    parted,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
COUNTS = {"once": 1, "twice": 2, "three times": 3}


def rota(rng: Rng) -> MirrorContent:
    """One person a day, Monday to Thursday."""
    names, days = rng.people(4), DAYS[:4]
    puzzle = one_each(names, range(4))
    pool = claims("after", "{0} takes the day straight after the one of {1}", "{0} == {1} + 1", names)
    pool += claims("earlier", "{0} has a shift earlier in the week than {1}", "{0} < {1}", names)
    pool += [
        Claim("cannot", f"{name} cannot do {day}", f"{name} != {k}") for name in names for k, day in enumerate(days)
    ]
    pool += claims("gap", "{0} and {1} have exactly one day between them", "abs({0} - {1}) == 2", names)
    heard = parted(rng, puzzle, pool, 3)
    frames = (
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

    def plan(found: list[World]) -> str:
        return ", ".join(f"{day} {name}" for day, name in zip(days, in_order(found).split(", "), strict=True))

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
    return mirror(rng, puzzle, heard, frames, replies, plan, place=place, names=listing(rng.sample(names, 4)))


def busy_week(rng: Rng) -> MirrorContent:
    """Before and after change places; one event has a date."""
    one, two, three = rng.sample(
        ("exam", "match", "concert", "wedding", "funeral", "checkup", "rehearsal", "flight"), 3
    )
    near, far = rng.numbers(2, 2, 4)
    anchor = rng.number(0, 6)
    puzzle = Puzzle({name: range(7) for name in (one, two, three)})
    fact = Claim("fact", f"the {three} is on {DAYS[anchor]}", f"{three} == {anchor}")

    def told(x: str, y: str) -> list[Claim]:
        sign = {"before": "-", "after": "+"}
        return [
            Claim("near", f"the {one} is {near} days {x} the {two}", f"{one} == {two} {sign[x]} {near}"),
            Claim("far", f"the {two} is {far} days {y} the {three}", f"{two} == {three} {sign[y]} {far}"),
        ]

    order = rng.sample(range(3), 3)
    heard = tuple([[*told(*words), fact][k] for k in order] for words in (("before", "after"), ("after", "before")))
    if any(len(puzzle.worlds(puzzle.holds(mine))) != 1 for mine in heard):
        raise Resample
    frames = (
        "Next week, Monday to Sunday, I have three things on. {s} On which day is the {one}?",
        "whats the day of the {one}? {l}. all within one week that starts on a Monday",
        (
            "Can you help me with my diary for next week? It runs from Monday to Sunday.",
            "Yes, of course. Which entries do you have?",
            "Three:\n{b}\nI lost the page with the {one} on it. Which day must it be?",
        ),
        (
            "You are {name}'s assistant. {name}'s entries for this week (Monday to Sunday) come without dates:\n{n}",
            "Hi, {name} here. When's the {one}?",
        ),
    )
    replies = (
        "The {one} is on {answer}. I began with the entry whose day is fixed and stepped from there to the others.",
        "On {answer}: start from the entry with a day, step to the {two}, and from there to the {one}.",
        "Stepping from the {three} to the {two} and on to the {one}, you arrive at {answer}.",
    )
    return mirror(
        rng,
        puzzle,
        (heard[0], heard[1]),
        frames,
        replies,
        lambda found: DAYS[found[0][one]],
        one=one,
        two=two,
        three=three,
        name=rng.people(1)[0],
    )


def light_switches(rng: Rng) -> MirrorContent:
    """Each switch flips two lamps or three; how often each was pressed is what changes."""
    lamps = rng.sample(("hall", "porch", "cellar", "attic", "kitchen", "garage", "landing"), 3)
    colours = rng.sample(("brass", "black", "white", "wooden", "round", "chipped"), 3)
    wires = dict(
        zip(colours, rng.sample([lamps[:2], lamps[1:], [lamps[0], lamps[2]], lamps, lamps[:1]], 3), strict=True)
    )
    counts = rng.sample(sorted(COUNTS), 3)
    again = [counts[1], counts[0], counts[2]]

    def told(counts: list[str]) -> list[Claim]:
        pressed = dict(zip(colours, counts, strict=True))
        holds = " and ".join(
            f"{lamp} == ({sum(COUNTS[pressed[c]] for c in colours if lamp in wires[c])} % 2 == 1)" for lamp in lamps
        )
        text = listing([f"the {colour} one {pressed[colour]}" for colour in shown])
        return [Claim("pressed", text, holds)]

    shown = rng.sample(colours, 3)
    wiring = "; ".join(
        f"the {c} switch flips {listing(wires[c]) if len(wires[c]) > 1 else wires[c][0] + ' alone'}" for c in colours
    )
    frames = (
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

    def lit(found: list[World]) -> str:
        on = [lamp for lamp in lamps if found[0][lamp]]
        if not 0 < len(on) < 3:
            raise Resample
        off = [lamp for lamp in lamps if lamp not in on]
        return f"{' and '.join(on)} on, {' and '.join(off)} off"

    replies = (
        "The lamps are now: {answer}. An even number of flips changes nothing, so only the odd ones count.",
        "{Answer}. For each lamp I counted its flips and asked whether the number is odd.",
        "Count the flips of each lamp and see which are odd: that leaves {answer}.",
    )
    puzzle = Puzzle({lamp: [False, True] for lamp in lamps})
    return mirror(rng, puzzle, (told(counts), told(again)), frames, replies, lit, wiring=wiring, names=listing(lamps))


def _ancestors(name: str, up: Mapping[str, str]) -> list[str]:
    """A person, a parent, that one's parent, and so on.

    >>> _ancestors("c", {"c": "b", "b": "a"})
    ['c', 'b', 'a']
    """
    line = [name]
    while line[-1] in up:
        line.append(up[line[-1]])
    return line


def kinship(rng: Rng) -> MirrorContent:
    """Whose brother or sister somebody is decides what they are to a third."""
    elder, middle, young, other, child = rng.people(5)
    further = rng.chance()
    who = child if further else other
    links = [
        (f"{elder} is a parent of {middle}", {middle: elder}),
        (f"{middle} is a parent of {young}", {young: middle}),
        *([(f"{other} is a parent of {child}", {child: other})] if further else []),
    ]
    ranks = ("a sibling", "an aunt or uncle", "a great-aunt or great-uncle", "a first cousin", "a cousin of a parent")
    order = rng.sample(range(len(links) + 1), len(links) + 1)

    def told(twin: str) -> list[Claim]:
        up = {name: above for _, link in links for name, above in link.items()}
        up |= {elder: "root"} if twin == elder else {}
        up |= {other: up[twin]}
        lines_up = [_ancestors(one, up) for one in (who, young)]
        meet = (
            f"min((k, m) for k, one in enumerate({lines_up[0]}) for m, two in enumerate({lines_up[1]}) if one == two)"
        )
        found = f"{{(1, 1): 0, (1, 2): 1, (1, 3): 2, (2, 2): 3, (2, 3): 4}}[{meet}]"
        lines = [Claim("parent", text, "True") for text, _ in links]
        lines.append(
            Claim("sibling", f"{other} is a brother or sister of {twin}", f"{list(ranks)}.index(link) == {found}")
        )
        return [lines[k] for k in order]

    frames = (
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
    puzzle = Puzzle({"link": ranks})
    return mirror(
        rng,
        puzzle,
        (told(elder), told(middle)),
        frames,
        replies,
        lambda found: f"{found[0]['link']}",
        who=who,
        young=young,
        town=rng.pick(("Braga", "Kotor", "Uppsala", "Popayán", "Gori", "Visby")),
    )


def knockout(rng: Rng) -> MirrorContent:
    """Two semi-finals and a final: 0 won, 1 lost the final, 2 lost to the winner, 3 lost to the other finalist."""
    names = rng.people(4)
    puzzle = one_each(names, range(4))
    pool = claims("beat", "{0} knocked {1} out", "({0}, {1}) in ((0, 1), (0, 2), (1, 3))", names)
    pool += claims(
        "never",
        "{0} and {1} did not play each other",
        "tuple(sorted(({0}, {1}))) not in ((0, 1), (0, 2), (1, 3))",
        names,
    )
    pool += claims("final", "{0} or {1} lost the final", "1 in ({0}, {1})", names)
    pool += claims("semi", "{0} went out in a semi-final", "{0} > 1", names)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
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
    return mirror(
        rng,
        puzzle,
        heard,
        frames,
        replies,
        lambda found: in_order(found).split(", ")[0],
        game=game,
        names=listing(rng.sample(names, 4)),
    )


def bike_lock(rng: Rng) -> MirrorContent:
    """Three digits from relations between them."""
    places = ["first", "second", "third"]
    more, total, times = rng.number(1, 4), rng.number(8, 14), rng.pick((2, 3))
    puzzle = Puzzle({place: range(1, 10) for place in places}, "len({first, second, third}) == 3")
    pool = claims("times", f"the {{0}} digit is {times} times the {{1}}", f"{{0}} == {times} * {{1}}", places)
    pool += claims("more", f"the {{0}} digit is {more} more than the {{1}}", f"{{0}} == {{1}} + {more}", places)
    pool += claims("sum", f"the {{0}} and the {{1}} digit add up to {total}", f"{{0}} + {{1}} == {total}", places)
    heard = parted(rng, puzzle, pool, 3)
    frames = (
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
    return mirror(
        rng,
        puzzle,
        heard,
        frames,
        replies,
        lambda found: "-".join(str(found[0][place]) for place in places),
        name=rng.people(1)[0],
    )


TEMPLATES = (rota, busy_week, light_switches, kinship, knockout, bike_lock)
