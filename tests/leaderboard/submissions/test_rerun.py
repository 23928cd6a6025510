"""Test how often a re-run of a sample detects manipulated decisions, and passes honest results."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest

from rewardbench import results
from rewardbench.cli.main import main
from rewardbench.leaderboard.refresh import refresh
from rewardbench.leaderboard.submissions import compare_rerun, draw_sample, items_for
from rewardbench.store import LocalStore
from rewardbench.store.verdicts import summary_hash
from rewardbench.types import Item, Suite

SECTIONS = ("Chat", "Safety", "Reasoning", "Pink")


def suite(count=2000):
    return Suite("toy", "r", tuple(Item(str(n), SECTIONS[n % 4], (), ((), ())) for n in range(count)), {})


def honest(random, items):
    """Return the scores of a model, and again with bfloat16 noise: half a percent of decisions differ."""
    margins = random.normal(0.8, 1.0, len(items))
    noise = 0.022 * random.standard_t(5, len(items)) / np.sqrt(5 / 3)
    pairs = zip(items, margins, noise, strict=True)
    first, second = {}, {}
    for item, margin, off in pairs:
        first[item.id], second[item.id] = (float(margin), 0.0), (float(margin + off), 0.0)
    return first, second


def tampered(random, stated, share):
    turned = set(random.choice(sorted(stated), round(share * len(stated)), replace=False))
    return {id: (scores[::-1] if id in turned else scores) for id, scores in stated.items()}


def rates(runs, share):
    """Return the shares of honest and manipulated results that are refused, and of decisions that noise changes."""
    chance, full_suite = np.random.default_rng(7), suite()
    refused = caught = differ = 0
    for n in range(runs):
        stated, again = honest(chance, full_suite.items)
        sample = draw_sample(full_suite, 64, n).items
        differ += sum((stated[i.id][0] > 0) != (again[i.id][0] > 0) for i in full_suite.items) / len(full_suite.items)
        refused += not compare_rerun(sample, stated, again, noise=0.022).agrees
        caught += not compare_rerun(sample, tampered(chance, stated, share), again, noise=0.022).agrees
    return refused / runs, caught / runs, differ / runs


def test_rerun_detects_three_percent_manipulation_and_passes_honest_results(capsys):
    refused, caught, differ = rates(200, 0.03)
    with capsys.disabled():
        print(
            f"\nhonest refused {refused:.3f}, 3 % turned caught {caught:.3f}, honest decisions that differ {differ:.4f}"
        )
    assert 0.002 < differ < 0.01
    assert refused <= 0.01
    assert caught >= 0.95


def test_sample_has_equal_sections_and_depends_on_the_seed():
    full_suite = suite()
    sample, other_sample = draw_sample(full_suite, 64, 1), draw_sample(full_suite, 64, 2)
    assert [sum(item.subset == name for item in sample.items) for name in SECTIONS] == [64] * 4
    assert {item.id for item in sample.items} != {item.id for item in other_sample.items}
    assert len(draw_sample(full_suite, 10_000, 1).items) == 2000


def test_identical_scores_agree_and_random_ones_do_not():
    items = suite(300).items
    chance = random.Random(1)
    stated = {item.id: (chance.gauss(0, 1), 0.0) for item in items}
    other_scores = {item.id: (chance.gauss(0, 1), 0.0) for item in items}
    assert compare_rerun(items, stated, stated).agrees
    assert not compare_rerun(items, other_scores, stated).agrees
    assert not compare_rerun(items, other_scores, stated, noise=100.0).agrees, (
        "declared noise is believed up to a limit"
    )
    assert not compare_rerun(items[:0], {}, {}).agrees


def test_sample_size_matches_enumeration():
    for share in (0.01, 0.03, 0.2):
        n = items_for(share)
        assert 1 - (1 - share) ** n >= 0.95 > 1 - (1 - share) ** (n - 1)


@pytest.fixture
def scored_twice(tmp_path, monkeypatch):
    """Score pairs with the embedded model."""

    monkeypatch.chdir(tmp_path)
    rows = [
        {"id": str(n), "prompt": f"Say {n}", "chosen": "yes " * (1 + n % 3), "rejected": "no " * (1 + n % 4)}
        for n in range(40)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit):
        main(["--model", "tiny-rm", "--dataset", "p.jsonl", "--device", "cpu"])
    return tmp_path


def test_verify_command_scores_a_sample_again(scored_twice, capsys, monkeypatch):

    ask = [
        "verify",
        "results/tiny-rm.json",
        "--dataset",
        "p.jsonl",
        "--rerun",
        "30",
        "--model",
        "tiny-rm",
        "--device",
        "cpu",
    ]
    with pytest.raises(SystemExit) as stop:
        main([*ask, "--store", "results", "--record"])
    out = capsys.readouterr().out
    assert (stop.value.code, "rerun_agrees=yes" in out, "recorded=verdicts/tiny-rm.json" in out) == (0, True, True), out
    with pytest.raises(SystemExit):
        main(["index", "results"])
    assert "verified" in capsys.readouterr().out
    rows = [json.loads(line) for line in Path("results/tiny-rm_outputs.jsonl").read_text().splitlines()]
    scores = [row["scores"] for row in rows]
    for row, other_scores in zip(rows, scores[1:] + scores[:1], strict=True):  # every figure stays as it is
        row["scores"] = other_scores
    content = "".join(map(results.dump, rows)).encode()
    Path("results/tiny-rm_outputs.jsonl").write_bytes(content)
    path = Path("results/tiny-rm.json")
    summary = json.loads(path.read_bytes())
    summary[results.OUTPUTS_HASH] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(summary))
    with pytest.raises(SystemExit) as stop:
        main(ask)
    assert stop.value.code == 1
    assert "rerun_agrees=no" in capsys.readouterr().out


def test_missing_result_is_a_one_line_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["verify", "nowhere.json"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def ask(capsys, *options, path="results/tiny-rm.json", model="tiny-rm"):
    """Verify with a re-run on the toy pairs; return exit code, key=value lines and output."""
    command = [
        "verify",
        path,
        "--dataset",
        "p.jsonl",
        "--rerun",
        "30",
        "--model",
        str(model),
        "--device",
        "cpu",
        *options,
    ]
    with pytest.raises(SystemExit) as stop:
        main(command)
    out = capsys.readouterr().out
    values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and ": " not in line.split("=")[0])
    return stop.value.code, values, out


@pytest.fixture
def wrong(model_folder):
    """Make a model other than the scored one."""
    return model_folder("llama", seed=7)


def test_rerun_with_another_model_is_refused(scored_twice, wrong, capsys):
    code, values, out = ask(capsys, model=wrong)
    assert (code, values["verdict"], values["rerun_agrees"], values["findings"]) == (1, "refused", "no", "1")
    assert "weights" in values["rerun_differs"]
    assert "tokenizer" in values["rerun_differs"]
    (sentence,) = [line for line in out.splitlines() if line.startswith("refused: ")]
    assert "the re-run gives other scores" in sentence
    assert "manifest has another" in sentence
    assert out.rstrip().endswith("verdict=refused")


def test_copy_in_the_store_does_not_hide_a_failed_rerun(scored_twice, wrong, capsys):
    path = Path("results/tiny-rm.json")
    summary = json.loads(path.read_bytes()) | {"model": "org/other"}
    summary["manifest"]["fingerprint"]["dtype"] = "other"
    from rewardbench.models.fingerprint import digest

    summary["manifest"]["fingerprint_sha256"] = digest(summary["manifest"]["fingerprint"])
    Path("mine").mkdir()
    Path("mine/copy.json").write_text(json.dumps(summary))
    Path("mine/copy_outputs.jsonl").write_bytes(Path("results/tiny-rm_outputs.jsonl").read_bytes())
    code, values, out = ask(capsys, "--store", "results", path="mine/copy.json", model=wrong)
    assert "flagged: its scores are those of tiny-rm" in out
    assert (code, values["verdict"]) == (1, "refused")


def test_correct_scores_from_another_model_are_flagged(scored_twice, capsys):
    from rewardbench.models.fingerprint import digest

    path = Path("results/tiny-rm.json")
    summary = json.loads(path.read_bytes())
    summary["manifest"]["fingerprint"] |= {"weights": {"sha256": "0" * 64}, "device": "tpu"}
    summary["manifest"]["fingerprint_sha256"] = digest(summary["manifest"]["fingerprint"])
    path.write_text(json.dumps(summary))
    code, values, out = ask(capsys, "--store", "results", "--record")
    assert (code, values["verdict"], values["rerun_agrees"]) == (3, "flagged", "yes")
    assert values["rerun_differs"] == "device, weights"
    assert "its manifest has another weights than the re-run" in out
    assert "recorded" not in values


def test_verdict_names_model_weights_and_user(scored_twice, capsys):
    code, values, _ = ask(capsys, "--store", "results", "--record")
    assert (code, values["verdict"], values["rerun_differs"]) == (0, "passed", "nothing")
    summary = json.loads(Path("results/tiny-rm.json").read_bytes())
    verdict = json.loads(Path("results", values["recorded"]).read_bytes())
    assert verdict["badge"] == "verified"
    assert verdict["summary_sha256"] == summary_hash(summary)
    assert (verdict["model"], verdict["rerun_model"]) == ("tiny-rm", "tiny-rm")
    assert verdict["rerun_weights"] == summary["manifest"]["fingerprint"]["weights"]
    assert verdict["versions"].keys() >= {"rewardbench", "torch", "transformers"}
    assert verdict["date"]
    assert "by" in verdict


def test_failed_rerun_is_recorded_and_removes_the_badge(scored_twice, wrong, capsys):
    assert ask(capsys, "--store", "results", "--record")[0] == 0
    assert refresh(LocalStore("results")).rows[0].badge == "verified"
    code, values, _ = ask(capsys, "--store", "results", "--record", model=wrong)
    assert (code, values["recorded"]) == (1, "verdicts/tiny-rm.json")
    row = refresh(LocalStore("results")).rows[0]
    assert (row.badge, "did not reproduce these scores" in row.note) == ("recomputed", True)


def add_copy(name, base, date):
    """Add the scored result under another name, with a stated base model and date, as that of another device."""
    from rewardbench.models.fingerprint import digest

    summary = json.loads(Path("results/tiny-rm.json").read_bytes()) | {"model": name, "date": date}
    manifest = summary["manifest"]
    manifest["fingerprint"]["device"] = name
    manifest["fingerprint_sha256"] = digest(manifest["fingerprint"])
    manifest["model"] = {**(manifest.get("model") or {}), "base_model": base}
    path = Path("results", f"{name}.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(summary))
    path.with_name(f"{path.stem}_outputs.jsonl").write_bytes(Path("results/tiny-rm_outputs.jsonl").read_bytes())
    return str(path)


def row_of(name):
    return next(row for row in refresh(LocalStore("results")).rows if row.model == name)


def test_copy_that_states_its_source_is_verified_without_a_rank_of_its_own(scored_twice, capsys):
    assert ask(capsys, "--store", "results", "--record")[0] == 0
    assert row_of("tiny-rm").rank_range == (1, 1)
    path = add_copy("thief/rm", "tiny-rm", "2024-01-02")  # an earlier date than the original's: it is not believed
    code, values, out = ask(capsys, "--store", "results", "--record", path=path)
    assert (code, values["verdict"], values["rerun_agrees"]) == (0, "passed", "yes"), out
    assert "noted: its scores are those of tiny-rm plus noise" in out
    row = row_of("thief/rm")
    assert (row.badge, row.alike, row.rank_range) == ("verified", "tiny-rm", None)
    assert row.note.endswith("Its scores may be made from those of tiny-rm, so it has no rank of its own.")
    assert row_of("tiny-rm").rank_range == (1, 1)
    code, _, out = ask(capsys, "--store", "results", "--record")  # the copy does not taint the original
    assert (code, "thief" in out, row_of("tiny-rm").rank_range) == (0, False, (1, 1)), out
    assert ask(capsys, "--store", "results", "--record", "--own_rank", path=path)[0] == 0
    assert (row_of("thief/rm").rank_range, row_of("thief/rm").note) == ((1, 2), "")


def test_flagged_copy_has_no_rank_of_its_own_even_if_it_is_accepted(scored_twice, capsys):
    assert ask(capsys, "--store", "results", "--record")[0] == 0
    path = add_copy("thief/rm", "meta/base", "2024-01-02")
    code, values, _ = ask(capsys, "--store", "results", "--record", path=path)
    assert (code, values["verdict"], "recorded" in values) == (3, "flagged", False)
    code, values, _ = ask(capsys, "--store", "results", "--record", "--replace", path=path)
    assert (code, values["recorded"]) == (0, "verdicts/thief/rm.json")
    assert (row_of("thief/rm").badge, row_of("thief/rm").rank_range) == ("verified", None)


@pytest.mark.parametrize("name", ["index", "README", "Verdicts", "index.v2", "con", "Aux.final", "LPT1"])
def test_reserved_name_is_rejected_before_scoring(scored_twice, capsys, name):
    import shutil

    from rewardbench.paths import data_dir

    shutil.copytree(data_dir() / "models" / "tiny-rm", name)
    with pytest.raises(SystemExit) as stop:
        main(["--model", f"./{name}", "--dataset", "p.jsonl", "--device", "cpu", "--output_dir", "other", "--no_cache"])
    summary = capsys.readouterr()
    assert (stop.value.code, summary.err.count("\n"), "cannot be called" in summary.err) == (2, 1, True), summary.err
    assert not Path("other").exists()
