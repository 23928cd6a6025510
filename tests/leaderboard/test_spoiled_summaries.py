"""A summary with one field spoiled, whichever it is: every reader of it has an answer or one sentence."""

import json

import pytest
from synthetic import changed, mirrors, scores, store

pytest.importorskip("gradio")

from rewardbench.comparison.compare import compare, rank
from rewardbench.comparison.gate import decide
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
    """The paths of all fields; of a list the first."""
    below = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in below:
        yield (*path, key)
        yield from fields(one, (*path, key))


@pytest.fixture
def two(tmp_path):
    """The paths of two results in one store; the first one's summary says all that a summary can."""
    paths = [store(tmp_path, SUITE, scores(SUITE, 0.6, seed=n), f"org/{name}") for n, name in enumerate("ab")]
    told = json.loads(paths[0].read_bytes())
    told["manifest"] |= {"command": "x", "model": {"license": "mit", "parameters": 1000}}
    paths[0].write_text(json.dumps(told | {"date": "2026-01-01"}))
    return paths


def ask(question, *given):
    """Its answer, or the complaint of bad input."""
    try:
        return question(*given)
    except InputError as error:
        return error


def answers(one, other):
    """What the commands say of a result, beside another."""
    yield ask(lambda: check(read_submission(one), SUITE))
    found = ask(read_scored, one)
    yield found
    if not isinstance(found, InputError):
        yield ask(select, found)
        for question in (compare, decide, lambda *both: rank(both)):
            yield ask(question, read_scored(other), found)


@pytest.mark.parametrize("turn", range(len(VALUES)))
def test_every_command_has_an_answer_or_a_sentence(two, turn):
    one, other = two
    told = json.loads(one.read_bytes())
    assert not [said for said in answers(one, other) if isinstance(said, InputError)]
    said = []
    for n, path in enumerate(fields(told)):
        one.write_text(json.dumps(changed(told, path, VALUES[(n + turn) % len(VALUES)])))
        said += answers(one, other)
    sentences = [str(one) for one in said if isinstance(one, InputError)]
    assert 0 < len(sentences) < len(said)
    assert not [sentence for sentence in sentences if not sentence.endswith(".") or "\n" in sentence]


@pytest.mark.parametrize("turn", [0, 5])
def test_every_page_has_an_answer_or_a_sentence(two, tmp_path, turn):
    told = json.loads(two[0].read_bytes())
    for n, path in enumerate(fields(told)):
        two[0].write_text(json.dumps(changed(told, path, VALUES[(n + turn) % len(VALUES)])))
        library = Library(str(tmp_path))
        for query in PAGES:
            assert "<h1" in app.view(library, f"?{query}")
