"""Write YAML that reads back equal: texts of several lines as blocks where YAML can."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

SEPARATORS = re.compile(r"[\r\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 that only quotes with escapes preserve."""


def dump_yaml(*documents: object) -> str:
    """Return documents as YAML."""
    import yaml

    text: str = yaml.dump_all(
        documents, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=1_000_000, explicit_start=True
    )
    return text


@cache
def _dumper() -> type[yaml.SafeDumper]:
    """Return a dumper that writes texts of several lines as blocks; pyyaml is imported here, for a fast --help."""
    import yaml

    dumper: type[yaml.SafeDumper] = type("BlockDumper", (yaml.SafeDumper,), {})
    dumper.add_representer(str, _represent_text)
    return dumper


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if SEPARATORS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
