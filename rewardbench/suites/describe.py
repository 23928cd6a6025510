"""Describe the available suites, and the content of the embedded ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from rewardbench.console.terminal import make_console
from rewardbench.paths import data_dir
from rewardbench.suites import SUITES, load_suite
from rewardbench.suites.rows import full_hash
from rewardbench.types import Item, Suite


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


class SuiteFigures(TypedDict):
    """Structure of an embedded suite."""

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


class BuiltSuite(TypedDict):
    """A suite that is built at first use, with its version and the hash of the built files."""

    name: str
    version: str
    sha256: str


class Catalogue(TypedDict):
    """The embedded suites by name, those built at first use, and those on the Hub."""

    embedded: dict[str, SuiteFigures]
    built: list[BuiltSuite]
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
    """Collect the structure, counts, version and sha256 of embedded suites, and the name and commit of the others."""
    embedded: dict[str, SuiteFigures] = {}
    built: list[BuiltSuite] = []
    for spec in SUITES.values():
        if spec.embedded:
            embedded[spec.name] = _describe_embedded(load_suite(spec.name))
        elif spec.build:
            built.append(
                {"name": spec.name, "version": _pin(spec.name, "VERSION"), "sha256": _pin(spec.name, "SHA256")}
            )
    return {"embedded": embedded, "built": built, "suites": _list_hub_suites()}


def _pin(name: str, file: str) -> str:
    return (data_dir() / name / file).read_text(encoding="utf-8").strip()


def _describe_embedded(suite: Suite) -> SuiteFigures:
    sections: dict[str, _Tally] = {}
    subsets: dict[str, dict[str, _Tally]] = {}
    mirrors: set[str] = set()
    for item in suite.items:
        rule = suite.rules[item.subset]
        sections.setdefault(rule.section, _Tally()).add(item)
        subsets.setdefault(rule.section, {}).setdefault(item.subset, _Tally()).add(item)
        if rule.credit == "strict" and len(item.completions) == 2:
            mirrors.add(item.group)
    return {
        "version": suite.revision.partition("+")[0],
        "revision": suite.revision,
        "sha256": full_hash(suite.items),
        "items": len(suite.items),
        "mirrors": len(mirrors),
        "sections": {name: _count_section(tally, subsets[name]) for name, tally in sections.items()},
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
    """Print a table of the embedded suites, then a line of `key=value` for each suite."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for header in ("groups", "items", "built"):
        table.add_column(header, justify="right")
    for name, figures in catalogue["embedded"].items():
        table.add_section()
        table.add_row(Text(f"{name} {figures['version']}", style="bold"), "", str(figures["items"]), "")
        for section, counts in figures["sections"].items():
            table.add_row(Text(f"  {section}", style="bold"), str(counts["groups"]), str(counts["items"]), "")
            for subset, inner in counts["subsets"].items():
                table.add_row(f"    {subset}", str(inner["groups"]), str(inner["items"]), str(inner["built"]))
    console.print(table)
    for name, figures in catalogue["embedded"].items():
        facts = f"version={figures['version']} revision={figures['revision']} sha256={figures['sha256']}"
        counts_text = f"items={figures['items']} mirrors={figures['mirrors']}"
        console.print(Text(f"suite={name} {facts} {counts_text}"), soft_wrap=True)
    for built in catalogue["built"]:
        facts = f"version={built['version']} sha256={built['sha256']}"
        console.print(Text(f"suite={built['name']} {facts} built=at_first_use"), soft_wrap=True)
    for suite in catalogue["suites"]:
        console.print(Text(f"suite={suite['name']} hub={suite['hub']} revision={suite['revision']}"), soft_wrap=True)
