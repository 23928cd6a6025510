"""Second program for twelve-rules: reads the rules in the prompt's own sentences, and counts in its own way."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import groupby

from rewardbench.verifiers.cells import BrokenCheck, Cell, cell_by_cell

GRAMMAR: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("words", ("the text has exactly N words", "total length: N words", "i need precisely N words in all")),
    ("kth words", ("the K paragraph has exactly N words", "give the K paragraph precisely N words")),
    ("kth words", ("words in the K paragraph: N",)),
    (
        "opening",
        ("the first sentence has exactly N words", "begin with a sentence of N words", "opening sentence: N w"),
    ),
    (
        "longest",
        ("the longest sentence has exactly N words", "no sentence may have over N words", "longest sentence: N"),
    ),
    ("shortest", ("the shortest sentence has exactly N words", "no sentence may have under N words")),
    ("shortest", ("shortest sentence: N words",)),
    ("sentences", ("the text has exactly N sentences", "use N sentences in all", "number of sentences: N")),
    ("kth sentences", ("the K paragraph has exactly N sentences", "put N sentences into the K paragraph")),
    ("kth sentences", ("sentences in the K paragraph: N",)),
    ("paragraphs", (r"exactly N paragraphs\.", "divide it into N paragraphs", "number of paragraphs: N")),
    (",", ("the text has exactly N commas", "commas: N in all", "use the comma N times")),
    ("!", ("exactly N exclamation marks", "number of exclamation marks: N", "use the exclamation mark N times")),
    ("?", ("exactly N question marks", "number of question marks: N", "use the question mark N times")),
    (";", ("exactly N semicolons", "number of semicolons: N", "use the semicolon N times")),
    (
        "shouted",
        ("exactly N words appear in capitals", "put N words wholly in capitals", "words wholly in capitals: N"),
    ),
    ("bullets", ("the list has exactly N items", "make it a list of N items", "items in the list: N")),
    ("asking", ("exactly N paragraphs end with a question", "number of paragraphs that end with a question: N")),
    ("asking", ("let N paragraphs, no more and no fewer, end with a question",)),
    ("uses", ('use the word "W" exactly N times', 'the word "W" occurs N times', 'count of the word "W": N')),
    (
        "with letter",
        ("exactly N words have the letter W in them", "number of words with the letter W in them, small or capital: N"),
    ),
    ("with letter", ("the letter W, small or capital, occurs in N words",)),
    ("letters", ("the letter W, small or capital, appears exactly N times",)),
    ("letters", ("times that the letter W appears in the text, small or capital: N",)),
    ("letters", ("write the letter W, small or capital, N times in all",)),
    ("begin", ("exactly N words begin with the letter W,", "words that begin with the letter W, small or capital: N")),
    ("begin", ("let N words, no more and no fewer, begin with W",)),
    ("end", ("exactly N words end with the letter W", "number of words that end with the letter W: N")),
    ("end", ("let N words, no more and no fewer, end with W",)),
    ("length", ("exactly N words have M letters", "number of words with M letters: N")),
    ("length", ("let N words, no more and no fewer, have M letters",)),
    ("doubled", ("exactly N words have the same letter", "number of words with the same letter twice in a row: N")),
    ("doubled", ("let N words, no more and no fewer, have the same letter",)),
    ("over", ("exactly N sentences are longer than M words", "number of sentences with over M words: N")),
    ("over", ("let N sentences, no more and no fewer, have over M words",)),
    ("letter", ("the letter W does not occur", "avoid the letter W altogether", "no word with the letter W")),
    ("kth end", ('the K paragraph ends with the word "W"', 'last word of the K paragraph: "W"')),
    ("kth end", ('let the K paragraph close on "W"',)),
    ("kth start", ('the K paragraph begins with the word "W"', 'first word of the K paragraph: "W"')),
    ("kth start", ('let the K paragraph open on "W"',)),
    ("order", ('the word "W" comes earlier than the word "V"', 'bring in "W" first and "V" later')),
    ("order", ('let "W" appear before "V" does',)),
    ("greeting", ('open with the line "L" on its own', 'first line: "L"', 'the greeting is "L"')),
    ("signature", ('close with the line "L" on its own', 'last line: "L"', 'the signature is "L"')),
    ("without", ('the word "W" must not occur', 'do without the word "W"', 'never use the word "W"')),
    ("starts", ("no sentence begins with the same word as the sentence before it",)),
    ("starts", ("two sentences in a row never begin", "neighbouring sentences have different first words")),
    (
        "plain",
        ("no brackets, no colons outside", "do without brackets, quotation marks", "brackets and quotation marks are"),
    ),
    ("from ten", ("numbers below 10 are written as words", "words below 10, digits for 10 and above")),
    ("from ten", ("write numbers in words as long as they are below 10",)),
    ("above ten", ("numbers above 10 are written in digits", "digits above 10, words for 10 and below")),
    ("above ten", ("write numbers in digits as long as they are above 10",)),
)
"""The sentences of each rule; N and M are numbers, K an ordinal, W and V are words, L is a line."""
GROUPS = {
    "N": r"(?P<n>\d+|[a-z]+)",
    "K": "(?P<k>[a-z]+)",
    "W": r"(?P<w>[\w'-]+)",
    "M": r"(?P<m>\d+)",
    "V": r"(?P<v>[\w'-]+)",
    "L": '(?P<l>[^"]+)',
}
NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def _compile(sentence: str) -> re.Pattern[str]:
    pattern = re.sub(r"\b[NMKWVL]\b", lambda match: GROUPS[match.group()], sentence)
    return re.compile(rf"(?<![\w\"]){pattern}", re.IGNORECASE)


def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    patterns = []
    for kind, sentences in GRAMMAR:
        for sentence in sentences:
            patterns.append((kind, _compile(sentence)))
    return patterns


PATTERNS = _patterns()


def read_rules(cell: Cell) -> list[tuple[str, dict[str, str]]]:
    """Return the rules of a prompt, each as its kind and its values.

    Raises:
        BrokenCheck: if their number is not the one of the check.
    """
    rules = []
    for message in cell.messages:
        if message["role"] == "assistant":
            continue
        text = " ".join(message["content"].split())
        for kind, pattern in PATTERNS:
            for match in pattern.finditer(text):
                rules.append((kind, match.groupdict()))
    if len(rules) != cell.check["count"]:
        raise BrokenCheck(f"{len(rules)} rules in the prompt instead of {cell.check['count']}: {rules}")
    return rules


def _value(text: str) -> int:
    """Return the value of a number in digits or letters."""
    return int(text) if text.isdigit() else NAMES.index(text.lower()) + 1


class _Reading:
    """A response, read line by line and letter by letter."""

    def __init__(self, response: str) -> None:
        self.response = response
        self.lines = response.split("\n")
        self.bullets = re.findall(r"^- .*$", response, re.MULTILINE)
        self.paragraphs: list[str] = []
        for is_text, lines in groupby(self.lines, key=lambda line: line.strip() != "" and line[:2] != "- "):
            block = " ".join(lines)
            if is_text and block.rstrip()[-1] in ".?!":
                self.paragraphs.append(block.strip())

    @staticmethod
    def words(text: str) -> list[str]:
        """Return the words of a text, each up to the next space."""
        return re.findall(r"(?<!\S)(?!-(?!\S))\S+", text)

    @staticmethod
    def forms(text: str) -> list[str]:
        """Return the letters and digits of each word, in lower case."""
        return re.findall(r"\w(?:[\w'’:-]*\w)?", text.lower())

    @staticmethod
    def sentences(text: str) -> list[str]:
        """Return the sentences of a text, each up to its mark."""
        sentences, start = [], 0
        for end, letter in enumerate(text, 1):
            if letter in ".?!":
                sentences.append(text[start:end].strip())
                start = end
        return sentences

    def all_sentences(self) -> list[str]:
        """Return the sentences of all paragraphs."""
        return self.sentences(" ".join(self.paragraphs))

    def lengths(self) -> list[int]:
        """Return the number of words of each sentence, in ascending order."""
        numbers = []
        for sentence in self.all_sentences():
            numbers.append(len(self.words(sentence)))
        return sorted(numbers)

    def kth(self, ordinal: str) -> str:
        """Return the paragraph of an ordinal."""
        return self.paragraphs[-1] if ordinal == "last" else self.paragraphs[PLACES.index(ordinal)]

    def words_with(self, letter: str) -> int:
        """Count the words with a letter, small or capital."""
        small, capital = letter.lower(), letter.upper()
        return len(re.findall(rf"\S*[{small}{capital}]\S*", self.response))

    def matching(self, pattern: str) -> int:
        """Count the words that match a pattern as a whole, capitals as small letters."""
        return len(re.findall(rf"(?<!\S){pattern}[.,;!?]*(?!\S)", self.response.lower()))

    def of_length(self, number: int) -> int:
        """Count the words with a number of letters."""
        return list(map(len, re.sub(r"[^\w\s]|[\d_]", "", self.response).split())).count(number)

    def shouted(self) -> int:
        """Count the words of capitals."""
        return len(re.findall(r"(?<![\w'-])[A-Z]{2,}(?![\w'-])", self.response))

    def digits_only_from(self, limit: int) -> bool:
        """Return True if numbers below the limit are words, and others digits."""
        plain = re.sub(r"\d+:\d+", " ", self.response)
        in_digits = re.findall(r"\d+", plain)
        in_words = re.findall(r"[A-Za-z]+", plain)
        late = set(NAMES[limit - 1 :])
        return min(map(int, in_digits), default=limit) >= limit and not late & set(map(str.lower, in_words))


def _last_letter(text: str) -> str:
    return text[-1]


def _starts_differ(reading: _Reading) -> bool:
    previous = ""
    for sentence in reading.all_sentences():
        start = reading.forms(sentence)[0]
        if start == previous:
            return False
        previous = start
    return True


def _comes_earlier(reading: _Reading, first: str, second: str) -> bool:
    pattern = rf"(?<![\w'-]){re.escape(first)}(?![\w'-])"
    before = re.split(rf"(?<![\w'-]){re.escape(second)}(?![\w'-])", reading.response, flags=re.IGNORECASE)
    return len(before) > 1 and re.search(pattern, before[0], re.IGNORECASE) is not None


COUNTED: Mapping[str, Callable[[_Reading, dict[str, str]], int]] = {
    "words": lambda reading, rule: len(reading.words(reading.response)),
    "kth words": lambda reading, rule: len(reading.words(reading.kth(rule["k"]))),
    "opening": lambda reading, rule: len(reading.words(reading.all_sentences()[0])),
    "longest": lambda reading, rule: reading.lengths()[-1],
    "shortest": lambda reading, rule: reading.lengths()[0],
    "sentences": lambda reading, rule: len(reading.all_sentences()),
    "kth sentences": lambda reading, rule: len(reading.sentences(reading.kth(rule["k"]))),
    "paragraphs": lambda reading, rule: len(reading.paragraphs),
    "shouted": lambda reading, rule: reading.shouted(),
    "bullets": lambda reading, rule: len(reading.bullets),
    "asking": lambda reading, rule: "".join(map(_last_letter, reading.paragraphs)).count("?"),
    "with letter": lambda reading, rule: reading.words_with(rule["w"]),
    "letters": lambda reading, rule: len(reading.response.casefold().split(rule["w"].lower())) - 1,
    "begin": lambda reading, rule: reading.matching(rf"{rule['w'].lower()}\S*"),
    "end": lambda reading, rule: reading.matching(rf"\S*{rule['w'].lower()}"),
    "length": lambda reading, rule: reading.of_length(int(rule["m"])),
    "doubled": lambda reading, rule: reading.matching(r"\S*([^\W\d_])\1\S*"),
    "over": lambda reading, rule: len(reading.lengths()) - bisect_right(reading.lengths(), int(rule["m"])),
    "uses": lambda reading, rule: reading.forms(reading.response).count(rule["w"].lower()),
}

TESTED: Mapping[str, Callable[[_Reading, dict[str, str]], bool]] = {
    "letter": lambda reading, rule: rule["w"].casefold() not in set(reading.response.casefold()),
    "kth end": lambda reading, rule: reading.forms(reading.kth(rule["k"]))[-1] == rule["w"].lower(),
    "kth start": lambda reading, rule: reading.forms(reading.kth(rule["k"]))[0] == rule["w"].lower(),
    "order": lambda reading, rule: _comes_earlier(reading, rule["w"], rule["v"]),
    "greeting": lambda reading, rule: reading.lines[0] == rule["l"],
    "signature": lambda reading, rule: reading.lines[-1] == rule["l"],
    "without": lambda reading, rule: rule["w"].lower() not in reading.forms(reading.response),
    "starts": lambda reading, rule: _starts_differ(reading),
    "plain": lambda reading, rule: not set('()[]{}"“”:') & set(re.sub(r"\d:\d", "", reading.response)),
    "from ten": lambda reading, rule: reading.digits_only_from(10),
    "above ten": lambda reading, rule: reading.digits_only_from(11),
}


def _is_obeyed(reading: _Reading, kind: str, rule: dict[str, str]) -> bool:
    if kind in TESTED:
        return TESTED[kind](reading, rule)
    if kind in COUNTED:
        return COUNTED[kind](reading, rule) == _value(rule["n"])
    return reading.response.count(kind) == _value(rule["n"])


def _obeys_prompt(cell: Cell) -> bool:
    reading = _Reading(cell.response)
    return all(_is_obeyed(reading, kind, rule) for kind, rule in read_rules(cell))


verify_twelve_rules_prompt = cell_by_cell(_obeys_prompt)
