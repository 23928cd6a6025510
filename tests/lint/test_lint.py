"""The data linter on data with planted artifacts, and on published pairs with known ones."""

import io
import json
import re

import numpy as np
import pytest
from repository import SHARED
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from rewardbench.errors import InputError
from rewardbench.lint import learned
from rewardbench.lint.duplicates import find_duplicates, mask, near_duplicates
from rewardbench.lint.report import print_lint
from rewardbench.lint.run import SHORTCUTS, exceeding, lint, lint_subset
from rewardbench.lint.shortcuts import BLIND, folded, lower_bound, shortcut_credit, word_overlap
from rewardbench.suites import load_suite
from rewardbench.types import Item, Message

NOUNS = "ferry lamp cactus drum ladder comet basket river piano glove tunnel saddle anchor violin meadow".split()


def turn(role, text):
    return (Message(role=role, content=text),)


def item(id, prompt, right, wrong, group="", subset="s"):
    right, wrong = ([texts] if isinstance(texts, str) else texts for texts in (right, wrong))
    completions = tuple(turn("assistant", text) for text in (*right, *wrong))
    return Item(id, subset, turn("user", prompt), completions, len(right), group)


def mirrors(n, a, b, x, y):
    """Mirrors in which two nouns fill the texts."""
    pairs = [(NOUNS[k % len(NOUNS)], NOUNS[(k * k + 1 + k) % len(NOUNS)]) for k in range(n)]
    return [
        half
        for k, (p, q) in enumerate(pairs)
        for half in (
            item(f"{k}-a", a.format(p=p, q=q), x.format(p=p, q=q), y.format(p=p, q=q), f"m{k}"),
            item(f"{k}-b", b.format(p=p, q=q), y.format(p=p, q=q), x.format(p=p, q=q), f"m{k}"),
        )
    ]


def test_blind_rules_score_length_markup_and_refusals():
    pair = item("1", "How long?", "A long answer,\n- with a list\nand `code`.", "Sorry, I can't say.")
    assert {name: shortcut_credit(pair, rule) for name, rule in BLIND.items()} == {
        "longer": 1.0,
        "shorter": 0.0,
        "newlines": 1.0,
        "markdown": 1.0,
        "refusal": 0.0,
    }


def test_shortcut_credit_counts_all_pairs_and_half_for_a_tie():
    best_of_n = item("1", "p", ["aaa", "bb"], ["cc", "d", "eee"])
    assert shortcut_credit(best_of_n, BLIND["longer"]) == pytest.approx((0.5 + 1 + 1 + 0.5 + 1 + 0) / 6)


def test_rules_without_the_prompt_get_half_of_each_mirror():
    items = mirrors(30, "the {p}, not the {q}", "the {q}, not the {p}", "A {p} it is!\n\nGood.", "{q}")
    figures = lint_subset(items)
    assert [getattr(figures, name) for name in (*BLIND, "tfidf")] == [0.5] * 6


def test_tfidf_finds_artifacts_of_one_half_of_mirrors():
    items = [half for half in mirrors(40, "is it {p}", "is it {q}", "yes, {p}", "no, {q}") if half.id.endswith("-a")]
    assert learned.tfidf(items) == 1.0


def test_overlap_finds_responses_that_repeat_the_prompt():
    echo = mirrors(40, "tell me of {p}", "tell me of {q}", "the {p}", "the {q}")
    figures = lint_subset([half for half in echo if half.completions[0] != half.completions[1]])
    assert figures.overlap == 1.0
    assert figures.overlap_low == 1.0
    assert word_overlap("a b", "b c") == 0.5


def test_interaction_finds_prompt_response_word_pairs():
    leak = mirrors(40, "at least {p}", "at most {p}", "use >= {p}", "use <= {p}")
    assert learned.interaction(leak).accuracy > 0.9
    assert learned.interaction(leak).low > 0.6
    same = mirrors(40, "{p} before {q}", "{q} before {p}", "{p} first", "{q} first")
    assert learned.interaction(same).accuracy == 0.5


def test_fit_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 200))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    signs = rng.choice([-1.0, 1.0], size=(3, 40))
    weights = learned._fit(rows @ rows.T, signs, strength=10.0)
    for fitted, labels in zip(weights @ rows, signs, strict=True):
        expected = LogisticRegression(C=10.0, fit_intercept=False, tol=1e-8, max_iter=10_000).fit(rows, labels)
        assert fitted == pytest.approx(expected.coef_[0], abs=2e-3)


def test_folds_are_even_and_keep_groups_together():
    data = learned.FeatureDifferences(np.eye(60), np.repeat(np.arange(30), 2))
    folds = learned._folds(data, seed=3)
    assert all(len(set(folds[data.groups == group])) == 1 for group in range(30))
    assert np.bincount(folds).tolist() == [12] * 5


def test_lower_bound_resamples_groups_of_the_folded_rule():
    credits, groups = [1.0, 0.0] * 50, [str(n // 2) for n in range(100)]
    assert lower_bound(credits, groups) == 0.5  # every mirror gives one half: nothing varies
    singly = lower_bound(credits, [str(n) for n in range(100)])
    assert 0.40 < singly < 0.44  # .5 less 1.645 standard errors of .05
    assert lower_bound([0.0] * 9 + [1.0], list("abcdefghij")) == pytest.approx(0.7, abs=0.11)
    assert folded(0.1) == 0.9


def test_find_duplicates_counts_each_kind():
    rows = [
        item("1", "Where is the ferry now, please?", "There.", "Here."),
        item("2", "Where is the ferry now, please?", "There.", "Here."),
        item("3", "Where is the ferry now, please?", "Here.", "There."),
        item("4", "Same?", "Yes.", "Yes."),
        item("5", " ", "A", "B"),
    ]
    duplicates = find_duplicates(rows)
    assert (duplicates.empty, duplicates.identical, duplicates.duplicates, duplicates.conflicts) == (1, 1, 1, 1)
    assert duplicates.near_duplicates_80 == 3 / 4  # of the prompts that there are


def test_rows_that_no_model_can_score_are_counted_as_empty(tmp_path):
    rows = [{"prompt": f"q{n}", "chosen": "yes", "rejected": "no"} for n in range(4)] + [
        {"prompt": "", "chosen": "yes", "rejected": "no"},
        {"prompt": "q", "chosen": "", "rejected": "no"},
    ]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = lint(load_suite(str(tmp_path / "d.jsonl")))
    assert (result.duplicates.empty, result.unusable, result.subsets["all"].n) == (2, 2, 4)
    final = [{"text_chosen": f"a {n}", "text_rejected": f"b {n}"} for n in range(4)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in final))
    result = lint(load_suite(str(tmp_path / "r.jsonl")))
    assert (result.duplicates.empty, result.duplicates.near_duplicates_80) == (0, 0.0)


def test_learned_shortcuts_of_one_group_are_nan():
    figures = lint_subset([item(str(n), "same prompt", f"yes {n}", f"no {n}") for n in range(3)])
    assert np.isnan(figures.tfidf)
    assert np.isnan(figures.interaction)


def test_learned_shortcuts_sample_complete_groups(monkeypatch):
    monkeypatch.setattr("rewardbench.lint.run.LARGEST", 20)
    figures = lint_subset(mirrors(40, "the {p}, not the {q}", "the {q}, not the {p}", "A {p}.", "The {q}, I say."))
    assert figures.n == 80
    assert figures.learned_on == 20
    assert figures.tfidf == 0.5


def test_near_duplicates_mask_names_and_numbers_and_ignore_members_of_a_group():
    template = "Please tell {} that the boat to {} leaves at {} sharp and will not wait for anybody at all"
    prompts = [
        template.format("Ada", "Bergen", 7),
        template.format("Bo", "Cork", 19),
        "Something else altogether, friend",
    ]
    assert near_duplicates(prompts, ["a", "b", "c"], 0.8) == 0
    masked = [mask(prompt) for prompt in prompts]
    assert near_duplicates(masked, ["a", "b", "c"], 0.8) == pytest.approx(2 / 3)
    assert near_duplicates(masked, ["a", "a", "c"], 0.8) == 0


def test_exceeding_names_the_subset_and_the_shortcut(tmp_path):
    path = tmp_path / "leak.jsonl"
    rows = [{"prompt": f"q{n}", "chosen": "long " * (n + 2), "rejected": "short"} for n in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = lint(load_suite(str(path)))
    sentences = exceeding(result, 0.65)
    assert "all: longer reaches 1.000" in sentences
    assert not any("shorter" in sentence for sentence in sentences), "its own figure is 0"
    assert not any("markdown" in sentence for sentence in sentences)


def test_lint_rejects_data_without_preferences(tmp_path):
    path = tmp_path / "plain.jsonl"
    path.write_text(
        json.dumps({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]})
    )
    with pytest.raises(InputError, match="holds no preference"):
        lint(load_suite(str(path)))


REAL = pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the real pairs are not here")


@REAL
@pytest.mark.parametrize(
    ("file", "rule", "share", "within"),
    [
        ("llmbar-adver-GPTInst", "tfidf", 0.88, 0.04),
        ("math-analog-gsm8k", "longer", 0.04, 0.02),
        ("hep-python", "tfidf", 0.59, 0.05),
    ],
)
def test_lint_finds_known_shortcuts_of_published_sets(file, rule, share, within):
    items = load_suite(str(SHARED / "real" / f"{file}.jsonl")).items
    figures = lint_subset([pair for pair in items if not pair.problem])
    assert getattr(figures, rule) == pytest.approx(share, abs=within)


def test_core_has_no_shortcut():
    result = lint(load_suite("core"))
    for name, figures in result.subsets.items():
        blind = [getattr(figures, rule) for rule in (*BLIND, "tfidf")]
        if name == "ties":
            assert blind == pytest.approx([0.5] * 6, abs=0.05)
            continue
        assert blind == [0.5] * 6, name
        assert figures.overlap_low <= 0.57, name
        assert figures.interaction_low <= 0.60, name
        assert figures.n < 200 or figures.interaction <= 0.65, name
        assert figures.length_gap <= 0.15, name
    assert max(pooled["overlap_low"] for pooled in result.sections.values()) <= 0.55
    assert np.mean([figures.interaction for figures in result.subsets.values()]) <= 0.60
    assert (result.duplicates.empty, result.duplicates.identical, result.duplicates.duplicates) == (0, 0, 0)
    assert result.duplicates.near_duplicates_80 <= 0.01
    assert result.duplicates.masked_50 <= 0.25
    assert set(SHORTCUTS) <= set(vars(figures))


def test_heads_are_hyphenated_and_names_fit_80_columns(tmp_path):
    name = "llmbar-adver-neighbor"
    rows = [{"prompt": f"Ask {n}.", "chosen": f"Yes {n}, sure.", "rejected": "No.", "subset": name} for n in range(8)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = io.StringIO()
    print_lint(lint(load_suite(str(path))), Console(file=shown, width=80))
    table = shown.getvalue()
    assert re.search(r"new +mark- +re- +over- +inter-", table)
    assert re.search(rf"{name} +8 ", table), "the name is on one line"
