"""A leaderboard of a dataset on the local Hub, served by a process with sign-in; and results to submit to it."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path

import httpx
import hub_server
from hub_accounts import SCOPES, SECRET
from ports import free_port
from repository import ROOT

from rewardbench import results
from rewardbench.evaluation import run
from rewardbench.models.fingerprint import digest
from rewardbench.scorers.baselines import Baseline
from rewardbench.settings import ModelSpec, Settings
from rewardbench.store import open_run_store
from rewardbench.types import TextRequest

DATASET = "org/results"
DEMO = ROOT / "leaderboard" / "demo"
META = {"_type": "gradio.FileData"}


class Guesser(Baseline):
    """A model that guesses which response is right, but likes some responses better than others whatever the prompt."""

    def run(self, requests):
        """Return one number per request."""
        guesses = super().run(requests)
        liked = super().run([TextRequest(request.completions[0], request.completions) for request in requests])
        return [guess + like for guess, like in zip(guesses, liked, strict=True)]


def new_result(folder, name="org/new", seed=80, headline=None):
    """Write the result of a model that guesses by a seed, and return the paths of its two files."""
    settings = Settings(ModelSpec("baseline/random", seed=seed))
    path = Path(open_run_store(str(folder)).put(*run(settings, scorer=Guesser("baseline/random", seed))))
    summary = json.loads(path.read_bytes())
    fingerprint = summary["manifest"]["fingerprint"] | {"kind": "reward", "weights": {"sha256": f"{seed:064d}"}}
    summary["manifest"] |= {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    summary |= {"model": name, "model_type": "Seq. Classifier"}
    if headline is not None:
        summary["score"]["value"] = headline
    stem = Path(folder, name.rpartition("/")[2])
    stem.with_suffix(".json").write_text(json.dumps(summary))
    outputs = results.outputs_path(stem.with_suffix(".json"))
    results.outputs_path(path).rename(outputs)
    return [str(stem.with_suffix(".json")), str(outputs)]


def fill(server, names=("tiny-rm", "baseline/random", "baseline/longest", "demo/llama-64")):
    """Fill the dataset with results of the demo, and make ann, bob and mallory known."""
    repo = server.repos.setdefault(DATASET, hub_server.Repo())
    repo.live = True
    files = {}
    for name in names:
        for suffix in (".json", ".parquet"):
            files[f"{name}{suffix}"] = (DEMO / f"{name}{suffix}").read_bytes()
    repo.commit("main", files)
    server.accounts.add("ann", "lab", token="hf_of_ann")
    server.accounts.add("bob", token="hf_of_bob")
    server.accounts.add("mallory")
    server.accounts.organizations["me"] = {"org"}
    return repo


class HubBoard:
    """`rewardbench leaderboard` of the dataset in a child process, with the variables of an OAuth app.

    Args:
        hub: the local Hub.
        folder: folder of the process.
        port: its port.
        variables: further environment variables.
    """

    def __init__(self, hub, folder, port, **variables):
        self.hub, self.folder, self.url = hub, folder, f"http://127.0.0.1:{port}"
        self.log = folder / "log.txt"
        (folder / "tmp").mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
        environment |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "home"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "TMPDIR": str(folder / "tmp"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "OAUTH_CLIENT_ID": "board",
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPES": SCOPES,
            "OPENID_PROVIDER_URL": hub.url,
            "REWARDBENCH_URL": self.url,
            "REWARDBENCH_RESULTS": f"hf://datasets/{DATASET}",
            "PORT": str(port),
            **variables,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "leaderboard" / "app.py")], env=environment, stdout=log, stderr=log
            )
        self.wait()

    def wait(self):
        """Wait until the app answers."""
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(base_url=self.url, timeout=120, trust_env=False, transport=transport) as client:
            for _ in range(1_200):
                if self.process.poll() is not None:
                    raise RuntimeError(self.log.read_text())
                with suppress(httpx.TransportError):
                    assert client.get("/config").status_code == 200
                    return
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def hub_board(folder, **variables):
    """Context manager: run a local Hub and a leaderboard of its dataset."""
    with hub_server.hub() as hub:
        fill(hub)
        port = free_port()
        hub.accounts.redirects.add(f"http://127.0.0.1:{port}/login/callback")
        board = HubBoard(hub, folder, port, **variables)
        try:
            yield board
        finally:
            board.stop()


class Person:
    """A visitor of the board: an HTTP client with cookies."""

    def __init__(self, board):
        self.board = board
        self.client = httpx.Client(base_url=board.url, timeout=60, trust_env=False)
        self.seen = []

    def get(self, path, **options):
        return self.remember(self.client.get(path, **options))

    def post(self, path, **options):
        return self.remember(self.client.post(path, **options))

    def remember(self, answer):
        """Keep what the server sent, to search it for tokens."""
        self.seen += [answer.text, str(answer.headers)]
        return answer

    def see(self, address):
        """Return the HTML of a page."""
        call = {"data": address, "component_id": 1, "fn_name": "see", "session_hash": "abc"}
        return self.post("/gradio_api/component_server/", json=call).json()

    def sign_in(self, account, **changes):
        """Go to the Hub, choose an account, and return; return the last answer."""
        start = self.get("/login/huggingface")
        assert start.status_code == 302, start.text
        consent = httpx.get(f"{start.headers['location']}&account={account}", trust_env=False)
        assert consent.status_code == 302, consent.text
        address = httpx.URL(consent.headers["location"])
        return self.get(address.raw_path.decode(), **changes)

    def event(self, number, data, session):
        """Send an event of the form, and return its outputs."""
        body = {"data": data, "fn_index": number, "session_hash": session}
        answer = self.post("/gradio_api/queue/join", json=body)
        assert answer.status_code == 200, answer.text
        with self.client.stream("GET", f"/gradio_api/queue/data?session_hash={session}", timeout=120) as stream:
            for line in stream.iter_lines():
                self.seen.append(line)
                if "process_completed" in line:
                    return json.loads(line.removeprefix("data: "))["output"]["data"]
        return None

    def check(self, files, name="", session="session"):
        """Upload and check files, and return what the page shows."""
        parts = [("files", (Path(file).name, Path(file).read_bytes())) for file in files]
        paths = self.post("/gradio_api/upload", files=parts).json()
        return self.event(0, [[{"path": path, "meta": META} for path in paths], name], session)[1]

    def submit(self, session="session"):
        """Submit what was checked in a session, and return what the page shows."""
        return self.event(1, [None], session)[1]


def plain(html):
    """Return the text of HTML in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()
