"""Measure the pages of a leaderboard by kind, while visitors click. Used by scripts/bench_leaderboard."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import httpx
import numpy as np
import psutil

MOST_SECONDS = 2.0
"""Show 4: the 95th percentile, and the median at most a quarter of it."""
SUBSETS = ("code", "instructions", "knapsack", "logic", "math")
WORDS = ("list", "number", "water", "return", "every", "seven", "answer", "sum")
Chance = random.Random
Keys = Sequence[str]
Kind = Callable[[Chance, Keys], str]


def _page(**query: object) -> str:
    """Return the address of a page; those that begin with `?` are requested as the browser's script does."""
    return "?" + urlencode(query, doseq=True)


def _board(chance: Chance, keys: Keys) -> str:
    return _page(view="board", subsets=chance.choice(["", "1"]), scale=chance.choice(["", "above", "accuracy"]))


def _items(chance: Chance, keys: Keys) -> str:
    return _page(view="model", model=chance.choice(keys), all=1, **{"from": 10 * chance.randrange(200)})


def _search(chance: Chance, keys: Keys) -> str:
    return _page(view="model", model=chance.choice(keys), search=chance.choice(WORDS), all=chance.choice(["", "1"]))


def _filter(chance: Chance, keys: Keys) -> str:
    lab = f"lab-{chance.randrange(40)}"
    return _page(view="suites", q=lab, sort=chance.choice(["", "core", "-core"]), scale=chance.choice(["", "chance"]))


def _model_on_suites(chance: Chance, keys: Keys) -> str:
    return _page(view="model", name=chance.choice(keys).partition(".")[0])


def _download(chance: Chance, keys: Keys) -> str:
    ending = chance.choice(["json", "csv", "parquet", "tex", "bib"])
    query = urlencode(chance.choice([{"suite": "core"}, {"model": chance.choice(keys)}]))
    return f"/rows.{ending}?{query}"


KINDS: Mapping[str, Kind] = {
    "first": lambda chance, keys: "/",
    "link": lambda chance, keys: "/" + _page(view="model", model=chance.choice(keys)),
    "board": _board,
    "row": lambda chance, keys: _page(view="board", row=chance.choice(keys)),
    "model": lambda chance, keys: _page(view="model", model=chance.choice(keys)),
    "items": _items,
    "search": _search,
    "suites": lambda chance, keys: _page(view="suites", **{"from": 100 * chance.randrange(10)}),
    "filter": _filter,
    "model_on_suites": _model_on_suites,
    "compare_2": lambda chance, keys: _page(view="compare", m=chance.sample(keys, 2)),
    "compare_5": lambda chance, keys: _page(view="compare", m=chance.sample(keys, 5)),
    "hardest": lambda chance, keys: _page(view="items", markdown=chance.choice(["", "1"])),
    "size": lambda chance, keys: _page(view="size"),
    "suite": lambda chance, keys: _page(view=chance.choice(["suite", "about", "submit"])),
    "history": lambda chance, keys: _page(view="history", model=chance.choice(keys)),
    "download": _download,
    "badge": lambda chance, keys: "/badge.svg?" + urlencode({"model": chance.choice(keys)}),
}
"""Kinds of pages, each with a function that returns the address of one of them."""


class Watch:
    """Watch the memory and the CPU time of a process and its children, until `stop`."""

    def __init__(self, pid: int) -> None:
        self.peak, self._times, self._pid = 0, defaultdict[int, float](float), pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return sum(self._times.values())

    def stop(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            with suppress(psutil.Error):
                process = psutil.Process(self._pid)
                memory = 0
                for member in (process, *process.children(recursive=True)):
                    with suppress(psutil.Error):
                        times = member.cpu_times()
                        self._times[member.pid] = times.user + times.system
                        memory += member.memory_info().rss
                self.peak = max(self.peak, memory)


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, int]]:
    """Context manager: serve a store, and yield its address and the process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rewardbench", "leaderboard", "--store", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/config", timeout=60, trust_env=False).status_code == 200:
                    break
            time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(30)


def visit(folder: Path, visitors: int, seconds: float, kinds: Sequence[str]) -> None:
    """Measure each kind of page on a server that has shown no page yet, then all kinds together.

    Args:
        folder: the store.
        visitors: visitors at the same time.
        seconds: how long they click on each kind.
        kinds: kinds to measure; all of them, if empty.
    """
    keys = [path.relative_to(folder).as_posix()[:-5] for path in folder.rglob("*.json") if "verdicts" not in path.parts]
    for name in kinds or (*KINDS, "all"):
        with serve(folder) as (url, pid):
            visits = Visits(url, keys, list(KINDS.values()) if name == "all" else [KINDS[name]])
            visits.run(pid, visitors, seconds)
        print(f"kind={name} {visits.describe()}", flush=True)


class Visits:
    """Visits of pages of some kinds.

    Args:
        url: address of the server.
        keys: keys of the results.
        kinds: kinds of pages, any of which a visitor requests next.
    """

    def __init__(self, url: str, keys: Keys, kinds: Sequence[Kind]) -> None:
        self.url, self.keys, self.kinds = url, keys, kinds
        self.seconds: list[float] = []
        self.largest = self.errors = 0
        self.cpu, self.start, self.peak, self.load = 0.0, 0, 0, 0.0

    def run(self, pid: int, visitors: int, seconds: float) -> None:
        """Let visitors click for some seconds, and measure the server process."""
        self.load = os.getloadavg()[0]
        watch = Watch(pid)
        time.sleep(0.5)
        before, self.start = watch.cpu, watch.peak
        end = time.perf_counter() + seconds
        threads = [threading.Thread(target=self._click, args=(number, end)) for number in range(visitors)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        watch.stop()
        self.cpu, self.peak = watch.cpu - before, watch.peak

    def describe(self) -> str:
        """Return the figures as key=value pairs."""
        median, high = np.quantile(self.seconds, (0.5, 0.95)).tolist()
        is_met = median <= MOST_SECONDS / 4 and high <= MOST_SECONDS and not self.errors
        return (
            f"n={len(self.seconds)} median_s={median:.3f} p95_s={high:.3f} max_s={max(self.seconds):.3f} "
            f"met={str(is_met).lower()} errors={self.errors} cpu_ms={1000 * self.cpu / len(self.seconds):.0f} "
            f"bytes={self.largest} start_mib={self.start / 2**20:.0f} peak_mib={self.peak / 2**20:.0f} "
            f"load={self.load:.1f}"
        )

    def _click(self, number: int, end: float) -> None:
        """Request one page after the other, as a visitor's browser does, from an address of its own."""
        chance = random.Random(number)
        headers = {"accept-encoding": "gzip", "content-type": "application/json"}
        transport = httpx.HTTPTransport(local_address=f"127.0.1.{number % 250 + 1}")
        with httpx.Client(base_url=self.url, timeout=120, transport=transport, headers=headers) as client:
            while time.perf_counter() < end:
                address = chance.choice(self.kinds)(chance, self.keys)
                start = time.perf_counter()
                answer = _request(client, address, number)
                self.seconds.append(time.perf_counter() - start)
                self.largest = max(self.largest, len(answer.content))
                self.errors += answer.status_code != 200
                time.sleep(chance.uniform(0.2, 1.0))


def _request(client: httpx.Client, address: str, number: int) -> httpx.Response:
    if address.startswith("/"):
        return client.get(address)
    call = {"data": address, "component_id": 1, "fn_name": "see", "session_hash": f"visitor{number}"}
    return client.post("/gradio_api/component_server/", content=json.dumps(call))
