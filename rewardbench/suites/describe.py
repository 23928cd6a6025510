"""Describe the available suites, and the content of the embedded one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardbench.console.terminal import make_console
from rewardbench.suites import SUITES, load_suite
from rewardbench.suites.rows import full_hash


def describe() -> dict[str, Any]:
    """Collect the structure, counts, version and sha256 of core, and the name and commit of the other suites."""
    core = load_suite("core")
    sections: dict[str, dict[str, Any]] = {}
    for item in core.items:
        section = sections.setdefault(core.rules[item.subset].section, {"items": 0, "groups": set(), "subsets": {}})
        subset = section["subsets"].setdefault(item.subset, {"items": 0, "groups": set(), "built": 0})
        for part in (section, subset):
            part["items"] += 1
            part["groups"].add(item.group)
        subset["built"] += item.meta.get("origin") == "built"
    others = [{"name": spec.name, "hub": spec.hub, "revision": spec.revision} for spec in SUITES.values() if spec.hub]
    return {
        "core": {
            "version": core.revision.partition("+")[0],
            "revision": core.revision,
            "sha256": full_hash(core.items),
            "items": len(core.items),
            "mirrors": len({item.group for item in core.items if core.rules[item.subset].credit == "strict"}),
            "sections": {name: _count_groups(section) for name, section in sections.items()},
        },
        "suites": others,
    }


def _count_groups(part: Mapping[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, value in part.items():
        if name == "subsets":
            figures[name] = {subset: _count_groups(inner) for subset, inner in value.items()}
        else:
            figures[name] = len(value) if isinstance(value, set) else value
    return figures


def print_catalogue(catalogue: Mapping[str, Any]) -> None:
    """Print a table of core, then `key=value` lines, and the published suites."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    core, console = catalogue["core"], make_console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("core", overflow="fold")
    for header in ("groups", "items", "built"):
        table.add_column(header, justify="right")
    for section, figures in core["sections"].items():
        table.add_row(Text(section, style="bold"), str(figures["groups"]), str(figures["items"]), "")
        for subset, inner in figures["subsets"].items():
            table.add_row(f"  {subset}", str(inner["groups"]), str(inner["items"]), str(inner["built"]))
    console.print(table)
    for name in ("version", "revision", "sha256", "items", "mirrors"):
        console.print(Text(f"{name}={core[name]}"), soft_wrap=True)
    for suite in catalogue["suites"]:
        console.print(Text(f"suite={suite['name']} hub={suite['hub']} revision={suite['revision']}"), soft_wrap=True)
