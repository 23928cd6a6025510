"""Options that commands share, as frozen dataclasses: their panels, their values, and how a switch is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from typer import Option
from typer.core import TyperGroup

if TYPE_CHECKING:
    from rewardbench.settings import ModelSpec

MODEL, DATA, RUN, OUTPUT, HUB, OLD = "Model", "Data", "Run", "Output", "Hub", "Of earlier versions"


def flag(panel: str, name: str, text: str = "", **limits: Any) -> Any:
    """Declare an option by its one name; `--a-b` is read as `--a_b`."""
    return Option(f"--{name}", help=text, rich_help_panel=panel, **limits)


class Group(TyperGroup):
    """Commands whose help shows a switch without a type: `--json`, not `--json <bool>`."""

    def get_params(self, ctx: Any) -> Any:
        """Return the options of the group itself."""
        return _without_types_of_switches(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command of the group, its switches changed too."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types_of_switches(command.get_params(ctx))
        return command


def _without_types_of_switches(params: Any) -> Any:
    for param in params:
        if getattr(param, "is_bool_flag", False):
            param.metavar = ""
    return params


Text = str | None
Count = int | None
Pairs = Literal["best-worst", "all", "best-of-n"] | None
Side = Literal["left", "right"]
FreeType = Literal["sum", "avg", "norm"] | None
Dtype = Literal["auto", "float16", "bfloat16", "float32", "float64"]
Kernel = Literal["eager", "sdpa", "flash_attention_2"] | None


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options that say what a model is, besides its name."""

    ref_model: Annotated[Text, flag(MODEL, "ref_model", "Reference model of a DPO policy")] = None
    ref_free_type: Annotated[FreeType, flag(MODEL, "ref_free_type", "Score a policy by its log-probabilities")] = None
    revision: Annotated[Text, flag(MODEL, "revision", "Revision of the model on the Hub")] = None
    ref_revision: Annotated[Text, flag(MODEL, "ref_revision", "Revision of the reference model")] = None
    tokenizer: Annotated[Text, flag(MODEL, "tokenizer", "Tokenizer, if not the model's own")] = None
    chat_template: Annotated[Text, flag(MODEL, "chat_template", "A fastchat name, raw, or tokenizer")] = None
    trust_remote_code: Annotated[bool, flag(MODEL, "trust_remote_code", "Run code of the repository")] = False
    beta: Annotated[float, flag(MODEL, "beta", "Scale of the DPO reward")] = 1.0


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options that say which data is read, besides its name."""

    split: Annotated[Text, flag(DATA, "split", "Split of the data")] = None
    subset: Annotated[Text, flag(DATA, "subset", "One subset, or one configuration of the data")] = None
    dataset_revision: Annotated[Text, flag(DATA, "dataset_revision", "Revision of the data on the Hub")] = None
    protocol: Annotated[Text, flag(DATA, "protocol", "Read and count a local copy as this suite")] = None
    pairs: Annotated[Pairs, flag(DATA, "pairs", "Pairs of scored completions; default: best-worst")] = None


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options that say how a model runs."""

    max_length: Annotated[Count, flag(RUN, "max_length", "Tokens per text; default: the model's limit", min=1)] = None
    truncation_side: Annotated[Side, flag(RUN, "truncation_side", "Side on which longer texts are cut")] = "left"
    torch_dtype: Annotated[Dtype, flag(RUN, "torch_dtype", "auto: the checkpoint's; float32 on a CPU")] = "auto"
    attn_implementation: Annotated[Kernel, flag(RUN, "attn_implementation", "Attention kernel")] = None
    compile: Annotated[bool, flag(RUN, "compile", "Compile the model's layers (torch.compile)")] = False
    device: Annotated[Text, flag(RUN, "device", "cpu, cuda, cuda:1, mps")] = None


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
        beta=model.beta,
        seed=seed,
        max_length=run.max_length,
        truncation_side=run.truncation_side,
        dtype=run.torch_dtype,
        attn_implementation=run.attn_implementation,
        compile=run.compile,
        device=run.device,
    )


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: replace each parameter that is a dataclass by the options that its fields declare.

    The command gets one instance of each dataclass. A field may be a dataclass of options itself.
    """
    arguments = signature(command, eval_str=True).parameters

    @wraps(command)
    def parsed(**values: Any) -> None:
        command(**{name: _build(one.annotation, values, name) for name, one in arguments.items()})

    options = [option for one in arguments.values() for option in _expand(one)]
    parsed.__signature__ = Signature(options)  # type: ignore[attr-defined]
    parsed.__annotations__ = {option.name: option.annotation for option in options}
    return parsed


def _expand(parameter: Parameter) -> Iterator[Parameter]:
    """Yield the parameter, or in place of a dataclass those of its fields."""
    group = parameter.annotation
    if not is_dataclass(group):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = Parameter.empty if field.default is MISSING else field.default
        yield from _expand(Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]))


def _build(kind: Any, values: Mapping[str, Any], name: str) -> Any:
    """Return the value of an option, or the instance of a group of options."""
    if not is_dataclass(kind):
        return values[name]
    hints = get_type_hints(kind, include_extras=True)
    return kind(**{field.name: _build(hints[field.name], values, field.name) for field in fields(kind)})  # type: ignore[operator]
