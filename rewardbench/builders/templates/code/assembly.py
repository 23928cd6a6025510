"""Assemble a mirror of code: two prompts, two programs, and tests that only one of the programs passes.

Every template of this package calls `code_mirror` with three stories. A story is a pair of texts: the names of the
function and its parameters, and the question. They and the bodies of the programs use this notation:

    {this/that}      one of these, drawn at random (parameters all get their first name, or all their second)
    [[one|other]]    text of the one prompt, and of the other
    ⟦one|other⟧      code of the one program, and of the other, as code has square brackets enough
    $a, $b, $f       the parameters, and the function
    $want, $sig      the function in words, and its signature
    $e1, $x, $y      the first input, its result in the one prompt, its result in the other
    ## and >>        end of the system message, and end of a turn

`"$Want for the [[first|last]] word in $a"` becomes "A Python function `head(words)` for the first word in `words`".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from textwrap import dedent

from rewardbench.builders.draw import MirrorContent, Resample, Rng
from rewardbench.builders.mirrors import chat, variants
from rewardbench.builders.templates.code.languages import (
    RESERVED,
    TITLES,
    TO_CPP,
    TO_JAVASCRIPT,
    Example,
    Function,
    assertions,
    camel_case,
    display,
    program,
    translate,
)
from rewardbench.types import Messages

Story = tuple[str, str]
"""The names of the function and its parameters, and the question."""
ReferenceFunction = Callable[..., object]
"""A second implementation of what a prompt asks for; its results are the expected ones of the tests."""

LANGUAGE_SHARES = {"java": 26, "python": 34, "cpp": 20, "javascript": 20}
"""Percentage of the mirrors in each language."""
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
VOCABULARY = {
    "python": {"l": "python", "grid": "list of lists", "list": "list", "res": "list"},
    "javascript": {"l": "js", "grid": "array of arrays", "list": "array", "res": "array"},
    "java": {"l": "java", "grid": "two-dimensional array", "list": "array", "res": "list"},
    "cpp": {"l": "c++", "grid": "vector of vectors", "list": "vector", "res": "vector"},
}
"""Words of a language: its short name, and its sequences as parameters (`list`, `grid`) and as a result (`res`)."""
for _vocabulary in VOCABULARY.values():
    for _key in ("list", "res", "grid"):
        _noun = _vocabulary[_key]
        _vocabulary[f"a{_key}"] = f"{'an' if _noun.startswith('a') else 'a'} {_noun}"


def ints(rng: Rng, size: int, low: int, high: int) -> list[int]:
    """Draw `size` numbers from `low` to `high`; repeats are allowed."""
    return [rng.number(low, high) for _ in range(size)]


def rows(rng: Rng, size: int, low: int, high: int, width: int = 2) -> list[list[int]]:
    """Draw `size` rows of `width` numbers from `low` to `high`; repeats are allowed."""
    return [ints(rng, width, low, high) for _ in range(size)]


def code_mirror(
    rng: Rng,
    edit: str,
    *stories: Story,
    parameters: str,
    returns: str,
    bodies: Mapping[str, str],
    references: tuple[ReferenceFunction, ReferenceFunction],
    inputs: Sequence[tuple[object, ...]],
) -> MirrorContent:
    """Draw a story and a language, and assemble the mirror.

    Args:
        rng: source of all random choices.
        edit: what differs between the prompts, in one line.
        stories: wordings of the problem, of which one is drawn.
        parameters: kind of each parameter (int, bool, str, ints, strs, grid), separated by spaces.
        returns: kind of the result.
        bodies: body of the function by language. Python and plain Java are required; C++ and JavaScript are translated
            from Java unless they are given.
        references: what the first prompt asks for, and what the second one asks for. They use another method than the
            bodies, so that the tests detect an error in either.
        inputs: arguments of the tests; the first ones may be shown in the question.

    Raises:
        Resample: if the references agree on the first input, or on none.
        ValueError: if a name of the story is reserved, or used in the body.
    """
    language = _draw_language(rng)
    names_text, question_text = rng.pick(stories)
    function, names = _draw_function(rng, names_text, language, parameters, returns)
    question = _draw_options(rng, question_text)
    body = dedent(bodies.get(language, bodies["java"])).strip("\n")
    _reject_name_clashes(names, body)
    examples_a, examples_b = (_examples(reference, inputs) for reference in references)
    _require_difference(examples_a, examples_b)
    words = _draw_words(rng, question, function, names, language)
    words |= _example_words(language, examples_a[0], examples_b[0])
    prompt_a, prompt_b = variants(question)
    lead, note = rng.pick(LEADS), rng.pick(NOTES)
    body_a, body_b = _body_variants(body, language, translated=language not in bodies)
    code_a = program(language, function, _fill(body_a, names))
    code_b = program(language, function, _fill(body_b, names))
    check = {
        "kind": "code",
        "a": {"language": language, "tests": assertions(language, function, examples_a)},
        "b": {"language": language, "tests": assertions(language, function, examples_b)},
    }
    return MirrorContent(
        edit,
        a=_prompt(prompt_a, words),
        b=_prompt(prompt_b, words),
        x=_response(lead, language, code_a, note),
        y=_response(lead, language, code_b, note),
        check=check,
    )


def _draw_language(rng: Rng) -> str:
    tickets: list[str] = []
    for language, share in LANGUAGE_SHARES.items():
        tickets += [language] * share
    return rng.pick(tickets)


def _draw_function(
    rng: Rng, names_text: str, language: str, parameter_kinds: str, returns: str
) -> tuple[Function, dict[str, str]]:
    """Draw a function, and return it with the values of `$f`, `$a`, `$b`, ..."""
    names = _draw_names(rng, names_text)
    if language in ("javascript", "java"):
        names = list(map(camel_case, names))
    function_name, *parameter_names = names
    parameters = tuple(zip(parameter_names, parameter_kinds.split(), strict=True))
    function = Function(function_name, parameters, returns, hints=rng.chance(0.3), arrow=rng.chance(0.3))
    return function, {"f": function_name} | dict(zip("abcd", parameter_names, strict=False))


def _draw_names(rng: Rng, names_text: str) -> list[str]:
    """Draw the function's name, and for all parameters either their first or their second name."""
    function_text, *parameter_texts = names_text.split()
    position = rng.number(0, 1)
    names = [_draw_options(rng, function_text)]
    for parameter_text in parameter_texts:
        options = parameter_text.strip("{}").split("/")
        names.append(options[position % len(options)])
    return names


def _draw_options(rng: Rng, text: str) -> str:
    """Replace each `{this/that}` by one of its options."""
    return re.sub(r"\{([^{}]*)\}", lambda match: rng.pick(match[1].split("/")), text)


def _body_variants(body: str, language: str, translated: bool) -> list[str]:
    """Return the bodies of both programs, translated from Java if necessary."""
    rules: Sequence[tuple[str, str]] = ()
    if translated:
        rules = {"cpp": TO_CPP, "javascript": TO_JAVASCRIPT}.get(language, ())
    body_a, body_b = (re.sub(r"⟦(.*?)\|(.*?)⟧", rf"\{side}", body, flags=re.DOTALL) for side in (1, 2))
    return [translate(body_a, rules), translate(body_b, rules)]


def _reject_name_clashes(names: Mapping[str, str], body: str) -> None:
    """Raise ValueError if a name of the story is reserved, or used in the body."""
    clashes = (RESERVED | set(re.findall(r"(?<![$\w])\w+", body))) & set(names.values())
    if clashes:
        raise ValueError(f"These names of a story are reserved, or used in the body: {sorted(clashes)}.")


def _examples(reference: ReferenceFunction, inputs: Sequence[tuple[object, ...]]) -> list[Example]:
    return [Example(arguments, reference(*arguments)) for arguments in inputs]


def _require_difference(examples_a: Sequence[Example], examples_b: Sequence[Example]) -> None:
    """Raise Resample unless the references differ on the first input, and agree on another one."""
    agreements = [a.result == b.result for a, b in zip(examples_a, examples_b, strict=True)]
    if agreements[0] or not any(agreements):
        raise Resample


def _draw_words(rng: Rng, question: str, function: Function, names: Mapping[str, str], language: str) -> dict[str, str]:
    """Return the values of the question's `$names`: code, people and places.

    Code is put between backticks if one of its names also occurs as a word of the question, else by chance.
    """
    clashes = set(names.values()) & set(re.findall(r"(?<!\$)\b\w+", question))
    tick = "`" if clashes or rng.chance() else ""
    first_person, second_person = rng.people(2)
    words = {key: f"{tick}{name}{tick}" for key, name in names.items()} | VOCABULARY[language]
    words |= {"p": first_person, "q": second_person, "town": rng.pick(PLACES)}
    wanted_function = _function_in_words(function, language, tick)
    return words | {
        "lang": TITLES[language].removesuffix("17"),
        "want": wanted_function,
        "Want": wanted_function[0].upper() + wanted_function[1:],
        "sig": _signature(function, language, tick),
    }


def _example_words(language: str, example_a: Example, example_b: Example) -> dict[str, str]:
    """Return the first input as `e1`, `e2`, ..., and its results by the two references as `x` and `y`."""
    words = {"x": display(language, example_a.result), "y": display(language, example_b.result)}
    for n, value in enumerate(example_a.arguments, 1):
        words[f"e{n}"] = display(language, value)
    return words


def _function_in_words(function: Function, language: str, tick: str) -> str:
    if language == "java":
        method = f"{tick}{function.typed_signature('java')}{tick}"
        return f"a Java class {tick}{function.class_name()}{tick} with a static method {method}"
    signature = function.typed_signature("cpp") if language == "cpp" else function.untyped_signature()
    return f"a {TITLES[language]} function {tick}{signature}{tick}"


def _signature(function: Function, language: str, tick: str) -> str:
    if language == "java":
        return f"{tick}static {function.typed_signature('java')}{tick} in class {tick}{function.class_name()}{tick}"
    signature = function.typed_signature("cpp") if language == "cpp" else function.untyped_signature()
    return f"{tick}{signature}{tick}"


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each `$name` by its value."""
    return re.sub(r"\$([a-zA-Z]+\d?)", lambda match: values[match[1]], text)


def _response(lead: str, language: str, code: str, note: str) -> str:
    return "\n\n".join(filter(None, (lead, f"```{language}\n{code}```", note)))


def _prompt(text: str, words: Mapping[str, str]) -> Messages:
    """Return the messages of a prompt; they are filled last, as code may contain the marks that separate them."""
    system, _, conversation = text.rpartition("##")
    turns = [_fill(turn.strip(), words) for turn in conversation.split(">>")]
    return chat(*turns, system=_fill(system.strip(), words))
