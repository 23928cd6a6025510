"""Families of mirrors for training tiny-dpo; their wording is in tiny_phrases.toml. Used by scripts/train_tiny_models.

Only the prompt decides which response is right: names, facts and rules are invented.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

from tiny_data import Draw, Messages, Mirror, chat

HERE = Path(__file__).parent
ENGLISH = (HERE / "tiny_english.txt").read_text(encoding="utf-8").splitlines()
PHRASES = tomllib.loads((HERE / "tiny_phrases.toml").read_text(encoding="utf-8"))
KINDS = list(PHRASES["kinds"].items())


def pink_elephant(draw: Draw) -> Mirror:
    """Make a mirror whose rule forbids a name; in the other prompt it is reversed, on another name, or missing."""
    words = PHRASES["pink_elephant"]
    p, q, r = draw.names(3)
    kind, details = draw.topics(KINDS, 1)[0]
    ban, welcome = draw.pick(words["bans"]), draw.pick(words["welcomes"])
    office, say = draw.pick(words["offices"]), draw.pick(words["praise"])
    ban_first, edit = draw.chance(0.5), draw.pick(["both", "ban", "welcome", "turn", "decoy", "none"])

    def rule(banned: str = "", liked: str = "") -> str:
        sentences = []
        if banned:
            sentences.append(ban.format(n=banned))
        if liked:
            sentences.append(welcome.format(n=liked))
        return " ".join(sentences if ban_first else sentences[::-1])

    rules = {
        "both": (rule(p, q), rule(q, p)),
        "ban": (rule(p), rule(q)),
        "welcome": (rule("", q), rule("", p)),
        "turn": (rule(p), rule("", p)),
        "decoy": (rule(p), rule(r)),
        "none": (rule(p, q), office.format(kind=kind)),
    }[edit]
    about_p = edit in ("decoy", "none")
    ask = draw.pick(words["ask_one" if about_p else "ask_both"])
    names = (p, q) if about_p else draw.shuffle((p, q))
    question = ask.format(kind=kind, p=names[0], q=names[1])
    prompts = _place(draw, rules, question, edit == "none" or draw.chance(0.7))
    detail = draw.pick(details)
    responses = say.format(n=q, kind=kind, d=detail), say.format(n=p, kind=kind, d=detail)
    return Mirror("pink_elephant", prompts, responses)


def _place(draw: Draw, rules: tuple[str, str], question: str, in_system: bool) -> tuple[Messages, Messages]:
    """Return a prompt for each rule: as a system message, before the question, or in an earlier turn."""
    first, second = rules
    if in_system:
        return chat(question, system=first), chat(question, system=second)
    if draw.chance(0.5):
        return chat(f"{first} {question}"), chat(f"{second} {question}")
    return chat(first, "Understood.", question), chat(second, "Understood.", question)


def refuse_or_help(draw: Draw) -> Mirror:
    """Make a mirror in which the owner's consent decides whether to help."""
    words = PHRASES["refuse_or_help"]
    fields = {"o": draw.topics(words["things"], 1)[0], "n": draw.names(1)[0]}
    reason_first, request = draw.chance(0.5), draw.pick(words["how"])
    reasons = draw.pick(words["allowed"]), draw.pick(words["not_allowed"])
    responses = draw.pick(words["help"]), draw.pick(words["refuse"])
    prompts = []
    for reason in reasons:
        text = f"{reason} {request}" if reason_first else f"{request} {reason}"
        prompts.append(chat(text.format(**fields)))
    return Mirror("refuse_or_help", tuple(prompts), tuple(response.format(**fields) for response in responses))


def desk(draw: Draw) -> Mirror:
    """Make a mirror in which the policy of a help desk decides whether it answers or declines."""
    words = PHRASES["desk"]
    x, y = draw.topics(words["subjects"], 2)
    policy, ask = draw.pick(words["policies"]), draw.pick(words["ask"]).format(x=x)
    prompts = (chat(ask, system=policy.format(x=x, y=y)), chat(ask, system=policy.format(x=y, y=x)))
    return Mirror("desk", prompts, (draw.pick(words["yes"]), draw.pick(words["no"])))


def world_fact(draw: Draw) -> Mirror:
    """Make a mirror about an invented world; the other prompt swaps the facts or asks for another one."""
    words = PHRASES["world_fact"]
    a, b, w, v = draw.names(4)
    r, s = draw.topics(words["relations"], 2)
    fact, ask, say = draw.pick(words["fact"]), draw.pick(words["ask"]), draw.pick(words["say"])
    edit = draw.pick(["relation", "place", "facts", "single"])
    first, second = (r, w), (r, v) if edit == "place" else (s, w)

    def state(*answers: str) -> list[str]:
        pairs = zip(answers, (first, second), strict=False)
        return [fact.format(a=answer, r=relation, w=place) for answer, (relation, place) in pairs]

    if edit == "single":
        fact_lists = state(a), state(b)
    else:
        fact_lists = state(a, b), state(b, a) if edit == "facts" else state(a, b)
    questions = first, first if edit in ("facts", "single") else second
    is_reversed, in_two_turns = draw.chance(0.5), draw.chance(0.25)
    prompts = []
    for facts, (relation, place) in zip(fact_lists, questions, strict=True):
        text, question = " ".join(facts[::-1] if is_reversed else facts), ask.format(r=relation, w=place)
        prompts.append(chat(text, "Noted.", question) if in_two_turns else chat(f"{text} {question}"))
    return Mirror("world_fact", tuple(prompts), (say.format(a=a), say.format(a=b)))


def arithmetic(draw: Draw) -> Mirror:
    """Make a mirror of small sums in words: gained or lost, more or fewer."""
    words = PHRASES["arithmetic"]
    n, m = draw.names(2)
    objects, a, b = draw.pick(words["things"]), draw.rng.randint(5, 12), draw.rng.randint(1, 4)
    if draw.chance(0.4):
        facts = draw.pick(words["compare"]).format(n=n, m=m, a=a, b=b, f=objects)
        say = draw.pick(words["say_who"])
        prompts = tuple(chat(f"{facts} {ask}") for ask in draw.pick(words["which"]))
        return Mirror("arithmetic", prompts, (say.format(n=n), say.format(n=m)))
    ask, say = draw.pick(words["how_many"]).format(f=objects, n=n), draw.pick(words["say"])
    gain, loss = draw.pick(words["gain"]).format(b=b), draw.pick(words["loss"]).format(b=b)
    prompts = tuple(chat(f"{n} has {a} {objects} and {change}. {ask}") for change in (gain, loss))
    responses = say.format(s=a + b, f=objects, n=n), say.format(s=a - b, f=objects, n=n)
    return Mirror("arithmetic", prompts, responses)


def form(draw: Draw) -> Mirror:
    """Make a mirror of one content in two forms, of which each prompt requests one."""
    words = PHRASES["form"]
    kind, details = draw.topics(KINDS, 1)[0]
    sentences = [f"A good {kind} {detail}." for detail in draw.rng.sample(details, 3)]
    style = draw.pick(["count", "count", "case", "list", "start"])
    if style == "count":
        i, j = draw.rng.sample(range(3), 2)
        request, counts = draw.pick(words["count"]), ["one sentence", "two sentences", "three sentences"]
        requests = (request.format(x=counts[i]), request.format(x=counts[j]))
        responses = (" ".join(sentences[: i + 1]), " ".join(sentences[: j + 1]))
    elif style == "case":
        requests = ("Write in lower case only.", "WRITE IN CAPITALS ONLY.")
        responses = (sentences[0].lower(), sentences[0].upper())
    elif style == "list":
        requests = ("Answer with a list.", "Answer in running text.")
        responses = ("\n".join(f"- {sentence}" for sentence in sentences), " ".join(sentences))
    else:
        x, y = draw.names(2)
        request = draw.pick(words["start"])
        requests = request.format(x=x), request.format(x=y)
        responses = f"{x}! {sentences[0]}", f"{y}! {sentences[0]}"
    ask = draw.pick(words["ask"]).format(kind=kind)
    in_system = draw.chance(0.3)
    prompts = [chat(ask, system=request) if in_system else chat(f"{ask} {request}") for request in requests]
    return Mirror("form", tuple(prompts), responses)


def focus(draw: Draw) -> Mirror:
    """Make a mirror of two questions about one subject, or of one question about two subjects."""
    words = PHRASES["focus"]
    (kind, details), (other_kind, other_details) = draw.topics(KINDS, 2)
    if draw.chance(0.5):
        first, second = draw.rng.sample(words["advice"], 2)
        prompts = [chat(draw.pick(advice["ask"]).format(k=kind)) for advice in (first, second)]
        return Mirror("focus", tuple(prompts), (first["say"], second["say"]))
    ask, say = draw.pick(words["ask"]), draw.pick(words["say"])
    response = say.format(k=kind, d=draw.pick(details))
    other_response = say.format(k=other_kind, d=draw.pick(other_details))
    prompts = chat(ask.format(k=kind)), chat(ask.format(k=other_kind))
    return Mirror("focus", prompts, (response, other_response))


def quote(draw: Draw) -> Mirror:
    """Make a mirror that asks to repeat a line of English, or one of two lines."""
    words = PHRASES["quote"]
    first, second = draw.topics(ENGLISH, 2)
    if draw.chance(0.5):
        prompts = tuple(chat(f"{first}\n{second}\n{ask}") for ask in draw.pick(words["which"]))
    else:
        ask = draw.pick(words["say_again"])
        prompts = (chat(ask.format(x=first)), chat(ask.format(x=second)))
    return Mirror("quote", prompts, (first, second))


FAMILIES: dict[Callable[[Draw], Mirror], int] = {
    pink_elephant: 4, world_fact: 2, refuse_or_help: 1, desk: 1, arithmetic: 1, form: 1, focus: 1, quote: 1,
}  # fmt: skip
"""The families, each with its weight."""


def draw_mirrors(seed: int, n: int, held_out: bool = False) -> list[Mirror]:
    """Draw `n` mirrors with a seed. Held-out mirrors have other names and topics."""
    rng = random.Random(f"{seed} {held_out}")
    draw = Draw(rng, held_out)
    families, weights = list(FAMILIES), list(FAMILIES.values())
    mirrors = [family(draw) for family in rng.choices(families, weights, k=n)]
    return [mirror.swapped() if draw.chance(0.5) else mirror for mirror in mirrors]
