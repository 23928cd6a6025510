"""The command line: options, printed values and files, and the same result from evaluate()."""

import json
import math
import os
import shlex
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from repository import ROOT, SHARED

from rewardbench import InputError, evaluate
from rewardbench.cli.arguments import drop_flag_values
from rewardbench.cli.evaluate import DEFAULT_DATASET_NOTE, NO_EFFECT
from rewardbench.cli.main import main

LONGEST = ["--model", "baseline/longest"]
PAIRS = [
    {"id": "a", "prompt": "Name a city.", "chosen": "Lima, by the river.", "rejected": "No."},
    {"id": "b", "prompt": "Name two.", "chosen": "Oslo.", "rejected": "Oslo and Lima, which lie far apart."},
    {"id": "c", "prompt": "Is it far?", "chosen": "It is.", "rejected": "It's so"},
]
"""baseline/longest gets one of them right and two wrong."""


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make a working folder with three pairs, in a file and as both splits of a folder."""
    import datasets

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()  # the command asks for it before it imports datasets
    write(tmp_path / "pairs.jsonl", PAIRS)
    write(tmp_path / "folder" / "train.jsonl", PAIRS[:1])
    write(tmp_path / "folder" / "test.jsonl", PAIRS)
    return tmp_path


@pytest.fixture
def command(here, capfd):
    """Run the command in this process: its exit code, its stdout, and the lines on its stderr."""

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        out, err = capfd.readouterr()
        return stop.value.code, out, err.splitlines()

    return run


def summary_of(model, folder="results"):
    return json.loads(Path(folder, f"{model}.json").read_text())


def rows_of(model, folder="results"):
    return [json.loads(line) for line in Path(folder, f"{model}_outputs.jsonl").read_text().splitlines()]


def figures(out):
    """The key=value lines."""
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


# light, and by every name


def python(*arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.alone
def test_help_answers_in_under_0_7_seconds():
    """The best of some tries, since other work may slow this machine down."""
    seconds = []
    while len(seconds) < 8 and (not seconds or min(seconds) >= 0.7):
        began = time.monotonic()
        ran = python("-m", "rewardbench", "--help")
        seconds.append(time.monotonic() - began)
        assert ran.returncode == 0
        assert all(f"--{name}" in ran.stdout for name in ("model", "dataset", "ref_model", "output_dir"))
    assert min(seconds) < 0.7


@pytest.mark.parametrize("code", ["import rewardbench", "from rewardbench.cli.main import main; main(['-h'])"])
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    tell = "import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules, file=sys.stderr)); "
    loaded = python("-c", tell + code).stderr.split()
    assert {"loaded", "rewardbench"} <= set(loaded)
    assert not {"torch", "transformers", "datasets", "pandas", "pyarrow", "scipy", "numpy"} & set(loaded)


def test_the_module_runs_too():
    ran = python("-m", "rewardbench", "--version")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("rewardbench 1.")


@pytest.mark.parametrize(
    ("words", "expected"),
    [("rewardbench eval", ["evaluate-and-gate"]), ("rewardbench --output_d", ["--output_dir"])],
)
def test_bash_completes_commands_and_options(words, expected):
    program = str(Path(sys.executable).with_name("rewardbench"))
    variables = {**os.environ, "_REWARDBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "1"}
    ran = subprocess.run([program], env=variables, capture_output=True, text=True, timeout=60)
    assert (ran.stdout.split(), ran.stderr) == (expected, "")
    script = subprocess.run(
        [program], env={**variables, "_REWARDBENCH_COMPLETE": "source_bash"}, capture_output=True, text=True, timeout=60
    )
    assert "complete -o default -F _rewardbench_completion rewardbench" in script.stdout


def test_the_help_names_the_environment_variables(command):
    shown = command("--help")[1]
    assert all(name in shown for name in ("REWARDBENCH_CACHE", "OMP_NUM_THREADS", "HF_HUB_OFFLINE"))


# the flags of earlier versions

NO_EFFECT_LINE = "one line"
FLAGS = {
    # flag: its values, and a predicate of the summary (or NO_EFFECT_LINE, if the flag has no effect)
    "--model": (["baseline/shortest"], lambda it: it["model"] == "baseline/shortest"),
    "--dataset": (["folder"], lambda it: it["suite"] == "folder"),
    "--split": (["train"], lambda it: it["num_prompts"] == 1 and it["revision"].endswith("+split=train")),
    "--revision": (["main"], lambda it: it["manifest"]["model"]["revision"] == "main"),
    "--ref_model": (["POLICY"], lambda it: it["model_type"] == "DPO"),
    "--tokenizer": (["POLICY"], lambda it: it["tokenizer"].startswith("/")),
    "--chat_template": (["raw"], lambda it: it["manifest"]["fingerprint"]["chat_template"] == "raw"),
    "--batch_size": (["1"], lambda it: it["manifest"]["run"]["batch_size"] == 1),
    "--max_length": (["12"], lambda it: it["manifest"]["fingerprint"]["max_length"] == 12),
    "--torch_dtype": (["float64"], lambda it: it["manifest"]["fingerprint"]["dtype"] == "float64"),
    "--attn_implementation": (
        ["eager"],
        lambda it: it["manifest"]["fingerprint"]["attn_implementation"] == "eager",
    ),
    "--output_dir": (["elsewhere"], lambda it: Path("elsewhere/baseline/longest.json").exists()),
    "--load_json": ([], lambda it: it["suite"] == "pairs.dat"),
    "--trust_remote_code": ([], lambda it: it["manifest"]["fingerprint"]["remote_code"] is not None),
    "--debug": ([], lambda it: it["revision"].endswith("+limit=10")),
    "--prioritize_scoring": ([], lambda it: it["accuracy"] is None),
    "--not_quantized": ([], NO_EFFECT_LINE),
    "--force_truncation": ([], NO_EFFECT_LINE),
    "--save_all": ([], NO_EFFECT_LINE),
    "--hf_entity": (["org"], lambda it: it["num_prompts"] > 0),
    "--hf_name": (["name"], lambda it: it["num_prompts"] > 0),
    "--wandb_run": (["run"], NO_EFFECT_LINE),
}


def test_every_flag_of_earlier_versions_is_tested():
    known = SHARED / "golden" / "anchor_flags.json"
    if not known.exists():
        pytest.skip("the list of the incumbent's flags is not here")
    assert set(FLAGS) | ON_THE_HUB == set(json.loads(known.read_text())["rewardbench"])


FLAGS_OF_MODELS = ["tokenizer", "chat_template", "batch_size", "max_length", "torch_dtype", "attn_implementation"]
FLAGS_OF_MODELS += ["trust_remote_code"]


ON_THE_HUB = {"--push_results_to_hub", "--upload_model_metadata_to_hf"}
"""Tested with a Hub in test_submit.py, like the other two options for the Hub."""


@pytest.mark.parametrize("spelling", ["_", "-"])
@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_of_earlier_versions_works_or_says_that_it_has_no_effect(flag, spelling, command, here, model_folder):
    values, shows = FLAGS[flag]
    policy = str(model_folder(kind="causal"))
    models = {
        "--ref_model": str(model_folder(kind="causal", seed=7)),
        **{f"--{name}": str(model_folder()) for name in FLAGS_OF_MODELS},
    }
    model = models.get(flag, "baseline/longest")
    arguments = [f"--{flag[2:].replace('_', spelling)}", *(policy if value == "POLICY" else value for value in values)]
    code, out, err = command("--model", model, "--dataset", data_for(flag, here), *arguments)
    assert code == 0
    if shows is NO_EFFECT_LINE:
        assert err == [f"{flag} has no effect: {NO_EFFECT[flag[2:]]}."]
    else:
        note = "Only the last of 2 --model is scored: to combine them, pass --ensemble mean."
        assert err == ([note] if flag == "--model" else [])
        assert shows(json.loads(Path(figures(out)["results"]).read_text()))


def data_for(flag, here):
    if flag == "--load_json":
        return write(here / "pairs.dat", PAIRS)
    if flag == "--prioritize_scoring":
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
        return write(here / "both.jsonl", [{**PAIRS[0], "messages": turns}])
    return "folder" if flag == "--split" else "pairs.jsonl"


@pytest.mark.parametrize(
    ("arguments", "is_debug"),
    [
        (["--debug", "True"], True),
        (["--debug", "true"], True),
        (["--debug=True"], True),
        (["--debug", "1"], True),
        (["--debug"], True),
        (["--debug", "False"], False),
        (["--debug=false"], False),
        (["--debug", "no"], False),
    ],
)
def test_boolean_flags_accept_the_values_of_earlier_versions(arguments, is_debug, command, here):
    write(here / "many.jsonl", [{**PAIRS[0], "id": str(n)} for n in range(12)])
    code, out, err = command(*LONGEST, *arguments, "--dataset", "many.jsonl")
    assert (code, err) == (0, [])
    assert figures(out)["n"] == ("10" if is_debug else "12")


def test_only_values_of_boolean_flags_are_dropped():
    words = ["--model", "true", "--split", "no", "--save-all", "yes", "--hf_name=1"]
    assert drop_flag_values(words) == ["--model", "true", "--split", "no", "--save-all", "--hf_name=1"]


# words on the terminal


def test_table_key_values_and_json_have_the_same_figures(command):
    code, out, err = command(*LONGEST, "--dataset", "pairs.jsonl")
    assert (code, err) == (0, [])
    assert out.startswith("baseline/longest (Baseline) on pairs.jsonl@sha256:")
    assert "33.3" in out
    shown = figures(out)
    assert (shown["score"], shown["accuracy"], shown["n"]) == ("0.3333", "0.3333", "3")
    assert (shown["ties"], shown["unscored"], shown["truncated"]) == ("0", "0", "0")
    assert shown["section.all"] == "0.3333"
    assert shown["results"] == "results/baseline/longest.json"

    code, out, err = command(*LONGEST, "--dataset", "pairs.jsonl", "--json")
    assert (code, err) == (0, [])
    printed = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert printed["accuracy"] == printed["score"]["value"] == pytest.approx(1 / 3)
    for key, figure in {"score": "value", "score_low": "low", "score_high": "high"}.items():
        assert shown[key] == f"{printed['score'][figure]:.4f}"
    for count in ("n", "ties", "unscored", "truncated"):
        assert shown[count] == str(printed["accuracy_estimate"][count])
    assert shown["section.all"] == f"{printed['sections'][0]['value']:.4f}"
    assert printed["results"] == shown["results"]
    assert printed | {"outputs_sha256": 0} == summary_of("baseline/longest") | {
        "outputs_sha256": 0,
        "notes": [],
        "results": shown["results"],
    }


def test_without_a_dataset_one_line_says_which_suite_runs(command):
    code, out, err = command(*LONGEST, "--limit", "2")
    assert (code, err) == (0, [DEFAULT_DATASET_NOTE])
    assert "baseline/longest (Baseline) on core@" in out
    assert "--dataset allenai/reward-bench" in DEFAULT_DATASET_NOTE


def test_conversations_without_a_preference_give_scores_only(command, here):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    code, out, err = command(*LONGEST, "--dataset", write(here / "chats.jsonl", [{"messages": turns}]))
    assert (code, err) == (0, [])
    assert "–" in out
    assert "note: No item has a preference, so there is no accuracy." in out
    assert (figures(out)["score"], figures(out)["accuracy"], figures(out)["n"]) == ("nan", "nan", "0")
    summary = summary_of("baseline/longest")
    assert (summary["score"]["value"], summary["accuracy"], summary["num_prompts"], summary["extra_results"]) == (
        None,
        None,
        1,
        {},
    )
    (row,) = rows_of("baseline/longest")
    assert (row["scores"], row["prompt"], row["results"], row["reason"]) == ([5.0], "Hi", None, None)


# files


def test_the_files_are_supersets_of_those_of_earlier_versions(command, here, model_folder):
    name = model_folder().name
    write(here / "more.jsonl", [{**row, "source": "us"} for row in PAIRS])
    assert command("--model", str(model_folder()), "--dataset", "more.jsonl")[0] == 0
    summary = summary_of(name)
    names = {"accuracy", "num_prompts", "model", "ref_model", "tokenizer", "chat_template", "extra_results"}
    assert names <= summary.keys()
    assert (summary["num_prompts"], summary["ref_model"], summary["chat_template"]) == (3, None, None)
    assert summary["extra_results"] == {"all": summary["accuracy"]}
    rows = rows_of(name)
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    for row, pair in zip(rows, PAIRS, strict=True):
        columns = ("prompt", "results", "scores_chosen", "scores_rejected", "text_chosen", "text_rejected", "source")
        assert set(columns) <= row.keys()
        assert row["prompt"] == pair["prompt"]
        assert row["results"] == int(row["scores_chosen"] > row["scores_rejected"])
        assert row["text_chosen"] == f"<|bos|><|user|>{pair['prompt']}<|assistant|>{pair['chosen']}<|eos|>"
        assert row["source"] == "us"
    assert summary["accuracy"] == pytest.approx(sum(row["results"] for row in rows) / 3)


def test_a_second_suite_in_the_same_folder_keeps_both_results(command, here):
    write(here / "other.jsonl", PAIRS[:1])
    first = figures(command(*LONGEST, "--dataset", "pairs.jsonl")[1])["results"]
    before = Path(first).read_bytes()
    second = figures(command(*LONGEST, "--dataset", "other.jsonl")[1])["results"]
    assert first != second
    assert Path(first).read_bytes() == before
    assert json.loads(Path(second).read_text())["accuracy"] == 1
    assert len(list(Path("results").rglob("*.json"))) == len(list(Path("results").rglob("*_outputs.jsonl"))) == 2


def read_all(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_rerun_gives_the_same_bytes(command, model_folder):
    arguments = ["--model", str(model_folder()), "--dataset", "pairs.jsonl", "--device", "cpu"]
    for folder in ("one", "two", "two"):
        assert command(*arguments, "--output_dir", folder)[0] == 0
    files = read_all("one")
    assert len(files) == 2
    assert read_all("two") == files
    assert not any(date.today().isoformat().encode() in content for content in files.values())


RERUN = {
    "classifier": ("reward", ["--chat_template", "raw", "--max_length", "9", "--truncation_side", "right"]),
    "dtype": ("reward", ["--torch_dtype", "bfloat16", "--batch_size", "1", "--attn_implementation", "eager"]),
    "policy": ("causal", ["--ref_model", "POLICY", "--beta", "0.5", "--limit", "2"]),
    "policy alone": ("causal", ["--ref_free_type", "avg", "--batch_tokens", "64"]),
}


@pytest.mark.parametrize("name", RERUN)
def test_the_command_in_the_manifest_reproduces_the_result(name, command, model_folder):
    kind, options = RERUN[name]
    options = [str(model_folder(kind="causal", seed=7)) if value == "POLICY" else value for value in options]
    model = model_folder(kind=kind)
    assert command("--model", str(model), "--dataset", "pairs.jsonl", "--device", "cpu", *options)[0] == 0
    program, *rerun = shlex.split(summary_of(model.name)["manifest"]["command"])
    assert program == "rewardbench"
    assert command(*rerun, "--no_cache", "--output_dir", "again")[0] == 0
    assert read_all("again") == read_all("results")


def test_the_seed_is_in_the_command_of_the_random_baseline(command):
    scores = {}
    for seed in ("3", "4"):
        assert (
            command("--model", "baseline/random", "--dataset", "pairs.jsonl", "--seed", seed, "--output_dir", seed)[0]
            == 0
        )
        scores[seed] = [row["scores"] for row in rows_of("baseline/random", seed)]
    assert scores["3"] != scores["4"]
    _, *again = shlex.split(summary_of("baseline/random", "3")["manifest"]["command"])
    assert command(*again, "--output_dir", "again")[0] == 0
    assert read_all("again") == read_all("3")


# policies


def test_a_policy_that_is_its_own_reference_is_rejected(command, model_folder):
    policy = str(model_folder(kind="causal"))
    code, out, err = command("--model", policy, "--ref_model", policy, "--dataset", "pairs.jsonl")
    assert (code, out, len(err)) == (2, "", 1)
    assert "have the same weights, so every reward would be 0" in err[0]


def test_beta_scales_the_reward_and_changes_no_decision(command, model_folder):
    policy, reference = model_folder(kind="causal"), model_folder(kind="causal", seed=1)
    scores = {}
    for beta in ("1", "0.25"):
        arguments = ["--model", str(policy), "--ref_model", str(reference), "--beta", beta, "--output_dir", beta]
        assert command(*arguments, "--dataset", "pairs.jsonl")[0] == 0
        scores[beta] = [score for row in rows_of(policy.name, beta) for score in row["scores"]]
    assert scores["0.25"] == pytest.approx([score / 4 for score in scores["1"]])
    assert min(abs(score) for score in scores["1"]) > 0.01
    assert summary_of(policy.name, "1")["accuracy"] == summary_of(policy.name, "0.25")["accuracy"]


def test_the_three_rewards_without_a_reference(command, model_folder):
    policy = model_folder(kind="causal")
    scores = {}
    for kind in ("sum", "avg", "norm"):
        arguments = ["--model", str(policy), "--ref-free-type", kind, "--output-dir", kind]
        assert command(*arguments, "--dataset", "pairs.jsonl")[::2] == (0, [])
        assert summary_of(policy.name, kind)["model_type"] == f"DPO Ref. Free ({kind})"
        scores[kind] = [score for row in rows_of(policy.name, kind) for score in row["scores"]]
    completions = [pair[side] for pair in PAIRS for side in ("chosen", "rejected")]
    for total, mean, norm, text in zip(scores["sum"], scores["avg"], scores["norm"], completions, strict=True):
        tokens = count_tokens(text) + 1  # and the end of the turn
        assert total < 0
        assert total == pytest.approx(mean * tokens)
        assert -math.sqrt(tokens) * norm >= -total >= -norm  # of nonnegative numbers: 2-norm <= sum <= √n · 2-norm


def count_tokens(text):
    from random_models import make_tokenizer

    return len(make_tokenizer()(text, add_special_tokens=False)["input_ids"])


def test_the_embedded_models_run_by_their_names(command):
    for model, kind in (("tiny-rm", "Seq. Classifier"), ("tiny-dpo", "DPO")):
        code, out, err = command("--model", model, "--dataset", "pairs.jsonl")
        assert (code, err) == (0, [])
        assert f"{model} ({kind}) on pairs.jsonl@" in out
        assert all(math.isfinite(score) for row in rows_of(model) for score in row["scores"])
        assert figures(out)["n"] == "3"


# other suites' rules on data of one's own


def ranked(id_, subset, right, wrong):
    """Completions of so many characters."""
    right, wrong = ["a" * n for n in right], ["b" * n for n in wrong]
    return {"id": id_, "prompt": "Q", "chosen": right, "rejected": wrong, "num_correct": len(right), "subset": subset}


RANKED = [
    ranked("f1", "Factuality", [4], [2, 1, 3]),  # 1
    ranked("f2", "Factuality", [3], [3, 1, 2]),  # shares the maximum with one: 1/2
    ranked("p1", "Precise IF", [9], [8, 8, 8]),  # 1
    ranked("m1", "Math", [2], [1, 3, 1]),  # 0
    ranked("s1", "Safety", [5], [5, 5, 4]),  # 1/3
    ranked("o1", "Focus", [2], [2, 2, 2]),  # 1/4
    ranked("ref:1", "Ties", [4], [1, 2, 1]),  # gap 4 - 2 = 2
    ranked("tied:1", "Ties", [6, 5], [2, 1]),  # gap 5 - 2 = 3, spread 6 - 5 = 1
]
TIES = 0.3 + 0.3 + 0.2 + 0.2 + 0.01 * math.tanh(2 / 1 - 1)
"""Both rows accurate, gaps of 3 and min(2, 3) above the spread of 1."""


@pytest.mark.parametrize("protocol", ["allenai/reward-bench-2", "reward-bench-2"])
def test_a_local_copy_is_scored_by_the_protocol_of_reward_bench_2(protocol, command, here):
    write(here / "copy" / "test.jsonl", RANKED)
    code, out, err = command(*LONGEST, "--dataset", "copy", "--protocol", protocol)
    assert (code, err) == (0, [])
    sections = {section["name"]: section["value"] for section in summary_of("baseline/longest")["sections"]}
    expected = {"Factuality": 0.75, "Precise IF": 1, "Math": 0, "Safety": 1 / 3, "Focus": 0.25, "Ties": TIES}
    assert sections == pytest.approx(expected)
    assert sections["Ties"] == pytest.approx(1.00761594)
    assert figures(out)["score"] == f"{sum(expected.values()) / 6:.4f}" == "0.5568"
    assert figures(out)["section.precise_if"] == "1.0000"


# the same through Python


def test_evaluate_gives_the_result_that_the_command_writes(command):
    assert command(*LONGEST, "--dataset", "pairs.jsonl")[0] == 0
    result = evaluate("baseline/longest", "pairs.jsonl")
    assert (result.suite, result.model, result.model_type) == ("pairs.jsonl", "baseline/longest", "Baseline")
    assert result.score.value == pytest.approx(1 / 3)
    assert result.score.low < 1 / 3 < result.score.high
    assert [item.scores for item in result.items] == [(19, 3), (5, 35), (6, 7)]
    stored = summary_of("baseline/longest")["manifest"]
    assert result.manifest == {**stored, "session": {"computed": 6, "batches": 1}}


def test_evaluate_takes_the_options_of_a_model_and_of_a_run(here, model_folder):
    policy, reference = (str(model_folder(kind="causal", seed=seed)) for seed in (0, 7))
    result = evaluate(policy, "pairs.jsonl", ref_model=reference, beta=2.0, limit=1)
    assert (result.model_type, len(result.items), result.accuracy.ties) == ("DPO", 1, 0)
    assert result.manifest["fingerprint"]["beta"] == 2.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bach_size": 8}, "evaluate\\(\\) knows no option 'bach_size'"),
        ({"batch_size": 0}, "batch_size is 0: it must be a whole number of at least 1, or None"),
        ({"limit": 0}, "limit is 0"),
        ({"max_length": -1}, "max_length is -1"),
        ({"dtype": "int3"}, "dtype is 'int3': it must be one of auto, float16"),
        ({"ref_free_type": "mean"}, "ref_free_type is 'mean': it must be one of sum, avg, norm or None"),
        ({"truncation_side": "middle"}, "truncation_side is 'middle': it must be one of left, right"),
    ],
)
def test_evaluate_rejects_wrong_options_with_a_one_line_error(options, words, here):
    with pytest.raises(InputError, match=words):
        evaluate("baseline/longest", "pairs.jsonl", **options)
