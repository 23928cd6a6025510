"""Keep the credits of all models in memory, as arrays that share the buffers of the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rewardbench.leaderboard.index import CLUSTERS, ITEMS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class CreditArrays:
    """The `Credits` of a model as arrays: [clusters] and [items]."""

    by_cluster: np.ndarray
    by_item: np.ndarray


def read_credit_arrays(indexes: Iterable[Path]) -> dict[str, CreditArrays]:
    """Read the credits of all models by key; of a key in several indexes, from the first."""
    import pyarrow.parquet as pq

    credits: dict[str, CreditArrays] = {}
    for path in indexes:
        table = pq.read_table(path, columns=["key", CLUSTERS, ITEMS], use_threads=False).combine_chunks()
        arrays = (_split(table[CLUSTERS]), _split(table[ITEMS]))
        for key, by_cluster, by_item in zip(table["key"].to_pylist(), *arrays, strict=True):
            credits.setdefault(key, CreditArrays(by_cluster, by_item))
    return credits


def _split(column: pa.ChunkedArray) -> list[np.ndarray]:
    """Return each list of a column as an array."""
    arrays: list[np.ndarray] = []
    for chunk in column.chunks:
        arrays += np.split(chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()[1:-1])
    return arrays
