"""Files for trainers: pairs with margins, completions with rewards; TRL trains a step on them."""

import json
import math

import pytest
from terminal import run

from rewardbench import evaluate
from rewardbench.analysis import trainer_files
from rewardbench.errors import InputError
from rewardbench.suites import load_suite

QUESTIONS = (
    ("Ngoc", "wie lange dauert der Zug nach Hue?", "About 13 hours from Hanoi.", "Trains exist."),
    ("Aigul", "how do i get ink out of felt", "Dab it with alcohol, then rinse it with cold water.", "Buy felt."),
    ("Tomasz", "Is a tomato a fruit?", "Botanically yes; cooks treat it as a vegetable.", "It is red."),
    ("Wanjiru", "bus to Kisumu, which bay??", "Bay 4, according to the board this morning.", "Ask."),
)


def make_rows(count=12, **columns):
    rows = []
    for n in range(count):
        name, question, better, worse = QUESTIONS[n % len(QUESTIONS)]
        row = {"id": f"t{n}", "prompt": f"{name} {n}: {question}", "response_a": better, "response_b": worse}
        rows.append({**row, "likert_7": n % 7 + 1, **columns})
    return rows


def read(path):
    return list(map(json.loads, path.read_text(encoding="utf-8").splitlines()))


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in make_rows()))
    return path


@pytest.fixture
def result(data, tmp_path):
    return evaluate("baseline/longest", str(data)).save(tmp_path / "results")


def test_pairs_have_the_strength_as_their_margin_and_are_read_again(data, tmp_path, capsys):
    path = tmp_path / "trl.jsonl"
    code, output, _ = run(capsys, "data", "export", data, path, "--margin_scale", 0.5)
    assert (code, output) == (0, f"rows=10\nleft_out=2\nfile={path}\n")
    rows = read(path)
    assert [row["margin"] for row in rows] == [1.5, 1.0, 0.5, 0.5, 1.0, 1.5, 1.5, 1.0, 0.5, 0.5]
    assert rows[0]["prompt"] == [{"role": "user", "content": f"Ngoc 0: {QUESTIONS[0][1]}"}]
    assert rows[0]["chosen"] == [{"role": "assistant", "content": QUESTIONS[0][2]}]
    assert rows[3]["chosen"] == [{"role": "assistant", "content": QUESTIONS[0][3]}]
    again = load_suite(str(path))
    pairs = [item for item in load_suite(str(data)).items if item.has_preference]
    assert [item.completions for item in again.items] == [item.completions for item in pairs]
    assert [item.label_strength for item in again.items] == [item.label_strength / 2 for item in pairs]


def test_completions_have_the_scores_as_rewards(data, result, tmp_path, capsys):
    path = tmp_path / "ilql.jsonl"
    assert run(capsys, "data", "export", data, path, "--to", "ilql", "--result", result)[0] == 0
    rows = read(path)
    assert len(rows) == 24
    for row in rows:
        assert row.keys() == {"prompt", "completion", "reward"}
    longer = [row["reward"] for row in rows if row["completion"][0]["content"] == QUESTIONS[1][2]]
    shorter = [row["reward"] for row in rows if row["completion"][0]["content"] == QUESTIONS[1][3]]
    assert min(longer) > max(shorter)


def test_rest_keeps_the_rewards_above_a_quantile(data, result, tmp_path, capsys):
    path = tmp_path / "rest.jsonl"
    command = ["data", "export", data, path, "--to", "rest", "--result", result]
    code, output, _ = run(capsys, *command, "--quantile", 0.75, "--json")
    values = json.loads(output)
    rewards = [row["reward"] for row in read(path)]
    assert code == 0
    assert (values["rows"], values["rows"] + values["left_out"]) == (len(rewards), 24)
    assert 0 < len(rewards) <= 6
    assert min(rewards) > values["threshold"]
    code, _, error = run(capsys, *command, "--quantile", 1)
    assert (code, "No reward is above" in error) == (2, True)


def test_rendered_texts_are_written_as_texts():
    texts = {"text_chosen": "<u>Q<a>Yes, at 9.", "text_rejected": "<u>Q<a>No."}
    outcome = evaluate("baseline/longest", [{**texts, "margin": 2}])
    (pair,) = trainer_files.margin_rows(outcome.data).rows
    assert pair == {"chosen": texts["text_chosen"], "rejected": texts["text_rejected"], "margin": 2.0}
    rows = trainer_files.reward_rows(outcome.data, outcome).rows
    assert [(row["prompt"], row["completion"]) for row in rows] == [("", text) for text in texts.values()]


def test_unfit_input_is_rejected(data, result, tmp_path, capsys):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"id": "z", "prompt": "Q?", "chosen": "A", "rejected": "B"}) + "\n")
    output = tmp_path / "out.jsonl"
    cases = [
        ([data, output, "--to", "ilql"], "The rewards of ilql are the scores of a model: pass --result"),
        ([data, output, "--result", result], "The margins of trl are the strengths of labels: leave out --result."),
        ([other, output], "has no pair whose label has a strength"),
        ([other, output, "--to", "rest", "--result", result], "has no scores of 1 of 1 items"),
        ([data, output, "--to", "dpo"], "--to"),
    ]
    for arguments, message in cases:
        code, _, error = run(capsys, "data", "export", *arguments)
        assert (code, message in error, error.count("\n")) == (2, True, 1), error
        assert not output.exists()


def test_the_data_is_not_overwritten(data, tmp_path, capsys):
    content = data.read_text()
    for output, message in ((data, "is the data to export"), (tmp_path / "out.csv", "name a file that ends in .jsonl")):
        code, _, error = run(capsys, "data", "export", data, output)
        assert (code, message in error, error.count("\n")) == (2, True, 1), error
    assert data.read_text() == content


def test_rows_of_two_kinds_are_rejected():
    tool = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]
    rows = [{"prompt": "Q?", "chosen": "A", "rejected": "B", "margin": 1, "tools": tools} for tools in (tool, [])]
    with pytest.raises(InputError, match="mixes rows with and without functions"):
        trainer_files.margin_rows(evaluate("baseline/longest", rows).data)


@pytest.mark.slow
def test_trl_trains_a_step_on_each_file(data, result, tmp_path, capsys, model_folder):
    trl = pytest.importorskip("trl")
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    options = {
        "max_steps": 1, "per_device_train_batch_size": 10, "learning_rate": 1e-3, "logging_steps": 1, "use_cpu": True,
        "report_to": "none", "save_strategy": "no", "bf16": False, "disable_tqdm": True, "max_length": 128, "seed": 0,
    }  # fmt: skip
    folder = model_folder("llama")
    losses = []
    for scale in (0, 1):
        path = tmp_path / f"trl-{scale}.jsonl"
        assert run(capsys, "data", "export", data, path, "--margin_scale", scale)[0] == 0
        trainer = trl.RewardTrainer(
            model=AutoModelForSequenceClassification.from_pretrained(folder),
            args=trl.RewardConfig(str(tmp_path / "out"), **options),
            train_dataset=load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "hf")),
            processing_class=AutoTokenizer.from_pretrained(folder),
        )
        trainer.train()
        losses.append(trainer.state.log_history[0]["loss"])
    margins = [row["margin"] for row in read(tmp_path / "trl-1.jsonl")]
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    with_margins = sum(math.log1p(math.exp(margin)) for margin in margins) / len(margins)
    assert losses[1] == pytest.approx(with_margins, abs=0.2)
    folder = model_folder("llama", "causal")
    for to in ("ilql", "rest"):
        path = tmp_path / f"{to}.jsonl"
        command = ["data", "export", data, path, "--to", to, "--result", result, "--quantile", 0.5]
        assert run(capsys, *command)[0] == 0
        rows = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "hf"))
        assert rows.features["reward"].dtype == "float64"
        trainer = trl.SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(folder),
            args=trl.SFTConfig(str(tmp_path / "out"), **options),
            train_dataset=rows,
            processing_class=AutoTokenizer.from_pretrained(folder),
        )
        trainer.train()
        assert trainer.state.global_step == 1
        assert math.isfinite(trainer.state.log_history[0]["loss"])
