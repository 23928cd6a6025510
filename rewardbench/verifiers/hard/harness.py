"""Run functions from lines to lines, in any language, on many inputs with one process each.

The inputs are on standard input, each followed by a line `=`; so are the outputs on standard output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewardbench.verifiers.cells import FAIL, PASS, BrokenCheck, Cell
from rewardbench.verifiers.programs import BATCH_SIZE, LANGUAGES, only_block, run_sources
from rewardbench.verifiers.sandbox import ProgramResult

Lines = list[str]
Accepts = Callable[[list[Lines]], bool]
"""Returns True if the outputs for all inputs are right."""

PYTHON = """
import sys
case = []
for line in sys.stdin.read().splitlines():
    if line != "=":
        case.append(line)
        continue
    for answer in FUNCTION(case):
        print(answer)
    print("=")
    case = []
"""
JAVASCRIPT = """
{
  let lines = [];
  const answers = [];
  for (const line of require("fs").readFileSync(0, "utf8").split("\\n")) {
    if (line !== "=") { lines.push(line); continue; }
    answers.push(...FUNCTION(lines), "=");
    lines = [];
  }
  console.log(answers.join("\\n"));
}
"""
JAVA = """
class Main {
    public static void main(String[] args) {
        java.util.Scanner input = new java.util.Scanner(System.in);
        java.util.List<String> lines = new java.util.ArrayList<>();
        StringBuilder answers = new StringBuilder();
        while (input.hasNextLine()) {
            String line = input.nextLine();
            if (!line.equals("=")) { lines.add(line); continue; }
            for (String answer : CLASS.FUNCTION(lines)) answers.append(answer).append("\\n");
            answers.append("=\\n");
            lines = new java.util.ArrayList<>();
        }
        System.out.print(answers);
    }
}
"""
CPP = """
#include <iostream>
int main() {
    std::vector<std::string> lines;
    std::string line;
    while (std::getline(std::cin, line)) {
        if (line != "=") { lines.push_back(line); continue; }
        for (const auto& answer : FUNCTION(lines)) std::cout << answer << "\\n";
        std::cout << "=\\n";
        lines.clear();
    }
}
"""
GO = """
func main() {
    scanner := hBufio.NewScanner(hOs.Stdin)
    lines := []string{}
    for scanner.Scan() {
        if scanner.Text() != "=" {
            lines = append(lines, scanner.Text())
            continue
        }
        for _, answer := range FUNCTION(lines) {
            hOs.Stdout.WriteString(answer + "\\n")
        }
        hOs.Stdout.WriteString("=\\n")
        lines = []string{}
    }
}
"""
SQL = """
import sqlite3
import sys

def rows_of(lines):
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    for line in lines:
        table, *values = line.split(" ")
        database.execute("INSERT INTO " + table + " VALUES (" + ", ".join("?" * len(values)) + ")", values)
    return [" ".join(map(str, row)) for row in database.execute(QUERY)]
"""
MAINS = {"python": PYTHON, "javascript": JAVASCRIPT, "java": JAVA, "cpp": CPP, "go": GO, "sql": PYTHON}


@dataclass(frozen=True)
class FunctionCall:
    """A function of a program, to be called with each of some inputs."""

    language: str
    function: str
    code: str
    stdin: str
    """The inputs, each followed by `=`."""
    schema: str = ""
    """Of SQL: the statements that create the tables; an input line is the name of a table and a row."""

    def source(self) -> str:
        """Return the complete program."""
        title = self.function[:1].upper() + self.function[1:]
        code = self.code
        if self.language == "sql":
            constants = f"SCHEMA, QUERY = {self.schema!r}, {code!r}\n"
            return constants + SQL + PYTHON.replace("FUNCTION", "rows_of")
        if self.language == "go":
            code = code.replace("import (", 'import (\n\thBufio "bufio"\n\thOs "os"', 1)
        return code + "\n" + MAINS[self.language].replace("CLASS", title).replace("FUNCTION", self.function)


def make_call(cell: Cell, inputs: Sequence[Lines]) -> FunctionCall:
    """Return the call of the program in a response; the check has its language and the name of its function.

    Raises:
        BrokenCheck: unless the response has exactly one program, in a known language.
    """
    language, function = str(cell.check["language"]), str(cell.check["function"])
    if language not in MAINS:
        raise BrokenCheck(f"no language {language!r}")
    stdin = "".join("\n".join([*lines, "=\n"]) for lines in inputs)
    return FunctionCall(language, function, only_block(cell), stdin, str(cell.check.get("schema", "")))


def run_calls(calls: Sequence[FunctionCall]) -> dict[FunctionCall, list[Lines] | str]:
    """Return, for each different call, the output for each input, or why there is none."""
    outputs: dict[FunctionCall, list[Lines] | str] = {}
    for language in MAINS:
        calls_of_language = [call for call in dict.fromkeys(calls) if call.language == language]
        for start in range(0, len(calls_of_language), BATCH_SIZE):
            batch = calls_of_language[start : start + BATCH_SIZE]
            sources = [call.source() for call in batch]
            results = run_sources(LANGUAGES[language], sources, [call.stdin for call in batch])
            outputs |= dict(zip(batch, map(_split_output, results), strict=True))
    return outputs


def _split_output(result: ProgramResult) -> list[Lines] | str:
    """Return the lines of each output, or why there is none."""
    if result.code != 0:
        return f"breaks: {result.err.strip().splitlines()[-1:]}"
    outputs: list[Lines] = [[]]
    for line in result.out.splitlines():
        if line == "=":
            outputs.append([])
        else:
            outputs[-1].append(line)
    return outputs[:-1]


def judge_outputs(cells: Sequence[Cell], prepare: Callable[[Cell], tuple[list[Lines], Accepts]]) -> list[str]:
    """Call the program of each cell, and judge its outputs.

    Args:
        cells: the cells.
        prepare: returns the inputs for a cell, and the judgement of their outputs.
    """
    calls: dict[int, FunctionCall] = {}
    judgements: dict[int, tuple[int, Accepts]] = {}
    outcomes = [""] * len(cells)
    for n, cell in enumerate(cells):
        try:
            inputs, accepts = prepare(cell)
            calls[n] = make_call(cell, inputs)
            judgements[n] = len(inputs), accepts
        except (BrokenCheck, ValueError, KeyError, TypeError) as error:
            outcomes[n] = f"its check breaks: {type(error).__name__}: {error}"
    results = run_calls(list(calls.values()))
    for n, call in calls.items():
        outputs, (count, accepts) = results[call], judgements[n]
        if isinstance(outputs, str):
            outcomes[n] = outputs
        elif len(outputs) != count:
            outcomes[n] = f"breaks: {len(outputs)} outputs for {count} inputs"
        else:
            outcomes[n] = PASS if accepts(outputs) else FAIL
    return outcomes
