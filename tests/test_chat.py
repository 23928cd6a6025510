"""Chat templates, BOS and EOS, folded system messages, truncation and spans, with real tokenizers."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import CORPUS, TEMPLATE, make_tokenizer

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.templates import fastchat_template
from rewardbench.types import Message, TextRequest


def turns(*pairs):
    return tuple(Message(role=role, content=content) for role, content in pairs)


def completion_text(chat, request):
    """Decode the tokens of the completion."""
    return chat.tokenizer.decode(request.ids[request.start : request.end])


def ends_with_eos(tokenizer):
    """Make the tokenizer add an EOS after every text."""
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|eos|>", special_tokens=[("<|eos|>", 2)]
    )
    return tokenizer


ASK = turns(("user", "What is the capital?"))
ANSWER = turns(("assistant", "Lima"))
SYSTEM = turns(("system", "Answer in one word."), ("user", "What is the capital?"))


def tokens(chat, request):
    return chat.tokenizer.convert_ids_to_tokens(list(request.ids))


def test_a_text_has_one_bos_and_the_eos_of_the_template():
    chat = Chat(make_tokenizer())
    token_texts = tokens(chat, chat.request(ASK, ANSWER))
    assert (token_texts[0], token_texts[-1], token_texts.count("<|bos|>")) == ("<|bos|>", "<|eos|>", 1)


def test_a_second_bos_is_dropped_and_noted():
    chat = Chat(make_tokenizer(template="{{ bos_token }}" + TEMPLATE))
    request = chat.request(ASK, ANSWER)
    assert tokens(chat, request).count("<|bos|>") == 1
    assert request.notes == ("The rendered text held a second BOS token, which was dropped.",)


def test_the_bos_of_the_tokenizer_is_added_if_the_template_prints_none():
    from tokenizers import processors

    tokenizer = make_tokenizer(template=TEMPLATE.replace("{{ bos_token }}", ""))
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", 1)]
    )
    chat = Chat(tokenizer)
    assert tokens(chat, chat.request(ASK, ANSWER))[:2] == ["<|bos|>", "<|user|>"]


def test_no_eos_is_added_to_a_template_without_one():
    chat = Chat(make_tokenizer(template=TEMPLATE.replace("{{ eos_token }}", "")))
    assert "<|eos|>" not in tokens(chat, chat.request(ASK, ANSWER))


def test_encoders_get_cls_and_sep_around_any_template():
    chat = Chat(make_tokenizer(encoder=True))
    token_texts = tokens(chat, chat.request(ASK, ANSWER))
    assert (token_texts[0], token_texts[-1], token_texts.count("<|bos|>"), token_texts.count("<|eos|>")) == (
        "<|bos|>",
        "<|eos|>",
        1,
        1,
    )


def test_rendered_text_is_not_changed():
    chat = Chat(make_tokenizer(template=None))
    request = chat.request((), turns(("assistant", "Human: hi Assistant: hello")), rendered=True)
    assert chat.tokenizer.decode(request.ids) == "Human: hi Assistant: hello"


def test_a_tokenizer_without_template_is_rejected_with_the_option_to_pass():
    with pytest.raises(InputError, match=r"no chat template: pass --chat_template NAME"):
        Chat(make_tokenizer(template=None), name="org/m").request(ASK, ANSWER)


def test_a_system_message_that_the_template_drops_is_folded():
    silent = TEMPLATE.replace("for m in messages", "for m in messages if m.role != 'system'")
    chat = Chat(make_tokenizer(template=silent))
    request = chat.request(SYSTEM, ANSWER)
    assert "<|user|>Answer in one word.\n\nWhat is the capital?" in request.text
    (note,) = request.notes
    assert "no system role" in note


def test_a_system_message_that_the_template_rejects_is_folded():
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE
    assert "<|user|>Answer in one word." in Chat(make_tokenizer(template=strict)).request(SYSTEM, ANSWER).text


def test_turns_that_the_template_rejects_are_a_one_line_error():
    strict = (
        "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}" + TEMPLATE
    )
    odd = turns(("user", "a"), ("user", "b"))
    with pytest.raises(InputError, match=r"refuses these turns \(user, user, assistant\): roles must alternate"):
        Chat(make_tokenizer(template=strict), name="org/m").request(odd, ANSWER)


def test_a_template_that_fails_is_rejected_like_one_that_raises():
    with pytest.raises(InputError, match=r"refuses these turns \(user, assistant\): division by zero"):
        Chat(make_tokenizer(template="{{ 1 / 0 }}" + TEMPLATE)).request(ASK, ANSWER)


def test_a_template_that_drops_a_turn_is_rejected():
    last = TEMPLATE.replace("for m in messages", "for m in messages[-1:]")
    with pytest.raises(InputError, match="drops a message"):
        Chat(make_tokenizer(template=last)).request(ASK, ANSWER)


def test_messages_must_appear_in_order():
    backwards = TEMPLATE.replace("for m in messages", "for m in messages | reverse")
    with pytest.raises(InputError, match="drops a message"):
        Chat(make_tokenizer(template=backwards)).request(ASK, ANSWER)


def test_a_template_may_drop_the_thinking_which_is_noted():
    forgetful = TEMPLATE.replace("m.content }}", "m.content.split('</think>')[-1] }}")
    chat = Chat(make_tokenizer(template=forgetful), spans=True)
    request = chat.request(ASK, turns(("assistant", "<think>Peru?</think>Lima")))
    assert completion_text(chat, request) == "Lima<|eos|>"
    assert request.notes == ("The template leaves out the thinking of assistant turns, up to </think>.",)
    with pytest.raises(InputError, match="drops a message"):
        chat.request(turns(("user", "<think>Peru?</think>Lima")), ANSWER)


def test_a_template_may_change_line_breaks():
    tight = TEMPLATE.replace("m.content }}", "m.content | replace('\n\n', '\n') }}")
    request = Chat(make_tokenizer(template=tight)).request(ASK, turns(("assistant", "Lima.\n\nIn Peru.")))
    assert request.text.endswith("<|assistant|>Lima.\nIn Peru.<|eos|>")
    assert Chat(make_tokenizer(), template="falcon").request(ASK, turns(("assistant", "Lima.\n\nPeru."))).text == (
        "User: What is the capital?\n\nAssistant: Lima.\nPeru.\n\n"
    )


def test_the_date_is_frozen_and_recorded():
    dated = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}" + TEMPLATE
    chat = Chat(make_tokenizer(template=dated))
    assert chat.request(ASK, ANSWER).text.startswith("26 Jul 2024")
    assert chat.describe()["clock"] == "2024-07-26"
    assert Chat(make_tokenizer()).describe()["clock"] is None


@pytest.mark.parametrize(
    ("dated", "date"),
    [
        ("{{ strftime_now ( '%Y' ) }}", "2024"),
        ("{% set f = '%d %B' %}{{ strftime_now(f) }}", "26 July"),
        ("{% set f = strftime_now %}{{ f(format='%Y-%m-%d').split('-')[1] }}", "07"),
        ("{% macro day() %}{{ strftime_now('%A, %-d. %b') }}{% endmacro %}{{ day() }}", "Friday, 26. Jul"),
        ("{{ strftime_now('100%% of %%d on %m/%d/%y, %H:%M %p') }}", "100% of %d on 07/26/24, 00:00 AM"),
        ("\n  {% if true %}x{% endif %}\n {{ strftime_now('%Y') }}", "\nx 2024"),
    ],
)
def test_every_date_of_a_template_is_fixed(dated, date):
    chat = Chat(make_tokenizer(template=dated + TEMPLATE))
    assert chat.request(ASK, ANSWER).text.startswith(f"{date}<|bos|>")
    assert chat.source == dated + TEMPLATE


def test_the_macro_for_the_date_changes_no_other_byte_of_a_template():
    dated = "   {%- if 1 %}\n a\n{% endif %}\n {#- x #} b {{ strftime_now('%Y') if false }}\n\n" + TEMPLATE
    tokenizer = make_tokenizer(template=dated)
    messages = [*ASK, *ANSWER]
    assert Chat(tokenizer).render((*ASK, *ANSWER)) == tokenizer.apply_chat_template(messages, tokenize=False)


def test_fastchat_templates_have_no_examples_and_take_the_system_text():
    chat = Chat(make_tokenizer(template=None), template="vicuna_v1.1")
    text = chat.request(SYSTEM, ANSWER).text
    assert text == "Answer in one word. USER: What is the capital? ASSISTANT: Lima</s>"
    render, _ = fastchat_template("one_shot")
    assert "Hello" in render(turns(("user", "Hello")))
    assert "birthday" not in render(turns(("user", "Hello")))


def test_an_unknown_template_is_an_error_with_similar_names():
    with pytest.raises(InputError, match=r"'vicuna_v1.2' in fastchat \(near: vicuna_v1.1"):
        Chat(make_tokenizer(), template="vicuna_v1.2")


def test_raw_is_the_contents_only():
    chat = Chat(make_tokenizer(template=None), template="raw")
    assert chat.request(ASK, ANSWER).text == "What is the capital?\nLima"


@pytest.mark.parametrize("template", [None, "raw", "vicuna_v1.1", "tulu"])
def test_the_span_is_the_completion(template):
    chat = Chat(make_tokenizer(), template=template, spans=True)
    request = chat.request(ASK, ANSWER)
    assert chat.tokenizer.decode(request.ids[request.start : request.end]).removesuffix("<|eos|>").strip() in (
        "Lima",
        "Lima</s>",
    )


def test_a_completion_that_repeats_the_prompt_has_its_own_span():
    chat = Chat(make_tokenizer(), spans=True)
    echo = turns(("assistant", "What is the capital? Lima"))
    request = chat.request(ASK, echo)
    assert chat.tokenizer.decode(request.ids[request.start :]) == "What is the capital? Lima<|eos|>"


@pytest.mark.parametrize("answer", [" Lima", "\nLima", "\n\nLima", "😀 Lima", "12 - 5", "Lima \n", "", "assistant"])
def test_the_span_includes_spaces_at_both_ends_of_the_completion(answer):
    chat = Chat(make_tokenizer(template=TEMPLATE.replace("|>{{", "|>\n{{")), spans=True)
    assert completion_text(chat, chat.request(ASK, turns(("assistant", answer)))) == f"{answer}<|eos|>"


def test_the_span_includes_every_turn_of_a_completion():
    chat = Chat(make_tokenizer(), spans=True)
    several = turns(("assistant", "Lima"), ("user", "Sure?"), ("assistant", "Lima"))
    assert completion_text(chat, chat.request(ASK, several)) == "Lima<|eos|><|user|>Sure?<|assistant|>Lima<|eos|>"


EMPTY_THINK = TEMPLATE.replace(
    "{{ m.content }}", "{{ '<think></think>' if loop.last and m.role == 'assistant' }}{{ m.content }}"
)
THINK_AHEAD = TEMPLATE.replace("<|assistant|>{%", "<|assistant|><think>{%")
NO_HEADER = "{% for m in messages %}### {{ m.role }}:\n{{ m.content }}{% endfor %}{{ eos_token }}"


@pytest.mark.parametrize(
    ("template", "answer"),
    [(EMPTY_THINK, "Lima"), (THINK_AHEAD, "Lima"), (THINK_AHEAD, "<think>Peru.</think>Lima"), (NO_HEADER, "Lima")],
)
def test_the_span_does_not_depend_on_the_generation_prompt(template, answer):
    chat = Chat(make_tokenizer(template=template), spans=True)
    assert completion_text(chat, chat.request(ASK, turns(("assistant", answer)))) == f"{answer}<|eos|>"


def test_the_span_is_right_where_the_prompt_alone_renders_differently():
    at_last = (
        "{{ bos_token }}{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>"
        "{% if loop.last and m.role == 'user' %}{{ messages[0].content }} | {% endif %}{{ m.content }}{% endfor %}"
    )
    chat = Chat(make_tokenizer(template=at_last), spans=True)
    request = chat.request(SYSTEM, ANSWER)
    assert request.text == "<|bos|><|user|>Answer in one word.\n\nWhat is the capital?<|assistant|>Lima"
    assert completion_text(chat, request) == "Lima"


def test_the_span_begins_with_the_token_that_merges_the_header_with_the_completion():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    words = [*CORPUS, "USER: ASSISTANT: What is the capital? Lima Lima Lima"]
    core.train_from_iterator(words, trainers.BpeTrainer(special_tokens=["<unk>", "</s>"], show_progress=False))
    chat = Chat(PreTrainedTokenizerFast(tokenizer_object=core), template="vicuna_v1.1", spans=True)
    request = chat.request(ASK, ANSWER)
    assert tokens(chat, request)[request.start :] == ["▁Lima", "</s>"]


def test_a_slow_tokenizer_without_bos():
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()
    tokenizer.chat_template = TEMPLATE.replace("{{ bos_token }}", "")
    chat = Chat(tokenizer, spans=True)
    request = chat.request(ASK, ANSWER)
    assert tokenizer.decode(request.ids) == "<|user|>What is the capital?<|assistant|>Lima</s>"
    assert completion_text(chat, request) == "Lima</s>"


@pytest.mark.parametrize(("side", "remaining"), [("left", "Lima<|eos|>"), ("right", "<|bos|><|user|>")])
def test_truncation_cuts_the_chosen_side_and_counts(side, remaining):
    complete = Chat(make_tokenizer()).request(ASK, ANSWER)
    chat = Chat(make_tokenizer(), max_length=6, truncation_side=side)
    request = chat.request(ASK, ANSWER)
    assert (len(request), request.dropped) == (6, len(complete) - 6)
    assert remaining in chat.tokenizer.decode(request.ids)


def test_truncation_keeps_the_tokens_that_the_tokenizer_adds():
    chat = Chat(make_tokenizer(encoder=True), max_length=6, truncation_side="left")
    token_texts = tokens(chat, chat.request(ASK, ANSWER))
    assert (token_texts[0], token_texts[-1], len(token_texts)) == ("<|bos|>", "<|eos|>", 6)


def test_truncation_keeps_a_bos_that_only_the_template_prints():
    ids = Chat(make_tokenizer()).request(ASK, ANSWER).ids
    cut = Chat(make_tokenizer(), max_length=6, truncation_side="left").request(ASK, ANSWER).ids
    assert cut.tolist() == [ids[0], *ids[-5:]]


def test_an_eos_without_text_is_no_completion():
    chat = Chat(ends_with_eos(make_tokenizer()), "raw", max_length=6, truncation_side="right", spans=True)
    request = chat.request(turns(("user", "Z")), turns(("assistant", "ZQXJKV")))
    assert completion_text(chat, request) == "ZQX<|eos|>"
    with pytest.raises(InputError, match="nothing of the completion is left"):
        chat.request(turns(("user", "ZQXJ")), turns(("assistant", "ZQXJKV")))


def test_truncation_moves_the_span():
    chat = Chat(make_tokenizer(), max_length=8, spans=True)
    request = chat.request(ASK, ANSWER)
    assert chat.tokenizer.decode(request.ids[request.start : request.end]) == "Lima<|eos|>"
    with pytest.raises(InputError, match="nothing of the completion is left"):
        Chat(make_tokenizer(), max_length=4, truncation_side="right", spans=True).request(ASK, ANSWER)


def test_tokenizer_settings_for_padding_and_truncation_change_nothing():
    tokenizer = make_tokenizer()
    before = Chat(tokenizer).request(ASK, ANSWER).ids
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=50)
    assert Chat(tokenizer).request(ASK, ANSWER).ids == before


def test_a_text_above_the_maximum_of_the_tokenizer_logs_no_warning(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 3
    assert len(Chat(tokenizer).request(ASK, ANSWER)) > 3
    assert caplog.messages == []


ADDS_BOS = TEMPLATE.replace("{{ bos_token }}", "")


def adds_bos(tokenizer):
    """Make the tokenizer add a BOS before every text."""
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", 1)]
    )
    return tokenizer


@pytest.mark.parametrize("before", ["", "\n", " \n ", "Chat.\n"])
@pytest.mark.parametrize("change", [adds_bos, lambda tokenizer: tokenizer])
def test_a_bos_of_the_template_is_the_only_one_at_any_position(before, change):
    tokenizer = change(make_tokenizer(template=before + TEMPLATE))
    chat = Chat(tokenizer)
    request = chat.request(ASK, ANSWER)
    assert tokens(chat, request).count("<|bos|>") == 1
    messages = [dict(turn) for turn in (*ASK, *ANSWER)]
    assert request.ids.tolist() == list(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False))
    cut = Chat(tokenizer, max_length=len(request) - 3).request(ASK, ANSWER)
    assert tokens(chat, cut).count("<|bos|>") == 1


@pytest.mark.parametrize("double", ["{{ bos_token }}{{ bos_token }}", "{{ bos_token }}\n{{ bos_token }}"])
def test_a_template_that_prints_two_bos_keeps_one(double):
    chat = Chat(adds_bos(make_tokenizer(template=TEMPLATE.replace("{{ bos_token }}", double))))
    assert tokens(chat, chat.request(ASK, ANSWER))[:2] == ["<|bos|>", "<|user|>"]


@pytest.mark.parametrize(
    "template", [ADDS_BOS.replace("<|{{ m.role }}|>", ""), TEMPLATE.replace("<|{{ m.role }}|>", "")]
)
@pytest.mark.parametrize("prompt", ["<|bos|>", "<|bos|><|bos|>Hi", "Hi <|bos|> there", "<|eos|>"])
def test_special_tokens_in_a_message_do_not_replace_those_of_the_template(template, prompt):
    chat = Chat(adds_bos(make_tokenizer(template=template)))
    token_texts = tokens(chat, chat.request(turns(("user", prompt)), ANSWER))
    assert token_texts[0] == "<|bos|>"
    assert token_texts.count("<|bos|>") == 1 + prompt.count("<|bos|>")


def test_a_bos_in_each_turn_is_not_removed():
    chat = Chat(adds_bos(make_tokenizer(template="{% for m in messages %}{{ bos_token }}{{ m.content }}{% endfor %}")))
    assert tokens(chat, chat.request(ASK, ANSWER)).count("<|bos|>") == 2


def test_a_template_with_a_bos_after_messages_gets_the_first_from_the_tokenizer():
    template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.role == 'assistant' %}<|eos|><|bos|>{% endif %}"
    )
    chat = Chat(adds_bos(make_tokenizer(template=template + "{% endfor %}")))
    token_texts = tokens(chat, chat.request(ASK, ANSWER))
    assert (token_texts[0], token_texts[-1], token_texts.count("<|bos|>")) == ("<|bos|>", "<|bos|>", 2)


def test_an_encoder_gets_its_cls_and_sep_although_the_messages_contain_some():
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    chat = Chat(make_tokenizer(template=template, encoder=True))
    token_texts = tokens(chat, chat.request(turns(("user", "<|bos|>Hi")), turns(("assistant", "Lima<|eos|>"))))
    assert (token_texts[:2], token_texts[-2:]) == (["<|bos|>", "<|bos|>"], ["<|eos|>", "<|eos|>"])


SPECIAL = [
    "<|bos|>",
    "<|eos|>",
    "<|pad|>",
    "<|user|>",
    "<|assistant|>",
    "</think>",
    "\ue000",
    "\ue001",
    "\0",
    "{{",
    " ",
]
CONTENT = st.lists(st.sampled_from(SPECIAL) | st.text(st.characters(codec="utf-8"), max_size=4), max_size=5).map(
    "".join
)
TOKENIZER = adds_bos(make_tokenizer())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONTENT, CONTENT)
def test_no_characters_of_a_text_change_the_tokens_of_the_template(question, answer):
    messages = turns(("user", question), ("assistant", answer))
    request = Chat(TOKENIZER, spans=True).request(messages[:1], messages[1:])
    by_hand = TOKENIZER.apply_chat_template([dict(turn) for turn in messages], tokenize=True, return_dict=False)
    header = TOKENIZER(f"<|bos|><|user|>{question}<|assistant|>", add_special_tokens=False)["input_ids"]
    assert (request.ids.tolist(), request.start) == (list(by_hand), len(header))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONTENT, CONTENT, CONTENT, CONTENT)
def test_different_texts_have_different_keys(text, completion, other_text, other_completion):
    same = (text, completion) == (other_text, other_completion)
    assert (TextRequest(text, (completion,)) == TextRequest(other_text, (other_completion,))) == same


def test_a_separator_in_a_text_does_not_shift_its_end():
    assert TextRequest("a\0b", ("c",)) != TextRequest("a", ("b\0c",))
