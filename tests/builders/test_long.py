"""Test core-long: built at first use, compared with its pinned hash, loaded and verified; its prompts are long."""

import re
import shutil
from dataclasses import replace
from itertools import pairwise

import pytest

from rewardbench.builders import long, suite_files
from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.registry import builders_of
from rewardbench.builders.suite_files import build_suite, data_folder_of, hash_files, read_suite, write_suite
from rewardbench.errors import InputError
from rewardbench.paths import data_dir
from rewardbench.suites import load_suite

NAMES = ("grounded-long", "retractions-long")


def characters(prompt):
    return sum(len(turn["content"]) for turn in prompt)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Shrink core-long to one mirror of each builder, with a data folder and a cache of its own."""
    builders = {name: replace(builder, count=1) for name, builder in builders_of("core-long").items()}
    for module in (long, suite_files):
        monkeypatch.setattr(module, "builders_of", lambda name: builders)
    pins = tmp_path / "data"
    (pins / "core-long").mkdir(parents=True)
    (pins / "core-long" / "VERSION").write_text("1.2.3\n")
    monkeypatch.setattr(long, "data_dir", lambda: pins)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_suite(build_suite("core-long", pins), tmp_path / "expected", "1.2.3")
    (pins / "core-long" / "SHA256").write_text(hash_files(tmp_path / "expected", "core-long") + "\n")
    return pins / "core-long"


def test_core_long_is_built_once_and_loads(small, monkeypatch):
    suite = load_suite("core-long")
    assert suite.revision.startswith("1.2.3+")
    assert [item.subset for item in suite.items] == ["grounded-long"] * 2 + ["retractions-long"] * 2
    assert {rule.section for rule in suite.rules.values()} == {"Long context"}
    monkeypatch.setattr(long, "build_suite", None)
    assert load_suite("core-long").revision == suite.revision


def test_the_built_suite_verifies(small):
    verification = read_suite(data_folder_of("core-long"), "core-long").verify()
    assert (verification.failed, verification.pairs, verification.confirmed) == ((), 4, 4)


def test_another_content_than_the_pinned_is_an_error(small, tmp_path):
    (small / "SHA256").write_text("0" * 64)
    with pytest.raises(InputError, match=r"has the SHA-256 \w{12} instead of 000000000000: install rewardbench again"):
        load_suite("core-long")
    assert [path.name for path in (tmp_path / "cache" / "rewardbench").iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_an_error(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="core-long cannot be built in"):
        load_suite("core-long")


def test_the_pins_are_a_version_and_a_hash():
    folder = data_dir() / "core-long"
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", (folder / "VERSION").read_text())
    assert re.fullmatch(r"[0-9a-f]{64}\n", (folder / "SHA256").read_text())
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256", "VERSION"]


@pytest.mark.parametrize("name", NAMES)
def test_prompts_grow_with_the_rung_and_verify(name):
    mirrors = [replace(draw_mirror(name, 3, index), group=f"{name}-{index}") for index in range(2)]
    report = verify(mirrors)
    assert (report.failed, report.pairs, report.confirmed) == ((), 4, 4)
    short, medium = (characters(mirror.a) for mirror in mirrors)
    assert 2 < medium / short < 7  # about 4; layouts and tables differ in width
    assert 2 < short / 4000 < 4  # characters of a token


@pytest.mark.slow
def test_core_long_has_the_pinned_content(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    suite = load_suite("core-long")
    assert len(suite.items) == 240
    verification = read_suite(data_folder_of("core-long"), "core-long").verify()
    assert (verification.failed, verification.confirmed) == ((), 240)
    for name in NAMES:
        sizes = [characters(item.prompt) for item in suite.items if item.subset == name][:6:2]
        assert all(2 < larger / smaller < 7 for smaller, larger in pairwise(sizes))
    shutil.rmtree(tmp_path / "rewardbench")
