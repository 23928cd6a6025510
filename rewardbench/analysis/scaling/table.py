"""Read models with their numbers of parameters, families and accuracies, from results or from a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from os import PathLike, fspath
from pathlib import Path

from rewardbench.comparison.compare import ComparedResult
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.results import read_result
from rewardbench.results.model_names import family_in_name, size_in_name
from rewardbench.suites.data_row import DataRow
from rewardbench.suites.readers import read_file
from rewardbench.types import Result

TABLES = (".csv", ".tsv", ".jsonl")
COLUMNS = ("model", "parameters", "family", "accuracy")
FEWEST_SIZES = 3
MOST_FAMILIES = 200
"""Maximum number of families, each of which is left out once."""
UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


@dataclass(frozen=True)
class SizedModel:
    """A model with its number of parameters, its accuracy from 0 to 1, and the number of items (inf if unknown)."""

    model: str
    parameters: float
    family: str
    accuracy: float
    n: float
    size_from_name: bool = False


def read_models(inputs: Sequence[ComparedResult], drop_small: bool = False) -> tuple[list[SizedModel], list[str]]:
    """Read the models of a table, or of results of one suite.

    The family of a result is the name of its model without the size.

    Args:
        inputs: one table with the columns model, parameters, family, accuracy and, if known, n; or results.
        drop_small: leave out families with fewer than three sizes, instead of rejecting them.

    Returns:
        The models, and the names of the families that were left out.

    Raises:
        InputError: if a value is missing or unfit, results are of different suites, a family has fewer than three
            sizes, or there are too many families.
    """
    models = _read(inputs)
    sizes: dict[str, set[float]] = {}
    for model in models:
        sizes.setdefault(model.family, set()).add(model.parameters)
    small = [family for family, values in sizes.items() if len(values) < FEWEST_SIZES]
    if small and not (drop_small and len(small) < len(sizes)):
        raise InputError(
            f"Scaling needs at least {FEWEST_SIZES} sizes in each family, and {_names(small)} {_has(small)} fewer: add "
            "models, or leave such families out with --drop_small."
        )
    remaining = [model for model in models if len(sizes[model.family]) >= FEWEST_SIZES]
    if len(sizes) - len(small) > MOST_FAMILIES:
        raise InputError(
            f"There are {len(sizes) - len(small):,} families of models, and scaling compares at most {MOST_FAMILIES}: "
            "give each model the name of its family, without its size."
        )
    return remaining, small


def _names(families: Sequence[str]) -> str:
    shown = ", ".join(family[:60] for family in families[:3])
    return f"{shown} and {len(families) - 3} other families" if len(families) > 3 else shown


def _has(families: Sequence[str]) -> str:
    return "has" if len(families) == 1 else "have"


def _read(inputs: Sequence[ComparedResult]) -> list[SizedModel]:
    if not inputs:
        raise InputError(f"Scaling needs results, or one table with the columns {', '.join(COLUMNS)} and n.")
    paths = [fspath(path) for path in inputs if isinstance(path, str | PathLike)]
    tables = [path for path in paths if Path(path).suffix in TABLES and not path.endswith("_outputs.jsonl")]
    if not tables:
        return _from_results(inputs)
    if len(inputs) > 1:
        raise InputError(f"{tables[0]} is a table: name it alone, with a row for every model.")
    return _from_table(tables[0])


def _from_results(inputs: Sequence[ComparedResult]) -> list[SizedModel]:
    models: list[SizedModel] = []
    suites: dict[tuple[str, str], str] = {}
    for compared in inputs:
        if isinstance(compared, str | PathLike):
            result = read_result(fspath(compared))
        elif isinstance(compared, Result):
            result = compared
        else:
            raise InputError("Scaling reads results with their manifest: name the path of each result.")
        suites[result.suite, result.revision] = result.model
        models.append(_from_result(result))
    if len(suites) > 1:
        (first, name), (second, other) = list(suites.items())[:2]
        raise InputError(
            f"{name} is of {'@'.join(first)} and {other} of {'@'.join(second)}: compare results of one suite."
        )
    return models


def _from_result(result: Result) -> SizedModel:
    stated = result.manifest.get("model")
    size = stated.get("parameters") if isinstance(stated, dict) else None
    from_name = not isinstance(size, int) or isinstance(size, bool)
    if from_name:
        named = size_in_name(result.model)
        size = named.parameters if named else 0
    if not size:
        raise InputError(f"The result of {result.model} states no number of parameters: write a table (.csv) instead.")
    if result.accuracy.value is None:
        raise InputError(f"The result of {result.model} has no accuracy: no item of it has a preference.")
    family = family_in_name(result.model)
    return SizedModel(result.model, float(size or 0), family, result.accuracy.value, result.accuracy.n, from_name)


def _from_table(path: str) -> list[SizedModel]:
    rows = read_file(home_path(path))
    if not rows:
        raise InputError(f"{path} has no rows: a row has the columns {', '.join(COLUMNS)} and, if known, n.")
    for name in COLUMNS:
        if name not in rows[0]:
            raise InputError(f"{path} has no column {name!r}: a row has the columns {', '.join(COLUMNS)} and n.")
    models: list[SizedModel] = []
    for number, row in enumerate(rows, 1):
        models.append(_from_row(row, f"{path}, row {number}"))
    return models


def _from_row(row: DataRow, where: str) -> SizedModel:
    model, family = str(row.get("model") or "").strip(), str(row.get("family") or "").strip()
    if not model or not family:
        raise InputError(f"{where} has no {'family' if model else 'model'}.")
    parameters = _parse_size(row.get("parameters"))
    accuracy, n = _parse_number(row.get("accuracy")), _parse_number(row.get("n"))
    if parameters is None:
        raise InputError(
            f"{where}: {str(row.get('parameters'))[:40]!r} is not a number of parameters, such as 7B or 7e9."
        )
    if accuracy is None or not 0 <= accuracy <= 1:
        raise InputError(f"{where}: {str(row.get('accuracy'))[:40]!r} is not an accuracy from 0 to 1.")
    if n is None and accuracy in (0, 1):
        raise InputError(f"{where}: an accuracy of {accuracy:g} has no logit unless its number of items n is known.")
    if n is None and str(row.get("n") or "").strip():
        raise InputError(f"{where}: {str(row.get('n'))[:40]!r} is not a number of items.")
    if n is not None and n < 1:
        raise InputError(f"{where}: n is {n:g}, but an accuracy has at least one item.")
    return SizedModel(model, parameters, family, accuracy, n or inf)


def _parse_number(value: object) -> float | None:
    """Return a finite number; None for anything else."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _parse_size(value: object) -> float | None:
    """Return a number of parameters above 0; None for anything else.

    >>> _parse_size("7B"), _parse_size("135 M"), _parse_size("6.5e9"), _parse_size("-1"), _parse_size("B")
    (7000000000.0, 135000000.0, 6500000000.0, None, None)
    """
    text = str(value).strip().lower()
    unit = UNITS.get(text[-1:], 1.0)
    number = _parse_number(text[:-1] if text[-1:] in UNITS else text)
    return number * unit if number is not None and number > 0 else None
