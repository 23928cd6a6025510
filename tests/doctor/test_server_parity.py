"""rewardbench doctor compares a server with the transformers model on items of the data."""

import json

import pytest
from fake_reward_servers import reward_server
from random_models import write_pairs
from terminal import run


@pytest.fixture(scope="module")
def folder(model_folder):
    return model_folder(max_position_embeddings=256)


def doctor(capsys, server, folder, tmp_path, *options):
    write_pairs(tmp_path / "pairs.jsonl", 12)
    arguments = ["--engine", "http", "--dialect", server.dialect, "--base_url", server.base_url]
    return run(capsys, "doctor", "--model", folder, "--dataset", tmp_path / "pairs.jsonl", *arguments, *options)


def test_a_server_that_agrees(folder, tmp_path, capsys):
    with reward_server("vllm", folder) as server:
        code, out, err = doctor(capsys, server, folder, tmp_path, "--sample", "8")
    assert code == 0, err
    figures = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and not line.startswith("note"))
    assert (figures["items"], figures["flips"], figures["unscored"], figures["findings"]) == ("8", "0", "0", "0")
    assert float(figures["max_abs_diff"]) < 1e-5
    assert float(figures["spearman"]) == pytest.approx(1)
    assert figures["version"] == "0.13.0"


def test_a_server_that_returns_sigmoids(folder, tmp_path, capsys):
    with reward_server("sglang", folder, "sigmoid_always") as server:
        code, out, _ = doctor(capsys, server, folder, tmp_path, "--json")
    report = json.loads(out)
    assert (code, report["flips"]) == (1, 0)
    assert report["problems"] == ["The server returns the sigmoid of the scores of the transformers model."]


def test_a_server_with_another_model(folder, model_folder, tmp_path, capsys):
    other = model_folder(seed=1, max_position_embeddings=256)
    with reward_server("llamafactory", other) as server:
        code, out, _ = doctor(capsys, server, folder, tmp_path)
    assert code == 1
    assert "prefer different responses in" in out


def test_options_of_a_server_need_the_engine(folder, tmp_path, capsys):
    code, _, err = run(capsys, "doctor", "--model", folder, "--dialect", "vllm")
    assert code == 2
    assert "--dialect needs a server" in err
