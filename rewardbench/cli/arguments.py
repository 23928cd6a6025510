"""Rewrite arguments before they are parsed: boolean values of earlier versions, and `~`."""

from __future__ import annotations

from rewardbench.paths import home_path

YES, NO = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
BOOLEAN_FLAGS = {
    "load_json",
    "trust_remote_code",
    "debug",
    "prioritize_scoring",
    "not_quantized",
    "force_truncation",
    "save_all",
    "no_cache",
    "compile",
    "push_results_to_hub",
    "upload_model_metadata_to_hf",
}
"""Boolean flags, which earlier versions let be followed by a value."""
LISTS = {"sweep": ("--models", "--revisions", "--datasets")}
"""Options of a command that take several values, `--models a b`, which typer reads as `--models a --models b`."""
SEARCH = "--search"
"""The option whose value is a search text, not a path."""


def drop_flag_values(arguments: list[str]) -> list[str]:
    """Replace `--debug True`, a form of earlier versions, by `--debug`, and drop `--debug False`.

    >>> drop_flag_values(["--model", "m", "--debug", "False", "--load-json=true", "--save_all"])
    ['--model', 'm', '--load-json', '--save_all']
    """
    parts: list[str] = []
    for argument in arguments:
        parts.extend(_split_boolean(argument))
    flags: list[str] = []
    for part in parts:
        if flags and _is_boolean(flags[-1]) and part.lower() in YES | NO:
            if part.lower() in NO:
                flags.pop()
            continue
        flags.append(part)
    return flags


def repeat_lists(arguments: list[str]) -> list[str]:
    """Repeat an option that takes several values before each of them.

    >>> repeat_lists(["sweep", "p.yaml", "--models", "a", "b", "--limit", "3"])
    ['sweep', 'p.yaml', '--models', 'a', '--models', 'b', '--limit', '3']
    """
    lists = LISTS.get(arguments[0], ()) if arguments else ()
    repeated: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in lists else ""
            is_value = False
        else:
            is_value = bool(option) and repeated[-1] != option
        repeated += [option, argument] if is_value else [argument]
    return repeated


def expand_home(arguments: list[str]) -> list[str]:
    """Expand `~` in the value of any option: a shell expands `--plot ~/x.png`, but not `--plot=~/x.png`.

    >>> from pathlib import Path
    >>> home = Path.home()
    >>> expand_home(["show", "~/r.json", "--html=~/r.html", "--search", "~/x"]) == [
    ...     "show", f"{home}/r.json", f"--html={home}/r.html", "--search", "~/x"]
    True
    """
    expanded: list[str] = []
    for argument in arguments:
        option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        is_search = option == SEARCH or (expanded and expanded[-1] == SEARCH)
        if value.startswith("~") and not is_search:
            argument = f"{option}{equals}{home_path(value)}"
        expanded.append(argument)
    return expanded


def _is_boolean(argument: str) -> bool:
    return argument.startswith("--") and argument[2:].replace("-", "_") in BOOLEAN_FLAGS


def _split_boolean(argument: str) -> list[str]:
    name, _, value = argument.partition("=")
    return [name, value] if value and _is_boolean(name) else [argument]
