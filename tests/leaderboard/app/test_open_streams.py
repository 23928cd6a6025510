"""Test clients that leave streams open, or send many requests at once: other visitors are answered."""

import asyncio
import time
from contextlib import ExitStack

import psutil
import pytest
from open_streams import open_stream, request, status
from served import Served

pytest.importorskip("gradio")

from rewardbench.leaderboard.app.page_cache import MOST_BYTES, OVERHEAD, PageCache

PATIENCE = 6.0
"""Seconds within which another visitor is answered, on a machine that runs other tests."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    running = Served(tmp_path_factory.mktemp("streams"), "--writable")
    yield running
    assert running.stop() < 15
    assert b"Traceback" not in running.log.read_bytes()


def patience(served):
    """Return the seconds after which a visitor has a page and the data of the app."""
    start = time.monotonic()
    assert served.get("/?view=about").status_code == 200
    assert served.see("?view=board").status_code == 200
    assert served.get("/config").status_code == 200
    return time.monotonic() - start


def memory(served):
    return psutil.Process(served.process.pid).memory_info().rss


@pytest.mark.slow
def test_five_hundred_open_streams_keep_nobody_waiting(served):
    for number in range(10):
        assert served.join([None, ""], f"session{number}").status_code == 200
    before = memory(served)
    with ExitStack() as stack:
        paths = [f"heartbeat/h{number}" for number in range(500)]
        paths += [f"queue/data?session_hash=session{number % 10}" for number in range(500)]
        streams = [
            stack.enter_context(open_stream(served.port, f"127.0.3.{1 + number % 20}", path))
            for number, path in enumerate(paths)
        ]
        statuses = [status(connection) for connection in streams]
        assert statuses.count(200) == 800
        assert statuses.count(429) == 200
        waits = [patience(served) for _ in range(10)]
        print(f"waits {max(waits):.2f} s, {(memory(served) - before) / 2**20:.0f} MiB more")
        assert max(waits) < PATIENCE
        assert memory(served) - before < 2**28
    assert patience(served) < PATIENCE


@pytest.mark.slow
def test_client_that_asks_for_a_hundred_pages_at_once_waits_for_itself(served):
    keys = [path.relative_to(served.results).as_posix()[:-5] for path in sorted(served.results.rglob("*.json"))]
    pages = [f"/?view=compare&m={keys[n % 9]}&m={keys[n // 9 % 9]}&x={n}" for n in range(100)]
    with ExitStack() as stack:
        for page in pages:
            stack.enter_context(request(served.port, "127.0.4.9", page))
        assert patience(served) < PATIENCE


def test_cache_of_pages_counts_its_addresses():
    cache = PageCache(None, lambda address: "page", lambda: 0)

    async def ask():
        for number in range(6_000):
            await cache._page("\U0001f600" * 1_990 + str(number))

    asyncio.run(ask())
    assert len(cache._pages) < 4_000
    assert cache._size <= MOST_BYTES
    assert cache._size == sum(len(page.body) + 4 * len(address) + OVERHEAD for address, page in cache._pages.items())
