"""Describe what is wrong with an untrusted record, from the errors of pydantic."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

RULE, CLAUSE, SENTENCE = "rule", "clause", "sentence"
"""Types of our errors: the message follows "FIELD is VALUE, ", or follows "FIELD ", or is complete."""
LONGEST_PRINTED = 60
"""Maximum number of characters of a rejected value in an error message."""
CLAUSES = {
    "list_type": "which is not a list",
    "sequence_str": "which is not a list",
    "is_instance_of": "which is not a list",
    "dict_type": "which is not an object",
    "model_type": "which is not an object",
    "int_type": "which is not an integer",
    "literal_error": "which is not one of the allowed values",
    "too_long": "which is too long",
}
"""Our messages for pydantic's own types of error."""


def describe_first_error(error: ValidationError) -> str:
    """Return the first error of a record as a clause: the field, its value, and what is wrong with it."""
    return describe_errors(error)[0]


def describe_errors(error: ValidationError, most: int = 50) -> list[str]:
    """Return the errors of a record as clauses in ASCII, without repetition; at most `most` errors are described."""
    clauses = map(_describe, error.errors(include_url=False)[:most])
    return list(dict.fromkeys(clauses))


def _describe(details: ErrorDetails) -> str:
    kind, message, path = details["type"], details["msg"], _format_path(details["loc"])
    if kind == SENTENCE:
        return message
    if kind == CLAUSE:
        return f"{path} {message}"
    if not details["loc"]:
        return f"the name of a field, {format_untrusted(details['input'])}, cannot be read"
    if kind == "missing":
        return f"{path} is missing"
    if kind == "extra_forbidden":
        return f"there is no field {format_untrusted(details['loc'][-1])} in a result"
    clause = message if kind == RULE else CLAUSES.get(kind, "which cannot be read")
    return f"{path} is {format_untrusted(details['input'])}, {clause}"


def _format_path(steps: Sequence[int | str]) -> str:
    """Return the path of a field, such as `sections[0].value`."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += ("." if path else "") + ascii(step)[1:-1][:LONGEST_PRINTED]
    return path


def format_untrusted(value: object) -> str:
    """Return an untrusted value as printable ASCII, cut to `LONGEST_PRINTED` characters."""
    text = ascii(value)
    return text if len(text) <= LONGEST_PRINTED else text[: LONGEST_PRINTED - 3] + "..."
