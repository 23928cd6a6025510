"""C++ and Go, as languages that programs are translated into."""

from __future__ import annotations

import ast

from rewardbench.builders.templates.hard.hard_code.emitter import Emitter
from rewardbench.builders.templates.hard.hard_code.languages import Comparisons
from rewardbench.builders.templates.hard.hard_code.source import element_type

CPP_SPLIT = """static std::vector<std::string> split(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    std::string word;
    while (stream >> word) words.push_back(word);
    return words;
}

"""
CPP_HEADERS = {
    "algorithm": "std::stable_sort",
    "map": "std::map",
    "sstream": "std::istringstream",
    "string": "std::string",
    "vector": "std::vector",
}
GO_NUMBER = """func number(text string) int {
\tn, _ := strconv.Atoi(text)
\treturn n
}

"""
GO_KEYS = """func sortedKeys[T any](mapping map[string]T) []string {
\tkeys := make([]string, 0, len(mapping))
\tfor key := range mapping {
\t\tkeys = append(keys, key)
\t}
\tsort.Strings(keys)
\treturn keys
}

"""
GO_HAS = """func has[T any](mapping map[string]T, key string) bool {
\t_, ok := mapping[key]
\treturn ok
}

"""


class CppEmitter(Emitter):
    """C++17: records are structs, and mappings are `std::map`."""

    def name(self, name: str) -> str:
        """Return an identifier; C++ keeps the underscores."""
        return name

    def type_name(self, kind: str) -> str:
        """Return a type in C++."""
        if kind.startswith("list["):
            return f"std::vector<{self.type_name(element_type(kind))}>"
        if kind.startswith("dict["):
            return f"std::map<std::string, {self.type_name(element_type(kind))}>"
        return {"str": "std::string"}.get(kind, kind)

    def reference(self, name: str, kind: str) -> str:
        """Return the type of a parameter, a loop variable, or a variable for a record."""
        if kind in ("int", "bool"):
            return self.type_name(kind)
        return f"{'' if name in self.mutated else 'const '}{self.type_name(kind)}&"

    def frame(self, body: str) -> str:
        """Return the program after its headers."""
        code = (CPP_SPLIT if "split(" in body else "") + body
        headers = [f"#include <{header}>\n" for header, name in CPP_HEADERS.items() if name in code]
        return "".join(headers) + "\n" + code

    def record(self, name: str, fields: list[tuple[str, str]]) -> None:
        """Add a struct."""
        self.write(f"struct {name} {{")
        self.depth += 1
        for field, kind in fields:
            self.line(f"{self.type_name(kind)} {field}")
        self.depth -= 1
        self.write("};")

    def signature(self, name: str, parameters: list[tuple[str, str]], result: str) -> str:
        """Return the first line of a function; a record that it returns is one that exists outside."""
        declarations = [f"{self.reference(parameter, kind)} {parameter}" for parameter, kind in parameters]
        result_name = f"{self.type_name(result)}{'&' if result in self.scope.fields else ''}"
        return f"{result_name} {name}({', '.join(declarations)}) {{"

    def declaration(self, name: str, kind: str, value: str, constant: bool) -> str:
        """Return the declaration of a variable; a variable for a record refers to it."""
        if not value:
            return f"{self.type_name(kind)} {name}"
        if kind == "list[str]" and value.startswith("split("):
            return f"const auto {name} = {value}"
        is_reference = kind in self.scope.fields and not value.startswith(f"{kind}{{")
        return f"{self.reference(name, kind) if is_reference else self.type_name(kind)} {name} = {value}"

    def empty(self, kind: str) -> str:
        """Return nothing: a declaration makes the list or mapping empty."""
        return ""

    def counting(self, name: str, start: str, stop: str, backwards: bool) -> str:
        """Return the first line of a loop over a range."""
        if backwards:
            return f"for (int {name} = {start}; {name} > {stop}; --{name}) {{"
        return f"for (int {name} = {start}; {name} < {stop}; ++{name}) {{"

    def elements(self, name: str, kind: str, sequence: str) -> str:
        """Return the first line of a loop over a list."""
        return f"for ({self.reference(name, kind)} {name} : {sequence}) {{"

    def keys(self, name: str, mapping: str) -> str:
        """Return the first line of a loop over the sorted keys of a mapping."""
        return f"for (const auto& [{name}, {name}_value] : {mapping}) {{"

    def delete(self, target: ast.Subscript) -> str:
        """Return the deletion of an element of a list or a key of a mapping."""
        sequence, key = self.expression(target.value), self.expression(target.slice)
        is_mapping = self.scope.type_of(target.value).startswith("dict")
        return f"{sequence}.erase({key})" if is_mapping else f"{sequence}.erase({sequence}.begin() + {key})"

    def append(self, sequence: str, value: str) -> str:
        """Return the call that adds an element to a list."""
        return f"{sequence}.push_back({value})"

    def sort(self, sequence: str, kind: str, comparisons: Comparisons) -> None:
        """Add the call that sorts records by fields."""
        head = f"std::stable_sort({sequence}.begin(), {sequence}.end()"
        self.write(f"{head}, [](const {kind}& p, const {kind}& q) {{")
        self.depth += 1
        for n, (field, _, descending) in enumerate(comparisons):
            text = f"p.{field} {'>' if descending else '<'} q.{field}"
            self.line(f"return {text}" if n == len(comparisons) - 1 else f"if (p.{field} != q.{field}) return {text}")
        self.depth -= 1
        self.write("});")

    def contains(self, mapping: str, key: str) -> str:
        """Return the expression that is true if a mapping has a key."""
        return f"{mapping}.count({key})"

    def joined(self, node: ast.JoinedStr) -> tuple[str, int]:
        """Return a concatenation of strings."""
        parts = []
        for text, kind in self.fragments(node):
            parts.append(f"std::to_string({text})" if kind == "int" else text if kind else f'"{text}"')
        return " + ".join(parts), 5

    def split(self, text: str) -> str:
        """Return the list of the words of a text."""
        return f"split({text})"

    def length(self, value: str, kind: str) -> str:
        """Return the number of elements or characters."""
        return f"(int){value}.size()"

    def parse(self, text: str) -> str:
        """Return the integer that a text shows."""
        return f"std::stoi({text})"

    def construct(self, name: str, arguments: list[str]) -> str:
        """Return a new record."""
        return f"{name}{{{', '.join(arguments)}}}"


class GoEmitter(Emitter):
    """Go: records are pointers to structs."""

    INDENT, SEMICOLON = "\t", ""
    IF, WHILE, ELSE_IF = "if {} {{", "for {} {{", "}} else if {} {{"

    def type_name(self, kind: str) -> str:
        """Return a type in Go."""
        if kind.startswith("list["):
            return f"[]{self.type_name(element_type(kind))}"
        if kind.startswith("dict["):
            return f"map[string]{self.type_name(element_type(kind))}"
        return {"str": "string"}.get(kind, f"*{kind}" if kind in self.scope.fields else kind)

    def frame(self, body: str) -> str:
        """Return the program after its imports."""
        code = body
        for name, helper in (("has", GO_HAS), ("sortedKeys", GO_KEYS), ("number", GO_NUMBER)):
            if f"{name}(" in body:
                code = helper + code
        packages = [name for name in ("fmt", "sort", "strconv", "strings") if f"{name}." in code]
        imports = "".join(f'\t"{name}"\n' for name in packages)
        return f"package main\n\nimport (\n{imports})\n\n{code}"

    def record(self, name: str, fields: list[tuple[str, str]]) -> None:
        """Add a struct."""
        width = max(len(self.name(field)) for field, _ in fields)
        self.write(f"type {name} struct {{")
        for field, kind in fields:
            self.write(f"\t{self.name(field):{width}} {self.type_name(kind)}")
        self.write("}")

    def signature(self, name: str, parameters: list[tuple[str, str]], result: str) -> str:
        """Return the first line of a function."""
        declarations = [f"{self.name(parameter)} {self.type_name(kind)}" for parameter, kind in parameters]
        return f"func {name}({', '.join(declarations)}) {self.type_name(result)} {{"

    def declaration(self, name: str, kind: str, value: str, constant: bool) -> str:
        """Return the declaration of a variable."""
        return f"{name} := {value}"

    def empty(self, kind: str) -> str:
        """Return an empty list or mapping."""
        return f"{self.type_name(kind)}{{}}"

    def counting(self, name: str, start: str, stop: str, backwards: bool) -> str:
        """Return the first line of a loop over a range."""
        if backwards:
            return f"for {name} := {start}; {name} > {stop}; {name}-- {{"
        return f"for {name} := {start}; {name} < {stop}; {name}++ {{"

    def elements(self, name: str, kind: str, sequence: str) -> str:
        """Return the first line of a loop over a list."""
        return f"for _, {name} := range {sequence} {{"

    def keys(self, name: str, mapping: str) -> str:
        """Return the first line of a loop over the sorted keys of a mapping."""
        return f"for _, {name} := range sortedKeys({mapping}) {{"

    def delete(self, target: ast.Subscript) -> str:
        """Return the deletion of an element of a list or a key of a mapping."""
        sequence, key = self.expression(target.value), self.expression(target.slice)
        if self.scope.type_of(target.value).startswith("dict"):
            return f"delete({sequence}, {key})"
        return f"{sequence} = append({sequence}[:{key}], {sequence}[{key}+1:]...)"

    def append(self, sequence: str, value: str) -> str:
        """Return the assignment that adds an element to a list."""
        return f"{sequence} = append({sequence}, {value})"

    def sort(self, sequence: str, kind: str, comparisons: Comparisons) -> None:
        """Add the call that sorts records by fields."""
        self.write(f"sort.SliceStable({sequence}, func(i, j int) bool {{")
        self.depth += 1
        self.write(f"p, q := {sequence}[i], {sequence}[j]")
        for n, (field, _, descending) in enumerate(comparisons):
            text = f"return p.{field} {'>' if descending else '<'} q.{field}"
            if n == len(comparisons) - 1:
                self.write(text)
            else:
                self.write(f"if p.{field} != q.{field} {{")
                self.write(f"\t{text}")
                self.write("}")
        self.depth -= 1
        self.write("})")

    def contains(self, mapping: str, key: str) -> str:
        """Return the expression that is true if a mapping has a key."""
        return f"has({mapping}, {key})"

    def joined(self, node: ast.JoinedStr) -> tuple[str, int]:
        """Return a call of `fmt.Sprintf`."""
        form, values = "", []
        for text, kind in self.fragments(node):
            form += {"int": "%d", "": text}.get(kind, "%s")
            values += [text] if kind else []
        return f'fmt.Sprintf("{form}", {", ".join(values)})', 9

    def split(self, text: str) -> str:
        """Return the list of the words of a text."""
        return f"strings.Fields({text})"

    def length(self, value: str, kind: str) -> str:
        """Return the number of elements or characters."""
        return f"len({value})"

    def parse(self, text: str) -> str:
        """Return the integer that a text shows."""
        return f"number({text})"

    def construct(self, name: str, arguments: list[str]) -> str:
        """Return a new record."""
        return f"&{name}{{{', '.join(arguments)}}}"
