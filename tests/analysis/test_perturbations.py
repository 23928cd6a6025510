"""Perturbations: what each changes and leaves alone, and labels that are verified again."""

from dataclasses import replace

import pytest
from groups import answer, row

from rewardbench.analysis.robustness.perturbations import PERTURBATIONS, asks_for_form, perturb, read_texts
from rewardbench.analysis.robustness.suite import PerturbedItem, perturb_suite, read_checks
from rewardbench.builders.checked_rows import CheckedRows, read_checked_rows
from rewardbench.suites import load_suite
from rewardbench.types import Item, Message

RIGHT = (
    "**Dear Ines**, the orchard needs water every evening. Use `pump 2`:\n\n"
    "- figs\n- almonds\n- quinces\n\nKind regards"
)
WRONG = (
    "**Dear Ines**, the orchard needs water on Sunday. Use `pump 3`:\n\n- figs\n- almonds\n- quinces\n\nKind regards"
)


def item(right=RIGHT, wrong=WRONG, prompt="how do I look after the orchard"):
    return row("a", "focus", "g", prompt, right, [wrong])


def texts(perturbed):
    return [completion[-1]["content"] for completion in perturbed.completions]


def changed(name, **kwargs):
    return texts(perturb(item(**kwargs), name, 0, (True, True)))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perturbation_is_seeded_and_independent_of_the_order_of_responses(name):
    first = changed(name)
    assert first == changed(name)
    assert changed(name, right=WRONG, wrong=RIGHT) == first[::-1]
    assert first[0] != RIGHT
    seeds = {tuple(texts(perturb(item(), name, seed, (True, True)))) for seed in range(8)}
    assert (len(seeds) > 1) == (name not in ("whitespace", "markdown-off"))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_one_side_changes_only_that_side(name):
    right, wrong = texts(perturb(item(), name, 0, (True, False)))
    assert wrong == WRONG
    assert right != RIGHT


def test_added_texts_leave_the_response_as_it_is():
    for name in ("prefix", "flattery"):
        (text, _) = changed(name)
        assert text.removesuffix(f"\n\n{RIGHT}") in read_texts()[name]
    assert changed("language")[0].removeprefix(f"{RIGHT}\n\n") in read_texts()["language"]


def test_a_refusal_gets_no_assent():
    text, _ = changed("prefix", right="Sorry, that is not mine to hand out.")
    assert text.removesuffix(" Sorry, that is not mine to hand out.") in read_texts()["neutral_prefix"]


def test_typos_are_in_shared_words_only():
    before, after = RIGHT.split(), changed("typos")[0].split()
    typos = {old: new for old, new in zip(before, after, strict=True) if old != new}
    assert 1 <= len(typos) <= 3
    assert "evening" not in " ".join(typos)  # the word that distinguishes the responses
    assert all(sorted(old) == sorted(new) for old, new in typos.items())


def test_whitespace_and_markdown():
    assert changed("whitespace")[0] == RIGHT.replace(". Use", ".  Use") + "\n"
    plain = "Dear Ines, the orchard needs water every evening. Use pump 2:\n\nfigs\nalmonds\nquinces\n\nKind regards"
    assert changed("markdown-off")[0] == plain
    bold = changed("markdown-on")[0]
    assert bold.count("**") > RIGHT.count("**")
    assert bold.replace("**", "") == RIGHT.replace("**", "")


def test_a_list_is_shuffled_where_its_order_does_not_matter():
    text, _ = changed("list-order")
    assert text != RIGHT
    assert sorted(text.split("\n")) == sorted(RIGHT.split("\n"))
    assert perturb(item(prompt="rank the trees of my orchard"), "list-order", 0, (True, True)) is None
    steps = "- first dig\n- then plant\n- water"
    assert perturb(item(right=steps, wrong=steps + "\n- wait"), "list-order", 0, (True, True)) is None
    nested = "- figs\n  - green\n- nuts"
    assert perturb(item(right=nested, wrong=nested), "list-order", 0, (True, True)) is None


def test_code_is_left_alone():
    block = "```python\nfor visitor in program:  # counts. every\n    print(visitor)\n```"
    code = f"The program counts every visitor.\n\n{block}"
    for name in PERTURBATIONS:
        perturbed = perturb(item(right=code, wrong=code.replace("print", "count")), name, 3, (True, True))
        assert perturbed is None or block in texts(perturbed)[0]


@pytest.mark.parametrize(
    "unfit",
    [
        Item("a", "s", (), (answer("x"), answer("y")), rendered=True),
        item(right=""),
        Item("a", "s", (), ((Message(role="assistant", content="", tool_calls=[{}]),), answer("y"))),
    ],
)
def test_items_without_plain_texts_are_not_perturbed(unfit):
    assert [perturb(unfit, name, 0, (True, True)) for name in PERTURBATIONS] == [None] * len(PERTURBATIONS)


@pytest.mark.parametrize("text", ["", " ", "🙂", "東京です。", "- a\n- a", "`", "```", "**", "a" * 10_000])
def test_odd_texts_do_not_break_a_perturbation(text):
    original = item(right=text, wrong=text + "x")
    for name in PERTURBATIONS:
        perturbed = perturb(original, name, 0, (True, True))
        assert perturbed is None or perturbed.completions != original.completions
        assert perturb(original, name, 0, (True, True)) == perturbed


def test_an_item_without_a_check_is_left_out_if_its_prompt_asks_for_a_form():
    suite = load_suite("core", subset="tone")
    perturbed = perturb_suite(suite, ("prefix", "typos"))
    assert not any(asks_for_form(entry.original) for entry in perturbed.items if entry.name == "prefix")
    assert perturbed.left_out["prefix"] == sum(map(asks_for_form, suite.items)) > 0
    assert perturbed.verified == {"prefix": 0, "typos": 0}


def test_labels_of_perturbed_items_are_verified(tmp_path):
    """Items whose check fails on the new text are left out; the file of the others passes `data verify`."""
    suite = load_suite("core", subset="instructions", limit=24)
    names = ("prefix", "markdown-off", "typos")
    perturbed = perturb_suite(suite, names)
    assert perturbed.left_out["prefix"] > 0
    assert sum(perturbed.verified.values()) == len(perturbed.items) > 20
    assert len(perturbed.items) + sum(perturbed.left_out.values()) == sum(
        perturb(entry, name, 0, [True] * 2) is not None for entry in suite.items for name in names
    )
    perturbed.write(tmp_path / "perturbed.jsonl")
    verification = read_checked_rows(tmp_path / "perturbed.jsonl").verify()
    assert (verification.pairs, verification.failed) == (len(perturbed.items), ())


def test_a_wrong_label_is_noticed():
    suite = load_suite("core", subset="math", limit=6)
    items = perturb_suite(suite, ("prefix",)).items
    rows = [replace(row, right=row.wrong, wrong=row.right) for row in map(PerturbedItem.to_row, items)]
    verification = CheckedRows(rows).verify()
    assert (len(verification.failed_rows), verification.pairs) == (len(items), 0)


def test_a_file_of_perturbed_items_is_read_as_a_dataset(tmp_path):
    """Pairs, several right answers, and best-of-4 items."""
    for name, subset in (("core", "math"), ("core", "ties"), ("core-hard", "grounded-squares")):
        perturbed = perturb_suite(load_suite(name, subset=subset), ("whitespace", "language"))
        perturbed.write(tmp_path / "perturbed.jsonl")
        loaded = load_suite(str(tmp_path / "perturbed.jsonl"))
        for entry, item in zip(perturbed.items, loaded.items, strict=True):
            assert (item.id, item.prompt, item.completions) == (
                entry.item.id,
                entry.item.prompt,
                entry.item.completions,
            )
            assert (item.id, item.subset, item.num_correct) == (entry.item.id, subset, entry.item.num_correct)


@pytest.mark.parametrize("name", ["core", pytest.param("core-style", marks=pytest.mark.slow)])
def test_every_item_with_a_check_has_it(name):
    checks = read_checks(name)
    subsets = {entry.subset for entry in load_suite(name).items if entry.id.partition("/")[0] in checks}
    assert {"math", "pink-elephant"} <= subsets
    assert ("ties" in subsets) == (name == "core")
