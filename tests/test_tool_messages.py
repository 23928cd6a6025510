"""The template prints tools, tool calls and reasoning of messages, or an error or a note reports it."""

import json

import pytest
from random_models import TEMPLATE, make_tokenizer

from rewardbench.chat import Chat
from rewardbench.engine.notes import request_notes
from rewardbench.errors import InputError
from rewardbench.scorers.baselines import Baseline
from rewardbench.suites.rows import parse_rows

QWEN = (
    "{% if tools %}<|system|>{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>{% if m.content %}{{ m.content }}{% endif %}"
    "{% for c in m.tool_calls or [] %}"
    "<call>{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson }}</call>{% endfor %}{% endfor %}"
)
"""Prints arguments as an object, as the template of Qwen 2.5 does."""
DEEPSEEK = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>"
    "{% if m.role == 'assistant' and m.content is undefined %}{% for c in m.tool_calls %}{{ c.function.name + '\\n' + "
    "c.function.arguments }}{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
)
"""Prints arguments as text, and calls only without content, as the template of DeepSeek V3 does."""
THINKER = TEMPLATE.replace("{{ m.content }}", "<think>{{ m.reasoning_content or '' }}</think>{{ m.content }}")

TOOLS = [{"type": "function", "function": {"name": "rivers", "parameters": {"type": "object"}}}]


def call(arguments):
    return {"type": "function", "function": {"name": "rivers", "arguments": arguments}}


def item(arguments='{"in": "Peru"}', tools=TOOLS, **completion):
    prompt = [
        {"role": "user", "content": "Which rivers?"},
        {"role": "assistant", "content": None, "tool_calls": [call(arguments)]},
        {"role": "tool", "content": "Rimac"},
    ]
    chosen = [{"role": "assistant", "content": "The Rimac.", **completion}]
    (read,) = parse_rows([{"prompt": prompt, "chosen": chosen, "rejected": "No.", "tools": tools}], "data.jsonl")
    return read


def render(template, row, named=None, **options):
    chat = Chat(make_tokenizer(template=template), named, **options)
    request = chat.request(row.prompt, row.completions[0], tools=row.tools)
    return chat, request


@pytest.mark.parametrize("arguments", [{"in": "Peru"}, '{"in": "Peru"}', '{"in":"Peru"}'])
def test_arguments_are_printed_once_from_json_text_or_an_object(arguments):
    _, request = render(QWEN, item(arguments))
    tool = json.dumps(TOOLS[0])
    called = '<call>{"name": "rivers", "arguments": {"in": "Peru"}}</call>'
    assert request.text == (
        f"<|system|>{tool}<|user|>Which rivers?<|assistant|>{called}<|tool|>Rimac<|assistant|>The Rimac."
    )


@pytest.mark.parametrize("arguments", [{"in": "Peru"}, '{"in": "Peru"}'])
def test_a_template_that_expects_text_and_null_gets_them(arguments):
    _, request = render(DEEPSEEK, item(arguments))
    assert request.text == (
        f'{json.dumps(TOOLS)}<|user|>Which rivers?<|assistant|>rivers\n{{"in": "Peru"}}<|tool|>Rimac'
        "<|assistant|>The Rimac."
    )


def test_ids_are_those_of_apply_chat_template():
    chat, request = render(QWEN, row := item({"in": "Peru"}))
    messages = [dict(message) for message in (*row.prompt, *row.completions[0])]
    by_hand = chat.tokenizer.apply_chat_template(messages, tools=TOOLS, tokenize=True, return_dict=False)
    assert request.ids.tolist() == list(by_hand)


def test_the_output_of_a_tool_may_be_printed_as_json():
    row = item()
    message = {"role": "tool", "content": 'Rimac "Hablador",\nChillon'}
    template = QWEN.replace("{{ m.content }}", "{{ m.content | tojson if m.role == 'tool' else m.content }}")
    text = render(template, type(row)(row.id, "s", (*row.prompt[:2], message), row.completions, tools=row.tools))[
        1
    ].text
    assert json.dumps(message["content"]) in text


def test_the_second_template_of_a_tokenizer_prints_tools():
    tokenizer = make_tokenizer()
    tokenizer.chat_template = {"default": TEMPLATE, "tool_use": QWEN}
    row = item()
    text = Chat(tokenizer).request(row.prompt, row.completions[0], tools=row.tools).text
    assert text.startswith("<|system|>" + json.dumps(TOOLS[0]))
    assert Chat(tokenizer).request(row.prompt[:1], row.completions[0]).text.startswith("<|bos|><|user|>")


def test_a_template_that_prints_no_tools_is_rejected_with_the_name_of_the_field():
    with pytest.raises(InputError, match="does not print the tools of this row"):
        render(QWEN.partition("{% endif %}")[2], item())


@pytest.mark.parametrize(
    ("template", "options"),
    [
        (TEMPLATE, {}),
        (TEMPLATE + "{# tool_calls #}{% if false %}{{ messages[0].tool_calls }}{% endif %}", {}),
        (TEMPLATE.replace("{{ m.content }}", "{{ m.content if m.content else 'nothing' }}"), {}),
        (TEMPLATE.replace("{{ m.content }}", "{{ '' + m.content }}"), {}),
        (QWEN.replace("in m.tool_calls or []", "in (m.tool_calls or [])[:0]"), {}),
        (TEMPLATE, {"named": "raw"}),
    ],
)
def test_a_template_that_prints_no_call_is_rejected_with_the_name_of_the_field(template, options):
    with pytest.raises(InputError, match="does not print the tool_calls of this row"):
        render(template, item(tools=None), **options)


def test_a_template_that_prints_one_call_of_two_is_rejected():
    first_only = QWEN.replace("m.tool_calls or []", "(m.tool_calls or [])[:1]")
    row = item(tool_calls=[call("{}"), call('{"in": "Chile"}')])
    assert render(QWEN, row)
    with pytest.raises(InputError, match="tool_calls"):
        render(first_only, row)


def test_fastchat_has_no_place_for_a_tool_turn():
    with pytest.raises(InputError, match="no place for a tool turn"):
        render(None, item(tools=None), named="vicuna_v1.1")


def test_arguments_that_are_not_printed_are_counted():
    names = QWEN.replace(", 'arguments': c.function.arguments", "")
    _, request = render(names, item())
    assert request_notes([request, request]) == (
        "The chat template leaves out the arguments of tool calls of messages: 1 texts were scored without.",
    )
    assert render(names, item("{}"))[1].notes == ()


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_printed_or_counted(field):
    row = item(tools=None, **{field: "Peru has many."})
    row = type(row)(row.id, row.subset, row.prompt[:1], row.completions)
    printing = THINKER.replace("reasoning_content", field)
    chat, request = render(printing, row)
    assert (request.text.endswith("<think>Peru has many.</think>The Rimac.<|eos|>"), request.notes) == (True, ())
    chat, request = render(TEMPLATE, row)
    assert "Peru" not in request.text
    note = f"The chat template leaves out the {field} of messages: 1 texts were scored without."
    again = chat.request(row.prompt, row.completions[0])
    assert request_notes([request, again]) == (note,)


def test_the_span_begins_with_the_reasoning():
    row = item(tools=None, reasoning_content="Peru has many.")
    chat, request = render(
        THINKER.replace("<think>", ""), type(row)(row.id, "s", row.prompt[:1], row.completions), spans=True
    )
    completion = chat.tokenizer.decode(request.ids[request.start : request.end])
    assert completion == "Peru has many.</think>The Rimac.<|eos|>"


@pytest.mark.parametrize("template", [QWEN, DEEPSEEK])
def test_the_span_of_a_call_begins_with_the_call(template):
    row = item(content=None, tool_calls=[call('{"in": "Chile"}')])
    chat, request = render(template, row, spans=True)
    completion = chat.tokenizer.decode(request.ids[request.start : request.end])
    assert completion == request.text[request.text.rindex("<|assistant|>") + len("<|assistant|>") :]
    assert "Chile" in completion


def test_a_baseline_counts_calls_and_reasoning():
    row = item(content=None, tool_calls=[call("{}")], reasoning_content="Peru.")
    completion = Baseline("baseline/longest").prepare(row.prompt, row.completions[0], False).completions[0]
    assert "rivers" in completion
    assert "Peru." in completion
