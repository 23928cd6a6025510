"""How four languages write types, values, signatures and tests; and how a body in plain Java reads in two others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

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
RETURNED = {"ints": "List<Integer>", "strs": "List<String>"}
"""Where Java gives back another type than it takes."""

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
"""Words that are no name in one of the languages, or that stand for something else."""

_EXACT = (r"\.equals\((\w+)\)", r" == \1")
_AT = ((r"\.get\(([^()]*)\)", r"[\1]"), (r"\.charAt\(([^()]*)\)", r"[\1]"))
TO_CPP = (
    _EXACT,
    *_AT,
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
    _EXACT,
    *_AT,
    (r"for \([\w\[\]]+ (\w+) : ", r"for (const \1 of "),
    (r"List<\w+> (\w+) = new ArrayList<>\(\);", r"const \1 = [];"),
    (r"\b(?:int|boolean|String)(?:\[\])? (\w+)(?= =|;)", r"let \1"),
    (r"(?<![=!<>])==(?!=)", "==="),
    (r"!=(?!=)", "!=="),
    (r"\.add\(", ".push("),
    (r"\.(?:length|size)\(\)", ".length"),
)


@dataclass(frozen=True)
class Function:
    """A function's name, its arguments with their kinds (int, bool, str, ints, strs, grid), and what it gives."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    gives: str
    hints: bool = False
    arrow: bool = False

    def bare(self) -> str:
        """Name and arguments, as a language without types has them."""
        return f"{self.name}({', '.join(name for name, _ in self.arguments)})"

    def typed(self, language: str) -> str:
        """The same with types, in Java or C++."""
        types = TYPES[language]
        big = "const {}& {}" if language == "cpp" else "{} {}"
        takes = [(big if kind not in ("int", "bool") else "{} {}").format(types[kind], n) for n, kind in self.arguments]
        gives = RETURNED.get(self.gives, types[self.gives]) if language == "java" else types[self.gives]
        return f"{gives} {self.name}({', '.join(takes)})"

    def holder(self) -> str:
        """The class that holds it in Java."""
        return self.name[0].upper() + self.name[1:]


def camel(name: str) -> str:
    """The name as Java and JavaScript write it.

    >>> camel("days_left")
    'daysLeft'
    """
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def translate(java: str, rules: Sequence[tuple[str, str]]) -> str:
    """A body in plain Java told in another language.

    >>> translate("for (int x : seen) if (x == 3) out.add(x);", TO_JAVASCRIPT)
    'for (const x of seen) if (x === 3) out.push(x);'
    """
    for pattern, told in rules:
        java = re.sub(pattern, told, java)
    return java


def whole(language: str, function: Function, body: str) -> str:
    """The program: what it imports, its head, and the body, which is indented by fours and gets what is usual."""
    return {"python": _python, "javascript": _javascript, "java": _java, "cpp": _cpp}[language](function, body)


def _python(function: Function, body: str) -> str:
    types = TYPES["python"]
    hinted = ", ".join(f"{name}: {types[kind]}" for name, kind in function.arguments)
    head = f"{function.name}({hinted}) -> {types[function.gives]}" if function.hints else function.bare()
    return f"def {head}:\n{indent(body, '    ')}\n"


def _javascript(function: Function, body: str) -> str:
    arguments = function.bare().removeprefix(function.name)
    head = f"const {function.name} = {arguments} =>" if function.arrow else f"function {function.bare()}"
    return f"{head} {{\n{_halved(indent(body, '    '))}\n}}{';' if function.arrow else ''}\n"


def _halved(text: str) -> str:
    return re.sub(r"^ +", lambda found: found[0][::2], text, flags=re.MULTILINE)


def _java(function: Function, body: str) -> str:
    code = (
        f"class {function.holder()} {{\n    static {function.typed('java')} {{\n{indent(body, ' ' * 8)}\n    }}\n}}\n"
    )
    used = [name for name in JAVA_IMPORTS if re.search(rf"\b{name}\b", code)]
    imports = "".join(f"import java.util.{name};\n" for name in used)
    return f"{imports}\n{code}" if imports else code


def _cpp(function: Function, body: str) -> str:
    code = f"{function.typed('cpp')} {{\n{indent(body, '    ')}\n}}\n"
    includes = "".join(f"#include <{name}>\n" for name, used in CPP_INCLUDES.items() if re.search(used, code))
    return f"{includes}\n{code}" if includes else code


def shown(language: str, value: Any) -> str:
    """A value as people write it in a question.

    >>> shown("java", [1, 2]), shown("python", True)
    ('{1, 2}', 'True')
    """
    if isinstance(value, bool):
        return str(value) if language == "python" else str(value).lower()
    if isinstance(value, list):
        inner = ", ".join(shown(language, one) for one in value)
        return f"[{inner}]" if language in ("python", "javascript") else f"{{{inner}}}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def literal(language: str, value: Any, kind: str) -> str:
    """A value as a program holds it.

    >>> literal("cpp", [[1, 2]], "grid")
    'std::vector<std::vector<int>>{{1, 2}}'
    """
    if isinstance(value, list) and language in ("java", "cpp"):
        return f"{'new ' if language == 'java' else ''}{TYPES[language][kind]}{shown(language, value)}"
    return shown(language, value)


def tests(language: str, function: Function, cases: Sequence[tuple[tuple[Any, ...], Any]]) -> str:
    """A program's tests: its calls, each with what is to come out."""
    lines = [_test(language, function, arguments, wanted) for arguments, wanted in cases]
    head, foot = {
        "java": ("class Main { public static void main(String[] z) {\n", "} }\n"),
        "cpp": ("#include <string>\n#include <vector>\nint main() {\n", "  return 0;\n}\n"),
    }.get(language, ("", ""))
    return head + "".join(f"{line}\n" for line in lines) + foot


def _test(language: str, function: Function, arguments: tuple[Any, ...], wanted: Any) -> str:
    kinds = [kind for _, kind in function.arguments]
    takes = ", ".join(literal(language, one, kind) for one, kind in zip(arguments, kinds, strict=True))
    call = f"{function.name}({takes})"
    value = literal(language, wanted, function.gives)
    if language == "python":
        return f"assert {call} == {value}"
    if language == "javascript":
        return f'require("assert").deepStrictEqual({call}, {value});'
    if language == "java":
        return f"  if (!({_java_equal(f'{function.holder()}.{call}', wanted, function.gives)})) System.exit(1);"
    right = f"std::string({value})" if function.gives == "str" else value
    return f"  if (!({call} == {right})) return 1;"


def _java_equal(call: str, wanted: Any, kind: str) -> str:
    value = literal("java", wanted, kind)
    if kind in ("ints", "strs"):
        return f"java.util.List.of({', '.join(shown('java', one) for one in wanted)}).equals({call})"
    if kind == "grid":
        return f"java.util.Arrays.deepEquals({value}, {call})"
    return f"{value}.equals({call})" if kind == "str" else f"{call} == {value}"
