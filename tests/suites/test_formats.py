"""Preference data in the formats of other projects, on hand-made rows with the expected items."""

import json

import pandas as pd
import pytest
from repository import SHARED

from rewardbench.errors import InputError
from rewardbench.suites import load_suite
from rewardbench.suites.columns import nearest_format

FAULTS = SHARED / "faults"
needs_inputs = pytest.mark.skipif(not FAULTS.is_dir(), reason="the folder of shared inputs is not here")


def write(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(tmp_path, *rows, **options):
    return load_suite(write(tmp_path, *rows), **options)


def contents(item):
    """Return the texts of the prompt, those of each completion, and the number of right completions."""
    prompt, *completions = (tuple(turn["content"] for turn in turns) for turns in (item.prompt, *item.completions))
    return prompt, completions, item.num_correct


def parse_pair(tmp_path, row, **options):
    (item,) = load(tmp_path, row, **options).items
    assert item.problem is None
    return contents(item)


RIGHT = (("Why is it so?",), [("A",), ("B",)], 1)
SIDES = {"prompt": "Why is it so?", "response_a": "A", "response_b": "B"}


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"from": "human", "value": "Why is it so?"}], "chosen": {"from": "gpt", "value": "A"}}
        | {"rejected": {"from": "gpt", "value": "B"}},
        {**SIDES, "winner": "model_a"},
        {**SIDES, "winner": "gpt-5", "model_a": "gpt-5", "model_b": "llama"},
        {**SIDES, "winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0},
        {"prompt": "Why is it so?", "response_a": "B", "response_b": "A", "winner": "model_b"},
        {"prompt": "Why is it so?", "response1": "A", "response2": "B", "preference_strength": -1},
        {"prompt": "Why is it so?", "response1": "B", "response2": "A", "overall_preference": 3},
        {"context": [{"role": "user", "content": "Why is it so?"}], "response1": "A", "response2": "B"}
        | {"overall_preference": -2},
        {"prompt": "Why is it so?", "response_0": "B", "response_1": "A", "better_response_id": 1},
        {"history": "Why is it so?", "human_ref_A": "A", "human_ref_B": "B", "labels": 1},
        {"instruction": "Why is it so?", "output_1": "B", "output_2": "A", "preference": 2},
        {"prompt": "Why is it so?", "answer_0": "A", "answer_1": "B", "score_0": 0.5, "score_1": -0.5},
        {"prompt": "Why is it so?", "preferred": "A", "dispreferred": "B"},
        {"instruction": "Why is it so?", "completions": [{"response": "B", "overall_score": 1}]}
        | {"completions": [{"response": "B", "overall_score": 1}, {"response": "A", "overall_score": 9}]},
        {"prompt": "Why is it so?", "responses": ["B", "A"], "scores": [1, 2.5]},
        {"prompt": "Why is it so?", "responses": ["B", "A"], "ratings": ["1", "5"]},
        {"prompt": "Why is it so?", "answers": ["A", "B"], "rank": [1, 2]},
        {"prompt": "Why is it so?", "completions": {"text": ["B", "A"], "score": [1, 2]}},
        {"prompt": "\n\nHuman: Why is it so?\n\nAssistant: ", "answers": [{"answer": "B", "rank": 2}]}
        | {"answers": [{"answer": "B", "rank": 2.0}, {"answer": "A", "rank": 1.0}]},
        {"input": {"messages": [{"role": "user", "content": "Why is it so?"}]}}
        | {"preferred_output": [{"role": "assistant", "content": "A"}]}
        | {"non_preferred_output": [{"role": "assistant", "content": "B"}]},
        {"instruction": "Why is it so?", "input": "", "output": ["A", "B"]},
        {"prompt": "Why is it so?", "response_a": '["A"]', "response_b": '["B"]', "winner": "model_a"},
        {"prompt": ["Why is it so?"], "response_a": "A", "response_b": "B", "winner": "model_a"},
        {"query": "Why is it so?", "chosen": "A", "rejected": "B"},
        {"input_text": "Why is it so?", "chosen": "A", "rejected": "B"},
        {"context": "Why is it so?", "chosen": "A", "rejected": "B"},
        {"user": "Why is it so?", "chosen": "A", "rejected": "B"},
        {" Prompt ": "Why is it so?", "Chosen": "A", "REJECTED": "B"},
        {"prompt": "\n\nHuman: Why is it so?\n\nAssistant:", "chosen": "A", "rejected": "B"},
        {"chosen": "Human: Why is it so?\r\n\r\nAssistant: A", "rejected": "Human: Why is it so?\r\n\r\nAssistant: B"},
        {"prompt": "[{'role': 'user', 'content': 'Why is it so?'}]", "chosen": "A", "rejected": "B"},
        {
            "chosen": '[{"role": "user", "content": "Why is it so?"}, {"role": "assistant", "content": "A"}]',
            "rejected": "[{'role': 'user', 'content': 'Why is it so?'}\n {'role': 'assistant', 'content': 'B'}]",
        },
        {"prompt": "Why is it so?", "chosen": '["A"]', "rejected": "['B']"},
        {"prompt": "Why is it so?", "completions": '["A", "B"]', "num_correct": "1"},
    ],
)
def test_every_format_of_a_pair_gives_the_same_item(tmp_path, row):
    assert parse_pair(tmp_path, row) == RIGHT


def test_arena_battle_splits_at_the_first_answer(tmp_path):
    row = {"prompt": '["Hi", "So?"]', "response_a": '["A", "C"]', "response_b": '["B", "D"]', "winner": "model_b"}
    assert parse_pair(tmp_path, row) == (("Hi",), [("B", "So?", "D"), ("A", "So?", "C")], 1)
    conversations = [[{"role": r, "content": c} for r, c in (("user", "Hi"), ("assistant", a))] for a in "AB"]
    row = {"conversation_a": conversations[0], "conversation_b": conversations[1], "winner": "model_a"}
    assert parse_pair(tmp_path, row) == (("Hi",), [("A",), ("B",)], 1)
    row = {"prompt": '["Hi", "So?"]', "response_a": '["A"]', "response_b": '["B", "D"]', "winner": "model_b"}
    with pytest.raises(InputError, match="the first response has 1 turns, and the prompt 2"):
        load(tmp_path, row)


@pytest.mark.parametrize(
    "label",
    [
        {"winner": "tie"},
        {"winner": "tie (bothbad)"},
        {"winner_model_a": 0, "winner_model_b": 0, "winner_tie": 1},
        {"preference_strength": 0},
    ],
)
def test_a_tie_has_no_preference_and_is_counted_in_a_note(tmp_path, label):
    pair = {"winner": "a", "preference_strength": 1, "winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0}
    suite = load(tmp_path, {**SIDES, **label}, {**SIDES, **{name: pair[name] for name in label}})
    tie, other = suite.items
    assert (tie.has_preference, len(tie.completions), tie.problem) == (False, 2, None)
    assert tie.meta["preference_label"] == "tie"
    assert other.has_preference
    assert "1 of 2 items are ties by their label" in suite.note


def test_ties_are_scored_but_not_in_accuracy(tmp_path):
    from rewardbench.evaluation import evaluate

    rows = [{**SIDES, "response_a": "longest", "winner": winner} for winner in ("tie", "model_a", "model_b", "tie")]
    result = evaluate("baseline/longest", write(tmp_path, *rows))
    assert (result.accuracy.n, result.accuracy.value, len(result.items)) == (2, 0.5, 4)
    assert any("2 of 4 items are ties" in note for note in result.manifest["notes"])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**SIDES, "winner": "model_c"}, "winner is 'model_c', which names neither of the two responses, nor a tie"),
        ({**SIDES, "winner": None}, "winner is missing"),
        ({**SIDES, "winner": "a", "response_b": None}, "response_b is missing"),
        ({**SIDES, "winner_model_a": 1, "winner_model_b": 1, "winner_tie": 0}, "not exactly one is 1"),
        ({**SIDES, "preference_strength": 7}, "preference_strength is 7, not a number from -3 to 3"),
        ({"prompt": "Q?", "responses": ["A", "B"], "scores": [1]}, "responses has 2 entries, and scores 1"),
        ({"prompt": "Q?", "responses": ["A", "B"], "scores": [1, "N/A"]}, "1 of 2 completions have a score"),
        ({"prompt": "Q?", "completions": ["A", "B"]}, "completion 1 is text, not an object with its text and its"),
    ],
)
def test_unreadable_labels_give_a_reason(tmp_path, row, reason):
    with pytest.raises(InputError, match=reason):
        load(tmp_path, row)


SCORED = {"id": "q", "prompt": "Why?", "responses": ["a", "b", "c", "d"], "scores": [2, 3, 3, 1]}


def test_scored_completions_are_paired_best_against_worst_by_default(tmp_path):
    assert parse_pair(tmp_path, SCORED) == (("Why?",), [("b",), ("d",)], 1)
    assert parse_pair(tmp_path, SCORED, pairs="best-worst") == (("Why?",), [("b",), ("d",)], 1)
    assert parse_pair(tmp_path, SCORED, pairs="best-of-n") == (("Why?",), [("b",), ("c",), ("a",), ("d",)], 2)
    items = load(tmp_path, SCORED, pairs="all").items
    assert [contents(item)[1] for item in items] == [[(x,), (y,)] for x, y in ("ba", "bd", "ca", "cd", "ad")]
    assert len({item.group for item in items}) == 1
    assert len({item.id for item in items}) == 5
    with pytest.raises(InputError, match="--pairs is some: it must be one of best-worst, all, best-of-n"):
        load(tmp_path, SCORED, pairs="some")


@pytest.mark.parametrize("pairs", ["best-worst", "all", "best-of-n"])
def test_completions_of_equal_score_are_a_tie(tmp_path, pairs):
    suite = load(tmp_path, SCORED, {**SCORED, "id": "r", "scores": [2, 2, 2, 2]}, pairs=pairs)
    assert [item.id for item in suite.items if not item.has_preference] == ["r"]
    assert "are ties by their label" in suite.note


def test_option_pairs_without_scored_completions_gives_a_note(tmp_path):
    suite = load(tmp_path, {"prompt": "Why?", "chosen": "A", "rejected": "B"}, pairs="all")
    assert "--pairs all has no effect" in suite.note


def test_kto_rows_are_paired_by_prompt_and_label(tmp_path):
    rows = [
        {"prompt": "Why?", "completion": "bad", "label": False},
        {"prompt": "Who?", "completion": "alone", "label": True},
        {"prompt": "Why?", "completion": "good", "label": True},
    ]
    suite = load(tmp_path, *rows)
    assert [contents(item) for item in suite.items] == [(("Why?",), [("good",), ("bad",)], 1)]
    assert "1 of 2 prompts have no two responses with a label" in suite.note
    with pytest.raises(InputError, match=r"one response per row with a label \(as for KTO\), and no prompt has two"):
        load(tmp_path, *rows[:2])
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "good"}]
    bad = [turns[0], {"role": "assistant", "content": "bad"}]
    suite = load(tmp_path, {"messages": bad, "kto_tag": False}, {"messages": turns, "kto_tag": True})
    assert [contents(item) for item in suite.items] == [(("Why?",), [("good",), ("bad",)], 1)]


def test_alpacas_history_comes_before_the_instruction(tmp_path):
    row = {"instruction": "And why?", "input": "", "history": [["Who?", "Me."]], "chosen": "A", "rejected": "B"}
    assert parse_pair(tmp_path, row) == (("Who?", "Me.", "And why?"), [("A",), ("B",)], 1)
    assert "'history'" not in load(tmp_path, row).note


def test_possible_prompt_columns_are_reported(tmp_path):
    row = {"Frage": "Nenne einen Fluss.", "chosen": "Die Elbe.", "rejected": "Nein.", "source": "my own data"}
    with pytest.raises(InputError, match=r"no column that is known as the prompt, and 'Frage' may be it: call it pro"):
        load(tmp_path, row)
    suite = load(tmp_path, {"prompt": "Why?", "context": "A long text.", "chosen": "A", "rejected": "B"})
    assert suite.note == "The column 'context' was not read: the prompt is 'prompt'."
    assert load(tmp_path, {"query": "Why is it?", "chosen": "A", "rejected": "B"}).note == (
        "The prompt was read from the column 'query'."
    )


def test_final_texts_are_scored_with_a_note(tmp_path):
    row = {
        "chosen": "<u>Who is it?<a>Me",
        "rejected": "<u>Who is it?<a>Him",
        "source": "my own data",
        "q": "Who is it?",
    }
    suite = load(tmp_path, row)
    assert suite.items[0].rendered
    assert "All items have no prompt column: chosen and rejected were scored as final texts" in suite.note
    assert "(not read: q, source)" in suite.note
    assert load(tmp_path, {"text_chosen": "Q A", "text_rejected": "Q B"}).note == ""


def test_identical_pairs_and_repeated_prompts_give_a_note(tmp_path):
    same = {"prompt": "Why?", "chosen": "A", "rejected": "A"}
    assert "chosen and rejected are the same in every item" in load(tmp_path, same, same).note
    assert load(tmp_path, same, {**same, "rejected": "B"}).note == ""
    twice = {"prompt": "Why is it so?", "chosen": "Why is it so? A", "rejected": "Why is it so? B"}
    assert "Every completion begins with its prompt" in load(tmp_path, twice).note


def test_json_that_is_no_message_stays_text(tmp_path):
    route = '[{"from": "Berlin", "to": "Paris"}]'
    assert parse_pair(tmp_path, {"prompt": "A route?", "chosen": route, "rejected": "No."})[1] == [(route,), ("No.",)]
    assert parse_pair(tmp_path, {"prompt": "A list?", "chosen": '["a"]', "rejected": "No."})[1] == [
        ('["a"]',),
        ("No.",),
    ]


def test_unknown_columns_give_the_nearest_format(tmp_path):
    with pytest.raises(InputError) as raised:
        load(tmp_path, {"prompt": "Why?", "chosen": "A", "rejectd": "B"})
    sentence = str(raised.value)
    assert "has the columns chosen, prompt, rejectd" in sentence
    assert "nearest is chosen and rejected, and rejected is missing (is it 'rejectd'?)" in sentence
    assert "columns: {chosen: NAME, rejected: NAME, prompt: NAME} maps other names" in sentence
    assert sentence.count("or conversations") == 1
    assert "rewardbench score" not in sentence
    assert nearest_format({"prompt", "response"}, "F").endswith("without a preference are scored by rewardbench score.")


def test_pandas_and_csv_exports_of_messages_are_read_as_messages(tmp_path):
    turns = [{"role": "user", "content": 'It\'s "so"?'}, {"role": "assistant", "content": "A\nB"}]
    frame = pd.DataFrame([{"chosen": turns, "rejected": [turns[0], {"role": "assistant", "content": "C"}]}])
    frame.to_csv(tmp_path / "python.csv")
    frame.to_parquet(tmp_path / "t.parquet")
    pd.read_parquet(tmp_path / "t.parquet").to_csv(tmp_path / "numpy.csv")  # arrays: no commas between the messages
    right = (('It\'s "so"?',), [("A\nB",), ("C",)], 1)
    for name in ("python.csv", "numpy.csv", "t.parquet"):
        assert contents(load_suite(str(tmp_path / name)).items[0]) == right, name


@needs_inputs
def test_shared_inputs_give_the_expected_items():
    def first(name):
        return contents(load_suite(str(FAULTS / name)).items[0])

    hello = (("hi 0",), [("hello there",), ("no",)], 1)
    assert first("sharegpt.jsonl") == first("arena.csv") == hello
    assert [item.num_correct for item in load_suite(str(FAULTS / "arena.csv")).items] == [1, 1, 0, 1, 1, 0]
    assert first("hs.jsonl")[1:] == hello[1:]
    assert first("uf.jsonl") == (("hi 0",), [("a",), ("bb",)], 1)
    river = (("Name a river.",), [("The Elbe is one.",), ("No.",)], 1)
    for name in ("sharegpt-ranking.jsonl", "stringified_messages.jsonl", "transcript-crlf.jsonl"):
        assert first(name) == river
    assert first("prompt-called-query.jsonl") == first("spaced-header.csv") == first("surrogate-subset.jsonl") == river
    with pytest.raises(InputError, match="loser_list is missing"):
        load_suite(str(FAULTS / "rmb_loser_null.jsonl"), protocol="rmb")


def test_evaluate_uses_the_option_pairs(tmp_path):
    from rewardbench.evaluation import evaluate

    result = evaluate("baseline/longest", write(tmp_path, SCORED), pairs="all")
    assert result.accuracy.n == 5
    assert "--pairs all" in result.manifest["command"]
