"""Hand-written replies of the chains, and the example with one wrong reply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewardbench.analysis.chatbench.chains import EXAMPLE, Chain
from rewardbench.analysis.chatbench.play import ChatRun
from rewardbench.analysis.chatbench.verify import VerifiedTurn, verify
from rewardbench.errors import InputError

REFERENCE = "hand-written"
WRONG_REPLY = (
    "Sorry, I would rather talk about something else. What do you think of the weather today, dear friend of mine"
)
"""Follows no rule of the example."""


def reference_run(chains: Sequence[Chain]) -> ChatRun:
    """Return the hand-written replies.

    Raises:
        InputError: if a chain has a turn without one.
    """
    replies: dict[str, list[str]] = {}
    for chain in chains:
        for number, turn in enumerate(chain.turns, 1):
            if turn.reply is None or turn.passes is None:
                raise InputError(
                    f"Turn {number} of the chain {chain.id!r} has no hand-written reply with passes: add it."
                )
            replies.setdefault(chain.id, []).append(turn.reply)
    return ChatRun(REFERENCE, replies, {"chat_model": REFERENCE})


def has_references(chains: Sequence[Chain]) -> bool:
    """Return True if every turn has a hand-written reply."""
    return all(turn.reply is not None and turn.passes is not None for chain in chains for turn in chain.turns)


def reference_errors(chains: Sequence[Chain], verified: Sequence[VerifiedTurn]) -> list[tuple[str, int]]:
    """Return the chain and the number of each turn whose hand-written reply has another outcome than stated."""
    stated: dict[tuple[str, int], bool | None] = {}
    for chain in chains:
        for number, turn in enumerate(chain.turns):
            stated[chain.id, number] = turn.passes
    errors: list[tuple[str, int]] = []
    for outcome in verified:
        if stated[outcome.chain, outcome.turn] != outcome.passes:
            errors.append((outcome.chain, outcome.turn + 1))
    return errors


def example_run(chains: Sequence[Chain], seed: int) -> tuple[list[Chain], ChatRun]:
    """Return the example chain of 8 turns, and its replies with a wrong one at a turn that the seed chooses.

    Raises:
        InputError: if the chains are others than those of this package.
    """
    chosen = [chain for chain in chains if chain.id == EXAMPLE]
    if not chosen or not has_references(chosen):
        raise InputError("There is nothing to judge: pass --chat_model, files of replies, or --transcripts.")
    replies = [str(turn.reply) for turn in chosen[0].turns]
    replies[int(np.random.default_rng(seed).integers(len(replies)))] = WRONG_REPLY
    return chosen, ChatRun(f"example, seed {seed}", {EXAMPLE: replies}, {"chat_model": "example", "seed": seed})


def verify_references(chains: Sequence[Chain]) -> list[VerifiedTurn]:
    """Verify the hand-written replies."""
    return verify(chains, reference_run(chains).replies)
