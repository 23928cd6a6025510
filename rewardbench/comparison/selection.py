"""Choose the results on one suite among files that may be of several, such as all of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from rewardbench.console.terminal import listed
from rewardbench.errors import InputError
from rewardbench.results.scored import ModelScores, read_scored


def read_of_suite(paths: Sequence[str], suite: str | None) -> tuple[list[ModelScores], list[str]]:
    """Read results, and select those on one suite.

    Args:
        paths: files of results.
        suite: name of the suite, or `name@revision`; None: all results must be on one suite.

    Returns:
        The results on the suite, and the paths of the others.

    Raises:
        InputError: if fewer than two results are left, or, without `suite`, they are on several suites.
    """
    models = list(map(read_scored, paths))
    names: dict[str, None] = {}
    suites: dict[str, None] = {}
    for model in models:
        suites[f"{model.suite.name}@{model.suite.revision}"] = None
        if model.knows_suite:
            names[model.suite.name] = None
    if suite is None:
        if len(names) > 1:
            raise InputError(
                f"The results are of {len(names)} suites ({listed(names)}), and scores of different data cannot be "
                f"paired: pass --suite {next(iter(names))} to compare those of one suite."
            )
        return models, []
    selected: list[ModelScores] = []
    others: list[str] = []
    revisions = set(map(attrgetter("suite.revision"), models))
    for path, model in zip(paths, models, strict=True):
        if is_of_suite(model, suite, revisions):
            selected.append(model)
        else:
            others.append(path)
    if len(selected) < 2:
        raise InputError(
            f"{len(selected)} of {len(models)} results are of --suite {suite}, and two are needed: the results are of "
            f"{listed(suites, 5)}."
        )
    return selected, others


def is_of_suite(model: ModelScores, suite: str, revisions: set[str]) -> bool:
    """Return True if a result is on a suite, `name` or `name@revision`; a revision that none has may be a beginning."""
    name, _, revision = suite.partition("@")
    if model.suite.name != name:
        return suite == model.suite.name  # a name with @
    if revision in revisions:
        return model.suite.revision == revision
    return model.suite.revision.startswith(revision)
