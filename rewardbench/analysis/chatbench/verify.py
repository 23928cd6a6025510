"""Verify replies: each rule of a turn is checked by a program, those with code in a process with limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from rewardbench.analysis.chatbench.chains import Chain
from rewardbench.analysis.chatbench.rules import RULES, SANDBOXED, Reply
from rewardbench.verifiers.cells import PASS, Cell
from rewardbench.verifiers.expressions import verify_instructions
from rewardbench.verifiers.programs import BLOCK, verify_code

REPLIES = "replies"
"""Rule that a missing or empty reply breaks in a turn without rules."""


@dataclass(frozen=True)
class VerifiedTurn:
    """The reply to a turn, with the outcome of each rule."""

    chain: str
    turn: int
    """Index of the turn, from 0."""
    outcomes: Mapping[str, bool]

    @property
    def passes(self) -> bool:
        """Whether the reply follows every rule."""
        return all(self.outcomes.values())


def verify(chains: Sequence[Chain], replies: Mapping[str, Sequence[str]]) -> list[VerifiedTurn]:
    """Verify the replies to all turns; a missing or empty reply fails each rule of its turn.

    Args:
        chains: the chains.
        replies: for each chain, by id, the replies to its turns in order.

    Returns:
        One outcome per turn, chain after chain.
    """
    outcomes: dict[tuple[str, int], dict[str, bool]] = {}
    cells: dict[str, list[Cell]] = {name: [] for name in SANDBOXED}
    places: dict[str, list[tuple[str, int]]] = {name: [] for name in SANDBOXED}
    for chain in chains:
        texts = replies.get(chain.id, ())
        for number, turn in enumerate(chain.turns):
            text = texts[number] if number < len(texts) else ""
            reply = Reply(text, tuple(texts[:number]))
            place = chain.id, number
            if not text.strip():
                outcomes[place] = dict.fromkeys(turn.checks or (REPLIES,), False)
                continue
            outcomes[place] = {}
            for name, value in turn.checks.items():
                if name not in SANDBOXED:
                    outcomes[place][name] = RULES[name](reply, value)
                elif name == "holds" or len(BLOCK.findall(text)) == 1:
                    outcomes[place][name] = False  # until its process has run
                    places[name].append(place)
                    cells[name].append(_cell(chain.id, name, str(value), text))
                else:
                    outcomes[place][name] = False
    for name, verifier in (("holds", verify_instructions), ("python", verify_code)):
        for place, outcome in zip(places[name], verifier(cells[name]), strict=True):
            outcomes[place][name] = outcome == PASS
    return [VerifiedTurn(id, turn, results) for (id, turn), results in outcomes.items()]


def _cell(row: str, name: str, code: str, text: str) -> Cell:
    check = {"holds": code} if name == "holds" else {"language": "python", "tests": code}
    return Cell(row=row, check=check, response=text, right=True)


def passes_of(verified: Sequence[VerifiedTurn]) -> np.ndarray:
    """Return for each turn whether it passes: [turns]."""
    return np.array(list(map(attrgetter("passes"), verified)), dtype=bool)


def longest_prefix(passes: Sequence[bool]) -> int:
    """Return the number of turns before the first that fails.

    >>> longest_prefix([True, True, False, True])
    2
    """
    return next((number for number, passed in enumerate(passes) if not passed), len(passes))
