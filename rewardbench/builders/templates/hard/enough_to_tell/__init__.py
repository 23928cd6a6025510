"""Facts that determine an answer, or leave several: who has which floor, who is in which team, who has how many hens.

The prompts differ in a single sentence. Both responses list the same consequences of the others, and state which
answers are possible. For example:

    prompt a: ... [4] The baker lives below the nurse. ... Which floor does the pilot have?
    prompt b: ... [4] The cook lives below the nurse. ...
    response x, right for a: The facts settle this. ... it is floor 3 each time ...
    response y, right for b: The facts leave this open. ... it can still be floor 3 or floor 5 ...

From the third rung on, the user only asks whether the facts settle the question, and the responses only say that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from rewardbench.builders.draw import MirrorContent, Rng, SquareContent
from rewardbench.builders.mirrors import chat
from rewardbench.builders.prompts import capitalize, join_words
from rewardbench.builders.templates.hard.enough_to_tell.claims import FactSetting, sentence
from rewardbench.builders.templates.hard.enough_to_tell.facts import FactQuestion, draw_alternatives, draw_question
from rewardbench.types import Messages
from rewardbench.verifiers.hard.enough_to_tell import FactClaim, FactSet

IRRELEVANT = (0, 1, 2, 3)
"""Sentences without influence in a prompt at each rung."""


@cache
def _texts() -> tuple[tuple[FactSetting, ...], Mapping[str, Sequence[str]]]:
    content = tomllib.loads(Path(__file__).with_name("scenes.toml").read_text(encoding="utf-8"))
    return tuple(FactSetting(**fields) for fields in content["scene"]), content["words"]


def draw(rng: Rng, rung: int) -> MirrorContent:
    """Draw a mirror: one sentence settles the question, the other does not."""
    question = _question(rng, rung)
    alternatives = draw_alternatives(rng, question, (1, 2))
    prompts, responses, checks = _assemble(rng, question, alternatives, rung, "verdict" if rung > 2 else "answers")
    check = {"kind": "enough-to-tell", "a": checks[0], "b": checks[1]}
    return MirrorContent(_edit(question, alternatives), prompts[0], prompts[1], responses[0], responses[1], check)


def draw_square(rng: Rng, rung: int) -> SquareContent:
    """Draw a square: three sentences settle the question in three ways, the fourth does not."""
    question = _question(rng, rung)
    alternatives = draw_alternatives(rng, question, (1, 1, 1, 2))
    prompts, responses, checks = _assemble(rng, question, alternatives, rung, "answers")
    check: dict[str, object] = {"kind": "enough-to-tell"}
    check.update(zip("0123", checks, strict=True))
    return SquareContent(_edit(question, alternatives), tuple(prompts), tuple(responses), check)


def _edit(question: FactQuestion, alternatives: Sequence[FactClaim]) -> str:
    return " | ".join(map(partial(sentence, question.setting), alternatives))


def _question(rng: Rng, rung: int) -> FactQuestion:
    settings, _ = _texts()
    family = rng.pick(("order", "order", "team", "amount") if rung < 3 else ("order", "amount"))
    options = [setting for setting in settings if setting.family == family]
    if rung > 2:
        options = [setting for setting in options if setting.noun != "month"]
    setting = rng.pick(options)
    return draw_question(rng, setting, rung)


def _assemble(
    rng: Rng, question: FactQuestion, alternatives: Sequence[FactClaim], rung: int, form: str
) -> tuple[list[Messages], list[str], list[dict[str, object]]]:
    """Write a prompt, a response and a check for each of the claims that may complete the premises.

    Args:
        rng: source of all random choices.
        question: the premises and the question.
        alternatives: the claims.
        rung: the size.
        form: what responses state, "answers" or only the "verdict".
    """
    facts = question.facts
    place = rng.number(0, len(facts.claims))
    _, words = _texts()
    irrelevant = []
    for text in rng.sample(words["things" if question.setting.is_about_things else "people"], IRRELEVANT[rung - 1]):
        irrelevant.append((rng.number(0, len(facts.claims)), capitalize(text.format(a=f"the {rng.pick(facts.names)}"))))
    key = f"{rng.number(0, 10**9)}"
    prompts, responses, checks = [], [], []
    for claim in alternatives:
        claims = [*facts.claims[:place], claim, *facts.claims[place:]]
        sentences = list(map(partial(sentence, question.setting), claims))
        for position, text in irrelevant:
            sentences.insert(position, text)
        closings = words["closing" if form == "answers" else "verdict_closing"]
        prompts.append(_prompt(Rng(key), question, sentences, closings))
        answers = question.answers_with(claim)
        if form == "verdict":
            responses.append(_verdict(Rng(key), len(answers) == 1, rung))
        else:
            has_example = len(alternatives) == 2 and rung > 1
            responses.append(_response(Rng(key), question, answers, has_example))
        checks.append(_check(question, claims, form))
    return prompts, responses, checks


def _prompt(rng: Rng, question: FactQuestion, sentences: Sequence[str], closings: Sequence[str]) -> Messages:
    """Write a prompt in one of four layouts."""
    setting, facts = question.setting, question.facts
    _, words = _texts()
    names = join_words(list(map("the {}".format, sorted(facts.names))))
    intro = rng.pick(setting.intro).format(n=len(facts.names), high=facts.high, names=names)
    numbered = list(map("[{}] {}.".format, range(1, len(sentences) + 1), sentences))
    separator = rng.pick(("\n", " "))
    form = rng.number(0, 3)
    terms = rng.pick(words[f"{setting.family}_{'terms' if question.rung < 3 else 'notes'}"]).format(
        earlier=setting.earlier, noun=setting.noun, plural=setting.plural
    )
    numbered.append(f"\n{terms}" if separator == "\n" else f"({terms.strip('()')})")
    question_text = f"{question.text} {rng.pick(closings)}"
    if form == 0:
        half = len(numbered) // 2
        first, second = separator.join(numbered[:half]), separator.join(numbered[half:])
        return chat(
            f"{intro}\n\n{first}", rng.pick(words["reply"]), f"{rng.pick(words['more'])}\n\n{second}\n\n{question_text}"
        )
    if form == 1:
        return chat(f"{question_text}\n\n{intro}\n\n{separator.join(numbered)}")
    return chat(f"{intro}\n\n{separator.join(numbered)}\n\n{question_text}")


def _response(rng: Rng, question: FactQuestion, answers: Sequence[str], with_example: bool) -> str:
    """Write the response that these answers, as the keys of `question.labels`, are possible."""
    _, words = _texts()
    opening, closing = rng.number(0, len(words["settled"]) - 1), rng.number(0, len(words["only"]) - 1)
    lead, example = rng.pick(words["lead"]), rng.pick(words["example"])
    is_settled = len(answers) == 1
    parts = [words["settled" if is_settled else "unsettled"][opening]]
    if question.consequences:
        lines = [lead]
        for claim in question.consequences:
            lines.append(f"- {sentence(question.setting, claim)}.")
        parts.append("\n".join(lines))
    if with_example:
        parts.append(f"{example}\nExample: {question.example}.")
    texts = list(map(question.label, answers))
    parts.append(words["only" if is_settled else "several"][closing].format(answers=join_words(texts, "or")))
    return "\n\n".join(parts)


def _verdict(rng: Rng, is_settled: bool, rung: int) -> str:
    """Write the response that only says whether the facts settle the question."""
    _, words = _texts()
    opening, closing = rng.number(0, len(words["settled"]) - 1), rng.number(0, len(words["one"]) - 1)
    remarks = rng.sample(words["remarks"], 2 * rung - 2)
    first = words["settled" if is_settled else "unsettled"][opening]
    return "\n\n".join([first, " ".join(remarks), words["one" if is_settled else "two"][closing]])


def _check(question: FactQuestion, claims: Sequence[FactClaim], form: str) -> dict[str, object]:
    facts: FactSet = question.facts
    _, words = _texts()
    verdicts = {**dict.fromkeys(words["settled"], True), **dict.fromkeys(words["unsettled"], False)}
    consequences = {}
    for claim in question.consequences:
        consequences[f"{sentence(question.setting, claim)}."] = claim
    return {
        "names": list(facts.names),
        "low": facts.low,
        "high": facts.high,
        "one_to_one": facts.is_one_to_one,
        "claims": list(claims),
        "question": question.subject,
        "answers": question.labels,
        "facts": consequences,
        "values": question.value_labels,
        "verdicts": verdicts if form == "verdict" else {},
    }
