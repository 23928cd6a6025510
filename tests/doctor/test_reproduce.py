"""`rewardbench reproduce`: planted causes are named, honest results are reproduced, unknown causes are called so."""

import json
import re

import pytest
import torch
from other_program import OtherProgram
from random_models import TEMPLATE, make_tokenizer, pairs
from repository import SHARED
from terminal import run

from rewardbench import evaluate
from rewardbench.doctor import candidates
from rewardbench.doctor.agreement import ScoreAgreement, measure_agreement, stored_dtype
from rewardbench.doctor.candidates import TokenSpan, are_compatible, cut_left, set_bos, set_end
from rewardbench.doctor.published import PairedRow, load_data, pair_rows, read_published
from rewardbench.doctor.reproduce import ReproduceSettings, reproduce
from rewardbench.errors import InputError
from rewardbench.settings import ModelSpec, Settings
from rewardbench.suites import load_suite
from rewardbench.types import Item

TEMPLATES = ["tokenizer", "raw", "zephyr", "tulu"]
"""The templates that most tests try; one slow test tries all."""


def data_rows(count, longest=60):
    rows = []
    for item in pairs(count, longest):
        prompt, chosen, rejected = (messages[0]["content"] for messages in (item.prompt, *item.completions))
        rows.append({"id": item.id, "prompt": prompt, "chosen": chosen, "rejected": rejected, "subset": "all"})
    return rows


COUNT = 16
ROWS, LONG_ROWS = data_rows(COUNT), data_rows(10, 400)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write the data; return a function that gives the path of its short or long rows."""
    folder = tmp_path_factory.mktemp("data")
    for name, rows in (("short", ROWS), ("long", LONG_ROWS)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return lambda name: str(folder / f"{name}.jsonl")


@pytest.fixture
def few_templates(monkeypatch):
    monkeypatch.setattr(candidates, "template_names", lambda: TEMPLATES)


@pytest.fixture
def rerun(data, few_templates):
    """Compare a published file with a fresh run of a model."""

    def compare(path, model, dataset="short", **options):
        limits = {name: options.pop(name) for name in ("max_items", "tolerance") if name in options}
        spec = ModelSpec(str(model), device="cpu", **options)
        settings = Settings(spec, dataset=data(dataset) if dataset in ("short", "long") else dataset)
        return reproduce(ReproduceSettings(settings, str(path), **limits))

    return compare


def causes(report):
    return [(setting.aspect, setting.text) for setting in report.cause.settings]


def test_an_honest_result_is_reproduced(rerun, model_folder, tmp_path):
    path = OtherProgram(model_folder("llama")).publish(tmp_path / "honest.json", ROWS)
    report = rerun(path, model_folder("llama"))
    assert (report.exit_code, report.trials, report.differing) == (0, (), ())
    assert report.verdict.startswith("The published scores are reproduced: max |Δ| ")
    assert (report.agreement.items, report.agreement.equal_decisions) == (COUNT, COUNT)
    assert report.agreement.slope == pytest.approx(1, abs=1e-4)
    assert report.agreement.pearson > 0.99999


@pytest.mark.parametrize(
    ("program", "aspect", "text", "option"),
    [
        ({"template": "tulu"}, "chat template", "the chat template tulu", "--chat_template tulu"),
        ({"bos": 2}, "BOS", "two BOS tokens", ""),
        pytest.param(*({"bos": 0}, "BOS", "no BOS token", ""), marks=pytest.mark.slow),
        ({"eos": 0}, "end of text", "no EOS token at the end", ""),
        ({"shift": 2}, "position", "the score read at the second token before the last", ""),
        ({"dtype": torch.bfloat16}, "dtype", "the dtype bfloat16", "--torch_dtype bfloat16"),
        pytest.param(
            *({"dtype": torch.float16}, "dtype", "the dtype float16", "--torch_dtype float16"), marks=pytest.mark.slow
        ),
        pytest.param(
            *({"batch": 8}, "padding", "batches of 8 padded on the left without an attention mask", ""),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_planted_cause_is_named(rerun, model_folder, tmp_path, program, aspect, text, option):
    path = OtherProgram(model_folder("llama"), **program).publish(tmp_path / "other.json", ROWS)
    report = rerun(path, model_folder("llama"))
    assert (report.exit_code, causes(report)) == (1, [(aspect, text)])
    assert report.cause.agreement.max_abs_diff <= report.tolerance
    assert f"with {text}, not with the settings of this run" in report.verdict
    assert report.key_values()["options"] == option
    assert f"pass {option}." in report.verdict if option else "has no option for" in report.verdict


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ({"max_length": 512}, "truncation to 512 tokens on the right"),
        pytest.param(
            *({"max_length": 512, "side": "left"}, "truncation to the last 512 tokens, without BOS"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_truncation_is_named(rerun, model_folder, tmp_path, program, text):
    path = OtherProgram(model_folder("llama"), **program).publish(tmp_path / "other.json", LONG_ROWS)
    report = rerun(path, model_folder("llama"), "long")
    assert causes(report) == [("truncation", text)]
    assert 0 < len(report.differing) < len(LONG_ROWS)
    assert report.cause.agreement.complete


@pytest.mark.parametrize(
    ("convert", "conversion"),
    [
        (lambda score: -score, "the sign reversed"),
        (lambda score: torch.tensor(score).sigmoid().item(), "a sigmoid of the score"),
        (lambda score: 0.5 * score + 1, "the score times 0.5 plus 1"),
    ],
)
def test_a_conversion_of_scores_is_named(rerun, model_folder, tmp_path, convert, conversion):
    path = OtherProgram(model_folder("llama"), convert=convert).publish(tmp_path / "other.json", ROWS)
    report = rerun(path, model_folder("llama"))
    assert (report.cause.settings, report.cause.conversion) == ((), conversion)
    assert len(report.trials) == 1


@pytest.mark.slow
def test_two_causes_are_named_together(rerun, model_folder, tmp_path):
    path = OtherProgram(model_folder("llama"), template="tulu", bos=2).publish(tmp_path / "other.json", ROWS)
    report = rerun(path, model_folder("llama"))
    assert causes(report) == [("chat template", "the chat template tulu"), ("BOS", "two BOS tokens")]
    assert report.verdict.endswith("pass --chat_template tulu; for two BOS tokens, rewardbench has no option.")


@pytest.mark.slow
def test_a_template_in_the_dtype_of_the_scores_is_named(rerun, model_folder, tmp_path):
    program = OtherProgram(model_folder("llama"), template="tulu", dtype=torch.bfloat16)
    report = rerun(program.publish(tmp_path / "other.json", ROWS), model_folder("llama"))
    assert report.published_dtype == "bfloat16"
    assert causes(report) == [("dtype", "the dtype bfloat16"), ("chat template", "the chat template tulu")]
    assert report.cause.agreement.max_abs_diff == 0


def moved(score):
    """Return another bfloat16 number near a score."""
    return float(torch.tensor(1.004 * score + 0.002).bfloat16())


def test_half_precision_that_no_setting_equals_is_reproduced_within_rounding(rerun, model_folder, tmp_path):
    program = OtherProgram(model_folder("llama"), dtype=torch.bfloat16, convert=moved)
    report = rerun(program.publish(tmp_path / "other.json", ROWS), model_folder("llama"))
    assert report.exit_code == 0
    assert report.verdict.startswith("The published scores are reproduced within the rounding of bfloat16: ")


def test_an_unknown_cause_is_called_so_with_what_was_tried(rerun, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("rewardbench.doctor.search.MOST_PAIRS", 5)
    program = OtherProgram(model_folder("llama"), convert=lambda score: score + 0.3 * (7 * score % 1))
    report = rerun(program.publish(tmp_path / "other.json", ROWS), model_folder("llama"), max_items=8)
    assert (report.exit_code, report.cause) == (1, None)
    assert "no cause was found. Tried " in report.verdict
    for aspect in ("chat template", "BOS", "position", "dtype", "padding", "system message"):
        assert aspect in report.verdict
    assert report.key_values()["tried"] > 20


@pytest.mark.slow
def test_a_default_system_message_is_named(rerun, model_folder, tmp_path):
    default = "{% if messages[0].role != 'system' %}<|system|>You are kind.<|eos|>{% endif %}"
    tokenizer = make_tokenizer("{{ bos_token }}" + default + TEMPLATE.removeprefix("{{ bos_token }}"))
    folder = model_folder("llama", seed=78, tokenizer=tokenizer)
    empty = [{"role": "system", "content": ""}]
    path = OtherProgram(folder).publish(tmp_path / "other.json", [{**row, "system": empty} for row in ROWS])
    assert causes(rerun(path, folder)) == [("system message", "an empty system message")]


@pytest.mark.slow
def test_the_same_input_is_named_too(rerun, model_folder, tmp_path):
    path = OtherProgram(model_folder("llama"), eos=0).publish(tmp_path / "other.json", ROWS)
    verdict = rerun(path, model_folder("llama")).verdict
    assert "the score read at the token before the last" in verdict
    assert verdict.endswith("would be the same.")


def test_texts_that_no_template_renders_are_named(rerun, model_folder, tmp_path):
    folder = model_folder("llama")
    unknown = TEMPLATE.replace("<|{{ m.role }}|>", "### {{ m.role }}: ")
    other = OtherProgram(folder)
    other.tokenizer.chat_template = unknown
    report = rerun(other.publish(tmp_path / "other.json", ROWS, with_texts=True), folder)
    assert causes(report) == [("text", "the texts of the published file")]
    (note,) = (note for note in report.notes if note.startswith("The published text"))
    assert "'<|bos|>### user: " in note
    assert "'<|bos|><|user|>" in note


def test_our_own_result_is_reproduced_and_another_dtype_named(rerun, model_folder, tmp_path, data):
    folder = model_folder("llama")
    path = evaluate(folder, data("short"), device="cpu", chat_template="tulu").save(tmp_path / "results")
    assert rerun(path, folder, chat_template="tulu").exit_code == 0
    report = rerun(path, folder)
    assert causes(report) == [("chat template", "the chat template tulu")]
    assert sum(trial.agreement is not None for trial in report.trials) == 2  # the stated template is tried first


def test_a_policy_is_compared_too(rerun, model_folder, tmp_path, data):
    policy, reference = (model_folder("llama", "causal", seed=seed) for seed in (1, 2))
    path = evaluate(policy, data("short"), ref_model=str(reference), device="cpu", beta=0.5).save(tmp_path / "dpo")
    assert rerun(path, policy, ref_model=str(reference), beta=0.5).exit_code == 0
    report = rerun(path, policy, ref_model=str(reference))
    assert report.cause.conversion.startswith("the score times 0.5 plus ")


@pytest.mark.slow
def test_the_prompt_counted_by_a_policy_is_named(rerun, model_folder, tmp_path):
    """The other program sums the log-probabilities of the prompt and the completion."""
    from transformers import AutoModelForCausalLM

    folder = model_folder("llama", "causal", seed=1)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    program = OtherProgram.__new__(OtherProgram)
    program.tokenizer, program.template, program.batch = make_tokenizer(), None, None
    program.bos = program.eos = program.max_length = None

    def score_ids(texts_ids):
        (ids,) = texts_ids
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        return [sum(float(logits[at - 1, ids[at]]) for at in range(1, len(ids)))]

    program.score_ids = score_ids
    report = rerun(program.publish(tmp_path / "other.json", ROWS[:8]), folder, ref_free_type="sum")
    assert causes(report) == [("span", "the log-probabilities of the prompt included")]


@pytest.mark.slow
def test_the_template_is_found_among_all(data, model_folder, tmp_path):
    for template in ("zephyr", "openchat_3.5"):
        path = OtherProgram(model_folder("llama"), template=template).publish(tmp_path / "other.json", ROWS)
        settings = Settings(ModelSpec(str(model_folder("llama")), device="cpu"), dataset=data("short"))
        report = reproduce(ReproduceSettings(settings, str(path)))
        assert causes(report) == [("chat template", f"the chat template {template}")]


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "heads").is_dir(), reason="needs the golden checkpoints")
@pytest.mark.parametrize(
    ("family", "variant", "cause"),
    [
        ("skywork_llama", "two_bos", "two BOS tokens"),
        ("athene", "two_bos", "two BOS tokens"),
        ("worldpm", "default_system_text", "the rendered text as it is, without the input rules of the head spec"),
        ("beaver_cost", "cost_itself", "the sign reversed"),
    ],
)
def test_scores_of_the_original_code_are_explained(rerun, tmp_path, family, variant, cause):
    """The other program is the code of the model's authors, fed as its card or rewardbench 0.1 feeds it."""
    folder = SHARED / "heads" / family
    ids = [json.loads(line)["id"] for line in (folder / "inputs.jsonl").read_text().splitlines()]
    expected = json.loads((folder / "expected.json").read_text())
    for name, scores in (("own", expected["scores"]), (variant, expected["variants"][variant]["scores"])):
        rows = [json.dumps({"id": id_, "score": score}) for id_, score in zip(ids, scores, strict=True)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    assert rerun(tmp_path / "own.jsonl", folder, str(folder / "inputs.jsonl")).exit_code == 0
    report = rerun(tmp_path / f"{variant}.jsonl", folder, str(folder / "inputs.jsonl"))
    assert report.cause.describe() == cause


# Pairing and reading


def columns_of_version_2(rows, **changes):
    """Return the columns of RewardBench 2's results repository: texts and scores of all completions of an item."""
    columns = {
        "text": [[f"<u>{row['prompt']}<a>{row[side]}" for side in ("chosen", "rejected")] for row in rows],
        "results": [1.0] * len(rows),
        "subset": ["Factuality"] * len(rows),
        "id": [row["id"] for row in rows],
        "scores": [[[float(number)], [0.5]] for number, _ in enumerate(rows)],
        "num_correct": [1] * len(rows),
        "model": "org/model",
        "chat_template": "tokenizer",
    }
    return columns | changes


def test_wrong_ids_of_version_2_are_corrected_by_texts(tmp_path, data):
    """RewardBench 2's files call the first ten items 30 to 39, as the items that have these ids."""
    path = tmp_path / "v2.json"
    ids = [f"{number + 10 if number < 5 else number}" for number in range(COUNT)]
    path.write_text(json.dumps(columns_of_version_2(ROWS, id=ids)))
    pairing = pair_rows(read_published(str(path), "m"), load_suite(data("short")))
    assert [row.item.id for row in pairing.rows] == [row["id"] for row in ROWS]
    assert [row.scores for row in pairing.rows] == [(float(number), 0.5) for number in range(COUNT)]
    assert (pairing.by_id, pairing.by_text, pairing.unpaired) == (6, 10, 0)
    assert "10 rows were paired by their texts" in pairing.notes()[0]


def test_rows_without_ids_and_texts_are_paired_by_position(tmp_path, data):
    path = tmp_path / "plain.jsonl"
    path.write_text("".join(json.dumps({"scores": [n, 0.5]}) + "\n" for n in range(COUNT)))
    pairing = pair_rows(read_published(str(path), "m"), load_suite(data("short")))
    assert (pairing.by_position, [row.item.id for row in pairing.rows]) == (COUNT, [row["id"] for row in ROWS])
    path.write_text('{"scores": [1, 0.5]}\n')
    with pytest.raises(InputError, match="belongs to an item of short"):
        pair_rows(read_published(str(path), "m"), load_suite(data("short")))


def test_rows_of_the_score_command_are_read(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text('{"id": "a", "score": 1.25, "reason": null}\n{"id": "b", "score": null, "reason": "empty"}\n')
    with pytest.raises(InputError, match="row 2"):
        read_published(str(path), "m")
    path.write_text('{"id": "a", "score": 1.25, "reason": null}\n')
    assert read_published(str(path), "m").items[0].scores == (1.25,)


def test_the_texts_of_the_file_are_the_data_if_there_is_no_other(rerun, model_folder, tmp_path):
    path = OtherProgram(model_folder("llama")).publish(tmp_path / "other.json", ROWS, with_texts=True)
    report = rerun(path, model_folder("llama"), "")
    assert report.exit_code == 0
    path = OtherProgram(model_folder("llama")).publish(tmp_path / "bare.json", ROWS)
    with pytest.raises(InputError, match="names no suite and has no texts: pass --dataset"):
        rerun(path, model_folder("llama"), "")
    published = read_published(str(path), "m")
    assert load_data(published, "core").name == "core"


def test_decisions_without_scores_are_rejected(rerun, model_folder, tmp_path):
    path = tmp_path / "judge.json"
    path.write_text(json.dumps({"id": [row["id"] for row in ROWS], "results": [1] * COUNT}))
    with pytest.raises(InputError, match="has decisions but no scores"):
        rerun(path, model_folder("llama"))


def test_a_file_on_the_hub_is_read(hub, rerun, model_folder, tmp_path):
    from huggingface_hub import HfApi

    path = OtherProgram(model_folder("llama")).publish(tmp_path / "honest.json", ROWS)
    HfApi().upload_file(
        path_or_fileobj=path, path_in_repo="eval-set-scores/org/m.json", repo_id="org/results", repo_type="dataset"
    )
    assert len(read_published("hf://datasets/org/results", "org/m").items) == COUNT
    report = rerun("hf://datasets/org/results/eval-set-scores/org/m.json", model_folder("llama"))
    assert report.exit_code == 0
    with pytest.raises(InputError, match=r"has no file eval-set-scores/other\.json"):
        read_published("hf://datasets/org/results", "other")


# Command


def test_the_command_prints_and_writes_the_differences(capsys, few_templates, model_folder, tmp_path, data):
    path = OtherProgram(model_folder("llama"), template="tulu").publish(tmp_path / "other.json", ROWS)
    output = tmp_path / "differing.jsonl"
    options = ("--model", model_folder("llama"), "--dataset", data("short"), "--device", "cpu", "--output", output)
    code, out, _ = run(capsys, "reproduce", path, *options)
    assert code == 1
    values = dict(re.findall(r"^(\w+)=(.*)$", out, re.M))
    assert (values["cause"], values["options"]) == ("the chat template tulu", "--chat_template tulu")
    assert (values["reproduced"], values["items"]) == ("no", str(COUNT))
    assert "pass --chat_template tulu." in out.splitlines()[0]
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == int(values["differing"])
    assert [row["max_abs_diff"] for row in rows] == sorted((row["max_abs_diff"] for row in rows), reverse=True)
    code, out, _ = run(capsys, "reproduce", path, *options[:6], "--json", "--chat_template", "tulu")
    report = json.loads(out)
    assert (code, report["reproduced"], report["exit_code"], report["paired"]["id"]) == (0, "yes", 0, COUNT)


def test_bad_input_is_one_line(capsys, tmp_path, data):
    missing = ("reproduce", tmp_path / "none.json", "--model", "tiny-rm")
    assert run(capsys, *missing)[0] == 2
    code, out, err = run(capsys, *missing, "--output", "x.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "must end with .jsonl" in err


def test_a_scorer_of_texts_has_no_settings(rerun, tmp_path, data):
    path = evaluate("baseline/longest", data("short")).save(tmp_path / "longest")
    report = rerun(path, "baseline/shortest")
    assert (report.exit_code, report.trials) == (1, ())
    assert "has no settings to try" in report.verdict


# Parts


def test_edits_of_token_ids():
    assert set_bos(TokenSpan([7], 1), 1, 2) == ([1, 1, 7], 3)
    assert set_bos(TokenSpan([1, 1, 7], 2), 1, 0) == ([7], 0)
    assert set_end(TokenSpan([7, 2, 2]), [2], 2).ids == [7, 2]
    assert cut_left(TokenSpan([7, 8], 1), 4) == ([7, 8], 1)


def test_settings_of_one_aspect_exclude_each_other():
    text, template, bos = (candidates.Candidate(aspect, "") for aspect in ("text", "chat template", "BOS"))
    assert are_compatible((template, bos))
    assert not are_compatible((template, template))
    assert not are_compatible((text, template))


def paired(*scores, num_correct=1):
    item = Item("a", "s", (), ((),) * len(scores), num_correct)
    return PairedRow(item, scores)


def test_figures_of_agreement():
    rows = [paired(1.0, 0.0), paired(2.0, 3.0), paired(0.0, -1.0)]
    agreement = measure_agreement(rows, [(3.0, 1.0), (5.0, 7.0), (-1.0, 1.0)], tolerance=1.0)
    assert isinstance(agreement, ScoreAgreement)
    assert (agreement.items, agreement.decisions, agreement.equal_decisions) == (3, 3, 2)
    assert (agreement.max_abs_diff, agreement.median_abs_diff, agreement.within) == (4.0, 2.0, 0)
    exact = measure_agreement(rows, [(3.0, 1.0), (5.0, 7.0), (1.0, -1.0)], tolerance=1.0)
    assert (exact.slope, exact.offset, exact.pearson) == pytest.approx((0.5, -0.5, 1.0))


@pytest.mark.parametrize(
    ("scores", "dtype"),
    [
        ((0.1, 0.2), "float32"),
        ((0.10009765625, 1.5), "bfloat16"),
        ((0.0999755859375, 2.0), "float16"),
        ((1.0, 2.0), "float32"),
    ],
)
def test_the_dtype_of_published_scores(scores, dtype):
    assert stored_dtype([paired(*scores)] * 4) == dtype
    assert stored_dtype([paired(*scores)]) == "float32"
