"""Choose the few stored models that a result may be made from, by their sketches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rewardbench.leaderboard.profiles import Profile
from rewardbench.leaderboard.sketches import SketchTable

RowsReader = Callable[[slice | Sequence[int]], np.ndarray]
"""Returns an array of some models: [rows, values]."""
COPIES = 6
"""Number of models that are chosen by each measure of a copy."""
SECTION_COPIES = 2
"""Number of models that are chosen by each measure in each section."""
COMPONENTS = 8
"""Number of components of a mixture that are chosen in each form."""


def nearest_models(target: Profile, table: SketchTable, excluded: Iterable[str] = ()) -> list[str]:
    """Return the keys of the models that a result may be made from: about forty at most.

    Args:
        target: the result.
        table: sketches of the stored models.
        excluded: keys of models that are left out.
    """
    is_excluded = np.isin(np.array(table.keys, dtype=object), list(excluded))
    if is_excluded.all():
        return []
    measures = _Measures(target, table)
    chosen: dict[int, None] = {}
    for scores, count in measures.scores():
        scores = np.where(is_excluded, -np.inf, scores)
        for n in np.argsort(-scores, kind="stable")[:count]:
            if np.isfinite(scores[n]):
                chosen[int(n)] = None
    for n in [*measures.sum_components(is_excluded), *measures.vote_components(is_excluded)]:
        chosen[n] = None
    return [table.keys[n] for n in chosen]


class _Measures:
    """Measures how alike each stored model is to a result.

    Args:
        target: the result.
        table: sketches of the stored models.
    """

    def __init__(self, target: Profile, table: SketchTable) -> None:
        layout = target.layout
        self.table = table
        self.contrasts = (target.contrasts / (target.contrasts.std() or 1.0)).astype(np.float32)
        self.decisions = target.decisions.astype(np.float32)
        self.section_of_contrast = layout.section_of[layout.contrast_item]
        self.section_of_item = layout.section_of
        self.sections = len(layout.sections)

    def scores(self) -> list[tuple[np.ndarray, int]]:
        """Return arrays of scores of all models, higher for those more alike, each with the number to choose."""
        parts = [self._score_chunk(rows) for rows in self.table.chunks()]
        joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        counts = [COPIES] * 4 + [SECTION_COPIES] * (len(joined) - 4)
        return list(zip(joined, counts, strict=True))

    def _score_chunk(self, rows: slice) -> list[np.ndarray]:
        """Return the scores of some models."""
        contrasts, decisions = self.table.contrasts(rows), self.table.decisions(rows)
        target = self.contrasts
        signs = self.decisions
        same = (decisions @ signs + np.abs(decisions) @ np.abs(signs)) / 2
        decided = np.abs(decisions) @ np.abs(signs)
        lost = np.maximum(decisions, 0) @ np.maximum(-signs, 0)
        known = np.maximum(decisions, 0) @ np.abs(signs)
        scores = [
            _correlations(contrasts, target),
            _correlations(np.abs(contrasts), np.abs(target)),
            _cohen_kappa(decisions, signs, same, decided),
            -(lost + 1) / (known * ((signs < 0).mean() or 1.0) + 1),
        ]
        for section in range(self.sections):
            values, items = self.section_of_contrast == section, self.section_of_item == section
            scores.append(_correlations(contrasts[:, values], target[values]))
            scores.append(decisions[:, items] @ signs[items])
        return scores

    def sum_components(self, is_excluded: np.ndarray) -> list[int]:
        """Return the models whose weighted sum explains the contrasts."""
        return self._components(self.contrasts, self.table.contrasts, is_excluded)

    def vote_components(self, is_excluded: np.ndarray) -> list[int]:
        """Return the models whose weighted vote explains the decisions."""
        return self._components(self.decisions, self.table.decisions, is_excluded)

    def _components(self, target: np.ndarray, rows_of: RowsReader, is_excluded: np.ndarray) -> list[int]:
        """Return the models chosen one by one by their correlation with what the chosen ones leave unexplained."""
        from scipy.optimize import nnls

        picked: list[int] = []
        residuals = target
        while len(picked) < COMPONENTS:
            gains = np.concatenate([rows_of(rows) @ residuals for rows in self.table.chunks()])
            gains[is_excluded] = -np.inf
            gains[picked] = -np.inf
            best = int(np.argmax(gains))
            if gains[best] <= 0:
                break
            picked.append(best)
            columns = rows_of(picked).T.astype(np.float64)
            weights, _ = nnls(columns, target.astype(np.float64))
            residuals = (target - columns @ weights).astype(np.float32)
        return picked


def _correlations(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the correlation of each row with the target."""
    centred = target - target.mean()
    products = rows @ centred
    spreads = rows.std(1) * (np.linalg.norm(centred) or 1.0) * np.sqrt(len(target))
    return np.where(spreads > 0, products / np.where(spreads > 0, spreads, 1), -1.0)


def _cohen_kappa(decisions: np.ndarray, signs: np.ndarray, same: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """Return the agreement of decisions beyond what the shares of right decisions explain."""
    share = (signs > 0).sum() / max(1, (signs != 0).sum())
    counts = np.maximum(1, (decisions != 0).sum(1))
    shares = (decisions > 0).sum(1) / counts
    expected = share * shares + (1 - share) * (1 - shares)
    agreement = same / np.maximum(1, decided)
    kappa: np.ndarray = (agreement - expected) / np.maximum(1e-9, 1 - expected)
    return kappa
