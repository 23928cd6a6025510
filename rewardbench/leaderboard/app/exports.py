"""Serve the rows to other programs and pages: JSON, CSV, parquet, LaTeX, BibTeX, badges, and a table to embed.

These addresses are only read, by GET and HEAD. They answer before Gradio is loaded.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rewardbench.errors import InputError
from rewardbench.leaderboard.app import badge, board_page, citations, records, tables
from rewardbench.leaderboard.app.access import Access
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.markup import render
from rewardbench.leaderboard.types import Board, LeaderboardRow

EMBED, SCHEMA = "/embed", "/rows.schema.json"
PATHS = (
    *("/rows.json", "/rows.csv", "/rows.parquet", "/rows.tex", "/rows.bib", "/cite.bib", "/badge.svg"),
    *(SCHEMA, EMBED),
)
"""Addresses that are served here; Guard leaves the headers alone that they set."""
LONGEST_QUERY = 2_000
FRESH, FRESH_BADGE = 60, 300
"""Seconds for which browsers keep an answer."""
EMBEDDED_ROWS, MOST_EMBEDDED = 25, 100
"""Rows of an embedded table: by default, and at most."""
DATA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
EMBED_POLICY = f"{DATA_POLICY}; frame-ancestors *"
Query = Mapping[str, str]


def routes(library: Library, access: Access) -> list[Route]:
    """Return the routes of all addresses in `PATHS`."""
    site = ExportSite(library, access)
    answers: dict[str, Callable[[Request], Response]] = {
        "/rows.json": site.rows_json,
        "/rows.csv": site.rows_csv,
        "/rows.parquet": site.rows_parquet,
        "/rows.tex": site.rows_tex,
        "/rows.bib": site.rows_bib,
        "/cite.bib": site.cite_bib,
        "/badge.svg": site.badge_svg,
        SCHEMA: site.schema,
        EMBED: site.embed,
    }
    return [Route(path, _guarded(library, answers[path]), methods=["GET"]) for path in PATHS]


def _guarded(library: Library, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return an endpoint that answers with status 404 where there is nothing, and 503 while results are read."""

    def endpoint(request: Request) -> Response:
        progress = library.progress
        if progress is not None:
            text = f"The results are being read ({progress[0]} of {progress[1] or 'an unknown number'}): try again.\n"
            return PlainTextResponse(text, 503, {"Retry-After": "5", "Cache-Control": "no-store"})
        try:
            return answer(request)
        except InputError as error:
            return PlainTextResponse(f"{error}\n", 404, {"Content-Security-Policy": DATA_POLICY})

    return endpoint


@dataclass(frozen=True)
class Selection:
    """The rows that a query selects.

    Args:
        rows: the rows, in the order of their tables.
        name: name of the selection, for files.
    """

    rows: tuple[LeaderboardRow, ...]
    name: str


class ExportSite:
    """The answers of all addresses.

    Args:
        library: results to read.
        access: how the leaderboard is reached.
    """

    def __init__(self, library: Library, access: Access) -> None:
        self.library, self.access = library, access

    def rows_json(self, request: Request) -> Response:
        """Return rows as JSON."""

        def encode(selection: Selection) -> bytes:
            board = self.library.rows()
            return records.encode_json(selection.rows, board.built, board.suites)

        return self._table(request, encode, "application/json")

    def rows_csv(self, request: Request) -> Response:
        """Return rows as a CSV file."""
        return self._file(request, lambda selection: records.encode_csv(selection.rows), "text/csv; charset=utf-8")

    def rows_parquet(self, request: Request) -> Response:
        """Return rows as a parquet file."""
        return self._file(
            request, lambda selection: records.encode_parquet(selection.rows), "application/vnd.apache.parquet"
        )

    def rows_tex(self, request: Request) -> Response:
        """Return rows as a LaTeX table with the columns that the page shows at first."""

        def encode(selection: Selection) -> bytes:
            columns = [column for column in tables.columns(selection.rows) if column.visible]
            numbers = [column.name for column in columns if column.number]
            return tables.to_latex(selection.rows, [column.name for column in columns], numbers).encode()

        return self._file(request, encode, "application/x-tex; charset=utf-8")

    def rows_bib(self, request: Request) -> Response:
        """Return a BibTeX entry for each row."""
        base = self._base(request)
        selection = select(self.library.rows(), read_query(request))
        content = citations.cite_rows(selection.rows, base).encode()
        return self._reply(request, content, "application/x-bibtex; charset=utf-8", f"{selection.name}.bib")

    def cite_bib(self, request: Request) -> Response:
        """Return the BibTeX entry of a suite, and of a row if the query names one."""
        base, query, board = self._base(request), read_query(request), self.library.rows()
        if "model" in query:
            (row,) = select(board, query).rows
            content = citations.cite_with_suite(row, base)
        else:
            suite = _find_suite(board, query.get("suite", ""))
            rows, _ = board_page.split_by_revision(board.of(suite), suite)
            content = citations.cite_suite(suite, base, citations.common_revision(rows))
        return self._reply(request, content.encode(), "application/x-bibtex; charset=utf-8", "cite.bib")

    def badge_svg(self, request: Request) -> Response:
        """Return the badge of a row; of an unknown one, a badge that says so, with status 404."""
        row = self.library.row(read_query(request).get("model", ""))
        content = badge.draw_row(records.without_paths(row)) if row else badge.draw_unknown()
        return self._reply(request, content, "image/svg+xml", seconds=FRESH_BADGE, status=200 if row else 404)

    def schema(self, request: Request) -> Response:
        """Return the JSON Schema of the rows."""
        content = Path(__file__).with_name("rows.schema.json").read_bytes()
        return self._reply(request, content, "application/schema+json", seconds=FRESH_BADGE)

    def embed(self, request: Request) -> Response:
        """Return a table that other sites may show in a frame; it has no script."""
        query, board = read_query(request), self.library.rows()
        suite = _find_suite(board, query["suite"]) if "suite" in query else next(iter(board.suites), "")
        protocol = board_page.choose_protocol(board, suite, query)
        rows, _ = board_page.split_by_revision(board.of(suite, protocol, place_baselines=True), suite)
        count = _count(query.get("rows", ""))
        content = render(
            "embed.html",
            suite=suite,
            protocol=protocol,
            rows=list(map(records.without_paths, rows[:count])),
            total=len(rows),
            has_turns=any(row.turn for row in rows),
            rank=tables.cell_text,
        )
        reply = self._reply(request, str(content).encode(), "text/html; charset=utf-8", is_shared=False)
        reply.headers["Content-Security-Policy"] = EMBED_POLICY
        return reply

    def _file(self, request: Request, encode: Callable[[Selection], bytes], media_type: str) -> Response:
        """Return rows as a file to download."""
        return self._table(request, encode, media_type, Path(request.url.path).suffix)

    def _table(
        self, request: Request, encode: Callable[[Selection], bytes], media_type: str, suffix: str = ""
    ) -> Response:
        """Return the rows of a query; those of a suite or of a whole table are encoded once."""
        query = read_query(request)
        selection = select(self.library.rows(), query)
        if "model" in query:
            content = encode(selection)
        else:
            name = (request.url.path, query.get("suite"), query.get("protocol"))
            content = self.library.cached(name, lambda: encode(select(self.library.rows(), query)))
        return self._reply(request, content, media_type, f"{selection.name}{suffix}" if suffix else "")

    def _base(self, request: Request) -> str:
        """Return the address of the leaderboard, as the client sees it."""
        root = os.environ.get("GRADIO_ROOT_PATH", "").strip("/")
        if root.startswith(("http:", "https:")):
            return f"{root}/"
        host = request.headers.get("x-forwarded-host") or request.headers.get("host", "")
        scheme = request.headers.get("x-forwarded-proto", "https" if self.access.space else request.url.scheme)
        prefix = f"/{root}/" if root else "/"
        return f"{'https' if scheme == 'https' else 'http'}://{host}{prefix}"

    def _reply(
        self,
        request: Request,
        content: bytes,
        media_type: str,
        file_name: str = "",
        *,
        seconds: int = FRESH,
        status: int = 200,
        is_shared: bool = True,
    ) -> Response:
        """Return content with the headers of an answer, or status 304 if the client has it already."""
        tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {
            "ETag": tag,
            "Cache-Control": f"max-age={seconds}",
            "Content-Security-Policy": DATA_POLICY,
            "Vary": "Origin, X-Forwarded-Host, X-Forwarded-Proto",
        }
        if is_shared and may_read(request):
            headers["Access-Control-Allow-Origin"] = "*"
        if status == 200 and _has_tag(request.headers.get("if-none-match", ""), tag):
            return Response(None, 304, headers)
        if file_name:
            headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
        return Response(content, status, headers, media_type)


def read_query(request: Request) -> dict[str, str]:
    """Return the parameters of a request; of one that is repeated, the last."""
    return dict(parse_qsl(request.url.query[:LONGEST_QUERY], keep_blank_values=True))


def select(board: Board, query: Query) -> Selection:
    """Return the rows of a query.

    Args:
        board: all rows.
        query: `model`, key of a row; or `suite`, and `protocol`: that of judges, or empty for other models.

    Raises:
        InputError: if the leaderboard has no such row, suite or protocol.
    """
    if "model" in query:
        rows = [row for row in board.rows if row.key == query["model"]]
        if not rows:
            raise InputError("This leaderboard has no such model: use the key of a row of rows.json.")
        return Selection((records.without_paths(rows[0]),), _file_name(rows[0].key))
    suites = board.suites if "suite" not in query else (_find_suite(board, query["suite"]),)
    protocol = query.get("protocol")
    selected: list[LeaderboardRow] = []
    has_protocol = False
    for suite in suites:
        for name in board.protocols(suite):
            if protocol in (None, name):
                selected += board.of(suite, name)
                has_protocol = True
    if protocol is not None and not has_protocol:
        raise InputError("This leaderboard has no judges of this protocol: see `protocol` in rows.json.")
    return Selection(
        tuple(map(records.without_paths, selected)), _file_name(suites[0]) if len(suites) == 1 else "rewardbench"
    )


def _find_suite(board: Board, suite: str) -> str:
    """Return a suite that has rows.

    Raises:
        InputError: if it has none.
    """
    if suite not in board.suites:
        raise InputError("This leaderboard has no such suite: see `suites` in rows.json.")
    return suite


def may_read(request: Request) -> bool:
    """Return True if a page of any origin may read an answer.

    A server on a private address may have unpublished rows: there, only pages of private addresses may.
    """
    origin = request.headers.get("origin")
    host = request.headers.get("x-forwarded-host") or request.headers.get("host", "")
    return origin is None or is_public(f"//{host}") or not is_public(origin)


def is_public(address: str) -> bool:
    """Return True if an address is on the public internet, by its host; also if it has no host.

    >>> [is_public(address) for address in ("https://org-board.hf.space", "//127.0.0.1:7860", "//localhost", "null")]
    [True, False, False, True]
    """
    try:
        name = urlsplit(address).hostname
    except ValueError:
        name = None
    if not name:
        return True
    try:
        return ipaddress.ip_address(name).is_global
    except ValueError:
        return "." in name and not name.endswith((".localhost", ".local", ".internal", ".lan"))


def _has_tag(header: str, tag: str) -> bool:
    """Return True if an If-None-Match header has a tag, by weak comparison, or accepts any."""
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def _count(text: str) -> int:
    """Return the number of rows to embed; an odd value gives the default."""
    count = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    return min(count, MOST_EMBEDDED) or EMBEDDED_ROWS


def _file_name(name: str) -> str:
    """Return a name for a file, without characters that a header or a file system could misread.

    >>> _file_name('core'), _file_name('../"a";b')
    ('rewardbench-core', 'rewardbench-a-b')
    """
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:80]
    return f"rewardbench-{slug}" if slug else "rewardbench"
