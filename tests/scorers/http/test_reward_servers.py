"""Reward models behind a server: in each dialect the scores of the transformers model, through the real command."""

import json
import math
import re
from dataclasses import replace

import pytest
from fake_reward_servers import KEY, FakeRewardServer, reward_server
from random_models import make_model, make_tokenizer, pairs
from terminal import run

from rewardbench import evaluate, load_scorer, score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer as load_plain
from rewardbench.scorers.http.dialects import DIALECTS
from rewardbench.settings import Endpoint, ModelSpec, ServerSpec

ROLES = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{{ '\n' if not loop.last }}{% endfor %}"
)
"""A template without BOS, whose texts neither begin nor end with characters of the special tokens."""
DIALECT_NAMES = list(DIALECTS)


def rows(count=6, longest=30):
    items = pairs(count, longest)
    texts = [(i.prompt[0]["content"], *(c[0]["content"] for c in i.completions)) for i in items]
    return [
        {"prompt": prompt, "chosen": f"{chosen}.", "rejected": f"{rejected}."} for prompt, chosen, rejected in texts
    ]


@pytest.fixture(scope="module")
def folder(model_folder):
    return model_folder(max_position_embeddings=256)


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory):
    """A model whose tokenizer adds BOS, and whose template prints none."""
    from tokenizers import processors

    tokenizer = make_tokenizer(ROLES)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", 1)]
    )
    return make_model(tmp_path_factory.mktemp("plain"), tokenizer=tokenizer, max_position_embeddings=256)


@pytest.fixture(scope="module")
def local(folder):
    """The scores of the transformers model."""
    return texts_scored(folder)


def spec_of(server, **options):
    endpoint = Endpoint(server.base_url, max_retries=2, timeout=20.0)
    return ServerSpec(server.dialect, endpoint, **options)


def texts_scored(folder, data=None, **options):
    """Return the score of each completion, the chosen and the rejected one in turn."""
    prompts, answers = [], []
    for row in data or rows():
        prompts += [row["prompt"]] * 2
        answers += [row["chosen"], row["rejected"]]
    return score(str(folder), prompts, answers, **options)


def close_to(scores):
    return pytest.approx(scores, abs=1e-5, rel=0)


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_the_command_scores_as_the_transformers_model_does(dialect, folder, local, tmp_path, capsys):
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    with reward_server(dialect, folder) as server:
        arguments = ["--engine", "http", "--dialect", dialect, "--base_url", server.base_url, "--parity", folder]
        options = ["--dataset", data, "--json", "--output_dir", tmp_path / "results"]
        code, out, err = run(capsys, "--model", folder, *arguments, *options)
    assert code == 0, err
    summary = json.loads((tmp_path / "results" / json.loads(out)["results"].split("results/")[-1]).read_text())
    figures = summary["manifest"]["run"]["server"]
    assert figures["dialect"] == DIALECTS[dialect].title
    assert figures["parity"]["max_abs_diff"] < 1e-5
    assert (figures["parity"]["spearman"], figures["parity"]["flips"]) == (pytest.approx(1), 0)
    wins = [chosen > rejected for chosen, rejected in zip(local[::2], local[1::2], strict=True)]
    assert json.loads(out)["accuracy"] == pytest.approx(sum(wins) / len(wins))
    assert re.search(rf"--engine http --dialect {dialect} .*--base_url", summary["manifest"]["command"])


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_every_score_equals_the_transformers_model(dialect, folder, local):
    with reward_server(dialect, folder) as server:
        assert texts_scored(folder, server=spec_of(server)) == close_to(local)
        sent = [body for method, _, _, body in server.requests if method == "POST"]
    has_ids = all("input" in body or "input_ids" in body for body in sent)
    assert has_ids == DIALECTS[dialect].sends_ids


@pytest.mark.parametrize("dialect", ["llamafactory", "tei", "vllm"])
def test_a_text_carries_no_second_bos(dialect, plain_folder):
    """The tokenizer adds BOS; a rendered text that is tokenized by the server must not have it already."""
    with reward_server(dialect, plain_folder) as server:
        scores = texts_scored(plain_folder, server=spec_of(server))
    assert scores == close_to(texts_scored(plain_folder))


@pytest.mark.parametrize("version", ["characters", "tokens", "text"])
def test_each_version_of_openrlhf_reads_the_tokens_of_the_template(version, plain_folder):
    with reward_server("openrlhf", plain_folder, version=version) as server:
        scorer = load_scorer(str(plain_folder), server=spec_of(server))
        assert scorer.scorer.fingerprint["reads"] == version
        scores = [scorer.score(row["prompt"], row["chosen"]) for row in rows(3)]
    assert scores == close_to(texts_scored(plain_folder, rows(3))[::2])


def test_a_version_of_openrlhf_that_strips_characters_of_the_template_is_named(folder):
    with (
        reward_server("openrlhf", folder, version="characters") as server,
        pytest.raises(InputError, match="OpenRLHF tokenizes this text by itself, and would not read the tokens"),
    ):
        load_scorer(str(folder), server=spec_of(server))


def test_an_eos_that_the_server_appends_is_noted(tmp_path):
    folder = make_model(tmp_path, tokenizer=make_tokenizer(ROLES.replace("{{ eos_token }}", "")))
    with reward_server("openrlhf", folder, version="tokens") as server:
        result = evaluate(str(folder), rows(3), server=spec_of(server))
    assert any("appends an EOS token" in note and ": 6 texts" in note for note in result.manifest["notes"])


@pytest.mark.parametrize("name", ["use_activation", "activation", "softmax"])
def test_each_name_of_the_activation_of_vllm_is_tried(name, folder, local):
    with reward_server("vllm", folder, version=name) as server:
        assert load_plain(ModelSpec(str(folder), server=spec_of(server))).fingerprint["flags"] == {name: False}
        assert texts_scored(folder, server=spec_of(server)) == close_to(local)


def test_a_version_of_vllm_that_reads_false_as_true_gets_the_new_name(folder, local):
    with reward_server("vllm", folder, version="any_softmax") as server:
        assert texts_scored(folder, server=spec_of(server)) == close_to(local)
        last = server.requests[-1][3]
    assert (last["use_activation"], "softmax" in last) == (False, False)


@pytest.mark.parametrize(("dialect", "path"), [("vllm", "/pooling"), ("sglang", "/v1/embeddings")])
def test_the_second_path_is_used_where_the_first_is_missing(dialect, path, folder, local):
    with reward_server(dialect, folder, "no_path", "out_of_order") as server:
        assert texts_scored(folder, server=spec_of(server)) == close_to(local)
        assert server.requests[-1][1] == path


def test_long_texts_are_cut_as_those_of_the_transformers_model(folder):
    data = rows(6, 150)
    expected = texts_scored(folder, data, max_length=40)
    assert expected != texts_scored(folder, data)
    for dialect in DIALECT_NAMES:
        with reward_server(dialect, folder, max_length=40) as server:
            assert texts_scored(folder, data, max_length=40, server=spec_of(server)) == close_to(expected), dialect


def test_the_limit_of_the_server_is_that_of_the_run(folder):
    with reward_server("vllm", folder, max_length=64) as server:
        assert load_plain(ModelSpec(str(folder), server=spec_of(server))).chat.max_length == 64
        with pytest.raises(InputError, match="--max_length 100 is more than the 64 tokens"):
            load_scorer(str(folder), max_length=100, server=spec_of(server))


def test_pairs_are_sent_to_a_cross_encoder_without_chat_template(model_folder):
    import torch
    from fake_reward_servers import load_model

    folder = model_folder("bert", tokenizer=make_tokenizer(None, encoder=True))
    with reward_server("tei", folder) as server:
        scores = load_scorer(str(folder), server=spec_of(server)).score("the river", ["Lima", "Oslo"])
        assert ["the river", "Lima"] in server.requests[-1][3]["inputs"]
    model, tokenizer = load_model(str(folder))
    with torch.inference_mode():
        ids = [tokenizer("the river", answer, return_tensors="pt")["input_ids"] for answer in ("Lima", "Oslo")]
        assert scores == pytest.approx([float(model(text).logits) for text in ids], abs=1e-5)


def test_many_requests_are_in_flight_and_batches_have_several_texts(folder):
    with reward_server("vllm", folder) as server:
        scorer = load_scorer(str(folder), server=spec_of(server), batch_size=4)
        assert (scorer.scorer.traits.max_in_flight, scorer.scorer.traits.max_batch_size) == (32, 32)
        server.latency = 0.05
        scorer.score("the river", [f"Lima {number}" for number in range(80)])
        sizes = [len(body["input"]) for method, _, _, body in server.requests[-20:]]
        assert sizes == [4] * 20
        assert server.most_at_once > 10


def test_no_more_requests_are_in_flight_than_allowed(folder):
    with reward_server("sglang", folder) as server:
        server.latency = 0.01
        spec = ServerSpec("sglang", Endpoint(server.base_url, max_concurrency=1))
        load_scorer(str(folder), server=spec, batch_size=1).score("the river", ["Lima", "Oslo", "the city", "a"])
        assert server.most_at_once == 1


def test_the_fingerprint_leaves_out_the_address(folder):
    fingerprints = []
    for _ in range(2):
        with FakeRewardServer("vllm", folder) as server:
            fingerprints.append(load_plain(ModelSpec(str(folder), server=spec_of(server))).fingerprint)
    assert fingerprints[0] == fingerprints[1]
    assert fingerprints[0]["version"] == "0.13.0"
    assert "sha256" in fingerprints[0]["weights"]
    assert "127.0.0.1" not in json.dumps(fingerprints[0])


def test_a_second_run_reads_the_scores_from_the_cache(folder):
    numbers = []
    with reward_server("tei", folder) as server:
        for _ in range(2):
            before = len(server.requests)
            texts_scored(folder, server=spec_of(server), cache=True)
            numbers.append(len(server.requests) - before)
    assert numbers[0] - numbers[1] == 2  # 12 texts in batches of 8


def test_scores_are_not_cached_if_nothing_identifies_the_weights(folder):
    with reward_server("vllm", folder, served="org/served") as server:
        scorer = load_plain(ModelSpec("org/served", tokenizer=str(folder), server=spec_of(server)))
    assert not scorer.is_cached
    assert "The weights behind the server are not known, so scores were not cached." in scorer.report().notes


def test_the_key_is_sent_and_written_nowhere(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RM_KEY", KEY)
    with reward_server("vllm", folder, "unauthorized") as server:
        endpoint = Endpoint(server.base_url, api_key_env="RM_KEY")
        result = evaluate(str(folder), rows(3), server=ServerSpec("vllm", endpoint))
        result.save(tmp_path)
        monkeypatch.setenv("RM_KEY", "sk-wrong")
        with pytest.raises(InputError, match="rejects the key"):
            evaluate(str(folder), rows(3), server=ServerSpec("vllm", endpoint))
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert texts
    assert not any(KEY.encode() in text for text in texts)


def test_texts_that_the_server_refuses_are_unscored_with_its_words(folder):
    data = [*rows(4, 3), {"prompt": "the " * 60, "chosen": "a", "rejected": "b"}]
    with reward_server("vllm", folder) as server:
        scorer = load_plain(ModelSpec(str(folder), server=spec_of(server)))
        assert scorer.probe_report is not None
        server.faults.add("refuses_long")
        requests = []
        for row in data:
            prompt = ({"role": "user", "content": row["prompt"]},)
            requests.append(scorer.prepare(prompt, ({"role": "assistant", "content": row["chosen"]},), False))
        scores = scorer.run(requests)
    assert [math.isnan(score) for score in scores] == [False] * 4 + [True]
    assert "the text is too long" in scorer.why_unscored(requests[-1])


@pytest.mark.parametrize("dialect", ["sglang", "vllm", "openrlhf"])
def test_a_family_with_its_own_input_is_rendered_by_its_head_spec(dialect, tmp_path):
    """OpenRLHF trains on texts that end with a space and EOS, whatever the chat template prints."""
    folder = make_model(tmp_path, tokenizer=make_tokenizer(ROLES.replace("{{ eos_token }}", "")))
    expected = texts_scored(folder, adapter="openrlhf")
    assert expected != close_to(texts_scored(folder))
    with reward_server(dialect, folder) as server:
        assert texts_scored(folder, adapter="openrlhf", server=spec_of(server)) == close_to(expected)
        scorer = load_plain(ModelSpec(str(folder), adapter="openrlhf", server=spec_of(server, parity=str(folder))))
    assert scorer.parity.max_abs_diff < 1e-5
    assert any("OpenRLHF" in note for note in scorer.report().notes)


def test_of_a_model_on_the_hub_no_weights_are_downloaded(hub, folder):
    import hub_server

    hub.repos["org/rm"] = hub_server.Repo()
    hub.repos["org/rm"].commit("main", {path.name: path.read_bytes() for path in folder.iterdir()})
    with reward_server("vllm", folder, served="org/rm") as server:
        scorer = load_plain(ModelSpec("org/rm", server=spec_of(server)))
    assert scorer.weights == {"commit": hub.repos["org/rm"].refs["main"]}
    assert not any("safetensors" in path for _, path in hub.requests)
    assert any("tokenizer.json" in path for _, path in hub.requests)


def test_lower_scores_are_better_for_some_families(folder):
    with reward_server("tei", folder) as server:
        scorer = load_plain(ModelSpec(str(folder), server=spec_of(server)))
        request = scorer.prepare((), ({"role": "assistant", "content": "Lima"},), True)
        (score,) = scorer.run([request])
        scorer.texts = replace(scorer.texts, sign=-1.0)
        assert scorer.run([request]) == [-score]
    assert scorer.fingerprint["sign"] == -1.0
