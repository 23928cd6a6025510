"""Builds: the same bytes for a seed, whatever the workers and however often they were killed; core from its parts."""

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

from rewardbench.builders import BUILDERS, CORE_SEED, fresh_seed, training_seed
from rewardbench.builders.build import Journal, build, draw_mirror, make, recipe
from rewardbench.builders.core import Core, build_core, push, read_core, write_core
from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import Mirror, chat, from_json, read_mirrors, to_json, to_lines, variants
from rewardbench.builders.request import Order, carry_out
from rewardbench.builders.ties import read_ties
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.paths import data_dir, write_whole

DATA = data_dir()
MIRROR = Mirror("math", "one / two", chat("one?"), chat("two?"), "1", "2", {"kind": "math", "a": {}, "b": {"n": 1}})


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_mirror_makes_two_pairs_in_which_each_response_is_chosen_once():
    first, second = replace(MIRROR, group="g").rows()
    assert (first["id"], first["chosen"], first["rejected"]) == ("g-a", "1", "2")
    assert (second["id"], second["chosen"], second["rejected"]) == ("g-b", "2", "1")
    assert first["origin"] == "written"


def test_a_swapped_mirror_takes_its_checks_along():
    swapped = MIRROR.swapped()
    assert (swapped.a, swapped.x, swapped.check["a"]) == (MIRROR.b, MIRROR.y, {"n": 1})
    assert swapped.swapped() == MIRROR
    assert from_json(json.loads(to_json(MIRROR))) == MIRROR


def test_a_line_that_is_no_mirror_is_named(tmp_path):
    (tmp_path / "m.jsonl").write_text(to_json(MIRROR) + '\n{"subset": "math"}\n')
    with pytest.raises(InputError, match=r"m.jsonl, line 2 is not a mirror"):
        read_mirrors(tmp_path / "m.jsonl")
    assert variants("[[a|b]] c") == ("a c", "b c")


def test_a_draw_is_that_of_its_key():
    def sample(key):
        draw = Rng(key)
        return draw.people(3), draw.numbers(3, 1, 99), draw.pick("abcdef"), draw.number(0, 10, 5), draw.chance()

    assert sample("x") == sample("x") != sample("y")


@pytest.mark.parametrize("name", BUILDERS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(name, tmp_path):
    for file, seed in (("one", 3), ("two", 3), ("other", 4)):
        make(name, seed, 8, tmp_path / file)
    assert sha(tmp_path / "one") == sha(tmp_path / "two") != sha(tmp_path / "other")
    assert len(read_mirrors(tmp_path / "one")) == 8


def test_eight_workers_give_what_one_gives(tmp_path):
    build("math", 0, 24, tmp_path / "one")
    build("math", 0, 24, tmp_path / "eight", workers=8)
    assert sha(tmp_path / "one") == sha(tmp_path / "eight")


SLOW_BUILD = """
import sys, time
from pathlib import Path
from rewardbench.builders.build import build
build("math", 0, 200, Path(sys.argv[1]), tick=lambda: time.sleep(0.01))
"""


def test_a_killed_build_goes_on_and_ends_the_same(tmp_path):
    build("math", 0, 200, tmp_path / "whole")
    output, journal = tmp_path / "killed", tmp_path / "killed.part"
    process = subprocess.Popen([sys.executable, "-c", SLOW_BUILD, str(output)])
    while not journal.exists() or len(journal.read_text().splitlines()) < 30:
        time.sleep(0.02)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    made = len(journal.read_text().splitlines()) - 1
    drawn = []
    build("math", 0, 200, output, tick=lambda: drawn.append(1))
    assert 29 <= made < 200
    assert len(drawn) == 200
    assert sha(output) == sha(tmp_path / "whole")
    assert not journal.exists()


def test_a_torn_line_and_anothers_journal_are_not_taken_up(tmp_path):
    head = {"builder": "math", "seed": 0, "recipe": recipe()}
    journal = Journal(tmp_path / "j", head)
    journal.read()
    mirror = draw_mirror("math", 0, 0)
    journal.add(0, mirror)
    with journal.path.open("a") as file:
        file.write('{"index": 1, "mir')
    assert Journal(tmp_path / "j", head).read() == {0: mirror}
    assert Journal(tmp_path / "j", head | {"seed": 1}).read() == {}


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x.jsonl", "")


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core")
    core = build_core(DATA / "written")
    write_core(core, folder, (DATA / "core" / "VERSION").read_text().strip())
    return folder


def test_what_is_published_is_what_the_written_part_and_the_builders_give(rebuilt):
    for path in sorted(rebuilt.rglob("*.*")):
        assert sha(path) == sha(DATA / path.relative_to(rebuilt)), path.name


def test_a_fresh_draw_has_built_mirrors_only_and_none_of_cores(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["data", "build", "core", "--fresh", "77", "--output", str(tmp_path), "--json"])
    assert stop.value.code == 0
    figures = json.loads(capsys.readouterr().out)
    fresh, core = read_core(tmp_path), read_core(DATA)
    assert "safety" not in fresh.mirrors
    assert not fresh.ties
    old = {str(prompt) for mirrors in core.mirrors.values() for m in mirrors for prompt in (m.a, m.b)}
    new = {str(prompt) for mirrors in fresh.mirrors.values() for m in mirrors for prompt in (m.a, m.b)}
    assert not old & new
    said = {text for mirror in core.mirrors["pink_elephant"] for text in (mirror.x, mirror.y)}
    assert not said & {text for mirror in fresh.mirrors["pink_elephant"] for text in (mirror.x, mirror.y)}
    count = sum(map(len, fresh.mirrors.values()))
    assert count == sum(builder.core for builder in BUILDERS.values())
    assert figures["verified"] == figures["rows"] == 2 * count
    assert (tmp_path / "core" / "VERSION").read_text().strip().endswith("-fresh77")


@pytest.mark.parametrize("name", BUILDERS)
def test_core_fresh_and_training_draws_have_no_prompt_in_common(name, tmp_path):
    """The same number asked for in each of the three ways gives three draws."""
    draws = []
    for seed, pool in ((CORE_SEED, "suite"), (fresh_seed(0), "fresh"), (training_seed(0), "train")):
        made = make(name, seed, 40, tmp_path / f"{pool}.jsonl", **({"pool": pool} if name == "pink" else {}))
        draws.append({str(prompt) for mirror in made for prompt in (mirror.a, mirror.b)})
    assert not draws[0] & draws[1]
    assert not draws[0] & draws[2]
    assert not draws[1] & draws[2]


def test_a_mirror_may_hold_any_separator_of_lines(tmp_path):
    odd = replace(MIRROR, x="one\u2028two\u0085three")
    write_whole(tmp_path / "m.jsonl", to_lines([odd, MIRROR]))
    assert read_mirrors(tmp_path / "m.jsonl") == [odd, MIRROR]


def test_rows_and_checks_must_belong_together(tmp_path):
    mirror = replace(MIRROR, group="chat-x-001")
    write_core(Core({"chat": [mirror]}), tmp_path, "1")
    assert read_core(tmp_path).mirrors["chat"] == [mirror]
    rows = (tmp_path / "core" / "chat.jsonl").read_text()
    (tmp_path / "core" / "chat.jsonl").write_text(rows.replace('"chosen": "2"', '"chosen": "3"'))
    with pytest.raises(InputError, match="is no mirror"):
        read_core(tmp_path)
    (tmp_path / "checks" / "chat.jsonl").write_text("")
    with pytest.raises(InputError, match="which no line of checks names"):
        read_core(tmp_path)
    with pytest.raises(InputError, match="holds no suite with checks"):
        read_core(tmp_path / "nowhere")


def test_ties_are_twins_with_references():
    twin = read_ties(DATA / "written" / "ties.jsonl")[0]
    tied_a, tied_b, ref_a, ref_b = twin.rows()
    assert (tied_a["chosen"], tied_a["rejected"]) == (tied_b["rejected"], tied_b["chosen"])
    assert tied_a["id"].partition(":")[2] == ref_a["id"].partition(":")[2]
    assert len(ref_a["chosen"]) == len(ref_b["chosen"]) == 1
    assert ref_a["chosen"] != ref_b["chosen"]
    assert sorted(ref_a["chosen"] + ref_a["rejected"]) == sorted(ref_b["chosen"] + ref_b["rejected"])


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order("poetry"), "no builder 'poetry'"),
        (Order("core", seed=3), "its counts and its own seed are fixed"),
        (Order("math", fresh=3), "--fresh belongs to core"),
        (Order("math", label="best"), "--label belongs to knapsack"),
        (Order("math", backend="http://x"), "--backend belongs to pink"),
        (Order("pink", backend="http://x"), "Pass --llm"),
    ],
)
def test_an_order_without_sense_is_refused(order, said):
    with pytest.raises(InputError, match=said):
        carry_out(order)


def test_push_refuses_a_folder_that_is_not_whole(tmp_path):
    with pytest.raises(InputError, match="holds no suite"):
        push(Path(tmp_path), "org/name", private=False, create_pr=False)
