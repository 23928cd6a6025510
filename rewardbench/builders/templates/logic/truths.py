"""Who tells the truth: islanders, suspects and labels of which so many are true, and liars with fixed days."""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.templates.logic.puzzles import TRIES, Claim, Puzzle, World, claims, listing, mirror, parted

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def islanders(rng: Rng) -> MirrorContent:
    """Three who always or never tell the truth."""
    names = rng.people(3)
    good, bad, place = rng.pick(
        (
            ("truth-teller", "liar", "island"),
            ("knight", "knave", "castle"),
            ("raven", "jackal", "valley"),
            ("saint", "rascal", "village"),
        )
    )
    puzzle = Puzzle({name: [False, True] for name in names})
    pool = claims("bad", f'{{0}} says "{{1}} is a {bad}"', "{0} == (not {1})", names)
    pool += claims("same", '{0} says "{1} and {2} are of the same kind"', "{0} == ({1} == {2})", names)
    pool += claims("one", f'{{0}} says "exactly one of {{1}} and {{2}} is a {good}"', "{0} == ({1} != {2})", names)
    pool += claims("both", f'{{0}} says "{{1}} and I are both {bad}s"', "{0} == (not {0} and not {1})", names)
    heard = parted(rng, puzzle, pool, rng.number(2, 3))
    frames = (
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

    def kinds(found: list[World]) -> str:
        return listing([f"{name} is a {good if found[0][name] else bad}" for name in names])

    replies = ("{answer}. {why}", "{how} {answer}.", "Here it is: {answer}. {why}")
    return mirror(
        rng, puzzle, heard, frames, replies, kinds, good=good, bad=bad, place=place, names=listing(rng.sample(names, 3))
    )


def _counted(
    rng: Rng, name: str, values: Sequence[str], said: Sequence[list[Claim]], true: int
) -> tuple[list[Claim], list[Claim]]:
    """One statement of each speaker, of which so many are true; two such lists that part at one of a kind."""

    def heard(spoken: Sequence[Claim]) -> list[Claim]:
        count = f"[{', '.join(claim.holds for claim in spoken)}].count(True) == {true}"
        return [claim._replace(holds="True" if k else count) for k, claim in enumerate(spoken)]

    puzzle = Puzzle({name: values})
    for _ in range(TRIES):
        a = [rng.pick(pool) for pool in said]
        at = rng.number(0, len(said) - 1)
        b = [*a]
        b[at] = rng.pick([claim for claim in said[at] if claim.kind == a[at].kind])
        left = [puzzle.worlds(puzzle.holds(heard(spoken))) for spoken in (a, b)]
        if len(left[0]) == len(left[1]) == 1 and left[0] != left[1] and len({claim.holds for claim in a}) == len(a):
            return heard(a), heard(b)
    raise Resample


def broken_vase(rng: Rng) -> MirrorContent:
    """Four suspects, one statement each, so many of them true."""
    names, true = rng.people(4), rng.pick((1, 3))
    said = []
    for name in names:
        rest = [one for one in names if one != name]
        pool = claims("was", f'{name}: "it was {{0}}"', "who == '{0}'", rest) + claims(
            "not", f'{name}: "it wasn\'t {{0}}"', "who != '{0}'", rest
        )
        pool += claims("two", f'{name}: "it was {{0}} or {{1}}"', "who in ('{0}', '{1}')", rest)
        said.append([*pool, Claim("me", f'{name}: "it wasn\'t me"', f"who != {name!r}")])
    heard = _counted(rng, "who", names, said, true)
    frames = (
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
        "count": {1: "one", 3: "three"}[true],
        "verb": "is" if true == 1 else "are",
        "plural": "" if true == 1 else "s",
        "names": listing(rng.sample(names, 4)),
    }
    replies = (
        "It was {answer}. Take each of the four in turn as the culprit and count the true answers.",
        "Count the true answers for each of the four possible culprits, and the count comes out right only for"
        " {answer}.",
        "{answer} did it; with anybody else as the culprit the count of true answers does not come out right.",
    )
    return mirror(rng, Puzzle({"who": names}), heard, frames, replies, lambda found: str(found[0]["who"]), **fields)


def three_chests(rng: Rng) -> MirrorContent:
    """Labels on chests, so many of them true."""
    chests = rng.sample(("oak", "iron", "cedar", "bamboo", "copper", "ivory", "glass"), 3)
    thing, true = rng.pick(("crown", "map", "ruby", "letter", "key")), rng.pick((1, 2))
    said = []
    for chest in chests:
        own = f'on the {chest} chest: "the {thing} is'
        pool = claims("in", own + ' in the {0} one"', "place == '{0}'", chests) + claims(
            "not", own + ' not in the {0} one"', "place != '{0}'", chests
        )
        said.append(pool)
    heard = _counted(rng, "place", chests, said, true)
    frames = (
        "A {thing} lies in one of three chests, made of {names}. Each bears a sign.\n{b}\nExactly {count} of the"
        " three signs {verb} true. You may open one chest. Which?",
        "escape room help!! 3 chests ({names}), the {thing} is in one. signs: {l}. the game master said {count} of"
        " the signs {verb} true and what's left is false. where is it?",
        (
            "You are the oracle of an adventure game. The {thing} is hidden in exactly one of three chests, and of"
            " the signs on them exactly {count} {verb} true.",
            "O oracle, here is what I read.\n\n{n}\n\nThe chests are of {names}. Where shall I look?",
        ),
        "My treasure hunt for the kids: three small chests ({names}), a {thing} in one of them, and a sign on"
        " each.\n\n{n}\n\nI will tell them that exactly {count} of the signs {verb} true. Before I do so, where"
        " should they find it?",
    )
    fields = {
        "thing": thing,
        "count": {1: "one", 2: "two"}[true],
        "verb": "is" if true == 1 else "are",
        "names": listing(rng.sample(chests, 3)),
    }
    replies = (
        "Open the {answer} chest. Put the {thing} in each of the three in thought, and count the true signs every"
        " time.",
        "The {thing} is in the {answer} chest: with any other place the number of true signs would not be right.",
        "Counting true signs for each of the three places, I get the right number only for the {answer} chest.",
    )
    return mirror(
        rng, Puzzle({"place": chests}), heard, frames, replies, lambda found: str(found[0]["place"]), **fields
    )


def lying_days(rng: Rng) -> MirrorContent:
    """Two who lie on days of their own; each says something of yesterday or tomorrow."""
    one, other = rng.people(2)
    lies = {}
    for name in (one, other):
        start, length = rng.number(0, 6), rng.number(2, 3)
        lies[name] = [(start + k) % 7 for k in range(length)]
    said = {
        "I was lying yesterday": -1,
        "I am going to lie tomorrow": 1,
        "the day before yesterday I lied": -2,
        "two days from now I will lie": 2,
    }
    first, second = rng.sample(sorted(said), 2)

    def told(name: str, words: str) -> Claim:
        holds = f"(day not in {lies[name]}) == ((day + {said[words]}) % 7 in {lies[name]})"
        return Claim("said", f'{name} says "{words}"', holds)

    heard = ([told(one, first), told(other, second)], [told(other, first), told(one, second)])
    puzzle = Puzzle({"day": range(7)})
    if any(len(puzzle.worlds(puzzle.holds(mine))) != 1 for mine in heard):
        raise Resample
    habits = " ".join(
        f"{name} lies on {listing([DAYS[k] for k in lies[name]])}, and is honest on all other days."
        for name in (one, other)
    )
    frames = (
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
    return mirror(rng, puzzle, heard, frames, replies, lambda found: DAYS[found[0]["day"]], habits=habits)


TEMPLATES = (islanders, broken_vase, three_chests, lying_days)
