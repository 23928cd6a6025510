"""Templates about notices: number of sentences, what comes first and last, which part is in capitals.

The user gives notes, and a rule on the form of the notice. In a rule, {p} and {q} are the two alternatives that the
prompts swap. For example, `emoji_ends`:

    prompt a: Open with 🥖 and close with 🔧. Please write the sign for the bakery door, we close for works.

        Raw material:
        bakery closed from Sunday
        market stall keeps going
    prompt b: the same, but "Open with 🔧 and close with 🥖"
    response x, right for a: 🥖 The bakery is closed from Sunday on. The stall at the market keeps going. 🔧
    response y, right for b: 🔧 The bakery is closed from Sunday on. The stall at the market keeps going. 🥖
"""

from __future__ import annotations

from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.prompts import swapped
from rewardbench.builders.templates.instructions.material import Notice, draw_notice
from rewardbench.builders.templates.instructions.rendering import (
    LINES,
    NUMBERS,
    SENTENCES,
    WEEKDAYS,
    both_ways,
    bullets,
    has_form,
    in_order,
    make_mirror,
    make_prompts,
    uncapitalize,
)
from rewardbench.types import Messages


def _notice_prompts(rng: Rng, rules: Sequence[str], notice: Notice) -> tuple[Messages, Messages]:
    return make_prompts(rng, rules, notice.job, notice.notes)


def sentence_count(rng: Rng) -> MirrorContent:
    """Ask for a number of sentences, one more or less."""
    few = rng.number(3, 5)
    notice = draw_notice(rng, few + 1)
    p, q = swapped(NUMBERS[few], NUMBERS[few + 1])
    rules = (
        f"Exactly {p} sentences, not {q}.",
        f"It should be {p} sentences long; {q} would be wrong.",
        f"The layout was made for {p} sentences, so don't write {q}.",
        f"Our slot takes {p} sentences. With {q} it gets sent back.",
    )
    prompts = _notice_prompts(rng, rules, notice)
    conditions = (f"{SENTENCES} == {few}", f"{SENTENCES} == {few + 1}")
    return make_mirror(f"{few} sentences / {few + 1}", prompts, (notice.short_body, notice.body), conditions)


def paragraph_or_list(rng: Rng) -> MirrorContent:
    """Ask for a paragraph or a list."""
    notice = draw_notice(rng, rng.number(3, 5))
    p, q = swapped("a paragraph", "a bulleted list")
    rules = (
        f"Make it {p}, not {q}.",
        f"Form: {p}. It must not be {q}.",
        f"The body should be {p}. No matter how tempting, do not turn it into {q}.",
        f"People here prefer {p} to {q}, so that is the form to use.",
    )
    mark = rng.pick("-*•")
    responses = (
        f"{notice.hello}\n\n{notice.body}",
        f"{notice.hello}\n\n{bullets(mark, notice.sentences)}",
    )
    num_marked = f"sum(l[0] in '-*•' for l in {LINES})"
    conditions = (
        f"{num_marked} == 0 and len({LINES}) == 2",
        f"{num_marked} == len({LINES}) - 1 == {len(notice.sentences)}",
    )
    return make_mirror("a paragraph / a list", _notice_prompts(rng, rules, notice), responses, conditions)


def name_and_day(rng: Rng) -> MirrorContent:
    """Ask for the sender in the first line and the weekday in the last, or the reverse."""
    notice, day = draw_notice(rng, rng.number(2, 4)), rng.pick(WEEKDAYS)
    p, q = swapped(f"the sender's name ({notice.sender})", f"the day of writing ({day})")
    if rng.chance():
        p, q = swapped(notice.sender, day)
    rules = (
        f"The first line is {p} and nothing else, the last line is {q} and nothing else.",
        f"Put {p} on a line of its own at the very top, and {q} on a line of its own at the very bottom.",
        f"Top line: just {p}. Bottom line: just {q}.",
    )
    responses = (
        f"{notice.sender}\n\n{notice.body}\n\n{day}",
        f"{day}\n\n{notice.body}\n\n{notice.sender}",
    )
    ends = f"[{LINES}[0], {LINES}[-1]]"
    conditions = (f"{ends} == {[notice.sender, day]}", f"{ends} == {[day, notice.sender]}")
    return make_mirror("name first, day last / day first", _notice_prompts(rng, rules, notice), responses, conditions)


def emoji_ends(rng: Rng) -> MirrorContent:
    """Ask for one emoji at the start and another at the end, or the reverse."""
    notice = draw_notice(rng, rng.number(2, 4))
    left, right = notice.emoji
    p, q = swapped(left, right)
    rules = (
        f"Open with {p} and close with {q}.",
        f"Very first character {p}, very last character {q}.",
        f"The message starts on {p} and finishes on {q}, with nothing outside them.",
    )

    def response(first: str, last: str) -> str:
        return f"{first} {notice.body} {last}"

    def condition(first: str, last: str) -> str:
        return f"r.startswith({first!r}) and r.endswith({last!r})"

    return make_mirror(
        "which emoji opens, which closes",
        _notice_prompts(rng, rules, notice),
        both_ways(response, left, right),
        both_ways(condition, left, right),
    )


def question_and_thanks(rng: Rng) -> MirrorContent:
    """Ask for a question at the start and thanks at the end, or the reverse."""
    notice = draw_notice(rng, rng.number(2, 3))
    p, q = swapped("a question to the readers", "a word of thanks")
    rules = (
        f"The first sentence has to be {p}, the last one {q}.",
        f"Begin with {p}. End with {q}.",
        f"Use {p} as the opener and {q} as the closing line.",
    )
    responses = (
        f"{notice.question} {notice.body} {notice.thanks}",
        f"{notice.thanks} {notice.body} {notice.question}",
    )
    question, thanks = r"[^.!?]*\?", r"Thank you[^.!?]*\."
    conditions = (has_form(f"{question} .* {thanks}"), has_form(f"{thanks} .* {question}"))
    return make_mirror("question first / thanks first", _notice_prompts(rng, rules, notice), responses, conditions)


def notes_order(rng: Rng) -> MirrorContent:
    """Ask for the sentences in the order of the notes, or in reverse."""
    notice = draw_notice(rng, rng.number(3, 5))
    p, q = swapped("from the first to the last", "from the last to the first")
    rules = (
        f"Take the notes {p}, not {q}.",
        f"Go through the notes {p}; doing it {q} would be wrong.",
        f"One sentence a note, {p} (and not {q}).",
    )
    reversed_body = " ".join(notice.sentences[::-1])
    responses = (
        f"{notice.hello} {uncapitalize(notice.body)}",
        f"{notice.hello} {uncapitalize(reversed_body)}",
    )
    without_first_word = [sentence.split(" ", 1)[1] for sentence in notice.sentences]
    conditions = (in_order(without_first_word), in_order(without_first_word[::-1]))
    prompts = _notice_prompts(rng, rules, notice)
    return make_mirror("in the order of the notes / in reverse", prompts, responses, conditions)


def name_in_capitals(rng: Rng) -> MirrorContent:
    """Ask for one of two names in capitals."""
    notice, (first, second) = draw_notice(rng, 2), rng.people(2)
    if first in notice.notes or second in notice.notes:
        raise Resample
    p, q = swapped(first, second)
    rules = (
        f"Write the name of {p} in capitals and leave {q} as it is.",
        f"In capitals: {p}. In normal letters: {q}.",
        f"Since {p} is in charge that day, that name goes in capitals; {q} gets ordinary spelling.",
        f"{p} all in capital letters, please, but {q} not.",
    )
    note, last_sentence = rng.pick(
        (
            ("{} and {} there from the start", "{} and {} will be there from the start."),
            ("anything else: ask {} or {}", "You can ask {} or {} about anything else."),
        )
    )
    responses = (
        f"{notice.body} {last_sentence.format(first.upper(), second)}",
        f"{notice.body} {last_sentence.format(first, second.upper())}",
    )
    conditions = (in_order([first.upper(), second]), in_order([first, second.upper()]))
    notes = f"{notice.notes}\n{note.format(first, second)}"
    prompts = make_prompts(rng, rules, notice.job, notes, casual=False)
    return make_mirror("whose name is in capitals", prompts, responses, conditions)


def headline_and_body(rng: Rng) -> MirrorContent:
    """Ask for a headline of three words and four sentences, or four words and three sentences."""
    notice = draw_notice(rng, 4)
    p, q = swapped("three", "four")
    rules = (
        f"The headline has {p} words, the text below it {q} sentences.",
        f"Give me a {p}-word headline and under it {q} sentences.",
        f"Headline: {p} words. Body: {q} sentences. Count them.",
    )
    responses = (f"{notice.short_head}\n\n{notice.body}", f"{notice.long_head}\n\n{notice.short_body}")
    counts = f"[len({LINES}[0].split()), {SENTENCES}]"
    conditions = (f"{counts} == [3, 4]", f"{counts} == [4, 3]")
    prompts = _notice_prompts(rng, rules, notice)
    return make_mirror("three words over four sentences / four over three", prompts, responses, conditions)


def case_of_subject(rng: Rng) -> MirrorContent:
    """Ask for the subject line in capitals and the sign-off in lower case, or the reverse."""
    notice = draw_notice(rng, rng.number(2, 3))
    p, q = swapped("subject line", "sign-off")
    rules = (
        f"It is an e-mail: {p} entirely in capitals, {q} entirely in lower case.",
        f"Format it as an e-mail. Our style wants the {p} in capital letters only and the {q} in small letters only.",
        f"E-mail with subject line and sign-off; capitals for the {p}, small letters for the {q}.",
    )
    sign_off = rng.pick(("Kind regards", "Best wishes", "Warmly", "Yours")) + f", {notice.sender}"
    subject = f"Subject: {notice.short_head}"
    body = f"{notice.hello}\n{notice.body}"
    responses = (
        f"{subject.upper()}\n\n{body}\n\n{sign_off.lower()}",
        f"{subject.lower()}\n\n{body}\n\n{sign_off.upper()}",
    )
    cases = f"(lambda first, last: first.{{}}() and last.{{}}())({LINES}[0], {LINES}[-1])"
    conditions = both_ways(cases.format, "isupper", "islower")
    prompts = make_prompts(rng, rules, notice.job, f"{notice.notes}\nsigned by {notice.sender}")
    return make_mirror("subject in capitals / sign-off in capitals", prompts, responses, conditions)


def paragraph_sizes(rng: Rng) -> MirrorContent:
    """Ask for few sentences in the first paragraph and many in the second, or the reverse."""
    few, many = rng.pick(((1, 3), (1, 4), (2, 3), (1, 2)))
    notice = draw_notice(rng, few + many)
    p, q = swapped(NUMBERS[few], NUMBERS[many])
    rules = (
        f"Two paragraphs: the first with {p} and the second with {q} of the sentences.",
        f"Break it into two paragraphs. Sentences in the first: {p}. Sentences in the second: {q}.",
        f"Two paragraphs. Number of sentences in the upper one: {p}. In the lower one: {q}.",
    )

    def paragraphs(first_size: int) -> str:
        return " ".join(notice.sentences[:first_size]) + "\n\n" + " ".join(notice.sentences[first_size:])

    counts = r"[len(re.findall(r'[.!?](?=\s|$)', part)) for part in r.split('\n\n')]"
    conditions = (f"{counts} == {[few, many]}", f"{counts} == {[many, few]}")
    prompts = _notice_prompts(rng, rules, notice)
    responses = (paragraphs(few), paragraphs(many))
    return make_mirror("short paragraph first / long one first", prompts, responses, conditions)


def exclamation(rng: Rng) -> MirrorContent:
    """Ask for an exclamation mark after the greeting and a full stop at the end, or the reverse."""
    notice = draw_notice(rng, rng.number(2, 3))
    p, q = swapped("exclamation mark", "full stop")
    rules = (
        f"At the end of the greeting: {p}. At the end of the last sentence: {q}.",
        f"Punctuation: greeting line ends in {p}, closing line in {q}, everything between in full stops.",
        f"The greeting gets the {p} and the closing line the {q}.",
    )
    hello = notice.hello.rstrip(",")
    responses = (
        f"{hello}!\n{notice.body}\n{notice.thanks}",
        f"{hello}.\n{notice.body}\n{notice.thanks[:-1]}!",
    )
    ends = f"({LINES}[0][-1], {LINES}[-1][-1])"
    conditions = (f"{ends} == ('!', '.')", f"{ends} == ('.', '!')")
    return make_mirror(
        "greeting exclaims / closing exclaims", _notice_prompts(rng, rules, notice), responses, conditions
    )


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
