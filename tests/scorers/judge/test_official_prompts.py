"""Published prompts: read from files without running them, rendered as their code renders them, and hashed."""

import json
import os
import runpy
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from published_prompts import PAIRS, write_published

from rewardbench.errors import InputError
from rewardbench.scorers.judge.prompts import render
from rewardbench.scorers.judge.protocols import JudgeProtocol, load_protocol, parse_protocol, protocol_names
from rewardbench.scorers.judge.protocols import read_protocol as read
from rewardbench.suites import load_suite

PUBLISHED_SOURCE = os.environ.get("REWARDBENCH_PUBLISHED_SOURCE", "")
"""Folder of the unpacked source distribution of rewardbench 0.1.4."""
OFFICIAL = [name for name in protocol_names() if read(name).official]
CLIENTS = (
    "anthropic google google.generativeai google.generativeai.types together openai fastchat fastchat.conversation"
)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published(tmp_path_factory.mktemp("published"))


def turn(role, content):
    return {"role": role, "content": content}


def real_items():
    """Return 20 prompts of one turn, each with 4 responses; braces are added to some."""
    pairs = [item for item in load_suite("core").items if len(item.prompt) == 1][:80]
    items = []
    for n in range(0, len(pairs), 4):
        responses = [pair.completions[0][0]["content"] for pair in pairs[n : n + 4]]
        suffix = " {x} {{ y }} {% z %} \n" if n % 8 else ""
        items.append((pairs[n].prompt[0]["content"] + suffix, [response + suffix for response in responses]))
    assert len(items) == 20
    return items


def shown(protocol, question, responses, subset="facts", history=()):
    prompt = (*history, turn("user", question))
    completions = [(turn("assistant", text),) for text in responses]
    return [
        (message["role"], message["content"]) for message in render(protocol, prompt, completions, {"subset": subset})
    ]


def constants(source):
    """Run a file of the published shape, less the lines that must not be run."""
    values = {}
    lines = [line for line in source.splitlines(keepends=True) if not line.startswith(("import", "raise"))]
    exec("".join(lines), values)
    return values


def test_prompts_are_filled_as_str_format_fills_them(published):
    texts = constants(PAIRS)
    protocols = {
        name: load_protocol(name, str(published)) for name in ("rewardbench1", "rewardbench1_brief", "prometheus")
    }
    for question, (a, b, *_) in real_items():
        template = texts["MTBENCH_V2"]["prompt_template"]
        user = template.format(question=question, answer_a=a, answer_b=b)
        assert shown(protocols["rewardbench1"], question, [a, b]) == [("system", texts["system"]), ("user", user)]
        assert shown(protocols["rewardbench1_brief"], question, [a, b]) == [("user", texts["prompt_v2_gemini"] + user)]
        fields = {"orig_instruction": question, "response_A": a, "response_B": b}
        user = texts["RELATIVE_PROMPT"].format(**fields, score_rubric=texts["AUTOJ_COARSE_SCORE_RUBRIC"])
        assert shown(protocols["prometheus"], question, [a, b]) == [("system", "Be fair {always}."), ("user", user)]


def test_conversations_of_two_turns_have_a_prompt_of_their_own(published):
    protocol = load_protocol("rewardbench1", str(published))
    history = [turn("user", "First?"), turn("assistant", "One.")]
    system, user = shown(protocol, "Second?", ["Two.", "Three."], history=history)
    assert system == ("system", constants(PAIRS)["system"] + " Look at the second turn.")
    assert user[1] == "A:\nFirst?\nOne.\nSecond?\nTwo.\n\n\nB:\nFirst?\nOne.\nSecond?\nThree."
    diverging = [tuple(turn(role, text) for role, text in zip(("assistant", "user", "assistant"), texts, strict=True))
                 for texts in (("1", "Second?", "2"), ("3", "Second?", "4"))]  # fmt: skip
    messages = render(protocol, (turn("user", "First?"),), diverging, {})
    assert messages[1]["content"] == "A:\nFirst?\n1\nSecond?\n2\n\n\nB:\nFirst?\n3\nSecond?\n4"
    with pytest.raises(InputError, match="cannot show a prompt of 5 messages, 3 of the user"):
        shown(protocol, "Third?", ["x", "y"], history=history * 2)


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_official_protocol_shows_question_and_responses(name, published):
    protocol = load_protocol(name, str(published))
    responses = ["First", "Second", "Third", "Fourth"][: {"pointwise": 1, "pairwise": 2, "listwise": 4}[protocol.view]]
    text = "\n".join(content for _, content in shown(protocol, "Which river?", responses))
    assert all(text.count(part) == 1 for part in ("Which river?", *responses))
    assert "<<" not in text
    assert "{{" not in text


def test_ratings_of_rewardbench_2_have_a_prompt_for_ties(published):
    protocol = load_protocol("rewardbench2_ratings", str(published))
    assert shown(protocol, "Q", ["R"]) == [("user", "Rate it.\nQ\nR\n")]
    assert shown(protocol, "Q", ["R"], subset="Ties")[0][1].startswith("Rate it; length is no matter.")


def test_the_prompt_is_in_the_identity_as_a_hash_only(published, tmp_path):
    protocol = load_protocol("rewardbench1", str(published))
    assert protocol.identity["official"] == {"path": "rewardbench/generative.py", "sha256": protocol.official.sha256}
    assert "Which of the two" not in json.dumps(protocol.identity)
    assert load_protocol("rewardbench1", str(published / "rewardbench")).digest == protocol.digest
    changed = tmp_path / "changed.py"
    changed.write_text(PAIRS.replace("better?", "best?"))
    assert load_protocol("rewardbench1", str(changed)).digest != protocol.digest
    stored = JudgeProtocol.model_validate_json(json.dumps(protocol.identity))  # to parse answers again
    assert stored.answer == protocol.answer
    with pytest.raises(InputError, match="were not read"):
        shown(read("rewardbench1"), "Q", ["A", "B"])


def test_a_missing_file_says_how_to_get_it(tmp_path):
    for prompts, place in ((None, "in none of the installed packages"), (str(tmp_path), f"not in {tmp_path}")):
        with pytest.raises(InputError) as caught:
            load_protocol("rewardbench1", prompts)
        sentence = str(caught.value)
        assert sentence.startswith(f"The prompts of the judge protocol rewardbench1 are {place}: run `pip download ")
        assert sentence.endswith("pass --prompts with the path of its rewardbench/generative.py.")


def test_an_installed_package_of_rewardbench_0_1_is_read(published, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(published)])
    assert load_protocol("rewardbench1").digest == load_protocol("rewardbench1", str(published)).digest


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("x = 1", "has no text MTBENCH_V2.system_prompt, which the judge protocol rewardbench1 shows: run"),
        ("MTBENCH_V2 = {'system_prompt': open('x').read()}", "has no text MTBENCH_V2.system_prompt"),
        ("def f(:", "cannot be read: invalid syntax"),
        ("x = '\0'", "cannot be read: "),
        (
            PAIRS.replace("{answer_a}", "{response_1}"),
            "has a field {response_1}, which the judge protocol rewardbench1",
        ),
        (PAIRS.replace("{answer_a}", "{answer_a"), "is not a format string: unexpected '{' in field name"),
        ("x = " + "(" * 5000 + ")" * 5000, "cannot be read: "),
        ("a = 'aa'\n" + "a = a + a\n" * 60, "cannot be read: a text has over 4,000,000 characters"),
        ("#" * 4_000_001, "have over 4,000,000 bytes"),
    ],
)
def test_a_file_that_is_not_the_published_one_is_refused(content, reason, tmp_path):
    path = tmp_path / "generative.py"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        load_protocol("rewardbench1", str(path))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_come_from_yaml_json_and_plain_files_too(tmp_path):
    values = {
        "name": "mine",
        "view": "pointwise",
        "answer": {"kind": "rating"},
        "messages": [turn("user", "<<judge.prompt>>!")],
        "official": {"path": "prompts", "fields": {"q": "question", "r": "responses[0]"}},
    }
    protocol_file = tmp_path / "mine.yaml"
    protocol_file.write_text(json.dumps(values))
    digests = set()
    for name, content in (
        ("a.yaml", "judge: {prompt: 'Rate {q} {r}'}"),
        ("a.json", '{"judge": {"prompt": "Rate {q} {r}"}}'),
        ("a.txt", "Rate {q} {r}"),
    ):
        (tmp_path / name).write_text(content)
        protocol = load_protocol(str(protocol_file), str(tmp_path / name))
        assert shown(protocol, "Q", ["R"]) == [("user", "Rate Q R!")]
        digests.add(protocol.digest)
    assert len(digests) == 1
    with pytest.raises(InputError, match=r"is one text, and the judge protocol rm_r1 needs RM_R1_\w+, RM_R1_\w+"):
        load_protocol("rm_r1", str(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    "content",
    [
        "a: &a {b: x}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 40)),
        "a: &a {a: *a}",
    ],
)
def test_a_yaml_file_that_grows_without_end_is_refused(content, tmp_path):
    path = tmp_path / "prompts.yaml"
    path.write_text(content.replace("&a {b", "&a0 {b"))
    with pytest.raises(InputError, match="cannot be read: "):
        load_protocol("rewardbench1", str(path))


def test_prompts_for_a_protocol_with_its_own_are_refused(published):
    with pytest.raises(InputError, match="choice has prompts of its own: leave out --prompts"):
        load_protocol("choice", str(published))


def test_an_official_prompt_shows_what_its_protocol_declares_only(tmp_path):
    path = tmp_path / "templates"
    path.mkdir()
    (path / "ask.jinja2").write_text("{{ prompt }} {{ reply }} {{ reference }}")
    values = {"name": "mine", "view": "pointwise", "answer": {"kind": "rating"}, "messages": [turn("user", "<<ask>>")]}
    official = {"path": "templates", "style": "jinja", "fields": {"prompt": "question", "reply": "responses[0]"}}
    parse_protocol({**values, "official": official}, "mine")
    (tmp_path / "mine.yaml").write_text(json.dumps({**values, "official": official}))
    with pytest.raises(InputError, match="prompts of the judge protocol mine are not valid: message 1 shows reference"):
        load_protocol(str(tmp_path / "mine.yaml"), str(tmp_path))


@pytest.mark.skipif(not PUBLISHED_SOURCE, reason="no REWARDBENCH_PUBLISHED_SOURCE")
def test_prompts_equal_those_of_rewardbench_0_1_on_20_items(monkeypatch):
    for client in CLIENTS.split():
        monkeypatch.setitem(sys.modules, client, MagicMock())
    first, second = (
        runpy.run_path(str(Path(PUBLISHED_SOURCE, "rewardbench", name)))
        for name in ("generative.py", "generative_v2.py")
    )
    needed = [name for name in OFFICIAL if read(name).official.path.startswith("rewardbench/")]
    protocols = {name: load_protocol(name, PUBLISHED_SOURCE) for name in needed}
    modifiers = {
        "rewardbench1": None,
        "rewardbench1_brief": "gemini",
        "prometheus": "prometheus",
        "offsetbias": "offsetbias",
        "con_j": "Con-J",
        "rise_judge": "RISE-Judge",
        "atla": "Atla",
    }
    for question, responses in real_items():
        answers = [[turn("user", question), turn("assistant", text)] for text in responses]
        for name, modifier in modifiers.items():
            system, user = first["format_judge_answers"](question, *answers[:2], model_modifier=modifier)
            expected = [("system", system)] if system else []
            assert shown(protocols[name], question, responses[:2]) == [*expected, ("user", user)]
        history = [turn("user", "First?"), turn("assistant", "One.")]
        conversations = [[*history, *answer] for answer in answers[:2]]
        system, user = first["format_judge_answers"]("First?", *conversations, multi_turn=True)
        messages = shown(protocols["rewardbench1"], question, responses[:2], history=history)
        assert messages == [("system", system), ("user", user)]
        system, user = second["format_judge_answers"](question, *answers)
        messages = shown(protocols["rewardbench2"], question, responses)
        assert messages == [("system", system), ("user", user)]
        for name, module, text_name, subset in (
            ("rewardbench1_ratings", first, "ratings_prompt", "Math"),
            ("rewardbench2_ratings", second, "ratings_prompt", "Math"),
            ("rewardbench2_ratings", second, "ratings_prompt_ties", "Ties"),
        ):
            user = module[text_name].format(prompt=question, completion=responses[0])
            messages = shown(protocols[name], question, responses[:1], subset=subset)
            assert messages == [("user", user)]
