"""Options of judges, and the file `--judge_config` that sets them for each endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rewardbench.cli.options import DATA, CountOption, TextOption, flag
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.settings import JudgeSpec

JUDGE = "Judge (LLM-as-a-judge)"
"""Panel of the help."""


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """Options of a language model that judges; None: the value of --judge_config, else of its protocol."""

    judge: Annotated[
        list[str] | None,
        flag(
            JUDGE,
            "judge",
            "LLM judge: its name on the server --base_url, or a folder or Hub id. --protocol is then its prompt and "
            "parser: choice, rating, logprob, listwise, ... (see rewardbench models protocols), or a YAML or Python "
            "file. Repeat --judge for a majority vote of several",
        ),
    ] = None
    judge_config: Annotated[
        TextOption, flag(JUDGE, "judge_config", "YAML file with the options of each judge: address, prices, limits")
    ] = None
    prompts: Annotated[
        TextOption, flag(JUDGE, "prompts", "File or folder with the published prompts of an official protocol")
    ] = None
    principle: Annotated[
        TextOption, flag(JUDGE, "principle", "Principle shown to the judge, for protocols that have one")
    ] = None
    orders: Annotated[
        CountOption,
        flag(JUDGE, "orders", "Orders in which responses are shown; default: both, or every rotation", min=1),
    ] = None
    repeats: Annotated[
        CountOption, flag(JUDGE, "repeats", "Answers sampled for each request; default: the protocol's", min=1)
    ] = None
    temperature: Annotated[
        float | None, flag(JUDGE, "temperature", "Sampling temperature; default: the protocol's", min=0)
    ] = None
    max_tokens: Annotated[
        CountOption, flag(JUDGE, "max_tokens", "Maximum tokens of an answer; default: the protocol's", min=1)
    ] = None
    input_price: Annotated[float | None, flag(JUDGE, "input_price", "$ per million prompt tokens", min=0)] = None
    output_price: Annotated[float | None, flag(JUDGE, "output_price", "$ per million completion tokens", min=0)] = None
    max_cost: Annotated[float | None, flag(JUDGE, "max_cost", "Maximum cost of each judge in this run, in $")] = None
    max_requests: Annotated[
        CountOption, flag(JUDGE, "max_requests", "Maximum requests of each judge in this run", min=1)
    ] = None
    requests_per_minute: Annotated[
        CountOption, flag(JUDGE, "requests_per_minute", "Maximum requests per minute", min=1)
    ] = None
    tokens_per_minute: Annotated[CountOption, flag(JUDGE, "tokens_per_minute", "Maximum tokens per minute", min=1)] = (
        None
    )
    data_protocol: Annotated[
        TextOption, flag(DATA, "data_protocol", "With --judge: suite whose columns and rules apply to --dataset")
    ] = None

    def names(self) -> list[str]:
        """Return the names of the judges; of a --judge_config with one judge its name may be left out.

        Raises:
            InputError: if a name occurs twice, is empty or not valid Unicode, or none was chosen.
        """
        names = list(self.judge or ())
        if not names and self.judge_config:
            names = list(read_config(self.judge_config))
            if len(names) != 1:
                raise InputError(f"{self.judge_config} has {len(names)} judges: choose with --judge NAME.")
        for name in names:
            if not name.strip() or name != name.encode("utf-8", "replace").decode():
                raise InputError(f"--judge is {name!r}: pass the name of a judge.")
        if len(set(names)) < len(names):
            raise InputError("A judge is named twice: name each one once.")
        return names

    def reject_without_judge(self) -> None:
        """Reject these options for a model that is no judge.

        Raises:
            InputError: for the first one that is set.
        """
        for field in fields(self):
            if getattr(self, field.name) is not None:
                raise InputError(f"--{field.name} needs a judge: pass --judge NAME, not --model.")

    def judge_spec(self, name: str, protocol: str | None, server: Mapping[str, object]) -> JudgeSpec:
        """Return the settings of a judge: its options, else those of --judge_config, else the defaults.

        Args:
            name: of the judge.
            protocol: value of --protocol.
            server: options of the server that the user set, such as base_url.

        Raises:
            InputError: for a value that is wrong, or for limits without a server.
        """
        from rewardbench.settings import Endpoint, JudgeSpec

        values: dict[str, object] = {}
        if self.judge_config:
            config = read_config(self.judge_config)
            if name not in config:
                raise InputError(f"{self.judge_config} has no judge {name}: it has {', '.join(config)}.")
            values = dict(config[name])
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and field.name not in ("judge", "judge_config", "data_protocol"):
                values[field.name] = value
        values |= server
        if protocol is not None:
            values["protocol"] = protocol
        endpoint = {field: values.pop(field) for field in _names(Endpoint) if field in values}
        if not endpoint:
            return JudgeSpec(**values)  # type: ignore[arg-type]  # checked by JudgeSpec
        if "base_url" not in endpoint:
            raise InputError(f"{', '.join(sorted(endpoint))} of {name} needs a server: pass --base_url too.")
        return JudgeSpec(endpoint=Endpoint(**endpoint), **values)  # type: ignore[arg-type]  # checked by both


def read_config(path: str) -> dict[str, dict[str, object]]:
    """Read the options of judges, by their names.

    Raises:
        InputError: if the file cannot be read, or an option is unknown.
    """
    from rewardbench.paths.yaml_file import YamlError, parse_yaml
    from rewardbench.settings import Endpoint, JudgeSpec

    try:
        content = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YamlError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The judges of {path} cannot be read: {reason}.") from error
    if not isinstance(content, dict) or not all(isinstance(values, dict) for values in content.values()):
        raise InputError(f"{path} must map the name of each judge to its options, such as base_url and protocol.")
    known = {*_names(Endpoint), *_names(JudgeSpec)} - {"endpoint"}
    for name, values in content.items():
        unknown = sorted(map(str, values.keys() - known))
        if unknown:
            raise InputError(f"{path} sets {unknown[0]} of {name}: the options are {', '.join(sorted(known))}.")
    return {str(name): dict(values) for name, values in content.items()}


def _names(group: type) -> Sequence[str]:
    return [field.name for field in fields(group)]
