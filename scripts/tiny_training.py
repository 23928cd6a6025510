"""How the tiny models learn: tokenizer, supervised fine-tuning, pairwise reward loss, DPO. Plain torch.

Knows nothing of templates or files. Every batch is right-padded. For a mirror with prompts A, B and responses
X, Y it holds all four dialogues AX, AY, BX, BY, in this order, so that no response is good by itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tiny_data import Messages, Mirror
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from torch.optim.lr_scheduler import LambdaLR
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

SPECIAL = ["<|pad|>", "<|bos|>", "<|eos|>", "<|system|>", "<|user|>", "<|assistant|>"]
PAD, BOS, EOS = range(3)
VOCABULARY = 2048
CONTEXT = 4096
PROMPT_WEIGHT = 0.05
# The space behind a role makes the first word of a turn the same token as that word elsewhere.
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
    """Padded dialogues: ids and mask [rows, length], and which tokens belong to the response."""

    ids: Tensor
    mask: Tensor
    answer: Tensor


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE that puts one BOS in front of plain text, as Llama's does."""
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


def make_config(layers: int, **more: Any) -> LlamaConfig:
    """A small Llama."""
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
        **more,
    )


def start_matching(model: Any, first: int, last: int, scale: float = 1.2) -> None:
    """Let some layers attend to equal tokens from the start: reading a prompt is mostly looking words up."""
    with torch.no_grad():
        for layer in model.model.layers[first : last + 1]:
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                projection.weight.copy_(scale * torch.eye(*projection.weight.shape))


class Encoder:
    """Mirrors to batches. Turns are encoded one by one: role tokens keep them from merging."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.core = tokenizer.backend_tokenizer

    def prompt(self, messages: Messages) -> list[int]:
        text = "".join(f"<|{m['role']}|> {m['content']}{'<|eos|>' * (m['role'] == 'assistant')}" for m in messages)
        return [*self.core.encode(text).ids, SPECIAL.index("<|assistant|>")]

    def answer(self, text: str) -> list[int]:
        return [*self.core.encode(f" {text}", add_special_tokens=False).ids, EOS]

    def cells(self, mirrors: Sequence[Mirror]) -> Batch:
        """All four dialogues of each mirror."""
        return _pad([cell for mirror in mirrors for cell in self._rows(mirror)])

    def right(self, mirrors: Sequence[Mirror]) -> Batch:
        """The two right dialogues of each mirror, AX and BY."""
        return _pad([cell for mirror in mirrors for cell in self._rows(mirror)[::3]])

    def _rows(self, mirror: Mirror) -> list[tuple[list[int], list[int]]]:
        answers = [self.answer(text) for text in mirror.responses]
        return [(prompt, answer) for prompt in map(self.prompt, mirror.prompts) for answer in answers]


def _pad(rows: Sequence[tuple[list[int], list[int]]]) -> Batch:
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), width), PAD)
    is_answer = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[i, :end] = torch.tensor(prompt + answer)
        is_answer[i, len(prompt) : end] = True
    return Batch(ids, (ids != PAD).long(), is_answer)


def pair_margins(cells: Tensor) -> Tensor:
    """Right minus wrong in both pairs of each mirror, from values in the order AX, AY, BX, BY.

    >>> pair_margins(torch.tensor([5.0, 1.0, 2.0, 9.0]))
    tensor([[4., 7.]])
    """
    ax, ay, bx, by = cells.view(-1, 4).T
    return torch.stack([ax - ay, by - bx], dim=1)


def rewards(model: LlamaForSequenceClassification, batch: Batch) -> Tensor:
    """One reward per dialogue, read at its last token: [rows]."""
    return model(batch.ids, attention_mask=batch.mask).logits[:, 0]


def token_logprobs(hidden: Tensor, vocabulary: Tensor, ids: Tensor, picked: Tensor) -> Tensor:
    """Log-probability of each picked token from the hidden state before it: one value per True of `picked`."""
    before, picked = hidden[:, :-1], picked[:, 1:]
    return -cross_entropy(before[picked] @ vocabulary.T, ids[:, 1:][picked], reduction="none")


def answer_logprobs(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Log-probability of each response, summed over its tokens: [rows]."""
    hidden = model.model(batch.ids, attention_mask=batch.mask).last_hidden_state
    logprobs = token_logprobs(hidden, model.lm_head.weight, batch.ids, batch.answer)
    return torch.zeros(len(batch.ids)).index_add(0, batch.answer.nonzero()[:, 0], logprobs)


def sft_loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Next-token loss over dialogues; a prompt's token weighs a twentieth of a response's."""
    hidden = model.model(batch.ids, attention_mask=batch.mask).last_hidden_state
    picked = batch.mask.bool()
    logprobs = token_logprobs(hidden, model.lm_head.weight, batch.ids, picked)
    weights = batch.answer[:, 1:].float().clamp(PROMPT_WEIGHT)[picked[:, 1:]]
    return -(logprobs * weights).sum() / weights.sum()


def reward_loss(model: LlamaForSequenceClassification, batch: Batch) -> Tensor:
    """−log σ(right − wrong), mean over pairs (Bradley and Terry)."""
    return -logsigmoid(pair_margins(rewards(model, batch))).mean()


def dpo_loss(policy: LlamaForCausalLM, reference: LlamaForCausalLM, batch: Batch, beta: float) -> Tensor:
    """−log σ(β · (log-ratio of right − log-ratio of wrong)), mean over pairs (arXiv 2305.18290, equation 7)."""
    with torch.no_grad():
        base = answer_logprobs(reference, batch)
    return -logsigmoid(beta * pair_margins(answer_logprobs(policy, batch) - base)).mean()


def make_batches(mirrors: Sequence[Mirror], encode: Callable[[Sequence[Mirror]], Batch], plan: Plan) -> Iterator[Batch]:
    """Batches of about equal length, in random order: lengths are sorted within blocks of 32 batches."""
    rng = random.Random(plan.seed)
    block_size = 32 * plan.mirrors
    for start in range(0, len(mirrors), block_size):
        block = sorted(mirrors[start : start + block_size], key=lambda mirror: sum(map(len, mirror.texts())))
        groups = [block[i : i + plan.mirrors] for i in range(0, len(block), plan.mirrors)]
        rng.shuffle(groups)
        yield from map(encode, groups)


def train(model: Any, batches: Iterator[Batch], loss_of: Callable[[Batch], Tensor], plan: Plan) -> None:
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
    """Ten lines per run: mean loss since the last line, rate, and time left."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.every, self.started = plan, max(1, plan.steps // 10), time.monotonic()
        self.loss, self.tokens = 0.0, 0

    def add(self, step: int, loss: float, tokens: int) -> None:
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
