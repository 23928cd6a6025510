"""Every protocol of this package, from the prompt to the score: a judge that knows which response is better."""

import json

import pytest
from fake_judge import Behaviour, FakeJudge
from judge_answers import Reply, choose, rank, rate, yes_no

from rewardbench import Endpoint, JudgeSpec, evaluate
from rewardbench.scorers.judge.protocols import protocol_names, read_protocol


def rank_on_scale(question):
    """Return the answer of a judge with a ranking from 1 (the first is better) to 6."""
    answer = choose(form="{}")(question).content
    return Reply(json.dumps({"score_1": 3, "score_2": 3, "ranking": 1 if answer == "A" else 6}))


JUDGES = {
    "choice": choose(),
    "choice_tie": choose(),
    "best_of_n": choose(),
    "json_choice": choose(form='{{"explanation": "", "verdict": "{}"}}'),
    "listwise": rank(),
    "rating": rate(),
    "turn_rating": rate(),
    "logprob": choose(form="{}"),
    "yes_no": yes_no(),
    "rating_logprob": rate(high=9, form="{}"),
    "genrm_principle": yes_no(form="Is that correct? Yes and No. {}"),
    "nemotron_genrm": rank_on_scale,
}
ITEMS = [
    {"prompt": f"Question {n}?", "chosen": f"quality=0.{n + 5}", "rejected": f"quality=0.{n + 1}"} for n in range(4)
]


@pytest.fixture(scope="module")
def server():
    """Serve a judge that answers as the model of the request would."""
    behaviour = Behaviour(decide=lambda question: JUDGES[question.body["model"]](question))
    with FakeJudge(behaviour) as fake:
        yield fake


def test_every_protocol_with_prompts_of_its_own_is_run():
    assert set(JUDGES) == {name for name in protocol_names() if read_protocol(name).official is None}


@pytest.mark.parametrize("name", JUDGES)
def test_the_better_response_gets_the_higher_score(name, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    judge = JudgeSpec(protocol=name, principle="correctness", endpoint=Endpoint(base_url=server.base_url))
    result = evaluate(name, ITEMS, judge=judge)
    assert result.accuracy.value == 1.0
    assert result.accuracy.unscored == 0
    assert result.manifest["fingerprint"]["protocol"]["name"] == name
