"""`rewardbench doctor` explains the loaded model: what it reads, where, by which head, and scores of sanity pairs."""

import json

import pytest
import torch
from head_models import make_headed, random_layers
from random_models import TEMPLATE, make_tokenizer
from safetensors.torch import save_file
from terminal import run

from rewardbench.doctor import other_dtype
from rewardbench.doctor.explanation import CONVERSATIONS, doubt_sign, explain
from rewardbench.doctor.report import Explanation, SanityPair
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec

FAST = ("--device", "cpu", "--subset", "facts", "--torch_dtype", "float32", "--sample", 1, "--max_length", 120)


def explanation_of(folder, **options):
    return explain(load_scorer(ModelSpec(str(folder), device="cpu", **options)))


def test_a_classifier_is_explained(model_folder):
    explanation = explanation_of(model_folder("llama"), max_length=100)
    prompt, good, _ = CONVERSATIONS[0]
    assert explanation.text == f"<|bos|><|user|>{prompt}<|assistant|>{good}<|eos|>"
    ids = make_tokenizer()(explanation.text)["input_ids"]
    assert [number for number, _ in explanation.tokens] == ids
    assert explanation.read == (len(ids) - 1,)
    assert explanation.tokens[-1] == (2, "<|eos|>")
    assert (explanation.bos, explanation.eos) == (1, 1)
    assert (explanation.max_length, explanation.truncation_side) == (100, "left")
    assert (explanation.template, explanation.head) == ("the tokenizer's own", ("score.weight [1, 32]",))
    assert (explanation.higher_is_better, explanation.normalization) == (True, "none")


def test_sanity_pairs_have_the_scores_of_the_model_itself(model_folder):
    from transformers import AutoModelForSequenceClassification

    folder = model_folder("llama")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = make_tokenizer()
    for pair in explanation_of(folder, chat_template="tokenizer").sanity_pairs:
        for response, score in ((pair.good, pair.good_score), (pair.bad, pair.bad_score)):
            turns = [{"role": "user", "content": pair.prompt}, {"role": "assistant", "content": response}]
            ids = tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), return_tensors="pt")["input_ids"]
            with torch.inference_mode():
                assert score == pytest.approx(float(model(input_ids=ids).logits), abs=1e-5)


def test_the_other_dtype_is_that_of_a_configuration_that_transformers_does_not_know(tmp_path):
    fields = {"model_type": "internlm2", "auto_map": {"AutoConfig": "configuration.Config"}, "torch_dtype": "float16"}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    save_file({"v_head.weight": torch.zeros(1, 8)}, tmp_path / "model.safetensors")
    assert other_dtype(ModelSpec(str(tmp_path))) == "float16"


def test_a_named_template_is_named(model_folder):
    explanation = explanation_of(model_folder("llama"), chat_template="tulu")
    assert explanation.template == "named: tulu"
    assert explanation.text.startswith("<|user|>\n")


def test_an_encoder_is_read_at_its_first_token(model_folder):
    explanation = explanation_of(model_folder("bert"), chat_template="tokenizer")
    assert explanation.read == (0,)
    assert "classifier.weight [1, 32]" in explanation.head


def test_a_policy_is_read_at_its_completion(model_folder):
    explanation = explanation_of(model_folder("llama", "causal"), ref_free_type="avg")
    tokens = [token for _, token in explanation.tokens]
    assert explanation.read == tuple(range(tokens.index("<|assistant|>") + 1, len(tokens)))
    assert explanation.head == ("log-probabilities of the completion's tokens without a reference",)
    assert explanation.output == "avg of the log-probabilities"


def test_a_declared_head_is_explained_with_its_sign_and_normalisation(tmp_path):
    adapter = tmp_path / "cost.yaml"
    adapter.write_text(
        "title: cost\nhead: {tensors: cost, activation: tanh}\nhigher_is_better: false\n"
        "affine: {mean: config.mean, std: config.std, switch: config.normalize}\n"
    )
    tensors = random_layers("cost", 32, 8, 1)
    explanations = []
    for name, normalize in (("on", True), ("off", False)):
        folder = make_headed(tmp_path / name, tensors, mean=0.5, std=2.0, normalize=normalize)
        explanations.append(explanation_of(folder, adapter=str(adapter)))
    first, second = explanations
    assert first.head == ("cost: Linear [8, 32] with bias, Tanh, Linear [1, 8] with bias",)
    assert not first.higher_is_better
    assert (first.normalization, second.normalization) == ("(score - 0.5) / 2", "off (config.normalize is not set)")
    for pair, plain in zip(first.sanity_pairs, second.sanity_pairs, strict=True):
        assert pair.good_score == pytest.approx((plain.good_score + 0.5) / 2, abs=1e-5)  # of minus the output


def test_an_inverted_sign_is_doubted():
    def pairs(wrong):
        return tuple(SanityPair("p", "g", "b", 0.0, 1.0 if n < wrong else -1.0) for n in range(6))

    def findings(wrong):
        fields = ("text", (), (), "own", 1, 1, None, "left", (), "logit", True, "none")
        return list(doubt_sign(Explanation(*fields, pairs(wrong))))

    assert (findings(4), list(doubt_sign(None))) == ([], [])
    (finding,) = findings(5)
    assert "5 of 6 sanity pairs: the sign may be inverted" in finding.text
    assert not finding.grave


def test_the_command_prints_the_explanation(capsys, model_folder):
    tokenizer = make_tokenizer(TEMPLATE.replace("<|{{ m.role }}|>", "\x1b[2J<|{{ m.role }}|>"))
    folder = model_folder("llama", seed=77, tokenizer=tokenizer)
    code, out, _ = run(capsys, "doctor", "--model", folder, *FAST)
    assert code in (0, 1)
    assert "2 '<|eos|>' <-- read" in out
    assert "\nhead: score.weight [1, 32]\n" in out
    assert "\ntruncation: 120 tokens, on the left\n" in out
    assert "sanity pair" in out
    assert "\x1b[2J" not in out
    code, out, _ = run(capsys, "doctor", "--model", folder, *FAST, "--json")
    explanation = json.loads(out)["explanation"]
    assert len(explanation["sanity_pairs"]) == 6
    assert explanation["head"] == ["score.weight [1, 32]"]
