"""Prompt templates: texts with places that differ between the two prompts of a mirror, and numbered wordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rewardbench.builders.draw import MirrorContent, Rng, Template
from rewardbench.builders.mirrors import DIFFERENCE, chat, variants
from rewardbench.types import Messages

WORDINGS = 3

PromptTemplate = str | tuple[str, ...]
"""One user message, or several turns in alternation; if their number is even, the first is a system message."""

Problem = Callable[[Rng, int], MirrorContent]
"""A function that makes a mirror in the wording of this number, below WORDINGS."""


def render(template: PromptTemplate, side: int) -> Messages:
    """Return one prompt of a mirror.

    Args:
        template: with `[[left|right]]` where the prompts differ.
        side: 0 for the left variant, 1 for the right.
    """
    return to_messages([variants(turn)[side] for turn in turns_of(template)])


def turns_of(template: PromptTemplate) -> tuple[str, ...]:
    """Return the turns of a prompt template, also if it is a single message."""
    return (template,) if isinstance(template, str) else template


def to_messages(turns: Sequence[str]) -> Messages:
    """Return the conversation of some turns; if their number is even, the first is a system message."""
    if len(turns) % 2 == 0:
        return chat(*turns[1:], system=turns[0])
    return chat(*turns)


def swapped(left: object, right: object) -> tuple[str, str]:
    """Return two places of a prompt template whose contents are swapped between the prompts.

    >>> swapped("tea", "rice")
    ('[[tea|rice]]', '[[rice|tea]]')
    """
    return f"[[{left}|{right}]]", f"[[{right}|{left}]]"


def capitalize(text: str) -> str:
    """Return the text with its first letter in upper case, in both variants of a template.

    >>> capitalize("[[one|two]] of them, please"), capitalize("the Pope")
    ('[[One|Two]] of them, please', 'The Pope')
    """
    difference = DIFFERENCE.match(text)
    if difference:
        left, right = difference.groups()
        return f"[[{capitalize(left)}|{capitalize(right)}]]{text[difference.end() :]}"
    return text[:1].upper() + text[1:]


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Return words as English lists them.

    >>> join_words(["figs", "limes", "pears"])
    'figs, limes and pears'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def with_wordings(*problems: Problem) -> Iterator[Template]:
    """Yield each wording of each problem as a template, so that one build repeats none before all are used."""
    for problem in problems:
        for wording in range(WORDINGS):
            yield _with_wording(problem, wording)


def _with_wording(problem: Problem, wording: int) -> Template:
    def template(rng: Rng) -> MirrorContent:
        return problem(rng, wording)

    template.__name__, template.__doc__ = problem.__name__, problem.__doc__
    return template
