"""Finding a model's layers, and compiling them without a change of scores."""

import shutil
from dataclasses import replace

import pytest
import torch
from head_models import make_headed, random_layers
from random_models import pairs
from reference import prepare_all, score_unbatched

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.models.layers import compile_layers, compiler_failure, is_compiled, layers_of
from rewardbench.scorers import load_scorer
from rewardbench.scorers.classifier import load_classifier
from rewardbench.settings import ModelSpec

MANY_LAYERS = 10
"""More layers than torch compiles one function for (8); they must share a graph."""


@pytest.mark.parametrize("arch", ["llama", "gpt2", "opt", "bert", "deberta-v2", "modernbert"])
def test_layers_are_found_by_their_number(arch, model_folder):
    model = load_classifier(ModelSpec(str(model_folder(arch)), device="cpu")).model
    layers = layers_of(model)
    assert len(layers) == 2
    assert {type(layer) for layer in layers} == {type(layers[0])}
    assert not is_compiled(model)


def test_layers_that_are_not_found_are_not_compiled(model_folder):
    model = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu")).model
    model.config.num_hidden_layers = 5
    with pytest.raises(InputError, match=r"layers of reward are not found, .* leave out --compile"):
        compile_layers(model, "reward")


def test_layers_below_a_head_are_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward, dynamic: torch._dynamo.disable(forward))
    folder = str(make_headed(tmp_path / "model", random_layers("v_head.summary", 32, 1)))
    plain, compiled = (load_scorer(ModelSpec(folder, device="cpu", compile=compile)) for compile in (False, True))
    assert (is_compiled(plain.model), is_compiled(compiled.model)) == (False, True)
    assert score(pairs(4), compiled).items == score(pairs(4), plain).items


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
def test_compiled_layers_give_the_same_scores_under_another_fingerprint(model_folder):
    folder, items = str(model_folder("llama", num_hidden_layers=MANY_LAYERS)), pairs(10)
    plain = load_classifier(ModelSpec(folder, device="cpu"))
    compiled = load_classifier(ModelSpec(folder, device="cpu", compile=True))
    assert compiled.layout.packed
    assert compiled.layout.last_layer is not None
    expected = score_unbatched(plain.model, prepare_all(plain, items))
    torch._dynamo.utils.counters.clear()
    for layout in (compiled.layout, replace(compiled.layout, packed=False)):
        scores: list[float] = []
        for item_scores in score(items, compiled.with_layout(layout), batch_tokens=300).items:
            scores += item_scores.scores
        assert scores == pytest.approx(expected, abs=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 4, "recompiled for another length"
    assert is_compiled(compiled.model)
    assert dict(compiled.fingerprint) == {**plain.fingerprint, "compiled": True}


def test_without_a_compiler_layers_run_uncompiled_with_a_note(model_folder, monkeypatch):
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/nonexistent",))
    monkeypatch.setattr("rewardbench.models.layers.compiler_failure", compiler_failure.__wrapped__)
    torch.compiler.reset()  # what was compiled before
    scorer = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu", compile=True))
    assert not is_compiled(scorer.model)
    assert "compiled" not in scorer.fingerprint
    (note,) = scorer.report().notes
    assert "were not compiled, since torch.compile fails here: No working C++ compiler" in note
    plain = load_classifier(ModelSpec(str(model_folder("llama")), device="cpu"))
    assert score(pairs(3), scorer).items == score(pairs(3), plain).items
