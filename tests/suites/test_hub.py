"""The Hub's read calls against a double on 127.0.0.1, with the real client, each in a process of its own."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PINNED = "7ff08853b0d5686e79b13fda8677024f566a104a"
MAIN = "b" * 40


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def ranked(id_, subset):
    return {"id": id_, "prompt": "Q", "chosen": ["a"], "rejected": ["b", "c", "d"], "num_correct": 1, "subset": subset}


def pairs(*ids):
    return lines([{"id": id_, "prompt": "Q", "chosen": "X", "rejected": "Y"} for id_ in ids])


REPOS = {
    ("allenai/reward-bench-2", PINNED): {"data/test.jsonl": lines([ranked("1", "Math"), ranked("2", "Focus")])},
    ("me/words", MAIN): {"data/train.csv": b"prompt,chosen,rejected\nA moon?,None,NA\n1+1?,2,007\n"},
    ("me/own", MAIN): {"train.jsonl": pairs("t"), "test.jsonl": pairs("x", "y", "z"), "weights.bin": b"never fetched"},
}


class Hub(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        path = self.path.partition("?")[0].removeprefix("/api").removeprefix("/datasets/")
        org, name, *rest = path.split("/")
        repo = f"{org}/{name}"
        if repo == "me/gated":
            return self.reply(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        known = {sha: files for (id_, sha), files in REPOS.items() if id_ == repo}
        if not known:
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        kind, revision, *file = rest or ("revision", "main")
        sha = next(iter(known)) if revision == "main" else revision
        if sha not in known:
            return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        if kind == "revision":
            return self.reply(200, json.dumps({"id": repo, "sha": sha, "siblings": []}).encode(), {}, body)
        if kind == "tree":
            tree = [
                {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for path, data in known[sha].items()
            ]
            return self.reply(200, json.dumps(tree).encode(), {}, body)
        data = known[sha].get("/".join(file))
        if data is None:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        etag = hashlib.sha1(data).hexdigest()
        self.server.fetched.append("/".join(file))
        return self.reply(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": sha}, body)

    def reply(self, status, data, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


CHILD = """
import json, sys, time
from rewardbench import hub
from rewardbench.suites import load_suite
from rewardbench.errors import InputError
hub.TIMEOUT = float(sys.argv[1])
for arguments in json.loads(sys.argv[2]):
    start = time.monotonic()
    try:
        suite = load_suite(**arguments)
        found = [suite.name, suite.revision, suite.source, [item.id for item in suite.items]]
    except InputError as error:
        found = str(error)
    print(json.dumps([found, time.monotonic() - start]))
"""


@pytest.fixture
def ask(tmp_path):
    """Load suites in a fresh process against an endpoint: what came of each, and the seconds it took."""

    def run(endpoint, *arguments, timeout=10.0):
        env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", CHILD, str(timeout), json.dumps(arguments)]
        ran = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in ran.stdout.splitlines()]

    return run


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.fetched = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_hub_is_read_at_a_commit_and_the_cache_stands_in_for_it(hub, ask):
    wanted = [{"dataset": "allenai/reward-bench-2"}, {"dataset": "me/own"}, {"dataset": "me/own", "split": "train"}]
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    refused = [
        {"dataset": "me/none"},
        {"dataset": "me/gated"},
        {"dataset": "me/own", "revision": "v9"},
        {"dataset": "me/own", "split": "dev"},
        {"dataset": "reward-bench-2", "revision": MAIN},  # the user's revision goes before the pin
    ]
    found = [one for one, _ in ask(endpoint, *wanted, *refused)]
    assert found[0] == ["reward-bench-2", PINNED, f"allenai/reward-bench-2@{PINNED}", ["1", "2"]]
    name, revision, source, ids = found[1]
    assert (name, source, ids) == ("me/own", f"me/own@{MAIN} (split test)", ["x", "y", "z"])
    assert revision.startswith("sha256:")
    assert found[2][3] == ["t"]
    assert found[2][1] != revision
    assert found[3:] == [
        "The Hub has no dataset me/none for this user: check the name, or set HF_TOKEN if it is private.",
        "The dataset me/gated is gated: accept its terms on the Hub, and set HF_TOKEN.",
        "The dataset me/own has no revision 'v9': check the name of the revision.",
        f"me/own@{MAIN} has no split dev: it has train, test.",
        f"The dataset allenai/reward-bench-2 has no revision {MAIN!r}: check the name of the revision.",
    ]
    assert "weights.bin" not in hub.fetched

    hub.shutdown()
    hub.server_close()
    again = ask(endpoint, *wanted, {"dataset": "allenai/reward-bench"})
    assert [one for one, _ in again[:3]] == found[:3]
    sentence, seconds = again[3]
    assert sentence.startswith(
        "There is no local dataset allenai/reward-bench, none in the cache, and the Hub at "
        f"{endpoint} cannot be reached (ConnectError)"
    )
    assert seconds < 30


def test_a_csv_of_the_hub_gives_the_items_of_the_file(hub, ask, tmp_path):
    file = tmp_path / "words.csv"
    file.write_bytes(REPOS["me/words", MAIN]["data/train.csv"])
    found = [
        one for one, _ in ask(f"http://127.0.0.1:{hub.server_port}", {"dataset": "me/words"}, {"dataset": str(file)})
    ]
    assert found[0][1] == found[1][1], "the hash of the items"
    assert found[0][3] == ["0", "1"]


def test_a_hub_that_never_answers_is_out_of_reach_after_the_timeout(ask):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (found,) = ask(f"http://127.0.0.1:{silent.getsockname()[1]}", {"dataset": "me/own"}, timeout=0.5)
    sentence, seconds = found
    assert "cannot be reached (ReadTimeout)" in sentence
    assert 0.5 <= seconds < 10
