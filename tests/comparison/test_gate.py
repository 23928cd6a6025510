"""The regression gate: verdicts, output files, exit codes and error rates."""

import inspect
import json
from math import nan
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import synthetic
import yaml
from repository import ROOT
from terminal import run

from rewardbench import stats
from rewardbench.cli.gate import evaluate_and_gate_command
from rewardbench.comparison.gate import Check, Decision, Limits, decide, to_junit, to_markdown
from rewardbench.errors import InputError
from rewardbench.metrics import measure, score_interval
from rewardbench.results.scored import ModelScores, read_scored
from rewardbench.types import Item, ItemScores, Rule, Suite


def scores_with_errors(suite, wrong):
    """Return scores that are wrong on the first `wrong` items."""
    return [ItemScores(item.id, (0.0, 1.0) if n < wrong else (1.0, 0.0)) for n, item in enumerate(suite.items)]


def gate(tmp_path, before, after, suite=None, **limits):
    suite = suite or synthetic.singles(2000)
    baseline = read_scored(synthetic.store(tmp_path, suite, before, "base"))
    candidate = read_scored(synthetic.store(tmp_path, suite, after, "new"))
    return decide(baseline, candidate, Limits(**limits))


def test_gate_finds_a_large_drop_and_passes_a_small_one(tmp_path):
    suite = synthetic.singles(2000)
    assert gate(tmp_path, scores_with_errors(suite, 200), scores_with_errors(suite, 320)).verdict == "regression"
    assert gate(tmp_path, scores_with_errors(suite, 200), scores_with_errors(suite, 220)).verdict == "pass"
    undecided = gate(tmp_path, scores_with_errors(suite, 200), scores_with_errors(suite, 258))
    assert undecided.verdict == "inconclusive"
    assert undecided.checks[0].needed > 2000


def test_gate_bounds_are_one_sided(tmp_path):
    suite = synthetic.singles(2000)
    check = gate(tmp_path, scores_with_errors(suite, 200), scores_with_errors(suite, 260)).checks[0]
    assert check.value == pytest.approx(0.03)
    half = stats.normal(0.9) * (0.03 * 0.97 / 2000) ** 0.5
    assert (check.low, check.high) == pytest.approx((0.03 - half, 0.03 + half), abs=0.002)


def test_gate_passes_a_model_against_itself_with_few_items(tmp_path):
    suite = synthetic.singles(10)
    item_scores = synthetic.scores(suite, 0.6)
    assert gate(tmp_path, item_scores, item_scores, suite, max_drop=0.0).verdict == "pass"


def test_gate_checks_sections_and_floors(tmp_path):
    suite = synthetic.mirrors(400)
    good = scores_with_errors(suite, 0)
    bad = [
        ItemScores(item_scores.id, (0.0, 1.0)) if item.group.startswith("safety") and n % 4 == 0 else item_scores
        for n, (item, item_scores) in enumerate(zip(suite.items, good, strict=True))
    ]
    decision = gate(tmp_path, good, bad, suite, max_drop=0.5, sections={"Safety": 0.02}, floors={"Safety": 0.8})
    assert {(check.name, check.kind): check.verdict for check in decision.checks} == {
        ("score", "drop"): "pass",
        ("Safety", "drop"): "regression",
        ("Safety", "floor"): "regression",
    }
    assert decision.verdict == "regression"
    near_floor = gate(tmp_path, good, bad, suite, max_drop=0.5, floors={"Safety": 0.51, "Chat": 1.0})
    assert [check.verdict for check in near_floor.checks[1:]] == ["inconclusive", "pass"]
    with pytest.raises(InputError, match="no section 'Math' to check by mirror: there are Chat, Safety, and score"):
        gate(tmp_path, good, bad, suite, floors={"Math": 0.5})


def test_limits_outside_0_to_1_are_rejected():
    with pytest.raises(InputError, match="limit of max_drop is 3: it must be a share"):
        Limits(max_drop=3)
    with pytest.raises(InputError, match="limit of Safety is 5: it must be a share"):
        Limits(sections={"Safety": 5}, floors={"Safety": 0.8})


def test_gate_and_compare_reject_a_result_without_scores(tmp_path, capsys):
    suite = synthetic.mirrors(4)
    unscored = [ItemScores(item.id, (nan, nan), "too long") for item in suite.items]
    scores_by_name = {"base": synthetic.scores(suite, 0.7), "none": unscored}
    paths = {name: synthetic.store(tmp_path, suite, item_scores, name) for name, item_scores in scores_by_name.items()}
    for pair in (("base", "none"), ("none", "base"), ("none", "none")):
        first, second = (paths[name] for name in pair)
        for command in (
            ["gate", "--baseline", first, "--candidate", second],
            ["compare", first, second],
            ["compare", first, second, first],
        ):
            code, out, err = run(capsys, *command)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert "none.json holds no score: each of its 16 items is unscored" in err


def test_gate_reports_name_the_metric_of_each_limit(tmp_path, capsys):
    """Half of each mirror is wrong: of the items a half is right, of the mirrors none."""
    suite = synthetic.mirrors(50)
    item_scores = [
        ItemScores(item.id, (0.0, 1.0) if item.group.startswith("safety") and n % 2 else (1.0, 0.0))
        for n, item in enumerate(suite.items)
    ]
    path = synthetic.store(tmp_path, suite, item_scores, "model")
    files = ["--junit", tmp_path / "j.xml", "--markdown", tmp_path / "m.md"]
    command = ["gate", "--baseline", path, "--candidate", path, "--floor", "Safety=0.4", *files]
    code, out, _ = run(capsys, *command)
    assert code == 1
    assert "regression: Safety mirror accuracy is 0.00 (" in out
    assert {"section.safety=0.5000", "mirror.safety=0.0000"} <= set(out.splitlines())
    assert "section.chat" not in out
    assert '"Safety mirror accuracy"' in (tmp_path / "j.xml").read_text()
    assert "| Safety mirror accuracy floor |" in (tmp_path / "m.md").read_text()
    code, out, _ = run(capsys, *command, "--metric", "pair")
    assert (code, "pass: Safety accuracy is 50.00 (" in out) == (0, True)
    figures = json.loads(run(capsys, *command, "--json")[1])
    assert [check["metric"] for check in figures["checks"]] == ["mirror", "mirror"]
    assert figures["sections"] == {"pair": {"Chat": 1, "Safety": 0.5}, "mirror": {"Chat": 1, "Safety": 0}, "turn": {}}


def hostile_decision():
    hostile_name = "a|b<script>\x00`\n"
    check = Check(hostile_name, "drop", 0.03, 0.9, 0.8, 0.1, 0.08, 0.12, "regression", 100)
    return Decision(hostile_name, hostile_name, hostile_name, "r", "pair", "regression", (check,))


def test_summary_and_xml_escape_hostile_names():
    text = to_markdown(hostile_decision())
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {9}
    root = ElementTree.fromstring(to_junit(hostile_decision(), False))
    assert root.find("testcase/failure").get("type") == "regression"


@pytest.fixture
def results(tmp_path):
    suite = synthetic.singles(2000)
    return {
        wrong: synthetic.store(tmp_path, suite, scores_with_errors(suite, wrong), f"wrong-{wrong}")
        for wrong in (200, 220, 258, 320)
    }


@pytest.mark.parametrize(
    ("wrong", "options", "code"),
    [
        (220, (), 0),
        (320, (), 1),
        (258, (), 3),
        (258, ("--inconclusive", "pass"), 0),
        (258, ("--inconclusive", "fail"), 1),
        (320, ("--max_drop", "0.1"), 0),
        (220, ("--floor", "Chat=0.95"), 1),
        (220, ("--section", "Chat=0.001"), 1),
        (220, ("--floor", "Chat"), 2),
        (220, ("--floor", "=0.5"), 2),
        (220, ("--floor", "Math=0.5"), 2),
        (220, ("--metric", "mirror"), 2),
    ],
)
def test_gate_exit_code_follows_the_verdict(wrong, options, code, results, capsys):
    exit_code, out, err = run(capsys, "gate", "--baseline", results[200], "--candidate", results[wrong], *options)
    assert exit_code == code
    assert err.count("\n") == (code == 2)
    assert (f"exit_code={code}" in out) == (code != 2)


def test_gate_writes_junit_markdown_json_and_step_summary(results, capsys, tmp_path, monkeypatch):
    summary = tmp_path / "step.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    junit, markdown = tmp_path / "out" / "junit.xml", tmp_path / "out" / "gate.md"
    arguments = ["--baseline", results[200], "--candidate", results[320], "--floor", "Chat=0.5"]
    code, out, _ = run(capsys, "gate", *arguments, "--junit", junit, "--markdown", markdown, "--json")
    figures = json.loads(out)
    assert (code, figures["verdict"], figures["exit_code"]) == (1, "regression", 1)
    root = ElementTree.parse(junit).getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert markdown.read_text() in summary.read_text()
    assert summary.read_text().startswith("before\n### Reward model gate: ❌ regression")
    assert {path.name for path in junit.parent.iterdir()} == {"junit.xml", "gate.md"}
    code, _, err = run(capsys, "gate", *arguments, "--junit", tmp_path / "step.md" / "x.xml")
    assert (code, err.count("\n")) == (2, 1)


def test_evaluate_and_gate_scores_a_checkpoint_and_compares_it_with_the_baseline(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": "q", "chosen": "long " * (9 - n % 3), "rejected": "short"} for n in range(300)]
    Path("pairs.jsonl").write_text("".join(json.dumps({**row, "id": n}) + "\n" for n, row in enumerate(rows)))
    data = ["--dataset", "pairs.jsonl"]
    code, out, _ = run(capsys, "--model", "baseline/longest", *data, "--output_dir", "base")
    assert code == 0
    common = ["evaluate-and-gate", *data, "--baseline", "base/baseline/longest.json"]
    code, out, _ = run(capsys, *common, "--model", "baseline/shortest")
    assert code == 1
    assert "verdict=regression" in out
    assert Path("results/baseline/shortest.json").is_file()
    code, out, _ = run(capsys, *common, "--model", "baseline/longest")
    assert (code, "verdict=pass" in out) == (0, True)
    run(capsys, "--model", "baseline/longest", *data, "--limit", "200", "--output_dir", "part")
    part = ["part/baseline/longest.json", "--model", "baseline/longest", "--limit", "200", "--output_dir", "new"]
    code, out, _ = run(capsys, *common[:-1], *part, "--batch_size", "4", "--num_processes", "1", "--no_cache")
    assert (code, "verdict=pass" in out, "n=200" in out) == (0, True, True)
    code, _, err = run(capsys, *common[:-1], "none.json", "--model", "baseline/longest")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = run(capsys, *common, "--model", "baseline/longest", "--floor", "all")
    assert (code, err.count("\n")) == (2, 1)


def test_gate_reads_files_of_rewardbench_0_1(tmp_path, capsys):
    for name, wrong in (("a", 100), ("b", 400)):
        lines = [
            {"prompt": "p", "results": 1, "scores_chosen": [float(n >= wrong)], "scores_rejected": [0.5]}
            for n in range(2000)
        ]
        (tmp_path / f"{name}_outputs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (tmp_path / f"{name}.json").write_text(json.dumps({"accuracy": 0.9, "num_prompts": 2000, "model": name}))
    code, _, _ = run(capsys, "gate", "--baseline", tmp_path / "a.json", "--candidate", tmp_path / "b.json")
    assert code == 1


# error rates

RUNS = 2000


def sample_models(random, suite, drop, share=0.8, agreement=0.85):
    """Return the scores of two random models of which the second is worse by `drop`."""
    lost, won = (1 - agreement + drop) / 2, (1 - agreement - drop) / 2
    draw, both = random.random(len(suite.items)), random.random(len(suite.items)) < (share - lost) / agreement
    first = np.where(draw < lost, True, np.where(draw < lost + won, False, both))
    second = np.where(draw < lost, False, np.where(draw < lost + won, True, both))
    return [ModelScores("m", suite, scores_of_credits(suite.items, credits), Path("x")) for credits in (first, second)]


def scores_of_credits(items, credits):
    return tuple(ItemScores(item.id, (float(right), 0.5)) for item, right in zip(items, credits, strict=True))


def rates(drop, runs=RUNS):
    """Return the rate of each verdict, and the coverage of the bounds."""
    suite = Suite("toy", "r", tuple(Item(str(n), "all", (), ((), ())) for n in range(2000)), {})
    random = np.random.default_rng(int(1000 * drop))
    counts, covered = {"pass": 0, "regression": 0, "inconclusive": 0}, 0
    for _ in range(runs):
        decision = decide(*sample_models(random, suite, drop))
        counts[decision.verdict] += 1
        covered += decision.checks[0].low <= drop <= decision.checks[0].high
    return {verdict: count / runs for verdict, count in counts.items()} | {"covered": covered / runs}


def test_gate_error_rates_are_low():
    assert rates(0.0, 60)["pass"] >= 0.85
    assert rates(0.06, 60)["regression"] >= 0.85


@pytest.mark.slow
def test_gate_error_rates_over_many_runs():
    equal, allowed, worse = rates(0.0), rates(0.03), rates(0.06)
    print(f"\nequal models: {equal}\na drop of exactly max_drop: {allowed}\nmax_drop + 3 points: {worse}")
    assert equal["pass"] >= 0.9
    assert allowed["regression"] <= 0.07
    assert worse["regression"] >= 0.9
    assert all(0.88 <= rate["covered"] <= 0.92 for rate in (equal, allowed, worse)), "two-sided 90 %"
    suite = Suite("toy", "r", tuple(Item(str(n), "all", (), ((), ())) for n in range(2000)), {})
    random = np.random.default_rng(1)
    for _ in range(50):
        scored, _ = sample_models(random, suite, 0.0)
        assert decide(scored, scored).verdict == "pass"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["single", "mirrored", "alike"])
@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_accuracy_intervals_have_95_percent_coverage(share, kind):
    random, hits = np.random.default_rng(int(100 * share)), 0
    clusters = np.arange(200) // (1 if kind == "single" else 2)
    suite = Suite(
        "toy", "r", tuple(Item(str(n), "all", (), ((), ()), group=f"g{group}") for n, group in enumerate(clusters)), {}
    )
    for _ in range(RUNS):
        if kind == "mirrored":
            both, first = random.random(100) < 2 * share - 1, random.random(100) < 0.5
            right = np.stack([both | first, both | ~first], 1).ravel()
        elif kind == "alike":
            right = (random.random((100, 2)) < random.beta(4 * share, 4 * (1 - share), (100, 1))).ravel()
        else:
            right = random.random(200) < share
        mean = measure(suite, scores_of_credits(suite.items, right)).total("pair")
        hits += mean.low <= share <= mean.high
    print(f"\n{kind} at {share}: {hits / RUNS:.3f}")
    assert 0.93 <= hits / RUNS <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("shares", [(0.6,) * 4, (0.8,) * 4, (0.95,) * 4, (0.6, 0.7, 0.8, 0.9)])
def test_score_intervals_have_95_percent_coverage(shares):
    random, hits = np.random.default_rng(5), 0
    names = [f"s{n}" for n in range(4)]
    items = [Item(f"{name}-{n}", name, (), ((), ())) for name in names for n in range(100)]
    suite = Suite("toy", "r", tuple(items), {name: Rule(name) for name in names})
    for _ in range(1000):
        right = np.concatenate([random.random(100) < share for share in shares])
        low, high = score_interval(measure(suite, scores_of_credits(items, right)))
        hits += low <= np.mean(shares) <= high
    print(f"\n{shares}: {hits / 1000:.3f}")
    assert 0.93 <= hits / 1000 <= 0.97


def strings(value):
    """Return all texts in a nested structure."""
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in strings(child)]


@pytest.mark.parametrize("name", ["gate.yml", "gate.gitlab-ci.yml"])
def test_ci_examples_use_existing_options(name):
    workflow = yaml.safe_load((ROOT / ".github" / "examples" / name).read_text())
    (command,) = (text for text in strings(workflow) if text.startswith("rewardbench evaluate-and-gate"))
    options = {word[2:] for word in command.split() if word.startswith("--")}
    assert {"baseline", "max_drop", "junit"} <= options <= set(inspect.signature(evaluate_and_gate_command).parameters)
