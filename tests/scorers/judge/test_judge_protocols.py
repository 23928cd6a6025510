"""Protocols of users: files that are wrong are refused in one sentence that names the field."""

import json

import pytest

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.parse import read_answer
from rewardbench.scorers.judge.protocols import (
    JudgeProtocol,
    load_protocol,
    parse_protocol,
    protocol_names,
    read_protocol,
)

MESSAGE = {"role": "user", "content": "{{ conversation }} {{ responses[0] }}"}
POINTWISE = {"name": "mine", "view": "pointwise", "messages": [MESSAGE], "answer": {"kind": "rating"}}
PAIRWISE = {**POINTWISE, "view": "pairwise", "answer": {"kind": "choice"}}
TOKENS = {"kind": "tokens", "tokens": {"yes": ["Yes"], "no": ["No"]}}


def answer(**fields):
    return {"answer": {**PAIRWISE["answer"], **fields}}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"view": "stepwise"}, "view must be pointwise, pairwise or listwise"),
        ({"view": "pointwise"}, "an answer of kind choice compares completions"),
        ({"name": "a b"}, "name must be letters"),
        ({"name": ""}, "name must be letters"),
        ({"messages": []}, "there are no messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{**MESSAGE, "each": "reply"}]}, "messages.0.each: Input should be 'turn' or 'response'"),
        ({"repeats": 0}, "repeats is 0: it must be at least 1"),
        ({"orders": 0}, "orders is 0"),
        ({"max_turns": 0}, "max_turns is 0"),
        ({"max_completions": 1}, "max_completions is 1: it must be at least 2"),
        ({"repeats": "2"}, "repeats: Input should be a valid integer"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"sampling": {"temperature": float("nan")}}, "sampling.temperature: Input should be a finite number"),
        (answer(kind="opinion"), "answer.kind: Input should be 'choice'"),
        (answer(patterns=["(A"]), "answer: '(A' in patterns is not a regular expression: missing )"),
        (answer(patterns=["A|B"]), "answer: 'A|B' in patterns has no group"),
        (answer(labels=["A", "A"]), "answer: labels and tie must be different texts"),
        (answer(labels=["A", "B"], tie=["B"]), "answer: labels and tie must be different texts"),
        (answer(labels=["A", ""]), "answer: labels and tie must be different texts"),
        (answer(low=3, high=3), "answer: low is 3 and high 3"),
        ({"answer": {"kind": "scale"}}, "an answer of kind scale needs view: pairwise, and answer.middle"),
        ({"answer": TOKENS}, "an answer of kind tokens needs at least two answer.tokens, and sampling.top_logprobs"),
        (
            {"view": "pointwise", "answer": {**TOKENS, "read": "expectation"}, "sampling": {"top_logprobs": 5}},
            "'yes' in answer.tokens is not a number, which an expectation needs",
        ),
    ],
)
def test_a_wrong_field_is_named(values, reason):
    with pytest.raises(InputError) as caught:
        parse_protocol({**PAIRWISE, **values}, "mine.yaml")
    assert str(caught.value).startswith(f"The judge protocol mine.yaml is not valid: {reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.yaml", None, "cannot be read: No such file or directory"),
        ("x.yaml", "- a", "is not a mapping of fields"),
        ("x.yaml", "a: [", "cannot be read: line 1"),
        ("x.yaml", json.dumps({**POINTWISE, "name": "choice"}), "is named choice, as one of this package: rename it"),
        (
            "x.yaml",
            json.dumps({**POINTWISE, "messages": [{"role": "user", "content": "Which?"}]}),
            "shows no responses: write {{ responses[0] }} in a message",
        ),
        ("x.py", None, "fails: FileNotFoundError"),
        ("x.py", "1 / 0", "fails: ZeroDivisionError: division by zero"),
        ("x.py", "protocol = 3", "defines no `protocol` of type JudgeProtocol"),
        (
            "x.py",
            "from rewardbench.scorers.judge.protocols import JudgeProtocol\nJudgeProtocol(name='x', view='pairwise')",
            "is not valid: answer: Field required",
        ),
    ],
)
def test_a_file_that_defines_no_protocol_is_refused(name, content, reason, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        load_protocol(str(path))
    assert f"The judge protocol {path} {reason}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_protocols():
    with pytest.raises(
        InputError, match=r"There is no judge protocol 'no-such': use .*choice, .* or a YAML or Python file"
    ):
        load_protocol("no-such")


def test_the_digest_depends_on_what_can_change_a_score_only():
    protocol = parse_protocol(PAIRWISE, "mine")
    same = parse_protocol({**PAIRWISE, "title": "Other", "evidence": "None."}, "mine")
    assert same.digest == protocol.digest
    for change in (
        {"version": 2},
        {"orders": 1},
        {"repeats": 3},
        {"sampling": {"temperature": 1.0}},
        answer(tie=["C"]),
    ):
        assert parse_protocol({**PAIRWISE, **change}, "mine").digest != protocol.digest
    changed = protocol.model_copy(update={"orders": 1})  # as the options of the command do
    assert changed.digest == parse_protocol({**PAIRWISE, "orders": 1}, "mine").digest


@pytest.mark.parametrize("name", protocol_names())
def test_the_identity_alone_parses_answers_again(name):
    protocol = read_protocol(name)
    stored = JudgeProtocol.model_validate_json(json.dumps(protocol.identity))
    assert stored.answer == protocol.answer
    assert stored.view == protocol.view


@pytest.mark.parametrize(
    ("name", "text", "scores"),
    [
        ("choice", "Both are fine, A is better.\n[[A]]", (1.0, 0.0)),
        ("choice_tie", "[[C]]", (0.5, 0.5)),
        ("best_of_n", "[[B]]", (0.0, 1.0)),
        ("listwise", "Ranking: B > A", (0.0, 1.0)),
        ("json_choice", '{"explanation": "A?", "verdict": "B"}', (0.0, 1.0)),
        ("rating", "Fine.\nRating: 8", (8.0,)),
        ("rewardbench1_ratings", "Good.\n\n9", (9.0,)),
        ("prometheus", "Feedback: A is worse. [RESULT] B", (0.0, 1.0)),
        ("offsetbias", "Output (a)", (1.0, 0.0)),
        ("con_j", '{"原因": "x", "更好的回答": 2}', (0.0, 1.0)),
        ("rise_judge", "所以[[A]]。", (1.0, 0.0)),
        ("atla", "**Reasoning:** B is long.\n\n**Result:** A", (1.0, 0.0)),
        ("judgebench", "[[A<B]]\nMy final verdict is: [[B>>A]]", (0.0, 1.0)),
        ("judgebench", "My final verdict is tie: [[A=B]]", (0.5, 0.5)),
        ("rm_r1", "<eval>[[A]]</eval>\n<answer>[[B]]</answer>", (0.0, 1.0)),
        ("rm_r1_reasoning", "<think>[[A]]</think><answer>[[B]]</answer>", (0.0, 1.0)),
        ("nemotron_genrm", '{"score_1": 4, "score_2": 2, "ranking": 2}', (1.5, -1.5)),
        (
            "helpsteer3",
            "[The Begin of Individual Scores]\n\\boxed{3, 4}\n[The End of Individual Scores]\n"
            "[The Begin of Ranking Score]\n\\boxed{5} \n[The End of Ranking Score]",
            (-1.5, 1.5),
        ),
    ],
)
def test_the_published_form_of_an_answer_is_read(name, text, scores):
    reading = read_answer(read_protocol(name).answer, Answer(text=text, finish_reason="stop"), len(scores))
    assert reading.failure is None
    assert reading.scores == scores
