"""A large file is read when it is asked for, and is the same dataset as a small one."""

import json

import pytest

from rewardbench.errors import InputError
from rewardbench.suites import load_suite, sources
from rewardbench.suites.lazy import LazySequence, lazy_lines

ROWS = [
    {"id": str(n % 7), "subset": "ab"[n % 2], "prompt": f"Say {n}é", "chosen": f"{n}", "rejected": "no", "extra": n}
    for n in range(20)
]


def write(path, rows):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", encoding="utf-8")
    return path


@pytest.fixture
def both(tmp_path, monkeypatch):
    path = write(tmp_path / "pairs.jsonl", ROWS)
    whole = load_suite(str(path))
    monkeypatch.setattr(sources, "LARGE", 0)
    return whole, load_suite(str(path))


def test_both_ways_give_the_same_suite(both):
    whole, lazy = both
    assert isinstance(lazy.items, LazySequence)
    assert tuple(lazy.items) == whole.items
    assert lazy.revision == whole.revision
    assert (lazy.rules, lazy.source) == (whole.rules, whole.source)
    assert [item.id for item in lazy.items[5:8]] == [item.id for item in whole.items[5:8]]
    assert lazy.items[-1] == whole.items[-1]
    assert lazy.items[::7] == list(whole.items[::7])
    with pytest.raises(IndexError):
        _ = lazy.items[20]


def test_both_ways_give_the_same_result(both, tmp_path):
    from rewardbench.evaluation import run
    from rewardbench.settings import ModelSpec, Settings

    path = str(tmp_path / "pairs.jsonl")
    found = []
    lazy, suite = run(Settings(ModelSpec("baseline/random"), path), sink=lambda *row: found.append(row))
    assert isinstance(suite.items, LazySequence)
    assert [row[0].id for row in found] == [item.id for item in lazy.items]
    assert all(row[1].texts for row in found)
    assert not any(item.texts for item in lazy.items)
    sources.LARGE = 2**26  # monkeypatch puts it back as well
    eager, _ = run(Settings(ModelSpec("baseline/random"), path))
    assert (eager.score, eager.subsets) == (lazy.score, lazy.subsets)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n\n{"prompt"\n', "line 3: this is not JSON"),
        (b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n[1]\n', "line 2: a row must be a JSON object"),
        (b'{"prompt": "\xff", "chosen": "b", "rejected": "c"}\n', "line 1 is not UTF-8 text"),
        (b"\n\n", "holds no rows to score"),
    ],
)
def test_a_bad_line_is_named(content, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGE", 0)
    (tmp_path / "pairs.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_suite(str(tmp_path / "pairs.jsonl"))


def test_lines_are_counted_with_the_blank_ones(tmp_path):
    (tmp_path / "x").write_bytes(b"one\n\n three\r\n")
    assert list(lazy_lines(tmp_path / "x", lambda line, number: (number, line))) == [(1, b"one\n"), (3, b" three\r\n")]
