"""Answers of a fake judge: functions that read the responses in a prompt and return a verdict, decided by hash."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
EXPLANATION = "Both the content and the style of the responses were compared."
MISSING = "The prompt is incomplete."
"""Answer to a prompt without responses."""
FILLERS = "The I As Let It This Based After To In On First Well Here So We For While Overall Given".split()
"""Tokens that share the probability which a reply leaves over."""
LEAST_LOGPROB = -9999.0
"""What servers send for a probability of 0."""


def draw(seed: int, name: str, key: bytes) -> float:
    """Return a number in [0, 1) that depends on the arguments alone."""
    digest = hashlib.blake2b(f"{seed}|{name}|".encode() + key, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@dataclass(frozen=True)
class Question:
    """One request as a decide function sees it.

    Attributes:
        body: the parsed JSON body.
        key: what answers and faults are drawn by: the digest of the raw body unless `Behaviour.key` says otherwise.
        seed: seed of the judge.
        sample: number of the choice if the request asks for `n`, and of the repeat under `Behaviour.vary_repeats`.
    """

    body: Mapping[str, object]
    key: bytes
    seed: int = 0
    sample: int = 0

    @cached_property
    def prompt(self) -> str:
        """Return the texts of all messages, joined by line breaks."""
        return "\n".join(text for _, text in messages_of(self.body))

    def draw(self, name: str) -> float:
        """Return a number in [0, 1), the same for the same request whatever else the server was sent."""
        return draw(self.seed, f"{name}|{self.sample}", self.key)


@dataclass(frozen=True)
class Reply:
    """An answer to be sent.

    Attributes:
        content: text of the answer.
        contrary: a text with another verdict, for faults that state both, and for thoughts before the answer.
        probabilities: of the tokens that may be at the place of the verdict, without leading space; what they leave
            over goes to FILLERS.
        at: which of the tokens named in `probabilities` is the verdict, if several occur: 0 = first, -1 = last.
    """

    content: str | None
    contrary: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    at: int = -1


Decide = Callable[[Question], "Reply | str"]
Qualities = Callable[[str], Sequence[float]]
"""From a prompt to the hidden quality of each response in it, in the order shown, each in [0, 1]."""


def messages_of(body: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return role and text of each message; the text parts of a content list are joined."""
    pairs = []
    for message in body.get("messages") or []:
        content = message.get("content") or ""
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        pairs.append((message.get("role", ""), content))
    return pairs


def marked_qualities(prompt: str) -> list[float]:
    """Return the numbers of all marks `quality=0.73` in a prompt, in order."""
    return [float(number) for number in re.findall(r"quality=(\d*\.?\d+)", prompt)]


def delimited_qualities(*delimiters: tuple[str, str], seed: int = 0) -> Qualities:
    """Return a function that finds each response between two texts and takes its quality from a hash of it."""

    def qualities(prompt: str) -> list[float]:
        numbers = []
        for start, end in delimiters:
            response = prompt.rpartition(start)[2].partition(end)[0].strip()
            numbers.append(draw(seed, "quality", response.encode()))
        return numbers

    return qualities


def always(content: str) -> Decide:
    """Return a judge that gives the same answer to everything: `always("[[A]]")`, `always("[[C]]")` for a tie."""

    def decide(question: Question) -> Reply:
        return Reply(content, content)

    return decide


def choose(
    qualities: Qualities = marked_qualities,
    position_bias: float = 0.0,
    tie_margin: float = -1.0,
    noise: float = 0.0,
    form: str = EXPLANATION + " [[{}]]",
) -> Decide:
    """Return a judge of two or more responses: the letter of the best, in `form`.

    Args:
        qualities: finds the quality of each response in the prompt.
        position_bias: share of requests, by hash, which get the letter of the first response whatever the qualities.
        tie_margin: the letter after the last one (`[[C]]` of a pair) if the best two differ by no more than this.
        noise: largest change of a quality, drawn by request: answers to repeats with other seeds then differ.
        form: format string of the answer. `form="{}"` answers with the letter alone, for judges by logprobs.
    """

    def decide(question: Question) -> Reply:
        scores = perturbed(qualities, question, noise)
        if len(scores) < 2:
            return Reply(MISSING)
        first, second = sorted(scores, reverse=True)[:2]
        best = scores.index(first)
        if first - second <= tie_margin:
            best = len(scores)
        if question.draw("position bias") < position_bias:
            best = 0
        weights = [math.exp(4 * score) for score in scores]
        probabilities = {}
        for letter, weight in zip(LETTERS, weights, strict=False):
            probabilities[letter] = 0.02 * weight / sum(weights)
        probabilities[LETTERS[best]] = probabilities.get(LETTERS[best], 0.0) + 0.96
        other = LETTERS[1 if best == 0 else 0]
        return Reply(form.format(LETTERS[best]), form.format(other), probabilities)

    return decide


def perturbed(qualities: Qualities, question: Question, noise: float) -> list[float]:
    """Return the qualities of the responses of a question, each moved by at most `noise`."""
    scores = list(qualities(question.prompt))
    if noise:
        for index, score in enumerate(scores):
            scores[index] = score + noise * (2 * question.draw(f"noise {index}") - 1)
    return scores


def rate(
    qualities: Qualities = marked_qualities,
    low: int = 1,
    high: int = 10,
    noise: float = 0.0,
    form: str = EXPLANATION + " Rating: {}",
) -> Decide:
    """Return a judge that rates the first response from `low` to `high`; a quality of 0 is `low`, of 1 is `high`.

    The probabilities of the rating tokens, at the last token, peak at the rating; with `form="{}"` the rating is the
    only token.
    """

    def decide(question: Question) -> Reply:
        scores = perturbed(qualities, question, noise)
        if not scores:
            return Reply(MISSING)
        exact = low + min(max(scores[0], 0.0), 1.0) * (high - low)
        rating = math.floor(exact + 0.5)
        weights = {}
        for level in range(low, high + 1):
            weights[str(level)] = math.exp(-((level - exact) ** 2))
        total = sum(weights.values())
        probabilities = {level: 0.98 * weight / total for level, weight in weights.items()}
        other = low if rating > (low + high) / 2 else high
        return Reply(form.format(rating), form.format(other), probabilities)

    return decide


def yes_no(qualities: Qualities = marked_qualities, form: str = "{}", leftover: float = 0.02) -> Decide:
    """Return a judge that says Yes with the quality of the first response as probability; `leftover` is for FILLERS."""

    def decide(question: Question) -> Reply:
        scores = qualities(question.prompt)
        if not scores:
            return Reply(MISSING)
        probabilities = {"Yes": scores[0] * (1 - leftover), "No": (1 - scores[0]) * (1 - leftover)}
        likely, unlikely = ("Yes", "No") if scores[0] >= 0.5 else ("No", "Yes")
        return Reply(form.format(likely), form.format(unlikely), probabilities)

    return decide


def rank(
    qualities: Qualities = marked_qualities,
    form: str = EXPLANATION + " Ranking: {}",
    separator: str = " > ",
    label: str = "{}",
) -> Decide:
    """Return a judge that orders the responses from best to worst by their letters: `Ranking: B > A > C`."""

    def decide(question: Question) -> Reply:
        scores = qualities(question.prompt)
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        letters = [label.format(LETTERS[index]) for index in order]
        return Reply(form.format(separator.join(letters)), form.format(separator.join(reversed(letters))))

    return decide


def tokens_of(content: str) -> list[str]:
    """Split a text into the tokens of this server: words and punctuation, with the space before them."""
    return re.findall(r"\s*(?:\w+|[^\w\s]+)|\s+$", content)


def count_tokens(content: str | None) -> int:
    """Return the number of words, separated by space: what this server bills as tokens."""
    return len((content or "").split())


def logprobs_of(reply: Reply, tokens: Sequence[str], top: int, hide_unlikely: bool = False) -> list[dict[str, object]]:
    """Return the logprobs of each token in OpenAI's format, with the `top` most likely alternatives.

    Args:
        reply: the reply that the tokens are of.
        tokens: the tokens sent.
        top: number of alternatives per token, 0 for an empty list.
        hide_unlikely: leave out every token of `reply.probabilities` but the one sent.
    """
    places = [index for index, token in enumerate(tokens) if token.strip() in reply.probabilities]
    verdict = places[reply.at] if places else -1
    entries = []
    for index, token in enumerate(tokens):
        word = token.strip()
        space = token[: len(token) - len(word)]
        probabilities = dict(reply.probabilities) if index == verdict else {word: 0.999}
        share = max(1 - sum(probabilities.values()), 1e-9)
        if hide_unlikely:
            probabilities = {word: probabilities.get(word, 1e-9)}
        probabilities.setdefault(word, 1e-9)
        for place, filler in enumerate(FILLERS, start=1):
            probabilities.setdefault(filler, share / 2**place)
        likely = sorted(probabilities.items(), key=lambda pair: -pair[1])[:top]
        alternatives = [logprob_entry(space + word, number) for word, number in likely]
        entries.append({**logprob_entry(token, probabilities[word]), "top_logprobs": alternatives})
    return entries


def logprob_entry(token: str, probability: float) -> dict[str, object]:
    """Return token, logprob and bytes in OpenAI's format."""
    logprob = math.log(probability) if probability > 0 else LEAST_LOGPROB
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
