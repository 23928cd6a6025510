"""Who has what: instruments, dishes, presents in a circle, mislabelled tins, guests, crews, and two rules of rank."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.logic.puzzles import Claim, Puzzle, World, claims, listing, mirror, one_each, parted


def _told(found: list[World], joint: str) -> str:
    return listing([f"{name}{joint}{thing}" for name, thing in found[0].items()])


def trio(rng: Rng) -> MirrorContent:
    """Three musicians, three instruments."""
    names, things = rng.people(3), rng.sample(("oud", "cello", "sitar", "harp", "flute", "banjo", "tuba", "kora"), 3)
    puzzle = one_each(names, things)
    pool = claims("not", "{0} does not play the {1}", "{0} != '{1}'", names, things)
    pool += claims("either", "the {2} belongs to {0} or to {1}", "'{2}' in ({0}, {1})", names, names, things)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
        "{names} play in a trio of {all_three}, one instrument each. {s} Who plays what?",
        "I have to introduce the trio tonight in {town} and I've mixed them up: {names}. One has the {things[0]}, one"
        " the {things[1]} and one the {things[2]}. My notes say: {l}. Help! Which of them plays which?",
        (
            "You write programme notes for a concert hall in {town}.",
            "Three instruments ({things[0]}, {things[1]}, {things[2]}), three players ({names}).\n{b}\nMatch them for"
            " the programme.",
        ),
        "match player to instrument\nplayers: {names}\ninstruments: {things[0]} / {things[1]} / {things[2]}\n\n{n}",
    )
    replies = ("It must be like this: {answer}. {why}", "{how} So: {answer}.", "Here is the match: {answer}. {why}")
    fields = {
        "town": rng.pick(("Tunis", "Lviv", "Cardiff", "Kochi", "Baku", "Malmö")),
        "names": listing(rng.sample(names, 3)),
    }
    return mirror(
        rng,
        puzzle,
        heard,
        frames,
        replies,
        lambda found: _told(found, " on the "),
        things=rng.sample(things, 3),
        all_three=listing(rng.sample(things, 3)),
        **fields,
    )


def _refuse_repeats(heard: tuple[list[Claim], list[Claim]]) -> None:
    """No two claims of one kind on the same names: nobody would tell them apart."""
    for told in heard:
        openings = [claim.text.split(" brought ")[0] for claim in told if claim.kind == "neither"]
        pairs = [frozenset(opening.removeprefix("neither ").split(" nor ")) for opening in openings]
        if len(set(pairs)) < len(pairs):
            raise Resample


def potluck(rng: Rng) -> MirrorContent:
    """Four guests, four dishes; one guest is asked for."""
    names, things = rng.people(4), rng.sample(("soup", "rice", "salad", "bread", "curry", "pie", "stew", "cake"), 4)
    puzzle, wanted = one_each(names, things), rng.pick(things)
    pool = claims("neither", "neither {0} nor {1} brought the {2}", "'{2}' not in ({0}, {1})", names, names, things)
    pool += claims("one", "{0} made either the {1} or the {2}", "{0} in ('{1}', '{2}')", names, things, things)
    pool += claims("likes", "{0} praised the {1}, which somebody else had made", "{0} != '{1}'", names, things)
    heard = parted(rng, puzzle, pool, 4)
    _refuse_repeats(heard)
    frames = (
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
        "d": rng.sample(things, 4),
        "names": listing(rng.sample(names, 4)),
    }
    return mirror(
        rng,
        puzzle,
        heard,
        frames,
        replies,
        lambda found: next(name for name in names if found[0][name] == wanted),
        wanted=wanted,
        **fields,
    )


def gift_circle(rng: Rng) -> MirrorContent:
    """Each gives to one other, in a single circle."""
    names = rng.people(4)
    circle = one_each(names, names)
    pairs = f"zip({names}, ({', '.join(names)}))"
    step = f"dict({pairs})"
    one = names[0]
    base = f"{circle.base} and len({{{one}, {step}[{one}], {step}[{step}[{one}]]}} - {{{one!r}}}) == 3"
    pool = claims("not", "{0} did not draw {1}", "{0} != '{1}'", names)
    pool += claims("back", "{0} will be given something by {1} or by {2}", "'{0}' in ({1}, {2})", names)
    pool += claims(
        "two", "{0} is going to buy for somebody who buys for {1}", f"dict({pairs})[{{0}}] == '{{1}}'", names
    )
    heard = parted(rng, Puzzle(circle.variables, base), pool, rng.number(2, 3))
    frames = (
        "Our office draws names for presents. Four of us, each gives to exactly one and gets from exactly one, and"
        " following the presents you go through all four before you are back at the start. {s} We are {names}."
        " Starting with {one}, who gives to whom?",
        "secret santa w/ {names}, one single loop of 4 (so no two people swap). clues i overheard: {l}. lay out the"
        " loop pls, begin at {one}",
        (
            "You referee a parlour game: four players form one closed chain of gifts, each giving to the next.",
            "The players are {names}. Known so far:\n{b}\nTell me the chain, from {one} onwards until it closes.",
        ),
        "Presents will go round in one big ring this year: each of {names} gives one, each receives one, and no"
        " smaller ring closes on the way. I have peeked at some slips of paper.\n\n{n}\n\nFollow the presents for me,"
        " with {one} as the first giver.",
    )

    def chain(found: list[World]) -> str:
        order = [one]
        while len(order) < 4:
            order.append(found[0][order[-1]])
        return " to ".join([*order, one])

    replies = ("{answer}. {why}", "{how} The presents go from {answer}.", "The loop goes from {answer}. {why}")
    puzzle = Puzzle(circle.variables, base)
    return mirror(rng, puzzle, heard, frames, replies, chain, one=one, names=listing(rng.sample(names, 4)))


def wrong_labels(rng: Rng) -> MirrorContent:
    """Every label is wrong."""
    things = rng.sample(("rice", "lentils", "sugar", "salt", "flour", "oats", "tea", "cocoa", "couscous"), 4)
    puzzle = one_each(things, things)
    puzzle = Puzzle(puzzle.variables, " and ".join([puzzle.base, *(f"{thing} != {thing!r}" for thing in things)]))
    pool = claims("not", "the {0} tin does not hold {1}", "{0} != '{1}'", things)
    pool += claims("two", "the {1} tin or the {2} tin has the {0} in it", "'{0}' in ({1}, {2})", things)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
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

    def contents(found: list[World]) -> str:
        return listing([f"{thing} in the {label} tin" for label, thing in found[0].items()])

    replies = ("You will find {answer}. {why}", "{how} So you have {answer}.", "The contents are: {answer}. {why}")
    return mirror(rng, puzzle, heard, frames, replies, contents, names=listing(rng.sample(things, 4)))


def party_guests(rng: Rng) -> MirrorContent:
    """Conditions on who comes; the list of guests is asked for."""
    names = rng.people(4)
    puzzle = Puzzle({name: [False, True] for name in names})
    pool = claims(
        "with", rng.pick(("if {0} comes, {1} comes too", "{0} only comes if {1} does")), "not {0} or {1}", names
    )
    pool += claims("never", "{0} and {1} never come to the same party", "not ({0} and {1})", names)
    pool += claims("one", "at least one of {0} and {1} will come", "{0} or {1}", names)
    heard = parted(rng, puzzle, pool, rng.number(4, 5))
    frames = (
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

    def guests(found: list[World]) -> str:
        coming = [name for name in names if found[0][name]]
        if len(coming) != 2:
            raise Resample
        away = [name for name in names if name not in coming]
        return f"{listing(coming)} will come, while {listing(away)} will stay away"

    day = rng.pick(("Saturday", "Sunday", "Friday night", "New Year's Eve"))
    replies = ("{answer}. {why}", "{how} That means {answer}.", "As far as I can see, {answer}. {why}")
    return mirror(rng, puzzle, heard, frames, replies, guests, day=day, names=listing(rng.sample(names, 4)))


def boat_crew(rng: Rng) -> MirrorContent:
    """Exactly two of four go."""
    names = rng.people(4)
    puzzle = Puzzle({name: [False, True] for name in names}, f"{' + '.join(names)} == 2")
    pool = claims(
        "without",
        "{0} will not set foot in a {boat} without {1}".replace(
            "{boat}", boat := rng.pick(("canoe", "dinghy", "gondola"))
        ),
        "not {0} or {1}",
        names,
    )
    pool += claims("clash", "{0} and {1} refuse to sit in it together", "not ({0} and {1})", names)
    pool += claims("swap", "unless {0} goes, {1} has to go", "{0} or {1}", names)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
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

    def pair(found: list[World]) -> str:
        return listing([name for name in names if found[0][name]])

    return mirror(rng, puzzle, heard, frames, replies, pair, boat=boat, names=listing(rng.sample(names, 4)))


def two_rules(rng: Rng) -> MirrorContent:
    """Rank by one figure and break ties by another, or the other way round."""
    names = rng.people(4)
    high, low = rng.numbers(2, 11, 29)
    many, few = rng.numbers(2, 2, 9)
    scores = dict(zip(names, rng.sample([(high, many), (high, few), (low, many), (low, few)], 4), strict=True))
    one, other = rng.pick((("points", "goals"), ("wins", "medals"), ("stars", "votes"), ("catches", "runs")))
    table = "\n".join(f"{name}: {x} {one}, {y} {other}" for name, (x, y) in scores.items())

    def told(first: int) -> list[Claim]:
        kinds = (one, other) if first == 0 else (other, one)
        text = f"more {kinds[0]} rank higher, and {kinds[1]} decide only between equals"
        key = f"lambda name: ({scores}[name][{first}], {scores}[name][{1 - first}])"
        return [Claim("rank", text, f"[p1, p2, p3, p4] == sorted({names}, key={key}, reverse=True)")]

    frames = (
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
    return mirror(
        rng,
        puzzle,
        (told(0), told(1)),
        frames,
        replies,
        lambda found: ", ".join(found[0].values()),
        table=table,
        town=rng.pick(("Bamako", "Turku", "Cork", "Medan", "Rosario", "Gdańsk")),
        names=listing(rng.sample(names, 4)),
    )


TEMPLATES = (trio, potluck, gift_circle, wrong_labels, party_guests, boat_crew, two_rules)
