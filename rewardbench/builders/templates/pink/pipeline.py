"""The pink builder's way: topics, pairs, plans, dialogues, critique, revision of the last reply; then the mirrors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rewardbench.builders.mirrors import Mirror, to_lines
from rewardbench.builders.templates.pink.assemble import (
    Dialogue,
    assemble,
    dialogue_faults,
    mention_places,
    revision_faults,
)
from rewardbench.builders.templates.pink.backends import Backend, TemplateBackend
from rewardbench.builders.templates.pink.material import Pair, parse_pair
from rewardbench.builders.templates.pink.plan import Field, Outline, Plan, deal
from rewardbench.builders.templates.pink.stages import Row, Stages, folder_of
from rewardbench.errors import InputError
from rewardbench.paths import write_whole

POOLS = ("suite", "fresh", "train")
"""Core; the same frames and rules under invented names; other frames, fewer rules and invented names, to train on."""
ATTEMPTS = 3
TOPICS = 29
"""Asked of a backend that thinks up topics."""


def build(
    seed: int,
    count: int,
    output: Path,
    workers: int = 1,
    backend: Backend | None = None,
    pool: str = "suite",
    tick: Callable[[], None] = lambda: None,
) -> list[Mirror]:
    """Make `count` mirrors and write them to `output`, one JSON object a line; `tick` is called for each.

    Every answer of the backend (None: the topics that come with the package) stays in `OUTPUT.stages/` and is never
    asked for again, so an interrupted call is taken up by the next. `pool` "train" gives invented names, other topics
    and no reworded rules. Raises: InputError where there are fewer plans than `count`, or the backend fails.
    """
    if pool not in POOLS:
        raise InputError(f"There is no pool {pool!r}: it must be one of {', '.join(POOLS)}.")
    stages = Stages(folder_of(output), backend or TemplateBackend.of(), seed, workers)
    mirrors = asyncio.run(_Builder(stages, pool, tick).build(count))
    write_whole(output, to_lines(mirrors))
    return mirrors


def _outline(plan: Mapping[str, Any]) -> Outline:
    return Outline(plan["turns"], plan["text"], plan.get("manner", "plain"))


@dataclass
class _Ground:
    """A topic's pairs and plans, with the rows that hold them."""

    field: Field
    plans: Sequence[Row]


class _Builder:
    def __init__(self, stages: Stages, pool: str, tick: Callable[[], None]) -> None:
        self.stages, self.pool, self.tick = stages, pool, tick
        self.grounds: dict[str, _Ground] = {}

    async def build(self, count: int) -> list[Mirror]:
        """Plans in order, as many as are needed; one that comes to nothing is replaced by the next."""
        top = await self._ask("topics", {"pool": self.pool, "at_least": TOPICS})
        grounds = await asyncio.gather(*(self._ground(topic, top) for topic in dict.fromkeys(top.answer["topics"])))
        self.grounds = {ground.field.topic: ground for ground in grounds}
        plans = deal([ground.field for ground in grounds], self.stages.seed, self.pool)
        if count > len(plans):
            raise InputError(
                f"There are {len(plans)} distinct plans, not {count}: ask for fewer mirrors or add topics."
            )
        made: list[Mirror] = []
        while len(made) < count:
            now, plans = plans[: count - len(made)], plans[count - len(made) :]
            if not now:
                raise InputError(f"Only {len(made)} of {count} mirrors came out: too many revisions break the rule.")
            made += [mirror for mirror in await asyncio.gather(*map(self._make, now)) if mirror]
        return made

    async def _ask(self, stage: str, request: Mapping[str, Any], *parents: Row) -> Row:
        return await self.stages.ask(stage, request, parents)

    async def _ground(self, topic: str, top: Row) -> _Ground:
        paired = await self._ask("pairs", {"topic": topic, "pool": self.pool}, top)
        pairs = [parse_pair(pair) for pair in paired.answer["pairs"]]
        asked = ({"topic": topic, "pair": pair.to_json()} for pair in pairs)
        planned = await asyncio.gather(*(self._ask("plans", request, paired) for request in asked))
        outlines = [[_outline(plan) for plan in row.answer["plans"]] for row in planned]
        return _Ground(Field(topic, pairs, outlines), planned)

    async def _make(self, plan: Plan) -> Mirror | None:
        pair = self.grounds[plan.topic].field.pairs[plan.pair]
        asked = self._request(plan, pair)
        dialogue = await self._tried(
            "dialogues", asked, lambda answer: dialogue_faults(pair, plan, answer), self._planned(plan)
        )
        if not dialogue:
            return None
        original = str(dialogue.answer["original"])
        judged = {
            "original": original,
            "avoid": asked["x"],
            "want": asked["y"],
            "mentions": mention_places(original, pair, plan),
        }
        critique = await self._ask("critique", judged, dialogue)
        wanted = {**asked, **dialogue.answer, **judged, "critique": critique.answer["faults"]}
        revision = await self._tried(
            "revision", wanted, lambda answer: revision_faults(pair, plan, original, answer), dialogue, critique
        )
        if not revision:
            return None
        self.tick()
        return self._mirror(plan, pair, dialogue, revision)

    def _planned(self, plan: Plan) -> Row:
        return self.grounds[plan.topic].plans[plan.pair]

    def _request(self, plan: Plan, pair: Pair) -> dict[str, Any]:
        x, y = (pair.other, pair.one) if plan.turned else (pair.one, pair.other)
        outline = self.grounds[plan.topic].field.outlines[plan.pair][plan.frame]
        return {
            "topic": plan.topic,
            "frame": plan.frame,
            "outline": vars(outline),
            "kind": pair.kind,
            "x": x.to_json(),
            "y": y.to_json(),
            "praises": plan.praises,
            "phrasing": plan.phrasing,
        }

    async def _tried(
        self, stage: str, request: Mapping[str, Any], faults_of: Callable[[Mapping[str, Any]], list[str]], *parents: Row
    ) -> Row | None:
        """The first answer without faults; None after too many with some. Each new request tells the last faults."""
        for attempt in range(ATTEMPTS):
            row = await self._ask(stage, request, *parents)
            faults = faults_of(row.answer)
            if not faults:
                return row
            request, parents = {**request, "attempt": attempt + 1, "faults": faults}, (*parents, row)
        return None

    def _mirror(self, plan: Plan, pair: Pair, dialogue: Row, revision: Row) -> Mirror:
        text = Dialogue(dialogue.answer["turns"], dialogue.answer["original"], revision.answer["revision"])
        source = {
            "builder": "pink",
            "mould": plan.template,
            "seed": self.stages.seed,
            "index": plan.index,
            "kind": plan.kind,
            "rule": plan.rule,
            "provenance": [dict(row.provenance) for row in revision.chain()],
        }
        mirror = replace(assemble(plan, pair, text), source=source)
        return mirror.swapped() if plan.swapped else mirror
