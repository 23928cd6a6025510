"""Any JSON value in any field of any format gives an item with a problem or a one-line error, no other exception."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewardbench.errors import InputError
from rewardbench.suites import load_suite
from rewardbench.suites.rows import content_hash
from rewardbench.suites.sample import stratify

TURNS = [{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": "The Elbe."}]
SHAREGPT = {"from": "gpt", "value": "The Elbe."}
PAIR = {"id": "1", "subset": "s", "group": "g", "prompt": "Name a river.", "chosen": "The Elbe.", "rejected": "No."}
THREE = ["The Elbe.", "The **Elbe**.", "# The Elbe"]

ROWS = {
    "pair": PAIR,
    "system": {**PAIR, "system": "Be brief.", "num_correct": 1},
    "whole conversations": {"chosen": TURNS, "rejected": [TURNS[0], {"role": "assistant", "content": "No."}]},
    "transcripts": {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes.", "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
    "alpaca": {"instruction": "Name", "input": "a river", "history": [["Hi", "Hello"]], "chosen": "A", "rejected": "B"},
    "lists": {"prompt": "Name a river.", "chosen": ["The Elbe.", "The Oder."], "rejected": ["No."]},
    "rendered": {"text_chosen": "Q: river A: Elbe", "text_rejected": "Q: river A: no"},
    "ranked": {"prompt": "Name a river.", "completions": ["The Elbe.", [TURNS[1]], "No."], "num_correct": 2},
    "responses": {"question": "Name a river.", "responses": ["The Elbe.", "No."], "num_correct": 1},
    "messages": {"messages": TURNS},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hi"}], "chosen": SHAREGPT, "rejected": SHAREGPT},
    "kaggle": {
        "model_a": "m",
        "model_b": "n",
        "prompt": '["Hi", "So?"]',
        "response_a": '["A", "B"]',
        "response_b": '["C", "D"]',
        "winner_model_a": 1,
        "winner_model_b": 0,
        "winner_tie": 0,
    },
    "arena": {"conversation_a": TURNS, "conversation_b": TURNS, "winner": "model_a", "model_a": "m", "model_b": "n"},
    "safe rlhf": {"prompt": "Hi there", "response_0": "A", "response_1": "B", "better_response_id": 1},
    "shp": {"history": "Is it so?", "human_ref_A": "Yes", "human_ref_B": "No", "labels": 1},
    "helpsteer 3": {"context": TURNS[:1], "response1": "A", "response2": "B", "overall_preference": -2},
    "helpsteer 2": {"prompt": "Hi there", "response_1": "A", "response_2": "B", "preference_strength": "2"},
    "ultrafeedback": {
        "instruction": "Hi there",
        "completions": [{"response": "A", "overall_score": 3.5}, {"response": "B", "overall_score": "2"}],
    },
    "scores": {"prompt": "Hi there", "responses": ["A", "B", "C"], "scores": [3, 1, 2]},
    "ranks": {"prompt": "Hi there", "answers": ["A", "B", "C"], "rank": [3, 1, 2]},
    "dispreferred": {"prompt": "Hi there", "preferred": "A", "dispreferred": "B"},
    "kto": {"prompt": "Hi there", "completion": "A", "label": True},
    "helpsteer": {"prompt": "Hi there", "response": "A", "helpfulness": 3},
}
PROTOCOLS = {
    "reward-bench": {**PAIR, "chosen_model": "m"},
    "reward-bench-2": {"id": "tied:3", "subset": "Ties", "prompt": "Q?", "chosen": ["a", "b"], "rejected": ["c", "d"]},
    "preference-test-sets": {"prompt": TURNS[:1], "chosen": "A", "rejected": "B", "subset": "fine", "id": 0},
    "rm-bench": {"id": 3, "prompt": "Q?", "domain": "chat", "chosen": THREE, "rejected": THREE},
    "judge-bench": {
        "pair_id": "p",
        "question": "Q?",
        "label": "A>B",
        "source": "livebench-math",
        "original_id": "o",
        "response_A": "A",
        "response_B": "B",
    },
    "rmb": {
        "bon_uid": "b",
        "category_path": "Helpfulness/x",
        "conversation_input": TURNS[:1],
        "bon_best": {"answer": "a"},
        "loser_list": [{"answer": "b"}, {"answer": "c"}],
    },
}
CASES = [(name, row, None) for name, row in ROWS.items()]
CASES += [(name, row, name) for name, row in PROTOCOLS.items()]
PAIRED = {"kto": {"label": False, "completion": "B"}, "helpsteer": {"response": "B", "helpfulness": 1}}
"""The second row of formats that hold one response a row."""

ODD_VALUES = st.sampled_from(
    [None, True, False, 0, -1, 10**30, 1e308, float("nan"), float("inf"), "", " ", "\ud83d", "null", "[]", "[{", "{}"]
)
ODD_LISTS = st.sampled_from([[], {}, [[]], [None], [{}], [[{}]], {"role": []}, [{"role": {}, "content": 1}], ["a", 1]])
JSON = (
    ODD_VALUES
    | ODD_LISTS
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda value: st.lists(value, max_size=3) | st.dictionaries(st.text(max_size=5), value, max_size=3),
        max_leaves=6,
    )
)


def places(value, path=()):
    """Yield the path of keys to every value inside a JSON value, at any depth."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def replaced(row, path, value):
    row = copy.deepcopy(row)
    at = row
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return row


def load(file, **options):
    """Return the suite and an empty message, or None and the error message."""
    try:
        return load_suite(str(file), **options), ""
    except InputError as error:
        return None, str(error)


def check_replacement(name, row, protocol, data, file):
    """Load a file in which one value of one row is replaced by any other."""
    bad = replaced(row, data.draw(st.sampled_from(list(places(row)))), data.draw(JSON))
    good = {**row, **PAIRED.get(name, {})}
    rows = data.draw(st.sampled_from([[bad], [good, bad], [bad, good, good]]))
    pairs = data.draw(st.sampled_from([None, "best-worst", "all", "best-of-n"]))
    file.write_text("".join(json.dumps(each_row) + "\n" for each_row in rows))
    suite, message = load(file, protocol=protocol, pairs=pairs)
    if suite is None:
        assert "\n" not in message
        assert 20 < len(message) < 1500
        return
    assert len({item.id for item in suite.items}) == len(suite.items)
    assert content_hash(suite.items)
    assert stratify(suite, 1).items
    for item in suite.items:
        assert isinstance(item.subset, str)
        assert isinstance(item.group, str)
        assert item.problem is None or item.problem


SHARED_FIXTURES = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize(("name", "row", "protocol"), CASES, ids=[name for name, _, _ in CASES])
@settings(max_examples=12, deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(data=st.data())
def test_any_value_in_any_field_gives_an_item_or_a_one_line_error(name, row, protocol, data, tmp_path):
    check_replacement(name, row, protocol, data, tmp_path / "rows.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row", "protocol"), CASES, ids=[name for name, _, _ in CASES])
@settings(max_examples=400, deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(data=st.data())
def test_many_values_in_every_field_give_items_or_one_line_errors(name, row, protocol, data, tmp_path):
    check_replacement(name, row, protocol, data, tmp_path / "rows.jsonl")


@pytest.mark.parametrize(("name", "row", "protocol"), CASES, ids=[name for name, _, _ in CASES])
def test_unchanged_rows_have_no_problem(name, row, protocol, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(each_row) + "\n" for each_row in (row, {**row, **PAIRED.get(name, {})})))
    items = load_suite(str(file), protocol=protocol).items
    assert [item.problem for item in items] == [None] * len(items)


def test_deeply_nested_values_give_an_item_or_a_one_line_error(tmp_path):
    file = tmp_path / "deep.jsonl"
    for field in ("id", "subset", "group", "prompt", "chosen", "num_correct"):
        for depth in (200, 900, 960, 985):
            row = json.dumps({**PAIR, field: "HERE"}).replace('"HERE"', "[" * depth + "]" * depth)
            file.write_text(json.dumps(PAIR) + "\n" + row + "\n")
            suite, sentence = load(file)
            assert "nested too deep" in sentence or "not JSON" in sentence if suite is None else len(suite.items) == 2
