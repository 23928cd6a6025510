"""Servers that return something other than a raw score are named and refused, before anything is scored."""

import re
import time

import pytest
from fake_reward_servers import KEY, FakeRewardServer, reward_server
from terminal import run

from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.http import client as http_client
from rewardbench.scorers.http.client import ServerAnswer
from rewardbench.scorers.http.dialects import DIALECTS as DIALECT_TABLE
from rewardbench.scorers.http.probes import measure_parity
from rewardbench.settings import Endpoint, ModelSpec, ServerSpec

DIALECTS = ("vllm", "sglang", "openrlhf", "llamafactory", "tei")


STUCK = {"hang", "drip", "huge"}
"""Faults after which a server is busy."""


@pytest.fixture(scope="module")
def folder(model_folder):
    return model_folder(max_position_embeddings=256)


def connect(server, folder, model=None, served_model=None, parity=None, **limits):
    endpoint = Endpoint(server.base_url, **{"max_retries": 1, "timeout": 10.0, **limits})
    spec = ServerSpec(server.dialect, endpoint, served_model, parity)
    return load_scorer(ModelSpec(model or str(folder), tokenizer=str(folder) if model else None, server=spec))


def refusal(folder, dialect, *faults, limits=None, **options):
    """Return the error for a server that is wrong in some way: one line, without the key."""
    start = FakeRewardServer if STUCK.intersection(faults) else reward_server
    with start(dialect, folder, *faults, **options) as server, pytest.raises(InputError) as error:
        connect(server, folder, **(limits or {}))
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


WRONG_SCORES = {
    "hidden_state": "returns 32 numbers for a text, not a score: it serves several labels, or the hidden state",
    "softmax_always": "scores all probe texts as 1.0, the softmax of one label",
    "normalised": "scores all probe texts as 1 or -1: it normalises",
    "constant": "scores all 6 probe texts as 0.125: its head is missing or constant",
    "random": "gives the same text scores that differ by .*: its head is random, or dropout is on",
    "nan": "scores a probe text as nan",
    "nan_as_zero": "scores all 6 probe texts as 0: .*NaN, which some servers return as 0",
    "too_few": "returned 5 results for 6 texts",
    "shuffled": "returns the scores of a batch in another order than its texts",
}


@pytest.mark.parametrize("fault", WRONG_SCORES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_output_that_is_not_a_score_is_named(dialect, fault, folder):
    assert re.search(WRONG_SCORES[fault], refusal(folder, dialect, fault))


@pytest.mark.parametrize("dialect", ["vllm", "tei"])
def test_an_activation_that_cannot_be_switched_off_is_named(dialect, folder):
    sentence = refusal(folder, dialect, "sigmoid_always")
    assert "all probe scores are between 0 and 1: they are probabilities, not raw scores" in sentence


@pytest.mark.parametrize("dialect", ["sglang", "openrlhf", "llamafactory"])
def test_a_sigmoid_is_noted_and_shown_by_the_transformers_model(dialect, folder):
    with reward_server(dialect, folder, "sigmoid_always") as server:
        notes = connect(server, folder).report().notes
        assert any("between 0 and 1" in note and "--parity" in note for note in notes)
        with pytest.raises(InputError, match="returns the sigmoid of the scores of the transformers model"):
            connect(server, folder, parity=str(folder))


@pytest.mark.parametrize("dialect", ["vllm", "sglang", "tei"])
def test_another_model_is_named(dialect, folder):
    sentence = refusal(folder, dialect, "lists_other_model")
    assert f"The server serves other/model, not {folder}: if that is the model, pass --served_model" in sentence


def test_an_answer_by_another_model_is_named(folder):
    with reward_server("vllm", folder) as server:
        scorer = connect(server, folder)
        server.faults.add("other_model")
        request = scorer.prepare((), ({"role": "assistant", "content": "a"},), True)
        with pytest.raises(InputError, match="answers by the model other/model"):
            scorer.run([request])


@pytest.mark.parametrize("dialect", ["vllm", "sglang", "tei"])
@pytest.mark.parametrize(("fault", "text"), [("truncates", "the " * 30), ("adds_bos", "the")])
def test_tokens_that_the_server_cuts_or_adds_are_noticed(dialect, fault, text, folder):
    with reward_server(dialect, folder) as server:
        scorer = connect(server, folder)
        server.faults.add(fault)
        request = scorer.prepare((), ({"role": "assistant", "content": text},), True)
        with pytest.raises(InputError, match=r"The server read \d+ tokens of the \d+ that were sent"):
            scorer.run([request])


def test_a_server_that_cuts_long_texts_silently_is_named(folder):
    sentence = refusal(folder, "openrlhf", max_length=150)
    assert re.search(r"two texts of 2\d\d tokens the same score, though they end differently: it cuts", sentence)
    with reward_server("openrlhf", folder, max_length=150) as server:
        spec = ServerSpec("openrlhf", Endpoint(server.base_url))
        assert load_scorer(ModelSpec(str(folder), max_length=150, server=spec)).chat.max_length == 150


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_a_score_per_token_is_named(dialect, folder):
    assert "a list for each token, as process reward models do" in refusal(folder, dialect, "per_token")


def test_results_that_belong_to_no_text_are_named(folder):
    assert "they belong to no text" in refusal(folder, "vllm", "same_index")


def test_a_server_that_generates_text_is_named(folder):
    sentence = refusal(folder, "llamafactory", generates=True)
    assert "it serves a model that generates text: start it with stage: rm" in sentence


@pytest.mark.parametrize("dialect", ["vllm", "llamafactory"])
def test_effects_of_batching_are_reported(dialect, folder):
    with reward_server(dialect, folder, "batch_effects") as server:
        report = connect(server, folder).report()
    assert report.details["server"]["batch_effect"] == pytest.approx(1e-3, rel=1e-3)
    assert any(
        "batching of the server changes the score of a probe text by up to 0.001" in note for note in report.notes
    )


def test_parity_counts_flips():
    parity = measure_parity([1.0, 2.0, 3.0, 0.0], [1.0, 0.0, 3.0, 2.0])
    assert (parity.max_abs_diff, parity.flips) == (2.0, 1)
    assert parity.spearman == pytest.approx(0.2)
    assert (
        "differ from those of the transformers model by up to 2, with Spearman 0.200 and 1 flips" in parity.describe()
    )


# Hostile and broken servers


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("error_200", "answers: CUDA error: device-side assert"),
        ("html", "answers with text/html, which is not JSON: check --base_url and --dialect"),
        ("list_of_words", "not one of this dialect"),
        ("redirect", "redirects to http://127.0.0.2:9/steal: pass the address of the server itself"),
        ("unauthorized", r"rejects the key \(401\)"),
        ("unavailable", r"answers 503: overloaded \(after 1 retries\)"),
    ],
)
@pytest.mark.parametrize("dialect", ["vllm", "openrlhf"])
def test_an_answer_without_scores_is_a_one_line_error(dialect, fault, message, folder):
    assert re.search(message, refusal(folder, dialect, fault))


def test_a_body_without_end_is_not_read_on(folder, monkeypatch):
    monkeypatch.setattr(http_client, "MAX_RESPONSE", 2**22)
    assert "exceeds 4 MiB, so it holds no scores" in refusal(folder, "tei", "huge")


@pytest.mark.parametrize("fault", ["drip", "hang"])
def test_the_timeout_covers_the_whole_answer(fault, folder):
    start = time.perf_counter()
    sentence = refusal(folder, "sglang", fault, limits={"timeout": 0.3, "max_retries": 0})
    assert "did not answer within 0.3 seconds" in sentence
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("fault", ["rate_limited", "dropped"])
def test_failures_that_pass_are_retried(fault, folder, monkeypatch):
    monkeypatch.setattr(http_client, "FIRST_DELAY", 0.01)
    with reward_server("vllm", folder, fault) as server:
        scorer = connect(server, folder, max_retries=6)
    assert scorer.report().details["server"]["retries"] > 3


def test_no_server_at_the_address_ends_at_once(folder, capsys):
    from ports import free_port

    url = f"http://127.0.0.1:{free_port()}"
    arguments = ["--engine", "http", "--dialect", "vllm", "--base_url", url, "--dataset", "core"]
    code, _, err = run(capsys, "--model", folder, *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert f"No server answers at {url}" in err


def test_the_key_is_in_no_error(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    sentence = refusal(folder, "vllm", "echoes_key")
    assert "answers 400: bad [key]" in sentence
    assert KEY not in sentence


@pytest.mark.parametrize("key", ["sk-é", "sk-\nsecret"])
def test_a_key_that_no_header_can_have_is_a_one_line_error(key, folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="The key in OPENAI_API_KEY cannot be sent") as error:
        load_scorer(ModelSpec(str(folder), server=ServerSpec("tei", Endpoint("http://127.0.0.1:1"))))
    assert "sk-" not in str(error.value)


def test_a_key_that_is_named_must_be_set(folder):
    with pytest.raises(InputError, match="--api_key_env names RM_KEY, and that environment variable is not set"):
        load_scorer(ModelSpec(str(folder), server=ServerSpec("tei", Endpoint("http://127.0.0.1:1", "RM_KEY"))))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://user:pw@127.0.0.1:1", "base_url has a key in it"),
        ("http://127.0.0.1:1/?key=pw", "base_url has a key in it"),
        ("http://", "it must begin with http:// or https://, and name a host"),
        ("http://[::1", "it must begin with http:// or https://, and name a host"),
        ("http://xn--/v1", "--base_url is not a valid address"),
    ],
)
def test_an_address_with_a_secret_or_without_host_is_refused(url, message, folder):
    with pytest.raises(InputError, match=message) as error:
        load_scorer(ModelSpec(str(folder), server=ServerSpec("vllm", Endpoint(url))))
    assert "pw" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "http"], "--engine http needs the server"),
        (["--engine", "http", "--base_url", "http://127.0.0.1:1"], "--engine http needs the server"),
        (["--base_url", "http://127.0.0.1:1"], "--base_url needs"),
        (["--dialect", "vllm"], "--dialect needs"),
        (["--parity", "x"], "--parity needs"),
        (
            ["--engine", "http", "--base_url", "http://127.0.0.1:1", "--dialect", "vllm", "--torch_dtype", "float16"],
            "--torch_dtype has no effect on a model behind a server",
        ),
        (
            ["--engine", "http", "--base_url", "127.0.0.1:1", "--dialect", "vllm"],
            "it must begin with http:// or https://",
        ),
    ],
)
def test_missing_and_contradictory_options_are_one_line_errors(arguments, message, folder, capsys):
    code, _, err = run(capsys, "--model", folder, "--dataset", "core", *arguments)
    assert code == 2
    assert message in err


def test_a_model_without_tokenizer_needs_the_option(folder, tmp_path):
    with reward_server("vllm", folder, served="org/served") as server:
        spec = ServerSpec("vllm", Endpoint(server.base_url))
        with pytest.raises(InputError, match="pass --tokenizer"):
            load_scorer(ModelSpec("org/served", server=spec))
        with pytest.raises(InputError, match="has no tokenizer: pass --tokenizer"):
            load_scorer(ModelSpec("org/served", tokenizer=str(tmp_path), server=spec))


ODD = [
    None,
    0,
    True,
    "x",
    [],
    {},
    [[]],
    [[[]]],
    [None],
    {"a": 1},
    10**400,
    float("inf"),
    -1e999,
    [1, "2"],
    [{"score": {}}],
]
"""JSON values that a field of an answer may hold instead of what it should."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_of_any_form_is_read_or_refused(dialect):
    answers = [*ODD]
    for value in ODD:
        for name in ("data", "scores", "rewards", "error"):
            answers.append({name: value, "usage": value, "model": value})
        for row in ({"index": 0, "probs": value}, {"index": value, "data": [1.0]}, {"embedding": value}):
            answers += [{"data": [{**row, "meta_info": value}], "usage": {"prompt_tokens": value}}, [row], [[row]]]
    for content in answers:
        vectors, message = (), ""
        try:
            vectors = DIALECT_TABLE[dialect].read(ServerAnswer(content, {"x-compute-tokens": str(content)})).vectors
        except InputError as error:
            message = str(error)
        assert len(message) < 400
        for vector in vectors:
            assert all(isinstance(number, float) for number in vector)
