"""Hub repositories whose main has pickles only: the conversion of a pull request, if it can be trusted, and tokens."""

import json
import logging

import hub_server
import pytest
import torch
from random_models import turn
from safetensors.torch import load_file, save_file

from rewardbench import evaluate
from rewardbench.errors import InputError
from rewardbench.hub import cache_only
from rewardbench.models.weights import locate_model
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec

NAME = "org/rm"
ROWS = [{"prompt": "Name a city.", "chosen": "Lima by the river.", "rejected": "Oslo"}]


def load(**options):
    return load_scorer(ModelSpec(NAME, device="cpu", **options))


def score(scorer):
    return scorer.run([scorer.prepare(turn("user", "Name a city."), turn("assistant", "Lima"), rendered=False)])


def look_ups(server):
    return [path for _, path in server.requests if path.startswith("/api/models/") and "/tree/" not in path]


@pytest.fixture(scope="module")
def files(tmp_path_factory, model_folder):
    """The files of a classifier by name, with its weights as `model.safetensors` and as `pytorch_model.bin`."""
    folder = model_folder()
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    pickle = tmp_path_factory.mktemp("pickle") / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), pickle)
    return contents | {"pytorch_model.bin": pickle.read_bytes(), "training_args.bin": b"state of a trainer"}


@pytest.fixture
def main(files):
    return {name: content for name, content in files.items() if name != "model.safetensors"}


@pytest.fixture
def repository(hub, main):
    """A repository with a pickle on main; nothing was requested yet."""
    hub.repos[NAME] = hub_server.Repo()
    hub.repos[NAME].commit("main", main)
    return hub.repos[NAME]


def test_the_conversion_of_the_bot_is_used_named_and_recorded(hub, repository, files, main, model_folder):
    expected = score(load_scorer(ModelSpec(str(model_folder()), device="cpu")))
    repository.open_pull(1, main, author="passer-by", title="Improve the card")
    commit = repository.open_pull(2, files)
    result = evaluate(NAME, ROWS, device="cpu")
    (note,) = [note for note in result.manifest["notes"] if "safetensors" in note]
    assert f"open pull request refs/pr/2 by SFconvertbot (commit {commit})" in note
    assert result.manifest["fingerprint"]["weights"] == {"commit": commit}
    assert result.manifest["model"]["revision"] == "refs/pr/2"
    assert score(load()) == expected
    named = load(revision="refs/pr/2")
    assert named.fingerprint == load().fingerprint
    assert not named.report().notes

    hub.requests.clear()
    load()
    assert look_ups(hub) == [f"/api/models/{NAME}"], "the recorded choice needs no further look-up"
    hub.requests.clear()
    with cache_only():
        assert load().fingerprint["weights"] == {"commit": commit}
    assert hub.requests == []
    hub.fault = 503
    assert load().fingerprint["weights"] == {"commit": commit}


def test_a_repository_with_safetensors_is_looked_up_once(hub, repository, files, main):
    repository.commit("main", files)
    repository.open_pull(1, files | {"config.json": b"{}"})
    load(allow_pickle=True)
    assert look_ups(hub) == [f"/api/models/{NAME}"]


def test_a_new_commit_of_main_needs_a_new_conversion(repository, files, main):
    repository.open_pull(1, files)
    load()
    repository.commit("main", main | {"config.json": main["config.json"] + b"\n"})
    with pytest.raises(
        InputError, match=r"refs/pr/1 by SFconvertbot was not used: its config.json is not that of main"
    ):
        load()


def test_the_owner_may_open_the_pull_request(repository, files):
    repository.open_pull(3, files | {"README.md": b"new"}, author="org", title="Add safetensors weights")
    assert "refs/pr/3 by org" in load().report().notes[0]


UNTRUSTED = {
    "another author": ({}, {"author": "mallory"}, "refs/pr/4 adds them, but its author mallory is neither SFconv"),
    "another tokenizer": ({"tokenizer.json": b"{}"}, {}, "its tokenizer.json is not that of main"),
    "another pickle": ({"pytorch_model.bin": b"x"}, {}, "its pytorch_model.bin is not that of main"),
    "code": ({"modeling.py": b"import os"}, {}, "its modeling.py is not that of main"),
    "no weights": ({"model.safetensors": None}, {}, "it has no safetensors files"),
}


@pytest.mark.parametrize("case", UNTRUSTED)
def test_a_pull_request_that_cannot_be_trusted_is_named_but_not_used(repository, files, case):
    changes, options, words = UNTRUSTED[case]
    contents = {name: content for name, content in (files | changes).items() if content is not None}
    repository.open_pull(4, contents, **options)
    with pytest.raises(InputError, match=rf"pickles \(pytorch_model.bin\).*{words}.*pass --revision if you trust"):
        load()


def test_a_closed_pull_request_is_not_used(repository, files):
    repository.open_pull(1, files)
    repository.closed.add(1)
    with pytest.raises(InputError, match=r"save the model again with save_pretrained\(\), or pass --allow_pickle"):
        load()


def test_tensors_that_the_index_does_not_list_are_noticed(repository, files, tmp_path, model_folder):
    names = list(load_file(model_folder() / "model.safetensors"))
    index = {"weight_map": dict.fromkeys(names[1:], "pytorch_model-00001-of-00001.bin")}
    sharded = {name: content for name, content in files.items() if not name.startswith(("model.", "pytorch_model"))}
    sharded["pytorch_model-00001-of-00001.bin"] = files["pytorch_model.bin"]
    sharded["pytorch_model.bin.index.json"] = json.dumps(index).encode()
    repository.commit("main", sharded)
    repository.open_pull(1, sharded | {"model.safetensors": files["model.safetensors"]})
    with pytest.raises(InputError, match=rf"its tensor {names[0]} is not in the pickles of main"):
        load()
    index["weight_map"][names[0]] = "pytorch_model-00001-of-00001.bin"
    sharded["pytorch_model.bin.index.json"] = json.dumps(index).encode()
    repository.commit("main", sharded)
    repository.open_pull(2, sharded | {"model.safetensors": files["model.safetensors"]})
    assert "refs/pr/2" in load().report().notes[0]
    repository.closed.add(2)
    repository.commit("main", sharded | {"README.md": b"new"})
    assert load(allow_pickle=True).fingerprint["weights"]["format"] == "pickle"


def test_allow_pickle_reads_the_pickles_of_main_if_there_is_no_conversion(hub, repository, model_folder):
    expected = score(load_scorer(ModelSpec(str(model_folder()), device="cpu")))
    scorer = load(allow_pickle=True)
    assert score(scorer) == expected
    assert scorer.fingerprint["weights"] == {"commit": repository.refs["main"], "format": "pickle"}
    assert not any("training_args" in path for _, path in hub.requests)
    hub.requests.clear()
    with cache_only():
        assert load(allow_pickle=True).fingerprint == scorer.fingerprint
    assert hub.requests == []
    hub.fault = 503
    assert load(allow_pickle=True).fingerprint == scorer.fingerprint


def test_a_conversion_comes_before_pickles_that_are_allowed(repository, files):
    commit = repository.open_pull(1, files)
    assert load(allow_pickle=True).fingerprint["weights"] == {"commit": commit}


def test_a_revision_that_the_user_names_is_taken_as_it_is(repository, files):
    repository.open_pull(1, files)
    with pytest.raises(InputError, match="has no weights in safetensors files, and pickles"):
        load(revision="main")
    pinned = load(revision="main", allow_pickle=True)
    assert pinned.fingerprint["weights"] == {"commit": repository.refs["main"], "format": "pickle"}


def test_files_of_a_head_are_downloaded_with_the_flag(hub, files, tmp_path):
    head = {"v_head.summary.weight": torch.randn(1, 32), "v_head.summary.bias": torch.zeros(1)}
    weights = load_file_of(files["model.safetensors"], tmp_path)
    weights.pop("score.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    torch.save(head, tmp_path / "value_head.bin")
    config = json.loads(files["config.json"]) | {"architectures": ["LlamaForCausalLM"]}
    contents = {name: content for name, content in files.items() if not name.endswith(".bin")}
    contents |= {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} | {
        "config.json": json.dumps(config).encode()
    }
    hub.repos[NAME] = hub_server.Repo()
    hub.repos[NAME].commit("main", contents)
    with pytest.raises(InputError, match=r"has its head in a pickle \(value_head.bin\)"):
        load()
    scorer = load(allow_pickle=True)
    assert scorer.spec.name == "value_head"
    assert scorer.fingerprint["weights"] == {"commit": hub.repos[NAME].refs["main"], "format": "pickle"}


def load_file_of(content, folder):
    path = folder / "x.safetensors"
    path.write_bytes(content)
    tensors = load_file(path)
    path.unlink()
    return tensors


# tokens


@pytest.mark.parametrize(
    ("status", "code", "part", "words"),
    [
        (401, "RepoNotFound", NAME, "The Hub has no model org/rm for this user.* set HF_TOKEN if it is private"),
        (401, "", NAME, "org/rm.*HF_TOKEN"),
        (403, "GatedRepo", NAME, "org/rm is gated: accept its terms on the Hub, and set HF_TOKEN"),
        (403, "GatedRepo", "/resolve/", "org/rm is gated: accept its terms on the Hub, and set HF_TOKEN"),
        (403, "", NAME, r"does not let this user read the model org/rm \(403\): set HF_TOKEN"),
        (403, "", "/resolve/", r"does not let this user read the model org/rm \(403\): set HF_TOKEN"),
    ],
)
def test_a_private_or_gated_model_needs_a_token_which_is_never_printed(
    hub, files, monkeypatch, caplog, capfd, status, code, part, words
):
    caplog.set_level(logging.DEBUG)
    hub.repos[NAME] = hub_server.Repo()
    hub.repos[NAME].commit("main", files)
    hub.locked[part] = ("hf_secret_of_ann", status, code)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_token")
    with pytest.raises(InputError, match=words) as error:
        locate_model(ModelSpec(NAME))
    assert "\n" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_ann")
    assert (locate_model(ModelSpec(NAME)) / "model.safetensors").is_file()
    output = "".join((*capfd.readouterr(), caplog.text, str(error.value)))
    assert "hf_wrong_token" not in output
    assert "hf_secret_of_ann" not in output


def test_a_token_is_in_no_file_of_a_result(hub, files, monkeypatch, tmp_path):
    hub.repos[NAME] = hub_server.Repo()
    hub.repos[NAME].commit("main", files)
    hub.locked[NAME] = ("hf_secret_of_ann", 401, "RepoNotFound")
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_ann")
    evaluate(NAME, ROWS, device="cpu").save(tmp_path / "results")
    contents = [path.read_text() for path in (tmp_path / "results").rglob("*.json*")]
    assert len(contents) >= 2
    assert "hf_secret" not in "".join(contents)
