"""Describe the available suites, and the content of the embedded one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from rewardbench.console.terminal import make_console
from rewardbench.suites import SUITES, load_suite
from rewardbench.suites.rows import full_hash
from rewardbench.types import Item


class SubsetCounts(TypedDict):
    """Counts of a subset: items, groups, and items made by a program."""

    items: int
    groups: int
    built: int


class SectionCounts(TypedDict):
    """Counts of a section and of its subsets."""

    items: int
    groups: int
    subsets: dict[str, SubsetCounts]


class CoreFigures(TypedDict):
    """Structure of the embedded suite."""

    version: str
    revision: str
    sha256: str
    items: int
    mirrors: int
    sections: dict[str, SectionCounts]


class HubSuite(TypedDict):
    """A suite on the Hub, and its pinned commit."""

    name: str
    hub: str
    revision: str | None


class Catalogue(TypedDict):
    """The embedded suite and the other ones."""

    core: CoreFigures
    suites: list[HubSuite]


@dataclass
class _Tally:
    """Counts of a section or a subset while its items are read."""

    items: int = 0
    built: int = 0
    groups: set[str] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """Count an item."""
        self.items += 1
        self.built += item.meta.get("origin") == "built"
        self.groups.add(item.group)


def describe() -> Catalogue:
    """Collect the structure, counts, version and sha256 of core, and the name and commit of the other suites."""
    core = load_suite("core")
    sections: dict[str, _Tally] = {}
    subsets: dict[str, dict[str, _Tally]] = {}
    mirrors: set[str] = set()
    for item in core.items:
        rule = core.rules[item.subset]
        sections.setdefault(rule.section, _Tally()).add(item)
        subsets.setdefault(rule.section, {}).setdefault(item.subset, _Tally()).add(item)
        if rule.credit == "strict":
            mirrors.add(item.group)
    return {
        "core": {
            "version": core.revision.partition("+")[0],
            "revision": core.revision,
            "sha256": full_hash(core.items),
            "items": len(core.items),
            "mirrors": len(mirrors),
            "sections": {name: _count_section(tally, subsets[name]) for name, tally in sections.items()},
        },
        "suites": _list_hub_suites(),
    }


def _count_section(section: _Tally, subsets: dict[str, _Tally]) -> SectionCounts:
    counts: dict[str, SubsetCounts] = {}
    for name, tally in subsets.items():
        counts[name] = {"items": tally.items, "groups": len(tally.groups), "built": tally.built}
    return {"items": section.items, "groups": len(section.groups), "subsets": counts}


def _list_hub_suites() -> list[HubSuite]:
    suites: list[HubSuite] = []
    for spec in SUITES.values():
        if spec.hub:
            suites.append({"name": spec.name, "hub": spec.hub, "revision": spec.revision})
    return suites


def print_catalogue(catalogue: Catalogue) -> None:
    """Print a table of core, then `key=value` lines, and the published suites."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    core, console = catalogue["core"], make_console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("core", overflow="fold")
    for header in ("groups", "items", "built"):
        table.add_column(header, justify="right")
    for section, counts in core["sections"].items():
        table.add_row(Text(section, style="bold"), str(counts["groups"]), str(counts["items"]), "")
        for subset, inner in counts["subsets"].items():
            table.add_row(f"  {subset}", str(inner["groups"]), str(inner["items"]), str(inner["built"]))
    console.print(table)
    for name in ("version", "revision", "sha256", "items", "mirrors"):
        console.print(Text(f"{name}={core[name]}"), soft_wrap=True)
    for suite in catalogue["suites"]:
        console.print(Text(f"suite={suite['name']} hub={suite['hub']} revision={suite['revision']}"), soft_wrap=True)
