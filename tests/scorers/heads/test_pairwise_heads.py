"""Pairwise heads equal plain torch in both orders, in every layout, and General Preference Models are antisymmetric."""

import pytest
import torch
from head_models import make_headed, random_layers
from random_models import make_model, pairs
from reference import score_in_layouts
from transformers import AutoModel

from rewardbench.engine.loop import score
from rewardbench.errors import InputError
from rewardbench.scorers import load_scorer
from rewardbench.settings import ModelSpec
from rewardbench.types import Message

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
