"""Parse YAML that users write: a key may occur once, and text that only looks like a number or a date stays text."""

from __future__ import annotations

import re

import yaml

NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
"""Whole numbers; YAML 1.1 also reads 0100 (octal), 1_000 and 1:30 (base 60) as such."""


class YamlError(ValueError):
    """Why a text is no YAML, in one line.

    Args:
        problem: what is wrong.
        line: number of the line, from 1; None if it is not known.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.problem, self.line = problem, line


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Compose a mapping, and check that no key occurs twice."""
        node = super().compose_mapping_node(anchor)
        keys: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if isinstance(key, str) and key != "<<" and key in keys:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} occurs twice", node.start_mark)
            keys.add(str(key))
        return node

    def construct_number(self, node: yaml.ScalarNode) -> int | str:
        """Construct a whole number, or the text as it is written."""
        text = str(self.construct_scalar(node))
        return int(text) if NUMBER.fullmatch(text) else text


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


def parse_yaml(text: str) -> object:
    """Parse a YAML document.

    Raises:
        YamlError: if it is no YAML, or a key occurs twice.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise YamlError(problem, mark.line + 1 if mark else None) from error
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:  # of values with a wrong tag
        raise YamlError("a value has another form than its tag says, or lists are nested too deeply") from error
