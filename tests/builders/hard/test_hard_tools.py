"""Test tools: both programs verify it, notice planted slips, and agree with hand-made conversations."""

import copy
import json
from dataclasses import replace
from statistics import mean

import pytest
from hard_mirrors import draw_mirrors, outcomes_with, with_check_swapped
from random_models import make_tokenizer

from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import to_json
from rewardbench.chat import Chat
from rewardbench.suites.rows import parse_rows
from rewardbench.verifiers import SECOND_VERIFIERS, Cell
from rewardbench.verifiers.hard.tools import fits_schema

MIRRORS = draw_mirrors("tools", range(24))
CALLING = [mirror for mirror in MIRRORS if not isinstance(mirror.x, str)][:8]


def test_both_programs_verify_all_rungs_and_kinds():
    report = verify(MIRRORS)
    assert (report.failed, report.pairs, report.confirmed) == ((), 48, 48)
    kinds = {mirror.edit.partition(":")[0] for mirror in MIRRORS}
    assert kinds == {"argument", "function", "ask", "answer", "missing", "order"}


def test_the_same_key_gives_the_same_bytes():
    assert list(map(to_json, draw_mirrors("tools", range(3)))) == [to_json(mirror) for mirror in MIRRORS[:3]]


def test_prompts_and_functions_grow_with_the_rung():
    sizes = [mean(len(str(mirror.a)) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    assert sizes == sorted(sizes)
    counts = [mean(len(mirror.tools) for mirror in MIRRORS[rung::4]) for rung in range(4)]
    assert counts == sorted(counts)


@pytest.mark.parametrize("mirror", CALLING, ids=lambda mirror: mirror.group)
def test_slips_in_calls_fail_with_both_programs(mirror):
    assert outcomes_with(mirror, "a", mirror.x) == ["pass", "pass"]
    for slip in ("argument", "name", "extra"):
        response = copy.deepcopy(mirror.x)
        calls = response[0]["tool_calls"]
        if slip == "argument":
            name = next(iter(calls[0]["function"]["arguments"]))
            calls[0]["function"]["arguments"][name] = "Z-1"
        elif slip == "name":
            calls[0]["function"]["name"] = "no_function"
        else:
            calls.append(calls[0])
        assert outcomes_with(mirror, "a", response) == ["fail", "fail"], slip


def test_arguments_as_json_text_are_read():
    response = copy.deepcopy(CALLING[0].x)
    for call in response[0]["tool_calls"]:
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    assert outcomes_with(CALLING[0], "a", response) == ["pass", "pass"]


def test_a_text_where_a_call_is_due_fails():
    assert outcomes_with(CALLING[0], "a", "I will see to it.") == ["fail", "fail"]


def test_the_second_program_ignores_a_wrong_check():
    assert outcomes_with(with_check_swapped(CALLING[0]), "a", CALLING[0].y) == ["pass", "fail"]


def test_rows_are_read_with_their_functions():
    mirror = replace(CALLING[0], group="g")
    items = parse_rows(list(mirror.rows()), "data.jsonl")
    assert [item.problem for item in items] == [None, None]
    assert [len(item.tools) for item in items] == [len(mirror.tools)] * 2
    assert items[0].completions[0][0]["tool_calls"] == mirror.x[0]["tool_calls"]


TEMPLATE = (
    "{{ tools | tojson }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}"
    "<call>{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson }}</call>{% endfor %}{% endfor %}"
)


def test_a_template_that_prints_tools_renders_both_responses():
    chat = Chat(make_tokenizer(template=TEMPLATE), spans=True)
    for item in parse_rows([row for mirror in MIRRORS[:6] for row in mirror.rows()], "data.jsonl"):
        requests = [chat.request(item.prompt, completion, tools=item.tools) for completion in item.completions]
        assert [request.notes for request in requests] == [(), ()]
        for request, completion in zip(requests, item.completions, strict=True):
            for call in completion[0].get("tool_calls", []):
                assert call["function"]["name"] in request.text.rpartition("<|assistant|>")[2]
            assert request.start < request.end


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"id": "A-1", "n": 3}, True),
        ({"n": 3}, False),
        ({"id": "A-1", "n": 0}, False),
        ({"id": "A-1", "n": 9}, True),
        ({"id": "A-1", "n": 10}, False),
        ({"id": "A-1", "n": True}, False),
        ({"id": "A-1", "side": "left"}, True),
        ({"id": "A-1", "side": "up"}, False),
        ({"id": "A-1", "colour": "red"}, False),
        ("A-1", False),
    ],
)
def test_schemas_by_hand(value, fits):
    properties = {
        "id": {"type": "string"},
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
        "side": {"type": "string", "enum": ["left", "right"]},
    }
    assert fits_schema(value, {"type": "object", "properties": properties, "required": ["id"]}) is fits


FUNCTIONS = {
    "list_cups": "Find cups by any of the fields, or list all.",
    "set_size": "Set the size of one cup.",
    "drop_cup": "Remove one cup for good.",
}


def called(name, **arguments):
    return {"function": {"name": name, "arguments": arguments}, "id": "c1"}


def cup_cell(request, calls, updates=()):
    records = [{"id": "C-1", "size": 3, "hue": "red"}, {"id": "C-2", "size": 5, "hue": "red"}]
    messages = [
        {"role": "assistant", "content": "", "tool_calls": [called("list_cups")]},
        {"role": "tool", "content": json.dumps(records), "tool_call_id": "c1"},
    ]
    for call, result in updates:
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        messages.append({"role": "tool", "content": json.dumps(result), "tool_call_id": "c1"})
    messages.append({"role": "user", "content": request})
    tools = [{"function": {"name": name, "description": text}} for name, text in FUNCTIONS.items()]
    response = ({"role": "assistant", "content": "", "tool_calls": calls},) if isinstance(calls, list) else ()
    return Cell("r", {}, "" if response else calls, True, "", tuple(messages), response, tools)


LARGEST = "Take the cup with the highest size among those with hue red."


@pytest.mark.parametrize(
    ("request_text", "calls", "updates", "passes"),
    [
        (f"{LARGEST} Raise its size by 2.", [called("set_size", id="C-2", size=7)], (), True),
        (f"{LARGEST} Raise its size by 2.", [called("set_size", id="C-2", size=2)], (), False),
        (f"{LARGEST} Remove it for good.", [called("drop_cup", id="C-1")], (), False),
        (
            f"{LARGEST} Remove it for good.",
            [called("drop_cup", id="C-1")],
            [(called("set_size", id="C-1", size=9), {"ok": True})],
            True,
        ),
        (
            f"{LARGEST} Remove it for good.",
            [called("drop_cup", id="C-1")],
            [(called("set_size", id="C-1", size=9), {"error": "locked"})],
            False,
        ),
        ("Take the cup with hue red. Remove it for good.", "Which one, C-1 or C-2?", (), True),
        ("Take the cup with hue red. Remove it for good.", "Which one, C-1?", (), False),
        ("Take the cup with size over 3. If its hue is red, set its size to 1; if not, remove it for good.",
         [called("set_size", id="C-2", size=1)], (), True),
        ("Take the cup with under 5 size and any hue but blue. Remove it for good.",
         [called("drop_cup", id="C-1")], (), True),
        ("Take the cup with the most size among those with hue red and size over 2. Remove it for good.",
         [called("drop_cup", id="C-2")], (), True),
        ("Go through all cups with hue red, in order of size, lowest first, and set their size to 1.",
         [called("set_size", id="C-1", size=1), called("set_size", id="C-2", size=1)], (), True),
        ("Go through all cups with hue red, in order of size, lowest first, and set their size to 1.",
         [called("set_size", id="C-2", size=1), called("set_size", id="C-1", size=1)], (), False),
    ],
)  # fmt: skip
def test_the_second_program_executes(request_text, calls, updates, passes):
    cell = cup_cell(request_text, calls, updates)
    assert SECOND_VERIFIERS["tools"]([cell]) == ["pass" if passes else "fail"]
