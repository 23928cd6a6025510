"""A list of names, a rule that allows or forbids some of them, and replies with one offending name.

Up to rung 2 the rule is about classes. Example: the list has 20 teas by importer. Prompt A: "Do not name any teas of
Quist", prompt B: "... of Tarrant". Both replies name the same teas of other importers, X one of Tarrant besides, Y one
of Quist. From rung 3 on the rule is about places in a list whose order has changed in many rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.rule_by_list.listing import NameList, draw_listing, worlds
from rewardbench.builders.templates.hard.rule_by_list.prompts import Wordings, write_list, write_rule
from rewardbench.builders.templates.hard.rule_by_list.rotation import (
    draw_rotating,
    draw_twin,
    draw_variants,
    pick_named,
)
from rewardbench.builders.templates.hard.rule_by_list.rotation_prompts import write_rotation_prompts
from rewardbench.types import Messages

NAMES_IN_REPLY = {1: 3, 2: 5, 3: 6, 4: 9}
LAST_RUNG_OF_CLASSES = 2
"""Rung up to which the rule is about classes."""
SENTENCES = 4
"""Sentences of a paragraph of a reply, at most."""
MIRROR_SIZE, SQUARE_SIZE = 2, 4


@dataclass(frozen=True)
class _Setting:
    """A list, a rule with several variants, and a reply for each of them."""

    edit: str
    """The differing detail of the prompts."""
    prompts: tuple[Messages, ...]
    responses: tuple[str, ...]
    checks: tuple[dict[str, Any], ...]


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror of a rung."""
    setting = _draw_setting(rng, rung, MIRROR_SIZE)
    return MirrorContent(
        edit=setting.edit,
        a=setting.prompts[0],
        b=setting.prompts[1],
        x=setting.responses[0],
        y=setting.responses[1],
        check={"kind": "rule-by-list", "a": setting.checks[0], "b": setting.checks[1]},
    )


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Return a square of a rung: four prompts with a class or a number of rounds each."""
    setting = _draw_setting(rng, rung, SQUARE_SIZE)
    checks = {str(n): check for n, check in enumerate(setting.checks)}
    return SquareContent(setting.edit, setting.prompts, setting.responses, {"kind": "rule-by-list", **checks})


def _draw_setting(rng: Rng, rung: int, number: int) -> _Setting:
    """Return a setting whose rule has `number` variants."""
    world = rng.pick(worlds())
    return (_draw_classes if rung <= LAST_RUNG_OF_CLASSES else _draw_rotation)(rng, rung, world, number)


def _draw_rotation(rng: Rng, rung: int, world: Mapping[str, Any], number: int) -> _Setting:
    """Return a setting of a list that has changed in rounds; the replies name independent choices of names."""
    listing = draw_rotating(rng, rung, world)
    if number == MIRROR_SIZE:
        edit, twin = draw_twin(rng, listing)
        variants = [listing, twin]
    else:
        variants = draw_variants(rng, listing, number)
        edit = " / ".join(str(variant.rounds) for variant in variants) + " rounds"
    responses = []
    for names in pick_named(rng, variants, NAMES_IN_REPLY[rung]):
        second_names = {name: second for second, name in listing.aliases.items() if rng.chance()}
        spoken = [second_names.get(name, name) for name in names]
        responses.append(_write_reply(rng.sample(world["lines"], len(names)), spoken, *_ends(rng, world)))
    checks = [variant.check for variant in variants]
    prompts = write_rotation_prompts(rng, world, variants)
    return _Setting(edit, tuple(prompts), tuple(responses), tuple(checks))


def _draw_classes(rng: Rng, rung: int, world: Mapping[str, Any], number: int) -> _Setting:
    """Return a setting whose rule is about classes."""
    form = "none" if world.get("many") or rng.chance(0.6) else "only"
    listing = draw_listing(rng, rung, world, form, number)
    responses = _write_replies(rng, NAMES_IN_REPLY[rung], world, listing, form)
    wordings = Wordings(rng, world)
    list_text = write_list(wordings, listing)
    request = rng.pick(world["ask"]).replace("{person}", rng.people(1)[0])
    small_talk = wordings.small_talk() if rng.chance(0.3) else []
    role, is_early, reason = rng.pick(world["who"]), rng.chance(), wordings.reason()
    wording = rng.number(0, 2 if is_early else 3)  # the last one says "of these", so the list comes before it
    prompts: list[Messages] = []
    checks: list[dict[str, Any]] = []
    for target in listing.targets:
        rule = f"{write_rule(world, listing, form, target, wording)} {reason}".strip()
        parts = [role, rule, list_text] if is_early else [role, list_text, rule]
        prompts.append(chat(*small_talk, request, system="\n\n".join(parts)))
        checks.append(
            {
                "form": form,
                "classes": sorted({*target.classes, *listing.shared.classes}),
                "entries": {entry.name: list(entry.classes) for entry in listing.entries},
                "aliases": {entry.alias: entry.name for entry in listing.entries if entry.alias},
            }
        )
    edit = f"{form}: {' / '.join(target.text for target in listing.targets)}"
    return _Setting(edit, tuple(prompts), tuple(responses), tuple(checks))


def _write_replies(rng: Rng, number: int, world: Mapping[str, Any], listing: NameList, form: str) -> list[str]:
    """Return a reply for each variant of the rule: names that all variants allow, and those that only it allows."""
    odd = _odd_names(rng, listing, form)
    common_number = number - len(odd[0])
    neutral = listing.common(form)
    if common_number < 0 or len(neutral) < common_number:
        raise Resample
    ends = _ends(rng, world)
    common = [entry.name for entry in rng.sample(neutral, common_number)]
    lines = rng.sample(world["lines"], number)
    places = rng.sample(range(number), len(odd[0]))
    replies: list[str] = []
    for odd_names in odd:
        others = iter(common)
        names = [odd_names[places.index(n)] if n in places else next(others) for n in range(number)]
        replies.append(_write_reply(lines, names, *ends))
    return replies


def _odd_names(rng: Rng, listing: NameList, form: str) -> list[list[str]]:
    """Return for each variant of the rule the names that it allows and other variants do not."""
    picks = []
    for target in listing.targets:
        entries = listing.entries_of(target)
        if not entries:
            raise Resample
        picks.append(rng.pick(entries).name)
    if form == "only":
        return [[name] for name in picks]
    return [picks[:n] + picks[n + 1 :] for n in range(len(picks))]


def _ends(rng: Rng, world: Mapping[str, Any]) -> tuple[str, str]:
    return rng.pick(world["intro"]), rng.pick(world["outro"])


def _write_reply(lines: Sequence[str], names: Sequence[str], intro: str, outro: str) -> str:
    """Return a reply with a sentence about each name."""
    return _paragraphs(intro, [_fill(line, name) for line, name in zip(lines, names, strict=True)], outro)


def _fill(line: str, name: str) -> str:
    sentence = line.replace("{n}", name)
    return sentence[:1].upper() + sentence[1:]


def _paragraphs(intro: str, sentences: Sequence[str], outro: str) -> str:
    """Return a reply in paragraphs of a few sentences."""
    texts = [intro, *sentences, outro]
    blocks = [" ".join(texts[start : start + SENTENCES]) for start in range(0, len(texts), SENTENCES)]
    if len(blocks) > 1 and len(texts) % SENTENCES == 1:
        blocks[-2:] = [f"{blocks[-2]} {blocks[-1]}"]
    return "\n\n".join(blocks)
