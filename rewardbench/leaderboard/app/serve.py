"""Serve the leaderboard: map addresses to pages, and run the server.

Environment variables: REWARDBENCH_RESULTS, a folder or hf://datasets/org/name (default: the demo of the Space); PORT;
REWARDBENCH_HOSTS, additional host names, separated by commas; REWARDBENCH_WRITABLE=1 lets visitors add results to a
folder; HF_TOKEN, HF_ENDPOINT and HF_HOME as in huggingface_hub.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from rewardbench.console.terminal import echo
from rewardbench.errors import InputError
from rewardbench.leaderboard.app import board_page, citations, compare_page, exports, model_page, suite_pages, tables
from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.first import FirstPaint, Server, StartingApp
from rewardbench.leaderboard.app.frame import Page, render_page
from rewardbench.leaderboard.app.guard import Guard
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.app.uploads import Uploads
from rewardbench.leaderboard.types import Board

if TYPE_CHECKING:
    from fastapi import FastAPI

HERE = Path(__file__).resolve().parent
LONGEST_QUERY = 2_000


def limit_downloads() -> None:
    """Set the timeout of Hub downloads to 10 s, since visitors wait. Call this before importing huggingface_hub."""
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")


def view(library: Library, search: str) -> str:
    """Return the HTML of the page at an address, or a page that says why there is none."""
    query = dict(parse_qsl(search.lstrip("?")[:LONGEST_QUERY]))
    board = library.rows()
    suite = query.get("suite", "")
    if suite not in board.suites:
        suite = board.suites[0] if board.suites else ""
    try:
        with library.building:
            page = route(library, suite, query)
    except InputError as error:
        page = Page("Page not available", render("message.html", message=error))
    return render_page(page, board, suite)


def _first(library: Library) -> str:
    """Return the HTML of the leaderboard with its first rows."""
    board = library.rows()
    suite = board.suites[0] if board.suites else ""
    page = library.cached(("first", suite), lambda: board_page.build_page(board, suite, {}, board_page.FIRST))
    return render_page(page, board, suite)


def route(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Return the page for a query."""
    name = query.get("view", "board")
    if name == "model":
        row = library.row(query.get("model", ""))
        return model_page.build_page(library, row, query) if row else _missing(suite)
    if name == "compare":
        return compare_page.build_page(library, suite, query)
    if name == "size":
        return library.cached((name, suite), lambda: suite_pages.build_size_page(library.rows(), suite, query))
    if name == "items":
        return library.cached((name, suite), lambda: suite_pages.build_hardest_page(library, suite, query))
    if name == "suite":
        return suite_pages.build_suite_page(library, suite, query)
    if name == "submit":
        body = render("submit.html", takes_files=library.takes_files, location=library.location)
        return Page("Submit a result", body, "submit")
    if name == "about":
        return suite_pages.build_about_page()
    if library.row(query.get("row", "")):
        return board_page.build_page(library.rows(), suite, query)
    subsets = query.get("subsets") == "1"
    protocol = board_page.choose_protocol(library.rows(), suite, query)
    name_of_page = ("board", suite, protocol, subsets)
    return library.cached(name_of_page, lambda: board_page.build_page(library.rows(), suite, query))


def _missing(suite: str) -> Page:
    return Page("No such model", render("missing.html", suite=suite))


def export(library: Library, kind: str, suite: str, keys: list[str], names: list[str]) -> str:
    """Return rows as CSV, LaTeX or BibTeX, in the order and with the columns that the visitor sees."""
    by_key = {row.key: row for row in library.rows().of(suite)}
    rows = [by_key[key] for key in dict.fromkeys(keys) if key in by_key]
    if kind == "BibTeX":
        return citations.cite_rows(rows, citations.BASE)
    columns = {column.name: column for column in tables.columns(rows, with_subsets=True)}
    names = [name for name in dict.fromkeys(names) if name in columns]
    if kind == "CSV":
        return tables.to_csv(rows, names)
    return tables.to_latex(rows, names, [name for name in names if columns[name].number])


def open_socket(host: str, port: int) -> socket.socket:
    """Open the socket to serve on, before any result is read.

    Raises:
        InputError: if the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        where = f"port {port} of {host}: {error.strerror}"
        raise InputError(f"The leaderboard cannot be served on {where}. Pass another --port or --host.") from error


def run_server(
    location: str, listening: socket.socket, board: Board | None = None, access: Access | None = None
) -> None:
    """Serve the app until it is stopped.

    Args:
        location: folder or Hub dataset of the store.
        listening: socket from `open_socket`.
        board: rows of the store, if they have been read already.
        access: who may reach the page; by default this machine only.

    Raises:
        InputError: if the store cannot be read.
    """
    access = access or Access()
    uploads = Uploads()
    try:
        library = Library(location, board, writable=access.writable)
        app = StartingApp(lambda: _build_app(library), lambda: setattr(server, "should_exit", True))
        server = Server(_guarded(app, library, access, uploads), app, uploads.close)
        server.run([listening])
        if app.error:
            raise app.error
    finally:
        uploads.close()


def _guarded(starting_app: StartingApp, library: Library, access: Access, uploads: Uploads) -> Guard:
    """Return the ASGI app, which checks requests, compresses responses, and inserts the first rows at `/`."""
    style = (HERE / "page.css").read_text("utf-8")
    app = Starlette(
        routes=[*exports.routes(library, access), Mount("/", starting_app)],
        middleware=[
            Middleware(GZipMiddleware, compresslevel=5),
            Middleware(FirstPaint, markup=lambda: _first(library), css=style),
        ],
        lifespan=starting_app.lifespan,
    )
    return Guard(app, access, uploads, library.takes_files)


def _build_app(library: Library) -> FastAPI:
    """Build the Gradio app; importing it here lets the first rows be shown meanwhile."""
    from rewardbench.leaderboard.app import blocks

    def see(search: str) -> str:
        return view(library, str(search))

    def copy(request: object) -> str:
        query = request if isinstance(request, dict) else {}
        keys = list(map(str, query.get("keys") or ()))
        names = list(map(str, query.get("names") or ()))
        return export(library, str(query.get("kind")), str(query.get("suite")), keys, names)

    return blocks.build_app(library, see, copy)


def _port() -> int:
    port = os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT") or "7860"
    if not (port.isascii() and port.isdecimal() and int(port) < 65_536):
        raise InputError(f"The port {port!r} is invalid: set PORT or GRADIO_SERVER_PORT to a number below 65536.")
    return int(port)


def serve_environment(demo: Path) -> None:
    """Serve the store in the environment variables, as a Space or as a script.

    Args:
        demo: folder of results to show by default.
    """
    limit_downloads()
    results = os.environ.get("REWARDBENCH_RESULTS", str(demo))
    access = Access.of_environment()
    try:
        with open_socket(access.host, _port()) as listening:
            run_server(results, listening, access=access)
    except InputError as error:
        echo(f"rewardbench: {error}", error=True)
        sys.exit(2)
