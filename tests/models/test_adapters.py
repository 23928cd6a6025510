"""PEFT adapters: equal to the model that peft merges, or rejected with one sentence."""

import shutil

import pytest
import torch
from adapter_models import ITEMS, edit_config, edit_tensors, lora, make_adapter, merged, peft_model, scores_of
from head_models import random_layers
from peft import IA3Config, LoHaConfig, PromptTuningConfig, TaskType
from random_models import make_model
from reference import LAYOUTS, load_stage, prepare_all, score_in_layouts
from safetensors.torch import load_file, save_file

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.classifier import Classifier
from rewardbench.scorers.dpo import BaseLogProbs, Dpo
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.scorers.heads.scorer import HeadScorer
from rewardbench.settings import ModelSpec


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("base"), kind="causal", seed=1)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, base):
    return make_adapter(tmp_path_factory.mktemp("classifier"), base)


@pytest.fixture(scope="module")
def policy(tmp_path_factory, base):
    return make_adapter(tmp_path_factory.mktemp("policy"), base, lora("CAUSAL_LM"))


def copied(folder, to):
    return shutil.copytree(folder, to / "adapter")


def test_a_classifier_adapter_equals_the_merged_model_in_every_layout(tmp_path, base, classifier):
    scorer = load(classifier)
    assert isinstance(scorer, Classifier)
    assert scorer.traits.packed
    expected = scores_of(load(merged(tmp_path / "merged", base)))
    assert max(expected) - min(expected) > 0.1
    assert scores_of(scorer) == pytest.approx(expected, abs=1e-5)
    for scores in score_in_layouts(scorer, ITEMS, LAYOUTS):
        assert scores == pytest.approx(expected, abs=1e-5)
    assert any(f"({'LORA'}) was merged into its base" in note for note in scorer.report().notes)
    assert scorer.fingerprint["adapter"].keys() == {"weights", "config", "peft"}


def test_an_adapter_stays_separate_in_sixteen_bits_and_is_packed(classifier):
    scorer = load(classifier, dtype="bfloat16")
    assert scorer.traits.packed
    assert any("was applied to its base" in note for note in scorer.report().notes)
    (exact,) = scores_of(load(classifier), ITEMS[:1])[:1]
    assert scores_of(scorer, ITEMS[:1])[0] == pytest.approx(exact, abs=0.2)


@pytest.mark.parametrize(
    ("arch", "options"),
    [
        pytest.param("mistral", {"use_dora": True}, marks=pytest.mark.slow),
        ("gpt2", {"target_modules": ["c_attn"], "fan_in_fan_out": True}),
        ("bert", {"target_modules": ["query", "value"]}),
        ("qwen2", {"use_rslora": True, "bias": "all"}),
    ],
)
def test_kinds_of_lora_on_several_architectures_equal_the_merged_model(tmp_path, arch, options):
    base = make_model(tmp_path / "base", arch, kind="reward" if arch == "bert" else "causal", seed=3)
    config = lora(**options)
    scorer = load(make_adapter(tmp_path / "adapter", base, config), chat_template="tokenizer")
    expected = load(merged(tmp_path / "merged", base, lora(**options)), chat_template="tokenizer")
    assert scores_of(scorer) == pytest.approx(scores_of(expected), abs=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        lambda: LoHaConfig(task_type=TaskType.SEQ_CLS, r=4, target_modules=["q_proj"], init_weights=False),
        pytest.param(
            lambda: IA3Config(TaskType.SEQ_CLS, target_modules=["k_proj"], feedforward_modules=[]),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["LoHa", "IA3"],
)
def test_other_kinds_of_adapters_load_through_peft(tmp_path, base, config):
    scorer = load(make_adapter(tmp_path / "adapter", base, config()))
    expected = load(merged(tmp_path / "merged", base, config()))
    assert scores_of(scorer) == pytest.approx(scores_of(expected), abs=1e-5)


def test_names_as_other_trainers_save_them_are_understood(tmp_path, classifier):
    adapter = copied(classifier, tmp_path)

    def rename(tensors):
        renamed = {}
        for name, tensor in tensors.items():
            stem, _, kind = name.rpartition(".")
            middle = "modules_to_save.default" if stem.endswith("score") else "default"
            renamed[f"{stem}.{middle}.{kind}"] = tensor
        renamed["base_model.model.score.original_module.weight"] = torch.zeros(2, 32)
        return renamed

    edit_tensors(adapter, rename)
    assert scores_of(load(adapter)) == pytest.approx(scores_of(load(classifier)), abs=1e-6)


def test_a_base_is_found_beside_the_adapter_or_by_its_path(tmp_path, base, classifier):
    expected = scores_of(load(classifier))
    adapter = copied(classifier, tmp_path)
    shutil.copytree(base, adapter / "base")
    edit_config(adapter, base_model_name_or_path="base")
    assert scores_of(load(adapter)) == pytest.approx(expected, abs=1e-6)
    edit_config(adapter, base_model_name_or_path="./base/")
    assert scores_of(load(adapter)) == pytest.approx(expected, abs=1e-6)


def test_the_base_of_an_adapter_has_a_tokenizer_too(tmp_path, classifier):
    adapter = copied(classifier, tmp_path)
    for path in adapter.glob("*token*"):
        path.unlink()
    assert scores_of(load(adapter)) == pytest.approx(scores_of(load(classifier)), abs=1e-6)


@pytest.mark.parametrize(
    ("head", "family", "beside"),
    [
        (random_layers("v_head.summary", 32, 1), "value_head", True),
        (random_layers("v_head.summary", 32, 8, 1), "grm", False),
        pytest.param(random_layers("v_head.summary", 32, 1), "value_head", False, marks=pytest.mark.slow),
        pytest.param(random_layers("my_reward_head", 32, 1), "inferred", False, marks=pytest.mark.slow),
    ],
)
def test_a_value_head_in_the_adapter_or_beside_it_equals_plain_torch(tmp_path, base, policy, head, family, beside):
    adapter = copied(policy, tmp_path)
    if beside:
        save_file(head, adapter / "value_head.safetensors")
    else:
        edit_tensors(adapter, lambda tensors: tensors | {f"base_model.model.{name}": head[name] for name in head})
    scorer = load(adapter)
    assert isinstance(scorer, HeadScorer)
    assert scorer.spec.name == family
    assert explain_checkpoint(ModelSpec(str(adapter)))["family"] == family
    model = peft_model(base, lora("CAUSAL_LM")).merge_and_unload().model
    requests = [scorer.prepare(item.prompt, item.completions[0], rendered=False) for item in ITEMS[:3]]
    with torch.inference_mode():
        states = torch.stack([model(torch.tensor([request.ids])).last_hidden_state[0, -1] for request in requests])
    names = sorted(name for name in head if name.endswith("weight"))
    for name in names:
        states = states @ head[name].T + head[name.replace("weight", "bias")]
        states = states.relu() if name != names[-1] else states
    assert scorer.run(requests) == pytest.approx(states[:, 0].tolist(), abs=1e-4)
    assert "adapter" in scorer.fingerprint


def test_a_policy_adapter_is_scored_against_its_base_switched_off(tmp_path, base, policy):
    full = merged(tmp_path / "full", base, lora("CAUSAL_LM"))
    alone, both = load(policy), load(full, ref_model=str(base))
    assert isinstance(alone, Dpo)
    expected = scores_of(both)
    assert max(map(abs, expected)) > 0.1
    assert scores_of(alone) == pytest.approx(expected, abs=1e-5)
    policy_stage, reference_stage = map(load_stage, alone.stages)
    assert isinstance(reference_stage, BaseLogProbs)
    assert policy_stage.model is reference_stage.model
    assert policy_stage.layout.packed
    requests = prepare_all(alone, ITEMS[:2])
    single = [reference_stage.score_unbatched(request) for request in requests]
    assert single == pytest.approx(reference_stage.run(requests), abs=1e-5)


def test_the_reference_of_an_adapter_is_recorded_like_a_separate_one(base, policy):
    alone, separate = load(policy), load(policy, ref_model=str(base))
    assert scores_of(alone) == pytest.approx(scores_of(separate), abs=1e-5)
    assert alone.fingerprint == separate.fingerprint
    assert alone.report().metadata["ref_model"] == str(base)
    assert f"its base {base} with the adapter switched off." in " ".join(alone.report().notes)
    assert load_stage(alone.stages[1]).fingerprint == load_stage(separate.stages[1]).fingerprint


def test_the_base_model_of_an_adapter_is_the_repository_that_it_changes(tmp_path, base, classifier):
    assert "base_model" not in load(classifier).report().metadata  # the base is a local folder
    snapshot = tmp_path / "models--org--base" / "snapshots" / ("a" * 40)
    shutil.copytree(base, snapshot)
    (snapshot / "README.md").write_text("---\nbase_model: org/older\n---\n")
    adapter = copied(classifier, tmp_path)
    edit_config(adapter, base_model_name_or_path=str(snapshot))
    assert load(adapter).report().metadata["base_model"] == "org/base"


def test_another_reference_wins_and_no_reference_is_possible(tmp_path, base, policy):
    other = make_model(tmp_path / "other", kind="causal", seed=8)
    assert scores_of(load(policy, ref_model=str(other))) != pytest.approx(scores_of(load(policy)), abs=0.1)
    full = merged(tmp_path / "full", base, lora("CAUSAL_LM"))
    free, expected = load(policy, ref_free_type="avg"), load(full, ref_free_type="avg")
    assert scores_of(free) == pytest.approx(scores_of(expected), abs=1e-5)
    assert len(free.stages) == 1


@pytest.mark.parametrize(
    "options", [{"bias": "lora_only"}, pytest.param({"init_lora_weights": "pissa"}, marks=pytest.mark.slow)]
)
def test_a_policy_that_changes_its_base_for_good_gets_a_second_model(tmp_path, base, options):
    scorer = load(make_adapter(tmp_path / "adapter", base, lora("CAUSAL_LM", **options)))
    stages = list(map(load_stage, scorer.stages))
    assert stages[0].model is not stages[1].model
    requests = prepare_all(scorer, ITEMS[:2])
    base_scorer = load(base, ref_free_type="sum")
    assert stages[1].run(requests) == pytest.approx(scores_of(base_scorer, ITEMS[:2]), abs=1e-4)


def test_an_adapter_with_more_tokens_than_its_base_gets_a_second_model(tmp_path, base):
    config = lora("CAUSAL_LM", modules_to_save=["embed_tokens", "lm_head"])
    scorer = load(make_adapter(tmp_path / "adapter", base, config, resize=520))
    policy_stage, reference_stage = map(load_stage, scorer.stages)
    assert [len(stage.model.get_input_embeddings().weight) for stage in (policy_stage, reference_stage)] == [520, 512]
    requests = prepare_all(scorer, ITEMS[:2])
    assert reference_stage.run(requests) == pytest.approx(
        scores_of(load(base, ref_free_type="sum"), ITEMS[:2]), abs=1e-4
    )


def test_trained_embeddings_of_the_same_size_are_switched_off(tmp_path, base):
    config = lora("CAUSAL_LM", modules_to_save=["embed_tokens"])
    adapter = make_adapter(tmp_path / "adapter", base, config)
    alone, separate = load(adapter), load(adapter, ref_model=str(base))
    policy_stage, reference_stage = map(load_stage, alone.stages)
    assert policy_stage.model is reference_stage.model
    assert scores_of(alone) == pytest.approx(scores_of(separate), abs=1e-5)


def explain(folder):
    return explain_checkpoint(ModelSpec(str(folder)))


def test_a_check_says_how_an_adapter_is_scored(tmp_path, classifier, policy):
    assert explain(classifier)["reason"] == "an adapter of a classifier of transformers with one label"
    assert explain(policy)["reason"].startswith("an adapter of a DPO policy, whose reference is its base")
    adapter = copied(classifier, tmp_path)
    edit_tensors(adapter, without("score"))
    assert explain(adapter) == {
        "scored": False,
        "family": None,
        "reason": "an adapter of a classifier, whose head is neither in its files nor in its base",
    }
    edit_config(adapter, base_model_name_or_path="org/nowhere")
    assert "whose base model org/nowhere is missing" in explain(adapter)["reason"]


def without(*parts):
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if not any(p in name for p in parts)}


def widened(part):
    return lambda tensors: {
        name: torch.zeros(9, *tensor.shape[1:]) if part in name else tensor for name, tensor in tensors.items()
    }


REJECTED = {
    "no head": (
        lambda folder: edit_tensors(folder, without("score")),
        r"The head of the adapter .*score\.weight.*random",
    ),
    "two labels": (
        lambda folder: edit_tensors(
            folder, lambda tensors: tensors | {"base_model.model.score.weight": torch.ones(2, 32)}
        ),
        "outputs 2 numbers per text",
    ),
    "missing layer": (
        lambda folder: edit_tensors(folder, without("layers.1.mlp.down_proj.lora_A")),
        "it lacks .*lora_A",
    ),
    "layer that the base lacks": (
        lambda folder: edit_tensors(
            folder,
            lambda tensors: tensors | {"base_model.model.model.layers.7.mlp.up_proj.lora_A.weight": torch.ones(4, 32)},
        ),
        r"it has model\.layers\.7.*which its base does not",
    ),
    "wide layer": (
        lambda folder: edit_tensors(folder, widened("q_proj.lora_B")),
        r"lora_B.weight is \[9, 4\], not \[32, 4\]",
    ),
    "no base": (
        lambda folder: edit_config(folder, base_model_name_or_path="org/nowhere"),
        r"is an adapter whose base model org/nowhere is missing \(.*correct base_model_name_or_path",
    ),
    "absolute base": (
        lambda folder: edit_config(folder, base_model_name_or_path="/models/nowhere"),
        r"whose base model /models/nowhere is missing",
    ),
    "unnamed base": (lambda folder: edit_config(folder, base_model_name_or_path=None), "names no base model"),
    "unknown kind": (lambda folder: edit_config(folder, peft_type="NO_SUCH"), "Cannot load adapter_config.json"),
    "no kind": (lambda folder: edit_config(folder, peft_type=None), "names no peft_type"),
    "broken config": (lambda folder: (folder / "adapter_config.json").write_text("{"), "cannot be read"),
    "no weights": (lambda folder: (folder / "adapter_model.safetensors").unlink(), "is an adapter without weights"),
    "half a file": (
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"\x10"),
        "is not a whole safetensors file",
    ),
    "lost custom head": (lambda folder: edit_config(folder, modules_to_save=["v_head", "score"]), "with a head v_head"),
}


@pytest.mark.parametrize("fault", REJECTED)
def test_a_faulty_adapter_is_rejected_with_one_sentence(tmp_path, classifier, fault):
    break_adapter, message = REJECTED[fault]
    adapter = copied(classifier, tmp_path)
    break_adapter(adapter)
    with pytest.raises(InputError, match=message) as caught:
        load(adapter)
    assert "\n" not in str(caught.value)


def test_a_classifier_adapter_is_no_policy(classifier):
    with pytest.raises(InputError, match="is a classifier, not a policy"):
        load(classifier, ref_free_type="sum")


def test_a_pickled_adapter_is_read_only_if_it_is_allowed(tmp_path, classifier):
    adapter = copied(classifier, tmp_path)
    torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"in a pickle \(adapter_model.bin\), which can run code: pass --allow_pickle"):
        load(adapter)
    pickled = load(adapter, allow_pickle=True)
    assert pickled.fingerprint["adapter"]["weights"]["format"] == "pickle"
    assert score(ITEMS[:2], pickled).items == score(ITEMS[:2], load(classifier)).items


def test_another_adapter_on_the_same_base_has_another_fingerprint(tmp_path, classifier):
    adapter = copied(classifier, tmp_path)
    before = load(classifier).fingerprint["adapter"]["weights"]
    assert load(adapter).fingerprint["adapter"]["weights"] == before
    edit_tensors(adapter, lambda tensors: {name: 2 * tensor for name, tensor in tensors.items()})
    assert load(adapter).fingerprint["adapter"]["weights"] != before


def test_a_head_of_trl_in_a_pickle_beside_the_adapter_is_no_policy(tmp_path, policy):
    adapter, head = copied(policy, tmp_path), random_layers("v_head.summary", 32, 1)
    save_file(head, adapter / "value_head.safetensors")
    expected = scores_of(load(adapter))
    (adapter / "value_head.safetensors").unlink()
    torch.save(head, adapter / "pytorch_model.bin")  # as TRL saves it beside an adapter
    with pytest.raises(InputError, match="pass --allow_pickle"):
        load(adapter)
    scorer = load(adapter, allow_pickle=True)
    assert scores_of(scorer) == expected
    torch.save({name: 2 * tensor for name, tensor in head.items()}, adapter / "pytorch_model.bin")
    assert load(adapter, allow_pickle=True).fingerprint != scorer.fingerprint


def test_trusted_code_does_not_hide_a_head(tmp_path, policy):
    adapter = copied(policy, tmp_path)
    save_file(random_layers("v_head.summary", 32, 1), adapter / "value_head.safetensors")
    assert load(adapter, trust_remote_code=True).fingerprint == load(adapter).fingerprint


def test_a_policy_has_no_label(policy):
    with pytest.raises(InputError, match="is a policy: leave it out"):
        load(policy, label="good")


def test_quantised_weights_under_a_head_have_another_fingerprint(tmp_path, policy):
    pytest.importorskip("bitsandbytes")
    adapter = copied(policy, tmp_path)
    save_file(random_layers("v_head.summary", 32, 1), adapter / "value_head.safetensors")
    assert load(adapter, load_in_8bit=True).fingerprint["quantization"]["load_in_8bit"]
    assert "quantization" not in load(adapter).fingerprint


def test_virtual_tokens_are_rejected(tmp_path, base, policy):
    adapter = copied(policy, tmp_path)
    PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4).save_pretrained(adapter)
    edit_config(adapter, base_model_name_or_path=str(base))
    with pytest.raises(InputError, match="kind PROMPT_TUNING that adds virtual tokens"):
        load(adapter)


def test_a_missing_peft_is_named(classifier, monkeypatch):
    monkeypatch.setattr("rewardbench.models.adapters.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs peft: pip install 'rewardbench\[peft\]'"):
        load(classifier)
