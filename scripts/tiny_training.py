"""Train the tiny models: tokenizer, supervised fine-tuning, pairwise reward loss and DPO, in plain torch.

Batches are padded on the right. For a mirror with prompts A, B and responses X, Y, a batch has all four dialogues AX,
AY, BX, BY, in this order, so that the loss cannot be reduced without reading the prompt. Used by
scripts/train_tiny_models, scripts/train_cross_encoder and scripts/leaderboard_demo.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import torch
from tiny_data import Messages, Mirror
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

SPECIAL = ["<|pad|>", "<|bos|>", "<|eos|>", "<|system|>", "<|user|>", "<|assistant|>"]
PAD, BOS, EOS = range(3)
VOCABULARY = 2048
CONTEXT = 4096
PROMPT_WEIGHT = 0.05
"""Weight of a prompt's token in the loss of supervised fine-tuning; a response's token has weight 1."""
Dialogue = tuple[list[int], list[int]]
"""Token ids of a prompt and of a response."""
# The space after a role makes the first word of a turn the same token as that word elsewhere.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|> ' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Plan:
    """One run of an optimizer: `steps` batches of `mirrors` mirrors, at a peak learning rate of `rate`."""

    name: str
    steps: int
    mirrors: int
    rate: float
    seed: int


@dataclass(frozen=True)
class Batch:
    """Padded dialogues: token ids, attention mask, and mask of the response's tokens, each of shape [rows, length]."""

    ids: Tensor
    mask: Tensor
    answer: Tensor


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE that adds one BOS before a plain text, as that of Llama does."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A", pair="<|bos|> $A $B", special_tokens=[("<|bos|>", BOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        extra_special_tokens=SPECIAL[3:],
        model_max_length=CONTEXT,
        chat_template=CHAT_TEMPLATE,
    )


def make_config(layers: int, **settings: Any) -> LlamaConfig:
    """Return the configuration of a small Llama."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        **settings,
    )


def start_matching(model: PreTrainedModel, first: int, last: int, scale: float = 1.2) -> None:
    """Initialise layers `first` to `last` to attend to equal tokens, from which they learn to look up names."""
    with torch.no_grad():
        for layer in model.model.layers[first : last + 1]:
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                projection.weight.copy_(scale * torch.eye(*projection.weight.shape))


class Encoder:
    """Encodes mirrors as batches. Turns are encoded one by one; role tokens prevent merges across turns."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.core = tokenizer.backend_tokenizer

    def prompt(self, messages: Messages) -> list[int]:
        """Return the token ids of a prompt, up to the role of the response."""
        text = ""
        for message in messages:
            eos = "<|eos|>" if message["role"] == "assistant" else ""
            text += f"<|{message['role']}|> {message['content']}{eos}"
        return [*self.core.encode(text).ids, SPECIAL.index("<|assistant|>")]

    def answer(self, text: str) -> list[int]:
        """Return the token ids of a response, with EOS."""
        return [*self.core.encode(f" {text}", add_special_tokens=False).ids, EOS]

    def cells(self, mirrors: Sequence[Mirror]) -> Batch:
        """Return all four dialogues of each mirror."""
        return _pad(list(chain.from_iterable(map(self._dialogues, mirrors))))

    def right(self, mirrors: Sequence[Mirror]) -> Batch:
        """Return the two right dialogues of each mirror, AX and BY."""
        dialogues: list[Dialogue] = []
        for mirror in mirrors:
            dialogues += self._dialogues(mirror)[::3]
        return _pad(dialogues)

    def _dialogues(self, mirror: Mirror) -> list[Dialogue]:
        """Return the dialogues AX, AY, BX, BY."""
        return list(product(map(self.prompt, mirror.prompts), map(self.answer, mirror.responses)))


def _pad(dialogues: Sequence[Dialogue]) -> Batch:
    """Pad dialogues on the right to the length of the longest."""
    width = max(len(prompt) + len(answer) for prompt, answer in dialogues)
    ids = torch.full((len(dialogues), width), PAD)
    is_answer = torch.zeros(len(dialogues), width, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(dialogues):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        is_answer[row, len(prompt) : end] = True
    return Batch(ids, (ids != PAD).long(), is_answer)


def pair_margins(cells: Tensor) -> Tensor:
    """Return right minus wrong in both pairs of each mirror, from values in the order AX, AY, BX, BY.

    >>> pair_margins(torch.tensor([5.0, 1.0, 2.0, 9.0]))
    tensor([[4., 7.]])
    """
    ax, ay, bx, by = cells.view(-1, 4).T
    return torch.stack([ax - ay, by - bx], dim=1)


def rewards(model: LlamaForSequenceClassification, batch: Batch) -> Tensor:
    """Return one reward per dialogue, from its last token: shape [rows]."""
    return model(batch.ids, attention_mask=batch.mask).logits[:, 0]


def token_logprobs(hidden: Tensor, vocabulary: Tensor, ids: Tensor, picked: Tensor) -> Tensor:
    """Return the log-probability of each token that `picked` marks, from the hidden state before it."""
    previous, picked = hidden[:, :-1], picked[:, 1:]
    return -cross_entropy(previous[picked] @ vocabulary.T, ids[:, 1:][picked], reduction="none")


def answer_logprobs(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Return the log-probability of each response, summed over its tokens: shape [rows]."""
    hidden = model.model(batch.ids, attention_mask=batch.mask).last_hidden_state
    logprobs = token_logprobs(hidden, model.lm_head.weight, batch.ids, batch.answer)
    return torch.zeros(len(batch.ids)).index_add(0, batch.answer.nonzero()[:, 0], logprobs)


def sft_loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Return the next-token loss over dialogues; tokens of prompts have the weight PROMPT_WEIGHT."""
    hidden = model.model(batch.ids, attention_mask=batch.mask).last_hidden_state
    picked = batch.mask.bool()
    logprobs = token_logprobs(hidden, model.lm_head.weight, batch.ids, picked)
    weights = batch.answer[:, 1:].float().clamp(PROMPT_WEIGHT)[picked[:, 1:]]
    return -(logprobs * weights).sum() / weights.sum()


def reward_loss(model: LlamaForSequenceClassification, batch: Batch) -> Tensor:
    """Return −log σ(right − wrong), the mean over pairs (Bradley and Terry)."""
    return -logsigmoid(pair_margins(rewards(model, batch))).mean()


def dpo_loss(policy: LlamaForCausalLM, reference: LlamaForCausalLM, batch: Batch, beta: float) -> Tensor:
    """Return −log σ(β · (log-ratio of right − log-ratio of wrong)), the mean over pairs (arXiv 2305.18290, eq. 7)."""
    with torch.no_grad():
        base = answer_logprobs(reference, batch)
    return -logsigmoid(beta * pair_margins(answer_logprobs(policy, batch) - base)).mean()


def make_batches(mirrors: Sequence[Mirror], encode: Callable[[Sequence[Mirror]], Batch], plan: Plan) -> Iterator[Batch]:
    """Yield batches in random order; texts are sorted by length within blocks of 32 batches, which saves padding."""
    rng = random.Random(plan.seed)
    block_size = 32 * plan.mirrors
    for start in range(0, len(mirrors), block_size):
        block = sorted(mirrors[start : start + block_size], key=lambda mirror: sum(map(len, mirror.texts())))
        groups = [block[first : first + plan.mirrors] for first in range(0, len(block), plan.mirrors)]
        rng.shuffle(groups)
        yield from map(encode, groups)


def train(model: torch.nn.Module, batches: Iterator[Batch], loss_of: Callable[[Batch], Tensor], plan: Plan) -> None:
    """Minimise `loss_of` over the batches with AdamW: 5 % warm-up, then linear decay to a twentieth."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, weight_decay=0.01, betas=(0.9, 0.98))
    warm_up = max(1, plan.steps // 20)
    schedule = LambdaLR(optimizer, lambda step: min((step + 1) / warm_up, max(0.05, 1 - step / plan.steps)))
    progress = _Progress(plan)
    model.train()
    for step, batch in enumerate(batches, 1):
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        progress.add(step, loss.item(), int(batch.mask.sum()))
    model.eval()


class _Progress:
    """Prints ten lines per run: mean loss since the last line, speed, and remaining time."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.every, self.started = plan, max(1, plan.steps // 10), time.monotonic()
        self.loss, self.tokens = 0.0, 0

    def add(self, step: int, loss: float, tokens: int) -> None:
        """Count a step, and print a line after every tenth of the run."""
        self.loss += loss
        self.tokens += tokens
        if step % self.every:
            return
        spent = time.monotonic() - self.started
        print(
            f"{self.plan.name} step={step}/{self.plan.steps} loss={self.loss / self.every:.3f} "
            f"steps/s={step / spent:.1f} tokens/s={self.tokens / spent:.0f} "
            f"eta={spent / step * (self.plan.steps - step):.0f}s",
            flush=True,
        )
        self.loss = 0.0
