"""Chat models: a folder or a Hub id that runs in this process, or a model behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.analysis.chatbench.play import BATCH, ChatModel
from rewardbench.errors import InputError
from rewardbench.settings import Endpoint, ModelSpec
from rewardbench.types import Messages

if TYPE_CHECKING:
    from rewardbench.scorers.judge.answers import Answer
    from rewardbench.scorers.judge.client import ChatClient
    from rewardbench.scorers.judge.local.decoding import Decoder
    from rewardbench.scorers.judge.local.prompt_chat import PromptChat

CONCURRENCY = 32


@dataclass(frozen=True)
class ChatSampling:
    """How replies are generated."""

    max_tokens: int = 400
    temperature: float = 0.0
    seed: int = 0


def load_chat_model(name: str, sampling: ChatSampling, api_key_env: str = "OPENAI_API_KEY") -> ChatModel:
    """Load a chat model.

    Args:
        name: `hf:FOLDER` or `hf:ORG/NAME`, or `openai:URL#MODEL`, such as openai:http://127.0.0.1:8000/v1#my-model.
        sampling: how replies are generated.
        api_key_env: environment variable with the key of the server.

    Raises:
        InputError: if the name has another form, or the model cannot be loaded.
    """
    kind, _, place = name.partition(":")
    if kind == "hf" and place:
        return LocalChat(place, sampling)
    url, _, model = place.partition("#")
    if kind == "openai" and url and model.strip():
        endpoint = Endpoint(url, api_key_env=api_key_env, max_concurrency=CONCURRENCY)
        return ServedChat(model.strip(), endpoint, sampling)
    raise InputError(
        f"{name!r} is not a chat model: write hf:FOLDER for one in this process, or openai:URL#MODEL for a server, "
        "such as openai:http://127.0.0.1:8000/v1#my-model."
    )


class ServedChat:
    """A chat model behind an OpenAI-compatible server; its answers are kept in the ledger of judges."""

    def __init__(self, name: str, endpoint: Endpoint, sampling: ChatSampling) -> None:
        self.name, self._endpoint, self._sampling = name, endpoint, sampling
        self.batch = endpoint.max_concurrency

    def describe(self) -> dict[str, object]:
        """Return what decides the replies; not the port of a server on this machine."""
        from rewardbench.scorers.judge.transport.connection import describe_server

        return {"server": describe_server(self._endpoint.base_url), **vars(self._sampling)}

    def reply(self, conversations: Sequence[Messages]) -> list[str]:
        """Ask for the reply to each conversation, all at the same time.

        Raises:
            InputError: if the server gives no answer at any try.
        """
        answers = asyncio.run(self._ask(conversations))
        for answer in answers:
            if answer.failure is not None:
                from rewardbench.scorers.judge.answers import FAILURES

                detail = f" ({answer.detail})" if answer.detail else ""
                raise InputError(
                    f"{self.name} gave no reply: {FAILURES[answer.failure]}{detail}. Run the same command to go on."
                )
        return [answer.text for answer in answers]

    async def _ask(self, conversations: Sequence[Messages]) -> list[Answer]:
        from rewardbench.scorers.judge.client import ChatClient
        from rewardbench.scorers.judge.ledger import Ledger

        with Ledger() as ledger:
            client = ChatClient(self._endpoint, ledger)
            try:
                return list(await asyncio.gather(*(self._complete(client, messages) for messages in conversations)))
            finally:
                await client.close()

    async def _complete(self, client: ChatClient, messages: Messages) -> Answer:
        turns = [{"role": message["role"], "content": message["content"]} for message in messages]
        sampling = self._sampling
        body: dict[str, object] = {"model": self.name, "messages": turns, "temperature": sampling.temperature}
        return await client.complete({**body, "max_tokens": sampling.max_tokens, "seed": sampling.seed})


class LocalChat:
    """A causal language model with a chat template, in this process.

    Replies do not depend on the other conversations of a batch: a sequence with an uncertain choice is generated again
    by batch size 1, as judges do; in dtypes with few digits every batch has one conversation.
    """

    def __init__(self, name: str, sampling: ChatSampling) -> None:
        from rewardbench.models.families import choose_template
        from rewardbench.models.load import load_weights, open_checkpoint
        from rewardbench.models.spec import resolve
        from rewardbench.scorers.judge.local.load import take_generation_settings
        from rewardbench.scorers.judge.local.prompt_chat import PromptChat

        spec = resolve(ModelSpec(name))
        loaded = load_weights(open_checkpoint(spec, kind="causal"), spec)
        template, _ = choose_template(None, name, loaded.folder, loaded.config)
        self.name, self._sampling = Path(name).name if Path(name).is_dir() else name, sampling
        self._fingerprint = loaded.fingerprint
        self._chat: PromptChat = PromptChat(loaded.tokenizer, template, loaded.max_length, name)
        stop_ids, _ = take_generation_settings(loaded.model, self._chat)
        self._decoder = _make_decoder(loaded.model, self._chat, sampling, stop_ids)
        self.batch = BATCH if self._decoder.tolerance > 0 else 1

    def describe(self) -> dict[str, object]:
        """Return what decides the replies."""
        from rewardbench.models.fingerprint import digest

        return {"weights": digest(dict(self._fingerprint)), **vars(self._sampling)}

    def reply(self, conversations: Sequence[Messages]) -> list[str]:
        """Generate the reply to each conversation; empty if the conversation leaves the model no position."""
        from rewardbench.scorers.judge.local.decoding import GenerationRequest
        from rewardbench.scorers.judge.local.outcomes import decode

        prompts: dict[int, GenerationRequest] = {}
        for number, messages in enumerate(conversations):
            request = self._chat.request(messages[:-1], messages[-1:])
            limit = self._chat.max_length
            free = self._sampling.max_tokens if limit is None else min(self._sampling.max_tokens, limit - len(request))
            if free > 0:
                seed = blake2b(f"{self._sampling.seed} ".encode() + request.key, digest_size=7).digest()
                prompts[number] = GenerationRequest(request, free, int.from_bytes(seed))
        texts = [""] * len(conversations)
        generated = self._decoder.generate(list(prompts.values())) if prompts else []
        for number, sequence in zip(prompts, generated, strict=True):
            texts[number] = decode(self._chat.tokenizer, sequence.ids, skip_special_tokens=True).strip()
        return texts


def _make_decoder(model: object, chat: PromptChat, sampling: ChatSampling, stop_ids: Sequence[int]) -> Decoder:
    """Return the decoder of a model, with the tolerance within which rounding could change a choice."""
    from typing import cast

    from transformers import PreTrainedModel

    from rewardbench.forward.batch_effects import compute_dtype
    from rewardbench.models.placement import describe_quantization
    from rewardbench.scorers.judge.local.decoding import SMALLEST_NOISE, Decoder, Sampler
    from rewardbench.scorers.judge.local.load import EXACT_DTYPES

    causal = cast("PreTrainedModel", model)
    decoder = Decoder(causal, chat.tokenizer, Sampler(sampling.temperature), stop_ids)
    if compute_dtype(causal) in EXACT_DTYPES and not describe_quantization(causal):
        probes = [chat.request((), ({"role": "user", "content": text},)) for text in ("Hi.", "Name a river, please.")]
        decoder.tolerance = 2 * max(SMALLEST_NOISE, decoder.measure_noise(probes))
    return decoder
