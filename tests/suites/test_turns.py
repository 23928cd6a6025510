import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewardbench.suites.rows import content_hash, parse_rows
from rewardbench.suites.turns import Unusable, common_start, read_turns, say, split_prompt, transcript


def turns(*texts):
    """Return the turns of texts such as "u:Hi" and "a:Hello"."""
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return tuple({"role": roles[text[0]], "content": text[2:]} for text in texts)


def test_read_turns_reads_a_text_and_messages():
    assert read_turns("Hi", "prompt", "user") == turns("u:Hi")
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert read_turns(messages, "prompt", "user") == turns("s:Be kind.", "u:Hi")
    assert read_turns({"role": "assistant", "content": "Yo"}, "chosen", "assistant") == turns("a:Yo")


def test_read_turns_reads_sharegpt_messages_with_empty_keys():
    value = [
        {"from": "human", "value": "Hi", "role": None, "content": None},
        {"from": "gpt", "value": "Hello", "role": None, "content": None},
    ]
    assert read_turns(value, "chosen", "assistant") == turns("u:Hi", "a:Hello")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (7, "chosen is a number, not text"),
        (True, "chosen is true or false, not text"),
        (None, "chosen is missing"),
        (float("nan"), "chosen is missing"),
        ([], "chosen is an empty list"),
        (["Hi"], "a turn of chosen is text, not a message with role and content"),
        ([{"role": "function", "content": "4"}], "a turn of chosen has the role 'function'; the roles are"),
        ([{"role": ["user"], "content": "4"}], "a turn of chosen has the role ['user']; the roles are"),
        ([{"role": {"a": 1}, "content": "4"}], "a turn of chosen has the role {'a': 1}; the roles are"),
        ([{"content": "4"}], "a turn of chosen has the role None"),
        ([{"role": "user", "content": None}], "a turn of chosen is missing"),
        ([{"role": "user", "content": [{"type": "image"}]}], "a part of a turn of chosen is of the type 'image'"),
        ([{"role": "user", "content": [{"type": "text", "text": 4}]}], "a part of a turn of chosen is a number"),
        ([{"role": "user", "content": [7]}], "a part of a turn of chosen is a number"),
        ([{"role": "user", "content": []}], "a turn of chosen is a list, not text"),
        ([{"role": "user", "content": {"text": "4"}}], "a turn of chosen is an object, not text"),
        ([{"role": "assistant", "content": "4", "reasoning_content": [4]}], "reasoning_content of a turn of chosen is"),
        ([{"role": "assistant", "content": "4", "tool_calls": "f()"}], "tool_calls of a turn of chosen is text"),
        ([{"role": "assistant", "content": "4", "tool_calls": [4]}], "tool_calls of a turn of chosen holds 4"),
        ([{"role": "assistant", "content": "4", "tool_calls": [{"function": {}}]}], "tool_calls of a turn of chosen"),
        ([{"role": "assistant", "content": "", "function_call": {"name": "f"}}], "a turn of chosen has function_call"),
    ],
)
def test_read_turns_gives_a_reason_for_invalid_values(value, reason):
    with pytest.raises(Unusable) as raised:
        read_turns(value, "chosen", "assistant")
    assert str(raised.value).startswith(reason)


def test_transcript_is_split_at_its_speakers_only():
    text = "\n\nHuman: What's \n\na Human: say?\n\nAssistant: Odd.\n\nHuman: ok\n\nAssistant:"
    assert transcript(text) == turns("u:What's \n\na Human: say?", "a:Odd.", "u:ok", "a:")
    assert transcript("Dear all,\n\nHuman: x\n\nAssistant: y") == ()
    assert transcript("\n\nHuman: no answer") == ()


def test_split_prompt_removes_the_prompt_from_conversations():
    prompt = turns("s:S", "u:Q")
    conversation, answer = turns("s:S", "u:Q", "a:X"), turns("a:Y")
    assert split_prompt(prompt, [conversation, answer]) == (prompt, (turns("a:X"), turns("a:Y")))


def test_split_prompt_keeps_an_explicit_prompt():
    conversations = [turns("u:Q", "a:A", "u:R", "a:X"), turns("u:Q", "a:A", "u:R", "a:Y")]
    assert split_prompt(turns("u:Q"), conversations) == (turns("u:Q"), (conversations[0][1:], conversations[1][1:]))


def test_split_prompt_uses_the_common_start_if_no_conversation_starts_with_the_prompt():
    conversations = [turns("u:Q", "a:A", "u:R", "a:X"), turns("u:Q", "a:A", "u:R", "a:Y")]
    assert split_prompt(turns("u:a title"), conversations) == (turns("u:Q", "a:A", "u:R"), (turns("a:X"), turns("a:Y")))


def test_common_start_ends_before_an_assistant_turn_of_all():
    early = [turns("u:Q", "a:A", "u:R", "a:X"), turns("u:Q", "a:A", "u:S", "a:Y")]
    assert common_start(early) == 1  # they part at a user turn, so A belongs to the completions
    lengths = [turns("u:Q", "a:X"), turns("u:Q", "a:X", "u:R", "a:Y")]
    assert common_start(lengths) == 1


def test_common_start_rejects_conversations_without_a_common_turn():
    with pytest.raises(Unusable, match="the completions share no prompt"):
        common_start([turns("u:Q", "a:X"), turns("u:R", "a:Y")])


def test_say_returns_one_turn():
    assert say("user", "Hi") == turns("u:Hi")


CALL = {"type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


def test_read_turns_keeps_tool_calls_and_reasoning_without_empty_fields():
    value = [
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": None}], "name": None, "thinking": None},
        {"role": "tool", "content": "3", "tool_call_id": "c1", "tool_calls": []},
        {"role": "assistant", "content": "It is 3.", "reasoning_content": "Three."},
    ]
    assert read_turns(value, "chosen", "assistant") == (
        {"role": "assistant", "content": "", "null_content": True, "tool_calls": [CALL]},
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It is 3.", "reasoning_content": "Three."},
    )


def test_read_turns_joins_text_parts():
    parts = [{"type": "text", "text": "Name "}, {"type": "input_text", "text": "a "}, {"text": "river"}, "."]
    assert read_turns([{"role": "user", "content": parts}], "prompt", "user") == turns("u:Name a river.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
FIELDS = ("role", "content", "from", "value", "tool_calls", "reasoning_content", "name", "tool_call_id", "images")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.sampled_from(["user", "assistant", "tool", None]), JSON)
def test_every_field_of_a_message_may_hold_any_json_value(message, role, tools):
    row = {"prompt": [{**message, "role": role} if role else message], "chosen": "a", "rejected": "b", "tools": tools}
    bad, good = parse_rows([row, {"prompt": "Hi", "chosen": "a", "rejected": "b"}], "data.jsonl")
    assert good.problem is None
    assert bad.problem is None or isinstance(bad.problem, str)
    content_hash([bad])
