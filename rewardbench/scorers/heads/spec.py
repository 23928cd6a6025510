"""`HeadSpec`: how a family of reward models is recognised, loaded, fed and read; in Python or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rewardbench.types import Aggregation

Activation = Literal["relu", "selu", "leaky_relu", "tanh", "gelu", "none"]
Where = Literal[
    "last", "last_not_pad", "first", "before_first", "last_of", "every", "mean", "start_of_last", "decoder_start"
]

INFERRED = "inferred"
"""Name of the spec of a head that is found beside a backbone."""


class Part(BaseModel):
    """Base of the parts of a spec: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(Part):
    """What a checkpoint must have for a spec to apply; a spec with an empty match applies only by name."""

    architectures: tuple[str, ...] = ()
    """Class names in config.json, of which one is enough; `*` stands for any characters."""
    tensors: tuple[str, ...] = ()
    """Names of tensors that must all be there; `*` stands for any characters."""
    absent: tuple[str, ...] = ()
    """Names of tensors of which none may be there."""
    config: Mapping[str, object] = Field(default_factory=dict)
    """Keys of config.json with the value they must have; `any` accepts every value."""
    outputs: int | None = None
    """Rows of the last layer of the head."""
    encoder: bool = False
    """Whether only encoders match, which were made for masked language modelling."""
    chat_template: bool | None = None
    """Whether the tokenizer must have a chat template, or must have none."""
    template_text: str = ""
    """Text that the tokenizer's chat template must have."""

    @property
    def is_empty(self) -> bool:
        """Return True if there is no condition."""
        return not (self.architectures or self.tensors or self.config or self.encoder or self.template_text)

    @property
    def specificity(self) -> int:
        """Count the conditions; of several specs that apply, the one with the most is used."""
        named = 10 if self.architectures else 0
        lists = len(self.tensors) + len(self.absent) + len(self.config)
        flags = (self.outputs is not None, self.encoder, self.chat_template is not None, bool(self.template_text))
        return named + lists + sum(flags)


class Backbone(Part):
    """How the weights below the head are loaded."""

    model_type: str | None = None
    """Backbone of transformers to load as; None: the one that config.json names."""
    rename: Mapping[str, str] = Field(default_factory=dict)
    """Regular expressions of tensor names, with their replacement."""
    convert: Literal["internlm2"] | None = None
    """Conversion of an architecture that transformers does not have."""


class Format(Part):
    """A chat template spelled out: the text of a turn by its role, with `{content}` filled in."""

    system: str = "{content}\n\n"
    no_system: str = ""
    """Text at the start of conversations without a system message."""
    user: str
    assistant: str


class Pair(Part):
    """How a pairwise model is shown two completions; both orders are scored."""

    text: str
    """Text with `{context}`, `{first}` and `{second}`."""
    turns: Format = Format(system="{content} ", user="{content} ", assistant="{content} ")
    """Text of each turn of the context."""
    start: str = ""
    end: str = ""
    """Texts before the first and after the last turn of the context."""
    strip: str = " "
    """Characters that are removed from the end of the context."""
    fold_system: bool = False
    """Whether the system text is prepended to the first user turn."""
    as_user_turn: bool = False
    """Whether the text is one user turn of the tokenizer's chat template; else it is fed as it is."""


class Steps(Part):
    """How a process reward model is shown the steps of a solution, and what their scores become."""

    tag: str
    """Text after each step, at which its score is read."""
    layout: Literal["text", "turns", "pieces"] = "text"
    """`text`: the tags are in the text of the completion; `turns`: each step is a turn of the user, which the tag
    answers, the first one in the turn of the prompt; `pieces`: prompt, steps and tags are tokenised one by one, and the
    last token of each tag is read."""
    first: str = " "
    """With `turns`: text between the prompt and the first step."""
    split: str = "\n\n"
    """Text between two steps of a completion."""
    join: str = ""
    """Text between a tag and the next step."""
    aggregate: Aggregation = "min"
    """How the scores of steps become one."""


class Input(Part):
    """What the model is fed."""

    template: str | None = None
    """Chat template by name, if the tokenizer has none or another; `--chat_template` overrides it."""
    format: Format | None = None
    """Chat template spelled out, in place of a name."""
    specials: bool = True
    """Whether the BOS of the tokenizer is added where the template prints none."""
    system: str | None = None
    """System message of conversations that have none."""
    replace: Mapping[str, str] = Field(default_factory=dict)
    """Texts to replace in the rendered conversation."""
    strip: str = ""
    """Characters that are removed from the end of the rendered conversation."""
    start: str = ""
    """Text that the rendered conversation must start with; `{bos_token}` and other special tokens are filled in."""
    end: str = ""
    """Text that the rendered conversation must end with; `{eos_token}` and other special tokens are filled in."""
    end_separator: str = ""
    """Text before `end`, where it is added."""
    append: str | None = None
    """Token that is added after truncation, unless the text ends with it (see `Position.token`)."""
    sentence_pair: bool = False
    """Whether the prompt and the response are the two texts of a tokenizer for sentence pairs (encoders)."""
    generation_prompt: bool = False
    """Whether the template opens another assistant turn at the end."""
    question: str = ""
    """User turn after the response; `{principle}` is filled in."""
    principle: str | None = None
    """Principle by which responses are rated; the user names it with `--adapter NAME:PRINCIPLE`."""

    @property
    def needs_principle(self) -> bool:
        """Return True if the question asks for a principle that nobody has named."""
        return "{principle}" in self.question and self.principle is None


class Position(Part):
    """Which tokens' hidden states are read."""

    at: Where = "last"
    """`start_of_last`: the first token of the last occurrence of a pattern; `every`: one score for each occurrence;
    `mean`: the mean of the states of all tokens; `decoder_start`: the first step of an encoder-decoder's decoder."""
    token: str | int | None = None
    """A special token (`pad_token`, `cls_token`), a key of the configuration (`config.reward_token_id`), an id, a text,
    or `assistant_header`: what the chat template prints between a user's message and the response."""

    def __str__(self) -> str:
        r"""Return the rule as one line.

        >>> str(Position(at="every", token="\n"))
        'every \\n'
        """
        return self.at if self.token is None else f"{self.at} {repr(self.token)[1:-1]}"


class Network(Part):
    """Layers of a head, discovered from their tensors: linear layers, each but the last with an activation."""

    tensors: str | tuple[str, ...]
    """Prefix of their names: `score` for `score.weight`, or for `score.0.weight` and `score.2.weight`. `config.KEY` is
    a prefix that config.json names; of several, the first that a checkpoint has is used."""
    activation: Activation = "relu"
    file: str | None = None
    """File beside the weights that holds them, without its suffix."""

    @property
    def prefix(self) -> str:
        """Return the prefix of the tensor names; of several, the last."""
        return self.tensors if isinstance(self.tensors, str) else self.tensors[-1]


class Embeddings(Part):
    """How a pairwise model compares two completions that it embeds one by one: by a skew-symmetric form."""

    temperature: float
    """By which the form is divided."""
    prompt_head: Network | None = None
    """Network on the last token of the first user turn; the softmax of its outputs weighs the blocks of the form."""


class Segments(Part):
    """How PairRM and its successors are shown a source and two candidates, each encoded by itself after its prefix."""

    source_tokens: int
    """Maximum tokens of the source; each candidate has half of what it leaves of the total."""
    candidate_tokens: int
    turns: Format | None = None
    """Text of each turn of the source; None: numbered gaps, which the candidates fill with all responses."""
    end: str = ""
    """Text after the last turn."""
    truncation_side: Literal["left", "right"] = "right"
    """Side on which the source loses tokens; candidates lose them on the right."""

    @property
    def total_tokens(self) -> int:
        """Return the maximum tokens of the source and both candidates."""
        return self.source_tokens + 2 * self.candidate_tokens


class Gate(Part):
    """A network that weighs the outputs of the head by another token."""

    network: Network
    position: Position
    softmax: bool | str = True
    temperature: float | str = 1.0
    default_temperature: float | None = None
    """If config.json does not have the key that `temperature` names; None makes that an error."""
    scale: str | None = None
    """Tensor with which the weights are multiplied."""


class Grouping(Part):
    """Outputs that form one number: quantiles, bins of a distribution, or a mean with its variance."""

    size: int | str | None = None
    """Outputs in a group, or a key of the configuration (`config.num_quantiles`); None: as many as there are outputs of
    the head for each output of the gate."""
    take: Literal["mean", "first", "expectation"]
    low: float = 0.0
    high: float = 1.0
    """Values of the first and the last bin of an expectation."""


class Output(Part):
    """How the outputs of a head become one score; the default takes a single output as it is."""

    group: Grouping | None = None
    matrix: str | None = None
    """Tensor by which the outputs are multiplied from the right."""
    index: int | None = None
    label: str | None = None
    """Output by the name that `id2label` gives it."""
    weights: tuple[float, ...] = ()
    softmax: int | None = None
    """Share of this output after a softmax over all."""
    sigmoid: bool = False
    """Whether the score is a probability, the sigmoid of the output."""
    difference: tuple[int, int] | None = None
    log_odds: int | None = None
    """Log-odds of this output against all others, of which exactly one holds."""
    activation: Literal["none", "sentence_transformers"] = "none"
    """`sentence_transformers`: the activation that config.json names for a cross-encoder, after everything else."""


class Affine(Part):
    """`(score - mean) / std`, by the configuration or by stored tensors."""

    switch: str | None = None
    """Key of the configuration that turns it on."""
    mean: str | None = None
    std: str | None = None
    variance: str | None = None
    epsilon: float = 0.0
    """Each `config.KEY` or the name of a tensor."""


class HeadSpec(Part):
    """A family of reward models."""

    name: str
    title: str = ""
    checkpoints: tuple[str, ...] = ()
    """Hub ids that are known to belong to it."""
    evidence: str = ""
    """Where the facts come from, and what is unknown."""
    source: str = ""
    """The evidence in one to three words, for tables."""
    needs: str = ""
    """What a user must add to the checkpoint, for tables."""
    note: str = ""
    """Sentence for results about what no file of a checkpoint shows."""
    reject: str = ""
    """Why the family cannot be scored, and what to do; the other fields are then unused."""
    match: Match = Match()
    backbone: Backbone = Backbone()
    input: Input = Input()
    position: Position = Position()
    head: Network | None = None
    """None, without a vocabulary: the head of `AutoModelForSequenceClassification`."""
    vocabulary: tuple[str | int, ...] = ()
    """Tokens (text or id) whose logits are the outputs, in place of a head."""
    gate: Gate | None = None
    output: Output = Output()
    affine: Affine | None = None
    ignore: tuple[str, ...] = ()
    """Names of tensors that no score depends on; `*` stands for any characters. Any other unread tensor is an error."""
    higher_is_better: bool = True
    steps: Steps | None = None
    """Of process reward models."""
    pair: Pair | Segments | Embeddings | None = None
    """Of pairwise models, whose score is the probability that the first completion is better."""
    max_length: int | None = None
    dtype: Literal["float16", "float32", "bfloat16"] | None = None
    """Dtype of the head; None: the backbone's."""

    @property
    def kind(self) -> str:
        """Return the kind of the family, for tables."""
        if self.reject:
            return "not scored"
        if self.pair:
            return "pairwise"
        if self.steps:
            return "steps"
        if self.vocabulary:
            return "logits"
        return "head" if self.head else "classifier"

    @property
    def rejection(self) -> str:
        """Return why a checkpoint of the family cannot be scored as it is, and what to do; empty if it can."""
        if self.input.needs_principle and not self.reject:
            return (
                "it rates how far a response follows a principle, which is part of the protocol: pass --adapter "
                f"{self.name}:PRINCIPLE, for example {self.name}:correctness."
            )
        return self.reject.strip()

    @property
    def has_classifier_head(self) -> bool:
        """Return True if the head is that of a classifier of transformers."""
        return self.head is None and not self.vocabulary

    @property
    def networks(self) -> list[Network]:
        """Return the networks that the spec declares: of the head, its gate and a prompt."""
        prompt_head = self.pair.prompt_head if isinstance(self.pair, Embeddings) else None
        declared = (self.head, self.gate and self.gate.network, prompt_head)
        return [network for network in declared if network]
