"""Options of the analyses that hold conversations with a chat model and judge its replies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rewardbench.analysis.chatbench.chains import Chain
from rewardbench.analysis.chatbench.chat_models import ChatSampling, load_chat_model
from rewardbench.analysis.chatbench.play import ChatRun, play
from rewardbench.analysis.options import OptionHelp
from rewardbench.errors import InputError
from rewardbench.paths import home_path
from rewardbench.settings import Endpoint, JudgeSpec, ModelSpec


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """Options of a chat model and of a judge of its replies."""

    chat_model: Annotated[
        str | None, OptionHelp("Chat model to evaluate: hf:FOLDER (in this process), or openai:URL#MODEL (a server)")
    ] = None
    run: Annotated[
        str | None, OptionHelp("File (.jsonl) for its replies; an interrupted run resumes; default: from its name")
    ] = None
    max_tokens: Annotated[int, OptionHelp("Maximum tokens of a reply", min=1)] = 400
    sampling_temperature: Annotated[float, OptionHelp("Sampling temperature of the replies; 0: greedy", min=0)] = 0.0
    seed: Annotated[int, OptionHelp("Random seed of sampling and of the bootstrap")] = 0
    judge: Annotated[str | None, OptionHelp("LLM judge of the replies: its name at --judge_url, or a folder")] = None
    judge_url: Annotated[str | None, OptionHelp("Address of the judge's server: http://127.0.0.1:8000/v1")] = None
    api_key_env: Annotated[str, OptionHelp("Environment variable with the API key of the servers")] = "OPENAI_API_KEY"

    def hold(self, chains: list[Chain], default: str) -> ChatRun | None:
        """Return the replies of the chat model to chains; None if no chat model is named.

        Args:
            chains: the conversations.
            default: name of the file for the replies without its suffix, to which the model's name is added.
        """
        if self.chat_model is None:
            if self.run is not None:
                raise InputError("--run is the file for the replies of a chat model: pass --chat_model.")
            return None
        sampling = ChatSampling(self.max_tokens, self.sampling_temperature, self.seed)
        model = load_chat_model(self.chat_model, sampling, self.api_key_env)
        stem = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in Path(model.name).name)
        return play(chains, model, home_path(self.run or f"{default}-{stem}.jsonl"))

    def judge_spec(self, protocol: str) -> ModelSpec | None:
        """Return the specification of the judge; None if none is named."""
        if self.judge is None:
            if self.judge_url is not None:
                raise InputError("--judge_url is the server of a judge: pass --judge with its name there.")
            return None
        endpoint = Endpoint(self.judge_url, api_key_env=self.api_key_env) if self.judge_url else None
        return ModelSpec(self.judge, judge=JudgeSpec(protocol=protocol, endpoint=endpoint))
