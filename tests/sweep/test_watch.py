"""Checkpoints of a training run are scored once, when they are whole."""

import json
import shutil

import pytest
from random_models import write_pairs

from rewardbench.sweep.watch import checkpoints_in, is_whole, watch


@pytest.fixture
def sharded(model_folder, tmp_path):
    """Return a checkpoint whose weights are in several files."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(model_folder())
    folder = tmp_path / "whole"
    model.save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder


def test_a_checkpoint_is_whole_with_its_last_byte(sharded):
    assert is_whole(sharded)
    shard = max(sharded.glob("*.safetensors"))
    content = shard.read_bytes()
    for written in (0, 5, 100, len(content) - 1):
        shard.write_bytes(content[:written])
        assert not is_whole(sharded), written
    shard.unlink()
    assert not is_whole(sharded)
    shard.write_bytes(content)
    assert is_whole(sharded)
    config = (sharded / "config.json").read_bytes()
    (sharded / "config.json").unlink()
    assert not is_whole(sharded)
    (sharded / "config.json").write_bytes(config)
    index = sharded / "model.safetensors.index.json"
    index.write_text(index.read_text()[:-20])
    assert not is_whole(sharded)


def test_an_adapter_is_whole_with_its_weights(tmp_path, sharded):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    assert not is_whole(tmp_path)
    shutil.copy(next(iter(sharded.glob("*.safetensors"))), tmp_path / "adapter_model.safetensors")
    assert is_whole(tmp_path)


def test_watching_yields_each_checkpoint_once_while_others_are_written(model_folder, tmp_path):
    run, source = tmp_path / "run", model_folder()
    weights = (source / "model.safetensors").read_bytes()
    polls = []

    def sleep(seconds):
        """Write the next part of a checkpoint."""
        polls.append(seconds)
        number = len(polls)
        if number == 2:
            shutil.copytree(source, run / "checkpoint-1000")
        if number == 4:
            shutil.copytree(source, run / "checkpoint-2000")
            (run / "checkpoint-2000" / "model.safetensors").write_bytes(weights[: len(weights) // 2])
        if number == 9:
            (run / "checkpoint-2000" / "model.safetensors").write_bytes(weights)
        if number == 10:
            shutil.copytree(source, run / "checkpoint-500")
        assert number < 50

    yielded = []
    for path in watch(str(run), 3, 1.0, sleep):
        yielded.append((path.name, len(polls)))
    names = [name for name, _ in yielded]
    assert sorted(names) == ["checkpoint-1000", "checkpoint-2000", "checkpoint-500"]
    when = dict(yielded)
    assert when["checkpoint-1000"] == 3
    assert when["checkpoint-2000"] == 10
    assert [path.name for path in checkpoints_in(run)] == ["checkpoint-500", "checkpoint-1000", "checkpoint-2000"]


def test_the_command_scores_the_checkpoints_of_a_folder(model_folder, tmp_path, monkeypatch, capfd):
    from rewardbench.cli.main import main

    monkeypatch.setattr("rewardbench.sweep.watch.POLL", 0.01)
    for step in (10, 20):
        shutil.copytree(model_folder(seed=step), tmp_path / "run" / f"checkpoint-{step}")
    write_pairs(tmp_path / "pairs.jsonl", 4)
    monkeypatch.chdir(tmp_path)
    arguments = ["sweep", "--watch", "run", "--until", "2", "--datasets", "pairs.jsonl", "--device", "cpu"]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    output, errors = capfd.readouterr()
    assert stop.value.code == 0, errors
    assert "scored=2\n" in output
    assert "renderings=1\n" in output
    assert (tmp_path / "results" / "sweep.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        main(arguments)
    assert "scored=0\nstored=2\n" in capfd.readouterr().out


def test_ctrl_c_ends_the_watch_with_the_table(model_folder, tmp_path, monkeypatch, capfd):
    from rewardbench.cli.main import main

    def watch_until_ctrl_c(folder, until):
        yield model_folder(seed=10)
        raise KeyboardInterrupt

    monkeypatch.setattr("rewardbench.sweep.watch.watch", watch_until_ctrl_c)
    write_pairs(tmp_path / "pairs.jsonl", 4)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "--watch", "run", "--datasets", "pairs.jsonl", "--device", "cpu"])
    assert stop.value.code == 0
    assert "rows=1\nscored=1\n" in capfd.readouterr().out


def test_any_name_of_a_checkpoint_is_one_row(model_folder, tmp_path, monkeypatch, capfd):
    """The name of a folder that a training run writes may look like a pattern, or be reserved by the store."""
    from rewardbench.cli.main import main

    monkeypatch.setattr("rewardbench.sweep.watch.POLL", 0.01)
    monkeypatch.chdir(tmp_path)
    for name in ("checkpoint-1 [best] *", "index"):
        shutil.copytree(model_folder(), tmp_path / "run" / name)
    write_pairs(tmp_path / "pairs.jsonl", 4)
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "--watch", "run", "--until", "2", "--datasets", "pairs.jsonl", "--device", "cpu"])
    output, errors = capfd.readouterr()
    assert (stop.value.code, "scored=1\n" in output, "failed=1\n" in output) == (1, True, True)
    assert "failed model=run/index suites=pairs.jsonl reason=A result cannot be called 'index'" in errors
