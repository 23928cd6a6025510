"""Positions that depend on the company: which lengths may share a batch under longrope and dynamic RoPE.

Both pick their frequencies from the longest item of a forward, so a long neighbour would move a short
item's score. See `dynamic_rope_update` in transformers.modeling_rope_utils.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RopeRule:
    """What a batch may mix.

    `original` is the length above which frequencies change; `each_length` says that they change again with
    every further token (dynamic), so that longer items share a batch only with items of their own length.
    """

    original: int | None = None
    each_length: bool = False

    def company(self, length: int) -> int:
        """Items may share a batch when this number is equal.

        >>> [RopeRule(8).company(n) for n in (3, 8, 9, 20)]
        [0, 0, 1, 1]
        >>> [RopeRule(8, each_length=True).company(n) for n in (3, 8, 9, 20)]
        [0, 0, 9, 20]
        """
        if self.original is None or length <= self.original:
            return 0
        return length if self.each_length else 1


def _parameter_sets(config: Any) -> Iterator[Mapping[str, Any]]:
    """RoPE parameters stand flat, or one set a layer type (gemma3, modernbert)."""
    found = getattr(config, "rope_parameters", None) or {}
    if "rope_type" in found:
        yield found
    yield from (inner for inner in found.values() if isinstance(inner, Mapping))


def rope_rule(config: Any) -> RopeRule:
    """The rule of a model's configuration; models without such RoPE mix freely."""
    for parameters in _parameter_sets(config):
        kind = str(parameters.get("rope_type", "default"))
        if kind == "longrope":
            original = parameters.get("original_max_position_embeddings", config.max_position_embeddings)
            return RopeRule(int(original))
        if "dynamic" in kind:
            return RopeRule(int(config.max_position_embeddings), each_length=True)
    return RopeRule()
