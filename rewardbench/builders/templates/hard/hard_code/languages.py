"""The languages that programs are translated into: JavaScript, Java, C++ and Go."""

from __future__ import annotations

import ast

from rewardbench.builders.templates.hard.hard_code.emitter import ATOM, PRECEDENCE, Emitter
from rewardbench.builders.templates.hard.hard_code.source import element_type

Comparisons = list[tuple[str, bool, bool]]
"""Fields to sort by: name, is a text, descending."""


class JavaScriptEmitter(Emitter):
    """JavaScript: mappings are `Map` objects, records are plain objects."""

    INDENT = "  "

    def record(self, name: str, fields: list[tuple[str, str]]) -> None:
        """Add nothing: records need no definition."""
        self.output = self.output[:-1]

    def signature(self, name: str, parameters: list[tuple[str, str]], result: str) -> str:
        """Return the first line of a function."""
        return f"function {name}({', '.join(self.name(parameter) for parameter, _ in parameters)}) {{"

    def declaration(self, name: str, kind: str, value: str, constant: bool) -> str:
        """Return the declaration of a variable."""
        return f"{'const' if constant else 'let'} {name} = {value}"

    def empty(self, kind: str) -> str:
        """Return an empty list or mapping."""
        return "[]" if kind.startswith("list") else "new Map()"

    def counting(self, name: str, start: str, stop: str, backwards: bool) -> str:
        """Return the first line of a loop over a range."""
        if backwards:
            return f"for (let {name} = {start}; {name} > {stop}; {name}--) {{"
        return f"for (let {name} = {start}; {name} < {stop}; {name}++) {{"

    def elements(self, name: str, kind: str, sequence: str) -> str:
        """Return the first line of a loop over a list."""
        return f"for (const {name} of {sequence}) {{"

    def keys(self, name: str, mapping: str) -> str:
        """Return the first line of a loop over the sorted keys of a mapping."""
        return f"for (const {name} of [...{mapping}.keys()].sort()) {{"

    def item(self, node: ast.Subscript) -> str:
        """Return an element of a list or a value of a mapping."""
        if self.scope.type_of(node.value).startswith("dict"):
            return f"{self.expression(node.value)}.get({self.expression(node.slice)})"
        return super().item(node)

    def store(self, target: ast.Subscript, value: str) -> str:
        """Return the assignment to an element of a list or a value of a mapping."""
        if self.scope.type_of(target.value).startswith("dict"):
            return f"{self.expression(target.value)}.set({self.expression(target.slice)}, {value})"
        return super().store(target, value)

    def augment(self, target: ast.expr, operator: str, value: ast.expr) -> None:
        """Add an assignment with an operator."""
        if isinstance(target, ast.Subscript) and self.scope.type_of(target.value).startswith("dict"):
            self.line(self.store(target, f"{self.item(target)} {operator} {self.expression(value, 6)}"))
        else:
            super().augment(target, operator, value)

    def delete(self, target: ast.Subscript) -> str:
        """Return the deletion of an element of a list or a key of a mapping."""
        sequence, key = self.expression(target.value), self.expression(target.slice)
        is_mapping = self.scope.type_of(target.value).startswith("dict")
        return f"{sequence}.delete({key})" if is_mapping else f"{sequence}.splice({key}, 1)"

    def append(self, sequence: str, value: str) -> str:
        """Return the call that adds an element to a list."""
        return f"{sequence}.push({value})"

    def sort(self, sequence: str, kind: str, comparisons: Comparisons) -> None:
        """Add the call that sorts records by fields."""
        parts = []
        for field, is_text, descending in comparisons:
            left, right = ("q", "p") if descending else ("p", "q")
            comparison = f"{left}.{field} - {right}.{field}"
            parts.append(f"({left}.{field} < {right}.{field} ? -1 : 1)" if is_text else comparison)
        self.line(f"{sequence}.sort((p, q) => {' || '.join(parts)})")

    def contains(self, mapping: str, key: str) -> str:
        """Return the expression that is true if a mapping has a key."""
        return f"{mapping}.has({key})"

    def comparison(self, node: ast.Compare) -> tuple[str, int]:
        """Return a comparison, with three signs for equality."""
        text, strength = super().comparison(node)
        return text.replace(" == ", " === ").replace(" != ", " !== "), strength

    def binary(self, node: ast.BinOp) -> tuple[str, int]:
        """Return an arithmetic expression; divisions are rounded down."""
        text, strength = super().binary(node)
        return (f"Math.floor({text})", ATOM) if isinstance(node.op, ast.FloorDiv) else (text, strength)

    def joined(self, node: ast.JoinedStr) -> tuple[str, int]:
        """Return a template literal."""
        parts = []
        for text, kind in self.fragments(node):
            parts.append(f"${{{text}}}" if kind else text)
        return f"`{''.join(parts)}`", ATOM

    def split(self, text: str) -> str:
        """Return the list of the words of a text."""
        return f'{text}.split(" ")'

    def length(self, value: str, kind: str) -> str:
        """Return the number of elements or characters."""
        return f"{value}.{'size' if kind.startswith('dict') else 'length'}"

    def parse(self, text: str) -> str:
        """Return the integer that a text shows."""
        return f"Number({text})"

    def construct(self, name: str, arguments: list[str]) -> str:
        """Return a new object."""
        fields = []
        for field, value in zip(self.scope.fields[name], arguments, strict=True):
            label = self.name(field)
            fields.append(label if label == value else f"{label}: {value}")
        return f"{{ {', '.join(fields)} }}"


class JavaEmitter(Emitter):
    """Java: all is static in one class; mappings are TreeMaps."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.depth = 1

    def type_name(self, kind: str, boxed: bool = False) -> str:
        """Return a type in Java."""
        if kind.startswith("list["):
            return f"List<{self.type_name(element_type(kind), True)}>"
        if kind.startswith("dict["):
            return f"Map<String, {self.type_name(element_type(kind), True)}>"
        plain = {"int": "Integer" if boxed else "int", "str": "String", "bool": "Boolean" if boxed else "boolean"}
        return plain.get(kind, kind)

    def frame(self, body: str) -> str:
        """Return the class, after its imports."""
        names = ["ArrayList", "Comparator", "List", "Map", "TreeMap"]
        imports = [f"import java.util.{name};" for name in names if f"{name}<" in body or f"{name}." in body]
        (main,) = (node for node in self.tree.body[-1:] if isinstance(node, ast.FunctionDef))
        title = camel_title(main.name)
        return "\n".join([*imports, "", f"class {title} {{", body, "}"])

    def record(self, name: str, fields: list[tuple[str, str]]) -> None:
        """Add a class with a constructor."""
        self.write(f"static class {name} {{")
        self.depth += 1
        for field, kind in fields:
            self.line(f"{self.type_name(kind)} {self.name(field)}")
        parameters = ", ".join(f"{self.type_name(kind)} {self.name(field)}" for field, kind in fields)
        self.write("")
        self.write(f"{name}({parameters}) {{")
        self.depth += 1
        for field, _ in fields:
            self.line(f"this.{self.name(field)} = {self.name(field)}")
        self.depth -= 1
        self.write("}")
        self.depth -= 1
        self.write("}")

    def signature(self, name: str, parameters: list[tuple[str, str]], result: str) -> str:
        """Return the first line of a method."""
        declarations = [f"{self.type_name(kind)} {self.name(parameter)}" for parameter, kind in parameters]
        return f"static {self.type_name(result)} {name}({', '.join(declarations)}) {{"

    def declaration(self, name: str, kind: str, value: str, constant: bool) -> str:
        """Return the declaration of a variable."""
        return f"{self.type_name(kind)} {name} = {value}"

    def empty(self, kind: str) -> str:
        """Return an empty list or mapping."""
        return "new ArrayList<>()" if kind.startswith("list") else "new TreeMap<>()"

    def counting(self, name: str, start: str, stop: str, backwards: bool) -> str:
        """Return the first line of a loop over a range."""
        if backwards:
            return f"for (int {name} = {start}; {name} > {stop}; {name}--) {{"
        return f"for (int {name} = {start}; {name} < {stop}; {name}++) {{"

    def elements(self, name: str, kind: str, sequence: str) -> str:
        """Return the first line of a loop over a list."""
        return f"for ({self.type_name(kind)} {name} : {sequence}) {{"

    def keys(self, name: str, mapping: str) -> str:
        """Return the first line of a loop over the sorted keys of a mapping."""
        return f"for (String {name} : {mapping}.keySet()) {{"

    def item(self, node: ast.Subscript) -> str:
        """Return an element of a list or a value of a mapping."""
        return f"{self.expression(node.value)}.get({self.expression(node.slice)})"

    def store(self, target: ast.Subscript, value: str) -> str:
        """Return the assignment to an element of a list or a value of a mapping."""
        verb = "put" if self.scope.type_of(target.value).startswith("dict") else "set"
        return f"{self.expression(target.value)}.{verb}({self.expression(target.slice)}, {value})"

    def augment(self, target: ast.expr, operator: str, value: ast.expr) -> None:
        """Add an assignment with an operator."""
        if isinstance(target, ast.Subscript):
            self.line(self.store(target, f"{self.item(target)} {operator} {self.expression(value, 6)}"))
        else:
            super().augment(target, operator, value)

    def delete(self, target: ast.Subscript) -> str:
        """Return the deletion of an element of a list or a key of a mapping."""
        return f"{self.expression(target.value)}.remove({self.expression(target.slice)})"

    def append(self, sequence: str, value: str) -> str:
        """Return the call that adds an element to a list."""
        return f"{sequence}.add({value})"

    def sort(self, sequence: str, kind: str, comparisons: Comparisons) -> None:
        """Add the call that sorts records by fields."""
        self.write(f"{sequence}.sort((p, q) -> {{")
        self.depth += 1
        for n, (field, is_text, descending) in enumerate(comparisons):
            left, right = ("q", "p") if descending else ("p", "q")
            compare = f"{left}.{field}.compareTo({right}.{field})"
            text = compare if is_text else f"Integer.compare({left}.{field}, {right}.{field})"
            if n == len(comparisons) - 1:
                self.line(f"return {text}")
            else:
                self.line(f"if (p.{field} != q.{field}) return {text}")
        self.depth -= 1
        self.write("});")

    def contains(self, mapping: str, key: str) -> str:
        """Return the expression that is true if a mapping has a key."""
        return f"{mapping}.containsKey({key})"

    def compare_texts(self, left: str, symbol: str, right: str) -> tuple[str, int]:
        """Return the comparison of two texts, and how strongly it binds."""
        if symbol in ("==", "!="):
            return f"{'!' if symbol == '!=' else ''}{left}.equals({right})", ATOM if symbol == "==" else 8
        return f"{left}.compareTo({right}) {symbol} 0", PRECEDENCE[symbol]

    def joined(self, node: ast.JoinedStr) -> tuple[str, int]:
        """Return a concatenation; it starts with a text."""
        parts = []
        for text, kind in self.fragments(node):
            parts.append(text if kind else f'"{text}"')
        if not any(kind in ("", "str") for _, kind in self.fragments(node)[:2]):
            parts.insert(0, '""')
        return " + ".join(parts), 5

    def split(self, text: str) -> str:
        """Return the list of the words of a text."""
        return f'List.of({text}.split(" "))'

    def length(self, value: str, kind: str) -> str:
        """Return the number of elements or characters."""
        return f"{value}.{'length' if kind == 'str' else 'size'}()"

    def parse(self, text: str) -> str:
        """Return the integer that a text shows."""
        return f"Integer.parseInt({text})"

    def construct(self, name: str, arguments: list[str]) -> str:
        """Return a new record."""
        return f"new {name}({', '.join(arguments)})"


def camel_title(name: str) -> str:
    """Return the name of the class that holds a function.

    >>> camel_title("seat_plan")
    'SeatPlan'
    """
    return "".join(word.capitalize() for word in name.split("_"))
