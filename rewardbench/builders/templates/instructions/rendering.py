"""Render both prompts of a mirror from one rule, and write the conditions on its responses.

A rule is a template with `[[left|right]]` where the prompts differ. Most rules name both alternatives and only swap
them, so that both prompts have the same words. The rule is in the system message, in an earlier turn, or at the start,
in the middle or at the end of the prompt. For example, with the rule "Say [[short|long]], not [[long|short]]." and
the job "Write a note", the prompts may be:

    prompt a: Say short, not long. Write a note.
    prompt b: Say long, not short. Write a note.

A condition is a Python expression over the response `r`, which the verifier evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rewardbench.builders.draw import NAMES, MirrorContent, Rng
from rewardbench.builders.mirrors import chat, variants
from rewardbench.builders.prompts import capitalize
from rewardbench.types import Messages

S = TypeVar("S")
T = TypeVar("T")

TOWNS = """
    Accra Aleppo Arequipa Bandung Bergen Bilbao Bursa Cebu Cusco Dakar Durban Fez Galway Gdansk Graz Hobart Izmir Jaipur
    Kampala Kigali Kobe Leipzig Lviv Malmo Mombasa Nantes Oaxaca Odense Penang Quito Riga Salta Sibiu Suva Tartu Tbilisi
    Trieste Turku Utrecht Varanasi Windhoek Yerevan Zadar
""".split()
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()

ROLES = (
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
NOTES_LABELS = ("Notes:", "What I have:", "Here goes:", "From my notebook:", "", "Raw material:", "All I know:")
ACKNOWLEDGEMENTS = (
    "Understood, I'll keep to that.",
    "Noted. What's the text?",
    "Will do. Send me the material whenever you like.",
    "Sure, that's how I'll do it.",
    "Got it.",
)
ADVANCE_RULES = (
    "Before we start: {rule} I'll send you the material in a moment.",
    "Here is how the result has to look. {rule} Ready?",
    "A rule for the next thing I send. {rule}",
    "{rule} Keep that in mind for what comes next, please.",
)
CONNECTORS = ("", "", "Important: ", "One more thing: ", "And don't forget: ", "How it should look: ", "Oh, and: ")
"""What comes between the notes and a rule at the end of the prompt."""

PLACES = ("system", "system", "start", "start", "turn", "middle", "end")
"""Where a rule may be in the prompt; more likely in a system message or at the start."""


def make_prompts(
    rng: Rng,
    rules: Sequence[str],
    job: str,
    notes: str = "",
    casual: bool = True,
    labels: Sequence[str] = NOTES_LABELS,
) -> tuple[Messages, Messages]:
    """Return both prompts: the job, one of the rules, and the notes below them.

    Args:
        rng: picks the rule, its place, and the words around it.
        rules: wordings of the rule, with `[[left|right]]` where the prompts differ.
        job: what to write.
        notes: the material to write it from, if any.
        casual: allow that the user types without capital letters.
        labels: lines that may introduce the notes.
    """
    rule = capitalize(rng.pick(rules))
    label = rng.pick(labels)
    material = f"\n\n{label}\n{notes}".replace("\n\n\n", "\n\n") if notes else ""
    job = capitalize(job) + ("" if job[-1] in ".?!" else ".")
    place = rng.pick(PLACES)
    opening, closing = rng.pick(OPENINGS), rng.pick(CLOSINGS)
    connector, advance_rule, acknowledgement = rng.pick(CONNECTORS), rng.pick(ADVANCE_RULES), rng.pick(ACKNOWLEDGEMENTS)
    turns = [f"{opening}{job}{closing}{material}"]
    if place == "start":
        turns = [f"{rule} {job}{closing}{material}"]
    elif place == "middle":
        turns = [f"{opening}{job} {rule}{closing}{material}"]
    elif place == "end":
        turns = [f"{opening}{job}{material}\n\n{connector}{rule}{closing}"]
    elif place == "turn":
        turns = [advance_rule.format(rule=rule), acknowledgement, *turns]
    if casual and rng.chance(0.3):
        turns[0], turns[-1] = _type_casually(turns[0]), _type_casually(turns[-1])
    role = rng.pick(ROLES).format(town=rng.pick(TOWNS))
    system_a, system_b = variants(f"{role} {rule}" if place == "system" else "")
    turns_a, turns_b = [], []
    for turn in turns:
        turn_a, turn_b = variants(turn)
        turns_a.append(turn_a)
        turns_b.append(turn_b)
    return chat(*turns_a, system=system_a), chat(*turns_b, system=system_b)


def _type_casually(text: str) -> str:
    """Return the text without capitals and final full stop."""
    return text.lower().removesuffix(".")


def make_mirror(
    edit: str, prompts: tuple[Messages, Messages], responses: tuple[str, str], conditions: tuple[str, str]
) -> MirrorContent:
    """Return the mirror of two prompts, the right response to each, and the condition on that response."""
    check = {"kind": "instructions", "a": {"holds": conditions[0]}, "b": {"holds": conditions[1]}}
    return MirrorContent(edit, *prompts, *responses, check)


def both_ways(function: Callable[[S, S], T], left: S, right: S) -> tuple[T, T]:
    """Return `function(left, right)`, for prompt a, and `function(right, left)`, for prompt b."""
    return function(left, right), function(right, left)


def for_both(function: Callable[[S], T], left: S, right: S) -> tuple[T, T]:
    """Return `function(left)`, for prompt a, and `function(right)`, for prompt b."""
    return function(left), function(right)


def uncapitalize(text: str) -> str:
    """Return the text with its first letter in lower case, unless it starts with a name.

    >>> uncapitalize("The bus leaves."), uncapitalize("Amina leaves.")
    ('the bus leaves.', 'Amina leaves.')
    """
    first_word = re.split(r"\W", text, maxsplit=1)[0]
    return text if first_word in {*NAMES, *WEEKDAYS, *TOWNS, "I"} else text[:1].lower() + text[1:]


def bullets(mark: str, items: Iterable[str]) -> str:
    r"""Return a list with a mark before each item.

    >>> bullets("-", ["figs", "limes"])
    '- figs\n- limes'
    """
    return "\n".join(f"{mark} {item}" for item in items)


def numbered(items: Iterable[str], start: int = 1) -> str:
    r"""Return a numbered list.

    >>> numbered(["figs", "limes"])
    '1. figs\n2. limes'
    """
    return "\n".join(f"{n}. {item}" for n, item in enumerate(items, start))


LINES = "[l.strip() for l in r.splitlines() if l.strip()]"
"""Expression for the lines of the response that are not empty."""
SENTENCES = r"len(re.findall(r'[.!?](?=\s|$)', r))"
"""Expression for the number of sentences of the response."""


def in_order(marks: Iterable[str]) -> str:
    """Return the condition that all marks occur in the response as whole words, in this order."""
    matches = rf"[re.search(r'(?<!\w)' + re.escape(mark) + r'(?!\w)', r) for mark in {list(marks)!r}]"
    return f"(lambda at: all(at) and at == sorted(at, key=lambda spot: spot.start()))({matches})"


def has_form(pattern: str) -> str:
    """Return the condition that the whole response matches a regular expression."""
    return f"bool(re.fullmatch({pattern!r}, r.strip(), re.DOTALL))"
