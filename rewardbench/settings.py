"""Settings of a run: the model, the data, how it is computed. Names and types are checked before anything is loaded."""

from __future__ import annotations

import math
import os
import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal, SupportsFloat, TypedDict, get_args, get_origin, get_type_hints

from rewardbench.errors import InputError
from rewardbench.types import Aggregation, Scorer

if TYPE_CHECKING:
    from pydantic import TypeAdapter

ADDRESS = re.compile(r"https?://(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::(\d{1,5}))?(?:/[!-~]*)?")
Model = str | os.PathLike[str] | Scorer | tuple[object, object] | Callable[[str, str], SupportsFloat]
"""A name, a folder or a Hub id; in memory: a scorer, (model, tokenizer), or a function of prompt and completion."""
Data = str | os.PathLike[str] | Iterable[object]
"""A name, a file, a folder, a Hub id; or in memory: a list of dicts, a DataFrame or a `datasets.Dataset`."""

RefFreeType = Literal["sum", "avg", "norm"]
TruncationSide = Literal["left", "right"]
Dtype = Literal["auto", "float16", "bfloat16", "float32", "float64", "fp16", "bf16", "fp32"]
DTYPE_NAMES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}
"""Short names of dtypes, as trainers write them; settings hold the long ones."""
DeviceMap = Literal["auto", "balanced", "balanced_low_0", "sequential", "tensor_parallel"]
Pairs = Literal["best-worst", "all", "best-of-n"]
Engine = Literal["local", "ray"]


class CheckedOptions:
    """Base of dataclasses of options: checks the type of each field, and converts paths, numpy numbers and dtypes."""

    def __post_init__(self) -> None:
        hints = _type_hints(type(self))  # type: ignore[arg-type]  # mypy takes the hash of instances for that of the class
        for name, hint in hints.items():
            if not is_dataclass(hint):
                object.__setattr__(self, name, _check_type(name, getattr(self, name), hint))


@cache
def _type_hints(group: type) -> dict[str, type]:
    """Return the type of each field of a dataclass; evaluating the annotations takes a millisecond."""
    return get_type_hints(group)


def _check_type(name: str, value: object, hint: type) -> object:
    """Return a value as the type of its field: paths and torch dtypes as text, numbers of numpy as Python's.

    Raises:
        InputError: if the value is of another type.
    """
    from pydantic import ValidationError

    converted = value
    if isinstance(value, os.PathLike):
        converted = os.fspath(value)
    elif isinstance(value, Integral) and not isinstance(value, bool):
        converted = int(value)
    elif isinstance(value, Real) and not isinstance(value, bool):
        converted = float(value)
    elif name == "dtype":
        text = str(value).removeprefix("torch.")
        converted = DTYPE_NAMES.get(text, text)
    try:
        return _validator(hint).validate_python(converted, strict=True)
    except ValidationError:
        raise InputError(f"{name} is {reprlib.repr(value)}: it must be {_describe_type(hint)}.") from None


@cache
def _validator(hint: type) -> TypeAdapter[object]:
    """Return the validator of a type; pydantic is imported here, since importing it takes a while."""
    from pydantic import TypeAdapter

    return TypeAdapter(hint)


TYPE_NAMES = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def _describe_type(hint: type) -> str:
    """Describe a type for an error message.

    >>> _describe_type(int | None), _describe_type(TruncationSide)
    ('a whole number or None', 'one of left, right')
    """
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if type(None) in get_args(hint):
        (inner,) = set(get_args(hint)) - {type(None)}
        return f"{_describe_type(inner)} or None"
    return TYPE_NAMES.get(hint) or f"of type {hint.__name__}"


def check_at_least_one(settings: object, *names: str) -> None:
    """Check that attributes are None or a whole number of at least 1.

    Raises:
        InputError: if one is not.
    """
    for name in names:
        count = getattr(settings, name)
        if count is not None and not (isinstance(count, int) and count >= 1):
            raise InputError(f"{name} is {count!r}: it must be a whole number of at least 1, or None.")


def check_above_zero(settings: object, *names: str) -> None:
    """Check that attributes are None or a number above 0.

    Raises:
        InputError: if one is not.
    """
    for name in names:
        value = getattr(settings, name)
        if value is not None and not value > 0:
            raise InputError(f"{name} is {value!r}: it must be a number above 0, or None.")


@dataclass(frozen=True)
class Endpoint(CheckedOptions):
    """A server that is called over HTTP, with its limits and prices."""

    base_url: str
    """Address up to the version, such as http://127.0.0.1:8000/v1."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; the key itself is never stored."""
    max_concurrency: int = 32
    """Requests in flight at the same time."""
    timeout: float = 300.0
    """Seconds until a request is given up and retried."""
    max_retries: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    input_price: float | None = None
    """Price of a million prompt tokens, in dollars."""
    output_price: float | None = None
    """Price of a million completion tokens, in dollars."""
    max_cost: float | None = None
    """Dollars after which no request is sent."""
    max_requests: int | None = None
    """Requests after which none is sent, retries included."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "max_concurrency", "requests_per_minute", "tokens_per_minute", "max_requests")
        check_above_zero(self, "timeout", "max_cost")
        if not self.api_key_env.isidentifier():
            raise InputError("api_key_env is not the name of an environment variable: name the one with the key.")
        if re.search("[@?#]", self.base_url):
            raise InputError(f"base_url has a key in it, or a text after @, ? or #: set {self.api_key_env} instead.")
        address = ADDRESS.fullmatch(self.base_url)
        if address is None or int(address[1] or 0) > 65_535:
            raise InputError(f"base_url is {self.base_url!r}: it must begin with http:// or https://, and name a host.")
        if not all(value >= 0 for value in (self.input_price or 0, self.output_price or 0, self.max_retries)):
            raise InputError("input_price, output_price and max_retries must be at least 0.")
        if self.max_cost is not None and self.input_price is None and self.output_price is None:
            raise InputError("max_cost needs prices: set input_price and output_price, in dollars per million tokens.")


@dataclass(frozen=True)
class JudgeSpec(CheckedOptions):
    """Settings of an LLM judge: protocol, sampling, and the server that runs it; None is the protocol's own value."""

    protocol: str = "choice"
    """Name of a judge protocol, or a YAML or Python file that defines one."""
    endpoint: Endpoint | None = None
    """The server; None: the model is a folder or a Hub id, and runs in this process."""
    prompts: str | None = None
    """File from which an official protocol reads its prompts."""
    principle: str | None = None
    """Principle by which the judge must judge, for protocols that show one."""
    orders: int | None = None
    """Number of orders in which completions are shown; None: both, or every rotation."""
    repeats: int | None = None
    """Answers sampled for each request."""
    temperature: float | None = None
    max_tokens: int | None = None
    """Maximum tokens of an answer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "orders", "repeats", "max_tokens")
        if self.temperature is not None and not self.temperature >= 0:
            raise InputError(f"temperature is {self.temperature}: it must be at least 0.")


Dialect = Literal["vllm", "sglang", "openrlhf", "llamafactory", "tei"]


@dataclass(frozen=True)
class ServerSpec(CheckedOptions):
    """A reward model behind a server: the HTTP dialect that the server speaks, and its address."""

    dialect: Dialect
    endpoint: Endpoint
    served_model: str | None = None
    """Name under which the server knows the model; None: the name of the model."""
    parity: str | None = None
    """Folder or Hub id of the transformers model, with whose scores those of the server are compared first."""


@dataclass(frozen=True)
class ModelSpec(CheckedOptions):
    """Which model is scored, and how it runs; `None` means the model's own. `evaluate` documents each option."""

    model: str
    ref_model: str | None = None
    ref_free_type: RefFreeType | None = None
    revision: str | None = None
    ref_revision: str | None = None
    tokenizer: str | None = None
    chat_template: str | None = None
    max_length: int | None = None
    truncation_side: TruncationSide = "left"
    dtype: Dtype = "auto"
    attn_implementation: str | None = None
    compile: bool = False
    device: str | None = None
    device_map: DeviceMap | None = None
    max_memory: str | None = None
    load_in_8bit: bool = False
    load_in_4bit: bool = False
    trust_remote_code: bool = False
    allow_pickle: bool = False
    label: str | None = None
    adapter: str | None = None
    step_aggregation: Aggregation | None = None
    beta: float = 1.0
    seed: int = 0
    judge: JudgeSpec | None = None
    """Set if the model is a language model that judges."""
    server: ServerSpec | None = None
    """Set if the model is a reward model behind a server."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "max_length")
        if self.load_in_8bit and self.load_in_4bit:
            raise InputError("--load_in_8bit and --load_in_4bit exclude each other: pass one of them.")
        if self.judge and self.server:
            raise InputError("judge and server exclude each other: a model is a judge or a reward model.")


@dataclass(frozen=True)
class Inputs(CheckedOptions):
    """A model and the data on which it is scored."""

    model: ModelSpec
    dataset: str = "core"
    split: str | None = None
    subset: str | None = None
    dataset_revision: str | None = None
    protocol: str | None = None
    pairs: Pairs | None = None
    """Items built from a prompt with several scored completions; None: its best against its worst."""


@dataclass(frozen=True)
class Settings(Inputs):
    """One run: a model on data, and how it is computed."""

    scores_only: bool = False
    load_json: bool = False
    limit: int | None = None
    sample: int | None = None
    """Items of a random sample, each subset in proportion; the revision of the suite records it."""
    sample_seed: int = 0
    fresh: int | None = None
    """Seed of a fresh draw of core's builders, which is scored too; `run` takes the folder of the draw."""
    batch_size: int | None = None
    batch_tokens: int | None = None
    num_processes: int | None = None
    engine: Engine = "local"
    """Where batches are scored: by this process and its workers, or by actors of a Ray cluster."""
    ray_address: str | None = None
    ray_actors: int | None = None
    gpus_per_actor: float | None = None
    cache: bool = False
    """Whether scores are read from and written to the local cache."""
    step_threshold: float | None = None
    calibration: bool = False
    shard: str | None = None
    """Parts of the items that are scored, such as 0/3, as `evaluation.shards.Shard` parses them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least_one(self, "limit", "sample", "batch_size", "batch_tokens", "num_processes", "ray_actors")
        if self.limit and self.sample:
            raise InputError("--limit and --sample exclude each other: the first items, or some of each subset.")
        self._check_engine()
        if self.model.device_map and (self.num_processes or 1) > 1:
            raise InputError("--device_map spreads one model over all devices: leave out --num_processes.")

    def _check_engine(self) -> None:
        if self.engine == "local":
            for name in ("ray_address", "ray_actors", "gpus_per_actor"):
                if getattr(self, name) is not None:
                    raise InputError(f"--{name} needs --engine ray: pass it too.")
            return
        gpus = self.gpus_per_actor or 0.0
        if not (0 <= gpus < 1 or (gpus.is_integer() and gpus < math.inf)):
            raise InputError(f"--gpus_per_actor {gpus:g} must be a whole number, or a share of one GPU such as 0.5.")
        if self.num_processes is not None:
            raise InputError("--num_processes and --engine ray exclude each other: pass --ray_actors.")
        if ":" in (self.model.device or ""):
            raise InputError(f"--device {self.model.device} names a GPU, and Ray assigns those of actors: pass cuda.")


class ScorerOptions(TypedDict, total=False):
    """Options of `load_scorer` and `score`; all may be left out, and mean what they mean in `evaluate`."""

    ref_model: str | None
    ref_free_type: RefFreeType | None
    revision: str | None
    ref_revision: str | None
    tokenizer: str | None
    chat_template: str | None
    max_length: int | None
    truncation_side: TruncationSide
    dtype: Dtype
    attn_implementation: str | None
    compile: bool
    device: str | None
    device_map: DeviceMap | None
    max_memory: str | None
    load_in_8bit: bool
    load_in_4bit: bool
    trust_remote_code: bool
    allow_pickle: bool
    label: str | None
    adapter: str | None
    step_aggregation: Aggregation | None
    beta: float
    seed: int
    judge: JudgeSpec | None
    server: ServerSpec | None
    batch_size: int | None
    batch_tokens: int | None
    cache: bool


class EvaluateOptions(ScorerOptions, total=False):
    """Options of `evaluate`: those of `ModelSpec` and `Settings`, for type checkers; all may be left out."""

    split: str | None
    subset: str | None
    dataset_revision: str | None
    protocol: str | None
    pairs: Pairs | None
    scores_only: bool
    load_json: bool
    limit: int | None
    sample: int | None
    sample_seed: int
    fresh: int | None
    num_processes: int | None
    engine: Engine
    ray_address: str | None
    ray_actors: int | None
    gpus_per_actor: float | None
    step_threshold: float | None
    calibration: bool
    shard: str | None
