"""Local judges by logits: equal to a softmax by hand in every batch, and clear errors for tokens and templates."""

import math
import random
from dataclasses import replace

import pytest
import torch
from local_judges import LOGITS, RATE, judge_spec, judge_tokenizer, make_judge, write_protocol
from random_models import TEMPLATE, make_word_tokenizer, mixed_items, pairs, turn
from reference import largest_difference

from rewardbench.engine.loop import score
from rewardbench.engine.views import expand
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.scorers.judge.local.outcomes import single_token

SLOW = ("mixtral", "qwen2", "qwen3", "mistral", "gpt_neox", "phi3", "gpt2")
SIZES = ((10**6, 1), (10**6, 2), (10**6, 7), (10**6, None))
"""Maximum tokens and maximum prompts of a batch."""


@pytest.fixture(scope="module")
def protocols(tmp_path_factory):
    folder = tmp_path_factory.mktemp("protocols")
    tie = {**LOGITS["answer"]["tokens"], "C": ["C"]}
    digits = {str(n): [str(n)] for n in range(1, 4)}
    sampling = LOGITS["sampling"]
    rated = {"view": "pointwise", "messages": [{"role": "user", "content": RATE}], "sampling": sampling}
    fields = {
        "pairwise": LOGITS,
        "tie": {**LOGITS, "answer": {"kind": "tokens", "tokens": tie, "tie": ["C"]}},
        "expectation": {**rated, "answer": {"kind": "tokens", "tokens": digits, "read": "expectation"}},
        "difference": {**rated, "answer": {"kind": "tokens", "tokens": tie, "read": "difference"}},
        "listwise": {**LOGITS, "view": "listwise"},
    }
    return {name: write_protocol(folder / f"{name}.yaml", **values) for name, values in fields.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def load(folder, protocols):
    """Return a function that loads the small Llama with a protocol; each is loaded once."""
    scorers = {}

    def load(protocol):
        if protocol not in scorers:
            scorers[protocol] = load_scorer(judge_spec(folder, protocols[protocol]))
        return scorers[protocol]

    return load


def first_log_probs(scorer, request):
    """Return the log-probabilities of the first token of an answer, by the model's own forward on one prompt."""
    with torch.inference_mode():
        logits = scorer.model(input_ids=torch.tensor([request.ids])).logits[0, -1]
    return logits.double().log_softmax(-1)


def outcome_log_prob(scorer, log_probs, *tokens):
    ids = scorer.chat.tokenizer.convert_tokens_to_ids(list(tokens))
    assert None not in ids
    return float(log_probs[ids].logsumexp(0))


def probability_by_hand(scorer, request):
    log_probs = first_log_probs(scorer, request)
    first, second = (outcome_log_prob(scorer, log_probs, label, f"Ġ{label}") for label in "AB")
    return 1 / (1 + torch.tensor(second - first).exp().item())


def scores_by_hand(scorer, items):
    """Return the win rates of both completions of each pair, over both orders."""
    scores = []
    for item in items:
        wins = {}
        for call in expand(item, "pairwise"):
            request = scorer.prepare(item.prompt, *call.completions(item), rendered=False)
            wins[call.shown] = probability_by_hand(scorer, request)
        first = (wins[0, 1] + 1 - wins[1, 0]) / 2
        scores += [first, 1 - first]
    return scores


@pytest.mark.parametrize("arch", ["llama", "gemma2", *(pytest.param(arch, marks=pytest.mark.slow) for arch in SLOW)])
def test_probabilities_equal_a_softmax_by_hand_in_every_batch(arch, tmp_path, protocols):
    scorer = load_scorer(judge_spec(make_judge(tmp_path, arch), protocols["pairwise"]))
    items = mixed_items()
    expected = scores_by_hand(scorer, items)
    assert max(expected) - min(expected) > 0.003
    layouts = [scorer, scorer.with_layout(replace(scorer.layout, packed=False))]
    for number, (batch_tokens, batch_size) in enumerate(SIZES):
        shuffled = random.Random(number).sample(items, len(items))
        scored = score(shuffled, layouts[number % 2], batch_tokens=batch_tokens, batch_size=batch_size).items
        by_id = {item_scores.id: item_scores.scores for item_scores in scored}
        scores = [value for item in items for value in by_id[item.id]]
        assert largest_difference(scores, expected) <= 1e-5


def test_a_tie_is_split(load):
    scorer, item = load("tie"), pairs(1)[0]
    request = scorer.prepare(item.prompt, *item.completions, rendered=False)
    log_probs = first_log_probs(scorer, request)
    outcomes = torch.tensor(
        [outcome_log_prob(scorer, log_probs, *tokens) for tokens in (("A", "ĠA"), ("B", "ĠB"), ("C",))]
    )
    first, _, tie = outcomes.softmax(0).tolist()
    assert scorer.run([request])[0] == pytest.approx(first + tie / 2, abs=1e-5)


def test_pointwise_judges_return_a_difference_or_an_expectation(load):
    item = pairs(1)[0]
    for protocol, tokens in (("difference", (("A", "ĠA"), ("B", "ĠB"))), ("expectation", (("1",), ("2",), ("3",)))):
        scorer = load(protocol)
        request = scorer.prepare(item.prompt, item.completions[0], rendered=False)
        log_probs = first_log_probs(scorer, request)
        outcomes = torch.tensor([outcome_log_prob(scorer, log_probs, *texts) for texts in tokens])
        expected = outcomes[0] - outcomes[1]
        if protocol == "expectation":
            expected = (outcomes.softmax(0) * torch.tensor([1.0, 2.0, 3.0])).sum()
        assert scorer.run([request])[0] == pytest.approx(float(expected), abs=1e-5)
        assert score([item], scorer).items[0].reason is None


def test_a_listwise_judge_returns_a_probability_of_each_completion(load):
    scorer, item = load("listwise"), pairs(1)[0]
    request = scorer.prepare(item.prompt, *item.completions, rendered=False)
    (scores,) = scorer.run([request])
    first = probability_by_hand(scorer, request)
    assert scores == pytest.approx((first, 1 - first), abs=1e-5)
    three = replace(item, completions=(*item.completions, turn("assistant", "Lima")), num_correct=1)
    assert "has tokens for 2 responses, and this item has 3" in score([three], scorer).items[0].reason


def test_raw_answers_hold_the_log_probabilities(load):
    scorer, item = load("pairwise"), pairs(1)[0]
    (scored,) = score([item], scorer).items
    assert [row["shown"] for row in scored.answers] == [list(call.shown) for call in expand(item, "pairwise")]
    request = scorer.prepare(item.prompt, *expand(item, "pairwise")[0].completions(item), rendered=False)
    log_probs = first_log_probs(scorer, request)
    (token,) = scored.answers[0]["answer"]["logprobs"]
    assert {text for text, _ in token["top"]} == {"A", " A", "B", " B"}
    for text, logprob in token["top"]:
        expected = outcome_log_prob(scorer, log_probs, text.replace(" ", "Ġ"))
        assert logprob == pytest.approx(expected, abs=1e-4)


def test_a_judge_that_would_write_something_else_has_a_note(folder, protocols):
    scorer, items = load_scorer(judge_spec(folder, protocols["pairwise"])), pairs(2)
    score(items, scorer)
    shares = []
    for item in items:
        for call in expand(item, "pairwise"):
            request = scorer.prepare(item.prompt, *call.completions(item), rendered=False)
            tokens = [f"{space}{label}" for label in "AB" for space in ("", "Ġ")]
            shares.append(math.exp(outcome_log_prob(scorer, first_log_probs(scorer, request), *tokens)))
    share = sum(shares) / len(shares)
    assert share < 0.5
    report = scorer.report()
    assert report.details["judge"]["outcome_probability"] == pytest.approx(share, abs=1e-5)
    assert f"have {100 * share:.1f} % of the probability" in report.notes[-1]


def load_with(tmp_path, answer, tokenizer=None, **options):
    folder = make_judge(tmp_path / "model", tokenizer=tokenizer)
    protocol = write_protocol(tmp_path / "p.yaml", **{**LOGITS, "answer": {"kind": "tokens", "tokens": answer}})
    return load_scorer(judge_spec(folder, protocol, **options))


def test_a_text_of_several_tokens_is_left_out_with_a_note(tmp_path):
    scorer = load_with(tmp_path, {"A": ["A", "Response A"], "B": ["B"]})
    assert any("no single token for 'Response A'" in note for note in scorer.report().notes)
    assert list(scorer.outcomes.texts.values()) == ["A", "B"]


def test_an_outcome_without_a_single_token_is_rejected(tmp_path):
    with pytest.raises(InputError, match="outcome 'first' of this protocol is no single token"):
        load_with(tmp_path, {"first": ["Response A", "Response  A"], "second": ["B"]})


def test_a_token_that_expresses_two_outcomes_is_rejected(tmp_path):
    with pytest.raises(InputError, match="'A' expresses two outcomes"):
        load_with(tmp_path, {"first": ["A"], "second": ["B", "A"]})


def test_tokens_are_those_that_print_the_text_after_the_prompt(tmp_path):
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[judge]"
    tokenizer = make_word_tokenizer(template, corpus=["A B A B or A"] * 20)
    scorer = load_with(tmp_path, {"A": ["A", " A"], "B": ["B", " B"]}, tokenizer)
    tokens = [tokenizer.convert_ids_to_tokens(list(ids)) for ids in scorer.outcomes.ids]
    assert tokens == [["A", "▁A"], ["B", "▁B"]]
    request = scorer.probe("Lima")
    assert single_token(scorer.chat, request, "A B") is None


def switchable(text):
    return TEMPLATE.replace("{% if add_generation_prompt %}<|assistant|>", "{% if add_generation_prompt %}" + text)


def test_thinking_is_switched_off_and_recorded(tmp_path, protocols):
    template = switchable("<|assistant|>{% if enable_thinking is defined and not enable_thinking %}none{% endif %}")
    folder = make_judge(tmp_path, tokenizer=judge_tokenizer(template=template))
    scorer = load_scorer(judge_spec(folder, protocols["pairwise"]))
    assert scorer.probe("Lima").text.endswith("<|assistant|>none")
    assert scorer.fingerprint["template_variables"] == {"enable_thinking": False}


def test_a_template_that_begins_with_a_thought_is_rejected(tmp_path, protocols):
    folder = make_judge(tmp_path, tokenizer=judge_tokenizer(template=switchable("<|assistant|><think>\n")))
    with pytest.raises(InputError, match="begins each answer with a thought"):
        load_scorer(judge_spec(folder, protocols["pairwise"]))


def test_a_role_that_the_template_does_not_print_is_a_reason(tmp_path, folder):
    messages = [{"role": "user", "content": "{{ conversation }}"}]
    messages += [{"role": f"response_{n + 1}", "content": f"{{{{ responses[{n}] }}}}"} for n in range(2)]
    protocol = write_protocol(tmp_path / "roles.yaml", **{**LOGITS, "messages": messages})
    scorer = load_scorer(judge_spec(folder, protocol))
    assert "<|response_2|>" in scorer.probe("Lima").text
    template = TEMPLATE.replace(
        "<|{{ m.role }}|>", "{% if m.role == 'assistant' %}<|assistant|>{% else %}<|user|>{% endif %}"
    )
    other = make_judge(tmp_path / "other", tokenizer=judge_tokenizer(template=template))
    with pytest.raises(InputError, match="does not print the role response_"):
        load_scorer(judge_spec(other, protocol))


def test_a_prompt_that_is_too_long_is_unscored_and_not_truncated(folder, protocols):
    scorer = load_scorer(judge_spec(folder, protocols["pairwise"], max_length=100))
    short, long = pairs(1, 3)[0], replace(pairs(2, 80)[1], id="long")
    scored = score([short, long], scorer).items
    assert scored[0].reason is None
    assert "and the model takes 100: it was not truncated" in scored[1].reason
    assert not scored[1].truncated


def test_templates_of_fastchat_end_with_the_header_of_the_judge(folder, protocols):
    scorer = load_scorer(judge_spec(folder, protocols["pairwise"], chat_template="vicuna_v1.1"))
    request = scorer.probe("Lima")
    assert request.text.endswith(" ASSISTANT:")
    assert request.ids[-1] != scorer.chat.tokenizer.eos_token_id


@pytest.mark.parametrize(("view", "read"), [("pairwise", "expectation"), ("listwise", "difference")])
def test_a_view_that_cannot_have_such_scores_is_rejected(view, read, folder, tmp_path):
    answer = {**LOGITS["answer"], "read": read}
    protocol = write_protocol(tmp_path / "p.yaml", **{**LOGITS, "view": view, "answer": answer})
    with pytest.raises(InputError, match=f"answer.read must be probability.* in the {view} view, not {read}"):
        load_scorer(judge_spec(folder, protocol))


@pytest.mark.parametrize("option", [{"label": "x"}, {"adapter": "grm"}, {"ref_free_type": "sum"}])
def test_options_of_reward_models_are_rejected(option, folder, protocols):
    with pytest.raises(InputError, match="applies to reward models"):
        load_scorer(judge_spec(folder, protocols["pairwise"], **option))


def test_a_classifier_is_no_judge(model_folder, protocols):
    with pytest.raises(InputError, match="is a classifier"):
        load_scorer(judge_spec(model_folder(), protocols["pairwise"]))
