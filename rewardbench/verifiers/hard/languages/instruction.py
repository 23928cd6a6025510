"""Second program for texts under rules: read each rule from its line of the prompt, and count word by word."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from rewardbench.verifiers.cells import Cell, cell_by_cell
from rewardbench.verifiers.hard.languages.lexicon import matches, read_lexicon

MARKS = ".!?।。！？"
TRIM = ".,;:!?।。！？，、：；()[]«»„“”\"'’‘《》「」¡¿"
NOTE = re.compile(r"^([^-].*?) ?(?:: |：)(.*\d.*)$")


def _trimmed(word: str) -> str:
    return word.strip(TRIM)


class TextReader:
    """Reads one prompt and its response with the lexicon of the language."""

    def __init__(self, cell: Cell) -> None:
        self.lexicon = read_lexicon(cell.check["language"], "instruction")
        self.text = cell.response
        self.by_character = bool(self.lexicon["by_character"])
        self.notes: dict[str, str] = {}
        self.rules: list[tuple[str, dict[str, str]]] = []
        for line in cell.prompt.split("\n"):
            note = NOTE.match(line)
            if line.startswith("- "):
                self.rules.append(self._read_rule(line[2:]))
            elif note:
                self.notes[note[1]] = note[2]

    def _read_rule(self, line: str) -> tuple[str, dict[str, str]]:
        for kind, patterns in self.lexicon["rules"].items():
            for pattern in patterns:
                match = re.search(pattern, line)
                if match:
                    return kind, match.groupdict()
        raise ValueError(f"no rule in {line!r}")

    def paragraph(self, n: int) -> str:
        """Return the paragraph of this number, from 0; lists come after the second."""
        paragraphs = []
        current: list[str] = []
        for line in [*self.text.splitlines(), ""]:
            if line.strip():
                current.append(line)
            elif current:
                paragraphs.append(" ".join(current))
                current = []
        return paragraphs[n]

    def sentences(self, text: str) -> list[str]:
        """Return the sentences of a text by a scan of its characters."""
        sentences, current = [], ""
        for n, character in enumerate(text):
            current += character
            is_point = character == "." and (text[n - 1].isdigit() or text[n + 1 : n + 2].strip())
            if character in MARKS and not is_point:
                sentences.append(current.strip())
                current = ""
        return sentences

    def length(self, text: str) -> int:
        """Count the words of a text, or its Chinese characters."""
        if self.by_character:
            return len(re.sub("[^\u4e00-\u9fff]", "", text))
        return len(text.split())

    def occurrences(self, word: str) -> int:
        """Count a word in the response."""
        if self.by_character:
            return len(self.text.split(word)) - 1
        return list(map(_trimmed, self.text.split())).count(word)

    def paragraph_length(self) -> int:
        """Count the words of both paragraphs, or their Chinese characters."""
        return self.length(self.paragraph(0)) + self.length(self.paragraph(1))

    def different_words(self) -> int:
        """Count the different words of both paragraphs, or their different Chinese characters."""
        text = f"{self.paragraph(0)} {self.paragraph(1)}"
        if self.by_character:
            return sum(text.index(character) == n for n, character in enumerate(text) if self.length(character))
        words = sorted(filter(None, (_trimmed(word).casefold() for word in text.split())))
        return sum(n == 0 or word != words[n - 1] for n, word in enumerate(words))

    def words_with_odd_letters(self) -> int:
        """Count the words of both paragraphs that have an odd number of letters."""
        count, is_odd = 0, False
        for character in f"{self.paragraph(0)} {self.paragraph(1)} ":
            if character.isspace():
                count += is_odd
                is_odd = False
            elif character.lower() != character.upper():
                is_odd = not is_odd
        return count

    def letters_in_paragraphs(self, letter: str) -> int:
        """Count a letter in both paragraphs, in either case."""
        return sum(character in (letter, letter.upper()) for character in self.paragraph(0) + self.paragraph(1))

    def occurrences_in_paragraphs(self, word: str) -> int:
        """Count a word in both paragraphs, in any case."""
        text = f"{self.paragraph(0)} {self.paragraph(1)}".lower()
        if self.by_character:
            return len(text.split(word)) - 1
        return list(map(_trimmed, text.split())).count(word)

    def items_below(self, heading: str) -> int:
        """Count the list items directly below a heading."""
        count, inside = 0, False
        for line in self.text.splitlines():
            if line.startswith("- "):
                count += inside
            else:
                inside = line.rstrip(" :：") == heading
        return count

    def _date_of(self, text: str) -> tuple[int, ...]:
        """Return day, month and year of a date in any form."""
        for n, month in enumerate(self.lexicon["months"], 1):
            text = re.sub(rf"(?<=[\d\s]){re.escape(month)}(?=\s)", f" {n} ", text) if month else text
        return tuple(map(int, re.findall(r"\d+", text)))

    def _value_of(self, text: str) -> int:
        """Return the digits of an amount as one number, times 10,000 after the Chinese sign for it."""
        if "万" in text:
            return round(float(text.replace("万元", "")) * 10_000)
        return int("".join(filter(str.isdigit, text)))

    def form_in_text(self, label: str, example: str) -> bool:
        """Return True if the value of a note is in the response exactly in the form of the example."""
        dates = "|".join(self.lexicon["date_forms"])
        kind = "date" if matches(f"^(?:{dates})$", example) else "amount"
        read: Callable[[str], object] = self._date_of if kind == "date" else self._value_of
        value = read(self.notes[label])
        forms = []
        for form in self.lexicon[f"{kind}_forms"]:
            for match in re.finditer(form, self.text):
                if read(match[0]) == value:
                    forms.append(form)
        return len(forms) == 1 and matches(f"^{forms[0]}$", example)

    def place_of_date(self, label: str) -> int:
        """Return where the date of a note is in the response, in any form."""
        value = self._date_of(self.notes[label])
        for form in self.lexicon["date_forms"]:
            for match in re.finditer(form, self.text):
                if self._date_of(match[0]) == value:
                    return match.start()
        raise ValueError(f"the response has no date for {label!r}")


def _counts(reader: TextReader, groups: Mapping[str, str], count: Callable[[str], int]) -> bool:
    return count(groups["u"]) == int(groups["p"]) and count(groups["v"]) == int(groups["q"])


def _has_sentences(reader: TextReader, groups: Mapping[str, str]) -> bool:
    first, second = reader.sentences(reader.paragraph(0)), reader.sentences(reader.paragraph(1))
    return len(first) == int(groups["p"]) and len(second) == int(groups["q"])


def _has_forms(reader: TextReader, groups: Mapping[str, str]) -> bool:
    return reader.form_in_text(groups["u"], groups["p"]) and reader.form_in_text(groups["v"], groups["q"])


def _is_short(reader: TextReader, groups: Mapping[str, str]) -> bool:
    sentences = reader.sentences(reader.paragraph(0)) + reader.sentences(reader.paragraph(1))
    return max(map(reader.length, sentences)) <= int(groups["n"])


def _avoids(reader: TextReader, groups: Mapping[str, str]) -> bool:
    return groups["u"].lower() not in reader.text.lower()


RULES: Mapping[str, Callable[[TextReader, Mapping[str, str]], bool]] = {
    "sentences": _has_sentences,
    "words": lambda reader, groups: _counts(reader, groups, reader.occurrences),
    "length": lambda reader, groups: reader.paragraph_length() == int(groups["n"]),
    "odd": lambda reader, groups: reader.words_with_odd_letters() == int(groups["n"]),
    "distinct": lambda reader, groups: reader.different_words() == int(groups["n"]),
    "common": lambda reader, groups: reader.occurrences_in_paragraphs(groups["u"]) == int(groups["n"]),
    "frequency": lambda reader, groups: reader.letters_in_paragraphs(groups["u"]) == int(groups["n"]),
    "lists": lambda reader, groups: _counts(reader, groups, reader.items_below),
    "dates": _has_forms,
    "amounts": _has_forms,
    "order": lambda reader, groups: reader.place_of_date(groups["u"]) < reader.place_of_date(groups["v"]),
    "longest": _is_short,
    "total": lambda reader, groups: int(groups["p"]) <= reader.length(reader.text) <= int(groups["q"]),
    "ending": lambda reader, groups: reader.sentences(reader.paragraph(1))[-1] == groups["u"],
    "start": lambda reader, groups: reader.paragraph(1).split()[0].strip(TRIM) == groups["u"],
    "mark": _avoids,
    "letter": _avoids,
    "absent": _avoids,
}


def agrees_with_rules(cell: Cell) -> bool:
    """Return True if the response follows every rule that the prompt lists.

    Raises:
        ValueError: if a rule of the prompt is not in the lexicon, or there are none.
    """
    reader = TextReader(cell)
    if not reader.rules:
        raise ValueError("the prompt has no rules")
    return all(RULES[kind](reader, groups) for kind, groups in reader.rules)


verify_rules = cell_by_cell(agrees_with_rules)
