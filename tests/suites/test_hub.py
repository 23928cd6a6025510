"""Reading Hub datasets from a test server on 127.0.0.1, with the real client, each time in a new process."""

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


def solutions(split, *labels):
    """Return rows as ProcessBench has them."""
    return json.dumps(
        [
            {"id": f"{split}-{n}", "problem": "How many?", "steps": ["a", "b"], "label": label}
            for n, label in enumerate(labels)
        ]
    ).encode()


SPLITS = ("gsm8k", "math", "olympiadbench", "omnimath")
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n"
CARD += "".join(f"  - split: {split}\n    path: {split}.json\n" for split in SPLITS) + "---\n"

REPOS = {
    ("Qwen/ProcessBench", MAIN): {
        "README.md": CARD.encode(),
        **{f"{split}.json": solutions(split, 0, -1) for split in SPLITS},
    },
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
        org, name, *parts = path.split("/")
        repo = f"{org}/{name}"
        if repo == "me/gated":
            return self.reply(403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        known = {sha: files for (id_, sha), files in REPOS.items() if id_ == repo}
        if not known:
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        kind, revision, *file = parts or ("revision", "main")
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
        outcome = [suite.name, suite.revision, suite.source, [item.id for item in suite.items]]
    except InputError as error:
        outcome = str(error)
    print(json.dumps([outcome, time.monotonic() - start]))
"""


@pytest.fixture
def load_in_process(tmp_path):
    """Return a function that loads suites in a new process; it returns the outcome and the seconds of each."""

    def run(endpoint, *arguments, timeout=10.0):
        env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        env |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", CHILD, str(timeout), json.dumps(arguments)]
        completed = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert completed.returncode == 0, completed.stderr
        return [json.loads(line) for line in completed.stdout.splitlines()]

    return run


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.fetched = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_hub_datasets_are_read_at_a_commit_and_from_the_cache_offline(hub, load_in_process):
    requests = [{"dataset": "allenai/reward-bench-2"}, {"dataset": "me/own"}, {"dataset": "me/own", "split": "train"}]
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    bad_requests = [
        {"dataset": "me/none"},
        {"dataset": "me/gated"},
        {"dataset": "me/own", "revision": "v9"},
        {"dataset": "me/own", "split": "dev"},
        {"dataset": "reward-bench-2", "revision": MAIN},  # the user's revision goes before the pin
    ]
    outcomes = [outcome for outcome, _ in load_in_process(endpoint, *requests, *bad_requests)]
    assert outcomes[0] == ["reward-bench-2", PINNED, f"allenai/reward-bench-2@{PINNED}", ["1", "2"]]
    name, revision, source, ids = outcomes[1]
    assert (name, source, ids) == ("me/own", f"me/own@{MAIN} (split test)", ["x", "y", "z"])
    assert revision.startswith("sha256:")
    assert outcomes[2][3] == ["t"]
    assert outcomes[2][1] != revision
    assert outcomes[3:] == [
        "The Hub has no dataset me/none for this user: check the name, or set HF_TOKEN if it is private.",
        "The dataset me/gated is gated: accept its terms on the Hub, and set HF_TOKEN.",
        "The dataset me/own has no revision 'v9': check the name of the revision.",
        f"me/own@{MAIN} has no split dev: it has train, test.",
        f"The dataset allenai/reward-bench-2 has no revision {MAIN!r}: check the name of the revision.",
    ]
    assert "weights.bin" not in hub.fetched

    hub.shutdown()
    hub.server_close()
    from_cache = load_in_process(endpoint, *requests, {"dataset": "allenai/reward-bench"})
    assert [outcome for outcome, _ in from_cache[:3]] == outcomes[:3]
    sentence, seconds = from_cache[3]
    assert sentence.startswith(
        "There is no local dataset allenai/reward-bench, none in the cache, and the Hub at "
        f"{endpoint} cannot be reached (ConnectError)"
    )
    assert seconds < 30


def test_processbench_has_its_four_splits(hub, load_in_process):
    requests = [{"dataset": name} for name in ("processbench", "Qwen/ProcessBench")]
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    outcomes = [outcome for outcome, _ in load_in_process(endpoint, *requests, {**requests[0], "split": "math"})]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][:3] == ["processbench", MAIN, f"Qwen/ProcessBench@{MAIN}"]
    assert outcomes[0][3] == [f"{split}-{n}" for split in SPLITS for n in (0, 1)]
    assert outcomes[2][3] == ["math-0", "math-1"]


def test_csv_on_the_hub_gives_the_items_of_the_local_file(hub, load_in_process, tmp_path):
    file = tmp_path / "words.csv"
    file.write_bytes(REPOS["me/words", MAIN]["data/train.csv"])
    outcomes = [
        outcome
        for outcome, _ in load_in_process(
            f"http://127.0.0.1:{hub.server_port}", {"dataset": "me/words"}, {"dataset": str(file)}
        )
    ]
    assert outcomes[0][1] == outcomes[1][1], "the hash of the items"
    assert outcomes[0][3] == ["0", "1"]


def test_unresponsive_hub_gives_an_error_after_the_timeout(load_in_process):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (outcome,) = load_in_process(f"http://127.0.0.1:{silent.getsockname()[1]}", {"dataset": "me/own"}, timeout=0.5)
    sentence, seconds = outcome
    assert "cannot be reached (ReadTimeout)" in sentence
    assert 0.5 <= seconds < 10
