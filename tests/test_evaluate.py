"""evaluate(): data and models in memory, options of any type, and what a result shows."""

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields
from math import nan
from pathlib import Path
from typing import get_type_hints

import pytest
import typer

import rewardbench
from rewardbench import InputError, evaluate
from rewardbench.cli.evaluate import NO_EFFECT
from rewardbench.cli.main import app, main
from rewardbench.scorers.base import BaseScorer
from rewardbench.settings import Endpoint, EvaluateOptions, JudgeSpec, ModelSpec, ServerSpec, Settings
from rewardbench.types import TextRequest

LONGEST = "baseline/longest"
ROWS = [
    {"id": "a", "prompt": "Name a city.", "chosen": "Lima, by the river.", "rejected": "No."},
    {"id": "b", "prompt": "Name two.", "chosen": "Oslo.", "rejected": "Oslo and Lima, which lie far apart."},
]


def scores(result):
    return [item.scores for item in result.items]


def forms():
    """Return the same rows as each type of dataset in Python."""
    import datasets
    import pandas
    import pyarrow

    dataset = datasets.Dataset.from_list(ROWS)
    return {
        "list": ROWS,
        "tuple": tuple(ROWS),
        "generator": (row for row in ROWS),
        "DataFrame": pandas.DataFrame(ROWS),
        "Table": pyarrow.Table.from_pylist(ROWS),
        "Dataset": dataset,
        "IterableDataset": dataset.to_iterable_dataset(),
        "DatasetDict": datasets.DatasetDict(train=dataset.select([0]), test=dataset),
    }


def test_data_in_memory_scores_as_the_same_data_in_a_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    in_file = evaluate(LONGEST, path)
    assert scores(in_file) == [(19, 3), (5, 35)]
    for name, data in forms().items():
        result = evaluate(LONGEST, data)
        assert (scores(result), result.revision) == (scores(in_file), in_file.revision), name
        assert (result.suite, result.manifest["command"]) == ("memory", "")


def test_options_of_the_data_apply_in_memory():
    import pandas

    assert scores(evaluate(LONGEST, ROWS, limit=1)) == [(19, 3)]
    assert scores(evaluate(LONGEST, forms()["DatasetDict"], split="train")) == [(19, 3)]
    many = [{**row, "subset": row["id"]} for row in ROWS]
    assert scores(evaluate(LONGEST, many, subset="b")) == [(5, 35)]
    missing = evaluate(LONGEST, pandas.DataFrame([*ROWS, {"prompt": "Q", "chosen": nan, "rejected": "x"}]))
    assert missing.items[2].reason == "chosen is missing"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "A dataset of type int cannot be read: pass a path, a name, a list of dicts"),
        (None, "A dataset of type NoneType"),
        ({"prompt": ["a"]}, "A dataset of type dict"),
        (b"core", "A dataset of type bytes"),
        ([], "the data in memory is empty"),
        ([1], "Row 1 of the data in memory is of type int, not a dict"),
        ([{"a": 1}], "the data in memory has the columns a; it needs chosen"),
        (Path("nowhere.jsonl"), "nowhere.jsonl"),
        ("~nobody-of-this-name/x.jsonl", "No home folder is known for ~nobody-of-this-name"),
    ],
)
def test_data_that_cannot_be_read_is_a_one_line_error(data, words):
    with pytest.raises(InputError, match=words):
        evaluate(LONGEST, data)


def test_a_function_of_two_texts_is_scored():
    calls = []

    def shorter(prompt, completion):
        calls.append((prompt, completion))
        return -len(completion)

    result = evaluate(shorter, ROWS)
    assert (result.model, result.model_type, scores(result)) == ("shorter", "Function", [(-19, -3), (-5, -35)])
    assert ("Name a city.", "Lima, by the river.") in calls


class Constant(BaseScorer):
    """A scorer of the base class for plug-ins."""

    name = "constant"
    fingerprint = {"kind": "constant"}  # noqa: RUF012

    def prepare(self, prompt, completion, rendered):
        return TextRequest(completion[-1]["content"], (completion[-1]["content"],))

    def run(self, requests):
        return [0.0] * len(requests)


def test_a_scorer_in_memory_is_scored_and_a_note_says_that_all_items_tie():
    result = evaluate(Constant(), ROWS)
    assert (result.model, result.accuracy.value, result.accuracy.ties) == ("constant", 0, 2)
    (note,) = result.manifest["notes"]
    assert note.startswith("All 2 scored items tie: the completions of each have the same score, so no preference is")
    assert evaluate(lambda prompt, completion: completion == "Oslo.", ROWS).manifest["notes"] == []


def test_a_loaded_classifier_scores_as_its_folder_does(model_folder, monkeypatch):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    monkeypatch.setattr("rewardbench.models.linear.is_onednn_faster", lambda: False)  # never for a model in memory
    folder = model_folder()
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.train()
    result = evaluate((model, tokenizer), ROWS, max_length=64)
    assert scores(result) == scores(evaluate(folder, ROWS, max_length=64, device="cpu"))
    assert (result.model, model.training) == (str(folder), True)
    before = result.manifest["fingerprint_sha256"]
    model.score.weight.data += 1
    assert evaluate((model, tokenizer), ROWS, max_length=64).manifest["fingerprint_sha256"] != before
    with pytest.raises(InputError, match="has no tokenizer with it: pass \\(model, tokenizer\\)"):
        evaluate(model, ROWS)
    with pytest.raises(InputError, match="dtype does not apply to a model in memory"):
        evaluate((model, tokenizer), ROWS, dtype="float64")


def fails(prompt, completion):
    raise KeyError("x")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (3, "A model of type int cannot be scored: pass a name, a folder"),
        (None, "A model of type NoneType"),
        ((1, 2), "A model of type tuple"),
        (fails, "The function fails fails on the prompt 'Name a city.' \\(KeyError"),
        (lambda prompt: 1, "it must take a prompt and a completion, both text, and return a number"),
        (lambda prompt, completion: "much", "and return a number"),
        ("http://localhost:8000/v1", "is a URL. For a model behind a server, pass it as --base_url"),
    ],
)
def test_a_model_that_cannot_be_scored_is_a_one_line_error(model, words):
    with pytest.raises(InputError, match=words):
        evaluate(model, ROWS)


COUNTS = ["limit", "batch_size", "batch_tokens", "num_processes", "max_length", "fresh"]
OPTIONS = [(name, value, "a whole number or None") for name in COUNTS for value in ("5", 1.5, True, [1], ROWS)]
OPTIONS += [("seed", "1", "a whole number"), ("beta", "x", "a number"), ("beta", None, "a number")]
OPTIONS += [
    (name, 1, "True or False") for name in ("cache", "compile", "trust_remote_code", "allow_pickle", "scores_only")
]
OPTIONS += [
    (name, 7, "text or None") for name in ("split", "subset", "revision", "ref_model", "tokenizer", "device", "label")
]


@pytest.mark.parametrize(("name", "value", "expected"), OPTIONS)
def test_an_option_of_another_type_is_a_one_line_error(name, value, expected):
    with pytest.raises(InputError, match=rf"{name} is .*: it must be {expected}\."):
        evaluate(LONGEST, ROWS, **{name: value})


def test_options_accept_numpy_numbers_and_torch_dtypes():
    import numpy
    import torch

    assert scores(evaluate(LONGEST, ROWS, limit=numpy.int64(1), torch_dtype=torch.float32, beta=1)) == [(19, 3)]
    words = r"no option 'max_lenght': did you mean max_length\? It takes adapter, allow_pickle, attn_impl.*, beta,"
    with pytest.raises(InputError, match=words):
        evaluate(LONGEST, ROWS, max_lenght=3)


@pytest.mark.parametrize(
    ("short", "name"), [("bf16", "bfloat16"), ("fp16", "float16"), ("fp32", "float32"), ("torch.float64", "float64")]
)
def test_short_names_of_dtypes_are_read_as_the_long_ones(short, name):
    assert ModelSpec("m", dtype=short) == ModelSpec("m", dtype=name)


def test_the_public_names_are_listed_before_they_are_imported():
    program = "import rewardbench, sys; print(dir(rewardbench)); print('torch' in sys.modules, rewardbench.__version__)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60).stdout
    names, line = output.splitlines()
    assert {"evaluate", "InputError", "Result", "RewardBenchCallback", "__version__"} <= set(eval(names))
    assert line.startswith("False 1.")
    assert rewardbench.__version__ == line.split()[1]


def option_fields(*classes):
    """Return the default of each option by its name: of all fields but the model and the dataset."""
    defaults = {field.name: field.default for kind in classes for field in fields(kind)}
    return {name: default for name, default in defaults.items() if name not in ("model", "dataset")}


def test_the_signature_of_evaluate_is_that_of_the_settings():
    parameters = inspect.signature(evaluate).parameters
    assert list(parameters)[:2] == ["model", "dataset"]
    options = {name: option for name, option in parameters.items() if name not in ("model", "dataset")}
    assert {option.kind for option in options.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {name: option.default for name, option in options.items()} == option_fields(ModelSpec, Settings)
    hints, wanted = get_type_hints(evaluate), get_type_hints(ModelSpec) | get_type_hints(Settings)
    assert {name: hints[name] for name in options} == {name: wanted[name] for name in options}
    assert get_type_hints(EvaluateOptions) == {name: wanted[name] for name in options}
    arguments = evaluate.__doc__.partition("Args:")[2].partition("Returns:")[0]
    documented = re.findall(r"^        (\w+): ", arguments, re.MULTILINE)
    assert documented == list(parameters)


def test_the_flags_of_the_command_are_the_options_of_evaluate():
    flags = {option.name for option in typer.main.get_command(app).params if option.name}
    renamed = {"torch_dtype": "dtype", "prioritize_scoring": "scores_only", "no_cache": "cache"}
    only_on_the_command_line = {
        *("help", "debug", "output_dir", "as_json", "version", "hf_entity", "hf_name"),
        *("push_results_to_hub", "upload_model_metadata_to_hf", *NO_EFFECT),
        *("judge_config", "data_protocol", "config", "name", "report_to"),
        *("ensemble", "penalty", "standardize"),  # in Python: rewardbench.ensemble
    }
    remote = {field.name for group in (JudgeSpec, Endpoint, ServerSpec) for field in fields(group)} - {"endpoint"}
    assert remote - flags == set()
    named = {renamed.get(name, name) for name in flags - only_on_the_command_line - (remote - {"protocol"})}
    assert named | {"server"} == set(inspect.signature(evaluate).parameters)


USES = """
from rewardbench import evaluate, score
evaluate("tiny-rm", max_length=3, pairs="all").to_pandas()
evaluate(lambda prompt, completion: 1.0, [{"prompt": "a", "chosen": "b", "rejected": "c"}])
evaluate("tiny-rm", max_lenght=3)
evaluate("tiny-rm", max_length="3")
number: float = score("tiny-rm", "a", "b", dtype="float32")
numbers: list[float] = score("tiny-rm", messages=[[{"role": "assistant", "content": "a"}]])
score("tiny-rm", "a", "b", max_lenght=3)
wrong: float = score("tiny-rm", "a", ["b"])
"""


def check_types(program, folder):
    """Run mypy on a program; return its errors by line."""
    path = folder / "uses.py"
    path.write_text(program)
    root = Path(rewardbench.__file__).parents[1]
    run = subprocess.run([sys.executable, "-m", "mypy", path], cwd=root, capture_output=True, text=True)
    return {int(line.split(":")[1]): line for line in run.stdout.splitlines() if "uses.py:" in line and "error" in line}


@pytest.mark.slow
def test_mypy_checks_names_and_types_of_options(tmp_path):
    errors = check_types(USES, tmp_path)
    assert set(errors) == {5, 6, 9, 10}, errors
    assert '"max_lenght" for "evaluate"; did you mean "max_length"' in errors[5]
    assert '"max_length" to "evaluate" has incompatible type "str"' in errors[6]


ODD = {"id": "c", "subset": "<script>", "prompt": "Q", "chosen": "", "rejected": "x"}


def test_to_pandas_has_a_row_per_item():
    frame = evaluate(LONGEST, [*ROWS, ODD]).to_pandas()
    assert list(frame.id) == ["a", "b", "c"]
    assert list(frame.scores[:2]) == [[19, 3], [5, 35]]
    assert (list(frame.margin[:2]), list(frame.credit)) == ([16, -30], [1, 0, 0])
    assert frame.completions[0][1] == [{"role": "assistant", "content": "No."}]
    assert frame.prompt[1] == [{"role": "user", "content": "Name two."}]
    assert list(frame.reason.fillna("none")) == ["none", "none", "chosen is empty"]
    assert list(frame.section) == ["all", "all", "<script>"]


def test_a_result_has_a_short_repr_and_escaped_html():
    result = evaluate(LONGEST, [*ROWS, ODD])
    assert re.fullmatch(r"Evaluation\('baseline/longest' on memory@sha256:\w+: score .*, 3 items\)", repr(result))
    html = result._repr_html_()
    assert "<td>&lt;script&gt;</td><td>1</td>" in html
    assert "<script>" not in html
    assert "<td>all</td><td>2</td><td>50.0</td>" in html


def test_a_saved_result_has_the_bytes_that_the_command_writes(tmp_path, monkeypatch):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["--model", LONGEST, "--dataset", str(data), "--output_dir", "a", "--no_cache"])
    path = evaluate(LONGEST, data).save("b")
    assert path == "b/baseline/longest.json"
    rows = "baseline/longest_outputs.jsonl"
    assert Path("a", rows).read_bytes() == Path("b", rows).read_bytes()
    assert Path(path).read_bytes() == Path("a/baseline/longest.json").read_bytes()


def test_compare_takes_results_in_memory_and_paths(tmp_path):
    first = evaluate(LONGEST, ROWS)
    second = evaluate("baseline/shortest", ROWS)
    comparison = rewardbench.compare(first, second)
    assert (comparison.first, comparison.second, comparison.items) == (LONGEST, "baseline/shortest", 2)
    assert (comparison.score.difference, len(comparison.flips)) == (0, 2)
    paths = first.save(tmp_path / "first"), second.save(tmp_path / "second")
    assert rewardbench.compare(*paths).score == comparison.score
    assert rewardbench.compare(first, Path(paths[1])).flips[0].better == comparison.flips[0].better
    assert rewardbench.read_result(paths[0]).score == first.score
    assert rewardbench.open_store(tmp_path / "first").list() == [LONGEST]
    assert rewardbench.load_suite("core").name == "core"
