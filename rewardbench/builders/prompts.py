"""How a question is put: frames with places that differ between the two prompts, and wordings that take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rewardbench.builders.draw import MirrorContent, Rng, Template
from rewardbench.builders.mirrors import chat, variants
from rewardbench.types import Messages

WORDINGS = 3

PromptTemplate = str | tuple[str, ...]
"""One message of the user, or several turns; an even number of texts opens with a system message."""

Problem = Callable[[Rng, int], MirrorContent]
"""A problem in one of its WORDINGS."""


def render(frame: PromptTemplate, side: int) -> Messages:
    """The prompt on one side (0 or 1) of a frame."""
    texts = [variants(text)[side] for text in ((frame,) if isinstance(frame, str) else frame)]
    return chat(*texts) if len(texts) % 2 else chat(*texts[1:], system=texts[0])


def swapped(one: object, other: object) -> tuple[str, str]:
    """The marks of two things that change places between the prompts.

    >>> swapped("tea", "rice")
    ('[[tea|rice]]', '[[rice|tea]]')
    """
    return f"[[{one}|{other}]]", f"[[{other}|{one}]]"


def with_wordings(*problems: Problem) -> Iterator[Template]:
    """Every wording of every problem as a template of its own, so that a draw of as many mirrors repeats none."""
    for problem in problems:
        for wording in range(WORDINGS):
            yield _worded(problem, wording)


def _worded(problem: Problem, wording: int) -> Template:
    def template(rng: Rng) -> MirrorContent:
        return problem(rng, wording)

    template.__name__, template.__doc__ = problem.__name__, problem.__doc__
    return template
