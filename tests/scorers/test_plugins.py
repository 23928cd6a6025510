"""An installed package adds scorers and a suite by entry points; a pool of processes writes the file of one process."""

import json
import shlex

import pytest
from pages import EXTEND, blocks, write_pairs
from plugins import Environment, write_package

WORDS = ["Lima", "Oslo", "Quito", "Cairo", "Tunis"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return a fresh environment with the package installed."""
    source = tmp_path_factory.mktemp("source")
    write_package(source)
    fresh = Environment(tmp_path_factory.mktemp("environment"))
    fresh.install(source)
    return fresh


def stored_summary(folder):
    (path,) = [path for path in folder.rglob("*.json") if "fingerprint" in path.read_text()]
    return json.loads(path.read_text())


def test_an_installed_package_adds_a_scorer_and_a_suite(environment, tmp_path):
    ran = environment.run(tmp_path, "--model", "counter:yes", "--dataset", "cities", "--output_dir", "results")
    assert (ran.returncode, ran.stderr) == (0, "")
    result = stored_summary(tmp_path)
    assert (result["model"], result["suite"], result["accuracy"]) == ("counter:yes", "cities", 1.0)
    assert result["manifest"]["fingerprint"] == {"kind": "cities.scorer.Counter", "name": "counter:yes"}


def test_an_installed_package_adds_head_specs(environment, tmp_path):
    ran = environment.run(tmp_path, "models", "--json")
    rows = {row["name"]: row for row in json.loads(ran.stdout)["families"]}
    assert rows["towns"]["recognised"] == "towns.weight"
    assert rows["villages"]["title"] == "Villages"


def test_the_package_of_the_guide_is_installed_and_scores_its_suite(environment, tmp_path):
    source = tmp_path / "package"
    source.mkdir()
    for block in blocks(EXTEND):
        if block.title in ("pyproject.toml", "my_rewardbench.py"):
            with (source / block.title).open("a") as file:
                file.write(block.text)
    environment.install(source)
    write_pairs(tmp_path / "my_pairs.jsonl")
    (block,) = [block for block in blocks(EXTEND, "bash") if block.title == "with the package installed"]
    (command,) = block.commands()
    ran = environment.run(tmp_path, *shlex.split(command)[1:], "--output_dir", "results")
    assert (ran.returncode, ran.stderr) == (0, "")
    result = stored_summary(tmp_path)
    assert (result["model"], result["suite"]) == ("word-count", "my-suite")
    assert [section["name"] for section in result["sections"]] == ["Knowledge", "Safety"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nothing", "The scorer nothing (cities.scorer:load_nothing) is of type NoneType: it must be a subclass of"),
        ("broken", "The scorer broken (cities.scorer:load_broken) cannot be loaded: ZeroDivisionError: no word."),
    ],
)
def test_a_plugin_that_gives_no_scorer_is_a_one_line_error(model, message, environment, tmp_path):
    ran = environment.run(tmp_path, "--model", model, "--dataset", "cities")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert len(ran.stderr.splitlines()) == 1
    assert message in ran.stderr


def write_items(path):
    """Write items of two to four completions."""
    rows = []
    for n in range(20):
        completions = [f"{word} {n}" for word in WORDS[: 2 + n % 3]]
        rows.append({"id": str(n), "prompt": f"City {n}?", "chosen": completions[:1], "rejected": completions[1:]})
    path.write_text("\n".join(map(json.dumps, rows)))


def outputs(folder):
    """Return the per-item file of the only result in a folder."""
    (path,) = folder.rglob("*_outputs.jsonl")
    return path.read_bytes()


@pytest.mark.parametrize("model", ["baseline/longest", "viewer:pointwise", "viewer:pairwise", "viewer:listwise"])
def test_two_processes_write_the_per_item_file_of_one(model, environment, tmp_path):
    write_items(tmp_path / "items.jsonl")
    arguments = ["--model", model, "--dataset", "items.jsonl", "--batch_size", "1", "--no_cache"]
    in_pool = [*arguments, "--num_processes", "2", "--output_dir", "pool"]
    pool = environment.run(tmp_path, *in_pool, VIEWER_PROCESSES="2")
    assert (pool.returncode, pool.stderr) == (0, "")
    if model.startswith("viewer"):
        assert len(set((tmp_path / "ran.txt").read_text().split())) == 2, "both processes computed scores"
    single = environment.run(tmp_path, *arguments, "--output_dir", "single")
    assert (single.returncode, single.stderr) == (0, "")
    assert outputs(tmp_path / "pool") == outputs(tmp_path / "single")
    notes = [stored_summary(tmp_path / name)["manifest"]["notes"] for name in ("pool", "single")]
    assert notes[0] == notes[1]
    assert any("Texts of low quality: " in note for note in notes[0]) == model.startswith("viewer")
    rows = list(map(json.loads, outputs(tmp_path / "pool").splitlines()))
    assert len(rows) == 20
    assert {"order_inconsistency" in row for row in rows} == {model in ("viewer:pairwise", "viewer:listwise")}
