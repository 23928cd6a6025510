"""The five HTTP dialects of reward-model servers: what is sent, what comes back, and what the server adds to a text.

The dialects follow the source of the servers; each class says what was read there. Versions that were not read may
differ, which the probes of `rewardbench.scorers.http.probes` detect before anything is scored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rewardbench.scorers.http.client import ServerAnswer, ServerClient
from rewardbench.scorers.http.dialect import (
    Flags,
    ServerDialect,
    ServerFacts,
    ServerInput,
    ServerOutput,
    all_ids,
    all_texts,
    encode_plain,
)
from rewardbench.scorers.http.fields import (
    find_number,
    find_rows,
    find_text,
    find_usage,
    in_order,
    read_column,
    read_field,
    read_list,
    read_object,
    read_scalars,
    read_vector,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class VllmDialect(ServerDialect):
    """vLLM: POST /classify, or /pooling for versions and models without it; GET /version and /v1/models.

    Read: `entrypoints/pooling/{base,classify,pooling}/protocol.py` and `classify/serving.py` of several versions up to
    2026, and `config/pooler.py` of 0.12 and 0.13. `input` takes lists of token ids. A single score is passed through a
    sigmoid, in old versions through a softmax, unless `use_activation` is false; it was named `activation` before 0.12,
    and `softmax` on /pooling, until both were removed in 0.15. Fields that a version does not know are ignored, and
    0.12 reads any value of the two old names as true, so `use_activation` is tried first, without the others.
    A text over max_model_len is an error. UNKNOWN: the first version with each name.
    """

    title = "vLLM"
    paths = ("/classify", "/pooling")
    sends_ids = True
    switches = (
        ({"use_activation": False}, {"use_activation": True}),
        ({"activation": False}, {"activation": True}),
        ({"softmax": False}, {"softmax": True}),
    )
    start_hint = "serve a sequence classifier with --runner pooling"

    def body(
        self, path: str, inputs: Sequence[ServerInput], model: str, flags: Flags, limit: int | None
    ) -> dict[str, object]:
        """Return the body of /classify, which is also that of /pooling."""
        return {"model": model, "input": all_ids(inputs), **flags}

    def read(self, answer: ServerAnswer) -> ServerOutput:
        """Return `data[i].probs` of /classify, or `data[i].data` of /pooling, in the order of `index`."""
        rows = in_order(read_field(answer.content, "data"))
        return ServerOutput(
            read_column(rows, "probs", "data"), find_text(answer.content, "model"), find_usage(answer.content)
        )

    async def describe(self, client: ServerClient) -> ServerFacts:
        """Return version, names and the length limit."""
        version, listed = await client.find("/version"), await client.find("/v1/models")
        rows = find_rows(listed, "data")
        names, limit = [find_text(row, "id") for row in rows], None
        for row in rows:
            length = find_number(row, "max_model_len")
            limit = min(limit or length, length) if length else limit
        return ServerFacts(find_text(version, "version"), tuple(filter(None, names)), limit)


class SglangDialect(ServerDialect):
    """SGLang: POST /classify of its native interface, or /v1/embeddings; GET /get_server_info or /server_info.

    Read: `entrypoints/http_server.py`, `openai/serving_classify.py` and `openai/serving_embedding.py` of 2025. The
    native /classify takes `input_ids` and returns the "embedding" of each text, which is the score, of length 1, if the
    architecture has a reward head. /v1/classify applies a softmax to it, which is 1.0 for one label, so it is not used.
    The native interface ignores the model's name, and /v1/embeddings returns the path of the model.
    """

    title = "SGLang"
    paths = ("/classify", "/v1/embeddings")
    sends_ids = True
    start_hint = "start it with --is-embedding and a model whose architecture has a reward head"

    def body(
        self, path: str, inputs: Sequence[ServerInput], model: str, flags: Flags, limit: int | None
    ) -> dict[str, object]:
        """Return the body with the ids."""
        ids = all_ids(inputs)
        return {"input_ids": ids} if path == "/classify" else {"model": model, "input": ids}

    def read(self, answer: ServerAnswer) -> ServerOutput:
        """Return the embedding of each text."""
        if isinstance(answer.content, list):
            rows = list(map(read_object, answer.content))
            tokens: int | None = 0
            for row in rows:
                count = find_number(row.get("meta_info"), "prompt_tokens")
                tokens = None if tokens is None or count is None else tokens + count
            return ServerOutput(read_column(rows, "embedding"), tokens=tokens)
        rows = in_order(read_field(answer.content, "data"))
        return ServerOutput(
            read_column(rows, "embedding"), find_text(answer.content, "model"), find_usage(answer.content)
        )

    async def describe(self, client: ServerClient) -> ServerFacts:
        """Return version, names, dtype and the length limit."""
        info = await client.find("/get_server_info") or await client.find("/server_info")
        model = await client.find("/get_model_info") or await client.find("/model_info")
        names = [find_text(info, "served_model_name"), find_text(info, "model_path"), find_text(model, "model_path")]
        dtype = find_text(info, "dtype")
        return ServerFacts(
            find_text(info, "version"),
            tuple(dict.fromkeys(filter(None, names))),
            find_number(info, "max_req_input_len"),
            "" if dtype == "auto" else dtype,
        )


class LlamaFactoryDialect(ServerDialect):
    """LLaMA-Factory: POST /v1/score/evaluation with rendered texts.

    Read: `api/app.py`, `api/chat.py`, `api/protocol.py` and `chat/hf_engine.py` of 2024 and 2025. `messages` is a list
    of texts, `scores` one number each, that of the last token which is no padding. The tokenizer adds its special
    tokens, no chat template is applied, and texts are cut at `max_length`, which is sent. The name in the answer is the
    one that was sent, and /v1/models names API_MODEL_NAME (gpt-3.5-turbo by default), so that the model cannot be
    checked. A score that is NaN comes back as 0. A server whose stage is sft answers 405.
    """

    title = "LLaMA-Factory"
    paths = ("/v1/score/evaluation",)
    batch_size = 16
    names_model = False
    start_hint = "start it with stage: rm and the adapter or weights of the reward model"

    def body(
        self, path: str, inputs: Sequence[ServerInput], model: str, flags: Flags, limit: int | None
    ) -> dict[str, object]:
        """Return the body with the texts, and the length at which the server may cut them."""
        return {"model": model, "messages": all_texts(inputs), **({"max_length": limit} if limit else {})}

    def read(self, answer: ServerAnswer) -> ServerOutput:
        """Return `scores`."""
        return ServerOutput(read_scalars(read_field(answer.content, "scores")))


class TeiDialect(ServerDialect):
    """Text Embeddings Inference: POST /predict with `raw_scores`; GET /info.

    Read: `router/src/http/types.rs`, `router/src/http/server.rs` and `router/src/lib.rs` of 2024. A batch is a list of
    lists with one text, or a pair of texts for a cross-encoder, each; the answer has a list of labels with scores for
    each. The tokenizer adds its special tokens; a text over max_input_length is an error, because `truncate` is false.
    Without `raw_scores` a single label is passed through a sigmoid. The header x-compute-tokens counts the tokens.
    """

    title = "Text Embeddings Inference"
    takes_pairs = True
    paths = ("/predict",)
    switches = (({"raw_scores": True}, {"raw_scores": False}),)
    start_hint = "serve a sequence classifier"

    def body(
        self, path: str, inputs: Sequence[ServerInput], model: str, flags: Flags, limit: int | None
    ) -> dict[str, object]:
        """Return the body with one list per text, never cut."""
        texts = [[item.text, item.second] if item.second else [item.text] for item in inputs]
        return {"inputs": texts, "truncate": False, **flags}

    def read(self, answer: ServerAnswer) -> ServerOutput:
        """Return the score of each label of each text."""
        vectors: list[tuple[float, ...]] = []
        for labels in read_list(answer.content):
            vectors.append(read_vector([read_object(label).get("score") for label in read_list(labels)]))
        count = answer.headers.get("x-compute-tokens", "")
        return ServerOutput(tuple(vectors), tokens=int(count) if count.isdecimal() else None)

    async def describe(self, client: ServerClient) -> ServerFacts:
        """Return version, model, dtype and limits."""
        info = await client.find("/info")
        return ServerFacts(
            find_text(info, "version"),
            tuple(filter(None, (find_text(info, "model_id"),))),
            find_number(info, "max_input_length"),
            find_text(info, "model_dtype"),
            find_number(info, "max_client_batch_size"),
        )


class OpenRlhfDialect(ServerDialect):
    """OpenRLHF: POST /get_reward with rendered texts.

    Read: `cli/serve_rm.py` of 2024 to 2026. `query` is a list of texts, `rewards` one number each. Texts are cut at
    --max_len, 2,048 by default, on the right. Three versions read a text in different ways, which
    `detect_version` recognises:

    - characters: the characters of the pad and EOS tokens are stripped from both ends (str.strip, which also strips
      ordinary characters), EOS is appended, and the tokenizer adds its BOS;
    - tokens: pad and EOS tokens are stripped from both ends, EOS is appended, and no BOS is added;
    - text: nothing is changed, and no BOS is added.

    The server names neither its version nor its model. UNKNOWN: forks that mix these.

    Args:
        version: how texts are read.
    """

    title = "OpenRLHF"
    paths = ("/get_reward",)
    batch_size = 16
    max_length = 2048
    names_model = False
    hides_truncation = True
    start_hint = "start openrlhf.cli.serve_rm with --reward_pretrain"

    def __init__(self, version: str = "text") -> None:
        self.version = version
        self.appended = int(version != "text")
        if version == "characters":
            self.distortion = "this version strips the characters of its pad and EOS tokens from both ends"

    def body(
        self, path: str, inputs: Sequence[ServerInput], model: str, flags: Flags, limit: int | None
    ) -> dict[str, object]:
        """Return the body with the texts; `prompts` is read by no reward model."""
        texts = all_texts(inputs)
        return {"query": texts, "prompts": [""] * len(texts)}

    def read(self, answer: ServerAnswer) -> ServerOutput:
        """Return `rewards`."""
        return ServerOutput(read_scalars(read_field(answer.content, "rewards")))

    def encode(self, tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
        """Return the ids that this version of the server reads."""
        eos = str(tokenizer.eos_token or "")
        pad = str(tokenizer.pad_token or eos)
        if self.version == "characters":
            text = text.strip(pad).strip(eos) + eos
        elif self.version == "tokens" and eos:
            tokens = f"(?:{re.escape(eos)}|{re.escape(pad)})+"
            text = re.sub(f"^{tokens}|{tokens}$", "", text) + eos
        return encode_plain(tokenizer, text, add_special_tokens=self.version == "characters")

    async def detect_version(
        self, client: ServerClient, tokenizer: PreTrainedTokenizerBase, model: str
    ) -> ServerDialect:
        """Return the dialect for the version whose treatment of EOS and of characters the scores show."""
        eos = str(tokenizer.eos_token or "")
        if not eos:
            return self
        text = "Question: How many days has a week?\nAnswer: Seven."
        variants = (text, text + eos, eos[0] + text, "Bananas.")
        scores: list[tuple[float, ...]] = []
        for variant in variants:  # in requests of their own, so that batching changes none
            body = self.body(self.paths[0], [ServerInput((), variant)], model, {}, None)
            scores += self.read(await client.post(self.paths[0], body)).vectors
        is_constant = len(set(scores)) == 1  # which the probes reject
        if len(scores) != len(variants) or is_constant or scores[0] != scores[1]:
            return OpenRlhfDialect("text")
        return OpenRlhfDialect("characters" if scores[0] == scores[2] else "tokens")

    @property
    def identity(self) -> Mapping[str, object]:
        """Return the version."""
        return {"reads": self.version}


DIALECTS: Mapping[str, ServerDialect] = {
    "vllm": VllmDialect(),
    "sglang": SglangDialect(),
    "openrlhf": OpenRlhfDialect(),
    "llamafactory": LlamaFactoryDialect(),
    "tei": TeiDialect(),
}
