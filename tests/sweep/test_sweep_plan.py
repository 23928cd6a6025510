"""The plan of a sweep: rows and their options, errors, and commands that score the same."""

import pytest

from rewardbench.errors import InputError
from rewardbench.settings import Endpoint, JudgeSpec, ModelSpec, ServerSpec, Settings
from rewardbench.sweep import PlanLists, build_plan, read_plan
from rewardbench.sweep.row_options import KNOWN, build_settings

PLAN = """
output_dir: out/
defaults: {max_length: 512, batch_size: 4}
datasets: [core, {dataset: pairs.jsonl, subset: math, limit: 3}]
revisions: [a, 1000]
models:
  - org/rm
  - {model: org/dpo, ref_model: org/sft, revisions: [step_2], datasets: [core-hard], max_length: 1024, no_cache: true}
  - {judge: gpt, revisions: [], protocol: rating, base_url: "http://127.0.0.1:1/v1", data_protocol: core}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_plan(text):
        (tmp_path / "plan.yaml").write_text(text)
        return "plan.yaml"

    return write_plan


def test_a_plan_resolves_to_models_times_revisions_times_suites(write):
    plan = read_plan(write(PLAN))
    rows = [(row.model.model, row.model.revision, row.settings.dataset) for row in plan.rows]
    revisions = [("org/rm", revision, data) for revision in ("a", "1000") for data in ("core", "pairs.jsonl")]
    assert rows[:5] == [*revisions, ("org/dpo", "step_2", "core-hard")]
    assert rows[5:] == [("gpt", None, "core"), ("gpt", None, "pairs.jsonl")]
    assert [len(group) for group in plan.checkpoints()] == [2, 2, 1, 2]
    assert plan.output_dir == "out/"


def test_options_of_a_model_and_of_a_dataset_override_the_defaults(write):
    first, second, _, _, dpo, judge, _ = read_plan(write(PLAN)).rows
    assert first.settings == Settings(ModelSpec("org/rm", revision="a", max_length=512), batch_size=4, cache=True)
    assert (second.settings.subset, second.settings.limit) == ("math", 3)
    assert (dpo.model.ref_model, dpo.model.max_length, dpo.settings.cache) == ("org/sft", 1024, False)
    assert judge.model.judge == JudgeSpec("rating", Endpoint("http://127.0.0.1:1/v1"))
    assert judge.settings.protocol == "core"


def test_revisions_of_the_plan_are_those_of_models_without_their_own():
    models = ["a", {"model": "b", "revision": "r"}, {"model": "c", "revisions": []}]
    rows = build_plan(PlanLists(models, revisions=["x", "y"])).rows
    revisions = [(row.model.model, row.model.revision) for row in rows]
    assert revisions == [("a", "x"), ("a", "y"), ("b", "r"), ("c", None)]


def test_options_of_the_command_line_win():
    lists = PlanLists([{"model": "m", "limit": 5}], defaults={"batch_size": 2})
    (row,) = build_plan(lists, {"limit": 7, "torch_dtype": "float64"}).rows
    assert (row.settings.limit, row.settings.batch_size, row.model.dtype) == (7, 2, "float64")


def test_every_field_of_the_settings_is_an_option():
    assert {"max_length", "torch_dtype", "dtype", "subset", "calibration", "no_cache", "input_price", "parity"} <= KNOWN
    server = build_settings("rm", "core", {"dialect": "vllm", "base_url": "http://h:1/v1", "timeout": 9.0}).model.server
    assert server == ServerSpec("vllm", Endpoint("http://h:1/v1", timeout=9.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: []", "names no model"),
        ("[1]", "must have the keys models"),
        ("models: [a", "cannot be read"),
        ("model: [a]", "sets 'model', which is no option"),
        ("models: [a]\nbatch_size: 4", "sets batch_size for no row: move it under defaults"),
        ("models: [a]\ndefaults: {batchsize: 4}", "defaults of plan.yaml sets 'batchsize'.*did you mean batch_size"),
        ("models: [{model: a, revisionx: b}]", "a in plan.yaml sets 'revisionx'.*did you mean revision"),
        ("models: [{model: a, judge: b}]", "one of the keys model and judge"),
        ("models: [{model: a, max_tokens: 3}]", "max_tokens of a needs a judge"),
        ("models: [{model: a, max_length: 0}]", "max_length is 0"),
        ("models: [{model: a, torch_dtype: int4}]", "dtype is 'int4'"),
        ("models: [a, a]", "names model=a on core twice"),
        ("models: [a]\ndatasets: [{subset: x}]", "no key dataset"),
        ("models: [a]\ndatasets: [{dataset: x, limitx: 3}]", "x in plan.yaml sets 'limitx'.*did you mean limit"),
        ("models: [runs/nothing-*]", "matches no folder"),
        ("models: [1.5]", "must be a name, in quotes"),
        ("models: [a]\nmodels: [b]", "line 1: the key 'models' occurs twice"),
        ("models: [{model: a, limit: 1, limit: 2}]", "line 1: the key 'limit' occurs twice"),
        ("models: [!!bool x]", "another form than its tag"),
        ("models: " + "[" * 2000, "nested too deeply"),
        ("modelx: [a]", "did you mean models"),
        ("models: [a]\ndefaults: {no_cache: 'false'}", "no_cache is 'false': it must be true or false"),
        ("models: [a]\ndefaults: []", "must map options"),
        ("models: [a]\ndefaults: {limit: x}", "a on core in plan.yaml: limit is 'x'"),
        ("models: [{model: a, datasets: []}]", "datasets of a in plan.yaml is empty"),
        ("models: [{model: a, revision: b, revisions: [c]}]", "has revision and revisions"),
        ("models: [a]\nrevisions: [null]", "revisions in plan.yaml is None"),
        ("models: [a]\ndatasets: [{dataset: x, revision: b}]", "x in plan.yaml .*set dataset_revision"),
        ("models: [a, {model: a, batch_size: 3}]", "names model=a on core twice, with one result"),
        ("models: [a, {model: a, step_threshold: 0.3}]", "twice, with one result"),
        ("models: a\noutput_dir: ''", "must be a folder"),
        ("models: a\noutput_dir: 3", "must be a folder"),
    ],
)
def test_a_wrong_plan_is_a_one_line_error(write, text, message):
    with pytest.raises(InputError, match=message):
        read_plan(write(text))


def test_revisions_are_read_as_they_are_written(write):
    """YAML 1.1 reads 0100 as 64, 1_000 as 1000, 1:30 as 90, and 2024-01-02 as a date."""
    text = "models: [{model: a, revisions: [0100, 1_000, 1:30, 2024-01-02, 2024-13-45, 0, 7]}, {model: b, revision: 5}]"
    revisions = [row.model.revision for row in read_plan(write(text)).rows]
    assert revisions == ["0100", "1_000", "1:30", "2024-01-02", "2024-13-45", "0", "7", "5"]


def test_a_key_may_override_a_merged_one(write):
    text = "models:\n- &a {model: a, limit: 1}\n- &b {<<: *a, model: b, limit: 2}\n- {<<: *b, model: c}"
    assert [row.settings.limit for row in read_plan(write(text)).rows] == [1, 2, 2]


def test_a_pattern_matches_checkpoints_by_step(tmp_path):
    for name in ("checkpoint-1000", "checkpoint-200", "final"):
        (tmp_path / name).mkdir()
    rows = build_plan(PlanLists([f"{tmp_path}/checkpoint-*"])).rows
    assert [(row.step, row.series) for row in rows] == [(200, str(tmp_path)), (1000, str(tmp_path))]


def test_a_row_has_the_command_that_scores_it_and_a_key_of_what_it_scores(write):
    from rewardbench.cli.main import build_command

    first, *_, dpo, _, _ = rows = read_plan(write(PLAN)).rows
    assert dpo.command() == [
        *("rewardbench", "--model", "org/dpo", "--dataset", "core-hard", "--ref_model", "org/sft"),
        *("--revision", "step_2", "--max_length", "1024", "--batch_size", "4", "--no_cache", "--output_dir", "out/"),
    ]
    for row in rows:
        build_command().make_context("rewardbench", row.command()[1:])
    assert len({row.key for row in rows}) == len(rows)
    (same,) = build_plan(PlanLists([{"model": "org/rm", "revision": "a", "max_length": 512}])).rows
    assert same.key == first.key
