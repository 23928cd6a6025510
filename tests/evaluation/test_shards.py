"""Shards of a run: every item is in one part, and all parts together give the result of one process."""

import json
import random
import re
import tempfile
import time
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from judge_pairs import write_pairs as write_judged_pairs
from launched import count_cached, start, torchrun, wait
from random_models import write_pairs
from repository import ROOT
from viewers import Viewer

from rewardbench import evaluate
from rewardbench.cli.main import main
from rewardbench.errors import InputError
from rewardbench.evaluation import merge_shards, run_suites, score_shards, shard_run
from rewardbench.evaluation import runs as run_module
from rewardbench.evaluation.shards import Shard, divide
from rewardbench.results import dump, read_result, read_rows, read_summary
from rewardbench.settings import ModelSpec, Settings
from rewardbench.store import open_store
from rewardbench.types import Item, Suite


def settings_of(dataset, model="baseline/random", **options):
    """Return the settings of a run, without the cache."""
    spec = model if isinstance(model, ModelSpec) else ModelSpec(model, seed=3)
    return Settings(spec, str(dataset), **options)


def run_whole(settings, folder):
    """Return the path of the result of one process."""
    ((_, path),) = run_suites([settings], str(folder))
    return Path(path)


def run_parts(settings, parts, folder, **options):
    """Score each shard, merge them, and return the path of the result."""
    for part in parts:
        list(
            score_shards([replace(settings, shard=part)], str(folder / "shards"), draw_fresh=options.get("draw_fresh"))
        )
    ((_, path),) = merge_shards([str(folder / "shards")], str(folder / "merged"), **options)
    return Path(path)


def contents(path):
    """Return the summary of a result, without what differs between machines and batches, and its rows."""
    summary = read_summary(path)
    rows = read_rows(path, summary)
    manifest = summary["manifest"]
    for field in ("shards", "environment"):
        manifest.pop(field, None)
    manifest["run"].pop("token_budget")
    summary.pop("outputs_sha256")
    summary.pop("answers_sha256", None)
    return summary, rows


def check_same(single, merged, tolerance=0.0):
    """Check that two results are equal: every score up to the tolerance, and everything else exactly."""
    (summary, rows), (merged_summary, merged_rows) = contents(single), contents(merged)
    assert len(rows) == len(merged_rows)
    for row, merged_row in zip(rows, merged_rows, strict=True):
        for name in ("scores", "scores_chosen", "scores_rejected", "step_scores"):
            flat, merged_flat = flatten(row.pop(name, None)), flatten(merged_row.pop(name, None))
            assert merged_flat == pytest.approx(flat, abs=tolerance, rel=0)
        assert row == merged_row
    if tolerance:
        for values in (summary, merged_summary):
            values["manifest"]["notes"] = [note for note in values["manifest"]["notes"] if "highest" not in note]
            values.pop("calibration", None)
    assert summary == merged_summary


def flatten(value):
    """Return all numbers of nested lists; None becomes infinity, which equals itself."""
    if isinstance(value, list):
        return [number for inner in value for number in flatten(inner)]
    return [float("inf") if value is None else value]


def write_rows(path, count, seed=0):
    """Write rows that share prompts and groups, of which a few cannot be scored; return the path."""
    chance = random.Random(seed)
    rows = []
    for n in range(count):
        row = {
            "id": f"row-{n}",
            "prompt": f"Question {chance.randrange(count)}?",
            "chosen": "y" * chance.randint(1, 30),
        }
        row |= {"rejected": "" if chance.random() < 0.1 and n else "n" * chance.randint(1, 30) + str(n)}
        row |= {"subset": chance.choice(["easy", "hard"])}
        rows.append(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def item_of(n, prompt, group):
    message = {"role": "user", "content": prompt}
    answers = tuple(({"role": "assistant", "content": text},) for text in ("right", "wrong"))
    return Item(f"item-{n}", "all", (message,), answers, group=group)


@st.composite
def suites(draw):
    """Draw a suite whose items share prompts and groups."""
    count = draw(st.integers(0, 40))
    items = []
    for n in range(count):
        prompt = draw(st.text("ab", min_size=1, max_size=3))
        items.append(item_of(n, prompt, draw(st.sampled_from(["", "", "g1", "g2", "g3"]))))
    return Suite("toy", "r1", tuple(items), {})


@given(suites(), st.integers(1, 50))
@hypothesis_settings(max_examples=60, deadline=None)
def test_every_item_is_in_one_part_with_all_that_shares_its_prompt_or_group(suite, count):
    parts = divide(suite, count)
    assert all(0 <= part < count for part in parts)
    part_of = {}
    for item, part in zip(suite.items, parts, strict=True):
        for key in (("prompt", item.prompt[0]["content"]), ("group", item.group)):
            if key[1]:
                assert part_of.setdefault(key, part) == part
    ids = []
    for part in range(count):
        ids += [item.id for item in Shard(part, part, count).select(suite)]
    assert sorted(ids) == sorted(item.id for item in suite.items)


def test_parts_have_about_equal_work_and_do_not_depend_on_the_machine():
    items = tuple(item_of(n, "long " * (n + 1), "") for n in range(100))
    parts = divide(Suite("toy", "r1", items, {}), 4)
    work = [0] * 4
    for item, part in zip(items, parts, strict=True):
        work[part] += len(item.prompt[0]["content"])
    assert max(work) - min(work) < 0.02 * sum(work)
    assert parts[-8:] == [0, 1, 2, 3, 3, 2, 1, 0]


def test_items_of_a_cluster_are_in_one_part():
    items = [replace(item_of(n, f"Prompt {n}", ""), meta={"template": f"t{n % 3}"}) for n in range(12)]
    parts = divide(Suite("toy", "r1", tuple(items), {}, cluster_by="template"), 3)
    assert parts == parts[:3] * 4
    assert sorted(parts[:3]) == [0, 1, 2]


@pytest.mark.parametrize(
    "text", ["3/3", "1", "a/b", "2-1/3", "-1/3", "0/0", "0-3/3", "0/3 ", "", "٠/3", "9999999/99999999"]
)
def test_a_part_that_does_not_exist_is_rejected(text):
    with pytest.raises(InputError, match="--shard"):
        Shard.parse(text)


@given(st.integers(0, 10_000), st.integers(1, 25), st.lists(st.integers(1, 4), min_size=1, max_size=4))
@hypothesis_settings(max_examples=12, deadline=None)
def test_parts_of_any_number_and_size_equal_one_process(seed, count, sizes):
    edges = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    parts = [f"{first}-{end - 1}/{edges[-1]}" for first, end in pairwise(edges)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = settings_of(write_rows(folder / "rows.jsonl", count, seed))
        single, merged = run_whole(settings, folder / "single"), run_parts(settings, parts, folder)
        check_same(single, merged)
        rows = [path.with_name(f"{path.stem}_outputs.jsonl").read_bytes() for path in (single, merged)]
        assert rows[0] == rows[1]


VIEWS = ["pairwise", "listwise", "pointwise"]


@pytest.mark.parametrize("view", VIEWS)
def test_scorers_of_each_view_and_their_notes(view, tmp_path, monkeypatch):
    for module in (shard_run, run_module):
        monkeypatch.setattr(module, "load_scorer", lambda *_: Viewer(view))
    settings = settings_of(write_rows(tmp_path / "rows.jsonl", 40), "viewer")
    single, merged = run_whole(settings, tmp_path / "single"), run_parts(settings, ["0/3", "1/3", "2/3"], tmp_path)
    check_same(single, merged)
    assert any("Texts of low quality" in note for note in read_summary(merged)["manifest"]["notes"])


@pytest.fixture
def models(model_folder, family_spec):
    """Return a function that returns a small model of a kind."""

    def make(kind):
        if kind == "dpo":
            policy, reference = (str(model_folder("llama", "causal", seed=n)) for n in (1, 2))
            return ModelSpec(policy, ref_model=reference, device="cpu")
        if kind in ("classifier", "bfloat16"):
            dtype = "bfloat16" if kind == "bfloat16" else "auto"
            return ModelSpec(str(model_folder()), device="cpu", dtype=dtype)
        return family_spec(kind)

    return make


@pytest.mark.parametrize("kind", ["classifier", "dpo", "pairrm", "qwen_prm"])
def test_models_give_the_scores_of_one_process(kind, models, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 30)
    settings = settings_of(tmp_path / "pairs.jsonl", models(kind), batch_tokens=300)
    single, merged = run_whole(settings, tmp_path / "single"), run_parts(settings, ["0/4", "1-3/4"], tmp_path)
    check_same(single, merged, tolerance=1e-5)


@pytest.mark.parametrize("kind", ["classifier", "dpo"])
def test_an_empty_shard_has_the_fingerprint_of_the_model(kind, models, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 1)
    settings = settings_of(tmp_path / "pairs.jsonl", models(kind))
    merged = run_parts(settings, ["0/2", "1/2"], tmp_path)
    shards = read_summary(merged)["manifest"]["shards"]
    assert sorted(shard["items"] for shard in shards) == [0, 1]
    assert read_summary(merged)["manifest"]["run"]["token_budget"] < 2**40


def test_the_noise_sample_is_divided_among_the_shards(models, tmp_path):
    write_pairs(tmp_path / "pairs.jsonl", 40)
    settings = settings_of(tmp_path / "pairs.jsonl", models("bfloat16"), batch_tokens=300)
    single, merged = run_whole(settings, tmp_path / "single"), run_parts(settings, ["0/3", "1/3", "2/3"], tmp_path)
    noise, merged_noise = (read_summary(path)["manifest"]["run"]["batch_noise"] for path in (single, merged))
    assert 0 < merged_noise < 3 * noise < 1
    assert "within_noise" in read_summary(merged)["manifest"]["run"]


def test_ties_and_calibration(tmp_path):
    for number, options in enumerate(({"split": "ties"}, {"split": "chat", "calibration": True, "limit": 120})):
        settings = settings_of("core", **options)
        single = run_whole(settings, tmp_path / f"single{number}")
        merged = run_parts(settings, ["0-2/5", "3-4/5"], tmp_path / str(number))
        check_same(single, merged)
        assert ("calibration" in read_summary(merged)) == ("calibration" in options)


def test_a_judge_is_asked_by_each_shard_and_its_answers_are_counted_together(tmp_path, monkeypatch, capsys):
    from fake_judge import Behaviour, FakeJudge
    from judge_answers import choose
    from judge_pairs import question_of

    data = write_judged_pairs(tmp_path / "pairs.jsonl", 12)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-secret-0123456789")
    with FakeJudge(Behaviour(choose(position_bias=0.3), malformed=0.1, key=question_of)) as server:
        command = ["--judge", "gpt-4o", "--base_url", server.base_url, "--dataset", data, "--no_cache"]
        prices = ["--input_price", "1", "--output_price", "2"]
        assert exit_code(*command, *prices, "--output_dir", str(tmp_path / "single")) == 0
        for shard in ("0/2", "1/2"):
            arguments = [*command, *prices, "--shard", shard, "--output_dir", str(tmp_path / "shards")]
            assert exit_code(*arguments) == 0
    assert exit_code("merge", str(tmp_path / "shards"), "--output_dir", str(tmp_path / "merged")) == 0
    single, merged = tmp_path / "single/gpt-4o.json", tmp_path / "merged/gpt-4o.json"
    (summary, rows), (merged_summary, merged_rows) = contents(single), contents(merged)
    assert rows == merged_rows
    assert summary["manifest"]["run"] == merged_summary["manifest"]["run"]
    assert summary["biases"] == merged_summary["biases"]
    answers = [path.with_name("gpt-4o_answers.jsonl").read_text().splitlines() for path in (single, merged)]
    assert len(answers[0]) == len(answers[1]) == 24
    assert "sk-test" not in "".join(path.read_text() for path in tmp_path.rglob("*.shard"))


def test_a_fresh_draw_is_divided_too(tmp_path):
    settings = settings_of("core", fresh=3)
    draws = []

    def draw_fresh(suite, seed):
        draws.append((suite, seed))
        return ROOT / "data/core"

    ((_, single),) = run_suites([settings], str(tmp_path / "single"), draw_fresh=draw_fresh)
    merged = run_parts(settings, ["0/2", "1/2"], tmp_path, draw_fresh=draw_fresh)
    check_same(Path(single), merged)
    assert len(read_summary(merged)["gap"]) == 3
    assert draws == [("core", 3)] * 4


def exit_code(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    return stop.value.code


@pytest.fixture
def shards(tmp_path):
    """Return the files of three shards, by their number."""
    settings = settings_of(write_rows(tmp_path / "rows.jsonl", 20))
    files = []
    for n in range(3):
        files += score_shards([replace(settings, shard=f"{n}/3")], str(tmp_path / "shards"))
    return [file.path for file in files]


def merge(paths, folder):
    return list(merge_shards(list(map(str, paths)), str(folder / "merged")))


def signed(header):
    """Return the first line of a shard file: a header with the hash of its fields."""
    header.pop("header_sha256", None)
    return dump({**header, "header_sha256": sha256(dump(header).encode()).hexdigest()})


def edit_header(path, target, **fields):
    """Write a copy of a shard file with other fields in its header, whose hash agrees."""
    header, *records = path.read_text().splitlines(keepends=True)
    target.write_text(signed({**json.loads(header), **fields}) + "".join(records))
    return target


def test_a_missing_shard_is_an_error_with_the_command_that_scores_it(shards, tmp_path):
    with pytest.raises(
        InputError, match=r"1 of 3 parts of baseline/random on rows.jsonl are missing \(1\): run"
    ) as stop:
        merge([shards[0], shards[2]], tmp_path)
    assert str(stop.value).endswith("--seed 3 --shard 1/3")
    assert not (tmp_path / "merged").exists()


def test_a_doubled_shard_is_an_error_with_both_names(shards, tmp_path):
    copy = edit_header(shards[1], tmp_path / "copy.shard")
    with pytest.raises(InputError) as stop:
        merge([*shards, copy], tmp_path)
    assert f"Part 1 of 3 is in {shards[1]} and in {copy}" in str(stop.value)
    assert len(merge([*shards, shards[1], tmp_path / "shards"], tmp_path)) == 1, (
        "a file that is named twice is one file"
    )


def test_shards_of_two_divisions_are_an_error(shards, tmp_path):
    with pytest.raises(InputError, match=r"is shard 0/3 and .* is shard 0/4: all shards of a run have"):
        merge([*shards, edit_header(shards[0], tmp_path / "x.shard", shard="0/4")], tmp_path)


FOREIGN = {
    "revision": ("sha256:other", "revision is 'sha256:"),
    "fingerprint": ({"kind": "other", "weights": {"sha256": "ab"}}, "fingerprint.kind is 'baseline/random'"),
    "model_type": ("DPO", "model_type is 'Baseline' in the first and 'DPO' in the second"),
}


@pytest.mark.parametrize("field", FOREIGN)
def test_a_shard_of_another_run_is_an_error_with_the_field_and_both_values(field, shards, tmp_path):
    value, message = FOREIGN[field]
    foreign = edit_header(shards[2], tmp_path / "foreign.shard", **{field: value})
    with pytest.raises(InputError) as stop:
        merge([*shards[:2], foreign], tmp_path)
    assert message in str(stop.value)
    assert str(foreign) in str(stop.value)


def test_a_shard_with_another_setting_is_an_error(shards, tmp_path):
    settings = settings_of(tmp_path / "rows.jsonl", step_threshold=0.25, shard="2/3")
    (foreign,) = score_shards([settings], str(tmp_path / "foreign"))
    with pytest.raises(InputError, match=r"settings.step_threshold is None in the first and 0.25 in the second"):
        merge([*shards[:2], foreign.path], tmp_path)


def test_two_complete_runs_in_a_folder_give_two_results(shards, tmp_path):
    settings = settings_of(tmp_path / "rows.jsonl", step_threshold=0.25)
    for n in range(2):
        list(score_shards([replace(settings, shard=f"{n}/2")], str(tmp_path / "shards")))
    assert len(merge([tmp_path / "shards"], tmp_path)) == 2


def rewrite_records(path, change):
    """Change the records of a shard file, with a header whose hash agrees."""
    header, *records = path.read_text().splitlines(keepends=True)
    text = "".join(change(records))
    path.write_text(signed({**json.loads(header), "records_sha256": sha256(text.encode()).hexdigest()}) + text)


def test_a_header_that_was_edited_is_an_error(shards, tmp_path):
    for field in (b'"items"', b'"unscored"', b'"requests"'):
        content = shards[0].read_bytes()
        shards[0].write_bytes(re.sub(field + rb": ?\d", field + b":9", content, count=1))
        with pytest.raises(InputError, match=r"The header of .* was changed: score this shard again"):
            merge(shards, tmp_path)
        shards[0].write_bytes(content)


@pytest.mark.parametrize(
    "fields", [{"scores": ["a", "b"]}, {"scores": [1.0]}, {"answers": 3}, {"scores": None}, {"tokens": 1}, {"id": [1]}]
)
def test_records_of_another_form_are_an_error(fields, shards, tmp_path):
    with_item = next(path for path in shards if len(path.read_text().splitlines()) > 1)
    rewrite_records(with_item, lambda records: [dump({**json.loads(records[0]), **fields}), *records[1:]])
    with pytest.raises(InputError, match=r"score this shard again|No shard has item|score all shards"):
        merge(shards, tmp_path)
    assert not list((tmp_path / "merged").rglob("*.json*"))


def test_reports_of_other_types_are_an_error(shards, tmp_path):
    report = json.loads(shards[0].read_text().splitlines()[0])["report"]
    edited = edit_header(shards[0], tmp_path / "x.shard", report={**report, "details": {"requests": "x"}})
    with pytest.raises(InputError, match="do not fit together"):
        merge([edited, *shards[1:]], tmp_path)


def test_a_link_to_itself_is_an_error(shards, tmp_path):
    (tmp_path / "shards" / "loop.shard").symlink_to("loop.shard")
    with pytest.raises(InputError, match=r"Cannot read the shard .*loop.shard"):
        merge([tmp_path / "shards"], tmp_path)


def test_a_damaged_shard_is_an_error_with_its_name(shards, tmp_path):
    content = shards[0].read_bytes()
    damages = [
        (content[:-30], "no record|incomplete"),
        (b"", "not a shard file"),
        (content[: len(content) // 9], "not a"),
    ]
    damages += [
        (content.replace(b'"texts"', b'"words"', 1), "incomplete or was changed"),
        (b"[1]\n", "not a shard file"),
    ]
    for damaged, message in damages:
        shards[0].write_bytes(damaged)
        with pytest.raises(InputError, match=message) as stop:
            merge(shards, tmp_path)
        assert str(shards[0]) in str(stop.value)
    with pytest.raises(InputError, match="shard format 99"):
        merge([edit_header(shards[1], tmp_path / "new.shard", shard_format=99)], tmp_path)
    with pytest.raises(InputError, match=r"is damaged \(.*items.*score this shard again"):
        merge([edit_header(shards[1], tmp_path / "new.shard", items="x")], tmp_path)


def test_settings_of_another_version_are_rejected_by_name(shards, tmp_path):
    settings = json.loads(shards[0].read_text().splitlines()[0])["settings"]
    model = {**settings["model"], "colour": "red"}
    edited = [
        edit_header(path, tmp_path / path.name, settings={**settings, "model": model, "draw": None}) for path in shards
    ]
    with pytest.raises(InputError, match=r"does not know \(model\.colour, draw\): merge with the version"):
        merge(edited, tmp_path)


def test_items_that_are_missing_doubled_or_foreign_are_errors(shards, tmp_path):
    originals = [path.read_bytes() for path in shards]
    with_item = next(path for path in shards if len(path.read_text().splitlines()) > 2)
    record = with_item.read_text().splitlines(keepends=True)[1]
    item_id = json.loads(record)["id"]
    changes = {
        rf"No shard has item {item_id} of rows.jsonl; 1 items are missing": lambda records: records[1:],
        rf"Item {item_id} is in .* and in ": lambda records: [*records, record],
        r"has item row-99, which is not in rows.jsonl": lambda records: [*records, record.replace(item_id, "row-99")],
    }
    for message, change in changes.items():
        rewrite_records(with_item, change)
        with pytest.raises(InputError, match=message):
            merge(shards, tmp_path)
        for path, content in zip(shards, originals, strict=True):
            path.write_bytes(content)


def test_other_data_at_the_place_of_the_run_is_an_error_and_a_copy_is_named(shards, tmp_path):
    data = tmp_path / "rows.jsonl"
    copy = tmp_path / "elsewhere" / "rows.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(data.read_bytes())
    write_rows(data, 20, seed=1)
    with pytest.raises(InputError, match=r"was scored on rows.jsonl at revision sha256:\w+, and the data here has"):
        merge(shards, tmp_path)
    assert len(list(merge_shards(list(map(str, shards)), str(tmp_path / "merged"), str(copy)))) == 1


def test_a_shard_is_no_result(shards, tmp_path, capsys):
    assert open_store(str(tmp_path / "shards")).list() == []
    with pytest.raises(InputError, match=r"is a shard of a run, not a result: merge all its shards"):
        read_result(shards[0])
    assert exit_code("compare", shards[0], shards[1]) == 2
    assert "is a shard of a run, not a result" in capsys.readouterr().err
    with pytest.raises(InputError, match="shard works on the command line only"):
        evaluate("baseline/longest", [{"prompt": "p", "chosen": "c", "rejected": "r"}], shard="0/2")


class Failing(Viewer):
    """A scorer that can score no item."""

    def prepare(self, *args, **kwargs):
        raise InputError("This model reads no text.")


def test_items_that_cannot_be_scored_are_an_error_of_the_complete_run_only(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_run, "load_scorer", lambda *_: Failing("pointwise"))
    settings = settings_of(write_rows(tmp_path / "rows.jsonl", 9), "viewer")
    with pytest.raises(InputError, match=r"None of the 9 items of rows.jsonl could be scored"):
        run_parts(settings, ["0/2", "1/2"], tmp_path)
    assert len(list(tmp_path.rglob("*.shard"))) == 2
    assert not list((tmp_path / "merged").rglob("*.json*"))


def test_a_run_that_is_interrupted_leaves_no_file_and_resumes_from_the_cache(tmp_path, monkeypatch, model_folder):
    write_pairs(tmp_path / "pairs.jsonl", 20)
    settings = settings_of(
        tmp_path / "pairs.jsonl", ModelSpec(str(model_folder()), device="cpu"), cache=True, batch_size=2, shard="0/2"
    )
    scorer = shard_run.load_scorer(settings.model, True)
    forward, batches = scorer.forward, []

    def fail_later(requests):
        batches.append(len(requests))
        if len(batches) > 4:
            raise KeyboardInterrupt
        return forward(requests)

    scorer.forward = fail_later
    with monkeypatch.context() as patch:
        patch.setattr(shard_run, "load_scorer", lambda *_: scorer)
        with pytest.raises(KeyboardInterrupt):
            list(score_shards([settings], str(tmp_path / "shards")))
    assert not list((tmp_path / "shards").rglob("*"))
    (resumed,) = score_shards([settings], str(tmp_path / "shards"))
    assert 0 < resumed.header.counts.computed < resumed.header.counts.requests


def test_commands_score_a_shard_of_several_suites_and_merge_them(tmp_path, capsys):
    suites = "core,core-style"
    command = ["--model", "baseline/shortest", "--dataset", suites, "--limit", "40", "--output_dir", tmp_path / "s"]
    assert exit_code(*command, "--shard", "0-1/2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("=")[0] for line in lines] == ["suite", "shard", "items", "unscored", "tokens", "shard_file"] * 2
    assert exit_code("merge", tmp_path / "s", "--output_dir", tmp_path / "m", "--json") == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["suite"] for result in results] == ["core", "core-style"]
    assert not any("--shard" in result["manifest"]["command"] for result in results)


def test_commands_print_json_and_a_merged_result_names_its_machines(tmp_path, capsys):
    command = ["--model", "baseline/longest", "--dataset", write_rows(tmp_path / "rows.jsonl", 8), "--json"]
    for shard in ("0/2", "1/2"):
        assert exit_code(*command, "--shard", shard, "--output_dir", tmp_path / "s") == 0
        printed = json.loads(capsys.readouterr().out)
        assert (printed["shard"], Path(printed["shard_file"]).is_file()) == (shard, True)
    assert exit_code("merge", tmp_path / "s", "--output_dir", tmp_path / "m") == 0
    out = capsys.readouterr().out
    assert "shards=2\nresults=" in out
    manifest = read_summary(next((tmp_path / "m").rglob("longest.json")))["manifest"]
    assert [shard["shard"] for shard in manifest["shards"]] == ["0/2", "1/2"]
    assert all(shard["machine"].keys() == {"threads", "thread_settings", "device"} for shard in manifest["shards"])
    assert manifest["environment"].keys() >= {"torch", "python", "platform", "cpus"}


REJECTED = {
    "the parts of a run are numbered from 0": ["--shard", "2/2"],
    "A shard has no result: score one model": ["--shard", "0/2", "--model", "baseline/random", "--ensemble", "mean"],
    "A shard of standard input cannot be merged": ["--shard", "0/2", "--dataset", "-"],
    "A run writes to a folder or a bucket, not to": ["--shard", "0/2", "--output_dir", "hf://datasets/org/results"],
}


@pytest.mark.parametrize("message", REJECTED)
def test_a_command_that_cannot_be_sharded_is_a_one_line_error(message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert exit_code("--model", "baseline/longest", "--dataset", "core", *REJECTED[message]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("paths", [["nowhere.shard"], ["empty"]])
def test_merge_without_shards_is_a_one_line_error(paths, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert exit_code("merge", *paths) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("way", ["pool", "torchrun"])
def test_several_processes_score_a_shard(way, tmp_path, model_folder, monkeypatch):
    write_pairs(tmp_path / "pairs.jsonl", 40)
    arguments = ["--model", model_folder(), "--device", "cpu", "--batch_tokens", "100", "--no_cache"]
    for shard in ("0/2", "1/2"):
        options = [*arguments, "--shard", shard, "--output_dir", "shards"]
        process = torchrun(tmp_path, *options) if way == "torchrun" else start(tmp_path, *options, "--num_processes", 2)
        ((code, out, _),) = wait([process])
        assert (code, out.count("shard_file=")) == (0, 1)
    assert wait([start(tmp_path, *arguments, "--output_dir", "single")])[0][0] == 0
    (single,) = (tmp_path / "single").rglob("*[!_outputs].json")
    monkeypatch.chdir(tmp_path)
    ((_, merged),) = merge_shards(["shards"], "merged")
    (summary, rows), (merged_summary, merged_rows) = contents(single), contents(Path(merged))
    assert flatten([row["scores"] for row in merged_rows]) == pytest.approx(
        flatten([row["scores"] for row in rows]), abs=1e-5, rel=0
    )
    assert merged_summary["accuracy_estimate"] == summary["accuracy_estimate"]


@pytest.mark.slow
def test_a_shard_that_was_killed_resumes_to_the_same_bytes(tmp_path, model_folder):
    write_pairs(tmp_path / "pairs.jsonl", 300)
    arguments = ["--model", model_folder(), "--device", "cpu", "--batch_tokens", "150", "--shard", "0/2"]
    assert start(tmp_path, *arguments, "--output_dir", "complete", "--no_cache").wait(300) == 0
    for target in (40, 120):
        process = start(tmp_path, *arguments, "--output_dir", "killed")
        while process.poll() is None and count_cached(tmp_path / "scores.sqlite") < target:
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert not list((tmp_path / "killed").rglob("*.shard"))
    out, _ = start(tmp_path, *arguments, "--output_dir", "killed").communicate(timeout=300)
    (complete,), (resumed,) = (list((tmp_path / name).rglob("*.shard")) for name in ("complete", "killed"))
    assert f"shard_file=killed/{resumed.name}" in out
    assert complete.read_text().splitlines()[1:] == resumed.read_text().splitlines()[1:]
    assert not [path for path in (tmp_path / "killed").rglob(".*") if path.is_file()]
