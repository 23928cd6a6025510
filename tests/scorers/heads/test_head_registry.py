"""Head specs of other packages and of users' files; families by Hub id, and the table of families."""

import json
from importlib.metadata import EntryPoint

import pytest
import torch
from head_models import make_headed, random_layers
from hub_server import Repo
from random_models import CORPUS, make_model, make_tokenizer, pairs
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from rewardbench.cli.main import app
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.heads import registry
from rewardbench.scorers.heads.catalogue import list_families
from rewardbench.scorers.heads.explain import explain_checkpoint
from rewardbench.scorers.heads.spec import HeadSpec, Match, Network
from rewardbench.settings import ModelSpec

WIDTH = 32
TOWNS = HeadSpec(name="towns", match=Match(tensors=("towns.weight",)), head=Network(tensors="towns"))
BROKEN = [HeadSpec(name="armorm"), 7]


def fail():
    raise ZeroDivisionError("no towns")


@pytest.fixture
def offer(monkeypatch):
    """Return a function that offers an object of this module as an entry point."""

    def offer(name):
        point = EntryPoint("mine", f"{__name__}:{name}", registry.GROUP)
        monkeypatch.setattr(registry, "entry_points", lambda group: [point])
        monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr])

    return offer


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def test_a_spec_of_another_package_recognises_its_checkpoints(tmp_path, offer):
    offer("TOWNS")
    assert load(make_headed(tmp_path / "model", random_layers("towns", WIDTH, 1))).spec.name == "towns"
    assert "towns" in {row.name for row in list_families()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fail", r"head specs mine \(.*:fail\) cannot be loaded: ZeroDivisionError: no towns\. Repair or uninstall"),
        ("WIDTH", "cannot be loaded: TypeError: int is neither a HeadSpec nor the path of one"),
        ("BROKEN", "cannot be loaded: TypeError: int is neither"),
        ("__file__", "cannot be loaded: The adapter .*test_head_registry.py defines no SPEC"),
    ],
)
def test_an_entry_point_without_a_spec_is_one_sentence(tmp_path, offer, name, message):
    offer(name)
    with pytest.raises(InputError, match=message) as error:
        registry.known_specs()
    assert "\n" not in str(error.value)


def test_a_name_is_given_once(monkeypatch, offer):
    offer("BROKEN")
    monkeypatch.setitem(globals(), "BROKEN", BROKEN[:1])
    with pytest.raises(InputError, match=r"head spec armorm of the entry point mine .* has the name of another"):
        registry.known_specs()


PYTHON = """
from rewardbench.scorers.heads.spec import HeadSpec, Network

SPEC = HeadSpec(name="two", head=Network(tensors="two", activation="tanh"))
"""


def test_an_adapter_in_python_is_run(tmp_path):
    folder = make_headed(tmp_path / "model", random_layers("two", WIDTH, 8, 1))
    adapter = tmp_path / "two.py"
    adapter.write_text(PYTHON)
    assert load(folder, adapter=str(adapter)).spec.head.activation == "tanh"
    for text, message in (
        ("SPEC = 7", "defines no SPEC"),
        ("1 / 0", r"cannot be run \(ZeroDivisionError: division by zero\)"),
        ("def (", r"cannot be run \(SyntaxError"),
        (PYTHON.replace("activation", "activity"), "is not a head spec: activity: Extra inputs"),
    ):
        adapter.write_text(text)
        with pytest.raises(InputError, match=message) as error:
            load(folder, adapter=str(adapter))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nvidia/Nemotron-4-340B-Reward", "NeMo"),
        ("internlm/POLAR-7B", "reference response"),
        ("nvidia/Qwen3-Nemotron-32B-GenRM-Principle", "generative"),
        ("ContextualAI/LMUnit-llama3.1-70b", "unit test"),
        ("Databricks-Mosaic-Research/PGRM", "leaderboard"),
        ("IDEA-CCNL/Ziya-LLaMA-7B-Reward", "unknown"),
        ("nvidia/Llama-3.3-Nemotron-70B-Reward-Principle", "--adapter nemotron_principle:PRINCIPLE"),
    ],
)
def test_a_family_that_cannot_be_scored_is_rejected_before_a_download(name, message):
    with pytest.raises(InputError, match=message) as error:
        load(name)
    assert "\n" not in str(error.value)
    explanation = explain_checkpoint(ModelSpec(name))
    assert (explanation["scored"], message in explanation["reason"]) == (False, True)


def test_formats_that_are_not_read_are_named(tmp_path):
    for file, message in (("model.nemo", "NeMo checkpoint"), ("model_config.yaml", "NeMo"), ("q4.gguf", "GGUF file")):
        folder = tmp_path / file.replace(".", "_")
        folder.mkdir()
        (folder / file).touch()
        with pytest.raises(InputError, match=message):
            load(folder)


def test_a_principle_is_part_of_question_and_fingerprint(tmp_path):
    folder = make_model(tmp_path / "policy", kind="causal")
    for adapter, message in (
        ("nemotron_principle", ":PRINCIPLE"),
        ("nemotron_principle:", "names no principle"),
        ("armorm:safety", "takes no principle"),
    ):
        with pytest.raises(InputError, match=message):
            load(folder, adapter=adapter)
    tokenizer = make_tokenizer(corpus=[*CORPUS, *["Yes", "No"] * 50])
    folder = make_model(tmp_path / "judge", kind="causal", tokenizer=tokenizer)
    scorer = load(folder, adapter="nemotron_principle:being: brief")
    assert scorer.fingerprint["head"]["input"]["principle"] == "being: brief"
    item = pairs(1, 8)[0]
    request = scorer.prepare(item.prompt, item.completions[0], rendered=False)
    question = "this principle: being: brief. Only answer Yes or No."
    assert request.text.endswith(f"{question}<|assistant|>")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        logits = model(torch.tensor([request.ids])).logits[0, -1]
    yes, no = tokenizer.convert_tokens_to_ids(["Yes", "No"])
    assert scorer.run([request]) == pytest.approx([(logits[yes] - logits[no]).item()], abs=1e-4)
    with pytest.raises(InputError, match="takes no final text"):
        scorer.prepare((), item.completions[0], rendered=True)


CONTENTS = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "value_head.safetensors")


def test_the_family_of_a_checkpoint_on_the_hub_is_told_by_headers(tmp_path, hub):
    folder = make_headed(tmp_path / "model", random_layers("v_head.summary", WIDTH, 1), file="value_head")
    hub.repos["org/rm"] = Repo()
    hub.repos["org/rm"].commit("main", {name: (folder / name).read_bytes() for name in CONTENTS})
    explanation = explain_checkpoint(ModelSpec("org/rm"))
    assert (explanation["scored"], explanation["family"]) == (True, "value_head")
    assert explanation["head_tensors"] == "v_head.summary.bias, v_head.summary.weight"
    assert not [path for path in tmp_path.rglob("*.safetensors") if path.parent != folder]


FAMILIES = """
skywork skywork_gemma allenai classifier ramo peft_adapter inf_orm urm armorm qrm qrm_gemma ldl grm internlm2 polar
worldpm qwen_math_rm nemotron nemotron_principle nemo athene starling starling_34b ultrarm eurus beaver_reward
beaver_cost oasst_pythia sentence_pair cross_encoder ziya value_head skywork_vl openrlhf openrlhf_old sarm pgrm gpm
pairrm steamshp slic_pair qwen_prm math_shepherd odin genrm lmunit yes_no
""".split()


def test_every_family_has_a_row_that_fits_110_columns(monkeypatch):
    rows = {row.name: row for row in list_families()}
    assert set(FAMILIES) <= rows.keys()
    for row in rows.values():
        assert row.title, row.name
        assert row.evidence, row.name
    monkeypatch.setenv("COLUMNS", "110")
    ran = CliRunner().invoke(app, ["models"])
    assert ran.exit_code == 0
    assert max(map(len, ran.stdout.splitlines())) <= 110
    for name in FAMILIES:
        assert f"\n {name} " in ran.stdout
    listed = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)["families"]
    assert {row["name"] for row in listed} == rows.keys()
