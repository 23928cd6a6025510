"""Read what the name of a model states: its owner, its size, and the training run whose checkpoint it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FAMILIES = (
    *("llama", "qwen", "gemma", "mistral", "pythia", "opt", "bloom", "falcon", "olmo", "tulu", "vicuna", "yi", "phi"),
    *("mpt", "deepseek", "glm", "baichuan", "internlm", "granite", "minicpm", "smollm", "stablelm"),
)
"""Model families whose size may follow without a separator, as in `llama13b`."""
_NUMBER = r"\d{1,4}(?:\.\d{1,3})?"
_DATA = r"[-_]?(?:tokens?|samples?|pairs|examples|prompts|rows)"
"""What a number counts that is no size."""
_START = rf"(?:(?<![A-Za-z0-9.])|(?<={')|(?<='.join(FAMILIES)}))"
_BILLIONS = re.compile(
    rf"(?:{_START}(?:(?P<experts>\d{{1,3}})x)?(?P<number>{_NUMBER})"
    r"|(?<=-)(?P<comma>\d_\d)|(?<=pythia)(?P<dash>\d{1,2}-\d))"
    rf"b(?![A-Za-z0-9]|-?\d{{1,3}}e(?![a-z])|{_DATA})",
    re.IGNORECASE,
)
"""A number of billions: 7B, 0.5b, 8x7B, llama13b, 1_8b (a decimal), pythia6-9b (a decimal of that family).

Not the active parameters of a mixture of experts (A3B, 17B-16E)."""
_MILLIONS = re.compile(rf"{_START}(?P<number>\d{{2,4}})m(?![A-Za-z0-9]|{_DATA})", re.IGNORECASE)
"""A whole number of millions; a decimal, as in `nectar-3.8m`, is usually a number of training samples."""


def owner_of(model: str) -> str:
    """Return the organization or user in the name of a model; empty if the name has none.

    >>> owner_of("lab/model-7b"), owner_of("model-7b")
    ('lab', '')
    """
    owner, slash, _ = model.partition("/")
    return owner if slash else ""


@dataclass(frozen=True)
class NamedSize:
    """The size in a model's name.

    Args:
        parameters: number of parameters; an upper bound for a mixture of experts such as 8x7B, which share some.
        text: the size as the name has it, with a decimal point.
        experts: number of experts of such a mixture; else 1.
    """

    parameters: int
    text: str
    experts: int = 1


@lru_cache(maxsize=4096)
def size_in_name(model: str) -> NamedSize | None:
    """Return the size that a model's name states; of several, the first number of billions; None if there is none.

    >>> [size_in_name(name).text for name in ("org/RM-Llama-3.1-8B-v0.2", "org/8x7b-it", "org/llama13b", "org/RM-350M")]
    ['8B', '8x7B', '13B', '350M']
    >>> [size_in_name(name).text for name in ("org/internlm2-1_8b", "org/Qwen2_7b_0613", "org/pythia6-9b")]
    ['1.8B', '7B', '6.9B']
    >>> [size_in_name(name) for name in ("org/RM-v0.2", "org/Llama-3.1", "org/MoE-A2.7B", "org/rm-nectar-3.8m")]
    [None, None, None, None]
    """
    match = _search_size(model)
    if match is None:
        return None
    if match.re is _MILLIONS:
        number, experts, text = float(match["number"]) / 1000, 1, f"{match['number']}M"
    else:
        number = float(match["number"] or (match["comma"] or match["dash"]).replace("_", ".").replace("-", "."))
        experts = int(match["experts"] or 1)
        text = f"{f'{experts}x' if experts > 1 else ''}{number:g}B"
    parameters = round(number * experts * 10**9)
    return NamedSize(parameters, text, experts) if parameters else None


def family_in_name(model: str) -> str:
    """Return a model's name with * in place of its size: models that share it differ in size only.

    >>> family_in_name("org/RM-Llama-3.1-8B-v0.2"), family_in_name("org/llama13b"), family_in_name("org/RM")
    ('org/RM-Llama-3.1-*-v0.2', 'org/llama*', 'org/RM')
    """
    match = _search_size(model)
    if match is None:
        return model
    offset = len(model) - len(match.string)
    return f"{model[: offset + match.start()]}*{model[offset + match.end() :]}"


def _search_size(model: str) -> re.Match[str] | None:
    """Return the size in a model's name, without its organization."""
    name = model.rpartition("/")[2]
    return _BILLIONS.search(name) or _MILLIONS.search(name)


STEP, EPOCH, ITERATION, SEED, LAUNCH, CUT_OFF = "step", "epoch", "iteration", "seed", "launch", "cut off"
"""What distinguishes the models of a run: see `RunMember.unit`."""
TRAINING = (STEP, EPOCH, ITERATION)
"""Units whose models are checkpoints of one training, so that a curve joins their scores."""
_LAUNCHED = re.compile(r"(?P<name>.+)__\d{1,6}__(?P<step>1[5-9]\d{8})")
"""Name of a development run: experiment, seed and start of the run in seconds since 1970."""
_CUT_OFF = re.compile(r"(?P<run>.+?)[-_.](?:check|ckpt|step)[a-z]*\.\.\.", re.IGNORECASE)
"""Name that a published table cut off where the checkpoint began."""
_WORDS = {
    STEP: r"(?:global[-_]?)?step|checkpoint|ckpt|chkpt",
    EPOCH: r"epochs?|ep",
    ITERATION: r"iter(?:ation)?",
    SEED: r"seed",
}
_NUMBERED = {
    unit: re.compile(
        rf"(?P<run>.*?[^-_.@/])[-_.@](?:{words})[-_=]?(?P<step>\d{{1,9}}(?:\.\d{{1,3}})?)(?P<kilo>k?)"
        r"(?P<tokens>[-_]tokens\d+[bmt])?",
        re.IGNORECASE,
    )
    for unit, words in _WORDS.items()
}
_STEPS_LAST = re.compile(
    r"(?P<run>.*?[^-_.@/])[-_.@](?P<step>\d{1,9}(?:\.\d{1,3})?)(?P<kilo>k?)[-_]?steps?(?P<tokens>)", re.IGNORECASE
)


@dataclass(frozen=True)
class RunMember:
    """A model as one of several of a training run.

    Args:
        run: name that the models of the run share.
        step: place of the model in the run, in the unit; None if the name is cut off.
        unit: what `step` counts: `step`, `epoch` or `iteration` of one training; `seed` of a recipe; `launch`, the
            start of a development run in seconds since 1970; or `cut off`.
    """

    run: str
    step: float | None
    unit: str


@lru_cache(maxsize=4096)
def run_in_name(model: str) -> RunMember | None:
    """Return the run of which a model's name states that it is a checkpoint, or None.

    >>> run_in_name("org/rm-7b-step-1500")
    RunMember(run='org/rm-7b', step=1500.0, unit='step')
    >>> [run_in_name(name).step for name in ("org/rm@step2k", "org/rm-epoch-2.5", "org/rm_1000_steps", "org/rm-Iter3")]
    [2000.0, 2.5, 1000.0, 3.0]
    >>> run_in_name("allenai/open_instruct_dev-rm_3e-6_1_dpo__1__1743549903").run
    'allenai/open_instruct_dev'
    >>> run_in_name("org/rm-7b-v2.0"), run_in_name("org/step-1")
    (None, None)
    """
    name = model.rstrip("/")
    if match := _LAUNCHED.fullmatch(name):
        return RunMember(_repository(match["name"]), float(match["step"]), LAUNCH)
    if match := _CUT_OFF.fullmatch(name):
        return RunMember(match["run"], None, CUT_OFF)
    for unit, pattern in (*_NUMBERED.items(), (STEP, _STEPS_LAST)):
        if match := pattern.fullmatch(name):
            return RunMember(match["run"], float(match["step"]) * (1000 if match["kilo"] else 1), unit)
    return None


def _repository(name: str) -> str:
    """Return the repository of a development run: rewardbench 0.1 joins it and the name of the run by a dash."""
    organization, slash, model = name.rpartition("/")
    return f"{organization}{slash}{model.partition('-')[0]}"
