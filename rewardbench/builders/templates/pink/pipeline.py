"""Build pink elephants: topics, pairs, plans, dialogues, critique, revision of the last reply; then the mirrors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rewardbench.builders.mirrors import Mirror, to_lines
from rewardbench.builders.templates.pink.assembly import (
    Dialogue,
    dialogue_faults,
    find_mentions,
    forbidden_and_wanted,
    parse_dialogue,
    pink_mirror,
    revision_faults,
)
from rewardbench.builders.templates.pink.backends import (
    Backend,
    DialogueRequest,
    OpenAIBackend,
    TemplateBackend,
    parse_outlines,
    parse_pairs,
)
from rewardbench.builders.templates.pink.json_values import JsonMapping, text_field, texts_field
from rewardbench.builders.templates.pink.material import SubjectPair
from rewardbench.builders.templates.pink.plan import Plan, TopicOutlines, make_plans
from rewardbench.builders.templates.pink.stages import StageAnswer, StageCache, stages_folder
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

POOLS = ("suite", "fresh", "train")
"""Core; the same dialogues and rules under invented names; other dialogues, fewer rules and invented names to train on.
"""
ATTEMPTS = 3
"""How often a dialogue or revision with faults is requested."""
MIN_TOPICS = 29
"""How many topics a backend is asked for."""


def build(
    seed: int,
    count: int,
    output: Path,
    workers: int = 1,
    backend: Backend | None = None,
    pool: str = "suite",
    tick: Callable[[], None] = lambda: None,
) -> list[Mirror]:
    """Generate mirrors, and write them to a file.

    Every answer of the backend stays in `OUTPUT.stages/` and is never asked for again, so that the next call resumes an
    interrupted one.

    Args:
        seed: the seed of the plans and of the backend.
        count: number of mirrors.
        output: file to write, one JSON object per line.
        workers: number of simultaneous requests.
        backend: what answers the stages; None for the topics of the package.
        pool: which topics, names and rules are used: one of `POOLS`.
        tick: called for each finished mirror.

    Raises:
        InputError: if there is no such pool, there are fewer plans than `count`, or the backend fails.
    """
    if pool not in POOLS:
        raise InputError(f"There is no pool {pool!r}: it must be one of {', '.join(POOLS)}.")
    cache = StageCache(stages_folder(output), backend or TemplateBackend.from_files(), seed, workers)
    mirrors = asyncio.run(_build_and_close(_Pipeline(cache, pool, tick), count))
    write_whole(output, to_lines(mirrors))
    return mirrors


async def _build_and_close(pipeline: _Pipeline, count: int) -> list[Mirror]:
    """Make mirrors, and close the connections of the backend."""
    try:
        return await pipeline.build(count)
    finally:
        if isinstance(pipeline.cache.backend, OpenAIBackend):
            await pipeline.cache.backend.close()


@dataclass
class _TopicContext:
    """A topic's pairs and outlines, with the answer of the stage "plans" for each pair."""

    outlines: TopicOutlines
    answers: Sequence[StageAnswer]


class _Pipeline:
    """The stages of a build."""

    def __init__(self, cache: StageCache, pool: str, tick: Callable[[], None]) -> None:
        self.cache, self.pool, self.tick = cache, pool, tick
        self.contexts: dict[str, _TopicContext] = {}

    async def build(self, count: int) -> list[Mirror]:
        """Make mirrors from plans in order; a plan that gives no mirror is replaced by the next one."""
        topics_answer = await self.cache.ask("topics", {"pool": self.pool, "at_least": MIN_TOPICS})
        topics = dict.fromkeys(texts_field(topics_answer.content, "topics"))
        contexts = await asyncio.gather(*(self._topic_context(topic, topics_answer) for topic in topics))
        self.contexts = dict(zip(topics, contexts, strict=True))
        plans = make_plans([context.outlines for context in contexts], self.cache.seed, self.pool)
        if count > len(plans):
            raise InputError(
                f"There are {len(plans)} distinct plans, not {count}: ask for fewer mirrors or add topics."
            )
        mirrors: list[Mirror] = []
        while len(mirrors) < count:
            missing = count - len(mirrors)
            batch, plans = plans[:missing], plans[missing:]
            if not batch:
                raise InputError(f"Only {len(mirrors)} of {count} mirrors came out: too many revisions break the rule.")
            mirrors += filter(None, await asyncio.gather(*map(self._make_mirror, batch)))
        return mirrors

    async def _topic_context(self, topic: str, topics_answer: StageAnswer) -> _TopicContext:
        pairs_answer = await self.cache.ask("pairs", {"topic": topic, "pool": self.pool}, [topics_answer])
        pairs = parse_pairs(pairs_answer.content)
        requests = [{"topic": topic, "pair": pair.to_json()} for pair in pairs]
        answers = await asyncio.gather(*(self.cache.ask("plans", request, [pairs_answer]) for request in requests))
        outlines = [parse_outlines(answer.content) for answer in answers]
        return _TopicContext(TopicOutlines(topic, pairs, outlines), answers)

    async def _make_mirror(self, plan: Plan) -> Mirror | None:
        """Make the mirror of a plan; None if its dialogue or its revision has faults in every attempt."""
        context = self.contexts[plan.topic]
        pair = context.outlines.pairs[plan.pair_index]
        request = self._dialogue_request(plan, pair)
        dialogue_answer = await self._ask_until_faultless(
            "dialogues",
            request,
            lambda content: dialogue_faults(pair, plan, parse_dialogue(content)),
            [context.answers[plan.pair_index]],
        )
        if not dialogue_answer:
            return None
        dialogue = parse_dialogue(dialogue_answer.content)
        critique_request = _critique_request(request, dialogue, plan, pair)
        critique_answer = await self.cache.ask("critique", critique_request, [dialogue_answer])
        revision_request = {
            **request,
            **dialogue_answer.content,
            **critique_request,
            "critique": texts_field(critique_answer.content, "faults"),
        }
        revision_answer = await self._ask_until_faultless(
            "revision",
            revision_request,
            lambda content: revision_faults(pair, plan, dialogue.original, text_field(content, "revision")),
            [dialogue_answer, critique_answer],
        )
        if not revision_answer:
            return None
        self.tick()
        mirror = pink_mirror(plan, pair, dialogue, text_field(revision_answer.content, "revision"))
        mirror = replace(mirror, source={**self._source(plan, revision_answer), **mirror.source})
        return mirror.swapped() if plan.swapped else mirror

    def _dialogue_request(self, plan: Plan, pair: SubjectPair) -> JsonMapping:
        x, y = forbidden_and_wanted(plan, pair)
        request = DialogueRequest(
            topic=plan.topic,
            dialogue_index=plan.dialogue_index,
            outline=self.contexts[plan.topic].outlines.outlines[plan.pair_index][plan.dialogue_index],
            kind=pair.kind,
            x=x,
            y=y,
            praises=plan.praises,
            phrasing=plan.phrasing,
        )
        return request.to_json()

    async def _ask_until_faultless(
        self,
        stage: str,
        request: JsonMapping,
        find_faults: Callable[[JsonMapping], list[str]],
        parents: Sequence[StageAnswer],
    ) -> StageAnswer | None:
        """Return the first answer without faults; None if there is none in `ATTEMPTS` requests.

        Each new request lists the faults of the last answer.
        """
        for attempt in range(ATTEMPTS):
            answer = await self.cache.ask(stage, request, parents)
            faults = find_faults(answer.content)
            if not faults:
                return answer
            request = {**request, "attempt": attempt + 1, "faults": faults}
            parents = [*parents, answer]
        return None

    def _source(self, plan: Plan, revision_answer: StageAnswer) -> Mapping[str, object]:
        """Return the source of a mirror, with the provenance of every answer that it was made from."""
        return {
            "builder": "pink",
            "mould": plan.template,
            "seed": self.cache.seed,
            "index": plan.index,
            "kind": plan.kind,
            "rule": plan.rule_index,
            "provenance": [dict(answer.provenance) for answer in revision_answer.chain()],
        }


def _critique_request(request: JsonMapping, dialogue: Dialogue, plan: Plan, pair: SubjectPair) -> JsonMapping:
    x, _ = forbidden_and_wanted(plan, pair)
    return {
        "original": dialogue.original,
        "avoid": request["x"],
        "want": request["y"],
        "mentions": list(map(list, find_mentions(dialogue.original, x))),
    }
