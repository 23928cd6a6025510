"""Every name that a script imports from the package exists: scripts that train models are not run by the tests."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from repository import ROOT

OTHER_ENVIRONMENT = "bench_published.py"
"""This script imports the published package of the same name."""


def python_scripts() -> Iterator[Path]:
    for path in sorted((ROOT / "scripts").iterdir()):
        is_python = path.suffix == ".py" or (path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env python"))
        if is_python and path.name != OTHER_ENVIRONMENT:
            yield path


def missing_names(source: str) -> Iterator[str]:
    """Yield the names that a module imports from rewardbench and that do not exist."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rewardbench"):
            module = importlib.import_module(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names if not hasattr(module, alias.name))


@pytest.mark.parametrize("path", python_scripts(), ids=lambda path: path.name)
def test_a_script_imports_names_that_exist(path):
    assert list(missing_names(path.read_text(encoding="utf-8"))) == []


def test_a_missing_name_is_noticed():
    assert list(missing_names("from rewardbench.types import Item, Nothing")) == ["rewardbench.types.Nothing"]
