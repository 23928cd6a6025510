"""Facts of a row: from plain names, from planted odd ones, and from the names of both published tables."""

import json
import random
from collections import Counter

import pytest
from repository import SHARED

from rewardbench.leaderboard import facts
from rewardbench.leaderboard.types import Figure, LeaderboardRow
from rewardbench.results.model_names import run_in_name, size_in_name

PUBLISHED = SHARED / "golden" / "published_scores.json"


def row(model="org/m", **changes):
    values = {
        "key": changes.get("key", model), "mark": "1", "model": model, "model_type": "Seq. Classifier", "suite": "toy",
        "revision": "r1", "ids": "", "metric": "pair", "score": Figure("score", 0.5), "sections": (), "subsets": (),
        "gap": (), "badge": "recomputed",
    }  # fmt: skip
    return LeaderboardRow(**{**values, **changes})


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("Skywork/Skywork-Reward-Llama-3.1-8B-v0.2", "8B"),
        ("Qwen/Qwen1.5-0.5B-Chat", "0.5B"),
        ("Qwen/Qwen1.5-7B-Chat", "7B"),
        ("Qwen/Qwen1.5-MoE-A2.7B-Chat", None),
        ("Qwen/Qwen3-30B-A3B", "30B"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", None),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "8x7B"),
        ("google/gemma-2-27b-it", "27B"),
        ("internlm/internlm2-1_8b-reward", "1.8B"),
        ("stabilityai/stablelm-2-zephyr-1_6b", "1.6B"),
        ("CIR-AMS/BTRM_Qwen2_7b_0613", "7B"),
        ("ContextualAI/archangel_sft-dpo_llama13b", "13B"),
        ("ContextualAI/archangel_sft-dpo_pythia12-0b", "12B"),
        ("ContextualAI/archangel_sft-dpo_pythia6-9b", "6.9B"),
        ("allenai/open_instruct_dev-rm_tulu3_70b_1__8__1742924455", "70B"),
        ("allenai/open_instruct_dev-rm_qwen32b_1e-6_skyworkstulufull__8__1748235917", "32B"),
        ("allenai/open_instruct_dev-rm_1e-6_1_100pctflipped__1__1744241455", None),
        ("ai2/llama-2-chat-7b-nectar-3.8m.json", "7B"),
        ("ai2/llama-2-chat-nectar-180k.json", None),
        ("EleutherAI/pythia-160m", "160M"),
        ("EleutherAI/pythia-step1000-tokens4B", None),
        ("org/rm-300B-tokens", None),
        ("org/rm-100M-pairs", None),
        ("google/gemma-3n-E4B-it", None),
        ("stabilityai/stablelm-2-1_6b", "1.6B"),
        ("Qwen/Qwen2.5-14B-Instruct-1M", "14B"),
        ("mosaicml/mpt-7b-8k-chat", "7B"),
        ("google/flan-t5-xl", None),
        ("org/RM-v0.2", None),
        ("org/Llama-3.1", None),
        ("org/model-4bit", None),
        ("org/gpt-4b1", None),
        ("org/0B", None),
        ("7B/model", None),
    ],
)
def test_the_size_in_a_name(model, size):
    named = size_in_name(model)
    assert (named.text if named else None) == size


def test_a_size_says_where_it_is_from():
    assert facts.size_of(row("org/RM-8B", parameters=8_030_000_000)) == facts.Size(8_030_000_000, "stated")
    assert facts.size_of(row("org/RM-8B")) == facts.Size(8_000_000_000, "name", "8B")
    assert facts.size_of(row("org/Mix-8x7B")) == facts.Size(56_000_000_000, "name", "8x7B")
    assert facts.size_of(row("org/RM")) == facts.Size(None, "unknown")


def test_toys_have_fewer_than_ten_million_parameters():
    assert facts.is_toy(row(parameters=9_999_999))
    assert not facts.is_toy(row(parameters=10_000_000))
    assert not facts.is_toy(row("org/RM"))
    assert not facts.is_toy(row("org/RM-0.5B"))


@pytest.mark.parametrize(
    ("model", "organization", "address"),
    [
        ("allenai/OLMo-7B-Instruct", "allenai", "https://huggingface.co/allenai/OLMo-7B-Instruct"),
        ("R-I-S-E/RISE-Judge-Qwen2.5-7B", "R-I-S-E", "https://huggingface.co/R-I-S-E/RISE-Judge-Qwen2.5-7B"),
        ("0-hero/Matter-0.1-7B", "0-hero", "https://huggingface.co/0-hero/Matter-0.1-7B"),
        ("openai/gpt-oss-20b", "openai", "https://huggingface.co/openai/gpt-oss-20b"),
        ("openai/gpt-4o-2024-08-06", "openai", ""),
        ("google/gemini-2.5-pro", "google", ""),
        ("Anthropic/claude-3-haiku-20240307", "Anthropic", ""),
        ("allenai/open_instruct_dev-rl__1__1743551221", "allenai", "https://huggingface.co/allenai/open_instruct_dev"),
        ("org/other-rl__1__1743551221", "org", ""),
        ("ai2/tulu-2-7b-rm-v0-nectar-binarized-3.8m-check...", "ai2", ""),
        ("ai2/llama-2-chat-nectar-180k.json", "ai2", ""),
        ("baseline/random", "", ""),
        ("Cohere March 2024", "", ""),
        ("tiny-rm", "", ""),
        ("my_model/", "", ""),
        ("/models/run/rm", "", ""),
        ("a/b/c", "", ""),
        ("org/..", "org", ""),
        ("org/a--b", "org", ""),
        ("org/m\n", "org", ""),
        ("javascript:alert(1)/x", "", ""),
        ("org/m?x=1#y", "org", ""),
        ("<b>/m", "", ""),
    ],
)
def test_organization_and_address(model, organization, address):
    assert facts.organization(row(model)) == organization
    assert facts.hub_address(row(model)) == address


def test_an_ensemble_has_no_address():
    assert facts.hub_address(row("org/RM-8B", model_type="Ensemble")) == ""


@pytest.mark.parametrize(
    ("model", "license_id", "license_class", "is_open"),
    [
        ("org/m", "apache-2.0", "open", True),
        ("org/m", "MIT", "open", True),
        ("org/m", "BSD-3-Clause", "open", True),
        ("org/m", "cc-by-4.0", "open", True),
        ("org/m", "llama3.1", "restricted", True),
        ("org/m", "gemma", "restricted", True),
        ("org/m", "cc-by-nc-sa-4.0", "restricted", True),
        ("org/m", "bigscience-openrail-m", "restricted", True),
        ("org/m", "other", "unknown", None),
        ("org/m", "", "unknown", None),
        ("org/m", "llama3.1 but free", "unknown", None),
        ("openai/gpt-4o-2024-08-06", "mit", "proprietary", False),
        ("openai/gpt-oss-20b", "apache-2.0", "open", True),
        ("openai-community/gpt2", "mit", "open", True),
        ("Anthropic/claude-3-opus-20240229", "", "proprietary", False),
        ("google/gemini-1.5-flash-8b", "", "proprietary", False),
        ("google/gemma-2-27b-it", "gemma", "restricted", True),
        ("gemini-1.5-flash-8b", "", "proprietary", False),
        ("Cohere May 2024", "", "proprietary", False),
        ("CohereForAI/c4ai-command-r-plus", "cc-by-nc-4.0", "restricted", True),
        ("org/gpt-4o-distilled-8B", "mit", "open", True),
    ],
)
def test_the_class_of_a_license(model, license_id, license_class, is_open):
    entry = row(model, license=license_id)
    assert facts.license_class(entry) == license_class
    assert facts.is_open_weights(entry) is is_open


@pytest.mark.parametrize(
    ("model", "run", "step", "unit"),
    [
        ("org/rm-7b-step-1500", "org/rm-7b", 1500, "step"),
        ("org/rm-7b-step1000-tokens4B", "org/rm-7b", 1000, "step"),
        ("org/rm_global_step_20", "org/rm", 20, "step"),
        ("org/rm-ckpt-2.5k", "org/rm", 2500, "step"),
        ("org/rm-1000steps", "org/rm", 1000, "step"),
        ("org/rm@step143000", "org/rm", 143000, "step"),
        ("OpenAssistant/oasst-rm-2.1-pythia-1.4b-epoch-2.5", "OpenAssistant/oasst-rm-2.1-pythia-1.4b", 2.5, "epoch"),
        ("Ahjeong/MMPO_Gemma_7b_gamma1.1_epoch3", "Ahjeong/MMPO_Gemma_7b_gamma1.1", 3, "epoch"),
        ("UCLA-AGI/Gemma-2-9B-It-SPPO-Iter3", "UCLA-AGI/Gemma-2-9B-It-SPPO", 3, "iteration"),
        ("org/rm-seed-7", "org/rm", 7, "seed"),
        ("allenai/open_instruct_dev-rl__1__1743551221", "allenai/open_instruct_dev", 1743551221, "launch"),
        ("ai2/tulu-nectar-3.8m-check...", "ai2/tulu-nectar-3.8m", None, "cut off"),
    ],
)
def test_the_run_of_a_checkpoint(model, run, step, unit):
    member = run_in_name(model)
    assert (member.run, member.step) == (run, step)
    assert run_in_name(model).unit == unit


@pytest.mark.parametrize(
    "model",
    ["org/rm-v2.0", "org/rm-8B", "org/step-1", "step-1", "org/rm-2024-07-18", "org/Unifie...", "org/RM-Gemma-7B-4096"],
)
def test_other_names_state_no_run(model):
    assert run_in_name(model) is None


def test_checkpoints_fold_into_the_last_which_need_not_be_the_best():
    rows = [row("o/a-step-20", parameters=5), row("o/b"), row("o/a-step-100", parameters=5), row("o/a-step-3")]
    groups = facts.fold_checkpoints(rows)
    assert [group.head.model for group in groups] == ["o/b", "o/a-step-100", "o/a-step-3"]
    (group,) = [group for group in groups if group.is_folded]
    assert (group.run, group.unit, group.steps) == ("o/a", "step", (20.0, 100.0))
    assert [member.model for member in group.rows] == ["o/a-step-20", "o/a-step-100"]


@pytest.mark.parametrize(
    "changes",
    [
        {"suite": "other"},
        {"revision": "r2"},
        {"protocol": "p"},
        {"badge": "verified"},
        {"license": "mit"},
        {"parameters": 7},
        {"model_type": "DPO"},
        {"base_model": "org/base"},
    ],
)
def test_what_differs_is_not_folded(changes):
    rows = [row("o/a-step-1"), row("o/a-step-2"), row("o/a-step-3", **changes)]
    assert [len(group.rows) for group in facts.fold_checkpoints(rows)] == [2, 1]


def test_folding_keeps_each_row_once():
    chance = random.Random(0)
    suffixes = ("", "-step-{}", "-epoch-{}", "-seed-{}", "__1__174355122{}", "-check...")
    for _ in range(200):
        rows = [
            row(f"o/{chance.choice('ab')}{chance.choice(suffixes).format(chance.randrange(4))}", key=str(n))
            for n in range(20)
        ]
        groups = facts.fold_checkpoints(rows)
        keys = [member.key for group in groups for member in group.rows]
        assert sorted(keys, key=int) == [entry.key for entry in rows]
        heads = [int(group.head.key) for group in groups]
        assert heads == sorted(heads)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published tables are not at hand")
def test_names_of_the_published_tables():
    tables = json.loads(PUBLISHED.read_bytes())
    rows = {
        suite: [row(name, key=f"{suite}-{n}", model_type=kind, suite=suite) for n, (name, kind, _) in enumerate(table)]
        for suite, table in tables.items()
    }
    sized = {suite: sum(facts.size_of(entry).source == "name" for entry in table) for suite, table in rows.items()}
    assert sized == {"v1": 156, "v2": 60}
    groups = facts.fold_checkpoints(rows["v2"])
    folded = [group for group in groups if group.is_folded]
    assert {(group.run, len(group.rows)) for group in folded} == {
        ("allenai/open_instruct_dev", 118), ("allenai/open_instruct_dev", 4), ("allenai/open_instruct_dev", 2),
    }  # fmt: skip
    assert len(groups) == 197 - 124 + 3
    (cut_off,) = [group for group in facts.fold_checkpoints(rows["v1"]) if group.is_folded]
    assert (len(cut_off.rows), cut_off.unit, cut_off.head) == (9, "cut off", cut_off.rows[0])
    classes = Counter(facts.license_class(entry) for table in rows.values() for entry in table)
    assert classes == {"unknown": 351, "proprietary": 33}
