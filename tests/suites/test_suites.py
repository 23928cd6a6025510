import json
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from repository import SHARED

from rewardbench.errors import InputError
from rewardbench.paths import data_dir
from rewardbench.suites import embedded_version, list_suites, load_embedded, load_known, load_suite
from rewardbench.suites.registry import find_spec
from rewardbench.types import Rule

REAL = SHARED / "real"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def user(text):
    return {"role": "user", "content": text}


def pair(n, **fields):
    return {"id": n, "prompt": f"Q{n}", "chosen": f"X{n}", "rejected": f"Y{n}", **fields}


def mirror(group, subset):
    """Two rows of the embedded suite's format, each other's mirror."""
    first = {"prompt": [user(f"{group} up?")], "chosen": "up", "rejected": "down"}
    second = {"prompt": [user(f"{group} down?")], "chosen": "down", "rejected": "up"}
    labels = {"subset": subset, "group": group}
    return [{"id": f"{group}-a", **labels, **first}, {"id": f"{group}-b", **labels, **second}]


def ties():
    """One twin of ties: two tied items, and a reference for each."""
    row = {"subset": "ties", "group": "t1", "prompt": [user("Any?")]}
    tied = [{"id": f"tied:t1-{half}", "chosen": ["p", "q"], "rejected": ["r"], **row} for half in "ab"]
    return tied + [{"id": f"ref:t1-{half}", "chosen": ["p"], "rejected": ["r", "s"], **row} for half in "ab"]


@pytest.fixture
def core(tmp_path, monkeypatch):
    folder = tmp_path / "data" / "core"
    write(folder / "chat.jsonl", mirror("c1", "facts") + mirror("c2", "focus"))
    for name, subset in (("instructions", "brands"), ("safety", "privacy"), ("reasoning", "code")):
        write(folder / f"{name}.jsonl", mirror(name, subset))
    write(folder / "ties.jsonl", ties())
    (folder / "VERSION").write_text("0.1.0\n")
    monkeypatch.setattr("rewardbench.suites.data_dir", lambda: tmp_path / "data")
    return folder


def test_core_sections_follow_its_files(core):
    suite = load_suite("core")
    assert (suite.name, suite.headline, len(suite.items)) == ("core", "mirror", 14)
    assert suite.rules == {
        "facts": Rule("Chat", weight=1.0),
        "focus": Rule("Chat", weight=1.0),
        "brands": Rule("Instructions", weight=1.0),
        "privacy": Rule("Safety", weight=1.0),
        "code": Rule("Reasoning", weight=1.0),
        "ties": Rule("Ties", "ties"),
    }
    assert suite.section_weights == {"Ties": 0.0}
    assert (suite.items[0].id, suite.items[0].group, suite.items[0].num_correct) == ("c1-a", "c1", 1)
    assert suite.source == str(core)


def test_core_revision_has_version_and_content_hash(core):
    before = load_suite("core").revision
    version, _, digest = before.partition("+")
    assert (version, len(digest)) == ("0.1.0", 12)
    write(core / "safety.jsonl", mirror("other", "privacy"))
    assert load_suite("core").revision.partition("+")[0] == "0.1.0"
    assert load_suite("core").revision != before


def test_limit_keeps_groups_complete_and_is_in_the_revision(core):
    core_suite, limited = load_suite("core"), load_suite("core", limit=3)
    assert [item.id for item in limited.items] == ["c1-a", "c1-b", "c2-a", "c2-b"]
    assert limited.revision == f"{core_suite.revision}+limit=3"
    assert list(limited.rules) == ["facts", "focus"]
    with pytest.raises(InputError, match="The limit is 0"):
        load_suite("core", limit=0)


def test_subset_and_split_select_a_part_of_core(core):
    suite = load_suite("core", subset="focus")
    assert {item.subset for item in suite.items} == {"focus"}
    assert suite.revision.endswith("+subset=focus")
    suite = load_suite("core", split="reasoning")
    assert [item.id for item in suite.items] == ["reasoning-a", "reasoning-b"]
    assert suite.revision.endswith("+split=reasoning")
    with pytest.raises(InputError, match="core has no subset nope: it has brands, code, facts, focus, privacy, ties"):
        load_suite("core", subset="nope")
    with pytest.raises(InputError, match="core has no split nope: it has chat, instructions, safety, reasoning, ties"):
        load_suite("core", split="nope")


def test_embedded_core_consists_of_mirrors():
    suite = load_suite("core")
    assert {suite.rules[item.subset].section for item in suite.items} == {
        "Chat",
        "Instructions",
        "Safety",
        "Reasoning",
        "Ties",
    }
    assert len({item.id for item in suite.items}) == len(suite.items)
    assert [item.id for item in suite.items if item.problem] == []
    groups = {}
    for item in suite.items:
        if item.subset != "ties":
            groups.setdefault(item.group, []).append(item)
    for name, items in groups.items():
        assert name
        first, second = items  # every group is exactly two
        assert first.prompt != second.prompt, name
        assert first.completions == second.completions[::-1], name
        assert first.subset == second.subset, name
        assert first.completions[0] != first.completions[1], name


@pytest.mark.parametrize("name", ["core", "core-style"])
def test_the_version_of_an_embedded_suite_is_that_of_its_revision(name):
    assert embedded_version(find_spec(name)) == load_embedded(name).revision.partition("+")[0]


def test_each_subset_of_embedded_core_is_in_one_file():
    files = {}
    for path in (data_dir() / "core").glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            files.setdefault(json.loads(line)["subset"], set()).add(path.stem)
    assert {subset: stems for subset, stems in files.items() if len(stems) > 1} == {}


def reward_bench(n, subset):
    return {**pair(n), "chosen_model": "m", "rejected_model": "n", "subset": subset}


def test_reward_bench_is_read_from_a_local_copy(tmp_path):
    rows = [reward_bench(0, "math-prm"), reward_bench(1, "math-prm"), reward_bench(0, "donotanswer")]
    (tmp_path / "rb" / "data").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(tmp_path / "rb" / "data" / "filtered-00000-of-00001.parquet")
    pd.DataFrame(rows * 2).to_parquet(tmp_path / "rb" / "data" / "raw-00000-of-00001.parquet")
    suite = load_suite(str(tmp_path / "rb"), protocol="allenai/reward-bench")
    assert [item.id for item in suite.items] == ["math-prm/0", "1", "donotanswer/0"]
    assert suite.items[0].prompt == (user("Q0"),)
    assert suite.items[0].meta == {"chosen_model": "m", "rejected_model": "n"}
    assert (suite.name, suite.rules["math-prm"].weight) == ("reward-bench", 984)
    assert suite.revision.startswith("sha256:")  # a copy is not the pinned commit
    raw = load_suite(str(tmp_path / "rb"), protocol="reward-bench", split="raw")
    assert len(raw.items) == 6
    assert raw.revision.endswith("+split=raw")


def test_reward_bench_2_is_read_from_a_local_copy(tmp_path):
    def row(id_, subset, chosen, rejected):
        counts = {"num_correct": len(chosen), "num_incorrect": len(rejected)}
        total = {"total_completions": len(chosen) + len(rejected), "models": ["m"], "additional_metadata": {"index": 1}}
        return {
            "id": id_,
            "prompt": "Q",
            "chosen": chosen,
            "rejected": rejected,
            **counts,
            **total,
            "subset": subset,
        }

    rows = [
        row("7", "Math", ["a"], ["b", "c", "d"]),
        row("ref:3", "Ties", ["a"], ["b", "c"]),
        row("tied:3", "Ties", ["a", "b"], ["c", "d", "e"]),
    ]
    (tmp_path / "rb2" / "data").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(tmp_path / "rb2" / "data" / "test-00000-of-00001.parquet")
    suite = load_suite(str(tmp_path / "rb2"), protocol="reward-bench-2")
    assert [(item.id, item.group, item.num_correct, len(item.completions)) for item in suite.items] == [
        ("7", "", 1, 4),
        ("ref:3", "ties/3", 1, 3),
        ("tied:3", "ties/3", 2, 5),
    ]
    assert (suite.rules["Ties"].credit, suite.rules["Math"].credit) == ("ties", "best_of_n")
    assert suite.items[0].meta == {
        "num_incorrect": 3,
        "total_completions": 4,
        "models": ["m"],
        "additional_metadata": {"index": 1},
    }


def test_preference_test_sets_use_the_split_as_subset(tmp_path):
    names = ["anthropic_helpful", "anthropic_hhh", "shp", "summarize"]
    names += ["anthropic_harmless", "mtbench_gpt4", "mtbench_human", "pku_safer"]
    (tmp_path / "sets" / "data").mkdir(parents=True)
    for name in names:
        row = {"prompt": [user("Q")], "chosen": "X", "rejected": "Y", "subset": "fine", "id": 0}
        pd.DataFrame([row]).to_parquet(tmp_path / "sets" / "data" / f"{name}-00000-of-00001.parquet")
    files = "".join(f"  - split: {name}\n    path: data/{name}-*\n" for name in names)
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
    (tmp_path / "sets" / "README.md").write_text(card)
    suite = load_suite(str(tmp_path / "sets"), protocol="preference-test-sets")
    assert [item.subset for item in suite.items] == names[:-1]  # pku_safer is no longer in the benchmark
    assert suite.items[0].id == "anthropic_helpful/0"
    assert suite.items[0].meta == {"subsubset": "fine"}
    assert suite.section_weights == dict.fromkeys(names[4:7], 0)
    single_set = load_suite(str(tmp_path / "sets"), protocol="preference-test-sets", split="mtbench_human")
    assert ([item.subset for item in single_set.items], single_set.section_weights) == (["mtbench_human"], {})
    dropped = load_suite(str(tmp_path / "sets"), protocol="preference-test-sets", split="pku_safer")
    assert ([item.subset for item in dropped.items], dropped.rules) == (["pku_safer"], {})


def test_unknown_protocol_lists_the_known_ones(tmp_path):
    path = write(tmp_path / "a.jsonl", [pair(0)])
    with pytest.raises(InputError, match="There is no protocol 'rb': it must be one of core, core-style, core-hard, "):
        load_suite(path, protocol="rb")


def test_other_data_has_its_file_name_and_content_hash(tmp_path, monkeypatch):
    path = write(tmp_path / "mine" / "pairs.jsonl", [pair(0, subset="a"), pair(1, subset="b")])
    suite = load_suite(path)
    assert (suite.name, suite.source, suite.rules, suite.headline) == ("pairs.jsonl", path, {}, "accuracy")
    pd.DataFrame([pair(0, subset="a"), pair(1, subset="b")]).to_parquet(tmp_path / "other.parquet")
    assert load_suite(str(tmp_path / "other.parquet")).revision == suite.revision
    assert load_suite(path, subset="b").revision == f"{suite.revision}+subset=b"
    assert load_suite(path, split="filtered").revision == suite.revision  # a file has no splits
    folder = load_suite(str(tmp_path / "mine"))
    assert (folder.name, folder.revision) == ("mine", suite.revision)
    assert folder.source == f"{tmp_path / 'mine'} (split train)"
    monkeypatch.chdir(tmp_path / "mine")
    assert load_suite(".").name == "mine"


def test_list_suites_imports_no_heavy_package():
    code = (
        "import sys, rewardbench.suites as s; print(s.list_suites());"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'datasets', 'pandas', 'pyarrow')))"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == str(list_suites())


ROWS = {
    "hep-cpp": 164,
    "hep-java": 164,
    "hep-js": 164,
    "hep-python": 164,
    "hh-harmless-base-test": 2307,
    "llmbar-adver-GPTInst": 92,
    "llmbar-adver-GPTOut": 47,
    "llmbar-adver-manual": 46,
    "llmbar-adver-neighbor": 134,
    "llmbar-proc-faireval": 66,
    "llmbar-proc-mtbench": 200,
    "math-analog-gsm8k": 137,
    "math-analog-math": 134,
    "mtbench-proxy-easy": 79,
}


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real data is not here")
def test_real_data_loads_with_unique_ids():
    suites = {path.stem: load_suite(str(path)) for path in REAL.glob("*.jsonl")}
    assert {name: len(suite.items) for name, suite in suites.items()} == ROWS
    for name, suite in suites.items():
        assert len({item.id for item in suite.items}) == ROWS[name]
        assert {item.subset for item in suite.items} == {name}
    problems = Counter(item.problem for suite in suites.values() for item in suite.items)
    assert problems == {None: 3890, "chosen is empty": 4, "two assistant turns in a row in the prompt": 4}
    bad = {item.id: item.problem for item in suites["hh-harmless-base-test"].items if item.problem}
    assert sorted(id_ for id_, problem in bad.items() if problem == "chosen is empty") == ["1103", "516", "86", "925"]


def test_a_suite_that_is_built_at_first_use_is_not_built_for_untrusted_input():
    with pytest.raises(InputError, match="Results on core-long are not checked here"):
        load_known("core-long", may_build=False)
