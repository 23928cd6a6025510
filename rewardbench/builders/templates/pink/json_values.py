"""Read fields of JSON objects with the type that they must have; every error is a ValueError."""

from __future__ import annotations

from collections.abc import Mapping

JsonMapping = Mapping[str, object]


def as_object(value: object) -> JsonMapping:
    """Return a value that must be a JSON object.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a JSON object")
    return value


def text_field(parent: JsonMapping, key: str) -> str:
    """Return a field that must be a string.

    Raises:
        ValueError: if it is missing or has another type; so do the functions below.
    """
    value = parent.get(key)
    if not isinstance(value, str):
        raise ValueError(f"the field {key!r} is not a string")
    return value


def integer_field(parent: JsonMapping, key: str) -> int:
    """Return a field that must be an integer."""
    value = parent.get(key)
    if not isinstance(value, int):
        raise ValueError(f"the field {key!r} is not an integer")
    return value


def list_field(parent: JsonMapping, key: str) -> list[object]:
    """Return a field that must be a list."""
    value = parent.get(key)
    if not isinstance(value, list):
        raise ValueError(f"the field {key!r} is not a list")
    return value


def texts_field(parent: JsonMapping, key: str) -> list[str]:
    """Return a field that must be a list of strings."""
    texts: list[str] = []
    for element in list_field(parent, key):
        if not isinstance(element, str):
            raise ValueError(f"the field {key!r} is not a list of strings")
        texts.append(element)
    return texts


def objects_field(parent: JsonMapping, key: str) -> list[JsonMapping]:
    """Return a field that must be a list of JSON objects."""
    return list(map(as_object, list_field(parent, key)))
