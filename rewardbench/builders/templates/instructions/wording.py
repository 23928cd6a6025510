"""Moulds on wording: which of two words, which person and tense, which letters, what opens a verse or a caption."""

from __future__ import annotations

from rewardbench.builders.draw import MirrorContent, Resample, Rng, Template
from rewardbench.builders.mirrors import variants
from rewardbench.builders.templates.instructions.asking import (
    LINES,
    NUMBERS,
    TOWNS,
    ask,
    both,
    capital,
    found_in_order,
    joined,
    settle,
)
from rewardbench.builders.templates.instructions.material import ASKING, short_texts


def word_choice(rng: Rng) -> MirrorContent:
    """One of two words for the same thing, never the other."""
    text = rng.pick(short_texts("choice"))
    one, other = rng.sample(text["words"], 2)
    p, q = both(f'"{one}"', f'"{other}"')
    rules = (
        f"Say {p} and never {q}.",
        f"Our house style has {p} where others write {q}.",
        f"The word is {p}; {q} must not turn up anywhere.",
        f"Replace {q} by {p} wherever I slip, and stick to that in your own sentences.",
    )
    texts = tuple(text["body"].format(w=word) for word in (one, other))
    found = rf"[w for w in re.findall(r'\w+', r.lower()) if w in {sorted(text['words'])}]"
    holds = tuple(f"set({found}) == {{{word!r}}}" for word in (one, other))
    job = text["job"].format(w=rng.pick(text["words"]))
    texts = (capital(texts[0]), capital(texts[1]))
    return settle(f"{one}, not {other} / {other}, not {one}", ask(rng, rules, job), texts, (holds[0], holds[1]))


def first_or_third_person(rng: Rng) -> MirrorContent:
    """Told by the person, or about the person."""
    text, name, town = rng.pick(short_texts("person")), rng.people(1)[0], rng.pick(TOWNS)
    p, q = both("first person", "third person")
    rules = (
        f"Write it in the {p}, not the {q}.",
        f"All texts on that page are in the {p}. Avoid the {q}.",
        f"{p}, please. Last month's was in the {q} and had to be redone.",
    )
    facts = [text["facts"][n] for n in (0, *sorted(rng.sample(range(1, len(text["facts"])), rng.number(2, 3))))]
    texts = tuple(" ".join(said for _, said in facts).format(S=who, town=town) for who in ("I", name))
    notes = "\n".join(f"- {noted.format(town=town)}" for noted, _ in facts)
    person = rf"(bool(re.search(r'\bI\b', r)), {name!r} in r)"
    holds = (f"{person} == (True, False)", f"{person} == (False, True)")
    job = rng.pick(ASKING[:5]).format(f"{text['job']} called {name}")
    return settle("first person / third person", ask(rng, rules, job, notes), (texts[0], texts[1]), holds)


def quote_sentence(rng: Rng) -> MirrorContent:
    """The first sentence of a text word for word, or the last."""
    what, *sentences = rng.pick(short_texts("quote"))
    first, *middle, last = (s.format(p=rng.people(1)[0], town=rng.pick(TOWNS)) for s in sentences)
    p, q = both("first", "last")
    rules = (
        f"Quote the {p} sentence word for word and leave out the {q}.",
        f"Of any {what} I want the {p} sentence, not the {q} one, unchanged and in quotation marks.",
        f"Copy one sentence exactly, in quotation marks: the {p} one, and not the {q} one.",
    )
    jobs = (
        f"Help me choose a pull quote from this {what}",
        f"I need a line for the exhibition wall out of the {what} below",
        f"which line goes on the back cover? it's from a {what}",
        f"Pick the quotation that stands above my chapter; it is taken from a {what}",
    )
    frame = rng.pick(('"{}"', "“{}”", '> "{}"', 'Here it is: "{}"', 'It reads: "{}"'))
    gap = rng.pick((" ", "\n"))
    paste = gap.join([first, *rng.sample(middle, rng.number(1, 2)), last])
    holds = tuple(f"{a!r} in r and {b!r} not in r" for a, b in ((first, last), (last, first)))
    told = ask(rng, rules, rng.pick(jobs), paste, casual=False, head=("", f"The {what}:", "Text:", "Here it is:"))
    return settle(
        "the first sentence / the last", told, (frame.format(first), frame.format(last)), (holds[0], holds[1])
    )


def acrostic(rng: Rng) -> MirrorContent:
    """The initials of the lines spell one word, or another."""
    words, lines = short_texts("acrostic")
    one, other = rng.sample(words["words"], 2)
    p, q = both(one, other)
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
    holds = (f"{initials} == {one!r}", f"{initials} == {other!r}")
    return settle(f"{one} / {other}", ask(rng, rules, rng.pick(jobs), casual=False), (verse(one), verse(other)), holds)


def rhyme_scheme(rng: Rng) -> MirrorContent:
    """Rhymes in pairs, or crosswise."""
    text = rng.pick(short_texts("rhyme"))
    (a, b), (c, d) = (rng.sample(couplet, 2) for couplet in rng.sample(text["couplets"], 2))
    second, third = both("second", "third")
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
    texts = tuple(",\n".join(lines[:2]) + ";\n" + ",\n".join(lines[2:]) + "." for lines in ((a, b, c, d), (a, c, b, d)))
    ends = [[line.split()[-1] for line in pair] for pair in ((a, b), (c, d))]
    last = f"[re.findall(r'\\w+', l)[-1] for l in {LINES}]"
    rhymes = f"[[e[0] in p, e[1] in p, e[2] in p, e[3] in p] for e in [{last}] for p in {ends!r}]"
    aabb, abab = [True, True, False, False], [True, False, True, False]
    holds = tuple(f"{rhymes} == {[form, [not held for held in form]]}" for form in (aabb, abab))
    return settle("aabb / abab", ask(rng, rules, rng.pick(jobs)), (texts[0], texts[1]), (holds[0], holds[1]))


def language_order(rng: Rng) -> MirrorContent:
    """Which of two languages stands above."""
    text = rng.pick(short_texts("languages"))
    said = dict(zip(("English", "French", "Spanish", "German", "Portuguese"), text["said"], strict=True))
    one, other = rng.sample(list(said), 2)
    p, q = both(one, other)
    rules = (
        f"Two lines: {p} above, {q} below.",
        f"It has to be in {p} first and in {q} underneath.",
        f"Upper line {p}, lower line {q}, no labels.",
    )
    mark = rng.pick(("{}", "**{}**", "“{}”"))
    lines = [mark.format(said[one]), mark.format(said[other])]
    gap = rng.pick(("\n", "\n\n"))
    holds = (found_in_order([said[one], said[other]]), found_in_order([said[other], said[one]]))
    told = ask(rng, rules, text["job"])
    return settle(f"{one} above / {other} above", told, (gap.join(lines), gap.join(lines[::-1])), holds)


def hashtags(rng: Rng) -> MirrorContent:
    """Hashtags above the caption, or below."""
    text = rng.pick(short_texts("caption"))
    p, q = both("hashtags", "caption")
    size = rng.number(2, 4)
    rules = (
        f"The {p} go on top, the {q} underneath. {capital(NUMBERS[size])} tags.",
        f"Start with the {p} and end with the {q}; {NUMBERS[size]} tags, please.",
        f"First line {p}, last line {q}, with {NUMBERS[size]} tags in all.",
    )
    tags, said = " ".join(rng.sample(text["tags"], size)), rng.pick(text["said"])
    gap = rng.pick(("\n", "\n\n"))
    first, last = f"{LINES}[0].startswith('#')", f"{LINES}[-1].startswith('#')"
    holds = (f"{first} and not {last}", f"{last} and not {first}")
    told = ask(rng, rules, text["job"])
    return settle("hashtags on top / caption on top", told, (f"{tags}{gap}{said}", f"{said}{gap}{tags}"), holds)


def word_count(rng: Rng) -> MirrorContent:
    """A slogan of so many words, or of one more."""
    text = rng.pick(short_texts("tagline"))
    line = rng.pick(text["said"])
    long, short = (" ".join(variants(line.replace("[", "[[").replace("]", "|]]"))[side].split()) for side in (0, 1))
    size = len(short.split())
    p, q = both(NUMBERS[size], NUMBERS[size + 1])
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
    frame = rng.pick(("{}.", "{}", '"{}"', "**{}**"))
    holds = (f"len(r.split()) == {size}", f"len(r.split()) == {size + 1}")
    told = ask(rng, rules, rng.pick(jobs))
    return settle(f"{size} words / {size + 1}", told, (frame.format(short), frame.format(long)), holds)


def letters(rng: Rng) -> MirrorContent:
    """Words that hold one letter and lack another, or the other way round."""
    pool, size = rng.pick(short_texts("letters")), rng.number(4, 5)
    one, other = rng.sample("aeiorlnt", 2)
    groups = [[w for w in pool["words"] if a in w and b not in w] for a, b in ((one, other), (other, one))]
    if min(map(len, groups)) < size:
        raise Resample
    p, q = both(one.upper(), other.upper())
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
    shown = rng.pick(("{}", "{}.", "How about {}?", "Here they are: {}"))
    if shown not in ("{}", "{}."):
        shown = rng.pick(("{}", "{}."))
    texts = [shown.format(capital(", ".join(rng.sample(group, size)))) for group in groups]
    holds = tuple(
        f"all({a!r} in w.lower() and {b!r} not in w.lower() for w in r.split(', ')) and len(r.split(', ')) == {size}"
        for a, b in ((one, other), (other, one))
    )
    told = ask(rng, rules, rng.pick(jobs), casual=False)
    return settle(f"with {one}, without {other} / reverse", told, (texts[0], texts[1]), (holds[0], holds[1]))


def initials(rng: Rng) -> MirrorContent:
    """Words that all begin with one letter, or with another."""
    pool, size = rng.pick(short_texts("initials")), rng.number(3, 5)
    one, other = rng.sample(sorted(key for key in pool if key != "what"), 2)
    p, q = both(one, other)
    what = pool["what"]
    rules = (
        f"All of them begin with {p}; I have done {q} already.",
        f"First letter {p} every time. (Next week it will be {q}.)",
        f"They have to start with {p}. Team two has {q}, so take nothing from there.",
    )
    jobs = (
        f"{capital(NUMBERS[size])} {what} for my son's alphabet book",
        f"We're playing categories. {capital(NUMBERS[size])} {what}, quickly",
        f"Can you name {NUMBERS[size]} {what}?",
        f"help, i need {NUMBERS[size]} {what} for a memory game",
    )
    style = rng.chance()
    texts = []
    for key in (one, other):
        words = rng.sample(pool[key], size)
        texts.append("\n".join(f"- {word}" for word in words) if style else capital(joined(words)) + ".")
    begun = r"{w[0].upper() for w in re.findall(r'\w+', r) if w != 'and'}"
    holds = (f"{begun} == {{{one!r}}}", f"{begun} == {{{other!r}}}")
    told = ask(rng, rules, rng.pick(jobs), casual=False)
    return settle(f"all with {one} / all with {other}", told, (texts[0], texts[1]), holds)


def tense(rng: Rng) -> MirrorContent:
    """Everything in the present tense, or in the past tense."""
    text = rng.pick(short_texts("tense"))
    jotted, lines = zip(*rng.sample(text["lines"], rng.number(3, 4)), strict=True)
    first = rng.number(0, 1)
    notes = [variants(note)[(n + first) % 2] for n, note in enumerate(jotted)]  # in both tenses, so that each has to go
    p, q = both("present", "past")
    rules = (
        f"Use the {p} tense throughout, not the {q} tense.",
        f"Everything happens in the {p} tense; change any {q} tense you find.",
        f"Tense: {p}. The {q} would clash with the other texts.",
    )
    gap = rng.pick((" ", "\n"))
    now, then = variants(gap.join(lines))
    verbs = [variants(line[line.index("[[") : line.index("]]") + 2]) for line in lines]
    holds = tuple(
        f"set({[verb[side] for verb in verbs]!r}) <= set(re.findall(r'\\w+', r)) and "
        f"not set({[verb[1 - side] for verb in verbs]!r}) & set(re.findall(r'\\w+', r))"
        for side in (0, 1)
    )
    told = ask(rng, rules, rng.pick(ASKING[:5]).format(text["job"]), "\n".join(notes))
    return settle("present tense / past tense", told, (now, then), (holds[0], holds[1]))


def answer_or_reason(rng: Rng) -> MirrorContent:
    """The answer first and the reason second, or the other way round."""
    asked = rng.sample(short_texts("answer"), rng.number(1, 3))
    p, q = both("answer", "reason")
    rules = (
        f"To a question give the {p} first and the {q} second, a sentence each.",
        f"Two sentences a question: {p}, then {q}.",
        f"In our column the {p} opens and the {q} closes, both in one sentence.",
    )
    mark = rng.pick(("", "- ", "• ")) if len(asked) > 1 else ""
    texts = ["\n".join(mark + " ".join(pair[::step]) for _, *pair in asked) for step in (1, -1)]
    holds = tuple(found_in_order([s for _, *pair in asked for s in pair[::step]]) for step in (1, -1))
    told = ask(rng, rules, " ".join(question for question, *_ in asked))
    return settle("answer first / reason first", told, (texts[0], texts[1]), (holds[0], holds[1]))


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
