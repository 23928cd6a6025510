"""Published prompts, read at run time from the file in which they are published, and never part of this package.

A message of such a protocol names texts of that file, as in `<<MTBENCH_V2.prompt_template>>`. Python files are parsed
for their constants and never executed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from string import Formatter

import yaml

from rewardbench.errors import InputError
from rewardbench.scorers.judge.messages import OfficialPrompts, Turn

PLACEHOLDER = re.compile(r"<<([\w.]+)>>")
MAX_BYTES = 4_000_000
MAX_TEXTS = 10_000
TEXT_SUFFIXES = {".jinja", ".jinja2", ".j2", ".txt"}
"""Files of a folder that hold one text each, whose name is that of the file."""
STRIPS = {"strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip}


def read_messages(
    official: OfficialPrompts, groups: Sequence[Sequence[Turn]], source: str | None, name: str
) -> tuple[list[tuple[Turn, ...]], str]:
    """Replace the names of published texts by the texts.

    Args:
        official: where the texts are published, and what fills their fields.
        groups: the messages for one turn, and those for several.
        source: file or folder of the user; None: look for it where Python packages are installed.
        name: of the protocol, for errors.

    Returns:
        The groups with complete templates, and a hash of them.

    Raises:
        InputError: if the file is missing or cannot be read, or has no such text.
    """
    path = _locate(official, source, name)
    texts = _read_texts(path)
    needed: set[str] = set()
    for turn in chain.from_iterable(groups):
        needed.update(PLACEHOLDER.findall(turn.content))
    if path.is_file() and path.suffix not in (".py", ".yaml", ".yml", ".json"):
        if len(needed) > 1:
            raise InputError(
                f"{path} is one text, and the judge protocol {name} needs {', '.join(sorted(needed))}: use YAML."
            )
        texts = dict.fromkeys(needed, texts[path.stem])
    converter = _TextConverter(official, texts, path, name)
    complete: list[tuple[Turn, ...]] = []
    for group in groups:
        turns = [turn.model_copy(update={"content": converter.complete(turn.content)}) for turn in group]
        complete.append(tuple(turns))
    content = json.dumps([[list(turn.model_dump().values()) for turn in turns] for turns in complete])
    return complete, hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class _TextConverter:
    """Converts published texts to Jinja templates."""

    def __init__(self, official: OfficialPrompts, texts: Mapping[str, str], path: Path, name: str) -> None:
        self.official, self.texts, self.path, self.name = official, texts, path, name

    def complete(self, template: str) -> str:
        """Return a template with every published text in place of its name."""
        return PLACEHOLDER.sub(lambda match: self._convert(match[1]), template)

    def _text(self, text_name: str) -> str:
        if text_name not in self.texts:
            raise InputError(
                f"{self.path} has no text {text_name}, which the judge protocol {self.name} shows: "
                f"{self.official.advice}"
            )
        return self.texts[text_name]

    def _convert(self, text_name: str) -> str:
        """Convert one text; `str.format` fields become expressions."""
        text = self._text(text_name)
        if self.official.style == "jinja":
            pairs = ", ".join(map(" = ".join, self.official.fields.items()))
            return f"{{% with {pairs} %}}{text.removesuffix(chr(10))}{{% endwith %}}"
        if self.official.style == "plain" or text_name in self.official.plain:
            return _escape(text)
        try:
            parts = list(Formatter().parse(text))
        except ValueError as error:
            raise InputError(f"The text {text_name} of {self.path} is not a format string: {error}.") from error
        pieces: list[str] = []
        for literal, field, _, _ in parts:
            pieces.append(_escape(literal))
            if field is not None:
                pieces.append(self._fill(field, text_name))
        return "".join(pieces)

    def _fill(self, field: str, text_name: str) -> str:
        """Return what a field shows: an expression, or another text as it is."""
        if field not in self.official.fields:
            raise InputError(
                f"The text {text_name} of {self.path} has a field {{{field}}}, which the judge protocol {self.name} "
                f"does not fill: {self.official.advice}"
            )
        value = self.official.fields[field]
        match = PLACEHOLDER.fullmatch(value)
        return _escape(self._text(match[1])) if match else f"{{{{ {value} }}}}"


def _escape(text: str) -> str:
    """Return a Jinja template that prints a text as it is.

    >>> _escape('{"a": 1}')
    '{{ "{" }}"a": 1}'
    """
    return text.replace("{", '{{ "{" }}')


def _locate(official: OfficialPrompts, source: str | None, name: str) -> Path:
    """Return the file or folder with the published texts.

    Raises:
        InputError: if there is none.
    """
    if source is None:
        folders = filter(None, sys.path) if official.path.endswith(".py") else ()
        candidates = [Path(folder, official.path) for folder in folders]
        reason = "are in none of the installed packages"
    else:
        folder = Path(source).expanduser()
        if folder.is_file():
            return folder
        candidates = list(_paths_in(folder, official.path))
        reason = f"are not in {source}"
    for path in candidates:
        if path.exists():
            return path
    raise InputError(f"The prompts of the judge protocol {name} {reason}: {official.advice}")


def _paths_in(folder: Path, path: str) -> Iterator[Path]:
    """Yield where a published file can be in a user's folder: its path, or the end of it."""
    parts = Path(path).parts
    for start in range(len(parts)):
        yield folder.joinpath(*parts[start:])
    if not Path(path).suffix and any(entry.suffix in TEXT_SUFFIXES for entry in folder.glob("*")):
        yield folder


def _read_texts(path: Path) -> dict[str, str]:
    """Read the texts of a file or a folder, by their names; those in mappings have names such as a.b.

    Raises:
        InputError: if it cannot be read.
    """
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.suffix in TEXT_SUFFIXES)
        return {file.stem: _read_file(file) for file in files}
    content = _read_file(path)
    try:
        if path.suffix == ".py":
            return _named_texts(_constants(content))
        if path.suffix in (".yaml", ".yml", ".json"):
            return _named_texts(yaml.safe_load(content))
    except (SyntaxError, ValueError, LookupError, AttributeError, RecursionError, MemoryError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"The prompts {path} cannot be read: {reason}.") from error
    return {path.stem: content}


def _read_file(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"The prompts {path} have over {MAX_BYTES:,} bytes: pass the file that holds them.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The prompts {path} cannot be read: {reason}.") from error


def _named_texts(value: object) -> dict[str, str]:
    """Return the texts of nested mappings. Raises ValueError for very many, which aliases of YAML can make."""
    texts = dict(islice(_flatten(value), MAX_TEXTS + 1))
    if len(texts) > MAX_TEXTS:
        raise ValueError(f"there are over {MAX_TEXTS:,} texts")
    return texts


def _flatten(value: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield prefix, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))


def _constants(source: str) -> dict[str, object]:
    """Return the texts, and the mappings of texts, that a Python file assigns to names at its top level."""
    constants: dict[str, object] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = _evaluate(node.value, constants)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            constants[node.target.id] = _evaluate(node.value, constants)
    return constants


def _evaluate(node: ast.expr, constants: Mapping[str, object]) -> object:
    """Evaluate an expression of literal texts and mappings without running code; return None for any other."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return constants.get(name)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _evaluate(left, constants), _evaluate(right, constants)
            if not isinstance(first, str) or not isinstance(second, str):
                return None
            if len(first) + len(second) > MAX_BYTES:
                raise ValueError(f"a text has over {MAX_BYTES:,} characters")
            return first + second
        case ast.Call(func=ast.Attribute(value=value, attr=method), args=[], keywords=[]) if method in STRIPS:
            inner = _evaluate(value, constants)
            return STRIPS[method](inner) if isinstance(inner, str) else None
        case ast.Dict(keys=keys, values=values):
            entries: dict[str, object] = {}
            for key, entry in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    entries[key.value] = _evaluate(entry, constants)
            return entries
    return None
