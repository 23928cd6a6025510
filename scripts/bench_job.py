"""Prepare what all sides of scripts/benchmark score: one model, and pairs that every side supports."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench_models import make_models

from rewardbench.errors import InputError
from rewardbench.scorers import BaseScorer, load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.templates import fold_system
from rewardbench.types import Item, Message, Messages, TokenRequest

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Unavailable(Exception):
    """Why a side cannot run here, in one line."""


@dataclass(frozen=True)
class Job:
    """The model, what to score, and how."""

    model: str
    reference: str | None
    scorer: BaseScorer | None
    """The loaded scorer of this package; None in a child process."""
    parts: Sequence[BaseScorer]
    """The scorers with one model each: the scorer itself, or those of policy and reference."""
    items: Sequence[Item]
    requests: Sequence[TokenRequest]
    """The requests of all completions in the order of the items, the chosen one first."""
    dtype: str
    device: torch.device
    threads: int
    max_length: int
    published_python: str | None
    """The Python of an environment with the published package."""


def make_job(args: argparse.Namespace, folder: Path, items: Sequence[Item]) -> Job:
    """Load the scorer of this package, and select the pairs whose texts fit the model and the limit.

    Raises:
        InputError: If there is no such pair.
    """
    if not items:
        raise InputError(f"{args.pairs} has no plain pair: a prompt with one right and one wrong answer.")
    model, reference = args.model, args.ref_model
    if model is None:
        model, reference = make_models(folder, args.size, args.kind, contents(items))
    options = {"max_length": args.max_length, "dtype": args.dtype, "device": args.device}
    scorer = load_scorer(ModelSpec(model, ref_model=reference, **options))
    parts = open_parts(scorer)
    scorer.chat.render = with_memory(scorer.chat.render)
    fitting_items, requests = [], []
    for item in items:
        item_requests = [prepare(scorer, item, completion) for completion in item.completions]
        if all(request is not None and not request.dropped for request in item_requests):
            fitting_items.append(item)
            requests += item_requests
    if not fitting_items:
        raise InputError(f"No pair of {args.pairs} fits into {args.max_length} tokens: pass another --max_length.")
    return Job(
        model=model,
        reference=reference,
        scorer=scorer,
        parts=parts,
        items=fitting_items,
        requests=requests,
        dtype=args.dtype,
        device=parts[0].model.device,
        threads=args.threads,
        max_length=scorer.chat.max_length or args.max_length,
        published_python=args.published_python,
    )


def open_parts(scorer: BaseScorer) -> list[BaseScorer]:
    """Load all models of a scorer and never release them, so that no timed pass loads one."""
    return [stage.__enter__() for stage in scorer.stages]


def contents(items: Sequence[Item]) -> Iterator[str]:
    """Yield the texts of all messages of all items."""
    for item in items:
        for turns in (item.prompt, *item.completions):
            yield from (message["content"] for message in turns)


def with_memory(render: Callable[[Messages], str]) -> Callable[[Messages], str]:
    """Return `render` with a memory: it renders before the timing, as for the sides that get rendered texts."""
    rendered_texts: dict[tuple[tuple[str, str], ...], str] = {}

    def render_once(messages: Messages) -> str:
        key = tuple((message["role"], message["content"]) for message in messages)
        if key not in rendered_texts:
            rendered_texts[key] = render(messages)
        return rendered_texts[key]

    return render_once


def prepare(scorer: BaseScorer, item: Item, completion: Sequence[Message]) -> TokenRequest | None:
    """Return the request of a completion, or None if the model rejects it."""
    try:
        return scorer.prepare(item.prompt, completion, item.rendered)
    except InputError:
        return None


def is_plain_pair(item: Item) -> bool:
    """Return True for one right and one wrong answer of one message each, after alternating turns.

    Every side supports such pairs.
    """
    roles = [message["role"] for message in item.prompt]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    alternate = len(turns) % 2 == 1 and turns == ["user", "assistant"] * (len(turns) // 2) + ["user"]
    is_pair = list(map(len, item.completions)) == [1, 1] and item.num_correct == 1
    return alternate and is_pair and not item.rendered and item.problem is None


def without_system_turn(item: Item) -> Item:
    """Move a system message into the first user turn, because the published package does not support system turns."""
    return replace(item, prompt=fold_system(item.prompt)) if item.prompt[0]["role"] == "system" else item


def evenly_spaced(items: Sequence[T], limit: int | None) -> list[T]:
    """Return `limit` items at even distances, or all items.

    >>> evenly_spaced("abcdefg", 3)
    ['a', 'c', 'e']
    """
    count = min(limit or len(items), len(items))
    return [items[index * len(items) // count] for index in range(count)]
