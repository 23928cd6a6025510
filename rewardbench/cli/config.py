"""Read `--config FILE`: values of options from a YAML file, which options on the command line override."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rewardbench.cli.options import RUN, TextOption, flag
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from typer._click import Command, Parameter

CONFIG = "config"
NOT_KEYS = frozenset({CONFIG, "help", "version"})
"""Options that a file cannot set."""


@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
    """The option that names a file with the others; `expand_config` reads the file before arguments are parsed."""

    config: Annotated[
        TextOption, flag(RUN, CONFIG, "YAML file with these options (max_length: 2048); the command line overrides it")
    ] = None


def expand_config(arguments: Sequence[str], root: Command) -> list[str]:
    """Insert the options of a file where `--config FILE` names one.

    Args:
        arguments: of the command line.
        root: the command tree.

    Returns:
        The command, the options of the file that the command line does not set, and the other arguments.

    Raises:
        InputError: if the file cannot be read, or sets something that the command does not know.
    """
    command, depth = _find_command(arguments, root)
    options = {_option_name(param): param for param in command.params if param.param_type_name == "option"}
    path, others = _take_path(arguments[depth:])
    if path is None or CONFIG not in options:
        return list(arguments)
    named = {argument[2:].partition("=")[0].replace("-", "_") for argument in others if argument.startswith("--")}
    inserted: list[str] = []
    for key, value in read_config(path).items():
        name = str(key).replace("-", "_")
        if name not in options or name in NOT_KEYS:
            hint = _hint(name, options, _called(command))
            raise InputError(f"{path} sets {str(key)[:60]!r}, which is not an option of {_called(command)}{hint}")
        if name not in named:
            inserted += _to_arguments(options[name], name, value, path)
    return [*arguments[:depth], *inserted, *others]


def read_config(path: str) -> Mapping[object, object]:
    """Read a YAML file of options.

    Raises:
        InputError: if it cannot be read, or is not a mapping.
    """
    from rewardbench.paths import home_path
    from rewardbench.paths.yaml_file import YamlError, parse_yaml

    try:
        values = parse_yaml(Path(home_path(path)).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise InputError(f"--config {path} cannot be read: {reason}.") from error
    except YamlError as error:
        raise InputError(f"--config {path} is not valid YAML: {error}.") from error
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InputError(f"--config {path} must have an option and its value on each line, such as max_length: 2048.")
    return values


def _find_command(arguments: Sequence[str], root: Command) -> tuple[Command, int]:
    """Return the command that arguments call, and the number of words that name it."""
    command, depth = root, 0
    while depth < len(arguments):
        children: Mapping[str, Command] = getattr(command, "commands", {})
        child = children.get(arguments[depth].replace("_", "-")) or children.get(arguments[depth])
        if child is None:
            break
        command, depth = child, depth + 1
    return command, depth


def _option_name(param: Parameter) -> str:
    """Return the name of an option on the command line, without hyphens at its start."""
    return str(param.opts[0]).lstrip("-").replace("-", "_")


def _called(command: Command) -> str:
    return "rewardbench" if hasattr(command, "commands") else f"rewardbench {command.name}"


def _take_path(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the last value of --config, and the arguments without it."""
    path: str | None = None
    others: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            return path, [*others, word, *words]
        if word == f"--{CONFIG}":
            path = next(words, None)
            if path is None:
                return None, list(arguments)  # the parser reports that its value is missing
        elif word.startswith(f"--{CONFIG}="):
            path = word.partition("=")[2]
        else:
            others.append(word)
    return path, others


def _hint(name: str, options: Mapping[str, Parameter], command: str) -> str:
    near = get_close_matches(name, sorted(options.keys() - NOT_KEYS), 1)
    return f": did you mean {near[0]}?" if near else f"; {command} --help lists them."


def _to_arguments(param: Parameter, name: str, value: object, path: str) -> Iterator[str]:
    """Yield the arguments that set an option to a value of a file; none for null and, of a switch, false.

    Raises:
        InputError: if the option takes no such value.
    """
    if value is None:
        return
    if getattr(param, "is_bool_flag", False):
        if not isinstance(value, bool):
            raise InputError(f"{path} sets {name} to {_short(value)}: it must be true or false.")
        if value:
            yield f"--{name}"
        return
    values: list[Any] = value if isinstance(value, list) else [value]
    if isinstance(value, list) and name == "dataset":  # several suites, which are separated by commas
        values = [",".join(map(str, values))]
    if len(values) > 1 and not (getattr(param, "multiple", False)):
        raise InputError(f"{path} sets {name} to a list, and it takes one value.")
    for single in values:
        if isinstance(single, bool | Mapping | list) or single is None:
            raise InputError(f"{path} sets {name} to {_short(single)}: it must be text or a number.")
        yield f"--{name}={single}"


def _short(value: object) -> str:
    """Return a value as YAML writes it, in at most 60 characters."""
    return str(value).lower() if isinstance(value, bool) else repr(value)[:60]
