"""`rewardbench data ...`: exit codes, printed values and files; uploads go to a test server with the Hub's API."""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rewardbench.builders.registry import builders_of
from rewardbench.builders.suite_files import read_suite
from rewardbench.cli.main import main
from rewardbench.paths import data_dir


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Run `rewardbench data ...` in this process and an empty folder: exit code, stdout, lines on stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["data", *map(str, arguments)])
        out, err = capfd.readouterr()
        return stop.value.code, out, err.splitlines()

    return run


@pytest.fixture
def leaky(tmp_path):
    rows = [{"prompt": f"question {n}?", "chosen": "yes, " * (n + 2), "rejected": "no"} for n in range(12)]
    (tmp_path / "leaky.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "leaky.jsonl"


def test_list_counts_core_and_names_the_pinned_suites(command):
    code, out, _ = command("list", "--json")
    printed = json.loads(out)
    core = printed["embedded"]["core"]
    assert code == 0
    assert core["mirrors"] >= 1000
    assert len(core["sha256"]) == 64
    assert core["revision"] == f"{core['version']}+{core['sha256'][:12]}"
    assert sum(section["items"] for section in core["sections"].values()) == core["items"]
    assert core["sections"]["Chat"]["subsets"]["dialogue"]["groups"] >= 100
    published = {"reward-bench", "reward-bench-2", "preference-test-sets", "rm-bench", "judge-bench", "processbench"}
    assert {suite["name"] for suite in printed["suites"]} == published
    code, out, _ = command("list")
    assert f"sha256={core['sha256']} " in out
    assert [suite["name"] for suite in printed["built"]] == ["core-long"]


def test_lint_prints_shortcut_accuracy_and_exits_1_above_the_maximum(command, leaky):
    code, out, _ = command("lint", leaky, "--json")
    printed = json.loads(out)
    assert code == 0
    assert {"longer", "shorter", "newlines", "markdown", "refusal", "tfidf", "overlap", "overlap_low"} < set(
        printed["subsets"]["all"]
    )
    assert printed["subsets"]["all"]["longer"] == 1.0
    assert (printed["empty"], printed["duplicates"], printed["near_duplicates_80"]) == (0, 0, 0.0)
    code, out, err = command("lint", leaky, "--max_shortcut", "0.9")
    assert code == 1
    assert "all: longer reaches 1.000" in err
    assert "duplicates=0" in out.splitlines()
    assert command("lint", leaky, "--max-shortcut", "1.0")[0] == 0


def test_overlap_finds_a_leaked_prompt(command, tmp_path):
    prompt = read_suite(data_dir()).mirrors["safety"][0].a[-1]["content"]
    (tmp_path / "train.jsonl").write_text(json.dumps({"text": "Nothing."}) + "\n" + json.dumps({"text": prompt}) + "\n")
    code, out, _ = command("overlap", "train.jsonl", "core", "--json", "--max_share", "0")
    printed = json.loads(out)
    assert code == 1
    assert (printed["rows_read"], printed["rows_hit"]) == (2, 1)
    assert printed["subsets"]["refuse-or-help"]["hit"] >= 1
    code, out, _ = command("overlap", "train.jsonl", "core")
    assert "rows_hit=1" in out.splitlines()


def test_build_writes_the_same_file_twice_and_prints_its_hash(command, tmp_path):
    outputs = [command("build", "math", "--count", 6, "--seed", 5, "--output", f"{n}.jsonl")[1] for n in range(2)]
    first, second = (dict(line.split("=", 1) for line in text.splitlines()) for text in outputs)
    assert first["sha256"] == second["sha256"]
    assert (first["mirrors"], first["verified"], first["failed"]) == ("6", "12", "0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.jsonl", "1.jsonl"]


def test_verify_prints_failures_and_exits_1(command, tmp_path):
    """Copy the published file of instructions, and change two responses to say both things at once."""
    for part in ("core", "checks/core"):
        (tmp_path / "held" / part).mkdir(parents=True)
        shutil.copy(data_dir() / part / "instructions.jsonl", tmp_path / "held" / part)
    path = tmp_path / "held" / "core" / "instructions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["chosen"] = rows[1]["rejected"] = rows[0]["chosen"] + rows[0]["rejected"]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert command("verify", "held")[0] == 2
    code, out, _ = command("verify", "held", "--trust_remote_code")
    assert code == 1
    assert rows[0]["id"] in out
    assert out.splitlines()[-1].startswith("verified=")
    assert " failed=0" not in out.splitlines()[-1]


def test_perturbed_rows_are_written_with_checks_that_verify_runs(command, tmp_path):
    perturb = ("perturb", "core", "perturbed.jsonl", "--subset", "math", "--perturbation", "prefix")
    code, out, _ = command(*perturb)
    values = dict(line.split("=") for line in out.splitlines())
    assert (code, values["file"]) == (0, "perturbed.jsonl")
    assert values["rows"] == values["verified"]
    assert json.loads(command(*perturb, "--json")[1])["left_out"] == int(values["left_out"])
    verify = ("verify", "perturbed.jsonl", "--trust_remote_code")
    assert command("verify", "perturbed.jsonl")[0] == 2
    assert f"verified={values['rows']} confirmed=0 failed=0" in command(*verify)[1]
    lines = (tmp_path / "perturbed.jsonl").read_text().splitlines()
    row = json.loads(lines[0])
    row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    (tmp_path / "perturbed.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]))
    code, out, _ = command(*verify)
    assert (code, f"verified={len(lines) - 1} confirmed=0 failed=2" in out) == (1, True)
    assert f"{row['id']}: the right response" in out


@pytest.mark.parametrize(
    "content",
    ["", "[]", '"text"', "{}", '{"id": "a", "prompt": 3, "chosen": ["x"], "rejected": ["y"], "check": ""}', "\xff\0"],
)
def test_a_damaged_file_of_checked_rows_is_a_one_line_error(command, tmp_path, content):
    (tmp_path / "rows.jsonl").write_bytes(content.encode("latin-1"))
    code, out, err = command("verify", "rows.jsonl", "--trust_remote_code")
    assert (code, out, len(err)) == (2, "", 1)
    assert "rows.jsonl" in err[0]


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ('{"kind": "rhyme"}', "there is no verifier 'rhyme'"),
        ('{"kind": "math"}', "its check breaks"),
        ('{"kind": "code", "language": "python"}', "code blocks"),
        ('{"kind": "instructions", "holds": 5}', "a"),
    ],
)
def test_a_damaged_check_is_a_failure(command, tmp_path, check, reason):
    row = {"id": "a", "prompt": [{"role": "user", "content": "?"}], "chosen": ["x"], "rejected": ["y"], "check": check}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    code, out, _ = command("verify", "rows.jsonl", "--trust_remote_code")
    assert (code, out.splitlines()[-1].split()[0]) == (1, "verified=0")
    assert reason in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lint", "nowhere.jsonl"], "There is no dataset"),
        (["perturb", "core", "x.jsonl", "--perturbation", "rhyme"], "There is no perturbation 'rhyme'"),
        (["perturb", "core", "file/x.jsonl", "--subset", "ties", "--perturbation", "typos"], "cannot be written"),
        (["verify", "nowhere"], "pass --trust_remote_code"),
        (["verify", "nowhere", "--trust_remote_code"], "holds no suite with checks"),
        (["overlap", "nowhere.jsonl"], "There is no file, folder or Hub dataset"),
        (["build", "poetry"], "no builder 'poetry'"),
        (["build", "math", "--count", "0"], "Invalid value for '--count'"),
        (["build", "math", "--output", "file/x.jsonl"], "cannot be written"),
        (["build", "core", "--seed", "4"], "its counts and its own seed are fixed"),
        (["push", "org/x", "--folder", "nowhere"], "holds no suite with checks"),
        (["dance"], "No such command"),
    ],
)
def test_bad_input_is_a_one_line_error_with_exit_code_2(command, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "file").write_text("")
    code, _, err = command(*arguments)
    assert code == 2
    assert len(err) == 1
    assert message in err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as an upload of small files asks for."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        if self.server.closed:
            return self.answer(401, {"error": "Invalid credentials"})
        if path.endswith("/validate-yaml"):
            return self.answer(200, {"errors": [], "warnings": []})
        if path.endswith("/repos/create"):
            self.server.made.append(json.loads(body))
            return self.answer(200, {"url": "https://huggingface.co/datasets/org/core", "name": "org/core"})
        if "/preupload/" in path:
            mode = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            files = json.loads(body)["files"]
            return self.answer(200, {"files": [{"path": file["path"], **mode} for file in files]})
        if "/commit/" in path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "deletedFile":
                    self.server.gone.append(entry["value"]["path"])
                if entry["key"] == "file":
                    self.server.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            commit = "https://huggingface.co/datasets/org/core/commit/" + "a" * 40
            return self.answer(200, {"commitUrl": commit, "commitOid": "a" * 40})
        return self.answer(404, {"error": path})

    def do_GET(self):
        if "/tree/" in self.path:  # what is there already: one file that core no longer has
            old = [{"type": "file", "path": "core/gone.jsonl", "size": 1, "oid": "c" * 40}]
            return self.answer(200, old)
        return self.answer(200, {"id": "org/core", "sha": "b" * 40, "siblings": [], "name": "me", "type": "user"})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.made, server.files, server.gone, server.closed = [], {}, [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def push(hub, home, *options):
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env |= {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home), "HF_TOKEN": "hf_test"}
    env |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-m", "rewardbench", "data", "push", "org/core", *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_push_uploads_the_suite_its_checks_and_its_cards(hub, tmp_path):
    ran = push(hub, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("pushed=https://huggingface.co/datasets/org/core/commit/")
    assert hub.made[0]["name"] == "core"
    assert {"README.md", "LICENSE", "core/ties.jsonl", "checks/core/chat.jsonl", "cards/math.md"} <= set(hub.files)
    assert hub.gone == ["core/gone.jsonl"]
    assert not any(name.startswith("models/") for name in hub.files)
    assert hub.files["core/chat.jsonl"] == (data_dir() / "core" / "chat.jsonl").read_bytes()


def test_a_push_that_the_hub_rejects_is_a_one_line_error(hub, tmp_path):
    hub.closed = True
    ran = push(hub, tmp_path)
    assert ran.returncode == 2
    assert "Nothing was pushed to the dataset org/core" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert hub.files == {}


def test_a_fresh_draw_is_scored_with_core_and_the_gap_is_reported(tmp_path):
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rewardbench", "--model", "baseline/random", "--fresh", "3", "--json"]
    ran = subprocess.run([*command, "--output_dir", str(tmp_path / "r")], env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    printed = json.loads(ran.stdout)
    core, fresh, gap = printed["gap"]
    built = sum(builder.count for builder in builders_of("core").values())
    assert (core["n"], fresh["n"]) == (built, built)
    assert gap["value"] == pytest.approx(core["value"] - fresh["value"])
    assert gap["low"] < gap["value"] < gap["high"]
    assert gap["low"] < 0 < gap["high"]  # chance on both
    assert printed["manifest"]["fresh"].startswith("2.0.0-fresh3+")
    style_command = [*command, "--dataset", "core-style", "--output_dir", str(tmp_path / "style")]
    ran = subprocess.run(style_command, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    printed = json.loads(ran.stdout)
    restyled_core, restyled_fresh, _ = printed["gap"]
    assert 0 < restyled_core["n"] < built > restyled_fresh["n"] > 0
    assert printed["manifest"]["fresh"].startswith("2.0.0-fresh3+")
    assert len(list((tmp_path / "cache" / "rewardbench").iterdir())) == 1
    ran = subprocess.run([*command[:-1], "--split", "chat"], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "compared with a complete suite, core, core-style, core-hard, core-long" in ran.stderr
