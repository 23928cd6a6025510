"""Fill the tables of the page on the result format from the published JSON Schema.

A field without a description fails the build.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

PAGE = "reference/format.md"
SCHEMA = Path(__file__).parents[2] / "rewardbench" / "results" / "summary.schema.json"
SUMMARY_MARKER = "<!-- table of the summary -->"
DEFINITIONS_MARKER = "<!-- tables of the definitions -->"

Json = Mapping[str, object]


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Return the text of a page, with the tables in place of their markers."""
    if page.file.src_uri != PAGE:
        return markdown
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for marker, text in ((SUMMARY_MARKER, table(schema)), (DEFINITIONS_MARKER, definitions(schema))):
        if marker not in markdown:
            raise PluginError(f"{PAGE} lacks the marker {marker}.")
        markdown = markdown.replace(marker, text)
    return markdown


def definitions(schema: Json) -> str:
    """Return a section with a table for each object that the schema defines by name."""
    sections = []
    for name, definition in schema["$defs"].items():
        sections.append(f"## {title(name)}\n\n{definition['description']}\n\n{table(definition)}")
    return "\n\n".join(sections)


def table(definition: Json) -> str:
    """Return a table with the name, type, default and meaning of each field of an object.

    Raises:
        PluginError: If a field has no description.
    """
    lines = ["| Field | Type | Default | Meaning |", "|---|---|---|---|"]
    required = definition.get("required", [])
    for name, field in definition["properties"].items():
        meaning = field.get("description")
        if not meaning:
            raise PluginError(f"{name} of {definition['title']} has no description in {SCHEMA.name}.")
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        lines.append(f"| `{name}` | {type_name(field)} | {default} | {' '.join(meaning.split())} |")
    return "\n".join(lines)


def type_name(field: Json) -> str:
    """Return the type of a field in words; a defined object links to its table."""
    if "$ref" in field:
        name = title(str(field["$ref"]).rpartition("/")[2])
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(map(type_name, field["anyOf"]))
    if field.get("type") == "array":
        return f"list of {type_name(field['items'])}"
    values = field.get("additionalProperties")
    if isinstance(values, dict):
        return f"object of {type_name(values)}"
    return str(field.get("type", "any"))


def title(name: str) -> str:
    """Return the heading of a definition, which is the name of its class without the ending Record."""
    return name.removesuffix("Record")
