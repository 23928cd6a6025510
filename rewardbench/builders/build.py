"""Runs a builder: mirror by mirror, in many processes, resumable; the same seed gives the same bytes.

A mirror depends on nothing but builder, seed and index, so neither the number of workers nor an interruption can
change what comes out. Finished mirrors wait in a journal beside the output, which is renamed into place when whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from rewardbench.builders import BUILDERS, Builder
from rewardbench.builders.draw import Resample, Rng, Template
from rewardbench.builders.mirrors import Mirror, from_json, to_json, to_lines
from rewardbench.errors import InputError
from rewardbench.paths import write_whole
from rewardbench.processes import map_in_workers

Tick = Callable[[], None]
ATTEMPTS = 200


def draw_mirror(name: str, seed: int, index: int) -> Mirror:
    """The mirror of a builder at an index: its templates take turns, in an order that the seed shuffles."""
    builder = BUILDERS[name]
    template = _template_at(builder.module.TEMPLATES, name, seed, index)
    for attempt in range(ATTEMPTS):
        draw = Rng(f"{name}/{seed}/{index}/{attempt}")
        try:
            drawn = template(draw)
        except Resample:
            continue
        source = {"builder": name, "mould": template.__name__, "seed": seed, "index": index}
        mirror = Mirror(builder.subset, drawn.edit, drawn.a, drawn.b, drawn.x, drawn.y, drawn.check, source)
        return mirror.swapped() if draw.chance() else mirror
    raise RuntimeError(f"the template {template.__name__} of {name} gave no mirror in {ATTEMPTS} draws")


def _template_at(templates: Sequence[Template], name: str, seed: int, index: int) -> Template:
    order = Rng(f"{name}/{seed}").sample(templates, len(templates))
    return order[index % len(order)]


def make(
    name: str, seed: int, count: int, output: Path, workers: int = 1, tick: Tick = lambda: None, **options: Any
) -> list[Mirror]:
    """The mirrors of any builder: its own `build` if it has one (it takes the options), else draws."""
    own = getattr(_find(name).module, "build", None)
    if own:
        return list(own(seed=seed, count=count, output=output, workers=workers, tick=tick, **options))
    return build(name, seed, count, output, workers, tick)


def _find(name: str) -> Builder:
    if name not in BUILDERS:
        raise InputError(f"There is no builder {name!r}: it must be one of {', '.join(BUILDERS)}.")
    return BUILDERS[name]


def build(name: str, seed: int, count: int, output: Path, workers: int = 1, tick: Tick = lambda: None) -> list[Mirror]:
    """Make `count` mirrors and write them to `output`, one JSON object a line; `tick` is called for each.

    What an interrupted call has made is taken up by the next one. Raises: InputError where the output
    cannot be written.
    """
    journal = Journal(output.with_name(f"{output.name}.part"), {"builder": name, "seed": seed, "recipe": recipe()})
    made = journal.read()
    missing = [index for index in range(count) if index not in made]
    for _ in made.keys() & range(count):
        tick()
    for index, mirror in zip(missing, _draw_all(name, seed, missing, workers), strict=True):
        made[index] = mirror
        journal.add(index, mirror)
        tick()
    mirrors = [made[index] for index in range(count)]
    write_whole(output, to_lines(mirrors))
    journal.path.unlink(missing_ok=True)
    return mirrors


def _draw_all(name: str, seed: int, indices: Sequence[int], workers: int) -> Iterator[Mirror]:
    draw = partial(draw_mirror, name, seed)
    if workers < 2 or len(indices) < 2:
        yield from map(draw, indices)
        return
    yield from map_in_workers(draw, indices, workers)


class Journal:
    """Finished mirrors on disk, line by line behind a first line that says what is being made.

    Lines of something else, and a last line that was cut off, are not taken up.
    """

    def __init__(self, path: Path, made_of: dict[str, Any]) -> None:
        self.path = path
        self.head = json.dumps(made_of, sort_keys=True)

    def read(self) -> dict[int, Mirror]:
        """Index to mirror, of all that stands there; afterwards the file holds just that."""
        lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n") if self.path.exists() else []
        found: dict[int, Mirror] = {}
        for line in lines[1:] if lines[:1] == [self.head] else []:
            try:
                entry = json.loads(line)
                found[entry["index"]] = from_json(entry["mirror"])
            except (ValueError, KeyError, TypeError):
                break
        write_whole(self.path, self.head + "\n" + "".join(self._line(*entry) for entry in found.items()))
        return found

    def add(self, index: int, mirror: Mirror) -> None:
        """One more, on disk before this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(self._line(index, mirror))

    @staticmethod
    def _line(index: int, mirror: Mirror) -> str:
        return json.dumps({"index": index, "mirror": json.loads(to_json(mirror))}, ensure_ascii=False) + "\n"


@cache
def recipe() -> str:
    """A hash of everything in this room: what a changed builder began is never finished by another."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in (".py", ".toml", ".jsonl"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
