"""Options that commands share, as frozen dataclasses, and how typer shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, cleandoc, signature
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from typer import Option
from typer._click.exceptions import UsageError
from typer.core import TyperGroup

from rewardbench.cli import other_names

if TYPE_CHECKING:
    from typer._click import Command, Context
    from typer._click import Parameter as CommandParameter

    from rewardbench.settings import ModelSpec

MODEL, DATA, RUN, OUTPUT, HUB, DEPRECATED = "Model", "Data", "Run", "Output", "Hub", "Deprecated (no effect)"
"""Panels of the help."""


def flag(
    panel: str,
    name: str,
    text: str = "",
    *,
    min: int | float | None = None,
    max: int | float | None = None,
    metavar: str | None = None,
) -> Any:
    """Declare an option with one name, which is also accepted with hyphens for underscores.

    Args:
        panel: panel of the help in which the option is listed.
        name: name without the leading hyphens.
        text: help text.
        min: smallest accepted number.
        max: largest accepted number.
        metavar: accepted values, as the help shows them; by default from the type.
    """
    return Option(f"--{name}", help=text, rich_help_panel=panel, min=min, max=max, metavar=metavar)


NameOption = Annotated[
    str | None,
    flag(
        OUTPUT,
        "name",
        "Name of the result: NAME.json in --output_dir, which replaces an earlier one; may contain {model} and "
        "{suite}. Default: the model's name, and a longer one if it is taken by another result",
    ),
]
JsonOption = Annotated[bool, flag(OUTPUT, "json", "Print as JSON")]


class Group(TyperGroup):
    """A group of commands with a tidier help.

    A boolean flag is shown without a type, `--json` and not `--json <bool>`; lines of a paragraph are joined.
    """

    def get_params(self, ctx: Context) -> list[CommandParameter]:
        """Return the options of the group itself."""
        params = super().get_params(ctx)
        _hide_bool_types(params)
        return params

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find the command that the arguments call; the error about a name of other programs says what to call.

        Raises:
            UsageError: if there is no such command.
        """
        if ctx.parent is None and args[0] in other_names.COMMANDS:
            raise UsageError(f"There is no command {args[0]!r} ({other_names.COMMANDS[args[0]]})", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Return a command of the group."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _hide_bool_types(command.get_params(ctx))
            command.help = _join_lines(command.help or "")
        return command


def _hide_bool_types(params: Sequence[CommandParameter]) -> None:
    """Remove the type of boolean flags from the help."""
    for param in params:
        if getattr(param, "is_bool_flag", False):
            param.metavar = ""


def _join_lines(text: str) -> str:
    r"""Join the lines of each paragraph, so that the terminal wraps them.

    >>> _join_lines("Score a model.\n\nOne\nparagraph.")
    'Score a model.\n\nOne paragraph.'
    """
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in cleandoc(text).split("\n\n"))


TextOption = str | None
CountOption = int | None
# These are the types of rewardbench.settings, written again because that module takes too long to import for --help.
PairsOption = Literal["best-worst", "all", "best-of-n"] | None
AggregationOption = Literal["min", "product", "last", "mean"] | None
RefFreeOption = Literal["sum", "avg", "norm"] | None
TruncationOption = Literal["left", "right"]
DtypeOption = Literal["auto", "float16", "bfloat16", "float32", "float64", "fp16", "bf16", "fp32"]
DeviceMapOption = Literal["auto", "balanced", "balanced_low_0", "sequential", "tensor_parallel"] | None
AttentionOption = Literal["eager", "sdpa", "flash_attention_2", "flex_attention"] | None


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options for the model, besides its name."""

    ref_model: Annotated[TextOption, flag(MODEL, "ref_model", "Reference model of a DPO policy")] = None
    ref_free_type: Annotated[
        RefFreeOption,
        flag(MODEL, "ref_free_type", "Score a policy without a reference, by the sum, mean or norm of its log-probs"),
    ] = None
    revision: Annotated[TextOption, flag(MODEL, "revision", "Revision of the model on the Hub")] = None
    ref_revision: Annotated[TextOption, flag(MODEL, "ref_revision", "Revision of the reference model")] = None
    tokenizer: Annotated[TextOption, flag(MODEL, "tokenizer", "Tokenizer (Hub id or folder); default: the model's")] = (
        None
    )
    chat_template: Annotated[
        TextOption, flag(MODEL, "chat_template", "Name of a fastchat template, raw, or tokenizer (its own template)")
    ] = None
    trust_remote_code: Annotated[
        bool, flag(MODEL, "trust_remote_code", "Allow code from the model's repository to run")
    ] = False
    allow_pickle: Annotated[
        bool, flag(MODEL, "allow_pickle", "Read pickles (.bin, .pt) where there are no safetensors files; tensors only")
    ] = False
    label: Annotated[
        TextOption, flag(MODEL, "label", "Output of a classifier with several labels, by its name or index")
    ] = None
    adapter: Annotated[
        TextOption,
        flag(MODEL, "adapter", "Head spec of the model: a name, or a YAML or Python file; default: recognised"),
    ] = None
    step_aggregation: Annotated[
        AggregationOption,
        flag(
            MODEL,
            "step_aggregation",
            "Aggregation of step scores (process reward models); default: the head spec's",
            metavar="<min|product|last|mean>",
        ),
    ] = None
    beta: Annotated[float, flag(MODEL, "beta", "Scale of the DPO reward")] = 1.0


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options for the data, besides its name."""

    split: Annotated[TextOption, flag(DATA, "split", "Split of the dataset")] = None
    subset: Annotated[TextOption, flag(DATA, "subset", "Only this subset, or configuration of the dataset")] = None
    dataset_revision: Annotated[TextOption, flag(DATA, "dataset_revision", "Revision of the dataset on the Hub")] = None
    protocol: Annotated[
        TextOption,
        flag(
            DATA,
            "protocol",
            "Suite whose columns and rules apply to a copy of its data; with --judge: prompt and parser",
        ),
    ] = None
    pairs: Annotated[
        PairsOption,
        flag(
            DATA,
            "pairs",
            "Items from a prompt with several scored completions; default: best-worst",
            metavar="<best-worst|all|best-of-n>",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Options for a part of the data: its first items, or a random sample of each subset."""

    limit: Annotated[CountOption, flag(DATA, "limit", "Score only the first N items", min=1)] = None
    sample: Annotated[
        CountOption,
        flag(DATA, "sample", "Score a random sample of about N items: each subset in proportion, mirrors whole", min=1),
    ] = None
    sample_seed: Annotated[int, flag(DATA, "sample_seed", "Random seed of --sample")] = 0


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options for how a model runs."""

    max_length: Annotated[
        CountOption, flag(RUN, "max_length", "Maximum tokens per text; default: the model's limit", min=1)
    ] = None
    truncation_side: Annotated[
        TruncationOption, flag(RUN, "truncation_side", "Side on which longer texts are truncated")
    ] = "left"
    torch_dtype: Annotated[
        DtypeOption, flag(RUN, "torch_dtype", "dtype of the weights; auto: the checkpoint's, float32 on a CPU")
    ] = "auto"
    attn_implementation: Annotated[
        AttentionOption, flag(RUN, "attn_implementation", "Attention implementation; default: the model's")
    ] = None
    compile: Annotated[bool, flag(RUN, "compile", "Compile the model's layers (torch.compile)")] = False
    device: Annotated[TextOption, flag(RUN, "device", "cpu, cuda, cuda:1 or mps; default: the best available")] = None
    device_map: Annotated[
        DeviceMapOption, flag(RUN, "device_map", "Distribute a model that is too large for one device")
    ] = None
    max_memory: Annotated[
        TextOption, flag(RUN, "max_memory", "Memory limits for --device_map, such as 0=20GiB,cpu=64GiB")
    ] = None
    load_in_8bit: Annotated[bool, flag(RUN, "load_in_8bit", "Quantise the weights to 8 bits (bitsandbytes)")] = False
    load_in_4bit: Annotated[bool, flag(RUN, "load_in_4bit", "Quantise the weights to 4 bits (bitsandbytes)")] = False


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """Options for batches, processes and the cache. None changes a score."""

    batch_size: Annotated[
        CountOption, flag(RUN, "batch_size", "Maximum texts per batch; does not change scores", min=1)
    ] = None
    batch_tokens: Annotated[
        CountOption, flag(RUN, "batch_tokens", "Maximum padded tokens per batch; default: measured at the start", min=1)
    ] = None
    num_processes: Annotated[
        CountOption, flag(RUN, "num_processes", "Number of worker processes; does not change scores", min=1)
    ] = None
    no_cache: Annotated[bool, flag(RUN, "no_cache", "Disable the score cache")] = False


def model_spec(name: str, model: ModelOptions, run: RunOptions, seed: int = 0) -> ModelSpec:
    """Build the specification of a model from its parsed options."""
    from rewardbench.settings import ModelSpec

    return ModelSpec(
        model=name,
        ref_model=model.ref_model,
        ref_free_type=model.ref_free_type,
        revision=model.revision,
        ref_revision=model.ref_revision,
        tokenizer=model.tokenizer,
        chat_template=model.chat_template,
        trust_remote_code=model.trust_remote_code,
        allow_pickle=model.allow_pickle,
        label=model.label,
        adapter=model.adapter,
        step_aggregation=model.step_aggregation,
        beta=model.beta,
        seed=seed,
        max_length=run.max_length,
        truncation_side=run.truncation_side,
        dtype=run.torch_dtype,
        attn_implementation=run.attn_implementation,
        compile=run.compile,
        device=run.device,
        device_map=run.device_map,
        max_memory=run.max_memory,
        load_in_8bit=run.load_in_8bit,
        load_in_4bit=run.load_in_4bit,
    )


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command: each parameter that is a dataclass becomes the options that its fields declare.

    The command receives one instance of each dataclass. A field may be a dataclass of options itself.
    """
    arguments = signature(command, eval_str=True).parameters

    @wraps(command)
    def parsed(**values: object) -> None:
        groups = {name: _build(parameter.annotation, values, name) for name, parameter in arguments.items()}
        command(**groups)

    options: list[Parameter] = []
    for parameter in arguments.values():
        options.extend(_expand(parameter))
    parsed.__signature__ = Signature(options)  # type: ignore[attr-defined]
    parsed.__annotations__ = {option.name: option.annotation for option in options}
    return parsed


def _expand(parameter: Parameter) -> Iterator[Parameter]:
    """Yield the parameter itself, or the fields of its dataclass."""
    group = parameter.annotation
    if not is_dataclass(group):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = Parameter.empty if field.default is MISSING else field.default
        yield from _expand(Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]))


def _build(hint: object, values: Mapping[str, object], name: str) -> object:
    """Return the value of an option, or the instance of a dataclass of options."""
    if not isinstance(hint, type) or not is_dataclass(hint):
        return values[name]
    hints = get_type_hints(hint, include_extras=True)
    arguments = {field.name: _build(hints[field.name], values, field.name) for field in fields(hint)}
    return hint(**arguments)
