"""A judge's result is submitted with its raw answers, from which its scores are computed again."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hub_server import WHERE
from judged import PAIRS, run_judge
from terminal import run

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.app import submission
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.submissions import bounded, reparse, review
from rewardbench.leaderboard.submissions.checks import check
from rewardbench.leaderboard.submissions.package import (
    describe_submission,
    pack_submission,
    pull_request_text,
    read_entry,
)
from rewardbench.leaderboard.submissions.review import review_packed
from rewardbench.leaderboard.submissions.submission import read_submission
from rewardbench.models.fingerprint import digest
from rewardbench.results import answers
from rewardbench.scorers.judge.protocols import read_protocol
from rewardbench.store import LocalStore, open_store


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Score pairs by a biased judge with malformed answers; return the path of its summary and the suite."""
    prices = ("--input_price", "1.0", "--output_price", "10.0")
    path, suite = run_judge(tmp_path_factory.mktemp("judged"), *prices)
    return Path(path), suite


@pytest.fixture(scope="module")
def entry(judged):
    return pack_submission(judged[0], name="org/gpt-4o-judge", license="other")


@pytest.fixture
def store(judged, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "load_known", lambda name: judged[1])
    return LocalStore(tmp_path / "store")


def lines_of(entry):
    return list(map(json.loads, gzip.decompress(entry.answers).splitlines()))


def write(folder, entry, change_lines=None, change_record=None, packed=None):
    """Write the files of a submission with matching hashes, after changes; return the path of its summary."""
    record, rows = json.loads(json.dumps(entry.summary)), lines_of(entry)
    if change_lines:
        rows = change_lines(rows) or rows
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    record[results.ANSWERS_HASH] = hashlib.sha256(content).hexdigest()
    if change_record:
        change_record(record)
    manifest = record["manifest"]
    manifest["fingerprint_sha256"] = digest(manifest["fingerprint"])
    path = folder / "result.json"
    path.write_text(json.dumps(record))
    results.table_path(path).write_bytes(entry.table)
    results.packed_answers_path(path).write_bytes(gzip.compress(content, 1) if packed is None else packed)
    return path


def messages(path, suite):
    return [(finding.kind, finding.message) for finding in check(read_submission(path), suite)]


def mismatch(path):
    """Return why the answers of a submission do not give its scores, in this process."""
    try:
        reparse.reject_mismatch(read_submission(path))
    except InputError as error:
        return str(error)
    return None


def test_a_submission_with_its_answers_passes_and_is_added(judged, entry, store):
    assert [finding.message for finding in review_packed(entry, store)] == []
    (key,) = store.add([entry])
    again = results.read_summary(store.path(key))
    assert len(list(answers.read_answers(store.path(key), again))) == 2 * PAIRS
    assert {row["answer"].get("detail") for row in lines_of(entry)} == {None}
    store.rename(key, "org/renamed")
    assert results.packed_answers_path(store.path("org/renamed")).is_file()
    store.delete("org/renamed")
    assert [path.name for path in (store.root / "org").iterdir()] == []


def test_a_submission_states_protocol_cost_and_biases(judged, entry):
    lines = dict(line.split("=", 1) for line in describe_submission(entry))
    record = json.loads(judged[0].read_text())
    judge = record["manifest"]["run"]["judge"]
    assert lines["protocol"] == "choice@1"
    assert float(lines["cost"]) == judge["cost"] > 0
    assert int(lines["failed"]) == sum(judge["failures"].values()) > 0
    assert float(lines["position_bias"]) == record["biases"][0]["value"]
    assert int(lines["answers_bytes"]) == len(entry.answers)
    assert "Judge: protocol choice@1" in pull_request_text(entry)
    assert "sk-test-secret" not in json.dumps(entry.summary) + str(lines_of(entry))


def test_a_child_process_reads_and_packs_the_same(judged, entry):
    packed = bounded.pack_untrusted(judged[0], "org/gpt-4o-judge")
    assert packed.answers == entry.answers
    assert packed.summary["biases"] == entry.summary["biases"]


def swap_verdict(rows):
    row = next(row for row in rows if "[[A]]" in row["answer"].get("text", ""))
    row["answer"]["text"] = row["answer"]["text"].replace("[[A]]", "[[B]]")


def repair_failure(rows):
    failed = next(row for row in rows if "[[" not in row["answer"].get("text", ""))
    for row in rows:
        if row["id"] == failed["id"]:
            row["answer"]["text"] = "[[A]]"


CHANGES = {
    "a changed verdict": (swap_verdict, "is stated as"),
    "a failure with a verdict": (repair_failure, "is stated as"),
    "a missing row": (lambda rows: rows[1:], "does not have the 2 answers"),
    "a missing item": (lambda rows: [row for row in rows if row["id"] != rows[0]["id"]], "has scores, but no answers"),
    "an extra row": (lambda rows: [*rows[:2], rows[1], *rows[2:]], "does not have the 2 answers"),
    "an extra repeat": (lambda rows: [*rows[:2], {**rows[1], "repeat": 1}, *rows[2:]], "does not have the 2 answers"),
    "an item in two places": (lambda rows: [*rows, rows[0]], "in two places"),
    "another item": (lambda rows: [*rows, {**rows[0], "id": "<script>"}], "'<script>', which has no scores"),
    "another order": (lambda rows: [{**row, "shown": row["shown"][::-1]} for row in rows], "does not have the 2"),
    "a line of another kind": (lambda rows: [{"id": 7}, *rows], "line 1: "),
    "a failure of another kind": (
        lambda rows: [{**rows[0], "answer": {"failure": "x"}}, *rows[1:]],
        "line 1: answer.failure is not that of an answer",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_answers_are_rejected(name, entry, judged, tmp_path):
    change, words = CHANGES[name]
    path = write(tmp_path, entry, change)
    if name == "a missing item":  # of an item that has scores
        unscored = {item.id for item in read_submission(path).scored.items if item.reason}
        scored_id = next(row["id"] for row in lines_of(entry) if row["id"] not in unscored)
        path = write(tmp_path, entry, lambda rows: [row for row in rows if row["id"] != scored_id])
    assert words in mismatch(path)


def test_unchanged_answers_give_the_scores(entry, tmp_path):
    assert mismatch(write(tmp_path, entry)) is None


def test_a_mismatch_refuses_the_submission_and_names_the_item(entry, judged, tmp_path):
    ((kind, message),) = messages(write(tmp_path, entry, swap_verdict), judged[1])
    assert kind == "refused"
    assert message.startswith("item 'pair-")


def set_judge(field, value):
    return lambda record: record["manifest"]["run"]["judge"].update({field: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_judge("digest", "0" * 16), "names another judge protocol than its fingerprint"),
        (set_judge("protocol", "rating"), "names another judge protocol than its fingerprint"),
        (set_judge("stopped", "max_cost"), "its run stopped at a limit"),
        (set_judge("cost", -1), "manifest.run.judge does not describe the run of a judge"),
        (set_judge("requests", "many"), "manifest.run.judge does not describe the run of a judge"),
        (lambda record: record["biases"][0].update(value=0.0), "biases, position_bias is stated as 0.000000"),
        (lambda record: record["biases"].pop(0), "biases, position_bias is stated as nothing"),
        (lambda record: record.update(biases=[{"name": "x"}] * 4), "biases"),
    ],
)
def test_false_facts_are_refused(change, words, entry, judged, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.leaderboard.submissions.checks.check_answers", lambda path: [])
    findings = messages(write(tmp_path, entry, change_record=change), judged[1])
    assert any(kind == "refused" and words in message for kind, message in findings), findings


def add_endless_text(rows):
    rows[0]["answer"]["text"] = "a" * 50 + "b"


def test_a_protocol_of_a_stranger_is_flagged_and_never_run(entry, judged, tmp_path, monkeypatch):
    def add_pattern(record):
        record["manifest"]["fingerprint"]["protocol"]["answer"]["patterns"] = [r"(a+)+$"]

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr("rewardbench.leaderboard.submissions.checks.check_answers", fail)
    path = write(tmp_path, entry, add_endless_text, add_pattern)
    ((kind, message),) = messages(path, judged[1])
    assert (kind, "judge protocol is not one of this package" in message) == ("flagged", True)


@pytest.mark.parametrize(
    ("changes", "is_known"),
    [
        ({}, True),
        ({"repeats": 3, "orders": 1, "sampling": {"temperature": 0.7, "max_tokens": 100}}, True),
        ({"repeats": 0}, False),
        ({"repeats": True}, False),
        ({"repeats": 10**9}, False),
        ({"orders": "all"}, False),
        ({"name": "../choice"}, False),
        ({"name": ["choice"]}, False),
        ({"combine": "majority"}, False),
        ({"sampling": {"seed": 1}}, False),
        ({"sampling": {"temperature": {}}}, False),
        ({"sampling": []}, False),
    ],
)
def test_protocols_of_this_package_are_known_with_the_settings_of_a_user(changes, is_known, entry):
    stated = {**entry.summary["manifest"]["fingerprint"]["protocol"], **changes}
    protocol = reparse.known_protocol(stated)
    assert (protocol is not None) == is_known
    assert protocol is None or protocol.identity == stated


def test_a_protocol_with_published_prompts_is_known_without_them():
    protocol = read_protocol("rewardbench1")
    official = protocol.official.model_copy(update={"sha256": "a" * 64})
    stated = json.loads(json.dumps(protocol.model_copy(update={"official": official}).identity))
    assert reparse.known_protocol(stated).answer == protocol.answer
    for value in ("x", 7, None):
        assert reparse.known_protocol({**stated, "official": {**stated["official"], "sha256": value}}) is None
    assert reparse.known_protocol({**stated, "official": []}) is None


def test_missing_answers_are_refused(entry, judged, tmp_path):
    path = write(tmp_path, entry)
    results.packed_answers_path(path).unlink()
    ((kind, message),) = messages(path, judged[1])
    assert kind == "refused"
    assert message == "There are no raw answers next to result.json: submit result_answers.jsonl with it."


def test_answers_with_another_hash_are_refused(entry, tmp_path):
    def change(record):
        record[results.ANSWERS_HASH] = "0" * 64

    assert "does not have the answers_sha256" in mismatch(write(tmp_path, entry, change_record=change))


def test_a_bomb_of_a_gigabyte_is_not_unpacked(entry, tmp_path):
    zeros = gzip.compress(bytes(2**24), 9) * 64  # 1 GiB of one line
    assert len(zeros) < 2**21
    assert "a line has more than" in mismatch(write(tmp_path, entry, packed=zeros))


def test_answers_beyond_the_limits_are_not_read(entry, tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "MOST_UNPACKED", 1_000)
    assert "its lines have more than 1,000 bytes" in mismatch(write(tmp_path, entry))
    monkeypatch.setattr(answers, "MOST_BYTES", 10)
    assert "answers have at most 10" in mismatch(write(tmp_path, entry))


@pytest.mark.parametrize(
    "packed", [b"", b"no gzip", gzip.compress(b"{}\n", mtime=0)[:-6]], ids=("empty", "text", "cut")
)
def test_damaged_files_are_refused(packed, entry, tmp_path):
    assert mismatch(write(tmp_path, entry, packed=packed))


def test_a_stopped_run_cannot_be_packed(judged, tmp_path):
    path = tmp_path / judged[0].name
    for source in (judged[0], results.outputs_path(judged[0]), results.answers_path(judged[0])):
        shutil.copy(source, tmp_path)
    record = json.loads(path.read_text())
    record["manifest"]["run"]["judge"]["stopped"] = "max_requests"
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"cannot be submitted\. The run stopped at --max_requests"):
        pack_submission(path)


def test_the_self_preference_of_another_family_is_left_out(judged, tmp_path):
    record = json.loads(judged[0].read_text())
    for source in (results.outputs_path(judged[0]), results.answers_path(judged[0])):
        shutil.copy(source, tmp_path)
    record["biases"].append({**record["biases"][0], "name": "self_preference"})
    path = tmp_path / judged[0].name
    path.write_text(json.dumps(record))
    names = [bias["name"] for bias in pack_submission(path, "org/claude-judge").summary["biases"]]
    assert "self_preference" not in names
    assert "self_preference" in [bias["name"] for bias in pack_submission(path, "org/gpt-5").summary["biases"]]


def test_a_pull_request_with_answers_is_verified_and_merged(hub, entry, judged, monkeypatch, capsys):
    monkeypatch.setattr(review, "load_known", lambda name: judged[1])
    open_store(WHERE).propose([entry], pull_request_text(entry))
    code, out, _ = run(capsys, "verify", f"{WHERE}@refs/pr/1", "--merge")
    assert (code, "verdict=passed" in out) == (0, True)
    store = open_store(WHERE)
    store.refresh()
    assert "org/gpt-4o-judge_answers.jsonl.gz" in store.files
    store.rename("org/gpt-4o-judge", "org/renamed")
    store.refresh()
    assert [name for name in store.files if name.startswith("org/")] == [
        f"org/renamed{kind}" for kind in (".json", ".parquet", "_answers.jsonl.gz")
    ]


@pytest.mark.slow
def test_a_pull_request_with_changed_answers_is_refused(hub, entry, judged, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(review, "load_known", lambda name: judged[1])
    path = write(tmp_path, entry, swap_verdict)
    changed = read_entry(path, json.loads(path.read_text()))
    open_store(WHERE).propose([changed], "x")
    code, out, _ = run(capsys, "verify", f"{WHERE}@refs/pr/1")
    assert (code, "refused: item 'pair-" in out) == (1, True)


@pytest.mark.parametrize("is_packed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_answers_are_uploaded_with_a_result(is_packed, entry, judged, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "load_known", lambda name: judged[1])
    monkeypatch.setattr(submission, "load_known", lambda name, may_build: judged[1])
    library = Library(str(tmp_path / "store"), writable=True)
    if is_packed:
        path = write(tmp_path, entry)
        files = [path, results.table_path(path), results.packed_answers_path(path)]
    else:
        files = [judged[0], results.outputs_path(judged[0]), results.answers_path(judged[0])]
    checked = submission.check_upload(library, list(map(str, files)), "org/gpt-4o-judge")
    assert checked.findings == ()
    assert checked.entry.answers is not None
    submission.add_to_folder(library, checked.entry)
    assert library.rows().rows[0].protocol.startswith("choice@1#")
    ((finding),) = submission.check_upload(library, list(map(str, files[:2])), "org/gpt-4o-judge").findings
    assert "no raw answers" in finding.message
    assert submission.check_upload(library, list(map(str, [*files, files[2]]))).findings[0].kind == "refused"
