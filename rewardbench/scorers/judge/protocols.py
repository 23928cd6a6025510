"""Judge protocols: prompt, parser, sampling, orders, and what the judge sees, each in one YAML or Python file.

The files of this package are in `protocol_files`; users pass files of their own. A protocol is identified by its name,
its version and a hash of everything that can change a score.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError, model_validator

from rewardbench.errors import InputError
from rewardbench.paths.yaml_file import YamlError, parse_yaml
from rewardbench.scorers.judge.messages import STRICT, OfficialPrompts, Turn, check_templates, shows_responses
from rewardbench.scorers.judge.official import read_messages
from rewardbench.types import View

FOLDER = Path(__file__).parent / "protocol_files"
LABELS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
DESCRIPTIONS = {"title", "source", "license", "evidence"}
"""Fields on which no score depends."""


class _Record(BaseModel):
    model_config = STRICT


class Sampling(_Record):
    """How answers are generated; None leaves a field out of the request."""

    temperature: float | None = 0.0
    top_p: float | None = None
    max_tokens: int | None = 2048
    seed: int | None = 0
    """Seed of the first repeat; each further one adds 1."""
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    """Number of alternatives of each token; None: no logprobs are asked for."""
    json_schema: dict[str, object] | None = None
    """Schema of a structured output (`response_format`)."""
    extra: dict[str, object] = {}
    """Further fields of the request body, such as `reasoning_effort`."""


class AnswerRule(_Record):
    """How the scores of the completions are read in an answer."""

    kind: Literal["choice", "rating", "scale", "ranking", "tokens"]
    """choice: one of the labels is the best. rating: a number for each completion. scale: one number on a scale from
    "the first is better" to "the second is better". ranking: the completions from best to worst. tokens: no text is
    read, but the probabilities of tokens at one position."""
    patterns: tuple[str, ...] = ()
    r"""Regular expressions with one group, in the order they are tried; the group of the last match is the value.
    Empty: the default of the kind, `\[\[([A-Z])\]\]` for a choice."""
    span: str | None = None
    """Tag around the part of the answer that is parsed: with `answer`, the text of the last <answer>…</answer>."""
    field: str | None = None
    """Field of a JSON object that holds the value: the answer must contain such an object."""
    labels: tuple[str, ...] = LABELS
    """Labels of the completions, in the order shown."""
    tie: tuple[str, ...] = ()
    """Labels that mean a tie."""
    low: float | None = None
    """Smallest rating."""
    high: float | None = None
    """Highest rating."""
    middle: float | None = None
    """scale: a number below it means that the first completion is better, one above it the second."""
    is_reversed: bool = False
    """rating: True if a lower number is better; scale: True if a lower number means that the second is better."""
    tokens: dict[str, tuple[str, ...]] = {}
    """tokens: for each outcome the texts of the tokens that express it, such as {"yes": ["Yes", " Yes"]}."""
    read: Literal["difference", "probability", "expectation"] = "probability"
    """tokens: difference of the log-probabilities of the first two outcomes; probability of each outcome among them,
    one per completion; or the expected value of outcomes that are numbers."""
    position: Literal["first", "last_verdict"] = "first"
    """tokens: the first generated token, or the last generated token that expresses an outcome (after a thought)."""
    floor: float | None = None
    """tokens: log-probability of an outcome that is not among the top-k; None: that of the least probable of them."""

    @model_validator(mode="after")
    def _check(self) -> AnswerRule:
        for pattern in self.patterns:
            try:
                groups = re.compile(pattern).groups
            except (re.error, RecursionError, OverflowError) as error:
                raise ValueError(f"{pattern!r} in patterns is not a regular expression: {error}") from error
            if groups < 1:
                raise ValueError(f"{pattern!r} in patterns has no group: put the value in parentheses")
        names = self.labels if self.labels == LABELS else (*self.labels, *self.tie)
        if len(set(names)) < len(names) or not all(names):
            raise ValueError("labels and tie must be different texts")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low is {self.low:g} and high {self.high:g}: low must be below high")
        return self


class JudgeProtocol(_Record):
    """One way to ask a language model which completion is better, and to read its answer."""

    name: str
    version: int = 1
    title: str = ""
    source: str = ""
    license: str = ""
    evidence: str = ""
    view: View
    """pointwise: each completion is rated alone; pairwise: two are compared; listwise: all are shown."""
    orders: int | None = None
    """Orders of the completions that are shown; None: both, or every rotation."""
    max_completions: int | None = None
    """Completions that a listwise protocol can show; None: as many as it has labels."""
    messages: tuple[Turn, ...] = ()
    """Messages for prompts with one turn, and for all prompts if `multi_turn` is empty."""
    multi_turn: tuple[Turn, ...] = ()
    """Messages for conversations with several turns."""
    official: OfficialPrompts | None = None
    """File with published texts that the messages name."""
    max_turns: int | None = None
    """User turns that the messages can show, at most, without a system message; None: any conversation."""
    answer: AnswerRule
    sampling: Sampling = Sampling()
    repeats: int = 1
    """Answers that are sampled of each request."""
    combine: Literal["mean", "majority"] = "mean"
    """How the scores of repeats become one."""
    sees_subset: bool = False
    """True if the prompt shows the name of the subset, which can give the label away."""
    sees_reference: bool = False
    """True if the prompt shows a reference answer (column `reference`)."""
    sees_principle: bool = False
    """True if the prompt shows a principle (`--principle`, or column `principle`)."""

    @model_validator(mode="after")
    def _check(self) -> JudgeProtocol:
        if not re.fullmatch(r"[\w.+-]{1,80}", self.name):
            raise ValueError("name must be letters, digits, and . _ + - only")
        for limit, lowest in (("orders", 1), ("repeats", 1), ("max_turns", 1), ("max_completions", 2)):
            value = getattr(self, limit)
            if value is not None and value < lowest:
                raise ValueError(f"{limit} is {value}: it must be at least {lowest}")
        if self.view == "stepwise":
            raise ValueError("view must be pointwise, pairwise or listwise")
        if not self.messages and not self.official:
            raise ValueError("there are no messages: write at least one, with role and content")
        rule = self.answer
        if rule.kind in ("choice", "scale", "ranking") and self.view == "pointwise":
            raise ValueError(f"an answer of kind {rule.kind} compares completions: view must be pairwise or listwise")
        if rule.kind == "scale" and (self.view != "pairwise" or rule.middle is None):
            raise ValueError("an answer of kind scale needs view: pairwise, and answer.middle")
        if rule.kind == "tokens" and (len(rule.tokens) < 2 or self.sampling.top_logprobs is None):
            raise ValueError("an answer of kind tokens needs at least two answer.tokens, and sampling.top_logprobs")
        if rule.kind == "tokens" and rule.read == "expectation" and self.view == "pointwise":
            for outcome in rule.tokens:
                if not re.fullmatch(r"-?\d+(\.\d+)?", outcome):
                    raise ValueError(f"{outcome!r} in answer.tokens is not a number, which an expectation needs")
        for turns in (self.messages, self.multi_turn):
            check_templates(turns, self.context)
        return self

    @property
    def identity(self) -> dict[str, object]:
        """Return everything that can change a score, as JSON values; of published texts a hash."""
        fields = self.model_dump(mode="json", exclude_defaults=True, exclude=DESCRIPTIONS)
        if self.official:  # published texts stay out of results
            fields |= {"official": self.official.model_dump(include={"path", "sha256"})}
            del fields["messages"]
            fields.pop("multi_turn", None)
        return {"name": self.name, "version": self.version, **fields}

    @property
    def digest(self) -> str:
        """Return a hash of `identity`: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def summary(self) -> dict[str, object]:
        """Return what a manifest states of the protocol."""
        return {"protocol": self.name, "version": self.version, "digest": self.digest, "repeats": self.repeats}

    @property
    def context(self) -> tuple[str, ...]:
        """Return what is needed of an item besides its texts."""
        names = {"subset": self.sees_subset, "reference": self.sees_reference, "principle": self.sees_principle}
        return tuple(name for name, is_seen in names.items() if is_seen)


def protocol_names() -> list[str]:
    """Return the names of the protocols of this package, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_protocol(name: str, prompts: str | None = None) -> JudgeProtocol:
    """Load a protocol of this package, or one of a user's YAML or Python file, with its published prompts if any.

    Args:
        name: of a protocol, or path of a file. A Python file defines `protocol`, a `JudgeProtocol`.
        prompts: file or folder with the published prompts that the protocol shows.

    Raises:
        InputError: if there is no such protocol or file, it is not valid, or its published prompts are missing.
    """
    protocol = read_protocol(name)
    official = protocol.official
    if official is None:
        if prompts is not None:
            raise InputError(f"The judge protocol {protocol.name} has prompts of its own: leave out --prompts.")
        return protocol
    groups = (protocol.messages, protocol.multi_turn)
    (messages, multi_turn), sha256 = read_messages(official, groups, prompts, protocol.name)
    try:
        check_templates((*messages, *multi_turn), protocol.context)
        if not shows_responses(messages):
            raise ValueError("no message shows the responses")
    except ValueError as error:
        raise InputError(f"The prompts of the judge protocol {protocol.name} are not valid: {error}.") from error
    official = official.model_copy(update={"sha256": sha256})
    return protocol.model_copy(update={"messages": messages, "multi_turn": multi_turn, "official": official})


def read_protocol(name: str) -> JudgeProtocol:
    """Read a protocol without its published prompts; see `load_protocol`."""
    path = Path(name).expanduser()
    if path.suffix == ".py":
        return _load_python(path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
        if name not in protocol_names():
            names = ", ".join(protocol_names())
            raise InputError(f"There is no judge protocol {name!r}: use {names}, or a YAML or Python file.")
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YamlError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"The judge protocol {path} cannot be read: {reason}.") from error
    if not isinstance(values, Mapping):
        raise InputError(f"The judge protocol {path} is not a mapping of fields.")
    return _check_file(parse_protocol(values, str(path)), path)


def _check_file(protocol: JudgeProtocol, path: Path) -> JudgeProtocol:
    """Check the name and the messages of a protocol that was read from a file, and return it.

    Raises:
        InputError: if it has the name of a protocol of this package, or shows no responses.
    """
    if protocol.name in protocol_names() and path.parent != FOLDER:
        raise InputError(f"The judge protocol {path} is named {protocol.name}, as one of this package: rename it.")
    for turns in (protocol.messages, protocol.multi_turn):
        if turns and not protocol.official and not shows_responses(turns):
            raise InputError(
                f"The judge protocol {path} shows no responses: write {{{{ responses[0] }}}} in a message, where the "
                "first response belongs."
            )
    return protocol


def parse_protocol(values: Mapping[str, object], source: str) -> JudgeProtocol:
    """Check the fields of a protocol.

    Args:
        values: the fields, as YAML or JSON values.
        source: where they come from, for errors.

    Raises:
        InputError: if a field is missing, unknown or wrong; names it.
    """
    try:
        return JudgeProtocol.model_validate_json(json.dumps(values))
    except (ValidationError, TypeError) as error:
        raise InputError(f"The judge protocol {source} is not valid: {_first_error(error)}.") from error


def _first_error(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return str(error)
    details = error.errors(include_url=False)[0]
    path = ".".join(map(str, details["loc"]))
    message = details["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def _load_python(path: Path) -> JudgeProtocol:
    """Run a user's Python file and return its `protocol`.

    Raises:
        InputError: if it fails, or defines none.
    """
    import runpy

    try:
        protocol = runpy.run_path(str(path)).get("protocol")
    except ValidationError as error:
        raise InputError(f"The judge protocol {path} is not valid: {_first_error(error)}.") from error
    except Exception as error:  # code of the user may raise anything
        raise InputError(f"The judge protocol {path} fails: {type(error).__name__}: {error}.") from error
    if not isinstance(protocol, JudgeProtocol):
        raise InputError(f"The judge protocol {path} defines no `protocol` of type JudgeProtocol.")
    return _check_file(protocol, path)
