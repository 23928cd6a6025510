"""Read fields of a server's JSON answer; a form that the dialect does not have is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rewardbench.errors import InputError

LARGEST = 10**15
"""Absolute value up to which a whole number is read."""


def wrong_form(content: object) -> InputError:
    """Return the error for an answer of another form."""
    text = " ".join(str(content).split())
    return InputError(f"The server's answer is not one of this dialect: {text[:160]}. Check --dialect.")


def read_object(value: object) -> Mapping[str, object]:
    """Return a JSON object.

    Raises:
        InputError: for another value.
    """
    if not isinstance(value, dict):
        raise wrong_form(value)
    return value


def read_list(value: object) -> list[object]:
    """Return a JSON array.

    Raises:
        InputError: for another value.
    """
    if not isinstance(value, list):
        raise wrong_form(value)
    return value


def read_field(content: object, name: str) -> list[object]:
    """Return a list in an answer.

    Raises:
        InputError: if it has none.
    """
    fields = read_object(content)
    if name not in fields:
        raise wrong_form(content)
    return read_list(fields[name])


def find_rows(content: object, name: str) -> list[Mapping[str, object]]:
    """Return the objects of a list in an answer; empty if it has no such list."""
    values = content.get(name) if isinstance(content, dict) else None
    return [row for row in values if isinstance(row, dict)] if isinstance(values, list) else []


def find_text(content: object, name: str) -> str:
    """Return a text in an answer; empty if it has none."""
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, str) else ""


def find_usage(content: object) -> int | None:
    """Return `usage.prompt_tokens`."""
    return find_number(content.get("usage"), "prompt_tokens") if isinstance(content, dict) else None


def in_order(values: Sequence[object]) -> list[Mapping[str, object]]:
    """Return the rows of an answer in the order of their `index`.

    Raises:
        InputError: if the indices are not 0, 1, 2 and so on.
    """
    by_index: dict[str, Mapping[str, object]] = {}
    for value in values:
        row = read_object(value)
        by_index[str(row.get("index"))] = row
    indices = list(map(str, range(len(values))))
    if by_index.keys() != set(indices):
        names = ", ".join(sorted(by_index))[:100]
        raise InputError(f"The server's results have the indices {names}: they belong to no text.")
    return [by_index[index] for index in indices]


def read_vector(value: object) -> tuple[float, ...]:
    """Return the numbers of one text.

    Raises:
        InputError: if they are not a list of numbers, such as a list per token.
    """
    numbers = value if isinstance(value, list) else [value]
    if numbers and all(isinstance(number, list) for number in numbers):
        raise InputError(
            "The server returns a list for each token, as process reward models do: those are scored from a folder or "
            "a Hub id, without --engine http."
        )
    vector: list[float] = []
    for number in numbers:
        if number is None:  # some servers write NaN so
            vector.append(math.nan)
        elif isinstance(number, float) or (isinstance(number, int) and abs(number) < LARGEST):
            vector.append(float(number))
        else:
            raise wrong_form(value)
    return tuple(vector)


def read_column(rows: Sequence[Mapping[str, object]], *names: str) -> tuple[tuple[float, ...], ...]:
    """Return the vector of each row, in the first of the named fields that it has."""
    vectors: list[tuple[float, ...]] = []
    for row in rows:
        present = [name for name in names if name in row]
        vectors.append(read_vector(row[present[0]] if present else row))
    return tuple(vectors)


def find_number(content: object, name: str) -> int | None:
    """Return a whole number in an answer; None if it has none."""
    value = content.get(name) if isinstance(content, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_scalars(values: Sequence[object]) -> tuple[tuple[float, ...], ...]:
    """Return a vector of one number for each number of a list."""
    return tuple(map(read_vector, values))
