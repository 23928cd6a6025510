"""The score cache of heads: cached scores are exact, and whatever can change a score changes the fingerprint."""

import shutil
from dataclasses import replace

import pytest
from head_families import FAMILIES
from random_models import mixed_items
from reference import interrupted
from safetensors.torch import load_file, save_file

from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.models.fingerprint import digest
from rewardbench.scorers import load_scorer


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "scores.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("family", FAMILIES)
def test_an_interrupted_run_resumes_to_the_same_bytes(family, family_scorer, cache):
    scorer = family_scorer(family).with_layout(family_scorer(family).layout)  # a copy, whose run is replaced
    items = mixed_items()
    complete = score(items, scorer, batch_tokens=80)
    with interrupted(scorer, 2):
        score(items, scorer, cache=cache, batch_tokens=80)
    cached = sum(entry.scores for entry in cache.entries())
    assert 0 < cached < complete.requests
    resumed = score(items, scorer, cache=cache, batch_tokens=7)  # the plan of the first call is used
    assert resumed.computed == complete.computed - cached
    assert resumed.items == complete.items
    warm = score(items, scorer, cache=cache)
    assert (warm.computed, warm.batches) == (0, 0)
    assert warm.items == complete.items


def identity(spec):
    return digest(dict(load_scorer(spec).fingerprint))


def change_tensor(folder, file, name):
    weights = load_file(folder / file)
    weights[name] = weights[name] + 1
    save_file(weights, folder / file, {"format": "pt"})


@pytest.mark.parametrize(
    ("family", "file", "tensor"),
    [
        ("armorm", "model", "regression_layer.weight"),
        ("armorm", "model", "gating.logit_scale"),
        ("value_head", "value_head", "v_head.summary.bias"),
        ("ldl", "regression_layer", "network.2.weight"),
        ("ldl", "gating_layer", "network.0.bias"),
    ],
)
def test_another_head_has_another_fingerprint_and_other_scores(family, file, tensor, family_spec, tmp_path, cache):
    spec = family_spec(family)
    first = score(mixed_items()[:2], load_scorer(spec), cache=cache)
    folder = shutil.copytree(spec.model, tmp_path / "other")
    same = replace(spec, model=str(folder))
    assert score(mixed_items()[:2], load_scorer(same), cache=cache).computed == 0
    change_tensor(folder, f"{file}.safetensors", tensor)
    second = score(mixed_items()[:2], load_scorer(same), cache=cache)
    assert second.computed == second.requests
    assert second.items[0].scores != first.items[0].scores


def test_options_that_can_change_a_score_change_the_fingerprint(family_spec):
    changes = [{"chat_template": "raw"}, {"max_length": 100}, {"truncation_side": "right"}, {"dtype": "float64"}]
    digests = [identity(family_spec("grm", **change)) for change in ({}, *changes)]
    assert len(set(digests)) == len(digests)


ADAPTER = "head: {tensors: v_head.summary}\n"


def test_an_adapter_is_identified_by_what_it_says_not_by_its_name(family_spec, tmp_path):
    files = {"first": "", "renamed": "title: Another\n", "negated": "higher_is_better: false\n"}
    files |= {"first_token": "position: {at: first}\n", "no_bos": "input: {specials: false}\n"}
    digests = {}
    for name, text in files.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(ADAPTER + text)
        digests[name] = identity(family_spec("grm", adapter=str(path)))
    assert digests["renamed"] == digests.pop("first")
    assert len(set(digests.values())) == len(digests)
