"""Models on several devices and in quantised weights: the same scores, or recorded, or rejected with one sentence."""

import json
import shutil

import pytest
import torch
from adapter_models import ITEMS, lora, make_adapter, scores_of
from head_models import make_headed, random_layers
from random_models import make_model
from reference import LAYOUTS, load_stage, score_in_layouts
from transformers import AutoModelForSequenceClassification, BitsAndBytesConfig

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.models.devices import input_device
from rewardbench.models.placement import read_max_memory
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec, Settings

SIZE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4}
SPREAD = {"device_map": "auto", "max_memory": "cpu=550KB"}
"""Room for some layers: the others stay on disk."""


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), **options))


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("policy"), kind="causal", seed=1, **SIZE)


@pytest.fixture(scope="module")
def reward(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("reward"), seed=2, **SIZE)


def test_a_classifier_that_is_partly_on_disk_scores_the_same_in_every_layout(reward):
    spread, single = load(reward, **SPREAD), load(reward, device="cpu")
    assert set(spread.model.hf_device_map.values()) == {"cpu", "disk"}
    assert spread.layout.packed
    assert input_device(spread.model).type == "cpu"
    expected = scores_of(single)
    for scores in score_in_layouts(spread, ITEMS, LAYOUTS):
        assert scores == pytest.approx(expected, abs=1e-5)
    assert spread.fingerprint == single.fingerprint
    assert "The model was spread over cpu, disk." in spread.report().notes


def test_a_model_that_is_all_on_disk_is_scored(reward):
    spread = load(reward, device_map="auto", max_memory="cpu=1KB")
    assert spread.model.device.type == "meta"
    assert scores_of(spread) == pytest.approx(scores_of(load(reward, device="cpu")), abs=1e-5)


@pytest.mark.slow
def test_a_policy_and_a_head_are_spread_too(tmp_path, policy):
    free = load(policy, ref_free_type="sum", **SPREAD)
    assert scores_of(free) == pytest.approx(scores_of(load(policy, ref_free_type="sum", device="cpu")), abs=1e-4)
    other = make_model(tmp_path / "other", kind="causal", seed=3)
    dpo = load(policy, ref_model=str(other), **SPREAD)
    with dpo.stages[0] as stage:
        assert "disk" in stage.model.hf_device_map.values()
    single = load(policy, ref_model=str(other), device="cpu")
    assert scores_of(dpo) == pytest.approx(scores_of(single), abs=1e-4)
    headed = make_headed(tmp_path / "headed", random_layers("v_head.summary", 32, 1))
    assert scores_of(load(headed, **SPREAD)) == pytest.approx(scores_of(load(headed, device="cpu")), abs=1e-5)


def test_an_adapter_is_not_applied_to_weights_on_disk(tmp_path, policy):
    adapter = make_adapter(tmp_path / "adapter", policy, lora("CAUSAL_LM"))
    with pytest.raises(InputError, match="an adapter cannot be applied to offloaded weights"):
        load(adapter, **SPREAD).open()
    assert scores_of(load(adapter, device_map="auto")) == pytest.approx(
        scores_of(load(adapter, device="cpu")), abs=1e-5
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device_map": "auto", "device": "cpu"}, "--device and --device_map exclude each other"),
        ({"max_memory": "cpu=1GB"}, "pass --device_map auto too"),
        ({"device_map": "auto", "max_memory": "much"}, r"'much' is not a list of DEVICE=SIZE: write 0=20GiB"),
    ],
)
def test_options_that_contradict_each_other_are_rejected(reward, options, message):
    with pytest.raises(InputError, match=message):
        load(reward, **options)


def test_several_processes_and_several_devices_exclude_each_other(reward, monkeypatch):
    with pytest.raises(InputError, match="leave out --num_processes"):
        Settings(ModelSpec(str(reward), device_map="auto"), num_processes=2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(InputError, match="works in one process"):
        load(reward, device_map="auto")


def test_memory_limits_are_read_by_device():
    assert read_max_memory("0=20GiB,1=1.5 GB, CPU=64GiB") == {0: "20GiB", 1: "1.5GB", "cpu": "64GiB"}


def test_both_quantisations_exclude_each_other():
    with pytest.raises(InputError, match="exclude each other: pass one of them"):
        ModelSpec("model", load_in_8bit=True, load_in_4bit=True)


@pytest.mark.parametrize("package", ["bitsandbytes", "accelerate"])
def test_a_missing_package_is_named(reward, package, monkeypatch):
    monkeypatch.setattr("rewardbench.models.placement.find_spec", lambda name: name != package or None)
    with pytest.raises(InputError, match=r"pip install 'rewardbench\[quantization\]'"):
        load(reward, load_in_4bit=True)
    if package == "accelerate":
        with pytest.raises(InputError, match="needs the package accelerate"):
            load(reward, device_map="auto")


def test_a_checkpoint_that_needs_a_missing_quantiser_is_rejected_with_one_sentence(tmp_path, reward):
    folder = shutil.copytree(reward, tmp_path / "gptq")
    path = folder / "config.json"
    stored = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": stored}))
    with pytest.raises(InputError, match=r"Cannot load the weights of .*gptq") as caught:
        load(folder, device="cpu")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"is stored quantised \(gptq\): leave out --load_in_8bit"):
        load(folder, device="cpu", load_in_4bit=True)


@pytest.fixture
def bitsandbytes():
    return pytest.importorskip("bitsandbytes")


@pytest.mark.slow
@pytest.mark.parametrize(("option", "note"), [("load_in_8bit", "8 bits"), ("load_in_4bit", "4 bits")])
def test_quantised_weights_equal_those_that_transformers_quantises(bitsandbytes, reward, option, note):
    quantised = load(reward, device="cpu", **{option: True})
    kind = {"load_in_8bit": True} if option == "load_in_8bit" else {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    model = AutoModelForSequenceClassification.from_pretrained(
        reward, dtype=torch.float32, device_map={"": "cpu"}, quantization_config=BitsAndBytesConfig(**kind)
    ).eval()
    item = ITEMS[0]
    request = quantised.prepare(item.prompt, item.completions[0], rendered=False)
    with torch.inference_mode():
        expected = float(model(torch.tensor([request.ids])).logits)
    assert quantised.score_unbatched(request) == pytest.approx(expected, abs=1e-5)
    exact = load(reward, device="cpu")
    assert exact.run([request])[0] != pytest.approx(expected, abs=1e-4)
    settings = quantised.fingerprint["quantization"]
    assert settings[option] is True
    assert settings["bitsandbytes"] == bitsandbytes.__version__
    assert "quantization" not in exact.fingerprint
    assert any(f"quantised to {note}" in text for text in quantised.report().notes)
    assert score(ITEMS, quantised, noise=True).noise is not None


@pytest.mark.slow
def test_a_checkpoint_that_is_stored_quantised_is_loaded_and_recorded(bitsandbytes, tmp_path, reward):
    model = AutoModelForSequenceClassification.from_pretrained(
        reward,
        dtype=torch.float32,
        device_map={"": "cpu"},
        quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
    )
    folder = shutil.copytree(reward, tmp_path / "stored")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder)
    stored = load(folder, device="cpu")
    assert scores_of(stored) == pytest.approx(scores_of(load(reward, device="cpu", load_in_4bit=True)), abs=1e-4)
    assert f"The weights of {folder} are stored quantised (bitsandbytes)." in stored.report().notes
    assert stored.fingerprint["quantization"]["load_in_4bit"] is True


@pytest.mark.slow
def test_a_policy_its_adapter_and_a_head_are_quantised_too(bitsandbytes, tmp_path, policy):
    adapter = make_adapter(tmp_path / "adapter", policy, lora("CAUSAL_LM"))
    scorer = load(adapter, device="cpu", load_in_4bit=True)
    assert load_stage(scorer.stages[0]).model.is_loaded_in_4bit
    assert any("was applied to its base" in note for note in scorer.report().notes)
    separate = load(adapter, ref_model=str(policy), device="cpu", load_in_4bit=True)
    assert scores_of(scorer) == pytest.approx(scores_of(separate), abs=1e-3)
    headed = make_headed(tmp_path / "headed", random_layers("v_head.summary", 32, 1))
    head = load(headed, device="cpu", load_in_8bit=True)
    assert scores_of(head) != pytest.approx(scores_of(load(headed, device="cpu")), abs=1e-4)
    assert head.fingerprint["quantization"]["load_in_8bit"] is True
