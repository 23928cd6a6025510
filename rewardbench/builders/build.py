"""Run a builder in one or many processes, resumable; the same seed gives the same bytes.

A mirror depends only on builder, seed and index, so neither the number of workers nor an interruption changes the
output. Finished mirrors are kept in a journal beside the output file until all are finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from rewardbench.builders.draw import RUNGS, Resample, Rng, Template
from rewardbench.builders.journal import Journal, source_hash
from rewardbench.builders.mirrors import TEMPLATE_KEY, Mirror, to_lines
from rewardbench.builders.registry import BUILDERS, find_builder
from rewardbench.builders.squares import Square
from rewardbench.paths import write_whole
from rewardbench.processes import map_in_workers

T = TypeVar("T")
Tick = Callable[[], None]
"""Called once for each finished mirror or check, to show progress."""

ATTEMPTS = 200
"""Random keys that a template may reject before this counts as an error in it."""


def draw_mirror(name: str, seed: int, index: int) -> Mirror:
    """Return one mirror of a builder.

    Its templates take turns, in an order shuffled by the seed; if they have a size, the rungs take turns.

    Args:
        name: the builder.
        seed: the seed of the build.
        index: position of the mirror in the build, from 0.
    """
    builder = BUILDERS[name]
    source: dict[str, object] = {"builder": name, TEMPLATE_KEY: name, "seed": seed, "index": index}
    if builder.is_sized:
        rung = builder.rungs[index % len(builder.rungs)]
        source["rung"] = rung
        template: Template = partial(builder.module.draw, rung=rung)
    else:
        template = _template_at(builder.module.TEMPLATES, name, seed, index)
        source[TEMPLATE_KEY] = template.__name__
    rng, content = _draw(template, f"{name}/{seed}/{index}")
    mirror = Mirror(
        subset=builder.subset,
        edit=content.edit,
        a=content.a,
        b=content.b,
        x=content.x,
        y=content.y,
        check=content.check,
        source=source,
        tools=content.tools,
    )
    return mirror.swapped() if rng.chance() else mirror


def draw_square(name: str, seed: int, index: int) -> Square:
    """Return one square of a builder; the rungs take turns. Arguments are those of `draw_mirror`."""
    builder, rung = BUILDERS[name], RUNGS[index % len(RUNGS)]
    _, content = _draw(partial(builder.module.draw_square, rung=rung), f"{name}/square/{seed}/{index}")
    return Square(
        subset=f"{builder.subset}-squares",
        edit=content.edit,
        prompts=content.prompts,
        responses=content.responses,
        check=content.check,
        source={"builder": name, TEMPLATE_KEY: name, "seed": seed, "index": index, "rung": rung},
    )


def _draw(template: Callable[[Rng], T], key: str) -> tuple[Rng, T]:
    """Call a template until it accepts its random choices; return its content and the Rng after it."""
    for attempt in range(ATTEMPTS):
        rng = Rng(f"{key}/{attempt}")
        with suppress(Resample):
            return rng, template(rng)
    raise RuntimeError(f"template {key} accepted no choices in {ATTEMPTS} attempts")


def _template_at(templates: Sequence[Template], name: str, seed: int, index: int) -> Template:
    order = Rng(f"{name}/{seed}").sample(templates, len(templates))
    return order[index % len(order)]


def build_mirrors(
    name: str, seed: int, count: int, output: Path, workers: int = 1, tick: Tick = lambda: None, **options: object
) -> list[Mirror]:
    """Generate mirrors with any builder, and write them to a file.

    Args:
        name: the builder.
        seed: the seed of the build.
        count: number of mirrors.
        output: file to write, one JSON object per line.
        workers: number of processes.
        tick: called for each finished mirror.
        **options: for a builder with a `build` function of its own.

    Raises:
        InputError: if there is no such builder, or `output` cannot be written.
    """
    custom_build = getattr(find_builder(name).module, "build", None)
    if custom_build is None:
        return build_from_templates(name, seed, count, output, workers, tick)
    return list(custom_build(seed=seed, count=count, output=output, workers=workers, tick=tick, **options))


def build_from_templates(
    name: str, seed: int, count: int, output: Path, workers: int = 1, tick: Tick = lambda: None
) -> list[Mirror]:
    """Generate mirrors from the templates of a builder; resume if an earlier call was interrupted.

    Arguments and errors are those of `build_mirrors`.
    """
    build_key = {"builder": name, "seed": seed, "recipe": source_hash()}
    journal = Journal(output.with_name(f"{output.name}.part"), build_key)
    by_index = journal.read()
    missing = [index for index in range(count) if index not in by_index]
    for _ in range(count - len(missing)):
        tick()
    for index, mirror in zip(missing, _draw_all(name, seed, missing, workers), strict=True):
        by_index[index] = mirror
        journal.add(index, mirror)
        tick()
    mirrors = [by_index[index] for index in range(count)]
    write_whole(output, to_lines(mirrors))
    journal.path.unlink(missing_ok=True)
    return mirrors


def _draw_all(name: str, seed: int, indices: Sequence[int], workers: int) -> Iterator[Mirror]:
    draw = partial(draw_mirror, name, seed)
    if workers < 2 or len(indices) < 2:
        return map(draw, indices)
    return map_in_workers(draw, indices, workers)
