"""Render and tokenize texts for a reward model behind a server, so that the server reads the tokens of its template."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rewardbench.chat import Chat
from rewardbench.errors import InputError
from rewardbench.models.families import choose_template
from rewardbench.models.weight_files import config_fields, weight_files
from rewardbench.scorers.heads.backbone import build_config
from rewardbench.scorers.heads.inputs import HeadChat
from rewardbench.scorers.heads.load import find_spec
from rewardbench.scorers.heads.registry import listed_spec, named_spec
from rewardbench.scorers.heads.spec import HeadSpec, Output
from rewardbench.scorers.http.dialect import ServerDialect, ServerInput
from rewardbench.settings import ModelSpec
from rewardbench.templates import plain
from rewardbench.types import Messages, TokenRequest, Tools

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EOS_APPENDED = (
    "The server appends an EOS token that the chat template does not print: {count} texts were scored with it."
)


@dataclass(frozen=True)
class ServerTexts:
    """Makes the texts of one model for one server."""

    chat: Chat
    dialect: ServerDialect
    are_pairs: bool = False
    """True if prompt and response are sent as two texts, as cross-encoders read them."""
    sign: float = 1.0
    """-1 for models whose lower scores are better."""
    notes: tuple[str, ...] = ()
    """Sentences on the chat template and the family of the model."""

    @property
    def identity(self) -> Mapping[str, object]:
        """Return what the chat does not describe."""
        pairs = {"texts": "pair"} if self.are_pairs else {}
        return {**pairs, "sign": self.sign} if self.sign != 1 else pairs

    def prepare(self, prompt: Messages, completion: Messages, rendered: bool, tools: Tools = ()) -> TokenRequest:
        """Render and tokenize one completion in its context, as the server will read it.

        Raises:
            InputError: if the server cannot be made to read the tokens of the chat template.
        """
        if self.are_pairs and not rendered:
            return self._prepare_pair(prompt, completion)
        request = self.chat.request(prompt, completion, rendered, tools)
        if not request.ids:
            raise InputError("The text has no tokens.")
        return request if self.dialect.sends_ids else match_text(self.chat, self.dialect, request)

    def _prepare_pair(self, prompt: Messages, completion: Messages) -> TokenRequest:
        """Tokenize a prompt and a response as two texts.

        Raises:
            InputError: if they exceed the length limit.
        """
        question, answer = plain((*prompt, *completion[:-1])), completion[-1]["content"]
        texts = (question, answer) if question else (answer,)
        ids = self.chat.tokenizer(*texts, truncation=False, verbose=False)["input_ids"]
        limit = self.chat.max_length
        if limit and len(ids) > limit:
            raise InputError(f"The prompt and the response have {len(ids)} tokens, and the server takes {limit}.")
        return TokenRequest("\n".join(texts), answer, array("i", ids), 0, len(ids))

    def input_of(self, request: TokenRequest) -> ServerInput:
        """Return a text as a request carries it."""
        ids, text, ending = tuple(request.ids), request.text, f"\n{request.completion}"
        if self.are_pairs and text.endswith(ending):
            return ServerInput(ids, text.removesuffix(ending), request.completion)
        return ServerInput(ids, text)


def prepare_texts(
    spec: ModelSpec,
    resolved: ModelSpec,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    dialect: ServerDialect,
    limit: int | None,
) -> ServerTexts:
    """Choose the chat of a model: that of its head spec, if its family has one, else its chat template.

    Args:
        spec: the model.
        resolved: the same, with its folder.
        folder: its tokenizer and configuration, maybe without weights.
        tokenizer: of the model.
        dialect: of the server.
        limit: maximum tokens of a text.

    Raises:
        InputError: if the family does not give one score per response.
    """
    head = find_head(resolved, folder)
    if head:
        return _texts_of_family(head, spec, folder, tokenizer, dialect, limit)
    from transformers import PreTrainedConfig

    config = PreTrainedConfig()
    config.name_or_path = str(config_fields(folder).get("_name_or_path", ""))
    template, notes = choose_template(spec.chat_template, spec.model, folder, config)
    chat = Chat(tokenizer, template, limit, spec.truncation_side, name=spec.model)
    return ServerTexts(chat, dialect, dialect.takes_pairs and not chat.source, notes=tuple(notes))


def find_head(spec: ModelSpec, folder: Path) -> HeadSpec | None:
    """Return the head spec of a model: the one of --adapter, else by its weights or its Hub id; None for classifiers.

    Args:
        spec: the model.
        folder: its files, maybe without weights.
    """
    if spec.adapter:
        return named_spec(spec.adapter)
    is_local = Path(spec.model).is_dir()
    if is_local and weight_files(Path(spec.model)):
        return find_spec(Path(spec.model), spec)
    return None if is_local else listed_spec(spec.model)


def _texts_of_family(
    head: HeadSpec,
    spec: ModelSpec,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    dialect: ServerDialect,
    limit: int | None,
) -> ServerTexts:
    """Return the texts of a family with a head spec."""
    title = head.title or head.name
    if head.rejection:
        raise InputError(f"{spec.model}: {head.rejection}")
    if head.steps or head.pair:
        kind = "scores steps" if head.steps else "compares two responses"
        raise InputError(
            f"{spec.model} ({title}) {kind}: it is scored from a folder or a Hub id, without --engine http."
        )
    if head.input.sentence_pair and not dialect.takes_pairs:
        raise InputError(f"{spec.model} ({title}) reads pairs of texts, which of the servers --dialect tei takes.")
    config = build_config(head, config_fields(folder), spec.model)
    shortest = min(filter(None, (limit, head.max_length)), default=None)
    chat = HeadChat(tokenizer, head, config, spec.chat_template, shortest, spec.truncation_side, spec.model)
    notes = [f"Rendered as {title}."]
    if head.output != Output() or head.gate or head.affine:
        notes.append(f"{title} computes its score from several numbers, and that of the server is taken as it is.")
    return ServerTexts(chat, dialect, head.input.sentence_pair, 1.0 if head.higher_is_better else -1.0, tuple(notes))


def match_text(chat: Chat, dialect: ServerDialect, request: TokenRequest) -> TokenRequest:
    """Find the text that a server reads as the ids of a request; special tokens that it adds are left out.

    Args:
        chat: of the request.
        dialect: of the server.
        request: the rendered text with its ids, which may be truncated.

    Returns:
        The request with the text to send, and the ids that the server reads.

    Raises:
        InputError: if there is no such text.
    """
    tokenizer, wanted = chat.tokenizer, request.ids.tolist()
    with_eos = [*wanted, tokenizer.eos_token_id]
    nearest: str | None = None
    for candidate in list_candidates(tokenizer, request):
        ids = dialect.encode(tokenizer, candidate)
        if ids == wanted:
            return replace(request, text=candidate)
        if dialect.appended and ids == with_eos and nearest is None:
            nearest = candidate
    if nearest is not None:
        notes = (*request.notes, EOS_APPENDED)
        return replace(request, text=nearest, ids=array("i", with_eos), start=0, end=len(with_eos), notes=notes)
    reason = "it was truncated" if request.dropped else dialect.distortion
    raise InputError(
        f"{dialect.title} tokenizes this text by itself, and would not read the tokens of the chat template: {reason}."
    )


def list_candidates(tokenizer: PreTrainedTokenizerBase, request: TokenRequest) -> list[str]:
    """Return the rendered text with and without the special tokens at its ends, and the text of the ids."""
    decoded = str(tokenizer.decode(request.ids.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False))
    starts = (tokenizer.bos_token, getattr(tokenizer, "cls_token", None))
    ends = (tokenizer.eos_token, getattr(tokenizer, "sep_token", None))
    candidates = [decoded] if request.dropped else [request.text, decoded]
    for start in filter(None, map(str, filter(None, starts))):
        for candidate in tuple(candidates):
            candidates += [candidate.lstrip().removeprefix(start), start + candidate]
    for end in map(str, filter(None, ends)):
        for candidate in tuple(candidates):
            candidates.append(candidate.removesuffix(end))
    return list(dict.fromkeys(candidates))
