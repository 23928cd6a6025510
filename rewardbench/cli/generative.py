"""Define `rewardbench-gen`, the command of rewardbench 0.1 for judges: translate it to `rewardbench --judge`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rewardbench.cli import main as command
from rewardbench.cli.arguments import drop_flag_values
from rewardbench.console.terminal import echo, printable
from rewardbench.errors import InputError

OPENAI = "https://api.openai.com/v1"
ADDRESSES = (
    f"{OPENAI}, https://api.anthropic.com/v1, https://generativelanguage.googleapis.com/v1beta/openai, "
    "https://api.together.xyz/v1, or that of your own server"
)
NO_EFFECT = {
    "vllm_gpu_util": "this command starts no vLLM; start it, and pass its address as --base_url",
    "do_not_save": "results are uploaded only by --push_results_to_hub",
    "disable_beaker_save": "no file for Beaker is written",
}
"""Options that have no effect, with the reason."""
FAMILIES = {
    "prometheus": "prometheus",
    "Con-J": "con_j",
    "OffsetBias": "offsetbias",
    "Atla": "atla",
    "gemini": "rewardbench1_brief",
    "RISE-Judge": "rise_judge",
}
"""Part of a model's name by which rewardbench 0.1 chose another prompt, and the protocol with that prompt."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # raises, like the parent exits
        raise InputError(f"{message[:1].upper()}{message[1:]}: see rewardbench-gen --help.")


def _parser() -> _Parser:
    parser = _Parser(
        prog="rewardbench-gen",
        description="Score judges, with the options of rewardbench 0.1. All options of `rewardbench --judge` are "
        "accepted too, such as --base_url, --protocol, --dataset and --json.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="NAME", help="judge, or an odd number that decide by majority")
    add("--score_w_ratings", action="store_true", help="rate each response instead of comparing two")
    add("--pref_sets", action="store_true", help="score allenai/preference-test-sets, not allenai/reward-bench")
    add("--dataset", help="other data: see rewardbench --help")
    add("--num_threads", type=int, metavar="N", help="maximum requests in flight (--max_concurrency)")
    add("--num_gpus", type=int, metavar="N", help="above 1: spread a local model over all GPUs (--device_map auto)")
    add("--force_local", action="store_true", help="run the model on this machine, even if no folder has its name")
    add("--chat_template", metavar="NAME", help="chat template of a local model: see rewardbench --help")
    add("--trust_remote_code", action="store_true", help="allow code of a local model's repository to run")
    add("--debug", action="store_true", help="score only the first 10 items")
    add("--protocol", metavar="NAME", help="default: the prompt of RewardBench 1 if its file is found, else choice")
    add("--prompts", metavar="PATH", help="file or folder with the published prompts")
    add("--base_url", metavar="URL", help=f"address of the server; default: {OPENAI} if OPENAI_API_KEY is set")
    add("--vllm_gpu_util", type=float, metavar="SHARE", help=f"no effect: {NO_EFFECT['vllm_gpu_util']}")
    add("--do_not_save", action="store_true", help=f"no effect: {NO_EFFECT['do_not_save']}")
    add("--disable_beaker_save", action="store_true", help=f"no effect: {NO_EFFECT['disable_beaker_save']}")
    return parser


def translate(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Translate the arguments of `rewardbench-gen` to those of `rewardbench`.

    Args:
        arguments: without the name of the command.

    Returns:
        The arguments, and a note for each option that has no effect or another meaning.

    Raises:
        InputError: if an option is wrong, or a judge needs the address of a server.
    """
    options, others = _parser().parse_known_args(_normalise(arguments))
    base_url = options.base_url or _default_address(options, others)
    translated = [f"--judge={name}" for name in options.model]
    notes = [f"--{name} has no effect: {reason}." for name, reason in NO_EFFECT.items() if getattr(options, name)]
    if base_url:
        translated.append(f"--base_url={base_url}")
    dataset = options.dataset or ("allenai/preference-test-sets" if options.pref_sets else "allenai/reward-bench")
    translated.append(f"--dataset={dataset}")
    if options.debug:
        translated.append("--debug")
    if options.prompts:
        translated.append(f"--prompts={options.prompts}")
    if options.protocol:
        translated.append(f"--protocol={options.protocol}")
    elif not _has(others, "judge_config"):
        protocol = _choose_protocol(options.score_w_ratings, options.prompts)
        translated.append(f"--protocol={protocol}")
        notes += _note_on_protocol(protocol, options.model)
    is_remote = bool(base_url) or _has(others, "judge_config")
    values, value_notes = _local_options(options, is_remote)
    return [*translated, *values, *others], [*notes, *value_notes]


def _normalise(arguments: Sequence[str]) -> list[str]:
    """Write options with underscores, and without the values of boolean flags."""
    normalised: list[str] = []
    for argument in drop_flag_values(list(arguments)):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            argument = f"--{name[2:].replace('-', '_')}{equals}{value}"
        normalised.append(argument)
    return normalised


def _has(arguments: Sequence[str], name: str) -> bool:
    return any(argument.partition("=")[0] == f"--{name}" for argument in arguments)


def _default_address(options: argparse.Namespace, others: Sequence[str]) -> str | None:
    """Return the address of the server where none was passed; None for models that run on this machine.

    Raises:
        InputError: if there is no address.
    """
    if options.force_local or _has(others, "judge_config"):
        return None
    names: Sequence[str] = options.model
    if len(names) == 1 and ("/" in names[0] or Path(names[0]).expanduser().is_dir()):
        return None
    if os.environ.get("OPENAI_API_KEY") and not _has(others, "api_key_env"):
        return OPENAI
    raise InputError(
        f"{', '.join(names)} is behind a server: pass its address as --base_url ({ADDRESSES}), and the variable with "
        "its key as --api_key_env; or pass --force_local."
    )


def _choose_protocol(rates: bool, prompts: str | None) -> str:
    """Return the protocol with the prompt of RewardBench 1, or one of this package if its file is not found."""
    from rewardbench.scorers.judge.protocols import load_protocol

    official, fallback = ("rewardbench1_ratings", "rating") if rates else ("rewardbench1", "choice")
    if prompts:
        return official
    try:
        load_protocol(official)
    except InputError:
        return fallback
    return official


def _note_on_protocol(protocol: str, models: Sequence[str]) -> Iterator[str]:
    """Yield notes on differences from the prompt of rewardbench 0.1."""
    if not protocol.startswith("rewardbench1"):
        yield (
            f"The prompts of rewardbench 0.1 were not found, so the protocol is {protocol}: for the published prompts "
            "pass --prompts with the path of rewardbench/generative.py of version 0.1.4."
        )
    for part, name in FAMILIES.items():
        if any(part in model for model in models):
            yield f"rewardbench 0.1 used another prompt for models with {part} in their name: pass --protocol {name}."


def _local_options(options: argparse.Namespace, is_remote: bool) -> tuple[list[str], list[str]]:
    """Translate the options that apply to local models, or to servers, only; return them and notes on the others."""
    local = {
        "num_gpus": "--device_map=auto" if (options.num_gpus or 1) > 1 else "",
        "chat_template": f"--chat_template={options.chat_template}" if options.chat_template else "",
        "trust_remote_code": "--trust_remote_code" if options.trust_remote_code else "",
    }
    remote = {"num_threads": f"--max_concurrency={options.num_threads}" if options.num_threads else ""}
    used, unused, place = (remote, local, "behind a server") if is_remote else (local, remote, "on this machine")
    notes = [f"--{name} has no effect: the judge runs {place}." for name, value in unused.items() if value]
    return list(filter(None, used.values())), notes


def main(arguments: list[str] | None = None) -> None:
    """Run the `rewardbench-gen` command; exit codes as those of `rewardbench`."""
    try:
        translated, notes = translate(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        echo("rewardbench-gen:", printable(str(error)), error=True)
        sys.exit(2)
    for note in notes:
        echo(note, error=True)
    if arguments is not None:
        command.main(translated)
    sys.argv = ["rewardbench", *translated]  # main() without arguments sets up the process, such as its signals
    command.main()
