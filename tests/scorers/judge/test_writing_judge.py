"""Local judges by generation: answers equal the model's own unbatched `generate`, in every batch and order."""

import random
from collections import Counter

import pytest
import torch
from local_judges import CHOICE, judge_spec, judge_tokenizer, make_judge, write_protocol
from random_models import TEMPLATE, mixed_items, pairs
from transformers import AutoModelForCausalLM

from rewardbench.engine.loop import score
from rewardbench.engine.views import expand
from rewardbench.errors import InputError
from rewardbench.forward.batch_effects import UNBATCHED_NOTE
from rewardbench.scorers import load_scorer
from rewardbench.scorers.judge.local import load as local
from rewardbench.scorers.judge.local.decoding import Decoder, GenerationRequest, Sampler

ARCHITECTURES = ("llama", "gemma2")
SLOW = ("mixtral", "gpt_neox", "qwen2", "qwen3", "mistral", "gemma3_text", "phi3", "gpt2", "opt")
TOKENS = CHOICE["sampling"]["max_tokens"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def spec_of(folder, tmp_path_factory):
    """Return a function that returns the specification of the small Llama; `changes` are fields of the protocol."""
    protocols = tmp_path_factory.mktemp("protocols")

    def make(name="choice", changes=(), **options):
        return judge_spec(folder, write_protocol(protocols / f"{name}.yaml", **{**CHOICE, **dict(changes)}), **options)

    return make


def sampled(**fields):
    return {"sampling": {"max_tokens": TOKENS, "temperature": 1.0, "seed": 0, **fields}}


def all_requests(scorer, items):
    requests = []
    for item in items:
        for call in expand(item, scorer.view):
            requests.append(scorer.prepare(item.prompt, *call.completions(item), rendered=False))
    return requests


def texts(scorer, requests, size):
    """Return the texts of all answers, request by request, from batches of one size."""
    answers = []
    for start in range(0, len(requests), size):
        for repeats in scorer.answer_batch(requests[start : start + size]):
            answers.append([answer.text for answer in repeats])
    return answers


def check_invariance(scorer, requests, expected, sizes=(1, 2, 7, 100)):
    for size in sizes:
        order = random.Random(size).sample(range(len(requests)), len(requests))
        answers = texts(scorer, [requests[n] for n in order], size)
        assert answers == [expected[n] for n in order]


def generate_by_hand(folder, requests, tokenizer):
    """Return the answers of a freshly loaded model's own `generate`, one prompt at a time."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    answers = []
    for request in requests:
        ids = torch.tensor([request.ids])
        output = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS, pad_token_id=0
        )
        text = tokenizer.decode(output[0, len(request) :], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        answers.append([text])
    return answers


@pytest.mark.parametrize("arch", [*ARCHITECTURES, *(pytest.param(arch, marks=pytest.mark.slow) for arch in SLOW)])
def test_answers_equal_unbatched_generation_in_every_batch_and_order(arch, tmp_path):
    folder = make_judge(tmp_path / "model", arch)
    scorer = load_scorer(judge_spec(folder, write_protocol(tmp_path / "choice.yaml", **CHOICE)))
    assert not scorer.layout.unbatched
    requests = all_requests(scorer, [*mixed_items()[:2], *pairs(3, 20)])
    expected = generate_by_hand(folder, requests, scorer.chat.tokenizer)
    assert len({text for (text,) in expected}) >= 3
    check_invariance(scorer, requests, expected)


def tie_folder(tmp_path):
    """Save a judge for which the tokens A and B, and two others, have the same logits up to rounding."""
    folder = make_judge(tmp_path / "ties")
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = judge_tokenizer().convert_tokens_to_ids(["A", "B", "s", "u"])
    with torch.no_grad():
        weight = model.lm_head.weight
        for first, second in (ids[:2], ids[2:]):
            weight[second] = weight[first] * (1 + 1e-7)
    model.save_pretrained(folder)
    return folder


def add_noise_of_batches(scorer):
    """Add noise to the logits of batches, twenty times that of rounding, as another kernel would."""
    generator = torch.Generator().manual_seed(0)

    def disturb(module, inputs, logits):
        if len(logits) > 1:
            logits = logits + 2e-6 * logits.abs().max() * torch.randn(logits.shape, generator=generator)
        return logits

    return scorer.model.get_output_embeddings().register_forward_hook(disturb)


def test_near_ties_are_generated_again_with_batch_size_1(tmp_path):
    folder = tie_folder(tmp_path)
    scorer = load_scorer(judge_spec(folder, write_protocol(tmp_path / "choice.yaml", **CHOICE)))
    requests = all_requests(scorer, mixed_items()[:6])
    expected = texts(scorer, requests, 1)
    assert scorer.decoder.repeated == 0
    hook = add_noise_of_batches(scorer)
    check_invariance(scorer, requests, expected)
    assert scorer.decoder.repeated > 10
    scorer.decoder.tolerance = 0.0
    assert texts(scorer, requests, 100) != expected  # the trap is one
    hook.remove()


@pytest.mark.parametrize(
    "fields", [pytest.param({}, marks=pytest.mark.slow), {"temperature": 0.7, "top_p": 0.8}], ids=["plain", "nucleus"]
)
def test_sampled_answers_do_not_depend_on_the_batch(fields, spec_of):
    scorer = load_scorer(spec_of("sampled", sampled(**fields) | {"repeats": 2}))
    requests = all_requests(scorer, mixed_items()[:3])
    expected = texts(scorer, requests, 1)
    assert sum(first != second for first, second in expected) > len(expected) / 2
    check_invariance(scorer, requests, expected, (3, 100))
    hook = add_noise_of_batches(scorer)
    check_invariance(scorer, requests, expected, (100,))
    hook.remove()


def test_another_seed_gives_other_answers(spec_of):
    first, second = (load_scorer(spec_of(f"seed{n}", sampled(seed=n))) for n in (0, 1))
    requests = all_requests(first, mixed_items()[:3])
    assert texts(first, requests, 100) != texts(second, requests, 100)
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_samples_follow_the_distribution_of_the_model(top_p, spec_of):
    scorer = load_scorer(spec_of())
    request = scorer.probe("Lima")
    with torch.inference_mode():
        logits = scorer.model(input_ids=torch.tensor([request.ids])).logits[0, -1]
    probabilities = (logits / 2.0).softmax(0)
    ordered = probabilities.sort(descending=True)
    inside = ordered.indices[ordered.values.cumsum(0) - ordered.values < top_p].tolist()
    total = float(probabilities[inside].sum())
    decoder = Decoder(scorer.model, scorer.chat.tokenizer, Sampler(2.0, top_p), stop_ids=())
    draws = 2000
    generated = decoder.generate([GenerationRequest(request, 1, seed) for seed in range(draws)])
    counts = Counter(sequence.ids[0] for sequence in generated)
    assert counts.keys() <= set(inside)
    for token_id in inside[:5]:
        share = float(probabilities[token_id]) / total
        assert counts[token_id] / draws == pytest.approx(share, abs=4 * (share * (1 - share) / draws) ** 0.5)


def test_repeats_of_greedy_search_are_generated_once(spec_of, monkeypatch):
    scorer = load_scorer(spec_of("repeats", judge={"repeats": 3}))
    generated = []
    generate = scorer.decoder.generate
    monkeypatch.setattr(scorer.decoder, "generate", lambda prompts: generated.extend(prompts) or generate(prompts))
    (answers,) = scorer.answer_batch(all_requests(scorer, pairs(1))[:1])
    assert len(answers) == 3
    assert len(generated) == 1


def test_answers_say_why_they_end(spec_of):
    scorer = load_scorer(spec_of())
    requests = all_requests(scorer, [*mixed_items(), *pairs(6, 20)])
    reasons = Counter()
    for (answer,) in scorer.answer_batch(requests):
        reasons[answer.finish_reason] += 1
        assert (answer.completion_tokens == TOKENS) >= (answer.finish_reason == "length")
        assert "<|eos|>" not in answer.text
    assert reasons.keys() == {"stop", "length"}


def test_an_answer_ends_at_a_stop_text(spec_of):
    plain = load_scorer(spec_of())
    requests = all_requests(plain, [*mixed_items(), *pairs(6, 20)])
    answers = [answer for (answer,) in plain.answer_batch(requests)]
    number = next(n for n, answer in enumerate(answers) if len(answer.text) > 4)
    stop = answers[number].text[2:4]
    scorer = load_scorer(spec_of("stop", {"sampling": {"max_tokens": TOKENS, "stop": [stop]}}))
    ((answer,),) = scorer.answer_batch([requests[number]])
    assert answer.text == answers[number].text.partition(stop)[0]
    assert answer.finish_reason == "stop"
    assert answer.completion_tokens < answers[number].completion_tokens


def test_the_end_of_turn_of_the_template_ends_an_answer(tmp_path):
    template = TEMPLATE.replace("{{ eos_token }}", "<|end|>")
    tokenizer = judge_tokenizer(template=template, special=("<|end|>",))
    folder = make_judge(tmp_path / "model", tokenizer=tokenizer)
    scorer = load_scorer(judge_spec(folder, write_protocol(tmp_path / "choice.yaml", **CHOICE)))
    ids = tokenizer.convert_tokens_to_ids(["<|eos|>", "<|end|>"])
    assert scorer.fingerprint["stop_tokens"] == sorted(ids)


def test_settings_of_the_checkpoint_are_not_used_and_noted(tmp_path):
    folder = make_judge(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder)
    protocol = write_protocol(tmp_path / "choice.yaml", **CHOICE)
    before = load_scorer(judge_spec(folder, protocol))
    requests = all_requests(before, mixed_items()[:4])
    model.generation_config.repetition_penalty = 1.3
    model.save_pretrained(folder)
    after = load_scorer(judge_spec(folder, protocol))
    assert any("repetition_penalty 1.3" in note for note in after.report().notes)
    assert texts(after, requests, 100) == texts(before, requests, 100)
    penalised = generate_by_hand(folder, requests, after.chat.tokenizer)
    assert penalised != texts(after, requests, 100)


def test_an_answer_has_no_more_tokens_than_the_model_has_positions(spec_of):
    lengths = [len(request) for request in all_requests(load_scorer(spec_of()), pairs(1))]
    scorer = load_scorer(spec_of(max_length=max(lengths) + 1))
    answers = scorer.answer_batch(all_requests(scorer, pairs(1)))
    assert max(answer.completion_tokens for (answer,) in answers) <= 1
    full = load_scorer(spec_of(max_length=max(lengths)))
    assert "fills all" in score(pairs(1), full).items[0].reason


def test_a_batch_sensitive_model_generates_with_batch_size_1(spec_of, monkeypatch):
    load_weights = local.load_weights

    def load_sensitive(*arguments):
        loaded = load_weights(*arguments)

        def mix(module, inputs, logits):
            return logits + logits.mean(0, keepdim=True) if len(logits) > 1 else logits

        loaded.model.get_output_embeddings().register_forward_hook(mix)
        return loaded

    monkeypatch.setattr(local, "load_weights", load_sensitive)
    scorer = load_scorer(spec_of())
    assert UNBATCHED_NOTE in scorer.report().notes
    assert scorer.traits.max_batch_size == 1


def test_a_model_whose_rope_depends_on_the_length_generates_with_batch_size_1(tmp_path):
    rope = {"rope_type": "dynamic", "factor": 8.0, "rope_theta": 1e4}
    folder = make_judge(tmp_path / "model", max_position_embeddings=64, rope_parameters=rope)
    spec = judge_spec(folder, write_protocol(tmp_path / "choice.yaml", **CHOICE), max_length=500)
    scorer = load_scorer(spec)
    requests = all_requests(scorer, pairs(2, 60))
    assert max(map(len, requests)) > 64
    assert scorer.traits.max_batch_size == 1
    assert texts(scorer, requests, 1) == texts(scorer, requests[::-1], 1)[::-1]


def test_the_answer_of_an_inexact_dtype_has_a_note(spec_of):
    scorer = load_scorer(spec_of(dtype="bfloat16"))
    assert any("In this dtype an answer can depend" in note for note in scorer.report().notes)
    assert scorer.decoder.tolerance == 0


def test_settings_of_servers_are_noted(spec_of):
    fields = {"max_tokens": 4, "json_schema": {"type": "object"}, "extra": {"reasoning_effort": "low"}}
    notes = " ".join(load_scorer(spec_of("server", {"sampling": fields})).report().notes)
    assert "JSON schema of the protocol was not enforced" in notes
    assert "The field reasoning_effort" in notes


def test_variables_of_the_template_come_from_the_protocol(tmp_path):
    template = TEMPLATE.replace("{% if add_generation_prompt %}", "{% if add_generation_prompt %}{{ depth }}")
    folder = make_judge(tmp_path / "model", tokenizer=judge_tokenizer(template=template))
    sampling = {"max_tokens": 4, "extra": {"chat_template_kwargs": {"depth": "deep"}}}
    scorer = load_scorer(judge_spec(folder, write_protocol(tmp_path / "p.yaml", **{**CHOICE, "sampling": sampling})))
    assert scorer.probe("Lima").text.endswith("deep<|assistant|>")
    wrong = {"max_tokens": 4, "extra": {"chat_template_kwargs": 3}}
    with pytest.raises(InputError, match="chat_template_kwargs is not a mapping"):
        load_scorer(judge_spec(folder, write_protocol(tmp_path / "q.yaml", **{**CHOICE, "sampling": wrong})))


def test_probabilities_after_a_thought_are_read_in_the_generated_tokens(tmp_path, folder):
    tokens = {"A": ["A", " A"], "B": ["B", " B"]}
    answer = {"kind": "tokens", "tokens": tokens, "position": "last_verdict", "floor": -9.0}
    fields = {**CHOICE, "answer": answer, "sampling": {"max_tokens": TOKENS, "top_logprobs": 5}}
    scorer = load_scorer(judge_spec(folder, write_protocol(tmp_path / "thought.yaml", **fields)))
    assert scorer.method == "generation"
    requests = all_requests(scorer, [*mixed_items(), *pairs(6, 20)])
    answers = [repeats[0] for repeats in scorer.answer_batch(requests)]
    for answer in answers:
        assert len(answer.logprobs) == answer.completion_tokens
        assert all(len(token.top) == 5 and token.top[0] == (token.token, token.logprob) for token in answer.logprobs)
    scores = scorer.run(requests)
    assert any(0 < value < 1 for value in scores)
