"""Report errors from inside a model in one line: the model, its architecture, and the text it failed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rewardbench.errors import InputError
from rewardbench.types import TokenRequest

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

T = TypeVar("T")

MEMORY_SIGNS = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")
"""Parts of the messages with which a CPU, MPS (or an asynchronous CUDA kernel) and cuBLAS report out of memory."""


class ModelFailure(InputError):
    """A model's forward failed on one text; `key` is the key of its request."""

    def __init__(self, sentence: str, key: bytes = b"") -> None:
        super().__init__(sentence, key)
        self.key = key

    def __str__(self) -> str:
        return str(self.args[0])


def out_of_memory(error: BaseException) -> bool:
    """Return True if an error of torch says that memory ran out, on any device."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in MEMORY_SIGNS)
    )


def first_sentence(error: BaseException) -> str:
    """Return the first sentence of a library's message, on one line.

    >>> first_sentence(ValueError("No such thing. See the docs" + chr(10) + "at length"))
    'No such thing'
    """
    line = str(error).strip().split("\n")[0]
    return line.split(". ")[0].rstrip(".:") or type(error).__name__


@contextmanager
def reported(name: str, config: PreTrainedConfig, request: TokenRequest) -> Iterator[None]:
    """Context manager: turn whatever a model's forward raises on one request into a ModelFailure.

    Out-of-memory errors pass unchanged: the engine then tries smaller batches.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise ModelFailure(
            f"{name} (architecture {config.model_type}) failed on a text of {len(request)} tokens, with "
            f"{type(error).__name__}: {first_sentence(error)}. The data is not the cause: run rewardbench doctor "
            f"--model {name} and report its output.",
            request.key,
        ) from error


@contextmanager
def part_reported(part: str) -> Iterator[None]:
    """Context manager: turn whatever a library raises while it loads a part of a model into an InputError.

    Args:
        part: what is loaded, for the message: "the tokenizer of X".
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"Cannot load {part}: {first_sentence(error)}.") from error


@contextmanager
def loading_reported(name: str) -> Iterator[None]:
    """Context manager: turn whatever a model's own code raises while it is loaded and probed into a ModelFailure."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise ModelFailure(
            f"{name} cannot be loaded: {type(error).__name__}: {first_sentence(error)}. Check its config.json and its "
            "files; if transformers loads it, report this line with the versions of transformers and rewardbench."
        ) from error


def run_reported(
    name: str,
    config: PreTrainedConfig,
    requests: Sequence[TokenRequest],
    forward: Callable[[Sequence[TokenRequest]], list[T]],
) -> list[T]:
    """Run a forward over a batch or, if that fails, over each request, so that the error names the text.

    Args:
        name: the model's name, for the error.
        config: the model's configuration, for the error.
        requests: the batch.
        forward: scores a batch in one forward pass.

    Raises:
        ModelFailure: if the model fails on a single request; errors of torch pass if memory runs out.
    """
    if len(requests) > 1:
        try:
            return forward(requests)
        except InputError:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
    scores: list[T] = []
    for request in requests:
        with reported(name, config, request):
            scores += forward([request])
    return scores
