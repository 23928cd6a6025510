"""Linear layers by oneDNN: the same outputs as torch's own, only where they are faster, and only without gradients."""

import copy
import gc
from itertools import chain

import pytest
import torch

from rewardbench import evaluation
from rewardbench.engine.loop import score
from rewardbench.models import linear
from rewardbench.models.linear import cpu_vendor, describe_linear, is_onednn_faster, use_onednn
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec, Settings
from rewardbench.suites import load_suite

AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\n"
CLASSIFIER = {"kind": "Seq. Classifier", "device": "cpu", "dtype": "float32"}
needs_onednn = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")),
    reason="this build of torch has no oneDNN",
)


@pytest.fixture
def onednn(monkeypatch):
    monkeypatch.setattr(linear, "is_onednn_faster", lambda: True)


@pytest.mark.parametrize(
    ("text", "vendor"), [(AMD, "AuthenticAMD"), ("vendor_id : GenuineIntel\n", "GenuineIntel"), ("CPU part: 0x1\n", "")]
)
def test_the_vendor_is_read_from_the_facts_of_the_processor(text, vendor, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert cpu_vendor(path) == vendor
    assert cpu_vendor(tmp_path / "missing") == ""


@pytest.mark.parametrize(
    ("vendor", "capability", "is_faster"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("AuthenticAMD", "AVX2", False),
        ("GenuineIntel", "AVX512", False),
        ("", "AVX512", False),
    ],
)
@needs_onednn
def test_onednn_is_chosen_where_mkl_does_not_use_avx512(vendor, capability, is_faster, monkeypatch):
    monkeypatch.setattr(linear, "cpu_vendor", lambda: vendor)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert linear.is_onednn_faster.__wrapped__() is is_faster


@needs_onednn
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 96), (7, 96), (2, 33, 96), (1, 0, 96), (96,)])
def test_outputs_equal_those_of_torch(bias, shape, onednn):
    torch.manual_seed(0)
    layer, inputs = torch.nn.Linear(96, 40, bias=bias), torch.randn(shape)
    with torch.inference_mode():
        expected = layer(inputs)
        assert use_onednn(layer) == 1
        torch.testing.assert_close(layer(inputs), expected, rtol=1e-5, atol=1e-6)


@needs_onednn
def test_gradients_flow_as_before(onednn):
    layer = torch.nn.Linear(8, 3)
    use_onednn(layer)
    layer(torch.randn(5, 8)).sum().backward()
    torch.testing.assert_close(layer.bias.grad, torch.full((3,), 5.0))


@needs_onednn
def test_other_layers_keep_their_forward(onednn):
    class Scaled(torch.nn.Linear):
        pass

    hooked = torch.nn.Linear(4, 4)
    hooked.forward = hooked.forward
    layers = [Scaled(4, 4), torch.nn.Linear(4, 4).double(), torch.nn.Linear(4, 4).bfloat16(), torch.nn.Embedding(4, 4)]
    assert use_onednn(torch.nn.Sequential(hooked, *layers)) == 0


@needs_onednn
def test_a_copy_of_a_layer_has_weights_of_its_own(onednn):
    layer = torch.nn.Linear(4, 2, bias=False)
    use_onednn(layer)
    twin = copy.deepcopy(layer)
    with torch.inference_mode():
        layer.weight.zero_()
        assert layer(torch.ones(1, 4)).abs().max() == 0
        assert twin(torch.ones(1, 4)).abs().max() > 0


def run_on_ones(layer):
    with torch.inference_mode():
        return layer(torch.ones(1, layer.in_features)).squeeze(0)


@needs_onednn
@pytest.mark.parametrize(
    "change",
    [
        lambda layer: torch.nn.init.constant_(layer.weight, 2),
        lambda layer: setattr(layer.weight, "data", torch.full((3, 8), 2.0)),
        lambda layer: setattr(layer, "weight", torch.nn.Parameter(torch.full((3, 8), 2.0))),
        lambda layer: layer.load_state_dict({"weight": torch.full((3, 8), 2.0)}),
    ],
)
def test_a_weight_that_changed_is_packed_again(change, onednn):
    layer = torch.nn.Linear(8, 3, bias=False)
    use_onednn(layer)
    assert run_on_ones(layer).max() < 8
    change(layer)
    assert run_on_ones(layer).tolist() == [16, 16, 16]


@needs_onednn
def test_layers_that_share_a_weight_share_the_packed_one_which_goes_with_it(onednn):
    first, second = torch.nn.Linear(8, 3, bias=False), torch.nn.Linear(8, 3, bias=False)
    second.weight = first.weight
    gc.collect()  # layers of other tests
    before = len(linear._packed_weights())
    for layer in (first, second):
        use_onednn(layer)
        run_on_ones(layer)
    assert len(linear._packed_weights()) == before + 1
    del first, second, layer
    gc.collect()
    assert len(linear._packed_weights()) == before


@needs_onednn
def test_the_weights_of_a_large_model_are_not_copied(onednn, monkeypatch):
    layers = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    expected = layers[0](torch.ones(1, 8))
    before = len(linear._packed_weights())
    monkeypatch.setattr(linear, "PACKED_BYTES", 2 * 8 * 8 * 4 - 1)
    use_onednn(layers)
    torch.testing.assert_close(run_on_ones(layers[0]), expected[0].detach())
    assert len(linear._packed_weights()) == before


def scores_by_kernel(spec, monkeypatch):
    items = load_suite("core").items[::60]
    scores = {}
    for name, is_faster in (("torch", False), ("onednn", True)):
        monkeypatch.setattr(linear, "is_onednn_faster", lambda is_faster=is_faster: is_faster)
        scores[name] = list(chain.from_iterable(item.scores for item in score(items, load_scorer(spec)).items))
    assert len(scores["torch"]) > 50
    return scores


@needs_onednn
def test_scores_of_a_classifier_are_those_of_torch(monkeypatch):
    scores = scores_by_kernel(ModelSpec("tiny-rm"), monkeypatch)
    assert scores["onednn"] == pytest.approx(scores["torch"], abs=1e-5)


def test_a_policy_keeps_the_kernel_of_torch(monkeypatch):
    scores = scores_by_kernel(ModelSpec("tiny-dpo", ref_free_type="sum"), monkeypatch)
    assert scores["onednn"] == scores["torch"]


@pytest.mark.parametrize(
    ("fingerprint", "described"),
    [
        (CLASSIFIER, {"cpu_linear_kernel": "onednn"}),
        ({**CLASSIFIER, "compiled": True}, {"cpu_linear_kernel": "torch"}),
        ({**CLASSIFIER, "dtype": "bfloat16"}, {}),
        ({**CLASSIFIER, "device": "cuda"}, {}),
        ({**CLASSIFIER, "kind": "DPO"}, {}),
        ({}, {}),
    ],
)
def test_the_kernel_is_described_where_it_matters(fingerprint, described, onednn):
    assert describe_linear(fingerprint) == described


def test_the_manifest_records_the_kernel_outside_of_the_fingerprint():
    result, _ = evaluation.run(Settings(model=ModelSpec("tiny-rm"), dataset="core", limit=1, cache=False))
    manifest = result.manifest
    assert manifest["environment"]["cpu_linear_kernel"] == ("onednn" if is_onednn_faster() else "torch")
    assert "cpu_linear_kernel" not in manifest["fingerprint"]
