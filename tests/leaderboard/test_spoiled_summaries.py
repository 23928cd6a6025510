"""Test summaries with one malformed field: every command and page answers or raises a one-line error."""

import json

import pytest
from synthetic import changed, mirrors, scores, store

pytest.importorskip("gradio")

from rewardbench.comparison.compare import compare
from rewardbench.comparison.gate import decide
from rewardbench.comparison.rank import rank
from rewardbench.errors import InputError
from rewardbench.leaderboard.app import serve as app
from rewardbench.leaderboard.app.library import Library
from rewardbench.leaderboard.submissions import check, read_submission
from rewardbench.results.browse import select
from rewardbench.results.scored import read_scored

SUITE = mirrors(4)
VALUES = (None, [], {}, [1], {"a": 1}, "", "x", -1, 10**400, 1.7e308, True, "\ud800", [[[]]], "9999-12-31")
PAGES = (
    "",
    "subsets=1",
    "view=size",
    "view=items",
    "view=suite",
    "view=compare&a=org/a&b=org/b",
    "view=model&model=org/a",
)


def fields(value, path=()):
    """Yield the paths of all fields; of a list, those of the first element."""
    below = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in below:
        yield (*path, key)
        yield from fields(inner, (*path, key))


@pytest.fixture
def two(tmp_path):
    """Store two results, the first with every optional field; return the paths of their summaries."""
    paths = [store(tmp_path, SUITE, scores(SUITE, 0.6, seed=n), f"org/{name}") for n, name in enumerate("ab")]
    summary = json.loads(paths[0].read_bytes())
    summary["manifest"] |= {"command": "x", "model": {"license": "mit", "parameters": 1000}}
    paths[0].write_text(json.dumps(summary | {"date": "2026-01-01"}))
    return paths


def ask(question, *arguments):
    """Call a function; return its result or the InputError that it raises."""
    try:
        return question(*arguments)
    except InputError as error:
        return error


def answers(first, second):
    """Yield what the commands return for a result, with another result to compare."""
    yield ask(lambda: check(read_submission(first), SUITE))
    scored = ask(read_scored, first)
    yield scored
    if not isinstance(scored, InputError):
        yield ask(select, scored)
        for question in (compare, decide, lambda *both: rank(both)):
            yield ask(question, read_scored(second), scored)


@pytest.mark.parametrize("turn", range(len(VALUES)))
def test_commands_answer_or_raise_a_one_line_error(two, turn):
    first, second = two
    summary = json.loads(first.read_bytes())
    assert not [answer for answer in answers(first, second) if isinstance(answer, InputError)]
    spoiled_answers = []
    for n, path in enumerate(fields(summary)):
        first.write_text(json.dumps(changed(summary, path, VALUES[(n + turn) % len(VALUES)])))
        spoiled_answers += answers(first, second)
    sentences = [str(answer) for answer in spoiled_answers if isinstance(answer, InputError)]
    assert 0 < len(sentences) < len(spoiled_answers)
    assert not [sentence for sentence in sentences if not sentence.endswith(".") or "\n" in sentence]


@pytest.mark.parametrize("turn", [0, 5])
def test_pages_answer_for_malformed_summaries(two, tmp_path, turn):
    summary = json.loads(two[0].read_bytes())
    for n, path in enumerate(fields(summary)):
        two[0].write_text(json.dumps(changed(summary, path, VALUES[(n + turn) % len(VALUES)])))
        library = Library(str(tmp_path))
        for query in PAGES:
            assert "<h1" in app.view(library, f"?{query}")
