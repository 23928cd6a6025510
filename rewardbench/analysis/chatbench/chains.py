"""Chains of turns: what a user writes turn after turn, with the rules that each reply must follow.

A chain file is YAML: a list of chains, each with an `id` and 3 to 8 `turns`; a turn has the text of the `user`, the
`checks` of its reply (see `rules.RULES`), and optionally a hand-written `reply` with `passes`, true if it follows them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rewardbench.analysis.chatbench.rules import check_value
from rewardbench.errors import InputError
from rewardbench.types import Message, Messages

FOLDER = Path(__file__).with_name("chains")
EXAMPLE = "market-stall"
"""Chain of 8 turns in which the example plants a wrong reply."""
FEWEST_TURNS, MOST_TURNS = 3, 8
MOST_BYTES = 16 * 2**20
"""Maximum size of a file of chains."""


@dataclass(frozen=True)
class ChainTurn:
    """A message of the user, with the rules for the reply."""

    user: str
    checks: Mapping[str, object] = field(default_factory=dict)
    """Values by the names of rules; all must hold."""
    reply: str | None = None
    """A hand-written reply."""
    passes: bool | None = None
    """Whether the hand-written reply follows the rules."""


@dataclass(frozen=True)
class Chain:
    """A conversation to be held with a chat model."""

    id: str
    turns: tuple[ChainTurn, ...]
    system: str = ""

    def conversation(self, replies: Sequence[str], turn: int) -> Messages:
        """Return the messages before the reply to a turn.

        Args:
            replies: replies to the turns before.
            turn: index of the turn.
        """
        messages = [Message(role="system", content=self.system)] if self.system else []
        for number in range(turn + 1):
            messages.append(Message(role="user", content=self.turns[number].user))
            if number < turn:
                messages.append(Message(role="assistant", content=replies[number]))
        return tuple(messages)


def load_chains(path: str | Path | None = None) -> list[Chain]:
    """Load the chains of a YAML file, or those of this package.

    Raises:
        InputError: if the file cannot be read, or a chain is not valid; names the chain and the turn.
    """
    if path is not None:
        chains = read_chains(Path(path).expanduser())
    else:
        chains = []
        for part in sorted(FOLDER.glob("*.yaml")):
            chains += read_chains(part)
    reject_repeated(chains, "chains")
    return chains


def reject_repeated(chains: Sequence[Chain], noun: str) -> None:
    """Reject chains of which two have the same id.

    Raises:
        InputError: if there are such chains.
    """
    counts = Counter(chain.id for chain in chains)
    id, count = counts.most_common(1)[0]
    if count > 1:
        raise InputError(f"Two {noun} have the id {id!r}: rename one.")


def read_chains(path: Path, fewest: int = FEWEST_TURNS, most: int = MOST_TURNS) -> list[Chain]:
    """Read a file of chains; see the module.

    Args:
        path: the YAML file.
        fewest: minimum number of turns.
        most: maximum number of turns.

    Raises:
        InputError: if it cannot be read, or a chain is not valid.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"The file of chains {path} is larger than {MOST_BYTES >> 20} MiB: divide it.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"The file of chains {path} cannot be read: {reason}.") from error
    if not isinstance(content, list) or not content:
        raise InputError(f"The file of chains {path} is not a list of chains, each with an id and turns.")
    chains: list[Chain] = []
    for number, entry in enumerate(content, 1):
        try:
            chains.append(_parse_chain(entry, fewest, most))
        except ValueError as error:
            raise InputError(f"Chain {number} of {path} is not valid: {error}.") from error
    return chains


def _parse_chain(entry: object, fewest: int, most: int) -> Chain:
    if not isinstance(entry, Mapping):
        raise ValueError("it is not a mapping with id and turns")
    id, turns, system = entry.get("id"), entry.get("turns"), entry.get("system", "")
    if not isinstance(id, str) or not id.strip():
        raise ValueError("it has no id")
    if unknown := sorted(map(str, entry.keys() - {"id", "turns", "system"})):
        raise ValueError(f"{id} has an unknown field {unknown[0]}")
    if not isinstance(turns, list) or not fewest <= len(turns) <= most:
        raise ValueError(
            f"{id} must have {fewest} to {most} turns" if fewest < most else f"{id} must have {most} turns"
        )
    if not isinstance(system, str):
        raise ValueError(f"the system message of {id} is not text")
    parsed: list[ChainTurn] = []
    for number, turn in enumerate(turns, 1):
        try:
            parsed.append(_parse_turn(turn))
        except ValueError as error:
            raise ValueError(f"turn {number} of {id}: {error}") from error
    return Chain(id, tuple(parsed), system.strip())


def _parse_turn(turn: object) -> ChainTurn:
    if not isinstance(turn, Mapping):
        raise ValueError("it is not a mapping with user and checks")
    user, checks = turn.get("user"), turn.get("checks", {})
    reply, passes = turn.get("reply"), turn.get("passes")
    if unknown := sorted(map(str, turn.keys() - {"user", "checks", "reply", "passes"})):
        raise ValueError(f"it has an unknown field {unknown[0]}")
    if not isinstance(user, str) or not user.strip():
        raise ValueError("it has no text of the user")
    if not isinstance(checks, Mapping):
        raise ValueError("its checks are not a mapping of rules")
    if not isinstance(reply, str | None) or not isinstance(passes, bool | None):
        raise ValueError("its reply must be text, and passes true or false")
    for name, value in checks.items():
        try:
            check_value(str(name), value)
        except ValueError as error:
            raise ValueError(f"the check {name}: {error}") from error
    return ChainTurn(user.strip(), dict(checks), reply, passes)


def hash_of_chains(chains: Sequence[Chain]) -> str:
    """Return a hash of what a chat model is shown: ids and texts of the users; 16 hexadecimal digits."""
    content: list[object] = []
    for chain in chains:
        content.append([chain.id, chain.system, [turn.user for turn in chain.turns]])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
