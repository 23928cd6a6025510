"""Test files of submissions that say one thing to one reader and another to the next, or change while they are read."""

import gzip
import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from submissions import SUITE, result, write
from synthetic import changed

pytest.importorskip("gradio")

from rewardbench import results
from rewardbench.errors import InputError
from rewardbench.leaderboard.app import submission as form
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.submissions import bounded, check, read_submission, review
from rewardbench.leaderboard.submissions.checks import verdict_of
from rewardbench.results import parquet


def outcome(path):
    """Return the verdict and the messages on a submission."""
    try:
        findings = check(read_submission(path), SUITE)
    except InputError as error:
        return "refused", str(error)
    return verdict_of(findings), " | ".join(finding.message for finding in findings)


@pytest.mark.parametrize("place", ["", '"manifest": ', '"score": '])
def test_repeated_key_of_a_summary_is_refused(tmp_path, place):
    path = write(tmp_path, *result())
    text = path.read_text()
    assert f"{place}{{" in text
    path.write_text(text.replace(f"{place}{{", f'{place}{{"model": "org/first", "model": 7, ', 1))
    assert outcome(path)[0] == "refused"
    assert "not strict JSON" in outcome(path)[1]


NO_JSON = ("1e999", "-1e999", "NaN", "Infinity", str(2**63), "9" * 400, "9" * 5_000)
HALVES = ('"\\ud800"', '{"\\udfff": 1}')
"""Halves of characters, which are no Unicode text."""
REFUSED = {**dict.fromkeys(NO_JSON, "not strict JSON"), **dict.fromkeys(HALVES, "control or invisible characters")}


@pytest.mark.parametrize(("value", "words"), [*REFUSED.items(), ("0.5", None)])
def test_value_that_other_readers_cannot_read_is_refused_anywhere(tmp_path, value, words):
    path = write(tmp_path, *result())
    text = path.read_text()
    assert '"manifest": {' in text
    path.write_text(text.replace('"manifest": {', f'"manifest": {{"place": [{value}], ', 1))
    message = outcome(path)[1]
    assert [refusal for refusal in set(REFUSED.values()) if refusal in message] == ([words] if words else [])


VALUES = (None, "0.5", "NaN", [0.5], {"value": 0.5}, True, 10**400, -(10**30), 1e308, "\ud800", "1\u066b5", [[]] * 9)


def numbers(value, path=()):
    """Yield the paths of all numbers of a JSON value."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in below:
        if isinstance(inner, int | float):
            yield (*path, key)
        yield from numbers(inner, (*path, key))


def test_number_of_another_form_is_refused_with_a_reason(tmp_path):
    """Every figure of a summary, as text, list, truth value and huge number."""
    summary, rows = result()
    paths = [path for path in numbers(summary) if path[0] not in ("manifest", "schema")]
    assert len(paths) > 60
    for n, where in enumerate(paths):
        value = VALUES[n % len(VALUES)]
        verdict, messages = outcome(write(tmp_path, changed(summary, where, value), rows))
        assert verdict == "refused" or value is None, (where, value)
        assert messages.isascii()


def test_hundred_thousand_sections_are_refused_at_once(tmp_path):
    summary, rows = result()
    figure = {**summary["sections"][0], "name": "s"}
    path = write(tmp_path, {**summary, "sections": [figure] * 10**5}, rows)
    assert "a summary has at most" in outcome(path)[1]


def table_of(rows, **changes):
    """Return the table of a result with changed columns, as bytes."""
    table = pq.read_table(io.BytesIO(parquet.encode_table(rows)))
    for name, values in changes.items():
        number = table.schema.get_field_index(name)
        table = table.append_column(name, values) if number < 0 else table.set_column(number, name, values)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def nested(count):
    return pa.array([{"a": [{"b": 1.0}]}] * count)


def tables():
    """Return tables that differ from those of results in the types of their columns, by name."""
    _, rows = result()
    count = len(rows)
    ids = pa.array([row["id"] for row in rows])
    scores = [row["scores"] for row in rows]
    wrong = {
        "prompts beside the scores": {"prompt": pa.array(["a secret text"] * count)},
        "a nested column beside them": {"x": nested(count)},
        "scores in structures": {"scores": nested(count)},
        "scores in lists of lists": {"scores": pa.array([[values] for values in scores])},
        "scores in maps": {"scores": pa.array([[("a", 1.0)]] * count, pa.map_(pa.string(), pa.float64()))},
        "scores that are bytes": {"scores": pa.array([b"12345678"] * count)},
        "scores without values": {"scores": pa.nulls(count, pa.list_(pa.float64()))},
        "ids that are numbers": {"id": pa.array(range(count))},
        "ids that are no text": {"id": pa.array([b"\xff\xfe"] * count)},
        "ids that are all alike": {"id": pa.array(["a"] * count)},
        "ids that are missing": {"id": pa.nulls(count, pa.string())},
        "counts that are huge": {"num_correct": pa.array([2**62] * count)},
        "dates for scores": {"scores": pa.array([[0, 1]] * count, pa.list_(pa.timestamp("ns")))},
    }
    same = {
        "scores that are text": {"scores": pa.array([[str(value) for value in values] for values in scores])},
        "ids in a dictionary": {"id": ids.dictionary_encode()},
        "long strings": {"id": ids.cast(pa.large_string())},
        "long lists": {"scores": pa.array(scores, pa.large_list(pa.float64()))},
    }
    return {name: (table_of(rows, **columns), False) for name, columns in wrong.items()} | {
        name: (table_of(rows, **columns), True) for name, columns in same.items()
    }


TABLES = tables()


@pytest.mark.parametrize("name", TABLES)
def test_table_of_other_types_is_refused_or_read_as_the_same(tmp_path, name):
    content, is_same = TABLES[name]
    summary, rows = result()
    verdict, messages = outcome(write(tmp_path, summary, rows, content))
    assert verdict == ("passed" if is_same else "refused"), messages
    assert "\n" not in messages


def test_column_twice_is_refused(tmp_path):
    summary, rows = result()
    table = pq.read_table(io.BytesIO(parquet.encode_table(rows)))
    out = io.BytesIO()
    pq.write_table(table.append_column("scores", table["scores"]), out)
    with pytest.raises(InputError):
        bounded.pack_untrusted(write(tmp_path, summary, rows, out.getvalue()))


def test_table_with_large_metadata_is_refused_before_it_is_parsed(tmp_path):
    """A table of 21 MB with 900,000 empty columns would take 1.5 GB when its metadata is parsed."""
    summary, rows = result()
    table = pq.read_table(io.BytesIO(parquet.encode_table(rows)))
    for size, fits in ((2**18, True), (2**20, False)):
        out = io.BytesIO()
        pq.write_table(table.replace_schema_metadata({"note": "x" * size}), out)
        path = write(tmp_path, summary, rows, out.getvalue())
        if fits:
            assert read_submission(path).scored.items
            continue
        for read in (read_submission, bounded.pack_untrusted):
            with pytest.raises(InputError, match=r"bytes of metadata, and a result has at most 1,048,576"):
                read(path)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"\0" * 10**6),
        b"PAR1" + b"\xff" * 100 + b"\xff\xff\xff\x7fPAR1",
        b"PAR1" + b"\0" * 100 + b"\x64\x00\x00\x00PAR1",
        b"PARE" + b"\0" * 100 + b"\x10\x00\x00\x00PARE",
        b"",
    ],
)
def test_file_that_is_no_table_is_refused(tmp_path, content):
    summary, rows = result()
    with pytest.raises(InputError) as refusal:
        bounded.pack_untrusted(write(tmp_path, summary, rows, content))
    assert "\n" not in str(refusal.value)


def test_uploaded_file_that_changes_after_the_check_is_not_what_is_added(tmp_path, monkeypatch):
    """The bytes that were checked are added, whatever the uploaded file has become."""
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    monkeypatch.setattr(form, "load_known", lambda name, may_build: SUITE)
    (tmp_path / "store").mkdir()
    library = Library(str(tmp_path / "store"), writable=True)
    summary, rows = result()
    path = write(tmp_path, summary, rows)
    checked = form.check_upload(library, [str(path), str(results.table_path(path))])
    assert checked.findings == ()
    evil, evil_rows = result("org/evil", share=1.0)
    write(tmp_path, evil, evil_rows)
    form.add_to_folder(library, checked.entry)
    (row,) = library.rows().rows
    assert row.model == "org/good"
    assert row.score.value == pytest.approx(summary["score"]["value"])


def test_same_upload_sent_twice_is_added_once(tmp_path, monkeypatch):
    monkeypatch.setattr(review, "load_known", lambda name: SUITE)
    monkeypatch.setattr(form, "load_known", lambda name, may_build: SUITE)
    (tmp_path / "store").mkdir()
    library = Library(str(tmp_path / "store"), writable=True)
    path = write(tmp_path, *result())
    checked = form.check_upload(library, [str(path), str(results.table_path(path))])
    other = form.check_upload(library, [str(path), str(results.table_path(path))], "org/other")
    form.add_to_folder(library, checked.entry)
    with pytest.raises(InputError, match="changed since the check"):
        form.add_to_folder(library, other.entry)
    assert [row.model for row in library.rows().rows] == ["org/good"]


def test_summary_that_changes_between_two_reads_is_one_summary(tmp_path):
    """A submission is read once: what was checked is what a store gets."""
    path = write(tmp_path, *result())
    submission = read_submission(path)
    path.write_text(path.read_text().replace("org/good", "org/evil"))
    assert submission.summary.model == submission.record["model"] == "org/good"


def test_hash_of_the_scores_is_that_of_the_bytes_that_were_read(tmp_path):
    summary, rows = result()
    path = write(tmp_path, summary, rows)
    submission = read_submission(path)
    _, other = result(share=1.0, seed=9)
    results.table_path(path).write_bytes(parquet.encode_table(other))
    with pytest.raises(InputError):
        submission.scored  # noqa: B018
    assert hashlib.sha256(results.table_path(path).read_bytes()).hexdigest() != submission.record[results.OUTPUTS_HASH]


def test_summary_in_another_encoding_is_refused_or_the_same(tmp_path):
    summary, rows = result()
    path = write(tmp_path, summary, rows)
    text = path.read_text()
    for encoding in ("utf-16", "utf-32", "utf-8-sig", "utf-7"):
        path.write_bytes(json.dumps(json.loads(text) | {"model": "org/good"}).encode(encoding))
        assert outcome(path)[0] in ("passed", "refused")
    path.write_bytes(text.encode() + b"\0")
    assert outcome(path)[0] == "refused"
