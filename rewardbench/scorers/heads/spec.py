"""`HeadSpec`: how a family of reward models is recognised, loaded, fed and read; in Python or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewardbench.errors import InputError
from rewardbench.types import Aggregation

Activation = Literal["relu", "selu", "leaky_relu", "tanh", "gelu", "none"]
Where = Literal["last", "last_not_pad", "first", "before_first", "last_of", "every", "start_of_last", "decoder_start"]


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

    @property
    def is_empty(self) -> bool:
        """Return True if there is no condition."""
        return not (self.architectures or self.tensors or self.config or self.encoder)

    @property
    def specificity(self) -> int:
        """Count the conditions; of several specs that apply, the one with the most is used."""
        named = 10 if self.architectures else 0
        lists = len(self.tensors) + len(self.absent) + len(self.config)
        return named + lists + (self.outputs is not None) + self.encoder + (self.chat_template is not None)


class Backbone(Part):
    """How the weights below the head are loaded."""

    model_type: str | None = None
    """Backbone of transformers to load as; None: the one that config.json names."""
    rename: Mapping[str, str] = Field(default_factory=dict)
    """Regular expressions of tensor names, with their replacement."""
    convert: Literal["internlm2"] | None = None
    """Conversion of an architecture that transformers does not have."""
    avoid_kernel: str | None = None
    """Attention kernel with which the authors warn against scoring."""


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


class Position(Part):
    """Which tokens' hidden states are read."""

    at: Where = "last"
    """`start_of_last`: the first token of the last occurrence of a pattern; `every`: one score for each occurrence;
    `decoder_start`: the first step of an encoder-decoder's decoder."""
    token: str | None = None
    """A special token (`pad_token`, `cls_token`), a key of the configuration (`config.reward_token_id`) or a text."""


class Network(Part):
    """Layers of a head, discovered from their tensors: linear layers, each but the last with an activation."""

    tensors: str
    """Prefix of their names: `score` for `score.weight`, or for `score.0.weight` and `score.2.weight`."""
    activation: Activation = "relu"
    file: str | None = None
    """File beside the weights that holds them, without its suffix."""


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
    scale: str | None = None
    """Tensor with which the weights are multiplied."""


class Grouping(Part):
    """Outputs that form one number: quantiles, bins of a distribution, or a mean with its variance."""

    size: int | str
    """Outputs in a group, or a key of the configuration (`config.num_quantiles`)."""
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
    difference: tuple[int, int] | None = None


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
    higher_is_better: bool = True
    steps: Steps | None = None
    """Of process reward models."""
    pair: Pair | Segments | Embeddings | None = None
    """Of pairwise models, whose score is the probability that the first completion is better."""
    max_length: int | None = None
    dtype: Literal["float16", "float32", "bfloat16"] | None = None
    """Dtype of the head; None: the backbone's."""


def read_spec(path: Path) -> HeadSpec:
    """Read a spec from a YAML file.

    Raises:
        InputError: if the file cannot be read, or a key or value is not one of a spec's.
    """
    import yaml

    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"The adapter {path} cannot be read ({reason}): pass a YAML file with a head spec.") from error
    if not isinstance(fields, dict):
        raise InputError(f"The adapter {path} is not a mapping of keys: pass a YAML file with a head spec.")
    try:
        return HeadSpec.model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"])) or "the file"
        raise InputError(f"The adapter {path} is not a head spec: {key}: {problem['msg']}.") from error
