"""What follows from a rule and what does not: implications and their converses, quantifiers, tests, precedence.

The prompts differ in the direction of a rule; from one direction something follows, from the other often nothing does.
For example, `club_members`:

    prompt a: About the youth club in Kumasi: Rafael paints; Keira does not sail; everybody there who sails also paints.
        Keira and Rafael are both members. Does Rafael sail?
    prompt b: the same, but "everybody there who paints also sails"
    response x, right for a: As far as your lines go, Rafael might sail and it might be otherwise.
    response y, right for b: As far as your lines go, Rafael does sail and it cannot be otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rewardbench.builders.draw import MirrorContent, Rng
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.logic.puzzles import Claim, Puzzle, ReadAnswer, World, make_mirror, value_of

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
REGIONS = ("in_001", "in_010", "in_011", "in_100", "in_101", "in_110", "in_111")
"""The regions of a Venn diagram of three groups, named by a 1 for each group that contains the region."""
REGIONS_OF_FIRST = ("in_100", "in_101", "in_110", "in_111")
REGIONS_OF_SECOND = ("in_010", "in_011", "in_110", "in_111")
REGIONS_OF_THIRD = ("in_001", "in_011", "in_101", "in_111")
GROUPS = "choir orchestra debating_team chess_club film_club drama_group rowing_crew garden_club book_circle".split()


def _verdict(variable: str, yes: str, no: str, undecided: str) -> ReadAnswer:
    """Return an answer that depends on a variable: true in all worlds, false in all, or undecided."""

    def verdict(worlds: list[World]) -> str:
        values = {world[variable] for world in worlds}
        if len(values) == 2:
            return undecided
        return yes if True in values else no

    return verdict


def devices(rng: Rng) -> MirrorContent:
    """Ask what an implication, or its converse, says about a device that cannot be seen."""
    (p, p_on, p_off), (q, q_on, q_off) = rng.sample(DEVICES, 2)
    lit = rng.chance()
    fact = Claim("fact", f"at this moment the {q} is {q_on if lit else q_off}", q if lit else f"not {q}")
    rule_a = Claim("rule", f"whenever the {p} is {p_on}, the {q} is {q_on}", f"not {p} or {q}")
    rule_b = Claim("rule", f"whenever the {q} is {q_on}, the {p} is {p_on}", f"not {q} or {p}")
    premises = ([fact, rule_a], [fact, rule_b]) if rng.chance() else ([rule_a, fact], [rule_b, fact])
    prompts = (
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
    verdict = _verdict(
        p,
        f"the {p} must be {p_on} and cannot be {p_off}",
        f"the {p} must be {p_off} and cannot be {p_on}",
        f"the {p} may be {p_on} and may just as well be {p_off}",
    )
    fields = {"p": p, "q": q, "on": p_on, "off": p_off, "q_on": q_on, "q_off": q_off}
    town = rng.pick(("Antwerp", "Santos", "Pusan", "Durban", "Gdynia", "Callao"))
    puzzle = Puzzle({p: (False, True), q: (False, True)})
    return make_mirror(rng, puzzle, premises, prompts, replies, verdict, query=[p], town=town, **fields)


def club_members(rng: Rng) -> MirrorContent:
    """Ask what follows from "everyone who does p does q", or from its converse, for one member."""
    ann, bob = rng.people(2)
    (does_p, do_p), (does_q, do_q) = rng.sample(HABITS, 2)
    variables = [f"{ann}_{does_p}", f"{ann}_{does_q}", f"{bob}_{does_p}", f"{bob}_{does_q}"]
    facts = [
        Claim("fact", f"{ann} does not {do_q}", f"not {ann}_{does_q}"),
        Claim("fact", f"{bob} {does_p}", f"{bob}_{does_p}"),
    ]
    facts = rng.sample(facts, 2)
    position = rng.number(0, 2)

    def with_rule(x: str, y: str) -> list[Claim]:
        expression = f"(not {ann}_{x} or {ann}_{y}) and (not {bob}_{x} or {bob}_{y})"
        rule = Claim("rule", f"everybody there who {x} also {y}", expression)
        return [*facts[:position], rule, *facts[position:]]

    target, does, do = rng.pick(((ann, does_p, do_p), (bob, does_q, do_q)))
    prompts = (
        "About the youth club in {town}: {l}. {ann} and {bob} are both members. Does {target} {do}?",
        "{ann} and {bob} are in my youth club. {s} now my sister claims nobody can know whether {target} {does}. is"
        " she right",
        (
            "I'm seating people at the {town} club dinner and want to know who shares a hobby.",
            "What do you know about the members' hobbies?",
            "{s} (There are {names} in the club, among others.) What about {target}, would you say that {target}"
            " {does}?",
        ),
        "Members {ann}, {bob} and some more, a club in {town}.\n{b}\nQuestion: does {target} {do}, or is it"
        " impossible to say?",
    )
    replies = (
        "As far as your lines go, {answer}.",
        "{answer}, judging by what you wrote.",
        "What you wrote means that {answer}.",
    )
    verdict = _verdict(
        f"{target}_{does}",
        f"{target} does {do} and it cannot be otherwise",
        f"{target} does not {do} and it cannot be otherwise",
        f"{target} might {do} and it might be otherwise",
    )
    town = rng.pick(("Łódź", "Quito", "Kumasi", "Bergen", "Hanoi", "Limerick", "Tartu"))
    return make_mirror(
        rng,
        Puzzle(dict.fromkeys(variables, (False, True))),
        (with_rule(does_p, does_q), with_rule(does_q, does_p)),
        prompts,
        replies,
        verdict,
        query=[f"{target}_{does}"],
        ann=ann,
        bob=bob,
        target=target,
        do=do,
        does=does,
        names=join_words([bob, ann]),
        town=town,
    )


def groups(rng: Rng) -> MirrorContent:
    """Ask if two groups share a member, from two statements whose quantifiers are swapped."""
    k, m, n = (name.replace("_", " ") for name in rng.sample(GROUPS, 3))
    regions = {k: REGIONS_OF_FIRST, m: REGIONS_OF_SECOND, n: REGIONS_OF_THIRD}
    quantifiers = rng.pick((("everybody", "nobody"), ("everybody", "somebody")))
    is_reversed = rng.sample((0, 1), 2) == [1, 0]

    def statements(first: str, second: str) -> list[Claim]:
        pair = [_quantified_claim(first, k, m, regions), _quantified_claim(second, m, n, regions)]
        return pair[::-1] if is_reversed else pair

    premises = (statements(*quantifiers), statements(*quantifiers[::-1]))
    base = f"{_any(regions[k])} and {_any(regions[m])} and {_any(regions[n])} and both == {_any_common(k, n, regions)}"
    prompts = (
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
    verdict = _verdict(
        "both",
        "there must be somebody who is in both",
        "there cannot be anybody who is in both",
        "there may or may not be one who is in both",
    )
    puzzle = Puzzle(dict.fromkeys([*REGIONS, "both"], (False, True)), base)
    town = rng.pick(("Ghent", "Suva", "Kigali", "Trondheim", "Puebla", "Mysore"))
    return make_mirror(rng, puzzle, premises, prompts, replies, verdict, query=["both"], k=k, last=n, town=town)


def _quantified_claim(quantifier: str, x: str, y: str, regions: Mapping[str, Sequence[str]]) -> Claim:
    """Return the claim that everybody, nobody or somebody in one group is also in the other."""
    only_x = [region for region in regions[x] if region not in regions[y]]
    expressions = {
        "everybody": f"not {_any(only_x)}",
        "nobody": f"not {_any_common(x, y, regions)}",
        "somebody": _any_common(x, y, regions),
    }
    return Claim(quantifier, f"{quantifier} in the {x} is also in the {y}", expressions[quantifier])


def _any_common(x: str, y: str, regions: Mapping[str, Sequence[str]]) -> str:
    """Return the expression that two groups share a member."""
    return _any([region for region in regions[x] if region in regions[y]])


def _any(regions: Sequence[str]) -> str:
    """Return the expression that some region has a member."""
    return f"any([{', '.join(regions)}])"


def cards_to_turn(rng: Rng) -> MirrorContent:
    """Ask which cards to turn to test a rule about their two sides (Wason's selection task)."""
    colours = rng.sample(("red", "blue", "green", "yellow", "white"), 2)
    signs = rng.sample(("star", "moon", "anchor", "crown", "leaf"), 2)
    card = rng.pick(("ticket", "token", "coaster", "card", "tile"))
    visible = rng.sample([*colours, *signs], 4)

    def rule(p: str, q: str) -> Claim:
        hidden = f"({signs} if turn in {colours} else {colours})"
        text = f"if one side is {_describe_side(p, colours)}, the other is {_describe_side(q, colours)}"
        return Claim("rule", text, f"any({p!r} in (turn, back) and {q!r} not in (turn, back) for back in {hidden})")

    prompts = (
        "Each {card} in this box has a colour ({colours}) on one side and a picture ({pictures}) on its other side."
        " They were meant to be printed by this rule: {l}. Four of them lie on my desk and show {visible}. Which ones"
        " do I have to flip to find out whether the four obey?",
        "logic test, stuck. 4 {card}s on the table showing {visible}. every {card} = one colour side ({colours}) + one"
        " picture side ({pictures}). claim to test: {l}. flip as few as possible, which?",
        (
            "You inspect prints. Every {card} has a colour side ({colours}) and a picture side ({pictures}).",
            "The rule to be checked: {l}. Before me I have four, showing {visible}. I don't want to turn any {card} "
            "without need. Which must I turn to see if the rule holds for them?",
        ),
        "My niece makes {card}s with a colour on one side ({colours}) and a drawing on the other ({pictures}). She"
        " swears that {l}. I see {visible} in front of me and would like to catch her out with as little turning as"
        " possible. What do I turn?",
    )
    replies = (
        "Turn {answer}. Whatever is on the back of the other two, the rule stands.",
        "You need {answer}; whatever the other two hide, they do no harm to the rule.",
        "Only {answer} could break the rule, so look at the back of those two.",
    )

    def cards(worlds: list[World]) -> str:
        in_sight_order = sorted(worlds, key=lambda world: visible.index(world["turn"]))
        return " and ".join(f"the {world['turn']} one" for world in in_sight_order)

    return make_mirror(
        rng,
        Puzzle({"turn": visible}),
        ([rule(colours[0], signs[0])], [rule(signs[0], colours[0])]),
        prompts,
        replies,
        cards,
        card=card,
        colours=" or ".join(colours),
        pictures=" or ".join(map(_with_article, signs)),
        visible=join_words([_describe_side(side, colours) for side in visible]),
    )


def _describe_side(side: str, colours: list[str]) -> str:
    return side if side in colours else _with_article(side)


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def late_chain(rng: Rng) -> MirrorContent:
    """Ask what follows at the end of a chain of three implications, one of them reversed."""
    names = rng.people(4)
    links = list(pairwise(names))
    reversed_link = rng.number(0, 2)
    on_time = rng.chance()
    known, target = (names[3], names[0]) if on_time else (names[0], names[3])
    fact = Claim("fact", f"{known} was {'on time' if on_time else 'late'} today", f"not {known}" if on_time else known)
    order = rng.sample(range(3), 3)
    rules_a, rules_b = [], []
    for k in order:
        first, second = links[k]
        rules_a.append(_late_rule(first, second))
        rules_b.append(_late_rule(second, first) if k == reversed_link else rules_a[-1])
    prompts = (
        "Four colleagues share one tram line in {town}, and I have noticed some patterns that never fail. {s} Was"
        " {target} late or on time today?",
        "{l}. no exceptions ever to any of these. what do you know about {target} today, late or on time?",
        (
            "My colleagues in {town} have a strange pattern of being late.",
            "Which pattern? If it is strict, it may let us work out who was on time on a given day and who was late.",
            "As strict as can be:\n{b}\nCan you work out {target}'s case?",
        ),
        "In our office in {town} the following has held every single day for years.\n\n{n}\n\n(The last line is about"
        " today only.) Nobody has asked {target} yet. Can we say whether {target} was late or on time?",
    )
    replies = (
        "By those patterns, {answer}.",
        "Going from one to the next, {answer}.",
        "{answer}, if I take your lines strictly.",
    )
    verdict = _verdict(
        target,
        f"{target} was late and cannot have been on time",
        f"{target} was on time and cannot have been late",
        f"{target} may have been on time and may have been late",
    )
    town = rng.pick(("Zagreb", "Melbourne", "Lisbon", "Kolkata", "Riga", "Sapporo"))
    puzzle = Puzzle(dict.fromkeys(names, (False, True)))
    premises = ([*rules_a, fact], [*rules_b, fact])
    return make_mirror(rng, puzzle, premises, prompts, replies, verdict, query=[target], target=target, town=town)


def _late_rule(first: str, second: str) -> Claim:
    return Claim("rule", f"when {first} is late, so is {second}", f"not {first} or {second}")


def which_gate(rng: Rng) -> MirrorContent:
    """Ask which of two rules for one person applies, by their precedence."""
    p, q = rng.sample(("a dog", "a bicycle", "a pram", "a tent", "a drum", "a kite"), 2)
    gates = rng.sample(("north gate", "river gate", "garden door", "side stairs", "old bridge", "courtyard"), 2)
    (name,) = rng.people(1)
    gate_of = {p: gates[0], q: gates[1]}
    routes = []
    for x in rng.sample((p, q), 2):
        routes.append(Claim("route", f"whoever brings {x} uses the {gate_of[x]}", f"way_of[{x!r}] == {gate_of[x]!r}"))
    puzzle = Puzzle({"way_of": [gate_of, {p: gates[1], q: gates[0]}], "way": gates})
    position = rng.number(0, 2)

    def with_rank(x: str, y: str) -> list[Claim]:
        rank = Claim("rank", f"the line about {x} takes precedence over the one about {y}", f"way == way_of[{x!r}]")
        return [*routes[:position], rank, *routes[position:]]

    bring = join_words(rng.sample((p, q), 2))
    prompts = (
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
    return make_mirror(
        rng,
        puzzle,
        (with_rank(p, q), with_rank(q, p)),
        prompts,
        replies,
        value_of("way"),
        name=name,
        bring=bring,
        town=town,
    )


TEMPLATES = (devices, club_members, groups, cards_to_turn, late_chain, which_gate)
