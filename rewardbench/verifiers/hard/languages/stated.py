"""First programs for the languages: compare a response with the plan, outcome or rules in its check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewardbench.verifiers.cells import Cell, cell_by_cell

LETTER = r"[\w\u0900-\u0963\u0970-\u097f]"
"""A part of a word; the vowel signs of Devanagari are not in `\\w`."""
HAN = re.compile(r"[\u4e00-\u9fff]")
SENTENCE = re.compile(r"(?:[^.!?।。！？]|\.(?=\S)|(?<=\d)\.)+(?:[!?।。！？]|\.(?=\s|$))")
"""A sentence with its mark; a full stop after a digit, or before a letter, ends none."""


def states_plan(cell: Cell) -> bool:
    """Return True if each slot of the plan has a line with its entry, or with a word for a free slot."""
    lines = cell.response.split("\n")
    for place, entry in cell.check["plan"].items():
        label = re.compile(rf"(?<!\d){re.escape(place)}(?!\d)", re.IGNORECASE)
        about = [line for line in lines if label.search(line)]
        if len(about) != 1:
            return False
        named = [other for other in cell.check["entries"] if other in about[0]]
        is_free = any(word in about[0] for word in cell.check["free"])
        if named != ([entry] if entry else []) or is_free == bool(entry):
            return False
    return True


def states_outcome(cell: Cell) -> bool:
    """Return True if the response states the decision, the deciding clause, and which clauses apply."""
    check, lines = cell.check, cell.response.split("\n")
    frames = check["frames"]
    decisions = [frame.replace("{main}", check["decision"]) for frame in frames["decision"]]
    opposites = [frame.replace("{main}", check["opposite"]) for frame in frames["decision"]]
    decided = [line for line in lines if line.lower() in _lowered(frames["decision"], check["decision"])]
    reversed_ = [line for line in lines if line.lower() in _lowered(frames["decision"], check["opposite"])]
    if len(decisions) != len(opposites) or len(decided) != 1 or reversed_:
        return False
    deciding = _numbers(lines, frames["deciding"])
    applicable, others = _numbers(lines, frames["applies"]), _numbers(lines, frames["fails"])
    complete = sorted(applicable + others) == list(range(1, check["clauses"] + 1))
    return complete and deciding == [check["clause"]] and applicable == check["applicable"]


def _lowered(frames: Sequence[str], decision: str) -> list[str]:
    lowered = []
    for frame in frames:
        lowered.append(frame.replace("{main}", decision).replace("{Main}", decision).lower())
    return lowered


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
        return all(item in text for item in rule["present"]) and not any(item in text for item in rule["absent"])
    if kind == "order":
        places = [max(text.find(form) for form in rule[name]) for name in ("first", "second")]
        return 0 <= places[0] < places[1]
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
    raise ValueError(f"there is no rule {kind!r}")


def _counts(text: str, paragraphs: Sequence[str], rule: Mapping[str, Any], by_character: bool) -> list[int]:
    if rule["rule"] == "sentences":
        return [len(SENTENCE.findall(paragraph)) for paragraph in paragraphs]
    if rule["rule"] == "words" and by_character:
        return [text.count(word) for word in rule["words"]]
    if rule["rule"] == "words":
        return [len(re.findall(rf"(?<!{LETTER}){word}(?!{LETTER})", text)) for word in rule["words"]]
    counts = []
    for heading in rule["headings"]:
        block = next((part for part in text.split("\n\n") if part.startswith(heading)), "")
        counts.append(block.count("\n- "))
    return counts


def _length(text: str, by_character: bool) -> int:
    return len(HAN.findall(text)) if by_character else len(text.split())


verify_plan = cell_by_cell(states_plan)
verify_outcome = cell_by_cell(states_outcome)
verify_text = cell_by_cell(follows_rules)
