"""Describe a page for previews of its address: title, text, picture and icon."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from rewardbench.leaderboard.app.markup import render

PICTURES = Path(__file__).with_name("pictures")
CARD, ICON = "/social-card.png", "/icon.svg"
"""Addresses of the picture of previews, 1200 x 630 pixels, and of the icon."""
DESCRIPTION = "How good is this reward model? Scores with intervals, recomputed from the scores of every item."
LONGEST_TITLE = 200
_HEADING = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)
_LEAD = re.compile(r'<p class="rb-lead">(.*?)<', re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,260}")


def picture_routes() -> list[BaseRoute]:
    """Return the routes of the picture and the icon."""

    def card(_: object) -> Response:
        return FileResponse(PICTURES / "card.png", headers={"Cache-Control": "max-age=86400"})

    def icon(_: object) -> Response:
        return FileResponse(PICTURES / "icon.svg", headers={"Cache-Control": "max-age=86400"})

    return [Route(CARD, card), Route(ICON, icon), Route("/favicon.ico", icon)]


def render_head(page: str, scope: Scope) -> str:
    """Return the elements of the head of a page.

    Args:
        page: HTML of the page, from which the title and the text are taken.
        scope: its request, from which its address is taken.
    """
    title = _text(_HEADING, page)
    root = str(scope.get("root_path", "")).rstrip("/")
    base = f"{_scheme(scope)}://{_header(scope, b'host')}{root}"
    query = scope.get("query_string", b"").decode("latin-1")
    return str(
        render(
            "head.html",
            title=f"{title} · rewardbench" if title else "rewardbench",
            text=_text(_LEAD, page) or DESCRIPTION,
            url=f"{base}/{'?' if query else ''}{query}"[:2_000],
            picture=f"{base}{CARD}",
            icon=f"{root}{ICON}",
        )
    )


def _text(pattern: re.Pattern[str], page: str) -> str:
    """Return the text of the first match without its elements; empty if there is none."""
    match = pattern.search(page)
    return unescape(re.sub(r"<[^>]*>", "", match[1]))[:LONGEST_TITLE].strip() if match else ""


def _scheme(scope: Scope) -> str:
    """Return the scheme by which the visitor reached the page, perhaps through a proxy."""
    forwarded = _header(scope, b"x-forwarded-proto").partition(",")[0]
    return forwarded if forwarded in ("http", "https") else str(scope.get("scheme", "http"))


def _header(scope: Scope, name: bytes) -> str:
    value = dict(scope["headers"]).get(name, b"").decode("latin-1")
    return value if _HOST.fullmatch(value) else ""
