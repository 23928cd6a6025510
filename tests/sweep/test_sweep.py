"""A sweep of revisions of a repository on a local Hub: one rendering a suite, failures, results that are skipped."""

import json
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console
from sweeps import BROKEN, rejection, serve_checkpoints, values, write_suites

from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.store import LocalStore
from rewardbench.sweep import PlanLists, Sweep, build_plan
from rewardbench.sweep import run as sweep_run
from rewardbench.sweep.estimate import estimate_rows
from rewardbench.sweep.sources import one_ahead


@pytest.fixture
def sweep(hub, model_folder, tmp_path, monkeypatch, capfd):
    """Run `rewardbench sweep` on three revisions and two suites; return code, values of stdout, and stderr lines."""
    revisions = serve_checkpoints(hub, model_folder(), tmp_path, 3)
    monkeypatch.chdir(tmp_path)
    write_suites(tmp_path, {"a": 6, "b": 9})
    lists = ["--models", "org/rm", "--revisions", *revisions, "--datasets", "a.jsonl", "b.jsonl", "--device", "cpu"]

    def run(*arguments, lists=tuple(lists)):
        hub.requests.clear()
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["sweep", *lists, *arguments])
        output, errors = capfd.readouterr()
        return stop.value.code, output, [line for line in errors.splitlines() if "rewardbench" not in line]

    run.lists = lists
    return run


def test_each_suite_is_rendered_once_and_stored_rows_are_skipped(sweep, hub, tmp_path):
    code, output, lines = sweep()
    assert code == 0
    expected = {"rows": "6", "scored": "6", "stored": "0", "failed": "0", "computed": "90", "renderings": "2"}
    assert values(output).items() >= expected.items()
    assert [line.split()[1] for line in lines] == [f"rows={n}/6" for n in range(1, 7)]
    store = LocalStore(tmp_path / "results")
    assert len(store.list()) == 6
    assert (tmp_path / "results" / "sweep.png").is_file()

    code, output, lines = sweep("--json")
    again = json.loads(output)
    assert (code, again["stored"], again["computed"], again["renderings"]) == (0, 6, 0, 0)
    assert [row["step"] for row in again["results"]] == [100, 100, 200, 200, 300, 300]
    for row in again["results"]:
        assert store.get(row["path"].removeprefix("results/").removesuffix(".json")).score.value == row["score"]
    assert len(hub.requests) == 3, "each revision is looked up once, and no model is loaded"


def test_results_equal_those_of_single_commands(sweep, tmp_path):
    sweep()
    options = ["--device", "cpu", "--no_cache", "--output_dir", "single"]
    with pytest.raises(SystemExit) as stop:
        main([*("--model", "org/rm", "--revision", "step_200", "--dataset", "b.jsonl"), *options])
    assert stop.value.code == 0
    (single,) = (tmp_path / "single").rglob("*_outputs.jsonl")
    contents = {path.read_bytes() for path in (tmp_path / "results").rglob("*_outputs.jsonl")}
    assert len(contents) == 6
    assert single.read_bytes() in contents


def test_a_result_is_found_without_the_memory_of_fingerprints(sweep, tmp_path, monkeypatch):
    """A store that was filled on another machine: models are loaded, but nothing is scored again."""
    sweep()
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "elsewhere" / "scores.sqlite"))
    _, output, _ = sweep()
    assert values(output).items() >= {"stored": "6", "computed": "0"}.items()


def test_new_weights_are_scored_again(sweep, hub):
    sweep()
    repository = hub.repos["org/rm"]
    repository.commit("step_200", repository.trees[repository.refs["main"]])
    _, output, _ = sweep()
    assert values(output).items() >= {"stored": "4", "scored": "2", "computed": "30"}.items()


def test_a_broken_revision_is_one_line_and_the_others_are_scored(sweep):
    lists = [*sweep.lists]
    at = lists.index("step_200")
    lists[at:at] = [BROKEN, "no-such-revision"]
    code, output, lines = sweep(lists=lists)
    assert code == 1
    assert values(output).items() >= {"rows": "10", "scored": "6", "failed": "4"}.items()
    failures = [line for line in lines if line.startswith("failed ")]
    assert len(failures) == 2
    assert f"failed model=org/rm revision={BROKEN} suites=a.jsonl,b.jsonl reason=" in failures[1]
    assert "safetensors" in failures[1]
    assert "has no revision 'no-such-revision'" in failures[0]
    assert sum(line.startswith("failed model") for line in output.splitlines()) == 2


def test_data_that_cannot_be_read_fail_for_each_model(sweep):
    code, output, _ = sweep("--datasets", "missing.jsonl")
    assert code == 1
    assert values(output).items() >= {"scored": "6", "failed": "3"}.items()


def test_a_dry_run_tells_what_is_done_and_downloads_nothing(sweep, hub, tmp_path):
    code, output, _ = sweep("--dry_run")
    totals = values(output)
    assert code == 0
    assert totals.items() >= {"rows": "6", "done": "0", "pending": "6"}.items()
    assert int(totals["bytes"]) > 3 * 50_000
    assert not [path for _, path in hub.requests if "/resolve/" in path]
    assert not (tmp_path / "results").exists()
    sweep()
    code, output, _ = sweep("--dry_run", "--json", "--datasets", "core")
    dry = json.loads(output)
    assert (dry["done"], dry["pending"]) == (6, 3)
    pending = next(row for row in dry["results"] if row["state"] == "pending")
    assert pending["command"][:5] == ["rewardbench", "--model", "org/rm", "--dataset", "core"]
    assert pending["items"] == 2454
    assert 300_000 < pending["tokens"] < 3_000_000


def test_other_figures_of_the_same_scores_are_computed_from_the_cache(sweep, tmp_path):
    sweep()
    _, output, _ = sweep("--limit", "3")
    assert values(output)["scored"] == "6"
    (tmp_path / "plan.yaml").write_text(
        "models: [{model: org/rm, revision: step_100}]\ndatasets: a.jsonl\ndefaults: {step_threshold: 0.4, device: cpu}"
    )
    _, output, _ = sweep(lists=["plan.yaml"])
    assert values(output).items() >= {"scored": "1", "computed": "0"}.items()


def test_two_names_of_one_file_are_scored_once(sweep):
    _, output, _ = sweep("--datasets", "./b.jsonl")
    assert values(output).items() >= {"scored": "6", "stored": "3"}.items()


def test_models_that_do_not_exist_are_lines_and_the_others_are_scored(sweep):
    lists = ["--models", "baseline/none", "no-such-folder/x", "baseline/longest", "--datasets", "a.jsonl"]
    code, output, lines = sweep(lists=[*lists, "--device", "cpu"])
    assert code == 1
    assert values(output).items() >= {"scored": "1", "failed": "2"}.items()
    assert "There is no baseline 'baseline/none'" in lines[0]
    code, output, _ = sweep("--dry_run", lists=["--models", "tiny-rm", "--datasets", "a.jsonl", "--device", "gpu9"])
    assert (code, values(output)["failing"]) == (0, "1")


def test_the_remaining_time_counts_what_is_to_be_computed(tmp_path, monkeypatch):
    """Two seconds an item; a row whose data cannot be read takes none."""
    for name, count in (("a", 10), ("b", 30), ("c", 50)):
        rows = [{"prompt": f"Say {n}.", "chosen": f"{name} {n} yes", "rejected": "no"} for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    clock, lines = [0.0], []
    run = sweep_run.run

    def run_slowly(settings, *arguments, read, **options):
        clock[0] += 2 * len(read.items)
        return run(settings, *arguments, read=read, **options)

    monkeypatch.setattr(sweep_run, "run", run_slowly)
    monkeypatch.setattr(sweep_run, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    lists = PlanLists(("baseline/longest",), datasets=("a.jsonl", "none.jsonl", "b.jsonl", "c.jsonl"))
    sweep = Sweep(build_plan(lists, {}), Console(quiet=True), lines.append)
    assert [outcome.status for outcome in sweep.run()] == ["scored", "failed", "scored", "scored"]
    assert [line.partition("eta=")[2] for line in lines] == ["160s", "", "100s", "0s"]


def test_the_next_item_is_prepared_while_one_is_used():
    prepared = {number: threading.Event() for number in range(3)}

    def prepare(number):
        prepared[number].set()
        if number == 2:
            raise InputError("The third is broken.")

    seen = []
    for number, error in one_ahead([0, 1, 2], prepare):
        if number < 2:
            assert prepared[number + 1].wait(5)
        seen.append((number, str(error or "")))
    assert seen == [(0, ""), (1, ""), (2, "The third is broken.")]
    assert list(one_ahead([], prepare)) == []


def test_the_cost_of_a_judge_is_estimated_from_its_prices(tmp_path, monkeypatch):
    """One item of two completions, shown in both orders: 2 requests of prompt and completions, 10 tokens each out."""
    monkeypatch.chdir(tmp_path)
    row = {"prompt": "a" * 40, "chosen": "b" * 80, "rejected": "c" * 80}
    (tmp_path / "one.jsonl").write_text(json.dumps(row) + "\n")
    judge = {"judge": "gpt", "base_url": "http://127.0.0.1:1/v1", "input_price": 3e6, "output_price": 5e6}
    sweep = Sweep(build_plan(PlanLists([{**judge, "max_tokens": 10}], datasets=["one.jsonl"])), None, print)
    sweep.find_stored()
    (estimate,) = estimate_rows(sweep)
    assert (estimate.state, estimate.items, estimate.tokens, estimate.hours) == ("pending", 1, 60, None)
    assert estimate.cost == pytest.approx(3 * 120 + 5 * 2 * 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "names no model"),
        (["missing.yaml"], "missing.yaml cannot be read"),
        (["--models", "tiny-rm", "--until", "3"], "--until ends --watch"),
        (["--models", "tiny-rm", "--watch", "run"], "leave out models"),
        (["--watch", "run", "--dry_run"], "leave out --dry_run"),
        (["--watch", __file__], "is a file: name the folder"),
        (["--models", "tiny-rm", "--output_dir", f"{__file__}/x"], "is not a writable folder"),
        (["--models", "tiny-rm", "--plot", "x.txt"], "not a picture"),
        (["--models", "tiny-rm", "--output_dir", "hf://datasets/a/b"], "A run writes to a folder"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert message in rejection(capfd, *arguments)
    assert list(tmp_path.iterdir()) == []
