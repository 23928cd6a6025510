"""From a story, two programs and two references to a mirror: everything that moulds of code have in common.

A story is a pair: the names of the function and its arguments, and the question. Both may hold `{this/that}`, of
which one is drawn (arguments all get their first name or all their second); a question holds `[[one|other]]` where its
twins differ, `$names` of what is drawn or rendered, `##` behind a system message and `>>` between turns. Bodies hold
`⟦one|other⟧`, as code has square brackets enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from textwrap import dedent
from typing import Any

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat, variants
from rewardbench.builders.templates.code.languages import (
    RESERVED,
    TITLES,
    TO_CPP,
    TO_JAVASCRIPT,
    Function,
    camel,
    shown,
    tests,
    translate,
    whole,
)
from rewardbench.types import Messages

Story = tuple[str, str]
Case = tuple[Any, ...]
Reference = Callable[..., Any]

SHARES = {"java": 26, "python": 34, "cpp": 20, "javascript": 20}
PLACES = """
    Aarhus Accra Arequipa Baku Bergen Bitola Busan Cebu Cork Cuenca Dakar Davao Durban Essaouira Faro Gdynia Ghent
    Haifa Hobart Izmir Jaipur Kisumu Kobe Kuching Lahore Leeds Luleå Lviv Malmö Mendoza Mérida Mombasa Nantes Oaxaca
    Osijek Oulu Penang Piura Porto Pune Recife Salta Sfax Sibiu Split Tainan Tartu Tbilisi Trieste Utrecht Valdivia
    Varna Windhoek Zadar
""".split()
LEADS = (
    "",
    "",
    "",
    "Here you go:",
    "Here it is:",
    "Sure:",
    "This should do it:",
    "Of course.",
    "Here's how I'd write it:",
    "This does what you describe:",
)
NOTES = (
    "",
    "",
    "",
    "",
    "What you pass in is left as it is.",
    "Nothing outside the standard library is needed.",
    "I've kept it short; tell me if you'd rather have comments in it.",
    "Let me know if you'd like a few tests to go with it.",
    "Tell me if the names clash with something in your code.",
)
WORDS = {
    "python": {"l": "python", "grid": "list of lists"} | dict.fromkeys(("list", "res"), "list"),
    "javascript": {"l": "js", "grid": "array of arrays"} | dict.fromkeys(("list", "res"), "array"),
    "java": {"l": "java", "grid": "two-dimensional array", "list": "array", "res": "list"},
    "cpp": {"l": "c++", "grid": "vector of vectors"} | dict.fromkeys(("list", "res"), "vector"),
}
"""How a language calls what a function takes (`list`, `grid`) and a flat one that it gives (`res`)."""
for _words_of in WORDS.values():
    _words_of |= {
        f"a{key}": f"{'an' if _words_of[key][0] == 'a' else 'a'} {_words_of[key]}" for key in ("list", "res", "grid")
    }


def ints(rng: Rng, size: int, low: int, high: int) -> list[int]:
    """So many numbers, repeats allowed."""
    return [rng.number(low, high) for _ in range(size)]


def rows(rng: Rng, size: int, low: int, high: int, width: int = 2) -> list[list[int]]:
    """So many rows of numbers, repeats allowed."""
    return [ints(rng, width, low, high) for _ in range(size)]


def make(
    rng: Rng,
    edit: str,
    *stories: Story,
    takes: str,
    gives: str,
    bodies: Mapping[str, str],
    wants: tuple[Reference, Reference],
    inputs: Sequence[Case],
) -> MirrorContent:
    """The mirror of one of the stories in one of the languages.

    `bodies` holds the function's body in Python and in plain Java, and in C++ or JavaScript where they would not read
    like Java; `wants` holds what each spec asks for, on `inputs`, the first of which may be shown in the question.
    """
    language = _language(rng)
    function, names, question = _told(rng, rng.pick(stories), language, takes, gives)
    body = _body(bodies, language)
    _avoid(names, body)
    cases = [[(given, want(*given)) for given in inputs] for want in wants]
    _hinge_shows(cases)
    programs = [whole(language, function, _fill(half, names)) for half in _both(body, language, bodies)]
    words = _words(rng, question, function, names, language) | _example(language, cases)
    a, b = (_chat(half, words) for half in variants(question))
    lead, note = rng.pick(LEADS), rng.pick(NOTES)
    x, y = ("\n\n".join(part for part in (lead, f"```{language}\n{code}```", note) if part) for code in programs)
    halves = {half: {"language": language, "tests": tests(language, function, cases[n])} for n, half in enumerate("ab")}
    return MirrorContent(edit, a, b, x, y, {"kind": "code", **halves})


def _language(rng: Rng) -> str:
    return rng.pick([language for language, share in SHARES.items() for _ in range(share)])


def _told(rng: Rng, story: Story, language: str, takes: str, gives: str) -> tuple[Function, dict[str, str], str]:
    words = _named(rng, story[0])
    name, *arguments = [camel(word) for word in words] if language in ("javascript", "java") else words
    pairs = tuple(zip(arguments, takes.split(), strict=True))
    function = Function(name, pairs, gives, hints=rng.chance(0.3), arrow=rng.chance(0.3))
    return function, {"f": name} | dict(zip("abcd", arguments, strict=False)), _spun(rng, story[1])


def _named(rng: Rng, text: str) -> list[str]:
    """The function's name, and of each argument's `{this/that}` the same one, as they are made to go together."""
    function, *arguments = text.split()
    either = rng.number(0, 1)
    names = (argument.strip("{}").split("/") for argument in arguments)
    return [_spun(rng, function), *(options[either % len(options)] for options in names)]


def _spun(rng: Rng, text: str) -> str:
    """One of each `{this/that}`."""
    return re.sub(r"\{([^{}]*)\}", lambda found: rng.pick(found[1].split("/")), text)


def _body(bodies: Mapping[str, str], language: str) -> str:
    return dedent(bodies.get(language, bodies["java"])).strip("\n")


def _both(body: str, language: str, bodies: Mapping[str, str]) -> list[str]:
    """Both readings of a body, translated where the language has none of its own."""
    rules = {"cpp": TO_CPP, "javascript": TO_JAVASCRIPT}.get(language, ()) if language not in bodies else ()
    halves = [re.sub(r"⟦(.*?)\|(.*?)⟧", rf"\{side}", body, flags=re.DOTALL) for side in (1, 2)]
    return [translate(half, rules) for half in halves]


def _avoid(names: Mapping[str, str], body: str) -> None:
    taken = (RESERVED | set(re.findall(r"(?<![$\w])\w+", body))) & set(names.values())
    if taken:
        raise ValueError(f"a story gives names that are taken: {sorted(taken)}")


def _hinge_shows(cases: Sequence[Sequence[tuple[Case, Any]]]) -> None:
    """The specs must differ on the first input, and agree on some other."""
    same = [one == other for one, other in zip(*cases, strict=True)]
    if same[0] or not any(same):
        raise Resample


def _words(rng: Rng, question: str, function: Function, names: Mapping[str, str], language: str) -> dict[str, str]:
    """What the question's `$names` stand for: code, which is ticked where it could be read as prose, and places."""
    clash = set(names.values()) & set(re.findall(r"(?<!\$)\b\w+", question))
    tick = "`" if clash or rng.chance() else ""
    p, q = rng.people(2)
    words = {key: f"{tick}{name}{tick}" for key, name in names.items()} | WORDS[language]
    words |= {"p": p, "q": q, "town": rng.pick(PLACES), "lang": TITLES[language].removesuffix("17")}
    words |= {"want": _want(function, language, tick), "sig": _signature(function, language, tick)}
    return words | {"Want": words["want"][0].upper() + words["want"][1:]}


def _example(language: str, cases: Sequence[Sequence[tuple[Case, Any]]]) -> dict[str, str]:
    """The first input as `e1`, `e2`, ..., and what comes out as `x` by the one spec and as `y` by the other."""
    (given, one), (_, other) = cases[0][0], cases[1][0]
    words = {f"e{n}": shown(language, value) for n, value in enumerate(given, 1)}
    return words | {"x": shown(language, one), "y": shown(language, other)}


def _want(function: Function, language: str, tick: str) -> str:
    if language == "java":
        typed = f"{tick}{function.typed('java')}{tick}"
        return f"a Java class {tick}{function.holder()}{tick} with a static method {typed}"
    head = function.typed("cpp") if language == "cpp" else function.bare()
    return f"a {TITLES[language]} function {tick}{head}{tick}"


def _signature(function: Function, language: str, tick: str) -> str:
    if language == "java":
        return f"{tick}static {function.typed('java')}{tick} in class {tick}{function.holder()}{tick}"
    return f"{tick}{function.typed('cpp') if language == 'cpp' else function.bare()}{tick}"


def _fill(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\$([a-zA-Z]+\d?)", lambda found: names[found[1]], text)


def _chat(text: str, words: Mapping[str, str]) -> Messages:
    """The turns; they are filled last, as code may hold what separates them."""
    system, _, turns = text.rpartition("##")
    return chat(*(_fill(turn.strip(), words) for turn in turns.split(">>")), system=_fill(system.strip(), words))
