"""A list of names by class, a rule that allows or forbids classes, and replies with one offending name.

Example: the list has 30 teas by importer. Prompt A: "Do not name any teas of Quist", prompt B: "... of Tarrant". Both
replies name the same eight teas of other importers, X one of Tarrant besides, Y one of Quist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng, SquareContent
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.rule_by_list.listing import Entry, NameList, draw_listing, worlds
from rewardbench.builders.templates.hard.rule_by_list.prompts import Wordings, write_list, write_rule
from rewardbench.types import Messages

NAMES_IN_REPLY = {1: 3, 2: 5, 3: 9, 4: 12}
SENTENCES = 4
"""Sentences of a paragraph of a reply, at most."""


@dataclass(frozen=True)
class _Setting:
    """A list, a rule with several variants, and a reply for each of them."""

    listing: NameList
    form: str
    """`none` if the rule forbids classes, `only` if it allows no others."""
    prompts: tuple[Messages, ...]
    responses: tuple[str, ...]
    checks: tuple[dict[str, object], ...]

    @property
    def edit(self) -> str:
        """The differing classes of the rules."""
        return f"{self.form}: {' / '.join(target.text for target in self.listing.targets)}"


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Return a mirror of a rung."""
    setting = _draw_setting(rng, rung, 2)
    return MirrorContent(
        edit=setting.edit,
        a=setting.prompts[0],
        b=setting.prompts[1],
        x=setting.responses[0],
        y=setting.responses[1],
        check={"kind": "rule-by-list", "a": setting.checks[0], "b": setting.checks[1]},
    )


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Return a square of a rung: four classes, of which a rule names one each."""
    setting = _draw_setting(rng, rung, 4)
    checks = {str(n): check for n, check in enumerate(setting.checks)}
    return SquareContent(setting.edit, setting.prompts, setting.responses, {"kind": "rule-by-list", **checks})


def _draw_setting(rng: Rng, rung: int, number: int) -> _Setting:
    """Return a setting whose rule has `number` variants."""
    world = rng.pick(worlds())
    form = "none" if world.get("many") or rng.chance(0.6) else "only"
    listing = draw_listing(rng, rung, world, form, number)
    responses = _write_replies(rng, rung, world, listing, form)
    wordings = Wordings(rng, world)
    list_text = write_list(wordings, listing)
    request = rng.pick(world["ask"]).replace("{person}", rng.people(1)[0])
    small_talk = wordings.small_talk() if rung > 2 or rng.chance(0.3) else []
    role, is_early, reason = rng.pick(world["who"]), rng.chance(), wordings.reason()
    wording = rng.number(0, 2 if is_early else 3)  # the last one says "of these", so the list comes before it
    prompts: list[Messages] = []
    checks: list[dict[str, object]] = []
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
    return _Setting(listing, form, tuple(prompts), tuple(responses), tuple(checks))


def _write_replies(rng: Rng, rung: int, world: Mapping[str, Any], listing: NameList, form: str) -> list[str]:
    """Return a reply for each variant of the rule: names that all variants allow, and those that only it allows.

    From rung 3 on the replies have different names in different sentences, so that every name must be looked up.
    """
    odd = _odd_names(rng, rung, listing, form)
    number = NAMES_IN_REPLY[rung]
    common_number = number - len(odd[0])
    neutral = listing.common(form)
    if common_number < 0 or len(neutral) < common_number:
        raise Resample
    intro, outro = rng.pick(world["intro"]), rng.pick(world["outro"])
    replies: list[str] = []
    for odd_names in odd:
        if rung > 2 or not replies:
            common = [entry.spoken(rng, rung) for entry in _sample_names(rng, neutral, common_number)]
            lines = rng.sample(world["lines"], number)
            places = rng.sample(range(number), len(odd[0]))
        others = iter(common if rung == 1 else rng.sample(common, len(common)))
        names = [odd_names[places.index(n)] if n in places else next(others) for n in range(number)]
        sentences = [_fill(line, name) for line, name in zip(lines, names, strict=True)]
        replies.append(_paragraphs(intro, sentences, outro))
    return replies


def _odd_names(rng: Rng, rung: int, listing: NameList, form: str) -> list[list[str]]:
    """Return for each variant of the rule the names that it allows and other variants do not."""
    picks = []
    for target in listing.targets:
        entries = listing.entries_of(target)
        if not entries:
            raise Resample
        moved = [entry for entry in entries if entry.listed != entry.classes]
        picks.append(rng.pick(moved or entries).spoken(rng, rung))
    if form == "only":
        return [[name] for name in picks]
    return [picks[:n] + picks[n + 1 :] for n in range(len(picks))]


def _sample_names(rng: Rng, entries: Sequence[Entry], number: int) -> list[Entry]:
    """Return some entries in random order, half of them such as a correction concerns as far as there are enough."""
    mixed = rng.sample(entries, len(entries))
    moved = [entry for entry in mixed if entry.listed != entry.classes][: number // 2]
    others = [entry for entry in mixed if entry not in moved]
    return rng.sample([*moved, *others[: number - len(moved)]], number)


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
