"""Builds: the same bytes for a seed, for any number of workers and after any interruption; core from its parts."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rewardbench.builders.build import build_from_templates, build_mirrors, draw_mirror
from rewardbench.builders.draw import Rng
from rewardbench.builders.journal import Journal, source_hash
from rewardbench.builders.mirrors import Mirror, chat, from_json, read_mirrors, to_json, to_lines, variants
from rewardbench.builders.registry import BUILDERS, CORE_SEED, builders_of, fresh_seed, training_seed
from rewardbench.builders.request import BuildRequest, run_request
from rewardbench.builders.suite_files import MirrorSuite, build_suite, push, read_suite, write_suite
from rewardbench.builders.ties import read_ties
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.paths import data_dir, write_whole

DATA = data_dir()
MIRROR = Mirror("math", "one / two", chat("one?"), chat("two?"), "1", "2", {"kind": "math", "a": {}, "b": {"n": 1}})


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def prompts_of(mirrors):
    prompts = set()
    for mirror in mirrors:
        prompts |= {str(mirror.a), str(mirror.b)}
    return prompts


def responses_of(mirrors):
    responses = set()
    for mirror in mirrors:
        responses |= {mirror.x, mirror.y}
    return responses


def pink(suite):
    return [mirror for mirror in suite.all_mirrors() if mirror.subset == "pink-elephant"]


def test_mirror_rows_choose_each_response_once():
    first, second = replace(MIRROR, group="g").rows()
    assert (first["id"], first["chosen"], first["rejected"]) == ("g-a", "1", "2")
    assert (second["id"], second["chosen"], second["rejected"]) == ("g-b", "2", "1")
    assert first["origin"] == "written"


def test_swapped_mirror_swaps_its_checks():
    swapped = MIRROR.swapped()
    assert (swapped.a, swapped.x, swapped.check["a"]) == (MIRROR.b, MIRROR.y, {"n": 1})
    assert swapped.swapped() == MIRROR
    assert from_json(json.loads(to_json(MIRROR))) == MIRROR


def test_read_mirrors_names_the_line_that_is_not_a_mirror(tmp_path):
    (tmp_path / "m.jsonl").write_text(to_json(MIRROR) + '\n{"subset": "math"}\n')
    with pytest.raises(InputError, match=r"m.jsonl, line 2 is not a mirror"):
        read_mirrors(tmp_path / "m.jsonl")
    assert variants("[[a|b]] c") == ("a c", "b c")


def test_rng_depends_only_on_its_key():
    def sample(key):
        rng = Rng(key)
        return rng.people(3), rng.numbers(3, 1, 99), rng.pick("abcdef"), rng.number(0, 10, 5), rng.chance()

    assert sample("x") == sample("x") != sample("y")


CORE = list(builders_of("core"))
SLOW_BUILDERS = [pytest.param(name, marks=pytest.mark.slow) for name in BUILDERS if name not in CORE]


@pytest.mark.parametrize("name", [*CORE, *SLOW_BUILDERS])
def test_bytes_depend_on_the_seed(name, tmp_path):
    for file, seed in (("one", 3), ("two", 3), ("other", 4)):
        build_mirrors(name, seed, 8, tmp_path / file)
    assert sha(tmp_path / "one") == sha(tmp_path / "two") != sha(tmp_path / "other")
    assert len(read_mirrors(tmp_path / "one")) == 8


@pytest.mark.parametrize("name", ["math", "policy-engine", *SLOW_BUILDERS])
def test_eight_workers_give_the_bytes_of_one(name, tmp_path):
    build_from_templates(name, 0, 24, tmp_path / "one")
    build_from_templates(name, 0, 24, tmp_path / "eight", workers=8)
    assert sha(tmp_path / "one") == sha(tmp_path / "eight")


SLOW_BUILD = """
import sys, time
from pathlib import Path
from rewardbench.builders.build import build_from_templates
build_from_templates(sys.argv[2], 0, 200, Path(sys.argv[1]), tick=lambda: time.sleep(0.01))
"""


@pytest.mark.parametrize("name", ["math", pytest.param("policy-engine", marks=pytest.mark.slow)])
def test_killed_build_resumes_and_gives_the_same_bytes(name, tmp_path):
    build_from_templates(name, 0, 200, tmp_path / "whole")
    output, journal = tmp_path / "killed", tmp_path / "killed.part"
    process = subprocess.Popen([sys.executable, "-c", SLOW_BUILD, str(output), name])
    while not journal.exists() or len(journal.read_text().splitlines()) < 30:
        time.sleep(0.02)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    finished = len(journal.read_text().splitlines()) - 1
    ticks = []
    build_from_templates(name, 0, 200, output, tick=lambda: ticks.append(1))
    assert 29 <= finished < 200
    assert len(ticks) == 200
    assert sha(output) == sha(tmp_path / "whole")
    assert not journal.exists()


def test_journal_ignores_a_damaged_line_and_the_file_of_another_build(tmp_path):
    head = {"builder": "math", "seed": 0, "recipe": source_hash()}
    journal = Journal(tmp_path / "j", head)
    journal.read()
    mirror = draw_mirror("math", 0, 0)
    journal.add(0, mirror)
    with journal.path.open("a") as file:
        file.write('{"index": 1, "mir')
    assert Journal(tmp_path / "j", head).read() == {0: mirror}
    assert Journal(tmp_path / "j", head | {"seed": 1}).read() == {}


def test_unwritable_file_raises_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x.jsonl", "")


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core")
    core = build_suite("core", DATA / "written")
    write_suite(core, folder, (DATA / "core" / "VERSION").read_text().strip())
    return folder


def test_published_core_equals_a_rebuild(rebuilt):
    for path in sorted(rebuilt.rglob("*.*")):
        assert sha(path) == sha(DATA / path.relative_to(rebuilt)), path.name


@pytest.mark.slow
def test_fresh_draw_has_only_generated_mirrors_and_none_of_core(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["data", "build", "core", "--fresh", "77", "--output", str(tmp_path), "--json"])
    assert stop.value.code == 0
    figures = json.loads(capsys.readouterr().out)
    fresh, core = read_suite(tmp_path), read_suite(DATA)
    assert "safety" not in fresh.mirrors
    assert not fresh.ties
    assert not prompts_of(core.all_mirrors()) & prompts_of(fresh.all_mirrors())
    assert not responses_of(pink(core)) & responses_of(pink(fresh))
    count = len(fresh.all_mirrors())
    assert count == sum(builder.count for builder in builders_of("core").values())
    assert figures["verified"] == figures["rows"] == 2 * count
    assert (tmp_path / "core" / "VERSION").read_text().strip().endswith("-fresh77")


@pytest.mark.parametrize("name", [*CORE, *SLOW_BUILDERS])
def test_core_fresh_and_training_data_share_no_prompt(name, tmp_path):
    """The same user seed, 0, gives different mirrors in each of the three uses."""
    prompt_sets = []
    for seed, pool in ((CORE_SEED, "suite"), (fresh_seed(0), "fresh"), (training_seed(0), "train")):
        options = {"pool": pool} if name == "pink" else {}
        prompt_sets.append(prompts_of(build_mirrors(name, seed, 40, tmp_path / f"{pool}.jsonl", **options)))
    core, fresh, training = prompt_sets
    assert not core & fresh
    assert not core & training
    assert not fresh & training


def test_mirror_text_may_contain_any_line_separator(tmp_path):
    odd = replace(MIRROR, x="one\u2028two\u0085three")
    write_whole(tmp_path / "m.jsonl", to_lines([odd, MIRROR]))
    assert read_mirrors(tmp_path / "m.jsonl") == [odd, MIRROR]


def test_read_core_rejects_rows_that_differ_from_their_checks(tmp_path):
    mirror = replace(MIRROR, group="chat-x-001")
    write_suite(MirrorSuite("core", {"chat": [mirror]}), tmp_path, "1")
    assert read_suite(tmp_path).mirrors["chat"] == [mirror]
    rows = (tmp_path / "core" / "chat.jsonl").read_text()
    (tmp_path / "core" / "chat.jsonl").write_text(rows.replace('"chosen": "2"', '"chosen": "3"'))
    with pytest.raises(InputError, match="is no mirror"):
        read_suite(tmp_path)
    (tmp_path / "checks" / "core" / "chat.jsonl").write_text("")
    with pytest.raises(InputError, match="which no line of checks names"):
        read_suite(tmp_path)
    with pytest.raises(InputError, match="holds no suite with checks"):
        read_suite(tmp_path / "nowhere")


def test_ties_mirror_gives_two_tied_rows_and_two_reference_rows():
    mirror = read_ties(DATA / "written" / "ties.jsonl")[0]
    tied_a, tied_b, ref_a, ref_b = mirror.rows()
    assert (tied_a["chosen"], tied_a["rejected"]) == (tied_b["rejected"], tied_b["chosen"])
    assert tied_a["id"].partition(":")[2] == ref_a["id"].partition(":")[2]
    assert len(ref_a["chosen"]) == len(ref_b["chosen"]) == 1
    assert ref_a["chosen"] != ref_b["chosen"]
    assert sorted(ref_a["chosen"] + ref_a["rejected"]) == sorted(ref_b["chosen"] + ref_b["rejected"])


@pytest.mark.parametrize(
    ("build_request", "message"),
    [
        (BuildRequest("poetry"), "no builder 'poetry'"),
        (BuildRequest("core", seed=3), "its counts and its own seed are fixed"),
        (BuildRequest("math", fresh=3), "--fresh belongs to suites"),
        (BuildRequest("math", label="best"), "--label belongs to knapsack"),
        (BuildRequest("math", backend="http://x"), "--backend belongs to pink"),
        (BuildRequest("pink", backend="http://x"), "Pass --llm"),
    ],
)
def test_invalid_request_raises_input_error(build_request, message):
    with pytest.raises(InputError, match=message):
        run_request(build_request)


def test_push_rejects_an_incomplete_folder(tmp_path):
    with pytest.raises(InputError, match="holds no suite"):
        push(Path(tmp_path), "org/name", private=False, create_pr=False)
