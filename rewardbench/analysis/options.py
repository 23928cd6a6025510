"""Declare the options of an analysis, so that Python and the command line have the same ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OptionHelp:
    """Help and limits of a field of an options dataclass: `limit: Annotated[int, OptionHelp("Items", min=1)]`.

    The field may be a str, int, float, bool, Literal or `tuple[str, ...]` (a flag that is repeated), or optional. A
    field of type `ModelSpec | None` needs no OptionHelp: the command line gives it `--model` and the options of models.
    """

    help: str
    min: int | float | None = None
    max: int | float | None = None
