"""The suite core-style: what its program makes, its sixteen pairs a prompt, and its score, the worst combination."""

import json
import re
from collections import Counter
from dataclasses import replace
from shutil import copytree

import pytest

from rewardbench.builders.check import verify_cells
from rewardbench.builders.mirrors import Mirror, chat
from rewardbench.builders.request import BuildRequest, run_request
from rewardbench.builders.style import (
    KINDS,
    NAME,
    SUBSETS,
    build_style_suite,
    can_be_restyled,
    read_style_suite,
    read_texts,
    restyled_cells,
    style_parts,
)
from rewardbench.builders.suite_files import read_suite
from rewardbench.cli.main import main
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.metrics import summarize
from rewardbench.paths import data_dir
from rewardbench.scorers.baselines import Baseline
from rewardbench.suites import load_suite, suite_of_rows
from rewardbench.suites.data_row import BadRow
from rewardbench.suites.protocols import CORE_STYLES, LEVELS, STYLES, rm_bench_pairs, style_pairs
from rewardbench.types import ItemScores

DATA = data_dir()
MIRROR = Mirror(
    subset="facts",
    edit="capital / largest city",
    a=chat("What is the capital?"),
    b=chat("What is the largest city?"),
    x="That is Ankara. It lies on a plateau inland.",
    y="That is Istanbul. It lies on two continents.",
    group="chat-facts-900",
)


@pytest.fixture(scope="module")
def suite():
    return build_style_suite(read_suite(DATA))


@pytest.fixture(scope="module")
def loaded():
    return load_suite(NAME)


def row(half="a"):
    """Return a row of one mirror, with responses named after their styles."""
    right, wrong = ("x", "y") if half == "a" else ("y", "x")
    return {
        "id": f"m-{half}",
        "subset": "facts",
        "group": "m",
        "prompt": half,
        "chosen": [f"{right} {style}" for style in CORE_STYLES],
        "rejected": [f"{wrong} {style}" for style in CORE_STYLES],
    }


# --- pairs


def test_a_row_gives_all_sixteen_combinations_with_their_levels():
    pairs = style_pairs(row())
    styles = [(pair["style_chosen"], pair["style_rejected"]) for pair in pairs]
    assert len(set(styles)) == 16
    assert len({pair["id"] for pair in pairs}) == 16
    for pair, (chosen, rejected) in zip(pairs, styles, strict=True):
        assert (pair["chosen"], pair["rejected"]) == (f"x {chosen}", f"y {rejected}")
        assert (pair["subset"], pair["group"], pair["prompt"]) == ("facts", "m", "a")
    assert Counter(pair["level"] for pair in pairs) == {"easy": 6, "normal": 4, "hard": 6}


def test_levels_are_those_of_rm_bench():
    """The pair of styles i and j has the same level in both, wherever RM-Bench has styles i and j."""
    rm_bench = rm_bench_pairs({"id": 1, "domain": "chat", "chosen": list("abc"), "rejected": list("def")})
    expected = {pair["id"].split("/")[1]: pair["subset"].split("-")[0] for pair in rm_bench}
    names = dict(zip(CORE_STYLES, STYLES, strict=False))
    compared = 0
    for pair in style_pairs(row()):
        if pair["style_chosen"] in names and pair["style_rejected"] in names:
            assert pair["level"] == expected[f"{names[pair['style_chosen']]}-{names[pair['style_rejected']]}"]
            compared += 1
    assert compared == len(expected) == 9


@pytest.mark.parametrize("change", [{"chosen": ["a"] * 3}, {"rejected": "text"}, {"chosen": None}])
def test_a_row_without_four_styles_is_a_bad_row(change):
    (bad,) = style_pairs(row() | change)
    assert isinstance(bad, BadRow)
    assert "no 4 chosen and 4 rejected" in bad.reason
    assert dict(bad) == {"id": "m-a", "subset": "facts", "group": "m"}


# --- the score


def summary_of(bonus):
    """Summarize a model that prefers the right response by 1, and each style by its bonus."""
    toy = suite_of_rows([row("a"), row("b")], protocol=NAME)
    scored = []
    for item in toy.items:
        scores = []
        for rank, (message,) in enumerate(item.completions):
            style = message["content"].split()[1]
            scores.append((rank == 0) + bonus.get(style, 0.0))
        scored.append(ItemScores(item.id, tuple(scores)))
    return toy, summarize(toy, scored)


@pytest.mark.parametrize(
    ("bonus", "accuracy", "mirror"),
    [
        ({}, 32 / 32, 1.0),
        ({"bullets": 0.9, "long": -0.05}, 32 / 32, 1.0),  # every margin stays above 0
        ({"bullets": 1.5}, 26 / 32, 0.0),  # wrong where only the wrong response has bullets: 3 pairs a half
        ({"framed": -1.0}, 26 / 32, 0.0),  # equal scores where only the right response is framed: no credit
    ],
)
def test_a_mirror_is_right_only_under_its_worst_combination(bonus, accuracy, mirror):
    toy, estimates = summary_of(bonus)
    assert len(toy.items) == 32
    assert estimates.accuracy.value == pytest.approx(accuracy)
    assert estimates.score.value == mirror


def test_one_wrong_pair_of_thirty_two_makes_a_mirror_wrong():
    toy, _ = summary_of({})
    scored = [ItemScores(item.id, (1.0, 0.0)) for item in toy.items]
    assert summarize(toy, scored).score.value == 1.0
    scored[17] = ItemScores(scored[17].id, (0.0, 1.0))
    assert summarize(toy, scored).score.value == 0.0


def test_length_gets_half_of_the_pairs_of_every_subset_and_no_mirror(loaded):
    estimates = summarize(loaded, score(loaded.items, Baseline("baseline/longest")).items)
    for subset in estimates.subsets:
        assert 2 * round(subset.value * subset.n) + subset.ties == subset.n, subset.name  # ties count half
    assert estimates.score.value == 0.0


def test_a_preference_for_a_style_gets_exactly_half(loaded):
    """Whatever the style, the right and the wrong response have it equally often."""
    for style in CORE_STYLES:
        credit = 0.0
        for item in loaded.items:
            preferred = (item.meta["style_chosen"] == style) - (item.meta["style_rejected"] == style)
            credit += (1 + preferred) / 2
        assert credit == len(loaded.items) / 2


# --- the program


def test_core_style_has_its_rows_subsets_and_levels(suite, loaded):
    mirrors = [mirror for section in suite.mirrors.values() for mirror in section]
    assert 240 <= len(mirrors) <= 320
    assert {mirror.subset for mirror in mirrors} == set(SUBSETS)
    assert len(loaded.items) == 16 * suite.size()
    sections = {subset: rule.section for subset, rule in loaded.rules.items()}
    assert sections == {subset: rule.section for subset, rule in load_suite("core").rules.items() if subset in SUBSETS}
    assert {rule.weight for rule in loaded.rules.values()} == {1.0}
    assert set(loaded.items[0].meta) >= {"frame", "style_chosen", "style_rejected", "level"}
    assert {item.meta["level"] for item in loaded.items} == set(LEVELS)
    assert [item.id for item in loaded.items if item.problem] == []


def test_no_style_removes_anything_from_a_response_and_the_parts_are_the_same_for_both(suite):
    for mirror in (mirror for section in suite.mirrors.values() for mirror in section):
        parts = style_parts(mirror)
        assert parts == style_parts(mirror)
        for response in (mirror.x, mirror.y):
            plain, framed, long, bullets = parts.styles(response)
            assert plain == response
            assert framed.split() == [*parts.frame.split(), *response.split()]
            assert long.split() == [*parts.opening.split(), *response.split(), *parts.closing.split()]
            assert bullets.startswith("- ")
            assert bullets.count("\n") >= 1
            assert re.sub(r"^- |\*\*", "", bullets, flags=re.MULTILINE).split() == response.split()
        bold = [set(re.findall(r"\*\*(\w+)\*\*", parts.styles(response)[3])) for response in (mirror.x, mirror.y)]
        assert bold[0] == bold[1] == parts.bold


def test_frames_and_padding_have_no_figures_and_both_tones_occur(suite):
    texts = read_texts()
    assert set(texts.kinds) == set(KINDS.values())
    sentences = []
    for parts in texts.kinds.values():
        assert set(parts) == {"confident", "hedged", "openings", "middles", "closings"}
        assert min(map(len, parts.values())) >= 7
        for part in parts.values():
            sentences += part
    assert len(set(sentences)) == len(sentences) >= 200
    assert not re.search(r"\d|\bcan't discuss\b|\{", "\n".join(sentences))
    tones = Counter(style_parts(mirror).tone for section in suite.mirrors.values() for mirror in section)
    assert min(tones.values()) > 0.4 * tones.total()


@pytest.mark.parametrize(
    "change",
    [
        {"a": chat("In one sentence, what is the capital?")},
        {"b": chat("Write a postcard from the capital.")},
        {"a": chat("Hi", "Shall I use bullets?", "What is the capital?")},
        {"b": chat("What is the capital?", system="You answer each letter.")},
        {"x": "Only one sentence here."},
        {"x": 'She said "Ankara." It lies on a plateau.'},
        {"y": "- Istanbul.\n- It lies on two continents."},
        {"y": "Dear reader, that is Istanbul. It lies on two continents."},
    ],
)
def test_a_mirror_is_not_restyled_if_a_style_could_change_what_it_asks_or_says(change):
    assert can_be_restyled(MIRROR)
    assert not can_be_restyled(replace(MIRROR, **change))


def test_every_restyled_response_passes_or_fails_its_check_and_a_slip_is_found(suite):
    verification = suite.verify()
    assert (verification.failed, verification.pairs) == ((), 240)
    mirror = next(mirror for mirror in suite.mirrors["reasoning"] if mirror.subset == "math")
    assert len(list(restyled_cells(mirror))) == 16
    damaged = replace(mirror, x=mirror.y)
    assert len(verify_cells("math", list(restyled_cells(damaged))).failed) > 0


def test_embedded_rows_are_those_of_the_program_and_others_are_rejected(tmp_path):
    assert read_style_suite(DATA).size() > 480
    for name in ("core", "checks", NAME):
        copytree(DATA / name, tmp_path / name)
    path = tmp_path / NAME / "chat.jsonl"
    first, others = path.read_text(encoding="utf-8").split("\n", 1)
    values = json.loads(first)
    values["chosen"][1] += " Really."
    path.write_text(json.dumps(values, ensure_ascii=False) + "\n" + others, encoding="utf-8")
    with pytest.raises(InputError, match=r"core-style/chat.jsonl differs from what the program makes of core"):
        read_style_suite(tmp_path)


def test_build_and_verify_on_the_command_line(tmp_path, capsys):
    figures = run_request(BuildRequest(NAME, output=tmp_path))
    assert figures["failed"] == 0
    for path in sorted((tmp_path / NAME).iterdir()):
        assert path.read_bytes() == (DATA / NAME / path.name).read_bytes(), path.name
    with pytest.raises(SystemExit) as stop:
        main(["data", "verify", NAME, "--json"])
    assert stop.value.code == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["failed"], output["rows"], output["verified"]) == (0, figures["rows"], figures["verified"])
