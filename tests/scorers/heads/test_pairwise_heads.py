"""Pairwise heads equal plain torch in both orders, in every layout, and General Preference Models are antisymmetric."""

import json
from functools import partial

import pytest
import torch
from head_models import make_headed, random_layers
from random_models import make_model, pairs
from reference import score_in_layouts
from repository import SHARED
from transformers import AutoModel

from rewardbench.engine.backends.pool import Pool
from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Item, Message

WIDTH, BLOCKS, TEMPERATURE = 32, 3, 0.1


def load(folder, **options):
    return load_scorer(ModelSpec(str(folder), device="cpu", **options))


def heads(prompt_head=True):
    tensors = random_layers("value_head", WIDTH, 2 * BLOCKS, bias=False)
    return tensors | (random_layers("prompt_head", WIDTH, BLOCKS, bias=False, seed=1) if prompt_head else {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_headed(tmp_path_factory.mktemp("gpm") / "anything", heads())


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = make_model(tmp_path_factory.mktemp("plain") / "plain", kind="causal")  # the same seed: the same backbone
    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def text_ids(scorer, messages):
    """Return the ids of a conversation, with EOS in place of the last one."""
    tokenizer = scorer.chat.tokenizer
    ids = tokenizer.apply_chat_template(list(messages), tokenize=True, return_dict=False)
    return [*ids[:-1], tokenizer.eos_token_id]


def logit_by_hand(scorer, backbone, item, prompt_head=True):
    """Compute the form with an explicit skew-symmetric matrix, as the paper writes it."""
    tensors = heads()
    embeddings, states = [], None
    for completion in item.completions:
        with torch.inference_mode():
            states = backbone(torch.tensor([text_ids(scorer, (*item.prompt, *completion))])).last_hidden_state[0]
        outputs = tensors["value_head.weight"] @ states[-1]
        embeddings.append(outputs / outputs.norm())
    tokenizer = scorer.chat.tokenizer
    length = len(tokenizer.apply_chat_template(list(item.prompt[:1]), tokenize=True, return_dict=False))
    weights = (tensors["prompt_head.weight"] @ states[length - 1]).softmax(0) if prompt_head else torch.ones(BLOCKS)
    matrix = torch.zeros(2 * BLOCKS, 2 * BLOCKS)
    for block in range(BLOCKS):
        matrix[2 * block, 2 * block + 1], matrix[2 * block + 1, 2 * block] = weights[block], -weights[block]
    first, second = embeddings
    return float(first @ matrix @ second) / TEMPERATURE


def test_a_general_preference_model_equals_plain_torch(folder, backbone):
    scorer = load(folder)
    assert (scorer.spec.name, scorer.view) == ("gpm", "pairwise")
    probabilities = []
    for item in pairs(6, 30):
        request = scorer.prepare(item.prompt, *item.completions, rendered=False)
        expected = torch.tensor(logit_by_hand(scorer, backbone, item)).sigmoid().item()
        assert scorer.run([request])[0] == pytest.approx(expected, abs=1e-5)
        assert scorer.score_unbatched(request) == pytest.approx(expected, abs=1e-5)
        probabilities.append(expected)
    assert max(probabilities) - min(probabilities) > 0.1


def test_a_general_preference_model_without_a_prompt_head(tmp_path, backbone):
    folder = make_headed(tmp_path / "plain", heads(prompt_head=False))
    spec = tmp_path / "plain.yaml"
    spec.write_text("head: {tensors: value_head}\npair: {temperature: 0.1}\n")
    scorer = load(folder, adapter=str(spec))
    for item in pairs(3, 20):
        request = scorer.prepare(item.prompt, *item.completions, rendered=False)
        expected = torch.tensor(logit_by_hand(scorer, backbone, item, prompt_head=False)).sigmoid().item()
        assert scorer.run([request])[0] == pytest.approx(expected, abs=1e-5)


def test_a_general_preference_model_is_exactly_antisymmetric(folder):
    scorer = load(folder)
    items = pairs(20, 30)
    scored = score(items, scorer).items
    assert {item.order_inconsistency for item in scored} == {0.0}
    requests = []
    for item in items:
        for completions in (item.completions, item.completions[::-1]):
            requests.append(scorer.prepare(item.prompt, *completions, rendered=False))
    logits = torch.tensor(scorer.run(requests), dtype=torch.float64).logit().view(-1, 2)
    assert torch.allclose(logits[:, 0], -logits[:, 1], rtol=0, atol=1e-12)
    for item, (forward, backward) in zip(scored, torch.tensor(scorer.run(requests)).view(-1, 2).tolist(), strict=True):
        assert item.scores[0] == pytest.approx((forward + 1 - backward) / 2, abs=1e-6)


def test_equal_completions_tie(folder):
    (item,) = pairs(1, 10)
    scorer = load(folder)
    request = scorer.prepare(item.prompt, item.completions[0], item.completions[0], rendered=False)
    assert scorer.run([request]) == [0.5]


@pytest.mark.parametrize("arch", ["llama", pytest.param("gemma2", marks=pytest.mark.slow)])
def test_no_layout_and_no_batch_moves_a_preference(tmp_path, arch):
    scorer = load(make_headed(tmp_path / arch, heads(), arch=arch))
    items = pairs(4, 12)
    single = []
    for item in items:
        single += score([item], scorer, batch_size=1).items[0].scores
    layouts = None if scorer.traits.packed else ("padded right", "padded left")
    for scores in score_in_layouts(scorer, items, *filter(None, (layouts,))):
        assert scores == pytest.approx(single, abs=1e-5)


def test_the_prompt_ends_after_the_first_user_turn(folder):
    scorer = load(folder)
    system, user = Message(role="system", content="Be short."), Message(role="user", content="A city?")
    later_turns = (
        Message(role="assistant", content="Lima"),
        Message(role="user", content="Another city?"),
    )
    answers = [(Message(role="assistant", content=text),) for text in ("Oslo", "Ankara")]
    short = scorer.prepare((user,), *answers, rendered=False)
    long = scorer.prepare((user, *later_turns), *answers, rendered=False)
    assert short.ids[: short.start] == long.ids[: long.start]
    assert long.start < long.end < len(long.ids)
    assert scorer.prepare((system, user), *answers, rendered=False).start > short.start


@pytest.mark.parametrize("side", ["left", "right"])
def test_truncation_keeps_the_form_defined(folder, side):
    scorer = load(folder, max_length=24, truncation_side=side)
    for item in pairs(6, 60):
        request = scorer.prepare(item.prompt, *item.completions, rendered=False)
        assert 0 < request.start <= 24
        assert 0 < request.end <= 24
        assert 0 < scorer.run([request])[0] < 1
    assert all(item.truncated for item in score(pairs(3, 200), scorer).items if item.tokens[0] == 48)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (random_layers("value_head", WIDTH, 5, bias=False) | random_layers("prompt_head", WIDTH, 2), "which is odd"),
        (random_layers("value_head", WIDTH, 6, bias=False) | random_layers("prompt_head", WIDTH, 2), "must be equal"),
    ],
)
def test_heads_that_do_not_fit_are_an_error_at_load(tmp_path, tensors, message):
    with pytest.raises(InputError, match=message):
        load(make_headed(tmp_path / "odd", tensors))


def test_a_final_text_cannot_be_compared(folder):
    (item,) = pairs(1, 10)
    with pytest.raises(InputError, match="takes no final text"):
        load(folder).prepare(item.prompt, *item.completions, rendered=True)


GOLDEN = SHARED / "heads"
FAMILIES = [("pairrm", None), ("steamshp", "steamshp"), ("slicpairpm", "slic_pair")]
on_goldens = pytest.mark.skipif(not GOLDEN.exists(), reason="the golden checkpoints are not at hand")


def conversation(question, *answers):
    turns = [Message(role="user", content=question)]
    return turns, [(Message(role="assistant", content=answer),) for answer in answers]


@on_goldens
@pytest.mark.parametrize(
    ("spec", "source_tokens", "candidate_tokens"), [("pairrm", 1224, 412), ("better_pairrm", 2030, 670)]
)
def test_the_segments_of_pairrm_have_the_limits_of_their_spec(spec, source_tokens, candidate_tokens):
    scorer = load(GOLDEN / "pairrm", adapter=spec)
    words = " ".join(f"w{n}" for n in range(3000))
    prompt, answers = conversation(words, words, "short answer")
    request = scorer.prepare(prompt, *answers, rendered=False)
    assert request.start == source_tokens
    assert request.end - request.start == candidate_tokens
    assert request.dropped > 0
    tokens = scorer.chat.tokenizer.convert_ids_to_tokens(request.ids.tolist())
    assert [tokens[place] for place in scorer.places(request)] == ["<|source|>", "<|candidate1|>", "<|candidate2|>"]
    source = scorer.chat.tokenizer(scorer.prepare(prompt[:1], *answers, rendered=False).text)["input_ids"][1:-1]
    expected = source[-source_tokens + 3 :] if spec == "better_pairrm" else source[: source_tokens - 3]
    assert request.ids[2 : request.start - 1].tolist() == expected
    short = scorer.prepare(conversation("Hi")[0], *conversation("", "a", "b")[1], rendered=False)
    assert (short.dropped, short.ids[-1]) == (0, request.ids[-1])


@on_goldens
def test_better_pairrm_shows_turns_in_its_own_words():
    scorer = load(GOLDEN / "pairrm", adapter="better_pairrm")
    prompt = [
        Message(role="system", content="Be short."),
        Message(role="user", content="A city?"),
        Message(role="assistant", content="Lima"),
        Message(role="user", content="Another?"),
    ]
    _, answers = conversation("", "Oslo", "Ankara")
    request = scorer.prepare(prompt, *answers, rendered=False)
    assert request.text == "SYSTEM MESSAGE: Be short. USER: A city? ASSISTANT: Lima USER: Another? ASSISTANT:"
    expected = scorer.chat.tokenizer("<|candidate1|>Oslo")["input_ids"]
    assert request.ids[request.start : request.end].tolist() == expected


@on_goldens
def test_a_prefix_in_a_text_moves_no_position():
    scorer = load(GOLDEN / "pairrm")
    prompt, answers = conversation("Say <|candidate1|> or <|source|>.", "<|candidate2|> yes", "no <|candidate1|>")
    request = scorer.prepare(prompt, *answers, rendered=False)
    assert scorer.places(request) == [1, request.start + 1, request.end + 1]
    assert scorer.run([request]) == pytest.approx([scorer.score_unbatched(request)], abs=1e-6)


@on_goldens
@pytest.mark.parametrize(
    ("folder", "adapter"), [("pairrm", None), ("steamshp", "steamshp"), ("slicpairpm", "slic_pair")]
)
def test_both_orders_equal_the_original_code_in_batches(folder, adapter):
    scorer = load(GOLDEN / folder, adapter=adapter)
    expected = json.loads((GOLDEN / folder / "expected.json").read_text())["orders"]
    items = read_items(folder)
    requests = []
    for item in items:
        for completions in (item.completions, item.completions[::-1]):
            requests.append(scorer.prepare(item.prompt, *completions, rendered=False))
    batched = torch.tensor(scorer.run(requests), dtype=torch.float64).view(-1, 2)
    ab, ba = torch.tensor(expected["ab"]).double(), torch.tensor(expected["ba"]).double()
    original = torch.stack([ab, ba], dim=1).sigmoid()  # logits that the first completion is better
    if folder == "slicpairpm":  # probabilities of the chosen completion, which comes second in the other order
        original = torch.stack([ab, 1 - ba], dim=1)
    assert torch.allclose(batched, original, atol=1e-4)
    single = torch.tensor([scorer.run([request])[0] for request in requests], dtype=torch.float64).view(-1, 2)
    assert torch.allclose(batched, single, atol=1e-5)


@on_goldens
@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "adapter"), [("pairrm", None), ("steamshp", "steamshp"), ("slicpairpm", "slic_pair")]
)
def test_a_pool_gives_the_scores_of_one_process(folder, adapter):
    spec = ModelSpec(str(GOLDEN / folder), device="cpu", adapter=adapter)
    items = read_items(folder)
    single = score(items, load_scorer(spec), batch_size=1).items
    pooled = score(items, load_scorer(spec), batch_size=2, workers=Pool(2, partial(load_scorer, spec))).items
    for item, expected in zip(pooled, single, strict=True):
        assert item.scores == pytest.approx(expected.scores, abs=1e-5)
        assert item.order_inconsistency == expected.order_inconsistency


def read_items(folder):
    items = []
    for line in (GOLDEN / folder / "inputs.jsonl").read_text().splitlines():
        row = json.loads(line)
        prompt = tuple(Message(**message) for message in row["prompt"])
        _, answers = conversation("", row["chosen"], row["rejected"])
        items.append(Item(row["id"], "all", prompt, tuple(answers)))
    return items
