"""Features: the dictionary, its training, ablation by hand, the page with hostile texts, and bad input."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_models import make_model

from rewardbench.analysis import features
from rewardbench.analysis.features import (
    FeaturesOptions,
    ablation,
    command,
    layers,
    planted,
    planted_model,
    study,
    train,
)
from rewardbench.analysis.features.activation_file import ActivationFile, ArrayRows
from rewardbench.analysis.features.activations import encode_file
from rewardbench.analysis.features.dictionary import SparseDictionary, read_dictionary
from rewardbench.analysis.features.page import render_page
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "<script>alert(1)</script> <img src=http://example.com/x.png> & \x1b[2J"
SMALL = FeaturesOptions(
    layer="0", latents=24, k=3, steps=20, examined=3, texts_per_feature=4, shown=2, max_tokens=40_000
)


def hand_made(width: int = 2) -> SparseDictionary:
    """Return two features, which are the first two axes."""
    axes = torch.eye(width)[:2]
    return SparseDictionary(axes, torch.zeros(2), axes * 2, torch.zeros(width), k=1, facts={"layer": "model.layers.0"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model") / "rm", "llama")


@pytest.fixture(scope="module")
def scorer(folder):
    return load_scorer(ModelSpec(str(folder)))


@pytest.fixture(scope="module")
def items():
    texts = [f"{HOSTILE} the city by the river {number} is short" for number in range(24)]
    return [
        Item(str(n), "chat", (Message(role="user", content="Hi"),), ((Message(role="assistant", content=text),),), 0)
        for n, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def small_study(items, scorer):
    examined = study.study_features(items, scorer, SMALL)
    study.measure_examples(examined, SMALL.shown)
    return examined


def test_encode_and_remove_by_hand():
    dictionary, states = hand_made(), torch.tensor([[3.0, 1.0], [-1.0, -2.0], [0.5, 2.0]])
    active, ids = dictionary.encode(states)
    assert active[:, 0].tolist() == [3.0, 0.0, 2.0]
    assert ids[[0, 2], 0].tolist() == [0, 1]
    # Feature 0 is active at the first token only, where 3 times its direction (2, 0) is subtracted.
    assert dictionary.remove(states, [0]).tolist() == [[-3.0, 1.0], [-1.0, -2.0], [0.5, 2.0]]
    assert dictionary.remove(states[None].bfloat16(), [0, 1])[0, 2].tolist() == [0.5, -2.0]
    assert dictionary.activations(states, [1, 0]).tolist() == [[0, 3], [0, 0], [2, 0]]
    assert replace(dictionary, norm_limit=2.5).activations(states, [0, 1]).tolist() == [[0, 0], [0, 0], [0, 2]]


def test_the_file_keeps_everything(tmp_path):
    path, dictionary = tmp_path / "sae.safetensors", replace(hand_made(), norm_limit=7.5)
    dictionary.write(path)
    copy = read_dictionary(path)
    assert copy.digest() == dictionary.digest()
    assert (copy.k, copy.norm_limit, copy.facts) == (1, 7.5, {"layer": "model.layers.0"})
    assert replace(copy, k=2).digest() != dictionary.digest()


def test_sparsify_reads_the_tensors(tmp_path):
    from safetensors.torch import load_file
    from sparsify import SparseCoder, SparseCoderConfig

    rows = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)
    dictionary = train.train(ArrayRows(rows), train.TrainingPlan(8, 2, 30, 0))
    dictionary.write(tmp_path / "sae.safetensors")
    coder = SparseCoder(6, SparseCoderConfig(num_latents=8, k=2))
    coder.load_state_dict(load_file(tmp_path / "sae.safetensors"))
    states = torch.from_numpy(rows)
    expected = coder.encode(states)
    active, ids = dictionary.encode(states)
    assert torch.allclose(active.sort().values, expected.top_acts.sort().values, atol=1e-5)
    assert (ids.sort().values == expected.top_indices.sort().values).float().mean() > 0.99


@pytest.mark.parametrize("damage", ["empty", "truncated", "other", "shape", "nan"])
def test_a_damaged_file_is_one_sentence(tmp_path, damage):
    path, dictionary = tmp_path / "sae.safetensors", hand_made()
    if damage == "shape":
        dictionary = replace(dictionary, bias=torch.zeros(3))
    elif damage == "nan":
        dictionary = replace(dictionary, centre=torch.full((2,), float("nan")))
    dictionary.write(path)
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": content[:-4], "other": b"{}" * 50}.get(damage, content))
    with pytest.raises(InputError, match="train it again"):
        read_dictionary(path)


def test_activations_come_back_in_place():
    texts = [np.arange(n * 3, dtype=np.float32).reshape(n, 3) + 100 * n for n in (2, 5, 1)]
    with ActivationFile([len(rows) for rows in texts], seed=1) as file:
        for number, rows in enumerate(texts):
            file.write(number, rows)
        (block,) = [rows for _, rows in file.blocks(np.random.default_rng(0))]
        assert not np.array_equal(block, np.concatenate(texts))
        assert np.array_equal(block[file.places], np.concatenate(texts))


def test_training_is_deterministic_and_recovers_planted_directions():
    with train.single_thread():
        rows = planted.plant_states(4_000, 0).states.astype(np.float32)
        plan = train.TrainingPlan(256, 4, 15, 3)
        first, second = (train.train(ArrayRows(rows), plan) for _ in range(2))
        assert first.digest() == second.digest()
        assert train.train(ArrayRows(rows), replace(plan, seed=4)).digest() != first.digest()
        figures = planted.recover_planted(0, count=6_000, steps=160)
    assert figures["mcc"] > 0.75 > 0.4 > figures["random_mcc"]


def test_constant_or_infinite_activations_are_rejected():
    with pytest.raises(InputError, match="All activations of the layer are equal"):
        train.measure_rows(ArrayRows(np.ones((9, 2), np.float32)))
    with pytest.raises(InputError, match="not finite"):
        train.measure_rows(ArrayRows(np.full((9, 2), np.inf, np.float32)))


def test_the_unexplained_share_of_the_variance_by_hand():
    rows = np.random.default_rng(2).normal(3.0, 1.0, (50, 2)).astype(np.float32)
    with ActivationFile([20, 30], seed=0) as file:
        file.write(0, rows[:20])
        file.write(1, rows[20:])
        activations = encode_file(file, hand_made())
    rebuilt = np.where(rows == rows.max(axis=1, keepdims=True), 2 * rows, 0)
    expected = ((rows - rebuilt) ** 2).sum() / ((rows - rows.mean(axis=0)) ** 2).sum()
    assert activations.fvu == pytest.approx(expected, rel=1e-4)


def test_a_trained_dictionary_is_in_the_scale_of_the_rows():
    rows = np.random.default_rng(0).normal(50.0, 1.0, (400, 4)).astype(np.float32)
    dictionary = train.train(ArrayRows(rows), train.TrainingPlan(8, 2, 10, 0))
    assert dictionary.centre.numpy() == pytest.approx(rows.mean(axis=0), abs=1)


def test_effects_are_means_over_all_texts(small_study):
    effects = (study.FeatureEffect(0, 1.0, 3.0, 0.1, 5), study.FeatureEffect(1, 0.5, -2.0, 0.1, 5))
    assert [effect.mean for effect in effects] == [3.0, -1.0]
    assert effects[1].half_width == pytest.approx(1.959964 * 0.5 * 0.1)
    assert replace(small_study, effects=effects).negative_share == 0.75


def test_matching_is_one_to_one():
    first, second = np.eye(3), np.array([[0, 2.0, 0], [5, 0, 0]])
    rows, columns, cosines = train.match_directions(first, second)
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0}
    assert cosines.tolist() == [1.0, 1.0]
    assert np.isnan(train.mean_cosine(first[:0], second))


def test_the_ablation_effect_equals_an_edited_forward_pass(small_study):
    feature = small_study.effects[0].feature
    text = small_study.example_texts(feature)[0]
    request, scorer = small_study.requests[text], small_study.scorer
    with layers.edited(small_study.module, lambda states: small_study.dictionary.remove(states, [feature])):
        without = scorer.score_unbatched(request)
    assert small_study.measured[feature, text] == pytest.approx(without - scorer.score_unbatched(request), abs=1e-5)
    assert small_study.rewards[text] == scorer.score_unbatched(request)


def test_the_study_counts(small_study):
    activations = small_study.activations
    assert len(small_study.requests) == 24
    assert activations.starts[-1] == sum(map(len, small_study.requests))
    effect = small_study.effects[0]
    texts, maxima = activations.pairs_of(effect.feature)
    assert effect.frequency == len(texts) / 24
    assert activations.by_token(int(texts[0]), effect.feature).max() == maxima[0]
    assert sum(activations.token_mass(effect.feature, study.token_ids(small_study)).values()) == pytest.approx(1)
    assert sorted(small_study.effects, key=lambda other: -abs(other.mean)) == list(small_study.effects)


def test_the_page_escapes_texts_and_asks_for_nothing(small_study):
    page = render_page(replace(small_study, layer=HOSTILE), 2, HOSTILE)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_the_page_fits_the_window(small_study, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "features.html"
    path.write_text(render_page(small_study, 2, "Feature 3 moves the reward most."), encoding="utf-8")
    requested: list[str] = []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in (1280, 390):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            tab.on("request", lambda request: requested.append(request.url))
            tab.goto(path.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert tab.locator("article").count() == 2
        browser.close()
    assert requested == [path.as_uri()] * 2


def test_analyze_writes_the_files_and_ablate_scores_without(folder, items, tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "scores.sqlite"))
    data = tmp_path / "pairs.jsonl"
    with data.open("w", encoding="utf-8") as file:
        for n in range(24):
            row = {"prompt": f"City {n}?", "chosen": f"Lima {n} by the river", "rejected": f"the answer {n} is short"}
            file.write(json.dumps(row) + "\n")
    options = replace(SMALL, model=ModelSpec(str(folder)), dataset=str(data), folder=str(tmp_path / "out"))
    report = features.analyze([], options)
    assert report.values["texts"] == 48
    assert (tmp_path / "out" / "features.html").stat().st_size < 100_000
    file = tmp_path / "out" / "sae.safetensors"
    chosen = str(report.values["top_feature"])
    removed = features.analyze([], replace(options, ablate=f"{file}:{chosen}"))
    assert removed.values["items"] == 24
    assert removed.values["mean_change"] != 0
    before, after = removed.sources
    assert before["fingerprint"] != after["fingerprint"]
    again = features.analyze([], replace(options, ablate=f"{file}:{chosen}"))  # both are cached, apart
    assert again.values == removed.values


def test_ablation_leaves_the_model_as_it_was(scorer, items):
    request = study.requests_of(items, scorer, 10_000, 0)[0][0]
    plain = scorer.run([request])
    dictionary = replace(hand_made(32), encoder=torch.eye(32)[:2], bias=torch.ones(2))
    with ablation.ablated(scorer, ablation.Ablation(dictionary, (0, 1))) as variant:
        assert variant.run([request]) == pytest.approx([variant.score_unbatched(request)], abs=1e-5)
        assert variant.run([request]) != plain
        assert dict(variant.fingerprint) != dict(scorer.fingerprint)
    assert scorer.run([request]) == plain


@pytest.mark.parametrize(
    ("inputs", "changes", "message"),
    [
        ([], {"model": None}, "pass --model"),
        ([], {}, "There are no texts to read"),
        (["a.json"], {"dataset": "core"}, "not both"),
        (["a.json"], {"ablate": "x:1"}, "and no result"),
        ([], {"ablate": "sae.safetensors"}, "write FILE:IDS"),
        ([], {"ablate": "sae.safetensors:"}, "write FILE:IDS"),
        ([], {"ablate": f"sae.safetensors:{'9' * 5000}"}, "write FILE:IDS"),
        ([], {"dataset": "core", "layer": "9" * 5000}, "pass a number from 0 to 1"),
        ([], {"ablate": "nowhere.safetensors:1"}, "There is no file nowhere.safetensors"),
        ([], {"model": ModelSpec("baseline/longest"), "dataset": "core"}, "has no layer to read"),
        ([], {"dataset": "core", "layer": "9"}, "pass a number from 0 to 1"),
        ([], {"dataset": "core", "layer": "model.layers"}, "does not return one state for each token"),
        ([], {"dataset": "core", "k": 25}, "pass a smaller --k"),
        ([], {"dataset": "core", "max_tokens": 100}, "features need 20"),
    ],
)
def test_bad_input_is_one_sentence(folder, inputs, changes, message):
    options = replace(SMALL, model=ModelSpec(str(folder)))
    with pytest.raises(InputError, match=message):
        features.analyze(inputs, replace(options, **changes))


def test_an_id_or_a_width_that_does_not_fit_is_rejected(folder, tmp_path):
    path = tmp_path / "sae.safetensors"
    hand_made(5).write(path)
    options = FeaturesOptions(model=ModelSpec(str(folder)))
    with pytest.raises(InputError, match="ids are from 0 to 1"):
        features.analyze([], replace(options, ablate=f"{path}:2"))
    with pytest.raises(InputError, match=r"states of width 5, and this layer of .* has 32"):
        features.analyze([], replace(options, ablate=f"{path}:1"))


def test_features_of_a_layer_that_the_model_lacks_are_rejected(folder, tmp_path):
    path = tmp_path / "sae.safetensors"
    replace(hand_made(32), facts={"layer": "transformer.h.7"}).write(path)
    options = FeaturesOptions(model=ModelSpec(str(folder)), ablate=f"{path}:1")
    with pytest.raises(InputError, match=r"of the layer transformer\.h\.7, which .* does not have"):
        features.analyze([], options)


@pytest.mark.parametrize(
    ("active", "error", "texts", "words"),
    [
        (0.5, 0.1, 30, "Feature 7 of {layer} has the largest effect: it lowers the reward by 0.50 on the 25"),
        (-0.5, 0.1, 30, "Feature 7 of {layer} has the largest effect: it raises the reward by 0.50 on the 25"),
        (
            -0.5,
            0.4,
            30,
            "No feature of {layer} moves the reward beyond chance: the strongest, 7, changes it by -0.12 ± 0.20",
        ),
        (0.0, 0.0, 30, "No feature of {layer} moves the reward beyond chance"),
        (
            0.5,
            float("nan"),
            1,
            "Feature 7 of {layer} changes the reward by +0.50 when it is removed from the only text",
        ),
    ],
)
def test_the_sentence_is_that_of_the_interval(small_study, active, error, texts, words):
    effect = study.FeatureEffect(7, 0.25, active, error, texts, 0.9)
    sentence = command._sentence(replace(small_study, effects=(effect,)))
    assert sentence.startswith(words.format(layer=small_study.layer))


def test_texts_of_planted_concepts():
    words = planted_model.draw_words(2_000, np.random.default_rng(0))
    concepts = {planted_model.vocabulary_of()[word] for word in planted_model.concept_of()}
    assert np.isin(words[words > 0], list(concepts)).mean() == pytest.approx(planted_model.CONCEPT_SHARE, abs=0.01)
    lengths = (words > 0).sum(axis=1)
    assert (lengths.min(), lengths.max()) == planted_model.WORDS


@pytest.mark.slow
def test_the_selftest_reaches_its_bounds():
    report = features.selftest()
    assert report.missed() == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_activations(tmp_path):
    """Write and read 600 MB of activations with less than 200 MB more memory."""
    import psutil

    process = psutil.Process()
    before = process.memory_info().rss
    with ActivationFile([500] * 600, seed=0) as file:
        rows = np.ones((500, 500), np.float32)
        for text in range(600):
            file.write(text, rows)
        highest = before
        for _, block in file.blocks(np.random.default_rng(0)):
            assert block.all()
            highest = max(highest, process.memory_info().rss)
    assert highest - before < 200e6
