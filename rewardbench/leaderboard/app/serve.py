"""Serve the leaderboard: map addresses to pages, and run the server.

Environment variables: REWARDBENCH_RESULTS, a folder or hf://datasets/org/name (default: the demo of the Space); PORT;
REWARDBENCH_HOSTS, additional host names, separated by commas; REWARDBENCH_WRITABLE=1 lets visitors add results to a
folder; HF_TOKEN, HF_ENDPOINT and HF_HOME as in huggingface_hub; OAUTH_CLIENT_ID and the others of a Space with
`hf_oauth: true` let visitors sign in, outside a Space with REWARDBENCH_URL, the public address.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from rewardbench.console.terminal import echo
from rewardbench.errors import InputError
from rewardbench.leaderboard.app import (
    board_page,
    citations,
    compare_page,
    exports,
    history,
    model_page,
    overview_page,
    submit_page,
    suite_pages,
    tables,
)
from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.connections import connection_class, raise_descriptor_limit
from rewardbench.leaderboard.app.first import FirstPaint, Server, StartingApp
from rewardbench.leaderboard.app.frame import Page, render_page
from rewardbench.leaderboard.app.guard import Guard
from rewardbench.leaderboard.app.head import picture_routes, render_head
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import address, render
from rewardbench.leaderboard.app.page_cache import PageCache
from rewardbench.leaderboard.app.reading_page import ReadingPage
from rewardbench.leaderboard.app.scales import SCALES, choose_scale, scales_of
from rewardbench.leaderboard.app.sign_in import OAuthApp, SignIn, Visitor
from rewardbench.leaderboard.app.submission import UploadChecks
from rewardbench.leaderboard.app.uploads import Uploads
from rewardbench.leaderboard.refresh import ReportProgress

if TYPE_CHECKING:
    from fastapi import FastAPI

HERE = Path(__file__).resolve().parent
LONGEST_QUERY = 2_000
LARGEST_PAGE = 960_000
"""Maximum size of a page in bytes, without its frame."""
PAUSE = 0.2
"""Seconds without a request after which a page is built in advance: visitors have the processor first."""
TOO_LARGE = "This page is too large to be shown: narrow it by a subset or a search."


def limit_downloads() -> None:
    """Set the timeout of Hub downloads to 10 s, since visitors wait. Call this before importing huggingface_hub."""
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")


def view(library: Library, search: str, checks: UploadChecks | None = None, visitor: Visitor | None = None) -> str:
    """Return the HTML of the page at an address, or a page that says why there is none.

    Args:
        library: results to show.
        search: query of the address.
        checks: checks and submits uploads; by default without sign-in.
        visitor: who is signed in.
    """
    library.requested_at = time.monotonic()
    query = read_query(search)
    board = library.rows()
    suite = query.get("suite", "")
    if suite not in board.suites:
        suite = library.cached("first suite", lambda: board_page.first_suite(board))
    try:
        page = _account_page(checks or UploadChecks(library), query, visitor)
        if page is None:
            with library.building:
                page = route(library, suite, query)
    except InputError as error:
        page = Page("Page not available", render("message.html", message=error))
    if _size(page) > LARGEST_PAGE:
        page = Page("Page not available", render("message.html", message=TOO_LARGE))
    return render_page(page, board, suite)


def read_query(search: str) -> dict[str, str]:
    r"""Return the parameters of an address without its anchor; repeated ones are joined by line breaks.

    >>> read_query("?view=compare&m=org/a&m=org/b#items")
    {'view': 'compare', 'm': 'org/a\norg/b'}
    """
    query: dict[str, str] = {}
    for name, value in parse_qsl(search.lstrip("?").partition("#")[0][:LONGEST_QUERY]):
        query[name] = f"{query[name]}\n{value}" if name in query else value
    return query


def _size(page: Page) -> int:
    return len(page.body.encode("utf-8", "replace"))


def _build_board(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Build a page of the leaderboard: all rows, or as many as fit."""
    board = library.rows()
    protocol = board_page.choose_protocol(board, suite, query)
    scale = query.get("scale", "") if query.get("scale") in SCALES else ""
    name = (suite, protocol, query.get("subsets") == "1", scale)
    table = library.cached(("table", *name), lambda: board_page.make_table(board, suite, query))
    if query.get("row") or query.get("from"):
        return board_page.show_table(table, query, LARGEST_PAGE)
    return library.cached(("board", *name), lambda: board_page.show_table(table, {}, LARGEST_PAGE))


def prepare(library: Library) -> None:
    """Build pages before a visitor asks for them, and while none does: what others share is then at hand.

    The overview comes first, for which all suites are loaded, then the pages of the first suite.
    """
    first = board_page.first_suite(library.rows())
    addresses = [address(view="suites")]
    for suite in sorted(library.rows().suites, key=lambda suite: suite != first):
        keys = [row.key for row in library.of(suite) if row.ids][:2]
        addresses.append(address(suite=suite, view="compare", m=keys))
        addresses.append(address(suite=suite, view="board"))
        addresses.append(address(suite=suite, view="board", subsets=1))
        addresses.append(address(suite=suite, view="items"))
    for search in addresses:
        view(library, search)
        while time.monotonic() - library.requested_at < PAUSE:
            time.sleep(PAUSE)


def _first(checks: UploadChecks, search: str) -> str:
    """Return the HTML of the page at an address; of the leaderboard at `/`, only the first rows."""
    names = [name for name, _ in parse_qsl(search, keep_blank_values=True)]
    if not all(name.startswith("__") for name in names):  # such as __theme, which a Space adds
        return view(checks.library, search, checks)
    library = checks.library
    board = library.rows()
    suite = board_page.first_suite(board)
    page = library.cached(("first", suite), lambda: board_page.build_page(board, suite, {}, board_page.FIRST))
    return render_page(page, board, suite)


def route(library: Library, suite: str, query: Mapping[str, str]) -> Page:
    """Return the page for a query."""
    name = query.get("view", "board")
    if name == "suites":
        return overview_page.build_page(library, suite, query)
    if name == "model" and "name" in query:
        return overview_page.build_model_page(library, suite, query)
    if name == "model":
        row = library.row(query.get("model", ""))
        return model_page.build_page(library, row, query) if row else _missing(suite)
    if name == "history":
        row = library.row(query.get("model", ""))
        return history.build_page(library, row) if row else _missing(suite)
    if name == "compare":
        return compare_page.build_page(library, suite, query)
    if name == "size":
        return library.cached((name, suite), lambda: suite_pages.build_size_page(library.rows(), suite, query))
    if name == "items":
        page_name = (name, suite, query.get("markdown") == "1")
        return library.cached(page_name, lambda: suite_pages.build_hardest_page(library, suite, query))
    if name == "suite":
        return suite_pages.build_suite_page(library, suite, query)
    if name == "about":
        return suite_pages.build_about_page()
    return _build_board(library, suite, query)


def _account_page(checks: UploadChecks, query: Mapping[str, str], visitor: Visitor | None) -> Page | None:
    """Return the page for a query if it depends on who is signed in; else None."""
    if query.get("view") == "submit":
        return submit_page.build_submit_page(checks, visitor, query)
    if query.get("view") == "queue":
        return submit_page.build_queue_page(checks, visitor)
    return None


def _missing(suite: str) -> Page:
    return Page("No such model", render("missing.html", suite=suite))


def export(library: Library, kind: str, suite: str, keys: list[str], names: list[str], scale: str = "") -> str:
    """Return rows as CSV, LaTeX or BibTeX, in the order, with the columns and on the scale that the visitor sees."""
    by_key = {row.key: row for row in library.rows().of(suite)}
    rows = [by_key[key] for key in dict.fromkeys(keys) if key in by_key]
    if kind == "BibTeX":
        return citations.cite_rows(rows, citations.BASE)
    chosen = choose_scale(scales_of(rows, suite), scale)
    columns = {column.name: column for column in tables.columns(rows, True, chosen)}
    names = [name for name in dict.fromkeys(names) if name in columns]
    if kind == "CSV":
        return tables.to_csv(rows, names, chosen)
    return tables.to_latex(rows, names, [name for name in names if columns[name].number], chosen)


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
    location: str,
    listening: socket.socket,
    access: Access | None = None,
    bar: Callable[[], AbstractContextManager[ReportProgress]] = lambda: nullcontext(lambda key, total: None),
) -> None:
    """Serve the app until it is stopped. The page shows the progress while results are read.

    Args:
        location: folder or Hub dataset of the store.
        listening: socket from `open_socket`.
        access: who may reach the page; by default this machine only.
        bar: returns a progress bar for reading the results.

    Raises:
        InputError: if the store cannot be read.
    """
    access = access or Access()
    raise_descriptor_limit()
    uploads = Uploads()
    try:
        library = Library(location, writable=access.writable, is_open=False)
        oauth = OAuthApp.of_environment() if library.pulls else None
        own_token = access.is_local and access.writable and oauth is None
        if oauth and oauth.address.startswith("https://"):
            access = replace(access, hosts=(*access.hosts, urlsplit(oauth.address).hostname or ""))
        checks = UploadChecks(library, SignIn(oauth) if oauth else None, own_token)

        def make() -> FastAPI:
            with bar() as report:
                library.open(report)
            built = _build_app(checks)
            guard.element = built.state.element
            threading.Thread(target=prepare, args=(library,), daemon=True).start()
            return built

        app = StartingApp(make, lambda: setattr(server, "should_exit", True))
        connection = connection_class(access.headers(), behind_proxy=access.space)
        guard = _guarded(app, checks, access, uploads)
        server = Server(guard, app, uploads.close, connection)
        server.run([listening])
        if app.error:
            raise app.error
    finally:
        uploads.close()


def _guarded(starting_app: StartingApp, checks: UploadChecks, access: Access, uploads: Uploads) -> Guard:
    """Return the ASGI app, which checks requests, compresses responses, and inserts the first rows at `/`."""
    style, library, sign_in = (HERE / "page.css").read_text("utf-8"), checks.library, checks.sign_in
    app = Starlette(
        routes=[
            *picture_routes(),
            *exports.routes(library, access),
            *(sign_in.routes if sign_in else ()),
            Mount("/", starting_app),
        ],
        middleware=[
            Middleware(PageCache, see=lambda search: view(library, search, checks), version=lambda: _version(library)),
            Middleware(GZipMiddleware, compresslevel=5),
            *([sign_in.middleware] if sign_in else ()),
            Middleware(ReadingPage, library=library),
            Middleware(FirstPaint, page=lambda search: _first(checks, search), css=style, head=render_head),
        ],
        lifespan=starting_app.lifespan,
    )
    return Guard(app, access, uploads, library.takes_files, can_sign_in=sign_in is not None)


def _version(library: Library) -> object:
    """Return a value that is another one whenever the rows have been read again."""
    board = library.rows()
    return board.built, board.offline


def _build_app(checks: UploadChecks) -> FastAPI:
    """Build the Gradio app; importing it here lets the first rows be shown meanwhile."""
    from rewardbench.leaderboard.app import blocks

    library = checks.library

    def see(search: str, visitor: Visitor | None) -> str:
        return view(library, str(search), checks, visitor)

    def copy(request: object) -> str:
        query = request if isinstance(request, dict) else {}
        keys, names = _texts(query.get("keys")), _texts(query.get("names"))
        kind, suite, scale = (str(query.get(name) or "") for name in ("kind", "suite", "scale"))
        return export(library, kind, suite, keys, names, scale)

    return blocks.build_app(checks, see, copy)


def _texts(values: object) -> list[str]:
    """Return the texts of a list; empty for any other value."""
    return list(map(str, values)) if isinstance(values, list) else []


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
