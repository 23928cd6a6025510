"""Checkpoints that were published with another template than their tokenizer's."""

import shutil

import pytest

from rewardbench.models.families import FAMILIES
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.templates import fastchat_template

ASKED = ({"role": "user", "content": "Name a river."},)
ANSWER = ({"role": "assistant", "content": "The Elbe."},)
ZIYA = "\n\nHuman: Name a river.\n\nAssistant: The Elbe.\n\n"


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


@pytest.mark.parametrize(
    "name", ["RAMO-Llama3.1-8B", "HFXM/RAMO-Llama3.1-8B", "models--HFXM--RAMO-Llama3.1-8B/snapshots/a"]
)
def test_a_known_checkpoint_gets_the_template_it_was_published_with_and_says_so(name, tmp_path, model_folder):
    scorer = load(shutil.copytree(model_folder(), tmp_path / name))
    assert scorer.prepare(ASKED, ANSWER, False).text == ZIYA
    assert [
        note
        for note in scorer.report().notes
        if "HFXM/RAMO-Llama3.1-8B was published with the chat template Ziya" in note
    ]
    assert scorer.fingerprint["chat_template"] == "Ziya"


def test_a_template_that_is_named_holds_also_the_tokenizers_own(tmp_path, model_folder):
    folder = shutil.copytree(model_folder(), tmp_path / "RAMO-Llama3.1-8B")
    own = load(folder, chat_template="tokenizer")
    assert own.prepare(ASKED, ANSWER, False).text == load(model_folder()).prepare(ASKED, ANSWER, False).text
    assert load(folder, chat_template="raw").prepare(ASKED, ANSWER, False).text == "Name a river.\nThe Elbe."
    assert own.report().notes == load(model_folder()).report().notes


def test_an_unknown_checkpoint_keeps_the_template_of_its_tokenizer(model_folder):
    assert load(model_folder()).fingerprint["chat_template"] == "tokenizer"


@pytest.mark.parametrize("template", sorted({family.chat_template for family in FAMILIES.values()}))
def test_every_template_of_a_family_can_be_printed(template):
    render, _ = fastchat_template(template)
    assert "Elbe" in render([*ASKED, *ANSWER])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Ziya", ZIYA),
        ("openbmb", "User: Name a river.\n\nAssistant: The Elbe.\n\n"),
        ("pku-align", "BEGINNING OF CONVERSATION: USER: Name a river. ASSISTANT: The Elbe. "),
    ],
)
def test_the_templates_of_rewardbench_are_its_own_to_the_letter(template, text):
    assert fastchat_template(template)[0]([*ASKED, *ANSWER]) == text
