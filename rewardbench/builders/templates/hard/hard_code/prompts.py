"""Write the ticket of a program: who asks, the signature, the clauses, and perhaps an example; and the reply."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from string import Template as Places

from rewardbench.builders.draw import Rng
from rewardbench.builders.mirrors import chat
from rewardbench.builders.templates.hard.hard_code.emitter import camel_case
from rewardbench.builders.templates.hard.hard_code.languages import camel_title
from rewardbench.builders.templates.hard.hard_code.runs import both_readings
from rewardbench.builders.templates.hard.hard_code.worlds import ClauseSettings, TicketWorld, clause_text
from rewardbench.types import Messages

TITLES = {"python": "Python", "javascript": "JavaScript", "java": "Java", "cpp": "C++", "go": "Go", "sql": "SQL"}
SIGNATURES = {
    "python": "`{f}(lines: list[str]) -> list[str]`",
    "javascript": "`{f}(lines)` (array of strings in, array of strings out)",
    "java": "`static List<String> {f}(List<String> lines)` in a class `{title}`",
    "cpp": "`std::vector<std::string> {f}(const std::vector<std::string>& lines)`",
    "go": "`func {f}(lines []string) []string` (package main, without a main function)",
}
INTROS = (
    "Ticket {ticket}: replay of {title}. We need {sig} in {lang}. It gets {lines}, and returns the output lines. "
    "{person} from support has collected the rules:",
    "hi, can you write {sig} in {lang} for me? it models {title}. input: {lines}; output: the lines described below. "
    "these are the rules, all of them:",
    "I'm {person}, and I look after {title}. Before we change anything I'd like to simulate it in {lang}: {sig}. The "
    "argument holds {lines}. What it returns follows from these rules:",
    "Please implement {sig}, in {lang}. Background: {title}. `lines` is {lines}. The function returns what the rules "
    "say is output, one string a line.",
    "{lang} task, standard library only. Function: {sig}. Subject: {title}. Parameter: {lines}. Result: the lines of "
    "output in the order in which they arise. Specification:",
    "We lost the old script for {title} and {person} wants it back by {day}. {lang} please, with this interface: "
    "{sig}. It receives {lines} and gives back the output lines. From memory, the rules were:",
    "{day}'s task, {ticket}. Write {sig} in {lang}; it processes {lines}, for {title}. Acceptance criteria:",
    "So {person} and I agreed on how {title} should behave, and now it has to be code. {lang}, please: {sig}. What "
    "goes in: {lines}. What comes out is described here:",
)
QUERY_INTROS = (
    "{person} needs {title} as one SQL query (SQLite). The tables:\n\n```sql\n{schema}\n```\n\nWhat it must return:",
    "SQLite, one SELECT statement (WITH is fine), for {title}. Schema:\n\n```sql\n{schema}\n```\n\nRules:",
    "Ticket {ticket}: {title}, to be a single query in SQLite instead of {person}'s spreadsheet.\n\n```sql\n{schema}"
    "\n```\n\nThe spreadsheet did this:",
    "can you turn this into one sqlite query? it's for {title}, due {day}. these are the tables\n\n```sql\n{schema}"
    "\n```\n\nand this is what we agreed on:",
)
QUERY_ENDINGS = (
    "No value is NULL.",
    "All columns are filled; ids are unique.",
    "You can rely on clean data, {person} has checked it.",
    "nothing is null and the days are plain numbers",
)
QUERY_NOTES = (
    "",
    "It needs nothing newer than common table expressions.",
    "Each step has a name of its own, so you can look at the rows in between.",
)
QUERY_EXAMPLE = "For the rows\n\n```\n{lines}\n```\n\n(name of the table first) the result is:\n\n```\n{output}\n```"
STYLES = ("{n}. {text}", "{n}) {text}", "({n}) {text}", "R{n}: {text}", "[{n}] {text}", "#{n}: {text}")
EXAMPLES = (
    "For example, this input:\n\n```\n{lines}\n```\n\ngives:\n\n```\n{output}\n```",
    "One case from yesterday, in and out:\n\n```\n{lines}\n```\n```\n{output}\n```",
    "Sample input\n```\n{lines}\n```\nSample output\n```\n{output}\n```",
)
ENDINGS = (
    "All lines are well formed, so no error handling.",
    "You can rely on the lines being well formed.",
    "Malformed lines don't occur. Thanks!",
    "no need to check the input for errors, it's clean",
    "Input is always valid. Just the code, please.",
    "The lines are valid, {person} checks them before.",
)
SYSTEMS = (
    "",
    "",
    "",
    "You are the coding assistant of a small team. Reply with the code and hardly any text.",
    "Follow the ticket to the letter; do not add features.",
    "You write plain {lang} that a new colleague can read.",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
LEADS = (
    "",
    "Here it is:",
    "This follows the list clause by clause:",
    "Here's the code:",
    "Done, in plain {lang}:",
    "This should do it, one step after another:",
)
NOTES = (
    "",
    "",
    "It reads each line once and keeps no state between calls.",
    "Nothing beyond the standard library is needed.",
    "Tell me if you'd like tests to go with it.",
)


def function_name(language: str, name: str) -> str:
    """Return the name of the function in the style of the language."""
    return camel_case(name) if language in ("javascript", "java", "go") else name


def ticket_prompts(
    rng: Rng,
    world: TicketWorld,
    words: dict[str, str],
    variants: Sequence[ClauseSettings],
    language: str,
    example: tuple[list[str], list[str]],
    readings: Collection[str] = (),
    runs: Sequence[str] = (),
) -> list[Messages]:
    """Return the prompts of a mirror or a square; they differ in the settings of clauses.

    Args:
        rng: source of all random choices.
        world: the world.
        words: words and numbers of the scene.
        variants: the clauses of each prompt, in their order, with their settings.
        language: the language of the program.
        example: an input with its output, the same for all.
        readings: clauses of which both settings are given.
        runs: for each prompt, the paragraph that decides between them, in place of an example.
    """
    name = words["f"]
    is_query = language == "sql"
    signature = SIGNATURES.get(language, "").format(f=function_name(language, name), title=camel_title(name))
    frame = {
        "sig": signature,
        "schema": Places(world.schema).substitute(words),
        "lang": TITLES[language],
        "lines": world.lines,
        "title": words["title"],
        "person": rng.people(1)[0],
        "day": rng.pick(DAYS),
        "ticket": f"{rng.pick(['OPS', 'DEV', 'SIM', 'CORE', 'LAB'])}-{rng.number(100, 4999)}",
    }
    intro = rng.pick(QUERY_INTROS if is_query else INTROS).format_map(frame)
    ending = rng.pick(QUERY_ENDINGS if is_query else ENDINGS).format_map(frame)
    system = rng.pick(SYSTEMS).format_map(frame)
    style = rng.pick([style for style in STYLES if not runs or "[" not in style])
    wordings = {clause: rng.pick(world.clauses[clause]) for clause in variants[0]}
    example_text = ""
    if rng.chance() and len(example[0]) <= 12 and not runs:
        form = QUERY_EXAMPLE if is_query else rng.pick(EXAMPLES)
        example_text = form.format(lines="\n".join(example[0]), output="\n".join(example[1]))
    prompts = []
    for settings, run in zip(variants, runs or [""] * len(variants), strict=True):
        clauses = []
        for n, (clause, setting) in enumerate(settings.items(), 1):
            text = clause_text(wordings[clause], setting, words)
            if clause in readings:
                text = both_readings(*(clause_text(wordings[clause], either, words) for either in (0, 1)))
            clauses.append(style.format(n=n, text=text))
        parts = [intro, "\n".join(clauses), example_text, run, ending]
        prompts.append(chat("\n\n".join(filter(None, parts)), system=system))
    return prompts


def ticket_responses(rng: Rng, language: str, codes: Sequence[str]) -> list[str]:
    """Return the responses with these programs."""
    lead, note = rng.pick(LEADS).format(lang=TITLES[language]), rng.pick(QUERY_NOTES if language == "sql" else NOTES)
    responses = []
    for code in codes:
        responses.append("\n\n".join(filter(None, (lead, f"```{language}\n{code}```", note))))
    return responses
