"""Options of servers: of judges, and of reward models over HTTP (`--engine http`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from rewardbench.cli.options import CountOption, TextOption, flag
from rewardbench.errors import InputError

if TYPE_CHECKING:
    from rewardbench.settings import ServerSpec

SERVER = "Server"
"""Panel of the help."""
# Repeats a type of rewardbench.settings, because that module takes too long to import for --help.
DialectOption = Literal["vllm", "sglang", "openrlhf", "llamafactory", "tei"] | None
ENDPOINT = ("base_url", "api_key_env", "max_concurrency", "timeout", "max_retries")
REWARD_MODEL = ("dialect", "served_model", "parity")


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Options of a server; None: the default."""

    base_url: Annotated[
        TextOption, flag(SERVER, "base_url", "Address of the server, such as http://127.0.0.1:8000/v1")
    ] = None
    api_key_env: Annotated[
        TextOption, flag(SERVER, "api_key_env", "Environment variable with the key; default: OPENAI_API_KEY")
    ] = None
    max_concurrency: Annotated[
        CountOption, flag(SERVER, "max_concurrency", "Maximum requests in flight; default: 32", min=1)
    ] = None
    timeout: Annotated[float | None, flag(SERVER, "timeout", "Seconds until a request is retried; default: 300")] = None
    max_retries: Annotated[
        CountOption, flag(SERVER, "max_retries", "Maximum retries of a request; default: 8", min=0)
    ] = None
    engine: Annotated[
        Literal["transformers", "http", "ray"],
        flag(
            SERVER,
            "engine",
            "transformers: run --model here; http: score by the server --base_url; ray: run it on a Ray cluster",
        ),
    ] = "transformers"
    dialect: Annotated[
        DialectOption,
        flag(
            SERVER,
            "dialect",
            "With --engine http: the API of the server",
            metavar="<vllm|sglang|openrlhf|llamafactory|tei>",
        ),
    ] = None
    served_model: Annotated[
        TextOption,
        flag(SERVER, "served_model", "With --engine http: name of the model at the server; default: --model"),
    ] = None
    parity: Annotated[
        TextOption,
        flag(
            SERVER,
            "parity",
            "With --engine http: folder of the model, with whose scores the server's are compared first",
        ),
    ] = None

    def endpoint(self) -> dict[str, object]:
        """Return the options of the endpoint that are set, by their names."""
        values: Mapping[str, object] = vars(self)
        return {name: values[name] for name in ENDPOINT if values[name] is not None}

    def reject_for_judge(self) -> None:
        """Reject options of reward models behind a server.

        Raises:
            InputError: for the first one that is set.
        """
        for name in REWARD_MODEL if self.engine == "transformers" else ("engine",):
            if getattr(self, name) is not None:
                raise InputError(f"--{name} applies to reward models: pass --model, or leave it out with --judge.")

    def server_spec(self) -> ServerSpec | None:
        """Return the server of --model; None if it runs here.

        Raises:
            InputError: if an option is missing, or contradicts another.
        """
        from rewardbench.settings import Endpoint, ServerSpec

        if self.engine != "http":
            for name in (*ENDPOINT, *REWARD_MODEL):
                if getattr(self, name) is not None:
                    raise InputError(
                        f"--{name} needs a server: pass --engine http for a reward model, or --judge NAME for a judge."
                    )
            return None
        if not self.base_url or not self.dialect:
            raise InputError("--engine http needs the server: pass --base_url URL and --dialect NAME.")
        endpoint = Endpoint(**self.endpoint())  # type: ignore[arg-type]
        return ServerSpec(self.dialect, endpoint, self.served_model, self.parity)
