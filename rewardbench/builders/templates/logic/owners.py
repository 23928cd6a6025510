"""Puzzles about who has what: instruments, dishes, presents, labels, guests, crews; and a ranking by two figures.

The claims of each prompt leave exactly one assignment of values to names. For example, `trio`:

    prompt a: Ravi, Yara and Nadia play in a trio of banjo, kora and sitar, one instrument each. The sitar belongs to
        Nadia or to Yara. Yara does not play the sitar. The kora belongs to Yara or to Nadia. Who plays what?
    prompt b: the same, but "Yara does not play the kora"
    response x, right for a: I listed the cases and checked them against what you wrote. So: Ravi on the banjo, Yara on
        the kora and Nadia on the sitar.
    response y, right for b: I listed the cases and checked them against what you wrote. So: Ravi on the banjo, Yara on
        the sitar and Nadia on the kora.
"""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.logic.puzzles import (
    Claim,
    Puzzle,
    World,
    claims,
    contrasting_claims,
    make_mirror,
    name_with,
    one_to_one,
)


def trio(rng: Rng) -> MirrorContent:
    """Ask which of three musicians plays which instrument."""
    names = rng.people(3)
    instruments = rng.sample(("oud", "cello", "sitar", "harp", "flute", "banjo", "tuba", "kora"), 3)
    puzzle = one_to_one(names, instruments)
    pool = claims("not", "{0} does not play the {1}", "{0} != '{1}'", names, instruments)
    pool += claims("either", "the {2} belongs to {0} or to {1}", "'{2}' in ({0}, {1})", names, names, instruments)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "{names} play in a trio of {all_three}, one instrument each. {s} Who plays what?",
        "I have to introduce the trio tonight in {town} and I've mixed them up: {names}. One has the {parts[0]}, one"
        " the {parts[1]} and one the {parts[2]}. My notes say: {l}. Help! Which of them plays which?",
        (
            "You write programme notes for a concert hall in {town}.",
            "Three instruments ({parts[0]}, {parts[1]}, {parts[2]}), three players ({names}).\n{b}\nMatch them for"
            " the programme.",
        ),
        "match player to instrument\nplayers: {names}\ninstruments: {parts[0]} / {parts[1]} / {parts[2]}\n\n{n}",
    )

    def players(worlds: list[World]) -> str:
        return join_words([f"{name} on the {instrument}" for name, instrument in worlds[0].items()])

    replies = ("It must be like this: {answer}. {why}", "{how} So: {answer}.", "Here is the match: {answer}. {why}")
    fields = {
        "town": rng.pick(("Tunis", "Lviv", "Cardiff", "Kochi", "Baku", "Malmö")),
        "names": join_words(rng.sample(names, 3)),
    }
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        players,
        parts=rng.sample(instruments, 3),
        all_three=join_words(rng.sample(instruments, 3)),
        **fields,
    )


def potluck(rng: Rng) -> MirrorContent:
    """Ask which of four guests made one of their dishes."""
    names = rng.people(4)
    dishes = rng.sample(("soup", "rice", "salad", "bread", "curry", "pie", "stew", "cake"), 4)
    puzzle, wanted = one_to_one(names, dishes), rng.pick(dishes)
    pool = claims("neither", "neither {0} nor {1} brought the {2}", "'{2}' not in ({0}, {1})", names, names, dishes)
    pool += claims("one", "{0} made either the {1} or the {2}", "{0} in ('{1}', '{2}')", names, dishes, dishes)
    pool += claims("likes", "{0} praised the {1}, which somebody else had made", "{0} != '{1}'", names, dishes)
    premises = contrasting_claims(rng, puzzle, pool, 4)
    if _repeats_a_pair(premises[0]) or _repeats_a_pair(premises[1]):
        raise Resample
    prompts = (
        "Four neighbours ({names}) each brought one dish to the {day} potluck: {d[0]}, {d[1]}, {d[2]} and {d[3]}, all"
        " home-made. {s} I want the recipe of the {wanted}; whom do I ask?",
        "whose was the {wanted}?? potluck on {day}, everyone cooked one thing. people: {names}. things: {d[0]},"
        " {d[1]}, {d[2]}, {d[3]}.\n{b}",
        (
            "Somebody left a bowl behind after {day}'s potluck, the one that held the {wanted}.",
            "Let's find its owner. Who came, and what do you recall about what each one cooked?",
            "The guests were {names}, and they brought {d[0]}, {d[1]}, {d[2]} and {d[3]}, one dish each. I recall "
            "this: {l}.",
        ),
        "Every dish at our {day} potluck was somebody's own work: {d[0]}, {d[1]}, {d[2]}, {d[3]}. The cooks were"
        " {names}. Since then I have learnt four things.\n\n{n}\n\nMay I ask you who made the {wanted}?",
    )
    replies = ("That was {answer}. {why}", "{how} You are looking for {answer}.", "It was {answer} who made it. {why}")
    fields = {
        "day": rng.pick(("Friday", "Saturday", "Sunday")),
        "d": rng.sample(dishes, 4),
        "names": join_words(rng.sample(names, 4)),
    }
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        name_with(wanted),
        wanted=wanted,
        **fields,
    )


def _repeats_a_pair(premises: list[Claim]) -> bool:
    """Return True if two claims of the kind "neither" are about the same two people, which would be confusing."""
    pairs = set()
    for claim in premises:
        if claim.kind == "neither":
            names = claim.text.split(" brought ")[0].removeprefix("neither ")
            pair = frozenset(names.split(" nor "))
            if pair in pairs:
                return True
            pairs.add(pair)
    return False


def gift_circle(rng: Rng) -> MirrorContent:
    """Ask who gives a present to whom, in a circle of four."""
    names = rng.people(4)
    circle = one_to_one(names, names)
    receiver_of = f"dict(zip({names}, ({', '.join(names)})))"
    first = names[0]
    second, third = f"{receiver_of}[{first}]", f"{receiver_of}[{receiver_of}[{first}]]"
    base = f"{circle.base} and len({{{first}, {second}, {third}}} - {{{first!r}}}) == 3"
    pool = claims("not", "{0} did not draw {1}", "{0} != '{1}'", names)
    pool += claims("back", "{0} will be given something by {1} or by {2}", "'{0}' in ({1}, {2})", names)
    pool += claims(
        "two", "{0} is going to buy for somebody who buys for {1}", f"{receiver_of}[{{0}}] == '{{1}}'", names
    )
    puzzle = Puzzle(circle.variables, base)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "Our office draws names for presents. Four of us, each gives to exactly one and gets from exactly one, and"
        " following the presents you go through all four before you are back at the start. {s} We are {names}."
        " Starting with {first}, who gives to whom?",
        "secret santa w/ {names}, one single loop of 4 (so no two people swap). clues i overheard: {l}. lay out the"
        " loop pls, begin at {first}",
        (
            "You referee a parlour game: four players form one closed chain of gifts, each giving to the next.",
            "The players are {names}. Known so far:\n{b}\nTell me the chain, from {first} onwards until it closes.",
        ),
        "Presents will go round in one big ring this year: each of {names} gives one, each receives one, and no"
        " smaller ring closes on the way. I have peeked at some slips of paper.\n\n{n}\n\nFollow the presents for me,"
        " with {first} as the first giver.",
    )

    def chain(worlds: list[World]) -> str:
        givers = [first]
        while len(givers) < 4:
            givers.append(worlds[0][givers[-1]])
        return " to ".join([*givers, first])

    replies = ("{answer}. {why}", "{how} The presents go from {answer}.", "The loop goes from {answer}. {why}")
    return make_mirror(
        rng, puzzle, premises, prompts, replies, chain, first=first, names=join_words(rng.sample(names, 4))
    )


def wrong_labels(rng: Rng) -> MirrorContent:
    """Ask what is in four tins with wrong labels."""
    foods = rng.sample(("rice", "lentils", "sugar", "salt", "flour", "oats", "tea", "cocoa", "couscous"), 4)
    any_labels = one_to_one(foods, foods)
    wrong = [f"{food} != {food!r}" for food in foods]
    puzzle = Puzzle(any_labels.variables, " and ".join([any_labels.base, *wrong]))
    pool = claims("not", "the {0} tin does not hold {1}", "{0} != '{1}'", foods)
    pool += claims("two", "the {1} tin or the {2} tin has the {0} in it", "'{0}' in ({1}, {2})", foods)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "Someone has relabelled my four kitchen tins ({names}) so that now not a single label is right. {s} What is"
        " really in each?",
        "all 4 of my tins have the wrong label on. labels = {names} and those four are the contents too, just mixed"
        " up.\n{b}\nwhats inside which",
        (
            "Every one of my tins carries a wrong label!",
            "How annoying. Which labels are there, and have you opened any of them yet?",
            "The labels read {names}, which is also what's in them, only never in the right one. I have found out this"
            " much: {l}. Say what each tin really holds.",
        ),
        "Pantry puzzle for the scouts. Four tins, labels {names}; the same four foods inside; every tin lies about"
        " itself.\n\n{n}\n\nWork out the truth, tin by tin.",
    )

    def contents(worlds: list[World]) -> str:
        return join_words([f"{food} in the {label} tin" for label, food in worlds[0].items()])

    replies = ("You will find {answer}. {why}", "{how} So you have {answer}.", "The contents are: {answer}. {why}")
    return make_mirror(rng, puzzle, premises, prompts, replies, contents, names=join_words(rng.sample(foods, 4)))


def party_guests(rng: Rng) -> MirrorContent:
    """Ask which two of four guests come, by their conditions."""
    names = rng.people(4)
    puzzle = Puzzle(dict.fromkeys(names, (False, True)))
    condition = rng.pick(("if {0} comes, {1} comes too", "{0} only comes if {1} does"))
    pool = claims("with", condition, "not {0} or {1}", names)
    pool += claims("never", "{0} and {1} never come to the same party", "not ({0} and {1})", names)
    pool += claims("one", "at least one of {0} and {1} will come", "{0} or {1}", names)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(4, 5))
    prompts = (
        "I invited {names} for {day} and want to know for how many to cook. {s} Which of the four are coming?",
        "guest list logic, {day}: {names}\n{n}\n\nwho shows up, who doesnt?",
        (
            "My friends are complicated. Can you work out who is coming on {day}?",
            "I'll try. How many did you ask, and what have they told you?",
            "Four, namely {names}. What they told me: {l}. That should settle it for every one of them.",
        ),
        "Please read this as strictly as a lawyer would. It is about {day}, and about {names}, each of whom either"
        " comes or does not.\n{b}\nMay I have the list of those present and of those absent?",
    )

    def guests(worlds: list[World]) -> str:
        coming = [name for name in names if worlds[0][name]]
        if len(coming) != 2:
            raise Resample
        away = [name for name in names if name not in coming]
        return f"{join_words(coming)} will come, while {join_words(away)} will stay away"

    day = rng.pick(("Saturday", "Sunday", "Friday night", "New Year's Eve"))
    replies = ("{answer}. {why}", "{how} That means {answer}.", "As far as I can see, {answer}. {why}")
    return make_mirror(rng, puzzle, premises, prompts, replies, guests, day=day, names=join_words(rng.sample(names, 4)))


def boat_crew(rng: Rng) -> MirrorContent:
    """Ask which two of four people go in a boat for two."""
    names = rng.people(4)
    puzzle = Puzzle(dict.fromkeys(names, (False, True)), f"{' + '.join(names)} == 2")
    boat = rng.pick(("canoe", "dinghy", "gondola"))
    pool = claims("without", f"{{0}} will not set foot in a {boat} without {{1}}", "not {0} or {1}", names)
    pool += claims("clash", "{0} and {1} refuse to sit in it together", "not ({0} and {1})", names)
    pool += claims("swap", "unless {0} goes, {1} has to go", "{0} or {1}", names)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "The {boat} takes exactly two of {names}, and it goes full. {s} Which two are in it?",
        "{names} want to cross the lake, but it is a {boat} for two and there is one crossing today with both seats"
        " taken. Also, {l}. Who crosses?",
        (
            "You plan outings for a scout troop. The {boat} always leaves with two on board, never more, never fewer.",
            "Candidates for today: {names}. They have their moods:\n{b}\nWhich pair can I send?",
        ),
        "Two seats, one {boat}, four friends called {names}, and neither seat may stay empty.\n\n{n}\n\nName the two,"
        " please.",
    )
    replies = ("{answer} go. {why}", "{how} The pair is {answer}.", "It has to be {answer}. {why}")

    def pair(worlds: list[World]) -> str:
        return join_words([name for name in names if worlds[0][name]])

    return make_mirror(rng, puzzle, premises, prompts, replies, pair, boat=boat, names=join_words(rng.sample(names, 4)))


def two_rules(rng: Rng) -> MirrorContent:
    """Ask for a ranking by two figures, either of them first."""
    names = rng.people(4)
    high, low = rng.numbers(2, 11, 29)
    many, few = rng.numbers(2, 2, 9)
    scores = dict(zip(names, rng.sample([(high, many), (high, few), (low, many), (low, few)], 4), strict=True))
    figures = rng.pick((("points", "goals"), ("wins", "medals"), ("stars", "votes"), ("catches", "runs")))
    table = "\n".join(f"{name}: {x} {figures[0]}, {y} {figures[1]}" for name, (x, y) in scores.items())

    def rank_claim(first: int) -> Claim:
        """Return the claim that the figure at this index ranks, and the other breaks ties."""
        text = f"more {figures[first]} rank higher, and {figures[1 - first]} decide only between equals"
        key = f"lambda name: ({scores}[name][{first}], {scores}[name][{1 - first}])"
        return Claim("rank", text, f"[p1, p2, p3, p4] == sorted({names}, key={key}, reverse=True)")

    prompts = (
        "Final table of our league in {town}:\n{table}\nThe rule here: {l}. Give me the ranking, best first.",
        "how do i rank these? {s}\n\n{table}",
        (
            "You keep the standings of a youth tournament in {town}. House rule: {l}.",
            "Hello, these are today's figures.\n\n{table}\n\nWho is first, second, third and fourth?",
        ),
        "{names} can't agree who won in {town}. I told them our bylaws: {l}. The figures are\n{table}\nSettle it,"
        " please, with all four places.",
    )
    replies = (
        "{answer}, from first to fourth.",
        "The ranking, best first: {answer}.",
        "In order of rank that is {answer}.",
    )
    puzzle = Puzzle(dict.fromkeys(("p1", "p2", "p3", "p4"), names))
    return make_mirror(
        rng,
        puzzle,
        ([rank_claim(0)], [rank_claim(1)]),
        prompts,
        replies,
        lambda worlds: ", ".join(worlds[0].values()),
        table=table,
        town=rng.pick(("Bamako", "Turku", "Cork", "Medan", "Rosario", "Gdańsk")),
        names=join_words(rng.sample(names, 4)),
    )


TEMPLATES = (trio, potluck, gift_circle, wrong_labels, party_guests, boat_crew, two_rules)
