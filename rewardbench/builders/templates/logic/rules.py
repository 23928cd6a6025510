"""What follows from a rule and what does not: implications and their converses, quantifiers, tests, precedence."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.templates.logic.puzzles import Claim, Puzzle, World, claims, listing, mirror

DEVICES = (
    ("pump", "running", "idle"),
    ("valve", "open", "shut"),
    ("lamp", "lit", "dark"),
    ("barrier", "raised", "lowered"),
    ("siren", "loud", "silent"),
    ("conveyor", "moving", "still"),
    ("heater", "hot", "cold"),
    ("hatch", "sealed", "unsealed"),
    ("turbine", "spinning", "motionless"),
    ("screen", "bright", "black"),
)
HABITS = (
    ("sings", "sing"),
    ("dances", "dance"),
    ("knits", "knit"),
    ("fishes", "fish"),
    ("skates", "skate"),
    ("paints", "paint"),
    ("juggles", "juggle"),
    ("bakes", "bake"),
    ("sails", "sail"),
)
GROUPS = "choir orchestra debating_team chess_club film_club drama_group rowing_crew garden_club book_circle".split()


def _verdict(name: str, yes: str, no: str, open_: str) -> Callable[[list[World]], str]:
    """What may be said of a variable: true or false in all worlds that are left, or open."""

    def told(found: list[World]) -> str:
        seen = {world[name] for world in found}
        return open_ if len(seen) == 2 else yes if True in seen else no

    return told


def devices(rng: Rng) -> MirrorContent:
    """Whenever one holds, so does the other; or the converse; and one of them is seen."""
    (p, p_on, p_off), (q, q_on, q_off) = rng.sample(DEVICES, 2)
    lit = rng.chance()
    fact = Claim("fact", f"at this moment the {q} is {q_on if lit else q_off}", q if lit else f"not {q}")
    on = {p: p_on, q: q_on}
    rules = [
        Claim("rule", f"whenever the {x} is {on[x]}, the {y} is {on[y]}", f"not {x} or {y}")
        for x, y in ((p, q), (q, p))
    ]
    first = rng.chance()
    heard = tuple([fact, rule] if first else [rule, fact] for rule in rules)
    frames = (
        "Two facts about the plant in {town}: {l}. What does that tell me about the {p}?",
        "im on night shift and the manual says the {p} is always either {on} or {off}, same for the {q} ({q_on} or"
        " {q_off}). {s} can i conclude anything on the {p}, or not?",
        (
            "You explain control panels to trainees. Use only what they give you.",
            "{s} I can see the {q} from here, but not the {p}, which has just two states, {on} and {off}. Which is it?",
        ),
        "Quiz at the control room in {town}:\n{b}\n\nEvery device has two states: the {p} is {on} or {off}, the {q}"
        " is {q_on} or {q_off}. State of the {p}?",
    )
    replies = (
        "Going by those lines alone, {answer}.",
        "From that we get this much: {answer}.",
        "{Answer}. Nothing more follows from those two facts.",
    )
    told = _verdict(
        p,
        f"the {p} must be {p_on} and cannot be {p_off}",
        f"the {p} must be {p_off} and cannot be {p_on}",
        f"the {p} may be {p_on} and may just as well be {p_off}",
    )
    fields = {"p": p, "q": q, "on": p_on, "off": p_off, "q_on": q_on, "q_off": q_off}
    town = rng.pick(("Antwerp", "Santos", "Pusan", "Durban", "Gdynia", "Callao"))
    puzzle = Puzzle({p: [False, True], q: [False, True]})
    return mirror(rng, puzzle, (heard[0], heard[1]), frames, replies, told, asks=[p], town=town, **fields)


def club_members(rng: Rng) -> MirrorContent:
    """Everyone who does one thing does the other; two members are known by one habit each."""
    (one, other), (ones, one_do), (twos, two_do) = rng.people(2), *rng.sample(HABITS, 2)
    variables = {f"{name}_{habit}": [False, True] for name in (one, other) for habit in (ones, twos)}
    facts = [
        Claim("fact", f"{one} does not {two_do}", f"not {one}_{twos}"),
        Claim("fact", f"{other} {ones}", f"{other}_{ones}"),
    ]
    facts = rng.sample(facts, 2)

    def rule(x: str, y: str) -> Claim:
        holds = " and ".join(f"(not {name}_{x} or {name}_{y})" for name in (one, other))
        return Claim("rule", f"everybody there who {x} also {y}", holds)

    at = rng.number(0, 2)
    heard = tuple([*facts[:at], rule(x, y), *facts[at:]] for x, y in ((ones, twos), (twos, ones)))
    asked, known, do = rng.pick(((one, ones, one_do), (other, twos, two_do)))
    frames = (
        "About the youth club in {town}: {l}. {one} and {other} are both members. Does {asked} {do}?",
        "{one} and {other} are in my youth club. {s} now my sister claims nobody can know whether {asked} {do_s}. is"
        " she right",
        (
            "I'm seating people at the {town} club dinner and want to know who shares a hobby.",
            "What do you know about the members' hobbies?",
            "{s} (There are {names} in the club, among others.) What about {asked}, would you say that {asked} {do_s}?",
        ),
        "Members {one}, {other} and some more, a club in {town}.\n{b}\nQuestion: does {asked} {do}, or is it"
        " impossible to say?",
    )
    replies = (
        "As far as your lines go, {answer}.",
        "{answer}, judging by what you wrote.",
        "What you wrote means that {answer}.",
    )
    told = _verdict(
        f"{asked}_{known}",
        f"{asked} does {do} and it cannot be otherwise",
        f"{asked} does not {do} and it cannot be otherwise",
        f"{asked} might {do} and it might be otherwise",
    )
    town = rng.pick(("Łódź", "Quito", "Kumasi", "Bergen", "Hanoi", "Limerick", "Tartu"))
    return mirror(
        rng,
        Puzzle(variables),
        (heard[0], heard[1]),
        frames,
        replies,
        told,
        asks=[f"{asked}_{known}"],
        one=one,
        other=other,
        asked=asked,
        do=do,
        do_s=known,
        names=listing([other, one]),
        town=town,
    )


def groups(rng: Rng) -> MirrorContent:
    """Two quantified statements whose quantifiers change places."""
    names = [name.replace("_", " ") for name in rng.sample(GROUPS, 3)]
    regions = [f"in_{k}{m}{n}" for k in (0, 1) for m in (0, 1) for n in (0, 1) if k + m + n]
    inside = {name: [one for one in regions if one[3 + k] == "1"] for k, name in enumerate(names)}

    def share(x: str, y: str) -> str:
        return f"any([{', '.join(one for one in inside[x] if one in inside[y])}])"

    def say(quantifier: str, x: str, y: str) -> Claim:
        rest = f"any([{', '.join(one for one in inside[x] if one not in inside[y])}])"
        holds = {"everybody": f"not {rest}", "nobody": f"not {share(x, y)}", "somebody": share(x, y)}
        return Claim(quantifier, f"{quantifier} in the {x} is also in the {y}", holds[quantifier])

    k, m, n = names
    one, other = rng.pick((("everybody", "nobody"), ("everybody", "somebody")))
    order = rng.sample((0, 1), 2)
    heard = tuple([[say(u, k, m), say(v, m, n)][at] for at in order] for u, v in ((one, other), (other, one)))
    base = " and ".join([*(f"any([{', '.join(inside[name])}])" for name in names), f"both == {share(k, n)}"])
    frames = (
        "At our school in {town}, {l}. All three groups have members. Is there anyone who is in the {k} and in the"
        " {last}?",
        "timetable clash? {s} (none of these is empty.) i need to know if the {k} and the {last} have a member in"
        " common",
        (
            "You plan rehearsals for a college. No group is empty.",
            "May I put the {k} and the {last} on the same evening, or would some member have to be in two places?\n{b}",
        ),
        "The only things I was told about three groups in {town}, each of which has at least one member, are"
        " these.\n\n{n}\n\nSo what about common members of the {k} and the {last}?",
    )
    replies = (
        "About those two groups: {answer}.",
        "As to a member in common, {answer}.",
        "What follows is this: {answer}.",
    )
    told = _verdict(
        "both",
        "there must be somebody who is in both",
        "there cannot be anybody who is in both",
        "there may or may not be one who is in both",
    )
    puzzle = Puzzle({name: [False, True] for name in [*regions, "both"]}, base)
    town = rng.pick(("Ghent", "Suva", "Kigali", "Trondheim", "Puebla", "Mysore"))
    return mirror(rng, puzzle, (heard[0], heard[1]), frames, replies, told, asks=["both"], k=k, last=n, town=town)


def cards_to_turn(rng: Rng) -> MirrorContent:
    """A rule about two-sided things, each seen from one side; which could break it?"""
    colours, signs = (
        rng.sample(("red", "blue", "green", "yellow", "white"), 2),
        rng.sample(("star", "moon", "anchor", "crown", "leaf"), 2),
    )
    thing = rng.pick(("ticket", "token", "coaster", "card", "tile"))
    seen = rng.sample([*colours, *signs], 4)

    def rule(p: str, q: str) -> Claim:
        hidden = f"({signs} if turn in {colours} else {colours})"
        text = f"if one side is {_side(p, colours)}, the other is {_side(q, colours)}"
        return Claim("rule", text, f"any({p!r} in (turn, back) and {q!r} not in (turn, back) for back in {hidden})")

    frames = (
        "Each {thing} in this box has a colour ({c}) on one side and a picture ({s_}) on its other side. They were"
        " meant to be printed by this rule: {l}. Four of them lie on my desk and show {seen}. Which ones do I have to"
        " flip to find out whether the four obey?",
        "logic test, stuck. 4 {thing}s on the table showing {seen}. every {thing} = one colour side ({c}) + one"
        " picture side ({s_}). claim to test: {l}. flip as few as possible, which?",
        (
            "You inspect prints. Every {thing} has a colour side ({c}) and a picture side ({s_}).",
            "The rule to be checked: {l}. Before me I have four, showing {seen}. I don't want to turn any {thing} "
            "without need. Which must I turn to see if the rule holds for them?",
        ),
        "My niece makes {thing}s with a colour on one side ({c}) and a drawing on the other ({s_}). She swears that"
        " {l}. I see {seen} in front of me and would like to catch her out with as little turning as possible. What"
        " do I turn?",
    )
    replies = (
        "Turn {answer}. Whatever is on the back of the other two, the rule stands.",
        "You need {answer}; whatever the other two hide, they do no harm to the rule.",
        "Only {answer} could break the rule, so look at the back of those two.",
    )

    def told(found: list[World]) -> str:
        return " and ".join(
            f"the {world['turn']} one" for world in sorted(found, key=lambda world: seen.index(world["turn"]))
        )

    heard = ([rule(colours[0], signs[0])], [rule(signs[0], colours[0])])
    return mirror(
        rng,
        Puzzle({"turn": seen}),
        heard,
        frames,
        replies,
        told,
        thing=thing,
        c=" or ".join(colours),
        s_=" or ".join(f"a {sign}" if sign != "anchor" else "an anchor" for sign in signs),
        seen=listing([_side(one, colours) for one in seen]),
    )


def _side(what: str, colours: list[str]) -> str:
    return what if what in colours else ("an " if what[0] in "aeiou" else "a ") + what


def late_chain(rng: Rng) -> MirrorContent:
    """Three implications in a row, of which one is turned round; one end is known, the other asked for."""
    names = rng.people(4)
    puzzle = Puzzle({name: [False, True] for name in names})
    rule = {claim.text: claim for claim in claims("rule", "when {0} is late, so is {1}", "not {0} or {1}", names)}
    links = list(pairwise(names))
    turned = rng.number(0, 2)
    on_time = rng.chance()
    known, asked = (names[3], names[0]) if on_time else (names[0], names[3])
    fact = Claim("fact", f"{known} was {'on time' if on_time else 'late'} today", f"not {known}" if on_time else known)
    order = rng.sample(range(3), 3)

    def told(links: list[tuple[str, str]]) -> list[Claim]:
        return [*(rule[f"when {links[k][0]} is late, so is {links[k][1]}"] for k in order), fact]

    heard = (told(links), told([link[::-1] if k == turned else link for k, link in enumerate(links)]))
    frames = (
        "Four colleagues share one tram line in {town}, and I have noticed some patterns that never fail. {s} Was"
        " {asked} late or on time today?",
        "{l}. no exceptions ever to any of these. what do you know about {asked} today, late or on time?",
        (
            "My colleagues in {town} have a strange pattern of being late.",
            "Which pattern? If it is strict, it may let us work out who was on time on a given day and who was late.",
            "As strict as can be:\n{b}\nCan you work out {asked}'s case?",
        ),
        "In our office in {town} the following has held every single day for years.\n\n{n}\n\n(The last line is about"
        " today only.) Nobody has asked {asked} yet. Can we say whether {asked} was late or on time?",
    )
    replies = (
        "By those patterns, {answer}.",
        "Going from one to the next, {answer}.",
        "{answer}, if I take your lines strictly.",
    )
    verdict = _verdict(
        asked,
        f"{asked} was late and cannot have been on time",
        f"{asked} was on time and cannot have been late",
        f"{asked} may have been on time and may have been late",
    )
    town = rng.pick(("Zagreb", "Melbourne", "Lisbon", "Kolkata", "Riga", "Sapporo"))
    return mirror(rng, puzzle, heard, frames, replies, verdict, asks=[asked], asked=asked, town=town)


def which_gate(rng: Rng) -> MirrorContent:
    """Two rules apply to one person; which goes first is the question."""
    (p, q), (one, other), name = (
        rng.sample(("a dog", "a bicycle", "a pram", "a tent", "a drum", "a kite"), 2),
        rng.sample(("north gate", "river gate", "garden door", "side stairs", "old bridge", "courtyard"), 2),
        rng.people(1)[0],
    )
    routes = {p: one, q: other}
    lines = [
        Claim("route", f"whoever brings {x} uses the {routes[x]}", f"way_of[{x!r}] == {routes[x]!r}")
        for x in rng.sample((p, q), 2)
    ]
    ways = [dict(zip((p, q), pair, strict=True)) for pair in ((one, other), (other, one))]
    puzzle = Puzzle({"way_of": ways, "way": [one, other]})

    def told(x: str, y: str) -> list[Claim]:
        rank = Claim("rank", f"the line about {x} takes precedence over the one about {y}", f"way == way_of[{x!r}]")
        return [*lines[:at], rank, *lines[at:]]

    at = rng.number(0, 2)
    bring = listing(rng.sample((p, q), 2))
    frames = (
        "House rules of the festival in {town}: {l}. {name} turns up with {bring}. Which way in?",
        "{name} is coming to the fair with {bring}. on the board it says\n{b}\nwhere should i send {name}",
        (
            "You are at the information desk of a park in {town}. The sign beside you reads: {s}",
            "Good morning, my friend {name} will arrive at noon with {bring}. Where will I meet {name}, if all goes"
            " by the sign?",
        ),
        "{name} asks you for help: at the entrance of a garden in {town} hangs a board with three"
        " lines.\n\n{n}\n\n{name} has {bring} along. Where should {name} go?",
    )
    replies = (
        "By the rules it is the {answer}.",
        "At the {answer}; that is what the rules come to in a case like this one.",
        "Two of the lines apply here, and together with the third they lead to the {answer}.",
    )
    town = rng.pick(("Arles", "Goa", "Cádiz", "Tallinn", "Durban", "Cuenca"))
    return mirror(
        rng,
        puzzle,
        (told(p, q), told(q, p)),
        frames,
        replies,
        lambda found: str(found[0]["way"]),
        name=name,
        bring=bring,
        town=town,
    )


TEMPLATES = (devices, club_members, groups, cards_to_turn, late_chain, which_gate)
