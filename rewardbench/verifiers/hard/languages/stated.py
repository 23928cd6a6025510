"""First programs for the languages: compare a response with the plan, outcome or rules in its check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.verifiers.cells import Cell, cell_by_cell

LETTER = r"[\w\u0900-\u0963\u0970-\u097f]"
"""A part of a word; the vowel signs of Devanagari are not in `\\w`."""
WORD = re.compile(r"(?:[^\s.,;:!?।¡¿]|[.,;:](?=\S))+")
"""A word without the marks around it; marks inside a number belong to it."""
HAN = re.compile(r"[\u4e00-\u9fff]")
SENTENCE = re.compile(r"(?:[^.!?।。！？]|\.(?=\S)|(?<=\d)\.)+(?:[!?।。！？]|\.(?=\s|$))")
"""A sentence with its mark; a full stop after a digit, or before a letter, ends none."""


def states_plan(cell: Cell) -> bool:
    """Return True if each slot of the plan has a line with its entry, or with a word for a free slot."""
    lines = cell.response.split("\n")
    for place, entry in cell.check["plan"].items():
        label = re.compile(rf"(?<!\d){re.escape(place)}(?!\d)", re.IGNORECASE)
        about = list(filter(label.search, lines))
        if len(about) != 1:
            return False
        is_free = bool(_contained(about[0], cell.check["free"]))
        if _contained(about[0], cell.check["entries"]) != ([entry] if entry else []) or is_free == bool(entry):
            return False
    return True


def _contained(text: str, options: Sequence[str]) -> list[str]:
    """Return the options that are in the text, not as the end of a longer number."""
    return [option for option in options if _position(option, text) >= 0]


def _position(option: str, text: str) -> int:
    """Return where an option begins in a text, not as the end of a longer number; -1 if it is not there."""
    match = re.search(rf"(?<!\d){re.escape(option)}", text)
    return match.start() if match else -1


def states_outcome(cell: Cell) -> bool:
    """Return True if the response states the decision, the deciding clause, and which clauses apply."""
    check, lines = cell.check, cell.response.split("\n")
    frames = check["frames"]
    if not _states(lines, frames["decision"], check["decision"]):
        return False
    if _states(lines, frames["decision"], check["opposite"]):
        return False
    deciding = _numbers(lines, frames["deciding"])
    applicable, others = _numbers(lines, frames["applies"]), _numbers(lines, frames["fails"])
    complete = sorted(applicable + others) == list(range(1, check["clauses"] + 1))
    return complete and deciding == [check["clause"]] and applicable == check["applicable"]


def _states(lines: Sequence[str], frames: Sequence[str], decision: str) -> bool:
    """Return True if one of the lines is one of the frames with this decision."""
    for frame in frames:
        statement = frame.lower().replace("{main}", decision.lower())
        if statement in map(str.lower, lines):
            return True
    return False


def _numbers(lines: Sequence[str], frames: Sequence[str]) -> list[int]:
    """Return the clause numbers of the lines that follow one of the frames."""
    numbers = []
    for line in lines:
        for frame in frames:
            before, after = frame.split("{n}")
            match = re.fullmatch(rf"{re.escape(before)}(\d+){re.escape(after)}", line)
            if match:
                numbers.append(int(match[1]))
    return numbers


def states_total(cell: Cell) -> bool:
    """Return True if the response has one number, the total, with its digits in groups and any decimals."""
    return re.findall(r"\d[\d., ]*\d|\d", cell.response) == [cell.check["total"]]


def follows_rules(cell: Cell) -> bool:
    """Return True if the response follows every rule of its check."""
    by_character = cell.check["language"] == "chinese"
    return all(_follows(cell.response, rule, by_character) for rule in cell.check["rules"])


def _follows(text: str, rule: Mapping[str, Any], by_character: bool) -> bool:
    kind = rule["rule"]
    paragraphs = text.split("\n\n")[:2]
    if kind in ("sentences", "words", "lists"):
        return _counts(text, paragraphs, rule, by_character) == list(rule["counts"])
    if kind in ("dates", "amounts"):
        return _contained(text, rule["present"]) == rule["present"] and not _contained(text, rule["absent"])
    if kind == "length":
        return _length(" ".join(paragraphs), by_character) == int(rule["count"])
    if kind == "distinct":
        joined = " ".join(paragraphs).lower()
        return len(set(HAN.findall(joined) if by_character else WORD.findall(joined))) == int(rule["count"])
    if kind == "odd":
        lengths = [len(re.sub(r"[\W\d_]", "", word)) for word in " ".join(paragraphs).split()]
        return sum(length % 2 for length in lengths) == int(rule["count"])
    if kind == "frequency":
        return " ".join(paragraphs).lower().count(rule["word"]) == int(rule["count"])
    if kind == "common":
        pattern = rule["word"] if by_character else rf"(?<!{LETTER}){rule['word']}(?!{LETTER})"
        return len(re.findall(pattern, " ".join(paragraphs), re.IGNORECASE)) == int(rule["count"])
    if kind == "order":
        first, second = (max(_position(form, text) for form in rule[name]) for name in ("first", "second"))
        return 0 <= first < second
    if kind == "longest":
        sentences = SENTENCE.findall(" ".join(paragraphs))
        return all(_length(sentence, by_character) <= rule["limit"] for sentence in sentences)
    if kind == "total":
        return bool(rule["low"] <= _length(text, by_character) <= rule["high"])
    if kind == "ending":
        return paragraphs[1].endswith(str(rule["text"]))
    if kind == "start":
        return re.match(rf"{re.escape(rule['text'])}(?!{LETTER})", paragraphs[1]) is not None
    if kind in ("mark", "letter", "absent"):
        return rule["text"].lower() not in text.lower()
    raise ValueError(f"unknown rule {kind!r}")


def _counts(text: str, paragraphs: Sequence[str], rule: Mapping[str, Any], by_character: bool) -> list[int]:
    counts = []
    if rule["rule"] == "sentences":
        for paragraph in paragraphs:
            counts.append(len(SENTENCE.findall(paragraph)))
    elif rule["rule"] == "words":
        for word in rule["words"]:
            pattern = word if by_character else rf"(?<!{LETTER}){word}(?!{LETTER})"
            counts.append(len(re.findall(pattern, text)))
    else:
        for heading in rule["headings"]:
            block = re.search(rf"(?m)^{re.escape(heading)}.*((?:\n- .+)*)", text)
            counts.append(block[1].count("\n- ") if block else 0)
    return counts


def _length(text: str, by_character: bool) -> int:
    return len(HAN.findall(text)) if by_character else len(text.split())


verify_plan = cell_by_cell(states_plan)
verify_total = cell_by_cell(states_total)
verify_outcome = cell_by_cell(states_outcome)
verify_text = cell_by_cell(follows_rules)
