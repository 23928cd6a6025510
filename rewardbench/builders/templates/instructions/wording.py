"""Templates about wording: which of two words, person, tense, letters, rhymes, languages, number of words.

The user gives a job, sometimes with notes, and a rule on the words. In a rule, {p} and {q} are the two alternatives
that the prompts swap. For example, `hashtags`:

    prompt a: start with the hashtags and end with the caption; two tags, please. can you do a post about the street
        library we put up by the tram stop?
    prompt b: the same, but "start with the caption and end with the hashtags"
    response x, right for a: #freebooks #readmore, a blank line, and: Our street library is open day and night.
    response y, right for b: Our street library is open day and night, a blank line, and: #freebooks #readmore
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.mirrors import DIFFERENCE, variants
from rewardbench.builders.prompts import capitalize, join_words, swapped
from rewardbench.builders.templates.instructions.material import TEXT_REQUESTS, read_texts
from rewardbench.builders.templates.instructions.rendering import (
    LINES,
    NUMBERS,
    TOWNS,
    both_ways,
    bullets,
    for_both,
    in_order,
    make_mirror,
    make_prompts,
)


def word_choice(rng: Rng) -> MirrorContent:
    """Ask for one of two synonyms."""
    text = rng.pick(read_texts("choice"))
    left, right = rng.sample(text["words"], 2)
    p, q = swapped(f'"{left}"', f'"{right}"')
    rules = (
        f"Say {p} and never {q}.",
        f"Our house style has {p} where others write {q}.",
        f"The word is {p}; {q} must not turn up anywhere.",
        f"Replace {q} by {p} wherever I slip, and stick to that in your own sentences.",
    )

    def response(word: str) -> str:
        return capitalize(text["body"].format(w=word))

    def condition(word: str) -> str:
        matches = rf"[w for w in re.findall(r'\w+', r.lower()) if w in {sorted(text['words'])}]"
        return f"set({matches}) == {{{word!r}}}"

    job = text["job"].format(w=rng.pick(text["words"]))
    return make_mirror(
        f"{left}, not {right} / {right}, not {left}",
        make_prompts(rng, rules, job),
        for_both(response, left, right),
        for_both(condition, left, right),
    )


def first_or_third_person(rng: Rng) -> MirrorContent:
    """Ask for the first or the third person."""
    text, name, town = rng.pick(read_texts("person")), rng.people(1)[0], rng.pick(TOWNS)
    p, q = swapped("first person", "third person")
    rules = (
        f"Write it in the {p}, not the {q}.",
        f"All texts on that page are in the {p}. Avoid the {q}.",
        f"{p}, please. Last month's was in the {q} and had to be redone.",
    )
    notes, sentences = [], []
    for n in (0, *sorted(rng.sample(range(1, len(text["facts"])), rng.number(2, 3)))):
        note, sentence = text["facts"][n]
        notes.append(note)
        sentences.append(sentence)

    def response(subject: str) -> str:
        return " ".join(sentences).format(S=subject, town=town)

    persons = rf"(bool(re.search(r'\bI\b', r)), {name!r} in r)"
    conditions = (f"{persons} == (True, False)", f"{persons} == (False, True)")
    job = rng.pick(TEXT_REQUESTS).format(f"{text['job']} called {name}")
    prompts = make_prompts(rng, rules, job, bullets("-", notes).format(town=town))
    return make_mirror("first person / third person", prompts, for_both(response, "I", name), conditions)


def quote_sentence(rng: Rng) -> MirrorContent:
    """Ask for a quotation of the first or the last sentence."""
    kind, *templates = rng.pick(read_texts("quote"))
    sentences = []
    for template in templates:
        sentences.append(template.format(p=rng.people(1)[0], town=rng.pick(TOWNS)))
    first, *middle, last = sentences
    p, q = swapped("first", "last")
    rules = (
        f"Quote the {p} sentence word for word and leave out the {q}.",
        f"Of any {kind} I want the {p} sentence, not the {q} one, unchanged and in quotation marks.",
        f"Copy one sentence exactly, in quotation marks: the {p} one, and not the {q} one.",
    )
    jobs = (
        f"Help me choose a pull quote from this {kind}",
        f"I need a line for the exhibition wall out of the {kind} below",
        f"which line goes on the back cover? it's from a {kind}",
        f"Pick the quotation that stands above my chapter; it is taken from a {kind}",
    )
    quotation = rng.pick(('"{}"', "“{}”", '> "{}"', 'Here it is: "{}"', 'It reads: "{}"'))
    gap = rng.pick((" ", "\n"))
    text = gap.join([first, *rng.sample(middle, rng.number(1, 2)), last])
    labels = ("", f"The {kind}:", "Text:", "Here it is:")

    def condition(sentence: str, wrong_sentence: str) -> str:
        return f"{sentence!r} in r and {wrong_sentence!r} not in r"

    return make_mirror(
        "the first sentence / the last",
        make_prompts(rng, rules, rng.pick(jobs), text, casual=False, labels=labels),
        for_both(quotation.format, first, last),
        both_ways(condition, first, last),
    )


def acrostic(rng: Rng) -> MirrorContent:
    """Ask for a verse whose initials spell one of two words."""
    words, lines = read_texts("acrostic")
    left, right = rng.sample(words["words"], 2)
    p, q = swapped(left, right)
    rules = (
        f"Read downwards, the first letters of the lines have to spell {p}. ({q} was the old idea.)",
        f"It is an acrostic on {p}. We dropped {q}.",
        f"The initials of the four lines spell {p} and not {q}.",
    )
    jobs = (
        f"Write a four-line verse for the menu of an inn near {rng.pick(TOWNS)}",
        "I'd like four lines of verse for a postcard from our holidays",
        f"we want something short and calm to paint on a bench in {rng.pick(TOWNS)}, four lines",
        "I need a quiet four-line poem for the calendar of our sailing club",
    )

    def verse(word: str) -> str:
        return ",\n".join(rng.pick(lines[letter]) for letter in word) + "."

    initials = f"''.join(l[0] for l in {LINES})"
    conditions = (f"{initials} == {left!r}", f"{initials} == {right!r}")
    prompts = make_prompts(rng, rules, rng.pick(jobs), casual=False)
    return make_mirror(f"{left} / {right}", prompts, for_both(verse, left, right), conditions)


def rhyme_scheme(rng: Rng) -> MirrorContent:
    """Ask for the rhyme scheme aabb or abab."""
    text = rng.pick(read_texts("rhyme"))
    couplets = [rng.sample(couplet, 2) for couplet in rng.sample(text["couplets"], 2)]
    second, third = swapped("second", "third")
    rules = (
        f"The first line rhymes with the {second}, not with the {third}.",
        f"Let line one rhyme with the {second}; the {third} must not rhyme with it.",
        f"I want the {second} line to rhyme with the first. The {third} has another rhyme.",
    )
    theme = text["theme"]
    jobs = (
        f"Write a quatrain about {theme} for the parish newsletter",
        f"i need four lines on {theme} to read out at a birthday, with rhymes",
        f"Can you write a four-line rhyme about {theme}?",
        f"Our school magazine needs four rhyming lines about {theme}",
    )
    (a1, a2), (b1, b2) = couplets
    responses = (f"{a1},\n{a2};\n{b1},\n{b2}.", f"{a1},\n{b1};\n{a2},\n{b2}.")
    last_words = []
    for first_line, second_line in couplets:
        last_words.append([first_line.split()[-1], second_line.split()[-1]])
    line_ends = f"[re.findall(r'\\w+', l)[-1] for l in {LINES}]"
    rhymes = f"[[e[0] in p, e[1] in p, e[2] in p, e[3] in p] for e in [{line_ends}] for p in {last_words!r}]"
    conditions = (
        f"{rhymes} == {[[True, True, False, False], [False, False, True, True]]}",
        f"{rhymes} == {[[True, False, True, False], [False, True, False, True]]}",
    )
    return make_mirror("aabb / abab", make_prompts(rng, rules, rng.pick(jobs)), responses, conditions)


def language_order(rng: Rng) -> MirrorContent:
    """Ask for either of two languages first."""
    text = rng.pick(read_texts("languages"))
    sentence_in = dict(zip(("English", "French", "Spanish", "German", "Portuguese"), text["said"], strict=True))
    left, right = rng.sample(list(sentence_in), 2)
    p, q = swapped(left, right)
    rules = (
        f"Two lines: {p} above, {q} below.",
        f"It has to be in {p} first and in {q} underneath.",
        f"Upper line {p}, lower line {q}, no labels.",
    )
    mark = rng.pick(("{}", "**{}**", "“{}”"))
    gap = rng.pick(("\n", "\n\n"))

    def response(upper: str, lower: str) -> str:
        return mark.format(sentence_in[upper]) + gap + mark.format(sentence_in[lower])

    def condition(upper: str, lower: str) -> str:
        return in_order([sentence_in[upper], sentence_in[lower]])

    return make_mirror(
        f"{left} above / {right} above",
        make_prompts(rng, rules, text["job"]),
        both_ways(response, left, right),
        both_ways(condition, left, right),
    )


def hashtags(rng: Rng) -> MirrorContent:
    """Ask for the hashtags or the caption first."""
    text = rng.pick(read_texts("caption"))
    p, q = swapped("hashtags", "caption")
    size = rng.number(2, 4)
    rules = (
        f"The {p} go on top, the {q} underneath. {capitalize(NUMBERS[size])} tags.",
        f"Start with the {p} and end with the {q}; {NUMBERS[size]} tags, please.",
        f"First line {p}, last line {q}, with {NUMBERS[size]} tags in all.",
    )
    tags, caption = " ".join(rng.sample(text["tags"], size)), rng.pick(text["said"])
    gap = rng.pick(("\n", "\n\n"))
    first, last = f"{LINES}[0].startswith('#')", f"{LINES}[-1].startswith('#')"
    prompts = make_prompts(rng, rules, text["job"])
    responses = (f"{tags}{gap}{caption}", f"{caption}{gap}{tags}")
    conditions = (f"{first} and not {last}", f"{last} and not {first}")
    return make_mirror("hashtags on top / caption on top", prompts, responses, conditions)


def word_count(rng: Rng) -> MirrorContent:
    """Ask for a slogan of a number of words, one more or less."""
    text = rng.pick(read_texts("tagline"))
    slogan = rng.pick(text["said"])
    long = slogan.replace("[", "").replace("]", "")
    short = " ".join(re.sub(r"\[.*?\]", "", slogan).split())
    size = len(short.split())
    p, q = swapped(NUMBERS[size], NUMBERS[size + 1])
    rules = (
        f"It must be {p} words long; {q} will not do.",
        f"Exactly {p} words. Please count, {q} is wrong.",
        f"Slogans here have {p} words. Not {q}.",
    )
    jobs = (
        f"I need a slogan for {text['job']}",
        f"Write a slogan for {text['job']}, no exclamation marks",
        f"could you think up one slogan for {text['job']}?",
        f"{text['job']}: what could be printed on them? One slogan.".replace("on them", "on the sign"),
    )
    style = rng.pick(("{}.", "{}", '"{}"', "**{}**"))
    prompts = make_prompts(rng, rules, rng.pick(jobs))
    conditions = (f"len(r.split()) == {size}", f"len(r.split()) == {size + 1}")
    return make_mirror(f"{size} words / {size + 1}", prompts, for_both(style.format, short, long), conditions)


def letters(rng: Rng) -> MirrorContent:
    """Ask for words with one letter and without another, or the reverse."""
    pool, size = rng.pick(read_texts("letters")), rng.number(4, 5)
    left, right = rng.sample("aeiorlnt", 2)

    def words_with(letter: str, missing_letter: str) -> list[str]:
        return [word for word in pool["words"] if letter in word and missing_letter not in word]

    words_a, words_b = both_ways(words_with, left, right)
    if min(len(words_a), len(words_b)) < size:
        raise Resample
    p, q = swapped(left.upper(), right.upper())
    what = pool["what"]
    rules = (
        f"Each word must have the letter {p} in it, and none may have the letter {q}.",
        f"Only words with {p} and without {q} count.",
        f"The letter {q} is forbidden, the letter {p} is compulsory in every single word.",
    )
    jobs = (
        f"Word game night: give me {NUMBERS[size]} {what}, in one line",
        f"For our crossword club, {NUMBERS[size]} {what} in a row, with commas",
        f"name {NUMBERS[size]} {what}, comma-separated",
        f"My pupils have to find {NUMBERS[size]} {what}. What would a right answer look like, as one line?",
    )
    style = rng.pick(("{}", "{}.", "How about {}?", "Here they are: {}"))
    if style not in ("{}", "{}."):
        style = rng.pick(("{}", "{}."))

    def response(words: list[str]) -> str:
        return style.format(capitalize(", ".join(rng.sample(words, size))))

    def condition(letter: str, missing_letter: str) -> str:
        has_letters = f"{letter!r} in w.lower() and {missing_letter!r} not in w.lower()"
        return f"all({has_letters} for w in r.split(', ')) and len(r.split(', ')) == {size}"

    responses = for_both(response, words_a, words_b)
    prompts = make_prompts(rng, rules, rng.pick(jobs), casual=False)
    conditions = both_ways(condition, left, right)
    return make_mirror(f"with {left}, without {right} / reverse", prompts, responses, conditions)


def initials(rng: Rng) -> MirrorContent:
    """Ask for words that start with one of two letters."""
    pool, size = rng.pick(read_texts("initials")), rng.number(3, 5)
    left, right = rng.sample(sorted(pool.keys() - {"what"}), 2)
    p, q = swapped(left, right)
    what = pool["what"]
    rules = (
        f"All of them begin with {p}; I have done {q} already.",
        f"First letter {p} every time. (Next week it will be {q}.)",
        f"They have to start with {p}. Team two has {q}, so take nothing from there.",
    )
    jobs = (
        f"{capitalize(NUMBERS[size])} {what} for my son's alphabet book",
        f"We're playing categories. {capitalize(NUMBERS[size])} {what}, quickly",
        f"Can you name {NUMBERS[size]} {what}?",
        f"help, i need {NUMBERS[size]} {what} for a memory game",
    )
    is_list = rng.chance()

    def response(letter: str) -> str:
        words = rng.sample(pool[letter], size)
        return bullets("-", words) if is_list else capitalize(join_words(words)) + "."

    responses = for_both(response, left, right)
    initials = r"{w[0].upper() for w in re.findall(r'\w+', r) if w != 'and'}"
    conditions = (f"{initials} == {{{left!r}}}", f"{initials} == {{{right!r}}}")
    prompts = make_prompts(rng, rules, rng.pick(jobs), casual=False)
    return make_mirror(f"all with {left} / all with {right}", prompts, responses, conditions)


def tense(rng: Rng) -> MirrorContent:
    """Ask for the present or the past tense; the notes have both."""
    text = rng.pick(read_texts("tense"))
    notes_and_lines = rng.sample(text["lines"], rng.number(3, 4))
    first_tense = rng.number(0, 1)
    notes, lines, present_verbs, past_verbs = [], [], [], []
    for n, (note, line) in enumerate(notes_and_lines):
        present_verb, past_verb = DIFFERENCE.findall(line)[0]
        notes.append(variants(note)[(n + first_tense) % 2])
        lines.append(line)
        present_verbs.append(present_verb)
        past_verbs.append(past_verb)
    p, q = swapped("present", "past")
    rules = (
        f"Use the {p} tense throughout, not the {q} tense.",
        f"Everything happens in the {p} tense; change any {q} tense you find.",
        f"Tense: {p}. The {q} would clash with the other texts.",
    )
    gap = rng.pick((" ", "\n"))

    def condition(verbs: list[str], wrong_verbs: list[str]) -> str:
        words = r"set(re.findall(r'\w+', r))"
        return f"set({verbs!r}) <= {words} and not set({wrong_verbs!r}) & {words}"

    return make_mirror(
        "present tense / past tense",
        make_prompts(rng, rules, rng.pick(TEXT_REQUESTS).format(text["job"]), "\n".join(notes)),
        variants(gap.join(lines)),
        both_ways(condition, present_verbs, past_verbs),
    )


def answer_or_reason(rng: Rng) -> MirrorContent:
    """Ask for the answer or the reason first."""
    questions, answers, reasons = zip(*rng.sample(read_texts("answer"), rng.number(1, 3)), strict=True)
    p, q = swapped("answer", "reason")
    rules = (
        f"To a question give the {p} first and the {q} second, a sentence each.",
        f"Two sentences a question: {p}, then {q}.",
        f"In our column the {p} opens and the {q} closes, both in one sentence.",
    )
    mark = rng.pick(("", "- ", "• ")) if len(questions) > 1 else ""

    def response(first: Sequence[str], second: Sequence[str]) -> str:
        return "\n".join(map(f"{mark}{{}} {{}}".format, first, second))

    def condition(first: Sequence[str], second: Sequence[str]) -> str:
        sentences: list[str] = []
        for pair in zip(first, second, strict=True):
            sentences += pair
        return in_order(sentences)

    return make_mirror(
        "answer first / reason first",
        make_prompts(rng, rules, " ".join(questions)),
        both_ways(response, answers, reasons),
        both_ways(condition, answers, reasons),
    )


TEMPLATES: tuple[Template, ...] = (
    word_choice,
    first_or_third_person,
    quote_sentence,
    acrostic,
    rhyme_scheme,
    language_order,
    hashtags,
    word_count,
    letters,
    initials,
    tense,
    answer_or_reason,
)
