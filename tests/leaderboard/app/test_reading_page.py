"""Test that the port answers while results are read, that pages are built once, and that a killed index resumes."""

import gzip
import json
import signal
import subprocess
import sys
import threading
import time

import pytest
from synthetic import mirrors, scores, store

pytest.importorskip("gradio")
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rewardbench.leaderboard import reading, refresh
from rewardbench.leaderboard.app import reading_page
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.app.page_cache import CALLS, PageCache
from rewardbench.leaderboard.app.reading_page import ReadingPage
from rewardbench.leaderboard.index import read_index
from rewardbench.store import LocalStore

SUITE = mirrors(6)


def fill(folder, count):
    """Store results of `count` models."""
    for n in range(count):
        store(folder, SUITE, scores(SUITE, 0.5, seed=n), f"org/m{n:02}")
    return LocalStore(folder)


def test_page_says_how_far_reading_is(tmp_path, monkeypatch):
    monkeypatch.setattr(reading_page, "PATIENCE", 0.1)
    fill(tmp_path, 5)
    library = Library(str(tmp_path), is_open=False)
    go, reached = threading.Event(), threading.Event()

    def report(key, total):
        if library.progress == (3, 5):
            reached.set()
            assert go.wait(20)

    app = Starlette(
        routes=[Route("/{path:path}", lambda request: PlainTextResponse("the app"))],
        middleware=[Middleware(ReadingPage, library=library)],
    )
    client = TestClient(app)
    assert "list of results is being read" in client.get("/").text
    opening = threading.Thread(target=library.open, args=(report,))
    opening.start()
    assert reached.wait(20)
    for address in ("/", "/?view=model&model=org/m00"):
        page = client.get(address)
        assert "3 of 5 results have been read" in page.text
        assert 'http-equiv="refresh"' in page.text
        assert page.headers["cache-control"] == "no-store"
    assert client.get("/config").text == "the app"
    go.set()
    opening.join(20)
    assert client.get("/").text == "the app"
    assert len(library.rows().rows) == 5


def test_processes_give_the_same_rows_as_one(tmp_path, monkeypatch):
    results = fill(tmp_path, 30)
    (tmp_path / "org" / "broken.json").write_text('{"schema": 1}')
    monkeypatch.setattr(reading, "_count_processes", lambda: 1)
    read = []
    alone = refresh.refresh(results, lambda key, total: read.append((key, total)), rebuild=True)
    assert [total for _, total in read] == [31] * 31
    monkeypatch.setattr(reading, "_count_processes", lambda: 2)
    read.clear()
    together = refresh.refresh(results, lambda key, total: read.append((key, total)), rebuild=True)
    assert sorted(key for key, _ in read) == sorted([*(row.key for row in alone.rows), "org/broken"])
    assert together.rows == alone.rows
    assert together.skipped == alone.skipped
    assert set(together.skipped) == {"org/broken"}


def test_process_that_ends_costs_its_result_only(tmp_path, monkeypatch):
    results = fill(tmp_path, 30)
    monkeypatch.setattr(reading, "_count_processes", lambda: 2)
    start, children = reading._start, []

    def start_and_note(store, running):
        children.append(start(store, running))
        return children[-1]

    monkeypatch.setattr(reading, "_start", start_and_note)
    board = refresh.refresh(results, lambda key, total: children[0].kill() if len(children) == 2 else None, True)
    assert len(children) == 3
    assert len(board.rows) == 30 - len(board.skipped)
    assert len(board.skipped) <= 1
    assert all("ended the process" in reason for reason in board.skipped.values())
    assert all(child.wait(5) is not None for child in children)


def test_killed_index_resumes_where_it_was(tmp_path, monkeypatch):
    results = fill(tmp_path, 12)
    monkeypatch.setattr(refresh, "KEEP_EVERY", 0.0)
    monkeypatch.setattr(refresh, "KEEP_SHARE", 0)

    class KilledError(Exception):
        pass

    def kill(key, total):
        read.append(key)
        if len(read) == 8:
            raise KilledError

    read = []
    with pytest.raises(KilledError):
        refresh.refresh(results, kill)
    assert len(read_index(tmp_path / "index.parquet").rows) == 7
    resumed = []
    board = refresh.refresh(results, lambda key, total: resumed.append(key))
    assert len(resumed) == 5
    assert {row.key for row in board.rows} == set(results.list())
    assert board.rows == refresh.refresh(results, rebuild=True).rows


KILLED = """
import sys
from rewardbench.leaderboard import refresh
from rewardbench.store import LocalStore
refresh.KEEP_EVERY, refresh.KEEP_SHARE = 0.0, 0
refresh.refresh(LocalStore(sys.argv[1]), lambda key, total: print(key, flush=True))
"""


def test_index_of_a_killed_process_is_complete_as_far_as_it_goes(tmp_path):
    results = fill(tmp_path, 40)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    for _ in range(10):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    before = read_index(tmp_path / "index.parquet")
    read = []
    board = refresh.refresh(results, lambda key, total: read.append(key))
    assert 0 < len(before.rows) < 40
    assert len(read) == 40 - len(before.rows)
    assert len(board.rows) == 40


class Pages:
    """A server function that counts its calls."""

    def __init__(self):
        self.calls, self.version = [], 1

    def see(self, address):
        self.calls.append(address)
        time.sleep(0.1)
        if "fail" in address:
            raise ValueError("no page")
        return f"<h1>{address}</h1>\ud800"


@pytest.fixture
def cached():
    pages = Pages()
    app = Starlette(
        routes=[Route("/{path:path}", lambda request: PlainTextResponse("gradio"), methods=["GET", "POST"])],
        middleware=[Middleware(PageCache, see=pages.see, version=lambda: pages.version)],
    )
    with TestClient(app) as client:
        yield pages, client


def call(client, address, name="see", **headers):
    body = {"fn_name": name, "component_id": 1, "session_hash": "a", "data": address}
    return client.post(CALLS, json=body, headers=headers)


def test_page_is_built_once_for_many_visitors(cached):
    pages, client = cached
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(call(client, "?view=board"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.json() for answer in answers} == {"<h1>?view=board</h1>?"}
    assert {answer.headers["content-encoding"] for answer in answers} == {"gzip"}
    assert pages.calls == ["?view=board"]
    plain = call(client, "?view=board", **{"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    pages.version = 2
    call(client, "?view=board")
    assert len(pages.calls) == 2, "the rows have changed"


def test_form_and_other_functions_are_left_to_gradio(cached):
    pages, client = cached
    for address in (
        "?view=submit",
        "?a=1&view=submit",
        "?view=submit&view=submit",
        None,
        7,
        ["?view=board"],
        "x" * 3_000,
    ):
        assert call(client, address).text == "gradio"
    assert call(client, {"kind": "CSV"}, name="copy").text == "gradio"
    assert client.get("/").text == "gradio"
    assert pages.calls == []


def test_page_that_cannot_be_built_is_not_cached(cached):
    pages, client = cached
    for _ in range(2):
        with pytest.raises(ValueError, match="no page"):
            call(client, "?fail")
    assert len(pages.calls) == 2


def test_cache_has_a_limit(cached, monkeypatch):
    from rewardbench.leaderboard.app import page_cache

    pages, client = cached
    size = len(gzip.compress(json.dumps("<h1>?n=0</h1>?").encode(), page_cache.LEVEL))
    monkeypatch.setattr(page_cache, "OVERHEAD", 100)
    monkeypatch.setattr(page_cache, "MOST_BYTES", 3 * (size + 4 * len("?n=0") + 100) + 10)
    for n in range(5):
        call(client, f"?n={n}")
    call(client, "?n=4")
    call(client, "?n=0")
    assert pages.calls == ["?n=0", "?n=1", "?n=2", "?n=3", "?n=4", "?n=0"]
