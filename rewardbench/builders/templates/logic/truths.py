"""Puzzles about true and false statements: liars, suspects, signs on chests, and liars with fixed days.

The statements of each prompt leave exactly one possibility. For example, `three_chests`:

    prompt a: My treasure hunt for the kids: three small chests (iron, cedar and glass), a map in one of them, and a
        sign on each.

        1. On the glass chest: "the map is not in the cedar one".
        2. On the cedar chest: "the map is in the cedar one".
        3. On the iron chest: "the map is in the iron one".

        I will tell them that exactly two of the signs are true. Before I do so, where should they find it?
    prompt b: the same, but the third sign says "the map is in the cedar one"
    response x, right for a: The map is in the iron chest: with any other place the number of true signs would not be
        right.
    response y, right for b: The map is in the cedar chest: with any other place the number of true signs would not be
        right.
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.prompts import join_words
from rewardbench.builders.templates.logic.puzzles import (
    TRIES,
    Claim,
    Puzzle,
    World,
    claims,
    contrasting_claims,
    make_mirror,
    value_of,
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def islanders(rng: Rng) -> MirrorContent:
    """Ask which of three people always tell the truth and which never do."""
    names = rng.people(3)
    good, bad, place = rng.pick(
        (
            ("truth-teller", "liar", "island"),
            ("knight", "knave", "castle"),
            ("raven", "jackal", "valley"),
            ("saint", "rascal", "village"),
        )
    )
    puzzle = Puzzle(dict.fromkeys(names, (False, True)))
    pool = claims("bad", f'{{0}} says "{{1}} is a {bad}"', "{0} == (not {1})", names)
    pool += claims("same", '{0} says "{1} and {2} are of the same kind"', "{0} == ({1} == {2})", names)
    pool += claims("one", f'{{0}} says "exactly one of {{1}} and {{2}} is a {good}"', "{0} == ({1} != {2})", names)
    pool += claims("both", f'{{0}} says "{{1}} and I are both {bad}s"', "{0} == (not {0} and not {1})", names)
    premises = contrasting_claims(rng, puzzle, pool, rng.number(2, 3))
    prompts = (
        "Everybody in this {place} is either a {good} and says only true things, or a {bad} and says only false"
        " things. You meet {names}. {s} Who is what?",
        "{good}s never lie, {bad}s always do, and there's nobody else in the whole {place}. i talked to"
        " {names}:\n{b}\nsort them",
        (
            "You are the narrator of a riddle book about a {place}. Each of its people is a {good} (every statement"
            " true) or a {bad} (every statement false).",
            "Riddle 14. Of {names}, what is each, given that {l}?",
        ),
        "In a certain {place} you are born a {good}, whose every word is true, or a {bad}, whose every word is"
        " false.\n\n{n}\n\nThose are all the words I got out of {names}. Tell me what each of them was born as.",
    )

    def kinds(worlds: list[World]) -> str:
        return join_words([f"{name} is a {good if worlds[0][name] else bad}" for name in names])

    replies = ("{answer}. {why}", "{how} {answer}.", "Here it is: {answer}. {why}")
    return make_mirror(
        rng,
        puzzle,
        premises,
        prompts,
        replies,
        kinds,
        good=good,
        bad=bad,
        place=place,
        names=join_words(rng.sample(names, 3)),
    )


def _contrasting_statements(
    rng: Rng, puzzle: Puzzle, pools: Sequence[Sequence[Claim]], num_true: int
) -> tuple[list[Claim], list[Claim]]:
    """Return two lists of statements that differ in one statement, of the same kind, and leave different worlds.

    Args:
        rng: picks the statements.
        puzzle: the puzzle.
        pools: the possible statements of each speaker, of whom each makes one.
        num_true: number of statements that are true.

    Raises:
        Resample: if none is found in TRIES tries.
    """
    for _ in range(TRIES):
        statements = list(map(rng.pick, pools))
        position = rng.number(0, len(pools) - 1)
        kind = statements[position].kind
        replacement = rng.pick([claim for claim in pools[position] if claim.kind == kind])
        a = _exactly(num_true, statements)
        b = _exactly(num_true, [*statements[:position], replacement, *statements[position + 1 :]])
        worlds_a, worlds_b = puzzle.solve(a), puzzle.solve(b)
        is_solvable = len(worlds_a) == len(worlds_b) == 1 and worlds_a != worlds_b
        if is_solvable and len({claim.expression for claim in statements}) == len(statements):
            return a, b
    raise Resample


def _exactly(num_true: int, statements: Sequence[Claim]) -> list[Claim]:
    """Return the statements as premises, of which the first has the expression that `num_true` of them are true."""
    count = f"[{', '.join(claim.expression for claim in statements)}].count(True) == {num_true}"
    return [claim._replace(expression="True" if k else count) for k, claim in enumerate(statements)]


def broken_vase(rng: Rng) -> MirrorContent:
    """Ask who did it, from the statements of four suspects, of which a known number are true."""
    names, num_true = rng.people(4), rng.pick((1, 3))
    pools = []
    for name in names:
        others = [suspect for suspect in names if suspect != name]
        pool = claims("was", f'{name}: "it was {{0}}"', "who == '{0}'", others)
        pool += claims("not", f'{name}: "it wasn\'t {{0}}"', "who != '{0}'", others)
        pool += claims("two", f'{name}: "it was {{0}} or {{1}}"', "who in ('{0}', '{1}')", others)
        pools.append([*pool, Claim("me", f'{name}: "it wasn\'t me"', f"who != {name!r}")])
    puzzle = Puzzle({"who": names})
    premises = _contrasting_statements(rng, puzzle, pools, num_true)
    prompts = (
        "One of {names} {did}, nobody helped. I asked all of them.\n{b}\nA neighbour saw it and says that exactly"
        " {count} of these four answers {verb} true. Who did it?",
        "who {did}?? {l}. just one culprit, one of these four, and {count} statement{plural} {verb} true, the rest"
        " false, i know that for sure",
        (
            "Could you solve a small household crime? One person {did}.",
            "With pleasure. Whom do you suspect, and what do they say for themselves?",
            "It was exactly one of {names}. This is what they say:\n\n{b}\n\nTheir aunt knows, and all she tells me"
            " is that {count} of the four statements {verb} true and the rest false.",
        ),
        "Note from the babysitter: someone {did} tonight, one child alone out of {names}. I questioned each of them,"
        " with this result: {l}. Exactly {count} of these sentences {verb} true, as I found out later. So who was"
        " it?",
    )
    fields = {
        "did": rng.pick(
            ("broke the vase", "ate the last mango", "let the goat out", "lost the car keys", "drew on the wall")
        ),
        "count": {1: "one", 3: "three"}[num_true],
        "verb": "is" if num_true == 1 else "are",
        "plural": "" if num_true == 1 else "s",
        "names": join_words(rng.sample(names, 4)),
    }
    replies = (
        "It was {answer}. Take each of the four in turn as the culprit and count the true answers.",
        "Count the true answers for each of the four possible culprits, and the count comes out right only for"
        " {answer}.",
        "{answer} did it; with anybody else as the culprit the count of true answers does not come out right.",
    )
    return make_mirror(rng, puzzle, premises, prompts, replies, value_of("who"), **fields)


def three_chests(rng: Rng) -> MirrorContent:
    """Ask which chest it is, from the signs on three chests, of which a known number are true."""
    chests = rng.sample(("oak", "iron", "cedar", "bamboo", "copper", "ivory", "glass"), 3)
    treasure, num_true = rng.pick(("crown", "map", "ruby", "letter", "key")), rng.pick((1, 2))
    pools = []
    for chest in chests:
        sign = f'on the {chest} chest: "the {treasure} is'
        pool = claims("in", sign + ' in the {0} one"', "place == '{0}'", chests)
        pool += claims("not", sign + ' not in the {0} one"', "place != '{0}'", chests)
        pools.append(pool)
    puzzle = Puzzle({"place": chests})
    premises = _contrasting_statements(rng, puzzle, pools, num_true)
    prompts = (
        "A {treasure} lies in one of three chests, made of {names}. Each bears a sign.\n{b}\nExactly {count} of the"
        " three signs {verb} true. You may open one chest. Which?",
        "escape room help!! 3 chests ({names}), the {treasure} is in one. signs: {l}. the game master said {count} of"
        " the signs {verb} true and what's left is false. where is it?",
        (
            "You are the oracle of an adventure game. The {treasure} is hidden in exactly one of three chests, and of"
            " the signs on them exactly {count} {verb} true.",
            "O oracle, here is what I read.\n\n{n}\n\nThe chests are of {names}. Where shall I look?",
        ),
        "My treasure hunt for the kids: three small chests ({names}), a {treasure} in one of them, and a sign on"
        " each.\n\n{n}\n\nI will tell them that exactly {count} of the signs {verb} true. Before I do so, where"
        " should they find it?",
    )
    fields = {
        "treasure": treasure,
        "count": {1: "one", 2: "two"}[num_true],
        "verb": "is" if num_true == 1 else "are",
        "names": join_words(rng.sample(chests, 3)),
    }
    replies = (
        "Open the {answer} chest. Put the {treasure} in each of the three in thought, and count the true signs every"
        " time.",
        "The {treasure} is in the {answer} chest: with any other place the number of true signs would not be right.",
        "Counting true signs for each of the three places, I get the right number only for the {answer} chest.",
    )
    return make_mirror(rng, puzzle, premises, prompts, replies, value_of("place"), **fields)


def lying_days(rng: Rng) -> MirrorContent:
    """Ask for the day of the week, from swapped statements of two people who lie on certain days."""
    ann, bob = rng.people(2)
    lies = {}
    for name in (ann, bob):
        start, length = rng.number(0, 6), rng.number(2, 3)
        lies[name] = [(start + k) % 7 for k in range(length)]
    day_offsets = {
        "I was lying yesterday": -1,
        "I am going to lie tomorrow": 1,
        "the day before yesterday I lied": -2,
        "two days from now I will lie": 2,
    }
    first, second = rng.sample(sorted(day_offsets), 2)

    def statement(name: str, words: str) -> Claim:
        expression = f"(day not in {lies[name]}) == ((day + {day_offsets[words]}) % 7 in {lies[name]})"
        return Claim("said", f'{name} says "{words}"', expression)

    premises_a = [statement(ann, first), statement(bob, second)]
    premises_b = [statement(bob, first), statement(ann, second)]
    puzzle = Puzzle({"day": range(7)})
    if len(puzzle.solve(premises_a)) != 1 or len(puzzle.solve(premises_b)) != 1:
        raise Resample
    sentences = []
    for name, days in lies.items():
        day_names = join_words([DAYS[day] for day in days])
        sentences.append(f"{name} lies on {day_names}, and is honest on all other days.")
    habits = " ".join(sentences)
    prompts = (
        "{habits} Today {l}. Which day of the week is it today?",
        "i've two odd friends. {habits} just now {l}. so what day are we on?? my phone is dead",
        (
            "In this game there are two characters with fixed habits. {habits}",
            "I have just walked into their garden. {s} What day of the week is it in the game?",
        ),
        "A riddle from my grandfather:\n\n{habits}\n{b}\n\nBoth spoke on one and the same day. Name the day.",
    )
    replies = (
        "It is {answer}. I went through the seven days, asked each time whether both could have spoken like that, and"
        " kept what was left.",
        "{answer}: going through the seven days one by one, no other lets both of them speak the way they did.",
        "The only day that fits both of them is {answer}, as you can see by going through all seven.",
    )
    premises = (premises_a, premises_b)
    return make_mirror(rng, puzzle, premises, prompts, replies, lambda worlds: DAYS[worlds[0]["day"]], habits=habits)


TEMPLATES = (islanders, broken_vase, three_chests, lying_days)
