"""RewardBenchCallback, in trainers of transformers and TRL."""

import json
import random
from pathlib import Path

import pytest
import torch
from random_models import words
from terminal import run

from rewardbench import RewardBenchCallback
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.results.scored import read_scored
from rewardbench.training import LOG_PREFIX, live_scorer


def preferences(count, seed):
    """Return pairs whose chosen text contains Lima and whose rejected text contains Oslo."""
    rng = random.Random(seed)
    return [
        {
            "prompt": words(rng, 12),
            "chosen": f"{words(rng, 9)} Lima {words(rng, 4)}",
            "rejected": f"{words(rng, 9)} Oslo",
        }
        for _ in range(count)
    ]


def write(folder, rows):
    path = folder / "held-out.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(folder, causal=False):
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    auto = AutoModelForCausalLM if causal else AutoModelForSequenceClassification
    return auto.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def plain_trainer(folder, out, steps=6, **options):
    """Return a Trainer that teaches a classifier to give one text a high score, and another a low one."""
    from transformers import Trainer, TrainingArguments

    model, tokenizer = load(folder)
    rows = [{"input_ids": tokenizer("Lima" if n % 2 else "Oslo").input_ids, "labels": float(n % 2)} for n in range(32)]
    args = TrainingArguments(
        str(out), max_steps=steps, per_device_train_batch_size=4, report_to="none", save_strategy="no", use_cpu=True,
        disable_tqdm=True, learning_rate=1e-2, logging_steps=2,
    )  # fmt: skip
    return Trainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer, **options)


def curve(trainer):
    return {row["step"]: row for row in trainer.state.log_history if LOG_PREFIX in row}


def test_it_scores_before_training_every_few_steps_and_at_the_end(model_folder, tmp_path):
    trainer = plain_trainer(model_folder("llama"), tmp_path / "out", steps=5)
    callback = RewardBenchCallback(trainer, every=2, dataset=write(tmp_path, preferences(30, 1)), items=20)
    trainer.add_callback(callback)
    trainer.train()
    rows = curve(trainer)
    assert list(rows) == [0, 2, 4, 5]
    for row in rows.values():
        assert row[f"{LOG_PREFIX}_low"] <= row[LOG_PREFIX] <= row[f"{LOG_PREFIX}_high"]
        assert row[f"{LOG_PREFIX}_overhead"] > 0
    files = sorted(path.name for path in (tmp_path / "out" / "rewardbench").glob("step-*[0-9].json"))
    assert files == ["step-000000.json", "step-000002.json", "step-000004.json", "step-000005.json"]
    last = read_scored(tmp_path / "out" / "rewardbench" / "step-000005.json")
    assert (len(last.items), last.suite.revision.split("+")[1]) == (20, "sample=20,seed=0")
    assert trainer.model.training is True


def test_the_scores_are_those_of_the_saved_model(model_folder, tmp_path):
    from rewardbench import evaluate

    trainer = plain_trainer(model_folder("llama"), tmp_path / "out")
    data = write(tmp_path, preferences(12, 1))
    trainer.add_callback(RewardBenchCallback(trainer, every=100, dataset=data))
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    expected = {item.id: item.scores for item in evaluate(str(tmp_path / "saved"), data, device="cpu").items}
    for item in read_scored(tmp_path / "out" / "rewardbench" / "step-000006.json").items:
        assert item.scores == pytest.approx(expected[item.id], abs=1e-5)


def test_training_stops_when_the_score_falls_below_the_floor(model_folder, tmp_path):
    trainer = plain_trainer(model_folder("llama"), tmp_path / "out", steps=9)
    callback = RewardBenchCallback(trainer, every=3, dataset=write(tmp_path, preferences(60, 1)), floor=0.5)
    scores = iter([0.4, 0.9, 0.1, 0.9])
    record = callback._record

    def record_next_score(result, *state):
        from dataclasses import replace

        value = next(scores)
        record(replace(result, score=replace(result.score, value=value, high=value + 0.1)), *state)

    callback._record = record_next_score
    trainer.add_callback(callback)
    trainer.train()
    assert trainer.state.global_step == 6, "low at the start is no fall"
    assert callback.best_step == 3
    saved, initial = (
        load(folder)[0].score.weight for folder in (tmp_path / "out" / "rewardbench" / "best", model_folder("llama"))
    )
    assert not torch.equal(saved, initial), "the best model is the trained one"


def test_a_warning_says_why_there_is_no_best_model(model_folder, tmp_path, caplog):
    trainer = plain_trainer(model_folder("llama"), tmp_path / "out", steps=2)
    callback = RewardBenchCallback(trainer, every=2, dataset=write(tmp_path, preferences(8, 1)))
    callback.best = 2.0  # no score exceeds it
    callback.best_step = 0
    trainer.add_callback(callback)
    trainer.train()
    assert not (tmp_path / "out" / "rewardbench" / "best").exists()
    (message,) = [record.getMessage() for record in caplog.records if record.name == "rewardbench.training"]
    assert "best was not written: no step had a higher score on held-out.jsonl than the model before" in message


def test_a_policy_is_scored_by_the_change_of_its_log_probabilities(model_folder):
    model, tokenizer = load(model_folder("llama", "causal"), causal=True)
    scorer = live_scorer(model, tokenizer)
    from random_models import pairs

    items = pairs(4)
    assert {value for item in score(items, scorer).items for value in item.scores} == {0.0}
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
    changes = [value for item in score(items, scorer).items for value in item.scores]
    assert len(set(changes)) == 8


def test_a_trainer_without_a_tokenizer_is_an_error(model_folder, tmp_path):
    trainer = plain_trainer(model_folder("llama"), tmp_path / "out")
    trainer.processing_class = None
    trainer.add_callback(RewardBenchCallback(trainer, dataset=write(tmp_path, preferences(4, 1))))
    with pytest.raises(InputError, match="pass it processing_class"):
        trainer.train()
    with pytest.raises(InputError, match="every is 0"):
        RewardBenchCallback(trainer, every=0)


@pytest.mark.slow
def test_a_run_of_trls_reward_trainer(model_folder, tmp_path, capsys):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    model, tokenizer = load(model_folder("llama"))

    def turns(row, side):
        return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row[side]}]

    rows = [{side: turns(row, side) for side in ("chosen", "rejected")} for row in preferences(800, 2)]
    args = trl.RewardConfig(
        str(tmp_path / "out"), max_steps=200, per_device_train_batch_size=16, learning_rate=3e-4, logging_steps=50,
        report_to="none", save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True, max_length=256,
    )  # fmt: skip
    trainer = trl.RewardTrainer(
        model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    data = write(tmp_path, preferences(300, 3))
    callback = RewardBenchCallback(trainer, dataset=data)
    trainer.add_callback(callback)
    trainer.train()
    rows_by_step, folder = curve(trainer), tmp_path / "out" / "rewardbench"
    a_score, a_step = callback.seconds / len(rows_by_step), callback.seconds / callback.overhead / 200
    steady = a_score / (callback.every * a_step)
    with capsys.disabled():
        print("\ncurve", {step: round(row[LOG_PREFIX], 3) for step, row in rows_by_step.items()})
        print(f"overhead {callback.overhead:.3f} of two scores in 200 steps, {steady:.3f} of one in {callback.every}")
    assert list(rows_by_step) == [0, 200]
    assert rows_by_step[200][LOG_PREFIX] > 0.9 > rows_by_step[0][LOG_PREFIX]
    assert steady < 0.05
    first, last = (folder / f"step-{step:06d}.json" for step in (0, 200))
    assert run(capsys, "gate", "--baseline", first, "--candidate", last)[0] == 0
    assert run(capsys, "gate", "--baseline", last, "--candidate", first)[0] == 1
    best = ["--model", folder / "best", "--dataset", data, "--output_dir", tmp_path / "ci", "--device", "cpu"]
    command = ["evaluate-and-gate", *best, "--baseline"]
    assert run(capsys, "--model", folder / "best", "--dataset", data, "--output_dir", tmp_path / "base")[0] == 0
    assert run(capsys, *command, tmp_path / "base" / "best.json", "--junit", tmp_path / "gate.xml")[0] == 0
    assert Path(tmp_path / "gate.xml").is_file()


@pytest.mark.slow
def test_a_run_of_trls_dpo_trainer(model_folder, tmp_path, capsys):
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    model, tokenizer = load(model_folder("llama", "causal"), causal=True)
    reference, _ = load(model_folder("llama", "causal"), causal=True)
    rows = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            **{side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")},
        }
        for row in preferences(400, 2)
    ]
    args = trl.DPOConfig(
        str(tmp_path / "out"), max_steps=60, per_device_train_batch_size=8, learning_rate=1e-3, report_to="none",
        save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True, max_length=256, logging_steps=20,
    )  # fmt: skip
    trainer = trl.DPOTrainer(
        model=model, ref_model=reference, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    callback = RewardBenchCallback(trainer, dataset=write(tmp_path, preferences(200, 3)), every=30)
    trainer.add_callback(callback)
    trainer.train()
    rows_by_step = curve(trainer)
    with capsys.disabled():
        print(
            "\ncurve",
            {step: round(row[LOG_PREFIX], 3) for step, row in rows_by_step.items()},
            f"overhead {callback.overhead:.3f}",
        )
    assert list(rows_by_step) == [0, 30, 60]
    assert rows_by_step[0][LOG_PREFIX] == 0, "no log-probability has changed before training"
    assert rows_by_step[60][LOG_PREFIX] > 0.8
