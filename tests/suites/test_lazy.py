"""Large files are read on access, and give the same suite as files that are read at once."""

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
    eager = load_suite(str(path))
    monkeypatch.setattr(sources, "LARGE", 0)
    return eager, load_suite(str(path))


def test_lazy_and_eager_reading_give_the_same_suite(both):
    eager, lazy = both
    assert isinstance(lazy.items, LazySequence)
    assert tuple(lazy.items) == eager.items
    assert lazy.revision == eager.revision
    assert (lazy.rules, lazy.source) == (eager.rules, eager.source)
    assert [item.id for item in lazy.items[5:8]] == [item.id for item in eager.items[5:8]]
    assert lazy.items[-1] == eager.items[-1]
    assert lazy.items[::7] == list(eager.items[::7])
    with pytest.raises(IndexError):
        _ = lazy.items[20]


def test_lazy_and_eager_reading_give_the_same_result(both, tmp_path):
    from rewardbench.evaluation import run
    from rewardbench.settings import ModelSpec, Settings

    path = str(tmp_path / "pairs.jsonl")
    sunk_rows = []
    lazy, suite = run(Settings(ModelSpec("baseline/random"), path), sink=lambda *row: sunk_rows.append(row))
    assert isinstance(suite.items, LazySequence)
    assert [row[0].id for row in sunk_rows] == [item.id for item in lazy.items]
    assert all(row[1].texts for row in sunk_rows)
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
def test_lazy_reading_reports_the_line_number_of_a_bad_row(content, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGE", 0)
    (tmp_path / "pairs.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_suite(str(tmp_path / "pairs.jsonl"))


def test_line_numbers_include_blank_lines(tmp_path):
    (tmp_path / "x").write_bytes(b"one\n\n three\r\n")
    assert list(lazy_lines(tmp_path / "x", lambda line, number: (number, line))) == [(1, b"one\n"), (3, b" three\r\n")]
