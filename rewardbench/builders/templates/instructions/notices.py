"""Moulds on notices: how many sentences, what opens and what closes, whose name is in capitals, title and body."""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.templates.instructions.asking import (
    LINES,
    NUMBERS,
    SENTENCES,
    WEEKDAYS,
    ask,
    both,
    found_in_order,
    lowered,
    settle,
    shape,
)
from rewardbench.builders.templates.instructions.material import Notice, notice
from rewardbench.types import Messages


def _asked(rng: Rng, rules: Sequence[str], note: Notice) -> tuple[Messages, Messages]:
    return ask(rng, rules, note.job, note.paste)


def sentence_count(rng: Rng) -> MirrorContent:
    """Three sentences and not four, or four and not three."""
    few = rng.number(3, 5)
    note = notice(rng, few + 1)
    p, q = both(NUMBERS[few], NUMBERS[few + 1])
    rules = (
        f"Exactly {p} sentences, not {q}.",
        f"It should be {p} sentences long; {q} would be wrong.",
        f"The layout was made for {p} sentences, so don't write {q}.",
        f"Our slot takes {p} sentences. With {q} it gets sent back.",
    )
    *rest, one, other = note.sentences
    short = " ".join([*rest, f"{one[:-1]}, and {lowered(other)}"])
    long = " ".join(note.sentences)
    holds = (f"{SENTENCES} == {few}", f"{SENTENCES} == {few + 1}")
    return settle(f"{few} sentences / {few + 1}", _asked(rng, rules, note), (short, long), holds)


def paragraph_or_list(rng: Rng) -> MirrorContent:
    """A paragraph and no list, or a list and no paragraph."""
    note = notice(rng, rng.number(3, 5))
    p, q = both("a paragraph", "a bulleted list")
    rules = (
        f"Make it {p}, not {q}.",
        f"Form: {p}. It must not be {q}.",
        f"The body should be {p}. No matter how tempting, do not turn it into {q}.",
        f"People here prefer {p} to {q}, so that is the form to use.",
    )
    mark = rng.pick("-*•")
    texts = (
        f"{note.hello}\n\n" + " ".join(note.sentences),
        f"{note.hello}\n\n" + "\n".join(f"{mark} {sentence}" for sentence in note.sentences),
    )
    marked = f"sum(l[0] in '-*•' for l in {LINES})"
    holds = (f"{marked} == 0 and len({LINES}) == 2", f"{marked} == len({LINES}) - 1 == {len(note.sentences)}")
    return settle("a paragraph / a list", _asked(rng, rules, note), texts, holds)


def name_and_day(rng: Rng) -> MirrorContent:
    """The sender's name on the first line and the weekday on the last, or the other way round."""
    note, day = notice(rng, rng.number(2, 4)), rng.pick(WEEKDAYS)
    p, q = both(f"the sender's name ({note.sender})", f"the day of writing ({day})")
    if rng.chance():
        p, q = both(note.sender, day)
    rules = (
        f"The first line is {p} and nothing else, the last line is {q} and nothing else.",
        f"Put {p} on a line of its own at the very top, and {q} on a line of its own at the very bottom.",
        f"Top line: just {p}. Bottom line: just {q}.",
    )
    body = " ".join(note.sentences)
    texts = (f"{note.sender}\n\n{body}\n\n{day}", f"{day}\n\n{body}\n\n{note.sender}")
    ends = f"[{LINES}[0], {LINES}[-1]]"
    holds = (f"{ends} == {[note.sender, day]}", f"{ends} == {[day, note.sender]}")
    return settle("name first, day last / day first", _asked(rng, rules, note), texts, holds)


def emoji_ends(rng: Rng) -> MirrorContent:
    """It opens with one emoji and closes with another, or the other way round."""
    note = notice(rng, rng.number(2, 4))
    one, other = note.emoji
    p, q = both(one, other)
    rules = (
        f"Open with {p} and close with {q}.",
        f"Very first character {p}, very last character {q}.",
        f"The message starts on {p} and finishes on {q}, with nothing outside them.",
    )
    body = " ".join(note.sentences)
    texts = (f"{one} {body} {other}", f"{other} {body} {one}")
    holds = tuple(f"r.startswith({a!r}) and r.endswith({b!r})" for a, b in ((one, other), (other, one)))
    return settle("which emoji opens, which closes", _asked(rng, rules, note), texts, (holds[0], holds[1]))


def question_and_thanks(rng: Rng) -> MirrorContent:
    """A question in the first sentence and thanks in the last, or the other way round."""
    note = notice(rng, rng.number(2, 3))
    p, q = both("a question to the readers", "a word of thanks")
    rules = (
        f"The first sentence has to be {p}, the last one {q}.",
        f"Begin with {p}. End with {q}.",
        f"Use {p} as the opener and {q} as the closing line.",
    )
    body = " ".join(note.sentences)
    texts = (f"{note.question} {body} {note.thanks}", f"{note.thanks} {body} {note.question}")
    asks, thanks = r"[^.!?]*\?", r"Thank you[^.!?]*\."
    holds = (shape(f"{asks} .* {thanks}"), shape(f"{thanks} .* {asks}"))
    return settle("question first / thanks first", _asked(rng, rules, note), texts, holds)


def notes_order(rng: Rng) -> MirrorContent:
    """The facts in the order of the notes, or from the last note to the first."""
    note = notice(rng, rng.number(3, 5))
    p, q = both("from the first to the last", "from the last to the first")
    rules = (
        f"Take the notes {p}, not {q}.",
        f"Go through the notes {p}; doing it {q} would be wrong.",
        f"One sentence a note, {p} (and not {q}).",
    )
    back = note.sentences[::-1]
    texts = (f"{note.hello} " + lowered(" ".join(note.sentences)), f"{note.hello} " + lowered(" ".join(back)))
    tails = [sentence.split(" ", 1)[1] for sentence in note.sentences]
    holds = (found_in_order(tails), found_in_order(tails[::-1]))
    prompts = _asked(rng, rules, note)
    return settle("in the order of the notes / in reverse", prompts, texts, holds)


def name_in_capitals(rng: Rng) -> MirrorContent:
    """One of two names in capitals, the other as usual."""
    note, (one, other) = notice(rng, 2), rng.people(2)
    if any(name in note.paste for name in (one, other)):
        raise Resample
    p, q = both(one, other)
    rules = (
        f"Write the name of {p} in capitals and leave {q} as it is.",
        f"In capitals: {p}. In normal letters: {q}.",
        f"Since {p} is in charge that day, that name goes in capitals; {q} gets ordinary spelling.",
        f"{p} all in capital letters, please, but {q} not.",
    )
    noted, last = rng.pick(
        (
            ("{} and {} there from the start", "{} and {} will be there from the start."),
            ("anything else: ask {} or {}", "You can ask {} or {} about anything else."),
        )
    )
    body = " ".join(note.sentences)
    texts = (f"{body} {last.format(one.upper(), other)}", f"{body} {last.format(one, other.upper())}")
    holds = (found_in_order([one.upper(), other]), found_in_order([one, other.upper()]))
    paste = f"{note.paste}\n{noted.format(one, other)}"
    return settle("whose name is in capitals", ask(rng, rules, note.job, paste, casual=False), texts, holds)


def headline_and_body(rng: Rng) -> MirrorContent:
    """A headline of three words over four sentences, or of four words over three sentences."""
    note = notice(rng, 4)
    p, q = both("three", "four")
    rules = (
        f"The headline has {p} words, the text below it {q} sentences.",
        f"Give me a {p}-word headline and under it {q} sentences.",
        f"Headline: {p} words. Body: {q} sentences. Count them.",
    )
    *rest, one, other = note.sentences
    three = " ".join([*rest, f"{one[:-1]}, and {lowered(other)}"])
    texts = (f"{note.short_head}\n\n" + " ".join(note.sentences), f"{note.long_head}\n\n{three}")
    counted = f"[len({LINES}[0].split()), {SENTENCES}]"
    holds = (f"{counted} == [3, 4]", f"{counted} == [4, 3]")
    return settle("three words over four sentences / four over three", _asked(rng, rules, note), texts, holds)


def case_of_subject(rng: Rng) -> MirrorContent:
    """The subject line in capitals and the sign-off in lower case, or the other way round."""
    note = notice(rng, rng.number(2, 3))
    p, q = both("subject line", "sign-off")
    rules = (
        f"It is an e-mail: {p} entirely in capitals, {q} entirely in lower case.",
        f"Format it as an e-mail. Our style wants the {p} in capital letters only and the {q} in small letters only.",
        f"E-mail with subject line and sign-off; capitals for the {p}, small letters for the {q}.",
    )
    signed = rng.pick(("Kind regards", "Best wishes", "Warmly", "Yours")) + f", {note.sender}"
    body = f"{note.hello}\n" + " ".join(note.sentences)
    head = note.short_head
    texts = (
        f"SUBJECT: {head.upper()}\n\n{body}\n\n{signed.lower()}",
        f"subject: {head.lower()}\n\n{body}\n\n{signed.upper()}",
    )
    ends = f"(lambda first, last: first.{{}}() and last.{{}}())({LINES}[0], {LINES}[-1])"
    holds = (ends.format("isupper", "islower"), ends.format("islower", "isupper"))
    paste = f"{note.paste}\nsigned by {note.sender}"
    return settle("subject in capitals / sign-off in capitals", ask(rng, rules, note.job, paste), texts, holds)


def paragraph_sizes(rng: Rng) -> MirrorContent:
    """A first paragraph of one sentence and a second of three, or the other way round."""
    few, many = rng.pick(((1, 3), (1, 4), (2, 3), (1, 2)))
    note = notice(rng, few + many)
    p, q = both(NUMBERS[few], NUMBERS[many])
    rules = (
        f"Two paragraphs: the first with {p} and the second with {q} of the sentences.",
        f"Break it into two paragraphs. Sentences in the first: {p}. Sentences in the second: {q}.",
        f"Two paragraphs. Number of sentences in the upper one: {p}. In the lower one: {q}.",
    )
    texts = tuple(" ".join(note.sentences[:n]) + "\n\n" + " ".join(note.sentences[n:]) for n in (few, many))
    counted = r"[len(re.findall(r'[.!?](?=\s|$)', part)) for part in r.split('\n\n')]"
    holds = (f"{counted} == {[few, many]}", f"{counted} == {[many, few]}")
    return settle("short paragraph first / long one first", _asked(rng, rules, note), (texts[0], texts[1]), holds)


def exclamation(rng: Rng) -> MirrorContent:
    """The greeting ends in an exclamation mark and the closing in a full stop, or the other way round."""
    note = notice(rng, rng.number(2, 3))
    p, q = both("exclamation mark", "full stop")
    rules = (
        f"At the end of the greeting: {p}. At the end of the last sentence: {q}.",
        f"Punctuation: greeting line ends in {p}, closing line in {q}, everything between in full stops.",
        f"The greeting gets the {p} and the closing line the {q}.",
    )
    hello = note.hello.rstrip(",")
    body = " ".join(note.sentences)
    texts = (f"{hello}!\n{body}\n{note.thanks}", f"{hello}.\n{body}\n{note.thanks[:-1]}!")
    ends = f"({LINES}[0][-1], {LINES}[-1][-1])"
    holds = (f"{ends} == ('!', '.')", f"{ends} == ('.', '!')")
    return settle("greeting exclaims / closing exclaims", _asked(rng, rules, note), texts, holds)


TEMPLATES: tuple[Template, ...] = (
    sentence_count,
    paragraph_or_list,
    name_and_day,
    emoji_ends,
    question_and_thanks,
    notes_order,
    name_in_capitals,
    headline_and_body,
    case_of_subject,
    paragraph_sizes,
    exclamation,
)
