"""The words that users and readers meet: the field's terms, and none of the private expressions listed here.

Checked are the help of every command, messages, docstrings, comments and names of the package and of scripts/, the
templates of the leaderboard, and every page of the repository. Each expression has an example that must be noticed.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from repository import ROOT

from rewardbench.cli.main import app

WORDS = {
    r"in company|moved by company|(?<!a )(?<!the )\bcompany (moves|changes|of)\b": "batching",
    r"\b(?:scored?|scores|runs?) (?:alone|by itself)\b|alone in (?:a|its|the) batch": "unbatched",
    r"(?:row|rows) without padding|in one row\b": "packed, one sequence without padding",
    r"number formats?\b": "dtype",
    r"\banew\b": "again, resampled, rebuilt",
    r"counted again|computed again": "recomputed",
    r"\bstranger(?:s|'s|s')?\b|what comes in\b": "untrusted file, submission",
    r"\b(?:in|with|gets|is) one sentence\b(?! each)": "a one-line error",
    r"\bearn(?:s|ed|ing)?\b": "has credit, gets credit",
    r"\bspeaks? (?:by|of|for)\b": "contributes; describes",
    r"\bincumbents?\b": "rewardbench 0.1, the published package",
    r"\bmoulds?\b": "template",
    r"\bhinges?\b": "edit, differing detail",
    r"\btold\b|\btell(?:s|ing)? (?:\w+ )?apart\b": "printed, rendered, distinguished",
    r"\bexchanged\b|\bexchanges? (?:names|numbers|places|sides|the two|them)\b": "swap",
    r"\bheard\b|\b(?:is|are|was|were) said\b|\bsaid (?:of|before|beside)\b": "recorded, printed",
    r"\b(?:stands?|stood|standing|lies|lie) (?:in|at|beside|behind|there)\b": "is in, is next to",
    r"\bbeside (?:ours|us|the (?:score|mean|headline|others?|pair|published|four|text))\b": "with, next to",
    r"\b(?:that|which|where it) is none\b": "below 1; is not a number",
    r"\bis no (?:number|text|list|count|share|weight|name|rule|object|whole)\b": "is not a number",
    r"\b(?:at|through) (?:the|our|every|no) doors?\b|\bfront door\b": "entry point",
    r"\b(?:of|in) the house\b|\bthe house(?:'s)?\b": "package, repository",
    r"\b(?:held|holds|hold) (?:against|to) (?:it|the|a)\b|\bheld against\b": "compared with",
    r"where it can ?not be\b": "say the condition",
    r"\bgives? away\b|\bshortcuts? (?:reach|reaches|solves?|alone reach)\b": "shortcut accuracy",
    r"\bso many\b": "N, this number of",
    r"four times (?:of|in|out of) five": "80 % power",
    r"\bdraws? (?:whole )?clusters\b": "cluster bootstrap",
    r"\bof ours\b|\bone's own\b": "of the package; your own",
    r"\bwhole or not at all\b": "atomically",
    r"\bis at home\b": "works",
}
"""Patterns of private expressions, with what to write instead; case does not matter."""

DOCSTRINGS = {
    r"^Within\b": "Context manager: ...",
    r"^[^.\n]*\b\w+ in, [^.\n]*\bout\b": "an imperative verb and its object",
}
"""Patterns of the beginning of docstrings, with what to write instead."""

NAMES = {
    "company": "batching, batch_effects",
    "kin": "group",
    "mould": "template",
    "moulds": "templates",
    "hinge": "edit",
    "incumbent": "published",
    "stranger": "untrusted",
    "strangers": "untrusted",
    "told": "rendered, printed",
    "anew": "again",
    "roomy": "fits_in_memory",
    "moods": "nondeterministic",
    "nouns": "types",
}
"""Words that are no part of a name of a file, class, function, parameter or variable, with what to write instead."""

PACKAGE = sorted((ROOT / "rewardbench").rglob("*.py"))
TEMPLATES = ROOT / "rewardbench" / "builders" / "templates"
"""What these modules write into prompts and responses is data, in everyday English."""
SCRIPTS = [
    path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file() and path.suffix not in (".txt", ".toml")
]
WEB = [path for suffix in ("html", "js", "css") for path in sorted((ROOT / "rewardbench").rglob(f"*.{suffix}"))]
PAGES = [
    *(ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "data" / "README.md", ROOT / "leaderboard" / "README.md"),
    *sorted((ROOT / "data" / "cards").glob("*.md")),
    *sorted((ROOT / "data" / "models").rglob("README.md")),
    *(path for suffix in ("md", "yml") for path in sorted((ROOT / ".github").rglob(f"*.{suffix}"))),
]
FOLDERS = sorted({path.relative_to(ROOT).parts[1] for path in PACKAGE})
"""The packages and modules directly below the package."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def matches(text: str, patterns: dict[str, str]) -> Iterator[str]:
    """Yield each private expression of a text with what to write instead; line breaks count as spaces."""
    flat = " ".join(text.split())
    for pattern, replacement in patterns.items():
        for match in re.finditer(pattern, flat, re.IGNORECASE):
            context = flat[max(0, match.start() - 30) : match.end() + 30]
            yield f"{match[0]!r} in {context!r}: write {replacement}"


def is_python(path: Path) -> bool:
    return path.suffix == ".py" or path.read_text(encoding="utf-8").startswith("#!/usr/bin/env python")


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def docstrings(tree: ast.AST) -> dict[int, str]:
    """Return the docstrings of a module by their line, with the strings that document an attribute."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    strings = {}
    for node in ast.walk(tree):
        if isinstance(node, documented):
            for statement in node.body:
                if isinstance(statement, ast.Expr) and is_text(statement.value):
                    strings[statement.value.lineno] = statement.value.value
    return strings


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield each block of comments as one text, so that an expression may cross a line break."""
    block, last = "", -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1 and block:
                yield last, block
                block = ""
            block, last = f"{block} {token.string.lstrip('#! ')}", token.start[0]
    if block:
        yield last, block


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the string constants with at least two words that are no docstrings, f-strings as one text."""
    inside = set()
    documentation = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            inside.update(id(part) for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif is_text(node) and id(node) not in inside and node.lineno not in documentation and " " in node.value:
            yield node.lineno, node.value


def named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names that a module defines: classes, functions, parameters, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def words_of(identifier: str) -> set[str]:
    """Return the words of a name in snake_case or CamelCase, in lower case."""
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", identifier).lower().split())


def private_names(path: str, tree: ast.AST) -> Iterator[str]:
    for line, identifier in [(1, Path(path).stem), *named(tree)]:
        for word in words_of(identifier) & set(NAMES):
            yield f"{path}:{line}: {identifier}: write {NAMES[word]}"


def private_words(path: str, source: str, is_data: bool = False) -> Iterator[str]:
    """Yield what a Python file says in private expressions, with its line.

    Of a module of templates, neither its strings nor the quotations in its docstrings are read.
    """
    tree = ast.parse(source)
    texts = []
    for line, text in (*docstrings(tree).items(), *comments(source)):
        texts.append((line, prose(re.sub(r'"[^"]*"', "x", text) if is_data else text)))
    if not is_data:
        texts += messages(tree)
    for line, text in sorted(texts):
        for match in matches(text, WORDS):
            yield f"{path}:{line}: {match}"
    for line, text in docstrings(tree).items():
        for match in matches(text, DOCSTRINGS):
            yield f"{path}:{line}: {match}"
    yield from private_names(path, tree)


def prose(page: str) -> str:
    """Return a page without inline code, which may name an option or a stored field."""
    return re.sub(r"(?<!`)`[^`\n]+`(?!`)", "`x`", page)


def command_helps(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the help of a command, of its options and of its subcommands."""
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    for child_name, child in getattr(command, "commands", {}).items():
        yield from command_helps(child, f"{path} {child_name}")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_package_uses_the_words_of_the_field(folder):
    paths = [path for path in PACKAGE if path.relative_to(ROOT).parts[1] == folder]
    breaches = []
    for path in paths:
        breaches += private_words(name(path), path.read_text(encoding="utf-8"), path.is_relative_to(TEMPLATES))
    assert not breaches, "\n".join(breaches)


def test_the_help_uses_the_words_of_the_field():
    command = typer.main.get_command(app)
    helps = list(command_helps(command, "rewardbench"))
    assert len(helps) > 100
    assert [f"{path}: {match}" for path, text in helps for match in matches(text, WORDS)] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_script_uses_the_words_of_the_field(path):
    source = path.read_text(encoding="utf-8")
    breaches = list(private_words(name(path), source, True) if is_python(path) else matches(source, WORDS))
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("path", [*PAGES, *WEB], ids=name)
def test_a_page_uses_the_words_of_the_field(path):
    breaches = list(matches(prose(path.read_text(encoding="utf-8")), WORDS))
    assert not breaches, "\n".join(breaches)


PRIVATE = (
    *("scores move in company", "Company moves the scores", "it is scored alone", "a row without padding"),
    *("the number format of the weights", "clusters are drawn anew", "every figure is counted again"),
    *("a stranger's file", "refused in one sentence", "it earns nothing", "a cluster speaks by its difference"),
    *("faster than the incumbent", "of one mould", "its hinge", "what the user is told", "nothing tells them apart"),
    *("the labels are exchanged", "a value which is no number"),
    *("as is said before", "what stands in the file", "printed beside the score", "a count that is none"),
    *("checked at the door", "rules of the house", "held against the baseline", "a name where it cannot be"),
    *("what a prompt gives away", "every so many steps", "that so many items find four times of five"),
    *("no process of ours", "written whole or not at all", "draws clusters", "where a debugger is at home"),
)
PROPER = (
    *("tree attention of a whole number of rows", "the file beside this one", "two user turns in a row"),
    *("the given name", "a company that sells tools", "the learned weights", "add one row per item"),
    *("a model that refuses harmful requests", "tell the user", "it stands for Python", "one sentence each"),
)


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_expression_is_noticed(text):
    assert len(list(matches(text, WORDS))) >= 1
    (place,) = {breach.split(": ")[0] for breach in private_words("a.py", f'"""Return x: {text}."""')}
    assert place == "a.py:1"
    assert list(private_words("a.py", f"# {text}")) != []
    assert list(private_words("a.py", f'print(f"{{1}} {text}")')) != []


@pytest.mark.parametrize("text", PROPER)
def test_the_proper_sense_of_a_word_passes(text):
    assert list(matches(text, WORDS)) == []


def test_every_pattern_has_an_example():
    unused = [pattern for pattern in WORDS if not any(re.search(pattern, text, re.IGNORECASE) for text in PRIVATE)]
    assert unused == []


@pytest.mark.parametrize(
    ("source", "breach"),
    [
        ('def f():\n    """Within, the files are open."""', "Context manager"),
        ('def f():\n    """Scores in, a table out."""', "an imperative verb"),
        ("class Mould: ...", "Mould: write template"),
        ("def moved_by_company(): ...", "moved_by_company: write batching"),
        ("self.hinge = 1", "hinge: write edit"),
        ("# a number\n# format", "write dtype"),
    ],
)
def test_a_docstring_a_name_and_a_broken_line_are_noticed(source, breach):
    (message,) = private_words("a.py", source)
    assert breach in message


def test_data_and_inline_code_are_left_alone():
    assert list(private_words("a.py", '"""Say "it earns 3"."""\nx = "the company earns so many"', is_data=True)) == []
    assert list(private_words("a.py", 'row["mould"]')) == []
    assert list(matches(prose("the field `hinge` and `told`"), WORDS)) == []
