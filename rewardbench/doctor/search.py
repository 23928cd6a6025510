"""Search for the setting that explains a difference: single settings first, then pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from rich.console import Console

from rewardbench.console.progress import StepBar
from rewardbench.doctor.candidates import Candidate, are_compatible, dtype_candidate
from rewardbench.doctor.trials import Trial, Trials

MOST_PAIRS = 400
"""Pairs of settings that are tried; those whose members agree best among the settings of their aspect come first."""


class CauseSearch:
    """Tries single settings, then pairs, until one explains the difference.

    Args:
        trials: scores the sample.
        candidates: the settings to try.
        dtype: dtype of the published scores, in which all settings are tried; None if it is that of the run.
        console: where the progress is drawn.
    """

    def __init__(self, trials: Trials, candidates: Sequence[Candidate], dtype: str | None, console: Console) -> None:
        self.trials = trials
        self.premise = (dtype_candidate(dtype),) if dtype else ()
        self.candidates = list(filter(self._is_compatible, candidates))
        self.console = console
        self.tried: list[Trial] = []

    def _is_compatible(self, setting: Candidate) -> bool:
        return are_compatible((*self.premise, setting))

    @property
    def baseline(self) -> Trial:
        """Return the trial of the run's own settings."""
        return self.tried[0]

    def start(self) -> Trial | None:
        """Try the run's own settings unbatched, and the dtype of the published scores."""
        self.tried.append(self.trials.run(()))
        if self.premise and not self.tried[0].exact:
            self.tried.append(self.trials.run(self.premise))
        return self.tried[-1] if self.tried[-1].exact else None

    def search(self) -> Trial | None:
        """Try settings one at a time, then pairs; return the first that explains the difference."""
        if not self.candidates:
            return None
        singles = [(setting,) for setting in self.candidates]
        cause = self._try_each("trying settings", singles)
        return cause or self._try_each("trying pairs of settings", self._pairs())

    def _pairs(self) -> list[tuple[Candidate, ...]]:
        """Return pairs of settings of the input and of the reading; settings that change nothing are left out."""
        ranked: dict[str, list[Candidate]] = {}
        for trial in sorted(self.tried, key=lambda trial: trial.loss):
            setting = trial.settings[-1] if len(trial.settings) == len(self.premise) + 1 else None
            if setting and trial.screened and not (setting.load or setting.batches):
                ranked.setdefault(setting.aspect, []).append(setting)
        pairs: list[tuple[int, tuple[Candidate, ...]]] = []
        for first_settings, second_settings in combinations(ranked.values(), 2):
            for first_rank, first in enumerate(first_settings):
                for second_rank, second in enumerate(second_settings):
                    if are_compatible((first, second)):
                        pairs.append((first_rank + second_rank, (first, second)))
        pairs.sort(key=lambda pair: pair[0])
        return [pair for _, pair in pairs[:MOST_PAIRS]]

    def _try_each(self, description: str, attempts: Sequence[tuple[Candidate, ...]]) -> Trial | None:
        with StepBar(description, len(attempts), self.console) as bar:
            for settings in attempts:
                trial = self.trials.run((*self.premise, *settings))
                self.tried.append(trial)
                bar()
                if trial.exact:
                    return trial
        return None

    def same_as(self, cause: Trial) -> list[Candidate]:
        """Return the settings that give the model the same input as those of a cause."""
        settings = cause.settings[len(self.premise) :]
        if len(settings) != 1 or not settings[0].changes_input:
            return []
        others = [setting for setting in self.candidates if setting.aspect != "text"]
        return self.trials.same_input(settings, others)

    def nearest(self) -> Trial:
        """Return the trial that agrees best."""
        return min(self.tried, key=lambda trial: trial.loss)
