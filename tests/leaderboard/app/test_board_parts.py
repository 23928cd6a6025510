"""A table that is too large for one page: all rows are reached by its links, whatever the columns and the rows."""

import re
from dataclasses import replace
from html import unescape

import pytest
from synthetic import mirrors, scores, store

pytest.importorskip("gradio")

from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.submission import UploadChecks
from rewardbench.leaderboard.types import Figure

SUITE = mirrors(4)
MOST_PAGE = 10**6
"""Maximum size of a page in bytes."""
ROWS, SUBSETS = 1_000, 30


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return 1,000 rows with 30 subsets: verified rows, others, toy models and baselines."""
    folder = tmp_path_factory.mktemp("results")
    store(folder, SUITE, scores(SUITE, 0.6), "org/a")
    library = Library(str(folder))
    subsets = tuple(Figure(f"Subset {n}", 0.5, 0.4, 0.6, 80) for n in range(SUBSETS))
    rows = []
    for n in range(ROWS):
        changes = {
            "key": f"lab/m{n}",
            "model": f"lab-{n % 40}/a-reward-model-with-a-name-that-takes-{n}-70B",
            "subsets": subsets,
        }
        changes["score"] = Figure("score", 1 - n / ROWS, 0.0, 1.0, 80)
        changes["badge"] = "verified" if n % 3 == 0 else "recomputed"
        changes["model_type"] = "Baseline" if n % 50 == 0 else "DPO"
        rows.append(replace(library.row("org/a"), **changes))
    library.board = replace(library.board, rows=tuple(rows))
    return library


def keys(page):
    return re.findall(r'<tr data-key="([^"]*)"', page)


def link(page, relation):
    match = re.search(rf'<a rel="{relation}" href="([^"]*)"', page)
    return unescape(match[1]) if match else None


def walk(library, address):
    """Return the pages from an address to the last."""
    pages = []
    while address:
        pages.append(app.view(library, address))
        address = link(pages[-1], "next")
    return pages


@pytest.mark.parametrize("query", ["?view=board&subsets=1", "?subsets=1&scale=above"])
def test_all_rows_are_reached_and_no_page_is_large(library, query):
    pages = walk(library, query)
    shown = [key for page in pages for key in keys(page)]
    assert len(shown) == len(set(shown)) == ROWS
    assert max(len(page.encode()) for page in pages) < MOST_PAGE
    assert len(pages) > 1
    assert all("data-complete" not in page for page in pages)
    assert sum(page.count('class="rb-chance"') for page in pages) <= 2
    assert [page.count("rb-fold") for page in pages][-1] == 1, "baselines are last"
    place = 0
    for page in pages:
        assert f"Rows {place + 1} to {place + len(keys(page))} of {ROWS}" in page
        place += len(keys(page))


def test_links_lead_back(library):
    pages = walk(library, "?subsets=1")
    back = app.view(library, link(pages[-1], "prev"))
    assert keys(back) == keys(pages[-2])
    assert link(pages[0], "prev") is None


def test_a_link_to_a_row_shows_the_page_that_has_it(library):
    for key in ("lab/m3", "lab/m998", "lab/m950"):
        page = app.view(library, f"?subsets=1&row={key}")
        assert key in keys(page)
        assert f'data-key="{key}"' in page.partition('class="chosen"')[0].rpartition("<tr")[2]
        assert len(page.encode()) < MOST_PAGE


@pytest.mark.parametrize("start", ["-1", "x", "99999", "123456789", "\u0663", ""])
def test_an_odd_first_row_means_the_first(library, start):
    assert keys(app.view(library, f"?view=board&from={start}"))[:2] == keys(app.view(library, "?view=board"))[:2]


def test_the_front_page_leads_to_all_rows(library):
    first = app._first(UploadChecks(library), "")
    pages = [first, *walk(library, link(first, "next"))]
    shown = [key for page in pages for key in keys(page)]
    assert len(shown) == len(set(shown)) == ROWS


def test_a_small_table_is_complete(library):
    small = replace(library.board, rows=library.board.rows[:100])
    body = app.board_page.build_page(small, library.board.suites[0], {}).body
    assert "data-complete" in body
    assert "rb-pages" not in body
