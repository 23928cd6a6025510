"""Runs of local judges: cached, interrupted and resumed, in several processes, from Python and from the command."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from judge_pairs import write_pairs
from local_judges import CHOICE, LOGITS, judge_spec, make_judge, write_protocol
from random_models import mixed_items, pairs
from reference import interrupted

from rewardbench import evaluate
from rewardbench.cli.main import main
from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.cache import Cache
from rewardbench.engine.loop import score
from rewardbench.engine.views import collect
from rewardbench.errors import InputError
from rewardbench.models.fingerprint import digest
from rewardbench.scorers import load_scorer
from rewardbench.scorers.judge.answers import Answer
from rewardbench.scorers.judge.ledger import Ledger, default_ledger_path
from rewardbench.scorers.judge.verdicts import call_score
from rewardbench.settings import JudgeSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture
def spec_of(folder, tmp_path):
    def make(fields, **options):
        return judge_spec(folder, write_protocol(tmp_path / "protocol.yaml", **fields), **options)

    return make


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "scores.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("fields", [LOGITS, CHOICE], ids=["logits", "generation"])
def test_an_interrupted_run_resumes_to_the_same_scores_and_answers(fields, spec_of, cache):
    spec, items = spec_of(fields), mixed_items()[:5]
    complete = score(items, load_scorer(spec, cache=False), batch_size=3)
    scorer = load_scorer(spec)
    with interrupted(scorer, 2):
        score(items, scorer, cache=cache, batch_size=3)
    cached = sum(entry.scores for entry in cache.entries())
    assert 0 < cached < complete.requests
    resumed = score(items, load_scorer(spec), cache=cache, batch_size=3)
    assert resumed.computed == complete.computed - cached
    assert repr(resumed.items) == repr(complete.items)  # NaN is not equal to itself
    warm_scorer = load_scorer(spec)
    warm = score(items, warm_scorer, cache=cache)
    assert warm.computed == 0
    assert repr(warm.items) == repr(complete.items)
    assert all(item.answers for item in warm.items)
    report = warm_scorer.report()
    failed = sum(row_fails(row) for item in warm.items for row in item.answers)
    assert sum(report.details["judge"]["failures"].values()) == failed
    assert report.details["judge"]["requests"] == complete.requests
    assert report.session["judge"]["generated"] == 0


def row_fails(row):
    answer = Answer.from_json(row["answer"])
    return answer.logprobs is None and (answer.finish_reason == "length" or not set(answer.text) & set("AB"))


def test_the_answers_of_an_item_are_those_of_its_scores_where_batching_changes_them(spec_of, cache, monkeypatch):
    """In bfloat16 a sample is judged again unbatched, which must replace no answer."""
    scorer = load_scorer(spec_of(LOGITS, dtype="bfloat16"))
    answer_batch = scorer.answer_batch

    def depends_on_batch(requests):
        factor = 1.0 if len(requests) == 1 else 4.0
        batch = answer_batch(requests)
        for answers in batch:
            (token,) = answers[0].logprobs
            top = tuple((text, logprob * factor) for text, logprob in token.top)
            answers[0] = replace(answers[0], logprobs=(replace(token, top=top),))
        return batch

    monkeypatch.setattr(scorer, "answer_batch", depends_on_batch)
    items = pairs(4)
    for _ in range(2):  # the second time all scores are cached
        run = score(items, scorer, cache=cache, noise=True, batch_size=8)
        assert run.noise > 1e-4
        for item, scored in zip(items, run.items, strict=True):
            answers = [[Answer.from_json(row["answer"])] for row in scored.answers]
            scores = [call_score(scorer.protocol, scorer.view, repeats, 2)[0] for repeats in answers]
            assert collect(item, scorer.view, scores).scores == scored.scores


def test_answers_of_a_run_without_a_cache_stay_in_memory(spec_of):
    (scored,) = score(pairs(1), load_scorer(spec_of(LOGITS), cache=False)).items
    assert len(scored.answers) == 2
    assert not default_ledger_path().exists()


def test_two_processes_score_as_one_does(spec_of):
    spec, items = spec_of(CHOICE), mixed_items()[:4]
    single = score(items, load_scorer(spec), batch_size=2).items
    with Ledger() as ledger:
        ledger.prune()
    pooled = score(items, load_scorer(spec), batch_size=2, workers=Pool(2, partial(load_scorer, spec))).items
    assert repr(pooled) == repr(single)
    assert all(item.answers for item in pooled)


def test_processes_of_a_judge_without_a_cache_are_rejected(spec_of, folder):
    """The answers of a process that are kept in its memory would be missing in the result."""
    judge = JudgeSpec(spec_of(CHOICE).judge.protocol)
    with pytest.raises(InputError, match="share its answers in the cache"):
        evaluate(str(folder), [{"prompt": "a", "chosen": "b", "rejected": "c"}], judge=judge, num_processes=2)


def test_whatever_can_change_an_answer_changes_the_fingerprint(spec_of):
    variants = [
        spec_of(CHOICE),
        spec_of(CHOICE, chat_template="raw"),
        spec_of(CHOICE, dtype="float64"),
        spec_of(CHOICE, judge={"repeats": 3}),
        spec_of(CHOICE, judge={"temperature": 1.0}),
        spec_of(CHOICE, judge={"principle": "Prefer the shorter one."}),
    ]
    digests = {digest(dict(load_scorer(spec).fingerprint)) for spec in variants}
    assert len(digests) == len(variants)
    digests.add(digest(dict(load_scorer(spec_of(LOGITS)).fingerprint)))
    assert len(digests) == len(variants) + 1
    assert digest(dict(load_scorer(spec_of(CHOICE, seed=7)).fingerprint)) in digests


def test_evaluate_reports_inconsistency_and_bias_of_a_local_judge(spec_of, folder):
    spec = spec_of(LOGITS)
    rows = [
        {"prompt": item.prompt[0]["content"], **dict(zip(("chosen", "rejected"), texts_of(item), strict=True))}
        for item in pairs(6, 20)
    ]
    result = evaluate(str(folder), rows, judge=JudgeSpec(spec.judge.protocol), device="cpu")
    assert result.model_type == "Generative RM"
    assert result.score.unscored == 0
    assert result.order_inconsistency.n == 6
    assert result.biases[0].name == "position_bias"
    assert result.manifest["fingerprint"]["protocol"]["name"] == "my_protocol"
    assert result.manifest["run"]["judge"]["requests"] == 12


def texts_of(item):
    return [completion[0]["content"] for completion in item.completions]


@pytest.mark.parametrize("protocol", ["logprob", pytest.param("choice", marks=pytest.mark.slow)])
def test_the_command_judges_with_a_folder(protocol, folder, tmp_path, capsys):
    data = write_pairs(tmp_path / "pairs.jsonl", 3)
    command = ["--judge", str(folder), "--protocol", protocol, "--dataset", data, "--device", "cpu", "--json"]
    command += ["--output_dir", str(tmp_path / "results"), "--max_tokens", "4"]
    with pytest.raises(SystemExit) as stop:
        main(command)
    output = capsys.readouterr()
    if protocol == "choice":  # four tokens hold no [[A]]
        assert stop.value.code == 2
        assert "None of the 3 items" in output.err
        assert "broken weights" not in output.err
        return
    assert stop.value.code == 0, output.err
    result = json.loads(output.out)
    assert result["manifest"]["run"]["judge"]["protocol"] == "logprob"
    answers = Path(result["results"].replace(".json", "_answers.jsonl")).read_text().splitlines()
    assert [json.loads(line)["shown"] for line in answers[:2]] in ([[0, 1], [1, 0]], [[1, 0], [0, 1]])
