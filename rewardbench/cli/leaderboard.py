"""Define `rewardbench leaderboard`, `submit`, `verify`, `import` and `index`: parse arguments and print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rewardbench.cli import options
from rewardbench.cli.options import (
    DATA,
    MODEL,
    OUTPUT,
    CountOption,
    JsonOption,
    ModelOptions,
    RunOptions,
    TextOption,
    flag,
)
from rewardbench.console.terminal import echo, echo_json, make_console, printable
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

    from rewardbench.leaderboard.submissions import ReviewFinding
    from rewardbench.leaderboard.types import Board, LeaderboardRow
    from rewardbench.store.base import Store

STORE = "Store"
STORE_HELP = "Folder of results, s3://bucket/prefix, or hf://datasets/org/name"
CODES = {"passed": 0, "refused": 1, "flagged": 3}


def leaderboard_command(
    store: Annotated[str, flag(STORE, "store", STORE_HELP)] = "results/",
    port: Annotated[int, flag(OUTPUT, "port", "Port to serve on", min=1, max=65535)] = 7860,
    host: Annotated[str, flag(OUTPUT, "host", "Address to serve on; 0.0.0.0 allows other machines")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        flag(OUTPUT, "allow_host", "Additional host name of the page, such as a proxy's"),
    ] = None,
    writable: Annotated[
        bool, flag(OUTPUT, "writable", "Allow visitors to add results to the folder, or pull requests by your token")
    ] = False,
) -> None:
    """Serve the leaderboard of a store as a web page."""
    _check_folder(store)
    app = _import_app()
    access = app.Access(host, tuple(allow_host or ()), writable)
    with app.open_socket(host, port) as listening:
        echo(f"leaderboard=http://{host}:{port} (Ctrl-C stops it)")
        app.run_server(store, listening, access, _reading_bar)


def _check_folder(results: str) -> None:
    """Check that a local store exists.

    Raises:
        InputError: if it does not.
    """
    if "://" not in results and not Path(results).is_dir():
        raise InputError(
            f"There is no folder {results}: score a model first (rewardbench --model tiny-rm), or name another."
        )


def _read_board(location: str, rebuild: bool = False) -> tuple[Store, Board]:
    """Open a store and read its rows, with a progress bar."""
    from rewardbench.leaderboard.refresh import refresh
    from rewardbench.store import open_store

    store = open_store(location)
    with _reading_bar() as advance:
        return store, refresh(store, advance, rebuild)


def _reading_bar() -> AbstractContextManager[Callable[[str, int], None]]:
    from rewardbench.console.progress import growing_bar

    return growing_bar(make_console(stderr=True), "reading results")


def _import_app() -> ModuleType:
    """Import the app.

    Raises:
        InputError: if Gradio is missing.
    """
    import importlib.util

    if importlib.util.find_spec("gradio") is None:
        raise InputError("The leaderboard needs Gradio. Run pip install 'rewardbench[leaderboard]'.")
    from rewardbench.leaderboard.app import serve

    serve.limit_downloads()
    return serve


def submit_command(
    result: Annotated[str, typer.Argument(help="Result file (.json)")],
    store: Annotated[str, flag(STORE, "store", STORE_HELP)],
    name: Annotated[TextOption, flag(MODEL, "name", "Name of the model in the store: org/name")] = None,
    license: Annotated[TextOption, flag(MODEL, "license", "License of the weights, such as apache-2.0")] = None,
    dry_run: Annotated[bool, flag(OUTPUT, "dry_run", "Check the result without submitting it")] = False,
    replace: Annotated[bool, flag(STORE, "replace", "Folder only: add flagged results too, and overwrite")] = False,
) -> None:
    """Check a result, show what is submitted, and submit it: as a pull request on the Hub, or to a folder.

    Scores and manifest are submitted, without prompts, responses and local paths. Exit code 3 if the result is flagged,
    as a copy or as a change of a stored result: it is then added to a folder only with --replace.
    """
    from rewardbench.leaderboard.submissions.package import describe_submission, pack_submission, pull_request_text
    from rewardbench.leaderboard.submissions.review import review_packed
    from rewardbench.store import open_store

    entry = pack_submission(result, name, license)
    for line in describe_submission(entry):
        echo(line)
    opened = open_store(store)
    findings = review_packed(entry, opened)
    verdict = _print_findings(findings)
    if verdict == "refused":
        raise InputError("Nothing was submitted. Fix the problems listed above, or score the model again.")
    if hasattr(opened, "propose"):  # maintainers review flagged pull requests
        if not dry_run:
            echo(f"pull_request={opened.propose([entry], pull_request_text(entry))}")
    elif verdict == "flagged" and not replace:
        raise typer.Exit(CODES[verdict])
    elif not dry_run:
        key = opened.add([entry])[0]
        echo(f"key={key}")
        echo(f"submitted={store.rstrip('/')}/{key}.json")


def _print_findings(findings: Sequence[ReviewFinding]) -> str:
    """Print the findings, and return the verdict."""
    from rewardbench.leaderboard.submissions import verdict_of

    for finding in findings:
        echo(f"{finding.kind}: {finding.message}")
    verdict = verdict_of(findings)
    echo(f"findings={len(findings)}")
    echo(f"verdict={verdict}")
    return verdict


def import_command(
    source: Annotated[str, typer.Argument(help="JSON table of published scores, or a copy of a results repository")],
    store: Annotated[str, flag(STORE, "store", STORE_HELP)] = "results/",
) -> None:
    """Import published results: tables, or files of allenai/reward-bench-results.

    A table is a JSON object with the key v1 or v2; its value is a list of rows: model, type, and an object with the
    score (Score) and the sections. A repository has eval-set/org/model.json, and eval-set-scores/org/model.json if
    there are per-item scores.
    """
    from rewardbench.leaderboard.submissions.published import find_inconsistent, read_published
    from rewardbench.store import open_store

    entries = read_published(Path(source))
    notes = find_inconsistent(entries)
    open_store(store).add(entries)
    for note in notes:
        echo(f"note: {note}")
    echo(f"imported={len(entries)}")
    echo(f"score_unlike_its_sections={len(notes)}")


def index_command(
    store: Annotated[str, typer.Argument(help=STORE_HELP)] = "results/",
    rebuild: Annotated[bool, flag(STORE, "rebuild", "Read all results again, not only changed ones")] = False,
    as_json: JsonOption = False,
) -> None:
    """Update the index of a store, which has one row per result and makes the leaderboard start fast.

    Files without a row are listed as skipped.KEY=REASON.
    """
    from dataclasses import asdict

    from rewardbench.leaderboard.sketches import publish_sketches
    from rewardbench.leaderboard.types import format_rank
    from rewardbench.store.local import INDEX

    _check_folder(store)
    opened, board = _read_board(store, rebuild)
    if board.offline:
        raise InputError(board.offline)
    for path in opened.indexes()[:1]:
        opened.save(INDEX, path.read_bytes(), "Update the index")
    publish_sketches(opened, board.rows)
    ranked: list[LeaderboardRow] = []
    for suite in board.suites:
        for protocol in board.protocols(suite):
            ranked += board.of(suite, protocol)
    if as_json:
        echo_json(list(map(asdict, ranked)))
        return
    for row in ranked:
        table = printable(f"{row.suite}, {row.protocol}" if row.protocol else row.suite)
        rank, score = format_rank(row.rank_range, "-"), row.score.value or 0
        echo(f"{table}  {rank:>9}  {score:.4f}  {row.badge:13}  {printable(row.key)}")
    echo(f"rows={len(board.rows)}")
    echo(f"skipped={len(board.skipped)}")
    for key, reason in board.left_out.items():
        echo(f"skipped.{ascii(key)[1:-1]}={ascii(reason)[1:-1]}")


@options.with_groups
def verify_result_command(
    *,
    result: Annotated[str, typer.Argument(help="Result (.json), or a pull request: hf://datasets/org/name@refs/pr/3")],
    store: Annotated[TextOption, flag(STORE, "store", "Store to search for copies of the result")] = None,
    rerun: Annotated[CountOption, flag(MODEL, "rerun", "Re-score this many items of each section", min=1)] = None,
    model: Annotated[TextOption, flag(MODEL, "model", "With --rerun: Hub id or folder of the model")] = None,
    no_fresh: Annotated[bool, flag(MODEL, "no_fresh", "With --rerun: do not score freshly generated mirrors")] = False,
    record: Annotated[bool, flag(STORE, "record", "With --rerun: record the badge or the failure in --store")] = False,
    own_rank: Annotated[
        bool, flag(STORE, "own_rank", "With --record, after a review: rank it although it is like an earlier model")
    ] = False,
    merge: Annotated[
        bool, flag(STORE, "merge", "If a pull request passes: add its result, close it, and update the index")
    ] = False,
    comment: Annotated[
        bool, flag(STORE, "comment", "Comment the verdict on the pull request, if it is a new one")
    ] = False,
    replace: Annotated[bool, flag(STORE, "replace", "After a review: accept flagged results, and overwrite")] = False,
    dataset: Annotated[
        TextOption, flag(DATA, "dataset", "Copy of the suite's data, if it cannot be found by name")
    ] = None,
    protocol: Annotated[TextOption, flag(DATA, "protocol", "With --dataset: name of the suite")] = None,
    model_options: ModelOptions,
    run: RunOptions,
) -> None:
    """Verify a submission. Exit codes: 0 passed, 1 refused, 2 bad input, 3 flagged for review.

    All figures are recomputed from the per-item scores, which must belong to the suite; names and sizes are checked,
    and copies of other results are searched for. With --rerun a new random sample is re-scored: its scores must agree
    within the noise of the dtype. If they do, as many items of a fresh draw are scored, for suites with generators.

    A result is also flagged if it would change a stored result, lead the leaderboard without a re-run, or is in a pull
    request of an account that does not belong to the organization in its name: --merge adds it only with --replace.
    """
    from rewardbench.leaderboard.submissions import pull_state, review

    if (record or own_rank) and not (rerun and store and record):
        raise InputError("--record and --own_rank need a re-run and a store: pass --record, --rerun and --store.")
    if rerun and not model:
        raise InputError("--rerun needs the model: pass --model.")
    source = review.SubmissionSource(result, store, dataset, protocol)
    with pull_state.failures_announced(source.pull_request if comment else None):
        reviewed = review.review_submission(source)
    rescored = None
    if rerun and model and reviewed.verdict != "refused":
        spec = options.model_spec(model, model_options, run)
        rescored = review.score_again(reviewed, spec, rerun, not no_fresh)
        for name, value in review.rerun_figures(rescored).items():
            echo(f"{name}={value}")
        reviewed = review.with_rerun(reviewed, rescored)
    verdict = _print_findings(reviewed.findings)
    is_accepted = verdict == "passed" or (verdict == "flagged" and replace)
    if merge and is_accepted:
        echo(f"merged={review.merge(source, reviewed, replace)}")
    elif comment:
        echo(f"commented={'yes' if pull_state.announce_verdict(source.pull_request, reviewed.findings) else 'no'}")
    if record and store and rescored and (is_accepted or not rescored.agreement.agrees):
        echo(f"recorded={review.record_verdict(reviewed, rescored, store, own_rank)}")
    raise typer.Exit(0 if is_accepted else CODES[verdict])
