"""The honest models that forged results are compared with: stored scores, the demo, and simulated accurate models.

Used by scripts/copy_detection and by tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rewardbench.leaderboard.profiles import Profile, ScoreLayout, profile_of
from rewardbench.leaderboard.sketches import SketchTable, sketch_of
from rewardbench.leaderboard.submissions.consistency import LEAST_CONSISTENT, consistency
from rewardbench.leaderboard.submissions.copies import Likeness, likenesses_of
from rewardbench.leaderboard.submissions.nearest import nearest_models
from rewardbench.leaderboard.submissions.similarity import Difficulty
from rewardbench.results.scored import read_scored
from rewardbench.store.local import LocalStore

DEMO = Path(__file__).resolve().parent.parent / "leaderboard" / "demo"


class Board:
    """The honest models as rows of a store.

    Args:
        layout: order of the completions of core.
        profiles: the models.
    """

    def __init__(self, layout: ScoreLayout, profiles: Sequence[Profile]) -> None:
        self.layout = layout
        self.profiles = {profile.name: profile for profile in profiles}
        self.table = SketchTable(list(self.profiles), [sketch_of(profile) for profile in profiles], layout)
        self.difficulty = Difficulty(self.table.right_counts, len(self.table.keys))

    def likenesses(self, target: Profile, excluded: Sequence[str] = ()) -> list[Likeness]:
        """Return what a model is alike to; of scores that depend on no text, a likeness without names.

        Args:
            target: the model.
            excluded: names of models that are left out.
        """
        nearest = nearest_models(target, self.table, [target.name, *excluded])
        others = [self.profiles[name] for name in nearest]
        difficulty = self.difficulty
        if target.name in self.profiles:
            difficulty = Difficulty(difficulty.right - (target.decisions > 0), difficulty.models - 1)
        likenesses = likenesses_of(target, others, difficulty)
        value = consistency(target)
        if value is not None and value < LEAST_CONSISTENT and not target.name.startswith("baseline/"):
            likenesses.append(Likeness((), f"its scores depend on no text (consistency {value:.3f})", ()))
        return likenesses


def honest_models(layout: ScoreLayout, cache: Path, seed: int) -> Iterator[Profile]:
    """Yield the honest models: trained, of the demo, and simulated."""
    for path in sorted(cache.glob("*.npy")):
        yield Profile(path.stem.replace("--", "/"), layout, np.load(path))
    yield from demo_models(layout)
    yield from simulated_models(layout, seed)


def demo_models(layout: ScoreLayout, suite: str = "core") -> Iterator[Profile]:
    """Yield the models of the leaderboard's demo on a suite."""
    for key in LocalStore(DEMO).list():
        scored = read_scored(DEMO / f"{key}.json")
        if scored.suite.name == suite:
            yield profile_of(scored, layout)


def simulated_models(layout: ScoreLayout, seed: int) -> Iterator[Profile]:
    """Yield accurate models: items differ in difficulty, a few labels are wrong, and families share a part."""
    chance = np.random.default_rng(seed)
    items, completions = len(layout.items), len(layout.item_of)
    difficulty = chance.standard_normal(items)
    labels = np.where(layout.is_right, np.where(chance.random(items) < 0.01, -1.0, 1.0)[layout.item_of], 0.0)
    text_of = _texts(layout)
    for family, ability in enumerate((0.6, 1.2, 2.0, 3.0)):
        shared_text, shared = chance.standard_normal(completions)[text_of], chance.standard_normal(completions)
        for n, kinship in enumerate((0.5, 0.7, 0.8, 0.9, 0.9)):
            text = chance.standard_normal(completions)[text_of]
            individual = chance.standard_t(5, completions) / np.sqrt(5 / 3)
            preference = np.sqrt(kinship) * (shared_text + 0.5 * shared) + np.sqrt(1 - kinship) * (
                text + 0.5 * individual
            )
            merit = (ability + 0.1 * n + 0.8 * difficulty)[layout.item_of] * labels
            yield Profile(f"simulated{family}/model{'abcde'[n]}", layout, merit + 0.7 * preference)


def _texts(layout: ScoreLayout) -> np.ndarray:
    """Return the index of the text of each completion in its group: [completions]."""
    indices: dict[tuple[str, str], int] = {}
    text_of: list[int] = []
    for item in layout.items:
        for completion in item.completions:
            key = item.group, str(completion[-1]["content"])
            text_of.append(indices.setdefault(key, len(indices)))
    return np.array(text_of)
