"""The leaderboard as a Gradio app: a store in, pages out. `python app.py` runs it, on a Space too.

Environment: REWARDBENCH_RESULTS, a folder or hf://datasets/org/name (else the demo beside this file); PORT;
HF_TOKEN, HF_ENDPOINT and HF_HOME as the Hub's client reads them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no call home
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")

import board_page  # noqa: E402
import compare_page  # noqa: E402
import model_page  # noqa: E402
import submission  # noqa: E402
import suite_pages  # noqa: E402
import tables  # noqa: E402
from first import FirstPaint  # noqa: E402
from frame import Page, framed  # noqa: E402
from library import Library  # noqa: E402
from markup import esc, href  # noqa: E402
from quick import import_gradio  # noqa: E402

from rewardbench.board import Board  # noqa: E402
from rewardbench.types import InputError  # noqa: E402

gr = import_gradio()
from starlette.middleware import Middleware  # noqa: E402

LARGEST_UPLOAD = "64mb"
LONGEST_QUERY = 2_000


def view(library: Library, search: str) -> str:
    """The page that an address asks for; one that does not exist says so."""
    query = dict(parse_qsl(search.lstrip("?")[:LONGEST_QUERY]))
    board = library.rows()
    suite = query.get("suite", "")
    if suite not in board.suites:
        suite = board.suites[0] if board.suites else ""
    try:
        page = route(library, suite, query)
    except InputError as error:
        page = Page("This cannot be shown", f'<p class="rb-note">{esc(error)}</p>')
    return framed(page, board, suite)


def _start(library: Library) -> str:
    """The first page's first rows."""
    board = library.rows()
    suite = board.suites[0] if board.suites else ""
    return framed(board_page.show(board, suite, {}, board_page.FIRST), board, suite)


def route(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Which page an address asks for."""
    name = query.get("view", "board")
    if name == "model":
        row = library.row(query.get("model", ""))
        return model_page.show(library, row, query) if row else _nothing(suite)
    if name == "compare":
        return compare_page.show(library, suite, query)
    if name == "size":
        return suite_pages.size_and_time(library.rows(), suite, query)
    if name == "items":
        return suite_pages.hardest(library, suite, query)
    if name == "suite":
        return suite_pages.about_suite(library, suite, query)
    if name == "submit":
        return Page("Submit a result", SUBMIT, "submit")
    if name == "about":
        return suite_pages.about()
    return board_page.show(library.rows(), suite, query)


SUBMIT = """<p>Drop the two files that <code>rewardbench --model org/name</code> wrote: <code>name.json</code> and
<code>name_outputs.jsonl</code>. They are looked through first; nothing is written before. Texts and paths of your
machine are left out.</p>"""


def _nothing(suite: str) -> Page:
    back = href(view="board", suite=suite)
    return Page("No such model", f'<p>There is no such row here. <a href="{back}">The leaderboard</a></p>')


def export(library: Library, kind: str, suite: str, keys: list[str], names: list[str]) -> str:
    """Rows that a reader sees, in their order and columns, for another program."""
    by_key = {row.key: row for row in library.rows().of(suite)}
    rows = [by_key[key] for key in dict.fromkeys(keys) if key in by_key]
    known = {column.name for column in tables.columns(rows, with_subsets=True)}
    names = [name for name in dict.fromkeys(names) if name in known]
    if kind == "BibTeX":
        return tables.to_bibtex(rows)
    numbers = [column.name for column in tables.columns(rows, with_subsets=True) if column.number]
    return tables.to_latex(rows, names, numbers) if kind == "LaTeX" else tables.to_csv(rows, names)


def build(library: Library) -> Any:
    """The app over a store."""

    def see(search: str) -> str:
        return view(library, str(search))

    def copy(asked: Any) -> str:
        told = asked if isinstance(asked, dict) else {}
        keys, names = ([str(one) for one in told.get(name) or ()] for name in ("keys", "names"))
        return export(library, str(told.get("kind")), str(told.get("suite")), keys, names)

    with gr.Blocks(title="rewardbench", fill_width=True) as app:
        gr.HTML(
            html_template='<div class="rb" lang="en"></div>',
            js_on_load=(HERE / "page.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            server_functions=[see, copy],
            elem_id="rb",
        )
        with gr.Column(elem_id="rb-submit"):
            _submission(library)
    return app


def _submission(library: Library) -> None:
    """The part of the page that takes files."""
    files = gr.File(
        label="The two files of a result", file_count="multiple", file_types=[".json", ".jsonl", ".parquet"]
    )
    name = gr.Textbox(label="Model name, if the file has another (org/name)", max_length=200)
    found = gr.HTML()
    kept = gr.State(None)
    button = gr.Button("Submit", interactive=False, variant="primary")

    def look(uploaded: list[str] | None, called: str) -> tuple[Any, Any, Any]:
        looked = submission.look(library, uploaded, called or "") if uploaded and len(uploaded) > 1 else None
        fine = looked is not None and looked.entry is not None
        return looked, submission.words(looked), gr.Button(interactive=fine)

    def send(looked: submission.Looked | None) -> tuple[str, Any]:
        if looked is None or looked.entry is None:
            return submission.words(looked), gr.Button(interactive=False)
        try:
            return f'<p class="rb-looked passed" role="status">{esc(submission.send(library, looked))}</p>', gr.Button(
                interactive=False
            )
        except InputError as error:
            return f'<p class="rb-looked refused" role="alert">{esc(error)}</p>', gr.Button(interactive=True)

    gr.on(
        [files.change, name.submit],
        look,
        [files, name],
        [kept, found, button],
        concurrency_limit=2,
        api_visibility="private",
    )
    button.click(send, kept, [found, button], concurrency_limit=1, api_visibility="private")


def launch(location: str, port: int, host: str = "127.0.0.1", board: Board | None = None) -> Any:
    """Serve the app. Raises: InputError where the store cannot be read, or the port is taken."""
    library = Library(location, board)
    app = build(library)
    css = (HERE / "page.css").read_text(encoding="utf-8")
    try:
        return app.queue(default_concurrency_limit=8, max_size=64).launch(
            server_name=host,
            server_port=port,
            css=css,
            app_kwargs={"middleware": [Middleware(FirstPaint, markup=_start(library), css=css)]},
            max_file_size=LARGEST_UPLOAD,
            quiet=True,
            footer_links=[],
            enable_monitoring=False,
        )
    except OSError as error:
        raise InputError(f"The leaderboard cannot be served on port {port}: {error}; pass another --port.") from error


def main() -> None:
    """Run as a Space or as a script."""
    results = os.environ.get("REWARDBENCH_RESULTS", str(HERE / "demo"))
    host = "0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1"
    try:
        launch(results, int(os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or 7860), host)
    except InputError as error:
        sys.exit(f"rewardbench: {error}")


if __name__ == "__main__":
    main()
