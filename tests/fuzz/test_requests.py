"""Fuzz the upload and queue endpoints of a running leaderboard: it keeps answering, and says what failed.

Seconds in the fast run, always with the same seeds; ten minutes with --slow.
"""

import http.client
import json
import os
import socket
import threading
import time
from collections import Counter
from contextlib import closing, suppress

import psutil
import pytest
from fuzz_requests import RequestMaker
from served import Served

pytest.importorskip("gradio")

THREADS = 3
PATIENCE = 2.0
"""Seconds within which a request of another visitor is answered at any time."""
BUSY = 6.0
"""The same on a machine that runs other tests."""


class Attack:
    """Random requests from several threads, each request from an address of its own.

    Args:
        served: the running leaderboard.
        seconds: for how long.
        seed: seed of the requests of the first thread.
    """

    def __init__(self, served, seconds, seed):
        self.served, self.seed = served, seed
        self.end = time.monotonic() + seconds
        self.statuses = Counter()
        self.bad = []
        self.waits = []
        self.peak = 0

    def run(self):
        """Send requests until the time is over."""
        threads = [threading.Thread(target=self.send, args=(self.seed + number,)) for number in range(THREADS)]
        threads += [threading.Thread(target=self.ask), threading.Thread(target=self.watch)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def send(self, seed):
        maker = RequestMaker(seed, self.served.results)
        while time.monotonic() < self.end:
            request = maker.draw()
            address = f"127.0.{maker.chance.randrange(1, 250)}.{maker.chance.randrange(1, 250)}"
            with suppress(OSError, http.client.HTTPException, ValueError):
                status, headers, body = self.exchange(request, address)
                self.statuses[status] += 1
                self.look(request, status, headers, body)
                if status == 200 and request.path.startswith("/gradio_api/upload"):
                    maker.paths = (maker.paths + json.loads(body))[-30:]

    def exchange(self, request, address):
        """Send a request, and return status, headers and the begin of the body."""
        if request.raw is not None:
            with socket.create_connection(("127.0.0.1", self.served.port), 5, (address, 0)) as connection:
                connection.sendall(request.raw)
                connection.shutdown(socket.SHUT_WR)
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                return answer.status, dict(answer.headers), answer.read(100_000)
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=3, source_address=(address, 0))
        with closing(connection):
            names = {name.lower() for name in request.headers}
            connection.putrequest(request.method, request.path, skip_host="host" in names, skip_accept_encoding=True)
            if request.body is not None and not names & {"content-length", "transfer-encoding"}:
                connection.putheader("Content-Length", str(len(request.body)))
            for name, value in request.headers.items():
                connection.putheader(name, value.encode())
            connection.endheaders(request.body)
            answer = connection.getresponse()
            stream = "event-stream" in answer.headers.get("content-type", "")
            return answer.status, dict(answer.headers), answer.read(200) if stream else answer.read()

    def look(self, request, status, headers, body):
        """Note an answer that shows the inside of the server, or lacks the headers of every response."""
        if b"Traceback" in body or b"root:x:" in body or b"X-Injected" in body[:200]:
            self.bad.append((request, status, body[:500]))
        if "content-security-policy" not in {name.lower() for name in headers} and status >= 200:
            self.bad.append((request, status, headers))

    def ask(self):
        """Ask as another visitor does, all the time."""
        while time.monotonic() < self.end:
            start = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=30)
                with closing(connection):
                    connection.request("GET", "/config")
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        self.bad.append(("a visitor", answer.status))
            except OSError as error:
                self.bad.append(("a visitor", repr(error)))
            self.waits.append(time.monotonic() - start)
            time.sleep(0.2)

    def watch(self):
        process = psutil.Process(self.served.process.pid)
        while time.monotonic() < self.end:
            with suppress(psutil.Error):
                members = [process, *process.children(recursive=True)]
                self.peak = max(self.peak, sum(member.memory_info().rss for member in members))
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("seconds", "seed"),
    [(12, 0), pytest.param(600, 0, marks=pytest.mark.slow), pytest.param(600, 1_000, marks=pytest.mark.slow)],
)
def test_the_leaderboard_survives_random_requests(tmp_path, capsys, seconds, seed):
    served = Served(tmp_path, "--writable", REWARDBENCH_CACHE=str(tmp_path / "cache"))
    attack = Attack(served, seconds, seed)
    attack.run()
    assert served.process.poll() is None
    assert served.see("?view=about").status_code == 200
    stopped = served.stop()
    lines = served.log.read_bytes().splitlines()
    failures = sum(count for status, count in attack.statuses.items() if status >= 500 and status != 503)
    with capsys.disabled():
        print(
            f"\nrequests={attack.statuses.total()} statuses={dict(sorted(attack.statuses.items()))} "
            f"slowest_s={max(attack.waits):.2f} peak_mib={attack.peak / 2**20:.0f} stopped_s={stopped:.1f} "
            f"log_lines={len(lines)} load={os.getloadavg()[0]:.1f}"
        )
    assert attack.bad == []
    assert attack.statuses[200] > 5, "some requests are valid"
    assert failures <= len(lines), "a line for each failure"
    assert b"Traceback (most recent call last)" not in b"\n".join(lines)
    assert max(attack.waits) < (PATIENCE if os.getloadavg()[0] < 3 else BUSY)
    assert attack.peak < 2**30
    assert stopped < 5
