"""Journal of a build: finished mirrors on disk, so that an interrupted build resumes where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rewardbench.builders.mirrors import Mirror, from_json, to_json
from rewardbench.paths import write_whole


class Journal:
    """A file with a header that identifies the build, then one finished mirror per line with its index."""

    def __init__(self, path: Path, build_key: Mapping[str, object]) -> None:
        """Create the journal of one build; the file is created by `read`.

        Args:
            path: the file.
            build_key: what the mirrors depend on; a file with another key is ignored.
        """
        self.path = path
        self.header = json.dumps(build_key, sort_keys=True)

    def read(self) -> dict[int, Mirror]:
        """Return the finished mirrors by index, and rewrite the file with only these.

        A file of another build is ignored, and so is everything from the first damaged line on.
        """
        lines: list[str] = []
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        mirrors: dict[int, Mirror] = {}
        if lines and lines[0] == self.header:
            mirrors = _parse_lines(lines[1:])
        content = self.header + "\n"
        for index, mirror in mirrors.items():
            content += _format_line(index, mirror)
        write_whole(self.path, content)
        return mirrors

    def add(self, index: int, mirror: Mirror) -> None:
        """Append a finished mirror; it is in the file when this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_format_line(index, mirror))


def _parse_lines(lines: list[str]) -> dict[int, Mirror]:
    mirrors: dict[int, Mirror] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            mirrors[entry["index"]] = from_json(entry["mirror"])
        except (ValueError, KeyError, TypeError):
            break
    return mirrors


def _format_line(index: int, mirror: Mirror) -> str:
    return json.dumps({"index": index, "mirror": json.loads(to_json(mirror))}, ensure_ascii=False) + "\n"


@cache
def source_hash() -> str:
    """Return a hash of all files of this package: a build is never resumed by other code than began it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in (".py", ".toml", ".jsonl"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
