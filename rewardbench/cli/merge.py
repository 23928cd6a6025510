"""Define `rewardbench merge SHARDS...`: parse arguments and print; nothing is computed here."""

from __future__ import annotations

from typing import Annotated

import typer

from rewardbench.cli.evaluate import draw_fresh
from rewardbench.cli.options import DATA, OUTPUT, JsonOption, NameOption, TextOption, flag
from rewardbench.console.logging import quieten
from rewardbench.console.terminal import echo, echo_json, make_console


def merge_command(
    shards: Annotated[list[str], typer.Argument(help="Shard files (.shard), and folders that contain them")],
    output_dir: Annotated[
        str, flag(OUTPUT, "output_dir", "Folder or bucket to which results are written")
    ] = "results/",
    name: NameOption = None,
    dataset: Annotated[
        TextOption, flag(DATA, "dataset", "Path of the data here; default: the path from which it was scored")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Merge the shards of runs (`rewardbench --shard`) into the results that one process would write.

    The data is read again, and no model is loaded. A missing, doubled, damaged or foreign shard is an error.
    """
    quieten(loads_weights=False)

    from rewardbench.evaluation import merge_shards
    from rewardbench.results.report import print_result, to_json

    values: list[dict[str, object]] = []
    for result, path in merge_shards(shards, output_dir, dataset, draw_fresh, name=name):
        values.append({**to_json(result), "results": path})
        if not as_json:
            print_result(result, make_console())
            echo(f"shards={len(result.manifest['shards'])}")
            echo(f"results={path}")
    if as_json:
        echo_json(values[0] if len(values) == 1 else {"results": values})
