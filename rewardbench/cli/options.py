"""What all commands share: the panels of their options, the values they take, and how a switch is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Literal

from typer import Option
from typer.core import TyperGroup

MODEL, DATA, RUN, OUTPUT, HUB, OLD = "Model", "Data", "Run", "Output", "Hub", "Of earlier versions"


def flag(panel: str, name: str, text: str = "", **limits: Any) -> Any:
    """An option under its one name; `--a-b` is taken for `--a_b`."""
    return Option(f"--{name}", help=text, rich_help_panel=panel, **limits)


class Group(TyperGroup):
    """Commands whose help shows a switch without a type: `--json`, not `--json <bool>`."""

    def get_params(self, ctx: Any) -> Any:
        """The options of the group itself."""
        return _without_types_of_switches(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command of the group, its switches changed too."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_types_of_switches(command.get_params(ctx))
        return command


def _without_types_of_switches(params: Any) -> Any:
    for param in params:
        if getattr(param, "is_bool_flag", False):
            param.metavar = ""
    return params


def model_spec(said: dict[str, Any]) -> Any:
    """What a command was told of the model."""
    from dataclasses import fields

    from rewardbench.settings import ModelSpec

    given = {field.name: said[field.name] for field in fields(ModelSpec) if field.name in said}
    return ModelSpec(**given, dtype=said["torch_dtype"])


Text = str | None
Count = int | None
Pairs = Literal["best-worst", "all", "best-of-n"] | None
Side = Literal["left", "right"]
FreeType = Literal["sum", "avg", "norm"] | None
Dtype = Literal["auto", "float16", "bfloat16", "float32", "float64"]
Kernel = Literal["eager", "sdpa", "flash_attention_2"] | None

Command = Callable[..., None]


def of_the_model(
    ref_model: Annotated[Text, flag(MODEL, "ref_model", "Reference of a DPO policy")] = None,
    ref_free_type: Annotated[FreeType, flag(MODEL, "ref_free_type", "Score a policy by its log-probabilities")] = None,
    revision: Annotated[Text, flag(MODEL, "revision", "Revision of the model on the Hub")] = None,
    ref_revision: Annotated[Text, flag(MODEL, "ref_revision", "Revision of the reference")] = None,
    tokenizer: Annotated[Text, flag(MODEL, "tokenizer", "Tokenizer, if not the model's own")] = None,
    chat_template: Annotated[Text, flag(MODEL, "chat_template", "A fastchat name, raw, or tokenizer")] = None,
    trust_remote_code: Annotated[bool, flag(MODEL, "trust_remote_code", "Run code of the repository")] = False,
    beta: Annotated[float, flag(MODEL, "beta", "Scale of the DPO reward")] = 1.0,
) -> None:
    """Options that say what a model is, besides its name."""


def of_the_data(
    split: Annotated[Text, flag(DATA, "split", "Split of the data")] = None,
    subset: Annotated[Text, flag(DATA, "subset", "One subset, or one configuration of the data")] = None,
    dataset_revision: Annotated[Text, flag(DATA, "dataset_revision", "Revision of the data on the Hub")] = None,
    protocol: Annotated[Text, flag(DATA, "protocol", "Read and count a local copy as this suite")] = None,
    pairs: Annotated[Pairs, flag(DATA, "pairs", "Pairs of scored completions; else best-worst")] = None,
) -> None:
    """Options that say what data is taken, besides its name."""


def of_the_run(
    max_length: Annotated[Count, flag(RUN, "max_length", "Tokens an item; else the model's own limit", min=1)] = None,
    truncation_side: Annotated[Side, flag(RUN, "truncation_side", "Where over-long items lose tokens")] = "left",
    torch_dtype: Annotated[Dtype, flag(RUN, "torch_dtype", "auto: the checkpoint's; float32 on a CPU")] = "auto",
    attn_implementation: Annotated[Kernel, flag(RUN, "attn_implementation", "Attention kernel")] = None,
    compile: Annotated[bool, flag(RUN, "compile", "Compile the model's layers (torch.compile)")] = False,
    device: Annotated[Text, flag(RUN, "device", "cpu, cuda, cuda:1, mps")] = None,
) -> None:
    """Options that say how a model runs."""


def takes(*groups: Command) -> Callable[[Command], Command]:
    """Give a command the options of these groups beside its own, which come first; they arrive in its `**more`."""

    def wrap(command: Command) -> Command:
        @wraps(command)
        def whole(**said: Any) -> None:
            command(**said)

        named: dict[str, Parameter] = {}
        for function in (command, *groups):
            for name, one in signature(function, eval_str=True).parameters.items():
                if one.kind is not Parameter.VAR_KEYWORD:
                    named.setdefault(name, one.replace(kind=Parameter.KEYWORD_ONLY))
        whole.__signature__ = Signature(list(named.values()))  # type: ignore[attr-defined]
        whole.__annotations__ = {name: one.annotation for name, one in named.items()}
        return whole

    return wrap
