"""Load a causal language model that judges in this process, by logits or by the text that it generates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rewardbench.errors import InputError
from rewardbench.forward.batch_effects import batching_probe, compute_dtype
from rewardbench.forward.packed import Layout, choose_layout
from rewardbench.models.families import choose_template
from rewardbench.models.load import LoadedModel, load_weights, open_checkpoint
from rewardbench.models.placement import describe_quantization
from rewardbench.scorers.base import BaseScorer
from rewardbench.scorers.judge.local.decoding import SMALLEST_NOISE, Decoder, Sampler
from rewardbench.scorers.judge.local.logits import LogitJudge
from rewardbench.scorers.judge.local.prompt_chat import PromptChat
from rewardbench.scorers.judge.local.written import WritingJudge
from rewardbench.scorers.judge.overrides import adjust
from rewardbench.scorers.judge.protocols import JudgeProtocol, load_protocol
from rewardbench.settings import ModelSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EXACT_DTYPES = ("float32", "float64")
SAMPLING_SETTINGS = ("repetition_penalty", "no_repeat_ngram_size", "min_new_tokens", "bad_words_ids", "suppress_tokens")
"""Generation settings of a checkpoint that would change greedy search."""
TEMPLATE_VARIABLES = "chat_template_kwargs"
"""Key of `sampling.extra` with variables of the chat template, as vLLM and SGLang call it."""


def load_local_judge(spec: ModelSpec, cache: bool = True) -> BaseScorer:
    """Load the judge of a specification without an endpoint.

    Args:
        spec: the model, its protocol, and how it is loaded.
        cache: True to keep raw answers on disk, so that a result whose scores are cached has them too.

    Raises:
        InputError: if the model cannot be loaded, or cannot judge by this protocol.
    """
    if spec.judge is None:
        raise InputError(f"{spec.model} is no judge: pass --judge.")
    for option, value in (
        ("--ref_free_type", spec.ref_free_type),
        ("--label", spec.label),
        ("--adapter", spec.adapter),
    ):
        if value is not None:
            raise InputError(f"{option} applies to reward models, and {spec.model} is a judge: leave it out.")
    protocol = adjust(load_protocol(spec.judge.protocol, spec.judge.prompts), spec.judge)
    checkpoint = open_checkpoint(spec, kind="causal")
    loaded = load_weights(checkpoint, spec)
    template, template_notes = choose_template(spec.chat_template, spec.model, loaded.folder, loaded.config)
    notes = [*loaded.notes, *template_notes, *_unused_settings(protocol)]
    reads_logits = protocol.answer.kind == "tokens" and protocol.answer.position == "first"
    variables = protocol.sampling.extra.get(TEMPLATE_VARIABLES, {})
    if not isinstance(variables, Mapping):
        raise InputError(f"The judge protocol {protocol.name} is not valid: {TEMPLATE_VARIABLES} is not a mapping.")
    chat = PromptChat(
        loaded.tokenizer, template, loaded.max_length, spec.model, variables, has_thoughts=not reads_logits
    )
    load = _load_logit_judge if reads_logits else _load_writing_judge
    scorer = load(loaded, chat, spec, protocol)
    scorer.metadata, scorer.keeps_answers, scorer.principle = loaded.metadata, cache, spec.judge.principle
    scorer.load_notes = (*notes, *scorer.load_notes)
    return scorer


def _load_logit_judge(loaded: LoadedModel, chat: PromptChat, spec: ModelSpec, protocol: JudgeProtocol) -> LogitJudge:
    scorer = LogitJudge(loaded.model, chat, spec.model, protocol, loaded.fingerprint)
    layout, notes = choose_layout(scorer, may_pack=True)
    return scorer.with_layout(layout, notes)


def _load_writing_judge(
    loaded: LoadedModel, chat: PromptChat, spec: ModelSpec, protocol: JudgeProtocol
) -> WritingJudge:
    model, sampling = loaded.model, protocol.sampling
    stop_ids, notes = take_generation_settings(model, chat)
    sampler = Sampler(
        1.0 if sampling.temperature is None else sampling.temperature,
        1.0 if sampling.top_p is None else sampling.top_p,
        sampling.top_logprobs,
    )
    decoder = Decoder(model, loaded.tokenizer, sampler, stop_ids, sampling.stop)
    scorer = WritingJudge(model, chat, spec.model, protocol, decoder, loaded.fingerprint)
    scorer.layout = Layout(unbatched=scorer.rope.original is not None)  # a long answer would change its batch
    layout, layout_notes = choose_layout(scorer, may_pack=False)
    if not layout.unbatched:
        if compute_dtype(model) in EXACT_DTYPES and not describe_quantization(model):
            decoder.tolerance = 2 * max(SMALLEST_NOISE, decoder.measure_noise(batching_probe(scorer)))
        else:
            notes.append(
                "In this dtype an answer can depend on the other prompts of its batch: pass --torch_dtype float32 or "
                "--batch_size 1 for answers that do not."
            )
    return scorer.with_layout(layout, [*notes, *layout_notes])


def take_generation_settings(model: PreTrainedModel, chat: PromptChat) -> tuple[list[int], list[str]]:
    """Return the tokens that end an answer, and notes on settings of the checkpoint, which are removed.

    The protocol says how answers are sampled. A tokenizer's end of turn is added, which some checkpoints leave out.
    """
    from transformers import GenerationConfig

    settings = model.generation_config
    stop_ids = {chat.end_of_turn(), chat.tokenizer.eos_token_id}
    for source in (settings, model.config.get_text_config()):
        token_id = getattr(source, "eos_token_id", None)
        stop_ids.update(token_id if isinstance(token_id, list) else [token_id])
    notes: list[str] = []
    default = GenerationConfig()  # type: ignore[no-untyped-call]
    for name in SAMPLING_SETTINGS:
        value = getattr(settings, name, None)
        if value not in (None, getattr(default, name, None)):
            notes.append(f"The {name} {value} of the model's generation_config.json was not used.")
    model.generation_config = default
    return sorted(token_id for token_id in stop_ids if token_id is not None), notes


def _unused_settings(protocol: JudgeProtocol) -> list[str]:
    """Return a note for each setting of a protocol that only servers have."""
    notes: list[str] = []
    if protocol.sampling.json_schema is not None:
        notes.append("The JSON schema of the protocol was not enforced: a local judge generates unconstrained text.")
    for name in sorted(protocol.sampling.extra.keys() - {TEMPLATE_VARIABLES}):
        notes.append(f"The field {name} of the protocol is for servers, and was not used.")
    return notes
