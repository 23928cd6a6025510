"""Checkpoints that were published with another chat template than their tokenizer's."""

import shutil

import pytest

from rewardbench.models.families import FAMILIES
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.templates import fastchat_template

PROMPT = ({"role": "user", "content": "Name a river."},)
ANSWER = ({"role": "assistant", "content": "The Elbe."},)
ZIYA = "\n\nHuman: Name a river.\n\nAssistant: The Elbe.\n\n"


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


@pytest.mark.parametrize(
    "name", ["RAMO-Llama3.1-8B", "HFXM/RAMO-Llama3.1-8B", "models--HFXM--RAMO-Llama3.1-8B/snapshots/a"]
)
def test_a_known_checkpoint_gets_the_template_it_was_published_with_and_a_note(name, tmp_path, model_folder):
    scorer = load(shutil.copytree(model_folder(), tmp_path / name))
    assert scorer.prepare(PROMPT, ANSWER, False).text == ZIYA
    notes = "\n".join(scorer.report().notes)
    assert "HFXM/RAMO-Llama3.1-8B was published with the chat template Ziya" in notes
    assert scorer.fingerprint["chat_template"] == "Ziya"


def test_a_requested_template_takes_precedence(tmp_path, model_folder):
    folder = shutil.copytree(model_folder(), tmp_path / "RAMO-Llama3.1-8B")
    scorer = load(folder, chat_template="tokenizer")
    assert scorer.prepare(PROMPT, ANSWER, False).text == load(model_folder()).prepare(PROMPT, ANSWER, False).text
    assert load(folder, chat_template="raw").prepare(PROMPT, ANSWER, False).text == "Name a river.\nThe Elbe."
    assert scorer.report().notes == load(model_folder()).report().notes


def test_an_unknown_checkpoint_keeps_the_template_of_its_tokenizer(model_folder):
    assert load(model_folder()).fingerprint["chat_template"] == "tokenizer"


@pytest.mark.parametrize("template", sorted({family.chat_template for family in FAMILIES.values()}))
def test_every_template_of_a_family_renders_a_conversation(template):
    render, _ = fastchat_template(template)
    assert "Elbe" in render([*PROMPT, *ANSWER])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Ziya", ZIYA),
        ("openbmb", "User: Name a river.\n\nAssistant: The Elbe.\n\n"),
        ("pku-align", "BEGINNING OF CONVERSATION: USER: Name a river. ASSISTANT: The Elbe. "),
    ],
)
def test_the_templates_added_by_rewardbench_0_1_render_the_same_text(template, text):
    assert fastchat_template(template)[0]([*PROMPT, *ANSWER]) == text
