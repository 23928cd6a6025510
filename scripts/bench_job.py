"""What all sides of a benchmark are given: the same model, and pairs that every one of them can take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench_models import make_models

from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.templates import fold_system
from rewardbench.types import Item, Message, Messages, TokenRequest


class Unavailable(Exception):
    """Why a side cannot run here, in one sentence."""


@dataclass(frozen=True)
class Job:
    """The model, what to score, and how."""

    model: str
    reference: str | None
    scorer: Any
    """Ours, loaded."""
    parts: Sequence[Any]
    """What of it holds a model: the scorer itself, or policy and reference."""
    items: Sequence[Item]
    requests: Sequence[TokenRequest]
    """Of all completions in the order of the items, the chosen one first."""
    dtype: str
    device: Any
    threads: int
    max_length: int
    anchor: str | None
    """The Python of the environment with the published package."""


def make_job(args: Any, folder: Path, items: Sequence[Item]) -> Job:
    """Load our scorer, and keep the pairs whose texts fit into the model and the limit.

    Raises: InputError where none does.
    """
    if not items:
        raise InputError(f"{args.pairs} has no plain pair: a prompt with one right and one wrong answer.")
    model, reference = args.model, args.ref_model
    if model is None:
        model, reference = make_models(folder, args.size, args.kind, contents(items))
    options = {"max_length": args.max_length, "dtype": args.dtype, "device": args.device}
    scorer = load_scorer(ModelSpec(model, ref_model=reference, **options))
    parts = opened(scorer)
    scorer.chat.render = remembered(scorer.chat.render)
    made = [(item, [prepared(scorer, item, completion) for completion in item.completions]) for item in items]
    kept = [(item, requests) for item, requests in made if all(r is not None and not r.dropped for r in requests)]
    if not kept:
        raise InputError(f"No pair of {args.pairs} fits into {args.max_length} tokens: pass another --max_length.")
    return Job(
        model=model,
        reference=reference,
        scorer=scorer,
        parts=parts,
        items=[item for item, _ in kept],
        requests=[request for _, requests in kept for request in requests],
        dtype=args.dtype,
        device=parts[0].model.device,
        threads=args.threads,
        max_length=scorer.chat.max_length or args.max_length,
        anchor=args.anchor,
    )


def opened(scorer: Any) -> list[Any]:
    """What holds a model, loaded and never closed, so that no pass that is timed loads it again."""
    return [part.__enter__() for part in scorer.stages]


def contents(items: Sequence[Item]) -> Iterator[str]:
    """All messages of all items."""
    return (message["content"] for item in items for turns in (item.prompt, *item.completions) for message in turns)


def remembered(render: Callable[[Messages], str]) -> Callable[[Messages], str]:
    """Rendering that is done once, before the clock runs: the other sides are given rendered texts too."""
    known: dict[Any, str] = {}

    def once(messages: Messages) -> str:
        key = tuple((message["role"], message["content"]) for message in messages)
        if key not in known:
            known[key] = render(messages)
        return known[key]

    return once


def prepared(scorer: Any, item: Item, completion: Sequence[Message]) -> TokenRequest | None:
    """The request of a completion; None where the model cannot take it."""
    try:
        return scorer.prepare(item.prompt, completion, item.rendered)
    except InputError:
        return None


def is_plain_pair(item: Item) -> bool:
    """One right and one wrong answer of one message each, to turns that alternate: what every side can take."""
    roles = [message["role"] for message in item.prompt]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    alternate = len(turns) % 2 == 1 and all(role == ("user", "assistant")[n % 2] for n, role in enumerate(turns))
    one_each = len(item.completions) == 2 and item.num_correct == 1 and all(len(c) == 1 for c in item.completions)
    return alternate and one_each and not item.rendered and item.problem is None


def same_for_all(item: Item) -> Item:
    """The published package knows no system turn: its text goes to the head of the first user turn, for all sides."""
    return replace(item, prompt=fold_system(item.prompt)) if item.prompt[0]["role"] == "system" else item


def spaced(items: Sequence[Item], limit: int | None) -> list[Item]:
    """So many items, evenly from the whole.

    >>> spaced("abcdefg", 3)
    ['a', 'c', 'e']
    """
    n = min(limit or len(items), len(items))
    return [items[i * len(items) // n] for i in range(n)]
