"""Prompt templates: texts with places that differ between the two prompts of a mirror, and numbered wordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rewardbench.builders.draw import MirrorContent, Rng, Template
from rewardbench.builders.mirrors import chat, variants
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
    turns = (template,) if isinstance(template, str) else template
    texts = [variants(turn)[side] for turn in turns]
    if len(texts) % 2 == 0:
        return chat(*texts[1:], system=texts[0])
    return chat(*texts)


def swapped(left: object, right: object) -> tuple[str, str]:
    """Return two places of a prompt template whose contents are swapped between the prompts.

    >>> swapped("tea", "rice")
    ('[[tea|rice]]', '[[rice|tea]]')
    """
    return f"[[{left}|{right}]]", f"[[{right}|{left}]]"


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
