"""Find which lengths may share a batch under RoPE variants whose frequencies depend on the longest sequence.

longrope and dynamic RoPE choose their frequencies by the longest sequence of a forward pass, so a long text would
change the scores of short texts in its batch. See `dynamic_rope_update` in transformers.modeling_rope_utils.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True)
class RopeRule:
    """Which lengths a batch may mix."""

    original: int | None = None
    """Length above which frequencies change; None if they never do."""
    each_length: bool = False
    """Whether they change again with every further token (dynamic RoPE)."""

    def length_bucket(self, length: int) -> int:
        """Return a bucket; texts may share a batch only if their lengths have the same bucket.

        >>> [RopeRule(8).length_bucket(n) for n in (3, 8, 9, 20)]
        [0, 0, 1, 1]
        >>> [RopeRule(8, each_length=True).length_bucket(n) for n in (3, 8, 9, 20)]
        [0, 0, 9, 20]
        """
        if self.original is None or length <= self.original:
            return 0
        return length if self.each_length else 1


def rope_rule(config: PreTrainedConfig) -> RopeRule:
    """Return the rule of a configuration; without such a RoPE, all lengths mix."""
    for parameters in _parameter_sets(config):
        kind = str(parameters.get("rope_type", "default"))
        if kind == "longrope":
            original = parameters.get("original_max_position_embeddings", config.max_position_embeddings)
            return RopeRule(int(str(original)))
        if "dynamic" in kind:
            return RopeRule(int(config.max_position_embeddings), each_length=True)
    return RopeRule()


def _parameter_sets(config: PreTrainedConfig) -> Iterator[Mapping[str, object]]:
    """Yield the RoPE parameters: one set, or one for each layer type (gemma3, modernbert)."""
    parameters = getattr(config, "rope_parameters", None) or {}
    if "rope_type" in parameters:
        yield parameters
    for value in parameters.values():
        if isinstance(value, Mapping):
            yield value
