"""How an instruction reaches the assistant: in a system message, first, last, in the middle, or a turn earlier.

A rule is written once for both prompts, `[[one|other]]` where they differ. Most rules name both sides and only
exchange them, so that the two prompts are made of the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rewardbench.builders.draw import NAMES, MirrorContent, Rng
from rewardbench.builders.mirrors import chat, variants
from rewardbench.types import Messages

TOWNS = """
    Accra Aleppo Arequipa Bandung Bergen Bilbao Bursa Cebu Cusco Dakar Durban Fez Galway Gdansk Graz Hobart Izmir Jaipur
    Kampala Kigali Kobe Leipzig Lviv Malmo Mombasa Nantes Oaxaca Odense Penang Quito Riga Salta Sibiu Suva Tartu Tbilisi
    Trieste Turku Utrecht Varanasi Windhoek Yerevan Zadar
""".split()
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()

HOUSES = (
    "You are the writing help of a neighbourhood association in {town}.",
    "You assist a small family business in {town}.",
    "You work for the community centre of {town}. Answer in plain English.",
    "You are a text assistant used by clubs and schools in {town}. Your output is copied as it stands.",
    "Assistant for the office of a cooperative, {town}. No small talk.",
    "You help volunteers in {town} with whatever they have to write.",
    "You are the house assistant of a cultural centre in {town}; staff paste notes and you put them in shape.",
    "You answer requests from the members of a society in {town}. Hand back the finished text only.",
)
OPENINGS = ("", "", "", "Hi! ", "Hello! ", "Quick one. ", "Could you help me out? ", "Good morning. ", "Hey there. ")
CLOSINGS = ("", "", "", " Thanks!", " No comments, please.", " No explanations needed.", " Many thanks.")
BEFORE_PASTE = ("Notes:", "What I have:", "Here goes:", "From my notebook:", "", "Raw material:", "All I know:")
ACKNOWLEDGED = (
    "Understood, I'll keep to that.",
    "Noted. What's the text?",
    "Will do. Send me the material whenever you like.",
    "Sure, that's how I'll do it.",
    "Got it.",
)
STANDING = (
    "Before we start: {rule} I'll send you the material in a moment.",
    "Here is how the result has to look. {rule} Ready?",
    "A rule for the next thing I send. {rule}",
    "{rule} Keep that in mind for what comes next, please.",
)
LAST = ("", "", "Important: ", "One more thing: ", "And don't forget: ", "How it should look: ", "Oh, and: ")


def either(one: object, other: object) -> str:
    """The place in a template where the prompts differ.

    >>> either("first", "last")
    '[[first|last]]'
    """
    return f"[[{one}|{other}]]"


def both(one: object, other: object) -> tuple[str, str]:
    """Two places that exchange what they say."""
    return either(one, other), either(other, one)


def capital(text: str) -> str:
    """The text with its first letter in upper case, in both readings of a template.

    >>> capital("[[one|two]] of them, please")
    '[[One|Two]] of them, please'
    """
    spot = re.match(r"\[\[(.*?)\|(.*?)\]\]", text)
    if spot:
        return either(capital(spot[1]), capital(spot[2])) + text[spot.end() :]
    return text[:1].upper() + text[1:]


def lowered(text: str) -> str:
    """The text with its first letter in lower case, unless it opens with a name.

    >>> lowered("The bus leaves."), lowered("Amina leaves.")
    ('the bus leaves.', 'Amina leaves.')
    """
    first = re.split(r"\W", text, maxsplit=1)[0]
    return text if first in {*NAMES, *WEEKDAYS, *TOWNS, "I"} else text[:1].lower() + text[1:]


def joined(words: Sequence[str], last: str = "and") -> str:
    """Words as English lists them.

    >>> joined(["figs", "limes", "pears"])
    'figs, limes and pears'
    """
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def ask(
    rng: Rng, rules: Sequence[str], job: str, paste: str = "", casual: bool = True, head: Sequence[str] = BEFORE_PASTE
) -> tuple[Messages, Messages]:
    """Both prompts: one of the rules, put before, into, behind or above the job and what is pasted below it.

    A `casual` one may come without any capital letter.
    """
    rule = capital(rng.pick(rules))
    label = rng.pick(head)
    material = f"\n\n{label}\n{paste}".replace("\n\n\n", "\n\n") if paste else ""
    job = capital(job) + ("" if job[-1] in ".?!" else ".")
    place = rng.pick(("system", "system", "start", "start", "turn", "middle", "end"))
    opening, closing = rng.pick(OPENINGS), rng.pick(CLOSINGS)
    turns = {
        "start": (f"{rule} {job}{closing}{material}",),
        "middle": (f"{opening}{job} {rule}{closing}{material}",),
        "end": (f"{opening}{job}{material}\n\n{rng.pick(LAST)}{rule}{closing}",),
        "turn": (rng.pick(STANDING).format(rule=rule), rng.pick(ACKNOWLEDGED), f"{opening}{job}{closing}{material}"),
        "system": (f"{opening}{job}{closing}{material}",),
    }[place]
    if casual and rng.chance(0.3):
        turns = tuple(_typed(turn) if n % 2 == 0 else turn for n, turn in enumerate(turns))
    house = rng.pick(HOUSES).format(town=rng.pick(TOWNS))
    system = f"{house} {rule}" if place == "system" else ""
    sides = [[variants(turn)[side] for turn in turns] for side in (0, 1)]
    one, other = (chat(*told, system=variants(system)[side]) for side, told in enumerate(sides))
    return one, other


def _typed(text: str) -> str:
    """As thumbs type it: no capitals, no final stop."""
    text = text.lower()
    return text[:-1] if text.endswith(".") else text


def settle(
    edit: str, prompts: tuple[Messages, Messages], texts: tuple[str, str], holds: tuple[str, str]
) -> MirrorContent:
    """The mirror of two prompts, two responses, and what must hold of each."""
    check = {"kind": "instructions", "a": {"holds": holds[0]}, "b": {"holds": holds[1]}}
    return MirrorContent(edit, *prompts, *texts, check)


LINES = "[l.strip() for l in r.splitlines() if l.strip()]"
"""For checks: the lines that are not empty."""
SENTENCES = r"len(re.findall(r'[.!?](?=\s|$)', r))"
"""For checks: the number of sentences."""


def found_in_order(marks: Iterable[str]) -> str:
    """A check: each of the marks stands in the response as whole words, and they come in this order."""
    spots = rf"[re.search(r'(?<!\w)' + re.escape(mark) + r'(?!\w)', r) for mark in {list(marks)!r}]"
    return f"(lambda at: all(at) and at == sorted(at, key=lambda spot: spot.start()))({spots})"


def shape(text: str) -> str:
    """A check: the whole response matches a pattern."""
    return f"bool(re.fullmatch({text!r}, r.strip(), re.DOTALL))"
