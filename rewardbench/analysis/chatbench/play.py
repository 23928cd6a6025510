"""Hold the conversations of chains with a chat model; every finished round is in a file, from which a run resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Protocol

from rewardbench.analysis.chatbench.chains import MOST_TURNS, Chain, hash_of_chains
from rewardbench.comparison.compare import ComparedResult
from rewardbench.console.progress import StepBar
from rewardbench.console.terminal import make_console
from rewardbench.errors import InputError
from rewardbench.paths import home_path, write_whole
from rewardbench.types import Messages

BATCH = 8
"""Conversations that a model in this process answers at a time."""
MOST_RUN_BYTES = 256 * 2**20
"""Maximum size of a file of replies."""


class ChatModel(Protocol):
    """A language model that continues conversations."""

    name: str
    batch: int
    """Conversations that it answers at a time."""

    def describe(self) -> dict[str, object]:
        """Return what decides its replies."""

    def reply(self, conversations: Sequence[Messages]) -> list[str]:
        """Return the reply to each conversation."""


@dataclass(frozen=True)
class ChatRun:
    """Replies of a chat model to the turns of chains.

    Attributes:
        model: name of the chat model.
        replies: for each chain, by id, the replies to its turns in order.
        settings: what decides the replies.
    """

    model: str
    replies: Mapping[str, Sequence[str]]
    settings: Mapping[str, object]


def play(chains: Sequence[Chain], model: ChatModel, path: Path) -> ChatRun:
    """Hold all conversations: the n-th turn of a batch of chains, then the next turn, with the model's own replies.

    Args:
        chains: the chains.
        model: the chat model.
        path: JSONL file of the replies; a run that was interrupted goes on from it.

    Raises:
        InputError: if the file is of other chains or settings.
    """
    settings = {"chat_model": model.name, "chains": hash_of_chains(chains), **model.describe()}
    replies = _resume(path, settings, chains)
    batches = _batches(chains, replies, model.batch)
    missing = sum(len(batch) for _, batch in batches)
    with (
        StepBar("replies", missing, make_console(stderr=True)) as advance,
        path.open("a", encoding="utf-8") as file,
    ):
        for turn, batch in batches:
            conversations = [chain.conversation(replies[chain.id], turn) for chain in batch]
            for chain, text in zip(batch, model.reply(conversations), strict=True):
                replies[chain.id].append(text)
                file.write(json.dumps({"chain": chain.id, "turn": turn, "reply": text}) + "\n")
                advance()
            file.flush()
    return ChatRun(model.name, replies, settings)


def _batches(chains: Sequence[Chain], replies: Mapping[str, Sequence[str]], size: int) -> list[tuple[int, list[Chain]]]:
    """Return the turns that have no reply yet, with the chains of each batch, in the order they are played."""
    batches: list[tuple[int, list[Chain]]] = []
    for turn in range(MOST_TURNS):
        waiting = [chain for chain in chains if len(replies[chain.id]) <= turn < len(chain.turns)]
        for start in range(0, len(waiting), size):
            batches.append((turn, waiting[start : start + size]))
    return batches


def _resume(path: Path, settings: Mapping[str, object], chains: Sequence[Chain]) -> dict[str, list[str]]:
    """Return the replies of an interrupted run, and rewrite the file with only these.

    Raises:
        InputError: if the file is of other chains or settings.
    """
    replies: dict[str, list[str]] = {chain.id: [] for chain in chains}
    if path.is_file():
        run = read_run(path)
        for name, value in settings.items():
            if run.settings.get(name) != value:
                raise InputError(
                    f"{path} has replies with another {name} ({run.settings.get(name)!r}, now {value!r}): pass another "
                    "--run, or delete it."
                )
        for chain in chains:
            replies[chain.id] = list(run.replies.get(chain.id, ()))[: len(chain.turns)]
    content = json.dumps(settings) + "\n"
    for id, texts in replies.items():
        for turn, text in enumerate(texts):
            content += json.dumps({"chain": id, "turn": turn, "reply": text}) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return replies


def read_runs(
    inputs: Sequence[ComparedResult], chains: Sequence[Chain], analysis: str, noun: str, options: str
) -> list[ChatRun]:
    """Read files of replies to chains.

    Args:
        inputs: paths of the files.
        chains: the chains that they must be of.
        analysis: name of the analysis, for errors.
        noun: what the chains are, for errors.
        options: options that choose the chains, for errors.

    Raises:
        InputError: if an input is no path, or a file cannot be read or is of other chains.
    """
    expected = hash_of_chains(chains)
    runs: list[ChatRun] = []
    for path in inputs:
        if not isinstance(path, str | PathLike):
            raise InputError(f"{analysis} reads files of replies (.jsonl), not results of reward models.")
        run = read_run(home_path(fspath(path)))
        if run.settings.get("chains") != expected:
            raise InputError(f"{path} has replies to other {noun}: pass the {options} of its run.")
        runs.append(run)
    return runs


def read_run(path: Path) -> ChatRun:
    """Read the replies of a run; a damaged last line, of a run that was killed, is left out.

    Raises:
        InputError: if it is not a file of replies.
    """
    try:
        if path.stat().st_size > MOST_RUN_BYTES:
            raise InputError(f"{path} is larger than {MOST_RUN_BYTES >> 20} MiB: it is not a file of replies.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The replies {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    replies: dict[str, list[str]] = {}
    settings: dict[str, object] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if number == 1:
                settings = dict(row)
                model = str(settings["chat_model"])
                continue
            texts = replies.setdefault(str(row["chain"]), [])
            if row["turn"] != len(texts) or not isinstance(row["reply"], str):
                raise ValueError("the turns are not in order")
            texts.append(row["reply"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number == len(lines) and number > 1:
                break
            raise InputError(
                f"{path}, line {number}, is not a reply: it needs chain, turn and reply, after a first line with "
                "chat_model. Pass a file that chatbench wrote."
            ) from error
    if not lines:
        raise InputError(f"{path} is empty: delete it, or pass a file that chatbench wrote.")
    return ChatRun(model, replies, settings)
