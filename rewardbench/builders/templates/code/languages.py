"""Types, values, signatures and tests in four languages, and a translation of plain Java into C++ and JavaScript.

`Function("late_days", (("days", "ints"), ("limit", "int")), "ints")` becomes `def late_days(days, limit):` in Python
and `static List<Integer> lateDays(int[] days, int limit)` in Java.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import NamedTuple

TITLES = {"python": "Python", "javascript": "JavaScript", "java": "Java", "cpp": "C++17"}
TYPES = {
    "python": {
        "int": "int",
        "bool": "bool",
        "str": "str",
        "ints": "list[int]",
        "strs": "list[str]",
        "grid": "list[list[int]]",
    },
    "java": {"int": "int", "bool": "boolean", "str": "String", "ints": "int[]", "strs": "String[]", "grid": "int[][]"},
    "cpp": {
        "int": "int",
        "bool": "bool",
        "str": "std::string",
        "ints": "std::vector<int>",
        "strs": "std::vector<std::string>",
        "grid": "std::vector<std::vector<int>>",
    },
}
JAVA_RETURN_TYPES = {"ints": "List<Integer>", "strs": "List<String>"}
"""Kinds whose type as a result differs from that as a parameter, in Java."""

JAVA_IMPORTS = ("ArrayList", "Arrays", "Comparator", "HashSet", "LinkedHashSet", "List", "Set")
CPP_INCLUDES = {
    "algorithm": r"std::(sort|stable_sort|min|max|reverse|find|count|min_element|max_element|rotate)\b",
    "cctype": r"std::tolower\b",
    "cstddef": r"std::size_t\b",
    "cstdlib": r"std::abs\b",
    "set": r"std::set\b",
    "string": r"std::(string|to_string)\b",
    "vector": r"std::vector\b",
}

RESERVED = frozenset(
    """
    abs abstract all any assert auto boolean break case catch char class const continue debugger def default del
    delete dict div do double elif else enum eval except exit export extends extern false filter final finally float
    for from function global goto id if implements import in index input instanceof int interface is lambda len let
    list long map max min namespace native new next nonlocal not null object operator or package pass print private
    protected public raise range read register remove rename return reversed round set short signal signed sizeof
    sorted static str struct sum super switch synchronized template this throw throws time transient true try tuple
    type typedef typename typeof union unsigned using var virtual void volatile while with write xor yield zip
    """.split()
)
"""Keywords and built-in names of the languages: no function or parameter may be called so."""

_EQUALS = (r"\.equals\((\w+)\)", r" == \1")
_INDEX = ((r"\.get\(([^()]*)\)", r"[\1]"), (r"\.charAt\(([^()]*)\)", r"[\1]"))
TO_CPP = (
    _EQUALS,
    *_INDEX,
    (r"for \(String (\w+) :", r"for (const std::string& \1 :"),
    (r"for \(int\[\] (\w+) :", r"for (const std::vector<int>& \1 :"),
    (r"List<Integer> (\w+) = new ArrayList<>\(\);", r"std::vector<int> \1;"),
    (r"List<String> (\w+) = new ArrayList<>\(\);", r"std::vector<std::string> \1;"),
    (r"\bboolean ", "bool "),
    (r"\bString (\w+) =", r"std::string \1 ="),
    (r"\.add\(", ".push_back("),
    (r"(\$?\w+(?:\[\w+\])?)\.(?:length|size)\b(?:\(\))?", r"(int)\1.size()"),
    (r"\bMath\.(max|min|abs)\(", r"std::\1("),
)
TO_JAVASCRIPT = (
    _EQUALS,
    *_INDEX,
    (r"for \([\w\[\]]+ (\w+) : ", r"for (const \1 of "),
    (r"List<\w+> (\w+) = new ArrayList<>\(\);", r"const \1 = [];"),
    (r"\b(?:int|boolean|String)(?:\[\])? (\w+)(?= =|;)", r"let \1"),
    (r"(?<![=!<>])==(?!=)", "==="),
    (r"!=(?!=)", "!=="),
    (r"\.add\(", ".push("),
    (r"\.(?:length|size)\(\)", ".length"),
)


class Example(NamedTuple):
    """The arguments of a call, and the result that a reference function gives for them."""

    arguments: tuple[object, ...]
    result: object


@dataclass(frozen=True)
class Function:
    """A function's name, its parameters with their kinds (int, bool, str, ints, strs, grid), and the result's kind."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    returns: str
    hints: bool = False
    """Whether it has type hints, in Python."""
    arrow: bool = False
    """Whether it is an arrow function, in JavaScript."""

    def untyped_signature(self) -> str:
        """Return name and parameters for a language without types."""
        return f"{self.name}({', '.join(name for name, _ in self.parameters)})"

    def typed_signature(self, language: str) -> str:
        """Return result type, name and typed parameters, in Java or C++."""
        types = TYPES[language]
        parameters = []
        for name, kind in self.parameters:
            by_reference = language == "cpp" and kind not in ("int", "bool")
            parameters.append(f"const {types[kind]}& {name}" if by_reference else f"{types[kind]} {name}")
        returns = types[self.returns]
        if language == "java":
            returns = JAVA_RETURN_TYPES.get(self.returns, returns)
        return f"{returns} {self.name}({', '.join(parameters)})"

    def class_name(self) -> str:
        """Return the name of the class that contains the function in Java."""
        return self.name[0].upper() + self.name[1:]


def camel_case(name: str) -> str:
    """Return the name as Java and JavaScript write it.

    >>> camel_case("days_left")
    'daysLeft'
    """
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def translate(java: str, rules: Sequence[tuple[str, str]]) -> str:
    """Translate a body in plain Java by regular expressions and their replacements.

    >>> translate("for (int x : seen) if (x == 3) out.add(x);", TO_JAVASCRIPT)
    'for (const x of seen) if (x === 3) out.push(x);'
    """
    for pattern, replacement in rules:
        java = re.sub(pattern, replacement, java)
    return java


def program(language: str, function: Function, body: str) -> str:
    """Return the source of a program: its imports, the function's signature, and the indented body."""
    writers = {"python": _python, "javascript": _javascript, "java": _java, "cpp": _cpp}
    return writers[language](function, body)


def _python(function: Function, body: str) -> str:
    types = TYPES["python"]
    signature = function.untyped_signature()
    if function.hints:
        hints = ", ".join(f"{name}: {types[kind]}" for name, kind in function.parameters)
        signature = f"{function.name}({hints}) -> {types[function.returns]}"
    return f"def {signature}:\n{indent(body, '    ')}\n"


def _javascript(function: Function, body: str) -> str:
    signature = function.untyped_signature()
    code = _two_space_indent(indent(body, "    "))
    if function.arrow:
        return f"const {function.name} = {signature.removeprefix(function.name)} => {{\n{code}\n}};\n"
    return f"function {signature} {{\n{code}\n}}\n"


def _two_space_indent(text: str) -> str:
    """Halve the indentation of every line."""
    return re.sub(r"^ +", lambda match: match[0][::2], text, flags=re.MULTILINE)


def _java(function: Function, body: str) -> str:
    signature = f"static {function.typed_signature('java')}"
    code = f"class {function.class_name()} {{\n    {signature} {{\n{indent(body, ' ' * 8)}\n    }}\n}}\n"
    imports = ""
    for name in JAVA_IMPORTS:
        if re.search(rf"\b{name}\b", code):
            imports += f"import java.util.{name};\n"
    return f"{imports}\n{code}" if imports else code


def _cpp(function: Function, body: str) -> str:
    code = f"{function.typed_signature('cpp')} {{\n{indent(body, '    ')}\n}}\n"
    includes = ""
    for header, pattern in CPP_INCLUDES.items():
        if re.search(pattern, code):
            includes += f"#include <{header}>\n"
    return f"{includes}\n{code}" if includes else code


def display(language: str, value: object) -> str:
    """Return a value as people write it in a question.

    >>> display("java", [1, 2]), display("python", True)
    ('{1, 2}', 'True')
    """
    if isinstance(value, bool):
        return str(value) if language == "python" else str(value).lower()
    if isinstance(value, list):
        elements = ", ".join(display(language, element) for element in value)
        return f"[{elements}]" if language in ("python", "javascript") else f"{{{elements}}}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def literal(language: str, value: object, kind: str) -> str:
    """Return a value as an expression of a program.

    >>> literal("cpp", [[1, 2]], "grid")
    'std::vector<std::vector<int>>{{1, 2}}'
    """
    text = display(language, value)
    if isinstance(value, list) and language in ("java", "cpp"):
        return f"{'new ' if language == 'java' else ''}{TYPES[language][kind]}{text}"
    return text


def assertions(language: str, function: Function, examples: Sequence[Example]) -> str:
    """Return a program's tests: one call an example, whose result must be the expected one."""
    opening, closing = {
        "java": ("class Main { public static void main(String[] z) {\n", "} }\n"),
        "cpp": ("#include <string>\n#include <vector>\nint main() {\n", "  return 0;\n}\n"),
    }.get(language, ("", ""))
    lines = ""
    for example in examples:
        lines += _assertion(language, function, example) + "\n"
    return opening + lines + closing


def _assertion(language: str, function: Function, example: Example) -> str:
    arguments = []
    for value, (_, kind) in zip(example.arguments, function.parameters, strict=True):
        arguments.append(literal(language, value, kind))
    call = f"{function.name}({', '.join(arguments)})"
    expected = literal(language, example.result, function.returns)
    if language == "python":
        return f"assert {call} == {expected}"
    if language == "javascript":
        return f'require("assert").deepStrictEqual({call}, {expected});'
    if language == "java":
        comparison = _java_comparison(f"{function.class_name()}.{call}", example.result, function.returns)
        return f"  if (!({comparison})) System.exit(1);"
    if function.returns == "str":
        expected = f"std::string({expected})"
    return f"  if (!({call} == {expected})) return 1;"


def _java_comparison(call: str, result: object, kind: str) -> str:
    """Return an expression that is true if a call gives the expected result."""
    expected = literal("java", result, kind)
    if kind in ("ints", "strs"):
        return f"java.util.List.of({display('java', result)[1:-1]}).equals({call})"
    if kind == "grid":
        return f"java.util.Arrays.deepEquals({expected}, {call})"
    return f"{expected}.equals({call})" if kind == "str" else f"{call} == {expected}"
