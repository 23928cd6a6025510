"""How a question is put: frames with places that differ between the two prompts, and wordings that take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rewardbench.builders.draw import Draw, Drawn, Mould
from rewardbench.builders.mirrors import chat, twins
from rewardbench.types import Messages

WORDINGS = 3

Frame = str | tuple[str, ...]
"""One message of the user, or several turns; an even number of texts opens with a system message."""

Problem = Callable[[Draw, int], Drawn]
"""A problem in one of its WORDINGS."""


def told(frame: Frame, side: int) -> Messages:
    """The prompt on one side (0 or 1) of a frame."""
    texts = [twins(text)[side] for text in ((frame,) if isinstance(frame, str) else frame)]
    return chat(*texts) if len(texts) % 2 else chat(*texts[1:], system=texts[0])


def exchanged(one: object, other: object) -> tuple[str, str]:
    """The marks of two things that change places between the prompts.

    >>> exchanged("tea", "rice")
    ('[[tea|rice]]', '[[rice|tea]]')
    """
    return f"[[{one}|{other}]]", f"[[{other}|{one}]]"


def moulds(*problems: Problem) -> Iterator[Mould]:
    """Every wording of every problem as a mould of its own, so that a draw of as many mirrors repeats none."""
    for told in problems:
        for wording in range(WORDINGS):
            yield _worded(told, wording)


def _worded(told: Problem, wording: int) -> Mould:
    def mould(draw: Draw) -> Drawn:
        return told(draw, wording)

    mould.__name__, mould.__doc__ = told.__name__, told.__doc__
    return mould
