"""Watch the folder of a training run, and score each checkpoint once, as soon as its files are whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rewardbench.errors import InputError
from rewardbench.models.tensor_file import SAFE, SafetensorsFile
from rewardbench.models.weight_files import has_pickles, safetensors_files
from rewardbench.paths import home_path
from rewardbench.sweep.plan import PlanLists, build_plan, step_of
from rewardbench.sweep.row_options import RowOptions
from rewardbench.sweep.run import RowOutcome, Sweep
from rewardbench.sweep.sources import file_marks

POLL = 5.0
"""Seconds between two looks at the folder."""
ADAPTER, CONFIG = "adapter_config.json", "config.json"


def is_whole(folder: Path) -> bool:
    """Return True if a checkpoint has its configuration and all its weights, each file with a header that fits it.

    An index must name files that are all there, and the header of a safetensors file says how long the file is, so
    files that are still written are recognised.
    """
    if not ((folder / CONFIG).is_file() or (folder / ADAPTER).is_file()):
        return False
    with suppress(InputError, OSError):
        files = safetensors_files(folder)
        if (folder / ADAPTER).is_file():
            files = [*files, *folder.glob(f"adapter_model*{SAFE}")]
        for path in files:
            SafetensorsFile(path)
        return bool(files) or has_pickles(folder)
    return False


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the folders of checkpoints in the folder of a training run, by their steps; names without step last."""
    folders: list[tuple[bool, int, Path]] = []
    for path in folder.iterdir():
        step = step_of(path.name)
        if path.is_dir() and not path.name.startswith((".", "tmp")):
            folders.append((step is None, step or 0, path))
    return [path for _, _, path in sorted(folders)]


def watch(
    folder: str,
    until: int | None = None,
    poll: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Path]:
    """Yield each checkpoint of a training run once, when it is whole and its files have not changed for one poll.

    Args:
        folder: folder of the training run, which may not exist yet.
        until: number of checkpoints after which to stop; None: until the caller stops.
        poll: seconds between two looks; None: `POLL`.
        sleep: waits.
    """
    root = home_path(folder)
    marks: dict[Path, list[tuple[str, int, int]]] = {}
    yielded: set[Path] = set()
    while until is None or len(yielded) < until:
        ready = _ready(root, marks, yielded)
        if ready is None:
            sleep(POLL if poll is None else poll)
            continue
        yielded.add(ready)
        yield ready


def score_checkpoints(
    sweep: Sweep, lists: PlanLists, options: RowOptions, folder: str, until: int | None = None
) -> list[RowOutcome]:
    """Score the checkpoints of a training run as they appear, until Ctrl-C or for a number of checkpoints.

    Args:
        sweep: an empty sweep.
        lists: datasets and default options of each checkpoint.
        options: options of every row, which nothing overrides.
        folder: folder of the training run.
        until: number of checkpoints.

    Returns:
        The outcomes of all rows.

    Raises:
        InputError: if the folder is a file, the lists name models, or a value is wrong.
    """
    if home_path(folder).exists() and not home_path(folder).is_dir():
        raise InputError(f"--watch {folder} is a file: name the folder in which checkpoints appear.")
    if lists.models or lists.revisions:
        raise InputError("--watch finds the checkpoints itself: leave out models and revisions.")
    build_plan(replace(lists, models=[folder]), options)  # bad options are rejected before the first checkpoint
    with suppress(KeyboardInterrupt):
        for path in watch(folder, until):
            sweep.extend(build_plan(replace(lists, models=[str(path)]), options))
            sweep.find_stored()
            sweep.run()
    return sweep.finished()


def _ready(root: Path, marks: dict[Path, list[tuple[str, int, int]]], yielded: set[Path]) -> Path | None:
    """Return the first new checkpoint that is whole and unchanged since the last look; `marks` are updated."""
    ready: Path | None = None
    with suppress(OSError):  # the folder does not exist yet, or a checkpoint is deleted meanwhile
        for path in checkpoints_in(root):
            if path in yielded:
                continue
            files = file_marks(path)
            is_stable = marks.get(path) == files
            marks[path] = files
            if ready is None and is_stable and is_whole(path):
                ready = path
    return ready
