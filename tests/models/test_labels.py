"""Classifiers with several labels: the score is the output that --label names."""

import json
import shutil

import pytest
import torch
from random_models import make_model, make_tokenizer, pairs, turn
from reference import LAYOUTS, score_in_layouts
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rewardbench import evaluate
from rewardbench import score as score_texts
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.settings import ModelSpec

NAMES = {0: "length", 1: "quality", 2: "2"}
LABELS = {"id2label": NAMES, "label2id": {name: index for index, name in NAMES.items()}, "num_labels": 3}
ROWS = [{"prompt": "Name a city.", "chosen": "Lima by the river.", "rejected": "Oslo"}]


@pytest.fixture(scope="module")
def folder(model_folder):
    """A classifier with the labels length, quality and 2."""
    return model_folder(**LABELS)


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def requests_of(scorer):
    return [scorer.prepare(item.prompt, item.completions[0], rendered=False) for item in pairs(4)]


def logits_of(folder, requests, **inputs):
    """The logits of the model's own forward: [requests, labels]."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return torch.cat([model(torch.tensor([request.ids]), **inputs).logits for request in requests])


def with_config(folder, to, **fields):
    shutil.copytree(folder, to)
    path = to / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return to


@pytest.mark.parametrize(("label", "index"), [("quality", 1), ("1", 1), ("length", 0), ("2", 2)])
def test_the_score_is_the_logit_of_the_label(folder, label, index):
    scorer = load(folder, label=label)
    requests = requests_of(scorer)
    assert scorer.run(requests) == pytest.approx(logits_of(folder, requests)[:, index].tolist(), abs=1e-5)
    assert scorer.fingerprint["label"] == {"index": index, "log_odds": False}
    assert f"Scored by the logit of the label {NAMES[index]}, output {index} of 3." in scorer.report().notes


def test_labels_that_exclude_each_other_are_scored_by_their_log_odds(folder, tmp_path):
    exclusive = with_config(folder, tmp_path / "model", problem_type="single_label_classification")
    scorer = load(exclusive, label="quality")
    requests = requests_of(scorer)
    probabilities = logits_of(folder, requests).softmax(-1)[:, 1]
    assert torch.tensor(scorer.run(requests)).sigmoid().tolist() == pytest.approx(probabilities.tolist(), abs=1e-6)
    assert scorer.fingerprint["label"] == {"index": 1, "log_odds": True}
    assert "log-odds of the label quality" in scorer.report().notes[0]


def test_no_layout_moves_the_score_of_a_label(folder, tmp_path):
    scorer = load(with_config(folder, tmp_path / "model", problem_type="single_label_classification"), label="quality")
    items, unbatched = pairs(6, 20), []
    for item in items:
        unbatched += [scorer.score_unbatched(scorer.prepare(item.prompt, c, rendered=False)) for c in item.completions]
    for scores in score_in_layouts(scorer, items, LAYOUTS):
        assert scores == pytest.approx(unbatched, abs=1e-5)


def test_every_entry_point_takes_a_label(folder):
    expected = score_texts(folder, "Name a city.", "Lima", label="quality", device="cpu")
    result = evaluate(folder, ROWS, label="quality", device="cpu")
    assert result.manifest["fingerprint"]["label"]["index"] == 1
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    in_memory = (model, AutoTokenizer.from_pretrained(folder))
    assert score_texts(in_memory, "Name a city.", "Lima", label="quality") == pytest.approx(expected, abs=1e-6)
    with pytest.raises(InputError, match=r"outputs 3 numbers per text \(length, quality, 2\).*pass --label"):
        score_texts(in_memory, "Name a city.", "Lima")


BAD = {
    "no label": ({}, r"outputs 3 numbers per text \(length, quality, 2\), .* pass --label with the name of that"),
    "unknown name": ({"label": "good"}, r"has no label 'good': pass --label with one of length, quality, 2, or an in"),
    "unknown index": ({"label": "3"}, "has no label '3'"),
    "negative index": ({"label": "-1"}, "has no label '-1'"),
    "policy": (
        {"label": "1", "ref_free_type": "sum"},
        "--label names an output of a classifier, and a policy has none",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_label_that_does_not_exist_is_rejected(folder, case):
    options, words = BAD[case]
    with pytest.raises(InputError, match=words):
        load(folder, **options)


def test_models_check_names_the_flag(folder):
    explanation = explain_checkpoint(ModelSpec(str(folder)))
    assert explanation["scored"] is False
    assert "3 outputs: name the one that is the reward with --label" in explanation["reason"]
    assert explain_checkpoint(ModelSpec(str(folder), label="quality"))["scored"] is True


def test_a_model_with_one_label_has_the_score_it_had(model_folder):
    plain, named = load(model_folder()), load(model_folder(), label="LABEL_0")
    assert plain.fingerprint == named.fingerprint
    assert plain.run(requests_of(plain)) == named.run(requests_of(named))


@pytest.mark.parametrize("arch", ["llama", "bert"])
def test_the_number_of_labels_is_that_of_the_tensor_if_config_json_has_none(model_folder, tmp_path, arch):
    options = {"tokenizer": make_tokenizer(None, encoder=True)} if arch == "bert" else {}
    original = model_folder(arch, **options)
    folder = shutil.copytree(original, tmp_path / "model")
    fields = json.loads((folder / "config.json").read_text())
    for key in ("id2label", "label2id", "num_labels"):
        fields.pop(key, None)
    (folder / "config.json").write_text(json.dumps(fields))
    scorer = load(folder)
    requests = requests_of(scorer)
    assert scorer.run(requests) == pytest.approx(load(original).run(requests), abs=1e-6)


# encoders, which read the prompt and the response as two texts


@pytest.fixture(scope="module")
def pair_folder(model_folder):
    """An encoder without a chat template, with three labels."""
    return model_folder("bert", tokenizer=make_tokenizer(None, encoder=True), **LABELS)


def test_the_number_of_labels_is_that_of_the_tensor_if_config_json_has_another(model_folder, tmp_path):
    """Authors pass num_labels=1 to from_pretrained, which config.json need not say."""
    reward = model_folder()
    renamed = with_config(
        reward, tmp_path / "model", id2label={"0": "bad", "1": "good"}, label2id={"bad": 0, "good": 1}
    )
    scorer = load(renamed)
    requests = requests_of(scorer)
    assert scorer.run(requests) == load(reward).run(requests)
    assert explain_checkpoint(ModelSpec(str(renamed)))["scored"]


def test_an_encoder_of_sentence_pairs_takes_a_label(pair_folder, tmp_path):
    with pytest.raises(InputError, match=r"outputs 3 numbers per text \(length, quality, 2\)"):
        load(pair_folder)
    scorer = load(pair_folder, label="quality")
    requests = requests_of(scorer)
    assert scorer.run(requests) == pytest.approx(logits_of(pair_folder, requests)[:, 1].tolist(), abs=1e-5)
    assert scorer.fingerprint["head"]["output"]["index"] == 1
    exclusive = with_config(pair_folder, tmp_path / "model", problem_type="single_label_classification")
    odds = load(exclusive, label="quality").run(requests)
    probabilities = logits_of(pair_folder, requests).softmax(-1)[:, 1]
    assert torch.tensor(odds).sigmoid().tolist() == pytest.approx(probabilities.tolist(), abs=1e-6)


def test_a_label_overrides_that_of_a_spec_but_not_its_rule(folder):
    declared = load(folder, adapter="odin")
    requests = requests_of(declared)
    assert declared.run(requests) == pytest.approx(load(folder, label="quality").run(requests), abs=1e-5)
    length = load(folder, adapter="odin", label="length")
    assert length.run(requests) == pytest.approx(load(folder, label="length").run(requests), abs=1e-5)
    with pytest.raises(InputError, match="is scored by the rule of its head urm: leave it out"):
        load(folder, adapter="urm", label="length")


# cross-encoders of sentence-transformers

IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"
CROSS_ENCODERS = {
    "before 4, identity": ({"sbert_ce_default_activation_function": IDENTITY}, None, False),
    "before 4, sigmoid": ({"sbert_ce_default_activation_function": SIGMOID}, None, True),
    "4, identity": ({"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}}, None, False),
    "4, sigmoid": ({"sentence_transformers": {"activation_fn": SIGMOID, "version": "4.1.0"}}, None, True),
    "4, default": ({"sentence_transformers": {"version": "4.1.0"}}, None, True),
    "6, identity": ({}, {"model_type": "CrossEncoder", "activation_fn": IDENTITY}, False),
    "6, sigmoid": ({}, {"model_type": "CrossEncoder", "activation_fn": SIGMOID}, True),
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    tokenizer = make_tokenizer(None, encoder=True)
    return make_model(tmp_path_factory.mktemp("encoder") / "model", "bert", tokenizer=tokenizer)


@pytest.mark.parametrize("case", CROSS_ENCODERS)
def test_a_cross_encoder_applies_the_activation_that_it_was_saved_with(encoder, tmp_path, case):
    fields, settings, has_sigmoid = CROSS_ENCODERS[case]
    folder = with_config(encoder, tmp_path / "model", **fields)
    if settings:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    scorer = load(folder)
    assert scorer.spec.name == "cross_encoder"
    requests = requests_of(scorer)
    logits = logits_of(encoder, requests)[:, 0]
    expected = logits.sigmoid() if has_sigmoid else logits
    assert scorer.run(requests) == pytest.approx(expected.tolist(), abs=1e-6)


def test_activations_are_part_of_the_fingerprint_and_never_imported(encoder, tmp_path):
    folders = []
    for number, path in enumerate((IDENTITY, SIGMOID, "os.system", "torch.nn.Softplus")):
        settings = {"model_type": "CrossEncoder", "activation_fn": path}
        folders.append(shutil.copytree(encoder, tmp_path / str(number)))
        (folders[-1] / "config_sentence_transformers.json").write_text(json.dumps(settings))
    assert load(folders[0]).fingerprint != load(folders[1]).fingerprint
    for folder in folders[2:]:
        with pytest.raises(InputError, match=r"applies the activation (os.system|torch.nn.Softplus) to its logits"):
            load(folder)


def test_a_sigmoid_of_large_logits_does_not_tie_early(encoder, tmp_path):
    from rewardbench.scorers.heads.readout import sigmoid

    values = [sigmoid(logit) for logit in (-800.0, -30.0, -1.0, 0.0, 1.0, 20.0, 30.0)]
    assert values == sorted(set(values))
    assert (values[3], sigmoid(800.0)) == (0.5, 1.0)


@pytest.mark.parametrize("limit", [None, 24])
def test_a_cross_encoder_truncates_the_longer_text(encoder, limit):
    scorer = load(encoder, max_length=limit)
    question, answer = "how long is the river " * 20, "the answer is short " * 3
    request = scorer.prepare(turn("user", question), turn("assistant", answer), rendered=False)
    options = {"truncation": "longest_first", "max_length": limit} if limit else {}
    assert request.ids.tolist() == AutoTokenizer.from_pretrained(encoder)(question, answer, **options)["input_ids"]
    assert bool(request.dropped) is bool(limit)
