"""Generate preference data that is nearly right: valid rows of every format, with some fields spoiled."""

import copy
import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

HOSTILE_TEXTS = (
    *("", " ", "\n", "\0", "None", "NA", "nan", "1", "[]", "{}", "null", "true", "\ud83d", "\x1b[2J\x1b[31m", "\x07"),
    *("\u202eabc", "\u200b", "\ufeff", "\ue000", "<|im_end|>", "<s>", "</s>", "<pad>", "{{ 1 }}", "[bold]x[/bold]"),
    *('[{"role": "user", "content": "Hi"}]', "[{'from': 'gpt', 'value': 'Hi'}]", "<script>alert(1)</script>"),
    *("\n\nHuman: Hi\n\nAssistant: Yes", "\r\n\r\nHuman: Hi\r\n\r\nAssistant: Yes", "../../x", "=1+1", "a,b", '"'),
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**400, -(2**63), 2**64, 0.5, -0.0, 1e308, -1e308, float("nan"), float("inf")]),
    st.sampled_from(HOSTILE_TEXTS),
    st.text(max_size=8),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["role", "content", "a", "score"]), inner, max_size=3),
    ),
    max_leaves=5,
)


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


USER, GOOD, BAD = "Name a river.", "The Elbe is one of them.", "No."

FORMATS: dict[str, tuple[dict[str, Any], str | None]] = {
    "preference": ({"prompt": USER, "chosen": GOOD, "rejected": BAD}, None),
    "messages": (
        {"prompt": [say("user", USER)], "chosen": [say("assistant", GOOD)], "rejected": [say("assistant", BAD)]},
        None,
    ),
    "implicit prompt": (
        {
            "chosen": [say("system", "Be brief."), say("user", USER), say("assistant", GOOD)],
            "rejected": [say("system", "Be brief."), say("user", USER), say("assistant", BAD)],
        },
        None,
    ),
    "instruction and input": ({"instruction": "Answer.", "input": USER, "chosen": GOOD, "rejected": BAD}, None),
    "transcript": (
        {
            "chosen": f"\n\nHuman: {USER}\n\nAssistant: {GOOD}",
            "rejected": f"\n\nHuman: {USER}\n\nAssistant: {BAD}",
        },
        None,
    ),
    "rendered": ({"text_chosen": f"<u>{USER}<a>{GOOD}", "text_rejected": f"<u>{USER}<a>{BAD}"}, None),
    "best of n": ({"prompt": USER, "completions": [GOOD, BAD, "Rivers."], "num_correct": 1}, None),
    "sharegpt": (
        {
            "conversations": [{"from": "human", "value": USER}],
            "chosen": {"from": "gpt", "value": GOOD},
            "rejected": {"from": "gpt", "value": BAD},
        },
        None,
    ),
    "arena": (
        {
            "prompt": json.dumps([USER]),
            "response_a": json.dumps([GOOD]),
            "response_b": json.dumps([BAD]),
            "winner_model_a": 1,
            "winner_model_b": 0,
            "winner_tie": 0,
        },
        None,
    ),
    "helpsteer": ({"prompt": USER, "response1": GOOD, "response2": BAD, "preference_strength": -2}, None),
    "ultrafeedback": (
        {
            "instruction": USER,
            "completions": [{"response": GOOD, "overall_score": 8}, {"response": BAD, "overall_score": 3}],
        },
        None,
    ),
    "scored responses": ({"prompt": USER, "responses": [GOOD, BAD], "scores": [8, 3]}, None),
    "tools": (
        {
            "prompt": [
                say("user", USER),
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"type": "function", "function": {"name": "rivers", "arguments": "{}"}}],
                },
                say("tool", "Elbe"),
            ],
            "chosen": GOOD,
            "rejected": BAD,
            "tools": [{"type": "function", "function": {"name": "rivers"}}],
        },
        None,
    ),
    "text parts": (
        {
            "prompt": [{"role": "user", "content": [{"type": "text", "text": USER}]}],
            "chosen": [{"role": "assistant", "content": [{"type": "text", "text": GOOD}]}],
            "rejected": [{"role": "assistant", "content": [{"type": "text", "text": BAD}]}],
        },
        None,
    ),
    "reward-bench": (
        {"prompt": USER, "chosen": GOOD, "rejected": BAD, "subset": "alpacaeval-easy", "id": 3},
        "allenai/reward-bench",
    ),
    "reward-bench-2": (
        {"prompt": USER, "chosen": [GOOD], "rejected": [BAD, "Sea.", "Lake."], "subset": "Math", "num_correct": 1},
        "allenai/reward-bench-2",
    ),
    "rm-bench": (
        {"prompt": USER, "chosen": [GOOD] * 3, "rejected": [BAD] * 3, "domain": "chat"},
        "THU-KEG/RM-Bench",
    ),
    "judge-bench": (
        {"question": USER, "response_A": GOOD, "response_B": BAD, "label": "A>B", "source": "mmlu-pro-math"},
        "ScalerLab/JudgeBench",
    ),
    "rmb best of n": (
        {
            "category_path": "Helpfulness/Chat/x",
            "conversation_input": [say("user", USER)],
            "bon_best": {"answer": GOOD},
            "loser_list": [{"answer": BAD}],
        },
        "rmb",
    ),
}
"""A valid row of each format, and the protocol that it needs."""

KEYS = ("id", "subset", "group", "prompt", "system", "num_correct", "messages", "tools", "chosen", "extra", "query", "")

intact_text = st.text(st.sampled_from("abcdefgh ,'"), min_size=1, max_size=30).filter(lambda text: text.strip())


@dataclass(frozen=True)
class Table:
    """Rows of one format, to be written to a file."""

    rows: list[dict[str, Any]]
    protocol: str | None
    name: str
    intact: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Id of each plain row that is intact, with the scores of baseline/longest for its two responses."""

    def write(self, folder: Path) -> Path:
        """Write the file to a folder, as jsonl if its format cannot represent these rows."""
        path = folder / self.name
        try:
            path.write_bytes(WRITERS[self.name](self.rows))
        except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeError, csv.Error):
            path = folder / "rows.jsonl"
            path.write_bytes(_jsonl(self.rows))
        return path


def _jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    columns = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _separated(delimiter: str) -> Callable[[list[dict[str, Any]]], bytes]:
    def write(rows: list[dict[str, Any]]) -> bytes:
        if not all(isinstance(value, str) and "\0" not in value for row in rows for value in row.values()):
            raise TypeError("a table holds text")
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    return write


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "rows.jsonl": _jsonl,
    "rows.json": lambda rows: json.dumps(rows).encode(),
    "rows.jsonl.gz": lambda rows: gzip.compress(_jsonl(rows)),
    "rows.parquet": _parquet,
    "rows.csv": _separated(","),
    "rows.tsv": _separated("\t"),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all fields of a JSON value, at any depth."""
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        return []
    paths = []
    for key, child in children:
        paths.append((*path, key))
        paths += places(child, (*path, key))
    return paths


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """Change one to three places of a JSON value: replace, remove, add or swap."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        paths = places(value)
        if not paths:
            return value
        *parents, last = draw(st.sampled_from(paths))
        container = value
        for key in parents:
            container = container[key]
        change = draw(st.sampled_from(["replace", "replace", "remove", "add", "stringify"]))
        if change == "replace":
            container[last] = draw(json_values)
        elif change == "remove":
            del container[last]
        elif change == "stringify":
            container[last] = json.dumps(container[last])
        elif isinstance(container, dict):
            container[draw(st.sampled_from(KEYS))] = draw(json_values)
        else:
            container.append(draw(json_values))
    return value


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw a file of one to five rows of one format, some of them spoiled."""
    kind = draw(st.sampled_from(sorted(FORMATS)))
    example, protocol = FORMATS[kind]
    rows: list[dict[str, Any]] = []
    intact: dict[str, tuple[float, float]] = {}
    for number in range(draw(st.integers(1, 5))):
        row: dict[str, Any] = {**copy.deepcopy(example), "id": f"row-{number}"}
        if kind == "preference":
            row |= {"prompt": draw(intact_text), "chosen": draw(intact_text), "rejected": draw(intact_text)}
        if draw(st.booleans()):
            row = draw(spoiled(row))
        elif kind == "preference":
            intact[row["id"]] = (float(len(row["chosen"])), float(len(row["rejected"])))
        rows.append(row)
    name = draw(st.sampled_from(sorted(WRITERS)))
    spoiled_ids = {str(row.get("id")) for row in rows} - intact.keys()
    known = intact if len(spoiled_ids) + len(intact) == len(rows) else {}
    return Table(rows, protocol, name, known)


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw the name and the bytes of a data file, valid at first, that was cut, mixed up or misnamed."""
    kind = draw(st.sampled_from(sorted(FORMATS)))
    rows = [copy.deepcopy(FORMATS[kind][0]) for _ in range(3)]
    name = draw(st.sampled_from(sorted(WRITERS)))
    try:
        content = WRITERS[name](rows)
    except (pa.ArrowException, TypeError):
        content = _jsonl(rows)
    for _ in range(draw(st.integers(0, 2))):
        content = draw(damaged(content))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from([*sorted(WRITERS), "rows", "rows.txt", "rows.yaml", "rows.csv.gz", "rows.JSONL"]))
    return name, content


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut, repeat, overwrite or re-encode a part of some bytes."""
    at = draw(st.integers(0, len(content)))
    change = draw(
        st.sampled_from(
            ["cut", "insert", "overwrite", "repeat", "crlf", "crlf", "bom", "bom", "utf-16", "empty", "gzip"]
        )
    )
    junk = draw(st.one_of(st.binary(max_size=6), st.sampled_from([b"\0", b"\xff\xfe", b"\n\n", b"}", b'"', b","])))
    if change == "cut":
        return content[:at]
    if change == "insert":
        return content[:at] + junk + content[at:]
    if change == "overwrite":
        return content[:at] + junk + content[at + len(junk) :]
    if change == "repeat":
        return content[:at] + content
    if change == "crlf":
        return content.replace(b"\n", b"\r\n")
    if change == "bom":
        return b"\xef\xbb\xbf" + content
    if change == "utf-16":
        return content.decode("utf-8", "replace").encode("utf-16")
    return gzip.compress(content) if change == "gzip" else b""
