"""Options of `evaluate` and `score`: sort them by their dataclass, and show them as keywords in signatures."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import Parameter, signature
from typing import Any, TypeVar, get_type_hints

from rewardbench.errors import InputError

SYNONYMS = {"torch_dtype": "dtype", "prioritize_scoring": "scores_only"}
"""Names of the command line and of transformers that an option also has."""

F = TypeVar("F", bound=Callable[..., object])


def with_options(*classes: type) -> Callable[[F], F]:
    """Return a decorator that shows the fields of dataclasses as keywords of a function that takes `**options`.

    `inspect.signature`, help() and notebooks then name every option with its type and default. Type checkers read the
    annotation of `**options`.
    """

    def decorate(function: F) -> F:
        original = signature(function)
        hints = get_type_hints(function)
        parameters = []
        for parameter in original.parameters.values():
            if parameter.kind is not Parameter.VAR_KEYWORD:
                parameters.append(parameter.replace(annotation=hints[parameter.name]))
        names = {parameter.name for parameter in parameters}
        for group in classes:
            types = get_type_hints(group)
            for field in fields(group):
                if field.name not in names:
                    hint = types[field.name]
                    parameters.append(
                        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=hint)
                    )
        function.__signature__ = original.replace(  # type: ignore[attr-defined]
            parameters=parameters, return_annotation=hints["return"]
        )
        function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        function.__annotations__["return"] = hints["return"]
        return function

    return decorate


def sort_options(options: Mapping[str, object], *classes: type, function: str = "evaluate") -> list[dict[str, Any]]:
    """Sort options by the dataclass whose field they are.

    Args:
        options: values by the names of options.
        classes: dataclasses whose fields are the options.
        function: the function that was called, for the error.

    Returns:
        For each class the keyword arguments of its constructor.

    Raises:
        InputError: for a name that no class has.
    """
    names = [_option_names(group) for group in classes]
    known = set().union(*names)
    arguments: list[dict[str, Any]] = [{} for _ in classes]
    for option, value in options.items():
        name = SYNONYMS.get(option, option)
        if name not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"{function}() knows no option {option!r}: {hint}It takes {', '.join(sorted(known))}.")
        for group, group_names in zip(arguments, names, strict=True):
            if name in group_names:
                group[name] = value
    return arguments


def _option_names(group: type) -> set[str]:
    """Return the fields of a dataclass of options, without the model and the data, which are positional."""
    return {field.name for field in fields(group)} - {"model", "dataset"}
