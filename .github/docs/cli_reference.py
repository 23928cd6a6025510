"""Generate the command line reference from the commands themselves; an undocumented one fails the build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from rewardbench.cli import main

PAGE = "reference/cli.md"
NAMES = {int: "integer", float: "number", str: "text", Path: "path"}

INTRODUCTION = """# Command line

All commands and options, as the program prints them with `--help`.
Options can be written with hyphens too: `--max-length` is `--max_length`.

Exit codes: 0 success (for `gate`: pass), 1 a regression, a rejected submission or a failed check, 2 bad input,
3 inconclusive or flagged for review, 129 after SIGHUP, 130 after Ctrl-C, 143 after SIGTERM.

| Environment variable | Content |
|---|---|
| `REWARDBENCH_CACHE` | file or bucket of the score cache; default: in the cache folder of the user |
| `REWARDBENCH_JOIN_SECONDS` | seconds that ranks wait for each other when they start; default: 120 |
| `OMP_NUM_THREADS` | threads on a CPU; default: those of torch, within the quota of the container |
| `OMP_WAIT_POLICY` | how threads wait; default: `PASSIVE` |
| `HF_HOME`, `HF_TOKEN` | cache folder and token of the Hub |
| `HF_ENDPOINT`, `HF_HUB_OFFLINE` | address of the Hub, and whether it is not called |
| `OPENAI_API_KEY` | key of the server of `--base_url`; `--api_key_env` names another variable |

Completion of commands and options, here for bash; also `source_zsh`, `source_fish` and `source_powershell`:

```bash
eval "$(_REWARDBENCH_COMPLETE=source_bash rewardbench)"
```
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page."""
    command = main.build_command()
    text = "\n".join([INTRODUCTION, *command_sections(command, "rewardbench")])
    files.append(File.generated(config, PAGE, content=text))
    return files


def command_sections(command: Any, name: str) -> Iterator[str]:
    """Yield the section of a command, then those of its subcommands.

    Raises:
        PluginError: If the command or one of its options has no help.
    """
    if not command.help:
        raise PluginError(f"{name} is not documented: give its function a docstring.")
    yield f"## `{name}` {{ #{name.replace(' ', '-')} }}\n"
    yield plain(command.help) + "\n"
    usage, argument_rows = [name, "[OPTIONS]"], []
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            usage.append(parameter.name.upper())
            argument_rows.append(row(parameter, f"`{parameter.name.upper()}`", name))
        elif parameter.name != "help":
            panel = getattr(parameter, "rich_help_panel", None) or "Options"
            panels.setdefault(panel, []).append(row(parameter, f"`{parameter.opts[0]}`", name))
    yield f"```text\n{' '.join(usage)}\n```\n"
    if argument_rows:
        yield table("Argument", argument_rows)
    for panel, option_rows in panels.items():
        yield f"**{panel}**\n"
        yield table("Option", option_rows)
    for child_name, child in children(command).items():
        yield from command_sections(child, f"{name} {child_name}")


def children(command: Any) -> dict[str, Any]:
    """Return the subcommands of a group by name, also of one that makes them when they are named."""
    if not hasattr(command, "list_commands"):
        return {}
    context = command.context_class(command)
    return {name: command.get_command(context, name) for name in command.list_commands(context)}


def row(parameter: Any, label: str, command_name: str) -> str:
    """Format a parameter as a row of a table."""
    text = getattr(parameter, "help", None)
    if not text:
        raise PluginError(f"{label} of {command_name} is not documented: give it a help text.")
    kind = "switch" if getattr(parameter, "is_flag", False) else values(parameter.type_descriptor.annotation)
    if getattr(parameter, "multiple", False):
        kind += ", repeatable"
    has_default = parameter.default not in (None, False, "", ()) and not parameter.required
    note = "required" if parameter.required else (f"`{parameter.default}`" if has_default else "")
    return f"| {label} | {kind} | {note} | {plain(text).replace('|', chr(92) + '|')} |"


def values(annotation: Any) -> str:
    """Return the values a parameter takes: its choices, or the name of its type."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    return NAMES.get(annotation, "text")


def table(header: str, rows: list[str]) -> str:
    """Join rows to a table."""
    return "\n".join([f"| {header} | Value | Default | Meaning |", "|---|---|---|---|", *rows, ""])


def plain(text: str) -> str:
    """Return help text without terminal markup."""
    return re.sub(r"\[/?bold\]", "`", text.strip())
