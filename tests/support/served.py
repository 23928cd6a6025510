"""A leaderboard in a child process, and requests to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import httpx
from ports import free_port
from repository import ROOT

META = {"_type": "gradio.FileData"}


class Served:
    """`rewardbench leaderboard` of a copy of the demo, in a child process."""

    def __init__(self, folder, *flags, **variables):
        self.results = shutil.copytree(ROOT / "leaderboard" / "demo", folder / "demo")
        stored = self.results / "tiny-rm.json"  # an upload made today is another result than one of an earlier day
        stored.write_text(json.dumps(json.loads(stored.read_bytes()) | {"date": "2026-01-01"}))
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.log = folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        command = [sys.executable, "-m", "rewardbench", "leaderboard", "--store", str(self.results), *flags]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
            env={**os.environ, "TMPDIR": str(self.temporary), **variables},
        )
        try:
            assert self.process.stdout.readline().startswith(b"leaderboard=")
            assert self.get("/config", timeout=180).status_code == 200  # when Gradio has been imported
        except BaseException:
            self.process.kill()
            raise

    def get(self, path, **options):
        return self.client.get(path, **options)

    def post(self, path, value=None, **options):
        if value is not None:
            options["headers"] = {"content-type": "application/json", **options.get("headers", {})}
            options["content"] = json.dumps(value)
        return self.client.post(path, **options)

    def join(self, data, session="abc", **options):
        return self.post("/gradio_api/queue/join", {"data": data, "fn_index": 0, "session_hash": session, **options})

    def see(self, address, **options):
        call = {"data": address, "component_id": 1, "fn_name": "see", "session_hash": "abc"}
        return self.post("/gradio_api/component_server/", call, **options)

    def upload(self, *files):
        return self.post("/gradio_api/upload", files=[("files", file) for file in files])

    def outcome(self, session):
        """Return the outcome of the last event of a session."""
        with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={session}", timeout=60) as answer:
            for line in answer.iter_lines():
                if "process_completed" in line:
                    return json.loads(line.removeprefix("data: "))
        return None

    def kept(self):
        (folder,) = self.temporary.glob("rewardbench-uploads-*")
        return [path for path in folder.rglob("*") if path.is_file()]

    def stop(self):
        """Send SIGTERM, and return the seconds until the server ends."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process.stdout.close()
        self.client.close()
        return time.monotonic() - start
