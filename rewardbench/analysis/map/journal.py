"""Journal of a map: every evaluated text on disk, so that an interrupted run continues with the same output."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path

from rewardbench.analysis.map.domains import MapCell
from rewardbench.analysis.map.generators import GeneratedText
from rewardbench.analysis.map.grammar import Genome
from rewardbench.errors import InputError
from rewardbench.paths import write_whole
from rewardbench.verifiers import rhymes, syllables

FILE_NAME = "journal.jsonl"
DECIDING = ("cells", "domains", "endpoint", "fitness", "generators", "grammar", "prosody", "rewards", "search")
"""Modules of this package that decide texts, cells and rewards."""
SOUNDS = (Path(rhymes.__file__), rhymes.TABLE, Path(syllables.__file__), syllables.TABLE)
"""Files that decide syllables and rhymes."""


@dataclass(frozen=True)
class EvaluatedText:
    """A generated text with its cell and its reward.

    Attributes:
        iteration: number of the text in its search, from 0.
        draft: the text, and its genome.
        cell: None if the classifier does not know it.
        reward: None if the text is empty or cannot be scored.
        parent: iteration of the text that was changed; None for a new text.
        target: the cell that was asked for; None if the generator chose.
    """

    iteration: int
    draft: GeneratedText
    cell: MapCell | None
    reward: float | None
    parent: int | None = None
    target: MapCell | None = None

    def to_json(self) -> dict[str, object]:
        """Return the evaluation as JSON values."""
        genome = self.draft.genome
        return {
            "iteration": self.iteration,
            "text": self.draft.text,
            "cell": self.cell,
            "reward": self.reward,
            "parent": self.parent,
            "target": self.target,
            "genome": genome.to_json() if genome else None,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> EvaluatedText:
        """Read what `to_json` returned.

        Raises:
            ValueError: if the values are of another form; so do KeyError and TypeError.
        """
        text, reward, parent = values["text"], values["reward"], values["parent"]
        if not isinstance(text, str):
            raise TypeError("text is not a string")
        if reward is not None and not (isinstance(reward, float | int) and isfinite(reward)):
            raise TypeError("reward is not a finite number")
        genome = values["genome"]
        return cls(
            iteration=int(str(values["iteration"])),
            draft=GeneratedText(text, Genome.from_json(genome) if genome is not None else None),
            cell=_read_cell(values["cell"]),
            reward=None if reward is None else float(reward),
            parent=None if parent is None else int(str(parent)),
            target=_read_cell(values["target"]),
        )


def _read_cell(value: object) -> MapCell | None:
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError("not a cell")
    return str(value[0]), str(value[1])


class MapJournal:
    """A file with a header that identifies the run, then a line for each evaluated text.

    Args:
        path: the file; None keeps nothing.
        key: what the texts depend on. A file with another key is rejected, since the run may have cost hours.

    Raises:
        InputError: if the file belongs to another run or cannot be read or written.
    """

    def __init__(self, path: Path | None, key: Mapping[str, object]) -> None:
        self._path = path
        self._steps: dict[str, list[EvaluatedText]] = {}
        if path is None:
            return
        header = json.dumps(key, sort_keys=True, ensure_ascii=False)
        entries = self._read(path, header) if path.exists() else []
        content = [header]
        for search, evaluations in entries:
            for evaluation in evaluations:
                self._steps.setdefault(search, []).append(evaluation)
            content.append(_format_step(search, evaluations))
        write_whole(path, "\n".join(content) + "\n")

    def _read(self, path: Path, header: str) -> list[tuple[str, list[EvaluatedText]]]:
        """Read the finished steps; those from the first damaged line on are ignored.

        Raises:
            InputError: if the file belongs to another run, or cannot be read.
        """
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        if lines[0] != header:
            raise InputError(f"{path} belongs to a run with other settings: pass another --run_dir, or delete it.")
        entries: list[tuple[str, list[EvaluatedText]]] = []
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                entries.append((str(entry["search"]), list(map(EvaluatedText.from_json, entry["evaluations"]))))
            except (ValueError, KeyError, TypeError):
                break
        return entries

    def lookup(self, search: str, start: int, count: int) -> list[EvaluatedText] | None:
        """Return the evaluations of a finished step of a search; None if it is not finished."""
        step = self._steps.get(search, [])[start : start + count]
        return step if len(step) == count else None

    def add(self, search: str, evaluations: Sequence[EvaluatedText]) -> None:
        """Append a finished step; it is in the file when this returns."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_format_step(search, evaluations) + "\n")


def _format_step(search: str, evaluations: Sequence[EvaluatedText]) -> str:
    rows = [evaluation.to_json() for evaluation in evaluations]
    return json.dumps({"search": search, "evaluations": rows})


class _WithoutTexts(ast.NodeTransformer):
    """Remove docstrings and imports from parsed code."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:  # the name that ast calls
        """Remove a docstring."""
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Import(self, node: ast.Import) -> None:
        """Remove an import."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Remove an import."""


@cache
def source_hash() -> str:
    """Return a hash of the code and tables that decide texts, cells and rewards, without comments and docstrings.

    A run is never continued by other code than began it.
    """
    digest = hashlib.sha256()
    for path in (*(Path(__file__).with_name(f"{name}.py") for name in DECIDING), *SOUNDS):
        content = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            content = ast.unparse(_WithoutTexts().visit(ast.parse(content)))
        digest.update(f"{path.name} {content}".encode())
    return digest.hexdigest()[:12]
