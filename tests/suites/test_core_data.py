"""The suite core: contents, baselines that must not solve it, its folder in `datasets`, and its cards."""

import hashlib
import json
import re
from collections import Counter
from itertools import combinations
from typing import Any

import datasets
import pytest
from huggingface_hub import DatasetCard

from rewardbench.builders.suite_files import read_suite
from rewardbench.builders.thinning import NEAR_TWIN, mirror_grams
from rewardbench.engine.loop import score
from rewardbench.metrics import summarize
from rewardbench.paths import data_dir
from rewardbench.scorers.baselines import Baseline
from rewardbench.suites import load_suite
from rewardbench.suites.describe import describe

SECTIONS = {"chat": "Chat", "instructions": "Instructions", "safety": "Safety", "reasoning": "Reasoning"}


def read(name: str) -> list[dict[str, Any]]:
    lines = (data_dir() / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


FILES = {name: read(f"core/{name}") for name in (*SECTIONS, "ties")}
COLUMNS = ["id", "subset", "group", "origin"]
ROWS = [row for name in SECTIONS for row in FILES[name]]
EVERY = [*ROWS, *FILES["ties"]]
CHECKS = [check for name in SECTIONS for check in read(f"checks/core/{name}")]
CARD = (data_dir() / "README.md").read_text(encoding="utf-8")
SUITE = load_suite("core")


# --- contents


def test_core_has_the_documented_number_of_mirrors():
    mirrors = {name: len(rows) // 2 for name, rows in FILES.items() if name != "ties"}
    assert sum(mirrors.values()) >= 1000
    least = {"chat": 200, "instructions": 200, "safety": 200, "reasoning": 300}  # instructions left chat in 2.0.0
    assert {name: n for name, n in mirrors.items() if n < least[name]} == {}
    rows = Counter(row["subset"] for row in ROWS)
    assert rows["dialogue"] >= 200
    assert min(rows["instructions"], rows["pink-elephant"]) >= 2 * 90
    kinds = Counter(row["id"].split(":")[0] for row in FILES["ties"])
    assert min(kinds["tied"], kinds["ref"]) >= 100
    languages = Counter(check["check"]["a"]["language"] for check in CHECKS if "language" in str(check.get("check")))
    assert set(languages) == {"python", "javascript", "java", "cpp"}


PINK = [check for check in read("checks/core/instructions") if check["group"].startswith("pink-elephant")]


def test_pink_elephants_come_from_many_topics():
    built = [check for check in PINK if check.get("source")]
    assert len({check["source"]["mould"].split("/")[0] for check in built}) >= 29
    provenance = built[0]["source"]["provenance"]
    assert [step["stage"] for step in provenance][:1] == ["topics"]
    assert all({"stage", "id", "parents", "prompt_hash", "backend", "seed"} <= step.keys() for step in provenance)


def test_half_of_the_answers_under_a_prohibition_decline_openly():
    declined = re.compile(
        r"can't|cannot|not (?:able|free|allowed|to)|only|off (?:limits|the table)|isn't|have to leave"
    )
    answers = {row["id"]: row["chosen"] for row in FILES["instructions"]}
    declines = []
    for check in PINK:
        for half in "ab":
            if check["check"][half]["forbidden"] and check.get("source"):
                declines.append(check["source"]["declines"])
                if declines[-1]:
                    assert declined.search(answers[f"{check['group']}-{half}"]), check["group"]
    assert 0.45 <= sum(declines) / len(declines) <= 0.6


def test_no_two_mirrors_of_a_subset_are_near_twins():
    grams = {}
    for mirror in read_suite(data_dir()).all_mirrors():
        grams.setdefault(mirror.subset, []).append(mirror_grams(mirror))
    assert {subset for subset, mirrors in grams.items() if len(mirrors) > 50} == set(grams)
    for subset, mirrors in grams.items():
        similarities = [first.similarity(second) for first, second in combinations(mirrors, 2)]
        assert max(similarities) < NEAR_TWIN, subset


def test_dialogues_have_three_to_eight_turns():
    prompts = [row["prompt"] for row in ROWS if row["subset"] == "dialogue"]
    turns = [sum(turn["role"] != "system" for turn in prompt) + 1 for prompt in prompts]
    assert min(turns) >= 3
    assert max(turns) <= 8


def test_no_prompt_is_in_two_mirrors():
    groups: dict[str, set[str]] = {}
    for row in ROWS:
        groups.setdefault(json.dumps(row["prompt"]), set()).add(row["group"])
    assert [text for text, owners in groups.items() if len(owners) > 1] == []


@pytest.mark.parametrize("name", ["baseline/longest", "baseline/shortest"])
def test_length_baselines_get_half_of_the_pairs_and_no_mirror(name):
    estimates = summarize(SUITE, score(SUITE.items, Baseline(name)).items)
    assert len(estimates.subsets) == 13
    for subset in estimates.subsets:
        assert subset.value is not None
        if subset.name != "ties":
            assert 2 * round(subset.value * subset.n) + subset.ties == subset.n, subset.name  # ties count half
    assert {mirrors.name: mirrors.value for mirrors in estimates.mirrors} == dict.fromkeys(SECTIONS.values(), 0.0)
    assert estimates.score.value == 0.0
    assert estimates.accuracy.n == len(ROWS)  # ties are not in accuracy


# --- how `datasets` reads the folder


@pytest.fixture
def load(tmp_path):
    return lambda *name: datasets.load_dataset(str(data_dir()), *name, cache_dir=str(tmp_path / "cache"))


def test_data_folder_has_a_configuration_for_each_section():
    assert datasets.get_dataset_config_names(str(data_dir())) == [
        "default",
        *SECTIONS,
        "ties",
        "core-hard",
        "core-hard-squares",
        "core-hard-tools",
        "core-style",
    ]


@pytest.mark.parametrize("name", FILES)
def test_datasets_loads_the_rows_of_a_section(load, name):
    loaded = load(name)
    assert list(loaded) == ["test"]
    assert loaded["test"].to_list() == FILES[name]


def test_datasets_loads_core_style(load):
    rows = [row for section in SECTIONS for row in read(f"core-style/{section}")]
    assert load("core-style")["test"].to_list() == rows
    assert {len(row[side]) for row in rows for side in ("chosen", "rejected")} == {4}


def test_datasets_loads_all_mirrors_by_default(load):
    loaded = load()
    assert list(loaded) == ["test"]
    assert loaded["test"].column_names == [*COLUMNS, "template", "prompt", "chosen", "rejected"]
    assert sorted(loaded["test"]["id"]) == sorted(row["id"] for row in ROWS)


def test_suite_core_has_the_rows_without_checks():
    assert [item.id for item in SUITE.items] == [row["id"] for row in EVERY]
    assert {key for item in SUITE.items for key in item.meta} == {"origin", "template"}


# --- the cards


def test_card_counts_match_the_data():
    counts = Counter((SECTIONS[name], row["subset"]) for name in SECTIONS for row in FILES[name])
    table = re.findall(r"^\| ([\w ]+) \| \[([\w-]+)\]\(cards/[\w-]+\.md\) \| (\d+) \| (\d+) \|", CARD, re.MULTILINE)
    assert [(section, subset, int(n) * 2, int(n2)) for section, subset, n, n2 in table] == [
        (section, subset, n, n) for (section, subset), n in counts.items()
    ]
    assert f"{len(ROWS) // 2:,} mirrors ({len(ROWS):,} preference pairs)" in CARD
    assert f"{len(FILES['ties']) // 2} tied items" in CARD


def test_card_counts_the_verified_rows():
    verified = sum(2 for check in CHECKS if check.get("check"))
    ties = sum(4 for twin in read_suite(data_dir()).ties if twin.check)
    assert verified + ties >= 0.6 * len(EVERY)
    assert f"{verified + ties:,} of the {len(EVERY):,} rows" in CARD


def test_card_has_the_hash_of_the_rows_that_readers_checked():
    """A change of the rows that no program verifies needs a new blind reading."""
    checked = {check["group"] for check in CHECKS if check.get("check")}
    ties = {twin.group for twin in read_suite(data_dir()).ties if twin.check}
    rows = []
    for row in EVERY:
        if row["group"] not in checked | ties:
            rows.append({name: value for name, value in row.items() if name != "template"})
    digest = hashlib.sha256("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()).hexdigest()
    assert f"`{digest[:16]}`" in CARD, digest[:16]


@pytest.mark.parametrize("subset", sorted({row["subset"] for row in EVERY}))
def test_every_subset_has_a_card_with_its_counts(subset):
    text = (data_dir() / "cards" / f"{subset}.md").read_text(encoding="utf-8")
    rows = [row for row in EVERY if row["subset"] == subset]
    assert f"| rows | {len(rows)} |" in text
    assert f"| groups | {len({row['group'] for row in rows})} |" in text
    assert "Licence: CC BY 4.0" in text
    for heading in ("How it was made", "How it was verified", "Known limits"):
        assert f"**{heading}.**" in text


def test_card_example_is_a_mirror_of_the_suite():
    (block,) = re.findall(r"```json\n(.*?)```", CARD, re.DOTALL)
    example = [json.loads(line) for line in block.splitlines()]
    assert example == [row for row in ROWS if row["group"] == example[0]["group"]]


def test_card_has_version_and_licence():
    version = (data_dir() / "core" / "VERSION").read_text(encoding="utf-8").strip()
    assert describe()["embedded"]["core"]["version"] == version
    assert f"**Version {version}**" in CARD
    assert DatasetCard(CARD).data.license == "cc-by-4.0"
    licence = (data_dir() / "LICENSE").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/" in licence
    attribution = f'"rewardbench core {version}, by the authors of rewardbench, CC BY 4.0"'
    assert attribution in licence
    assert attribution in CARD
