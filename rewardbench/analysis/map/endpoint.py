"""Ask a language model at an OpenAI-compatible endpoint; the key comes from the environment and is never written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rewardbench.errors import InputError
from rewardbench.scorers.judge.answers import FAILURES, Answer
from rewardbench.scorers.judge.client import ChatClient
from rewardbench.scorers.judge.ledger import Ledger
from rewardbench.scorers.judge.transport.connection import describe_server
from rewardbench.settings import Endpoint

PREFIX = "openai:"


def parse_endpoint(text: str) -> tuple[str, str]:
    """Return address and model of `openai:URL#MODEL`.

    >>> parse_endpoint("openai:http://127.0.0.1:8000/v1#qwen")
    ('http://127.0.0.1:8000/v1', 'qwen')

    Raises:
        InputError: if the text has another form.
    """
    url, mark, model = text.removeprefix(PREFIX).partition("#")
    if not (text.startswith(PREFIX) and mark and model.strip() and url):
        raise InputError("An endpoint is openai:URL#MODEL, such as openai:http://127.0.0.1:8000/v1#my-model.")
    return url, model.strip()


class ChatEndpoint:
    """A language model at an endpoint. Answers are kept in the ledger of answers, so that none is paid twice.

    Args:
        text: `openai:URL#MODEL`; the key is read from OPENAI_API_KEY.
        pause: seconds before the first retry, at most; twice that before the second, and so on.

    Raises:
        InputError: if the text has another form, or the key is missing.
    """

    def __init__(self, text: str, pause: float = 0.5) -> None:
        url, self.model = parse_endpoint(text)
        self._endpoint = Endpoint(url)
        self.identity = f"{PREFIX}{describe_server(url)}#{self.model}"
        self._ledger = Ledger()
        self._client = ChatClient(self._endpoint, self._ledger, pause=pause)

    def complete(
        self, questions: Sequence[str], seeds: Sequence[int], temperature: float, max_tokens: int
    ) -> list[str | None]:
        """Return the answer to each question; None where the server gave none.

        Args:
            questions: each the text of a user.
            seeds: of the sampling, one for each.
            temperature: of the sampling.
            max_tokens: of an answer.

        Raises:
            InputError: if no request can succeed, or none of several was answered: an outage is not a text.
        """
        bodies: list[dict[str, object]] = []
        for question, seed in zip(questions, seeds, strict=True):
            message = {"role": "user", "content": question}
            body = {"model": self.model, "temperature": temperature, "seed": seed, "max_tokens": max_tokens}
            bodies.append({**body, "messages": [message]})
        texts: list[str | None] = []
        failed: Answer | None = None
        for answer in asyncio.run(self._complete(bodies)):
            failed = answer if answer.failure is not None else failed
            texts.append(answer.text if answer.failure is None else None)
        if failed is not None and failed.failure is not None and len(texts) > 1 and not any(map(_is_text, texts)):
            detail = f" ({failed.detail})" if failed.detail else ""
            raise InputError(
                f"{self.model} answered none of {len(texts)} requests: {FAILURES[failed.failure]}{detail}. Run the "
                "same command to go on."
            )
        return texts

    async def _complete(self, bodies: Sequence[dict[str, object]]) -> list[Answer]:
        self._client.start()
        try:
            return await asyncio.gather(*map(self._client.complete, bodies))
        finally:
            await self._client.close()


def _is_text(answer: str | None) -> bool:
    return answer is not None
