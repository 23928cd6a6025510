"""Test both programs of the languages on prompts written by hand, with outcomes worked out by hand."""

import pytest

from rewardbench.verifiers.cells import FAIL, PASS, Cell
from rewardbench.verifiers.hard.languages.instruction import TextReader, verify_rules
from rewardbench.verifiers.hard.languages.policy import verify_book
from rewardbench.verifiers.hard.languages.retraction import read_plan, verify_turns
from rewardbench.verifiers.hard.languages.stated import SENTENCE, verify_text
from rewardbench.verifiers.hard.languages.stock import verify_stock
from rewardbench.verifiers.hard.languages.tariff import verify_tariff


def cell_of(response, *turns, language="german", **check):
    messages = [{"role": ("user", "assistant")[n % 2], "content": turn} for n, turn in enumerate(turns)]
    prompt = "\n".join(turns)
    return Cell("row", {"language": language, **check}, response, True, prompt, tuple(messages))


PLAN_TURNS = (
    "Stand:\n- Tisch 1: Familie Brandt\n- Tisch 11: Kegelclub\n- Tisch 2: Skatrunde\nGleich mehr.",
    "Okay.",
    "Der Eintrag für Tisch 11 rückt auf Tisch 1 und verdrängt, was dort steht; sein alter Platz bleibt leer.",
    "Okay.",
    "Überall, wo gerade der Eintrag Kegelclub steht, bitte Familie Nowak einsetzen.",
    "Okay.",
    "Wie sieht der Plan jetzt aus?",
)


def test_turns_are_traced_back():
    plan = read_plan(cell_of("", *PLAN_TURNS), "german")
    assert [change.kind for change in plan.changes] == ["move", "replace"]
    entries = {place: plan.entry_of(place, 2) for place in plan.initial}
    assert entries == {"tisch 1": "Familie Nowak", "tisch 11": "", "tisch 2": "Skatrunde"}


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        (("Tisch 1: Familie Nowak.", "Tisch 11: frei.", "Tisch 2: Skatrunde."), PASS),
        (("Tisch 2: Skatrunde.", "Tisch 1: Familie Nowak.", "Tisch 11: frei."), PASS),
        (("Tisch 1: Kegelclub.", "Tisch 11: frei.", "Tisch 2: Skatrunde."), FAIL),
        (("Tisch 1: Familie Nowak.", "Tisch 11: Familie Nowak.", "Tisch 2: Skatrunde."), FAIL),
        (("Tisch 1: Familie Nowak.", "Tisch 2: Skatrunde."), FAIL),
    ],
)
def test_plan_is_compared_slot_by_slot(lines, outcome):
    assert verify_turns([cell_of("\n".join(lines), *PLAN_TURNS)]) == [outcome]


def test_turn_that_is_no_change_is_an_error():
    turns = [*PLAN_TURNS[:2], "Schönes Wetter heute.", "Okay.", "Plan?"]
    assert "no change" in verify_turns([cell_of("", *turns)])[0]


STOCK_TURNS = (
    "Prospekte:\nKiste A: 1.005\nKiste B: 2.000\nKiste C: 300\nWichtig: Alles gilt der Reihe nach.",
    "Okay.",
    "37,4 % von Kiste A nach Kiste B.\nVon Kiste B je ein Siebtel nach Kiste A und Kiste C.",
    "Okay.",
    "Bestände von Kiste A und Kiste C tauschen.",
    "Okay.",
    "Moment, die letzte Nachricht nehme ich komplett zurück.",
    "Okay.",
    "Aus Kiste C gehen 38 weg.\nKiste A bekommt wieder den Bestand aus meiner ersten Liste.",
    "Okay.",
    "Wie viel ist jetzt in Kiste A, Kiste B und Kiste C zusammen?",
)


@pytest.mark.parametrize(("total", "outcome"), [("3.303", PASS), ("3303", PASS), ("3.304", FAIL)])
def test_quantities_are_booked_without_what_is_taken_back(total, outcome):
    cells = [cell_of(f"In allen zusammen sind {total}.", *STOCK_TURNS)]
    assert verify_stock(cells) == [outcome]
    assert verify_stock([cell_of(f"Nicht 3299, sondern {total}.", *STOCK_TURNS)]) == [FAIL]


TARIFF = """Aus der Gebührenordnung der Stadtbücherei, Abschnitt Mahngebühren:

1. Wenn der Band vorgemerkt war, steigt die Summe um 17 %.
2. Die Summe sinkt um 9 %, wenn die Summe bis dahin über 15,57 € liegt und kein ärztliches Attest beiliegt.
3. Falls die Dauer mehr als 4 Tage beträgt, kommen 5,00 € hinzu.

Fall A: 27. Februar 2028 bis 1. März 2028, Tagessatz 3,33 €. Der Band war für andere vorgemerkt. {note}
Fall B: 27. Februar 2027 bis 3. März 2027, Tagessatz 1,11 €. Vorgemerkt war der Band nicht. {note}

Wie viel ist das für alle Fälle zusammen?
"""


@pytest.mark.parametrize(
    ("note", "total", "outcome"),
    [
        ("Ein ärztliches Attest liegt nicht bei.", "24,72", PASS),
        ("Ein ärztliches Attest liegt bei.", "26,13", PASS),
        ("Ein ärztliches Attest liegt bei.", "26,14", FAIL),
    ],
)
def test_fees_are_read_from_clauses_and_cases(note, total, outcome):
    assert verify_tariff([cell_of(f"Zusammen {total} €.", TARIFF.replace("{note}", note))]) == [outcome]


BOOK = """Rückgabeordnung unseres Sportladens:

1. Grundsätzlich gilt: Der Kaufpreis wird nicht erstattet.
2. Der Kaufpreis wird erstattet, wenn der Kassenbon vorliegt und der Kauf höchstens 30 Tage zurückliegt.
3. Wenn die Ware keinen Mangel hat, ist Ziffer 2 ausgeschlossen. Das gilt nicht, wenn eine Treuekarte vorgelegt wird.

Es entscheidet allein die mit der höchsten Nummer.

Der Kassenbon liegt vor. Der Kauf liegt {days} Tage zurück. Einen Mangel hat die Ware nicht.
Eine Treuekarte wird {n}vorgelegt.
"""
APPROVAL = "Ergebnis: Der Kaufpreis wird erstattet.\nDen Ausschlag gibt Ziffer 2.\nZiffer 1 greift.\nZiffer 2 greift."


@pytest.mark.parametrize(
    ("days", "card", "outcome"), [(30, "", PASS), (31, "", FAIL), (30, "nicht ", FAIL), (5, "", PASS)]
)
def test_book_is_read_with_exceptions_and_limits(days, card, outcome):
    prompt = BOOK.replace("{days}", str(days)).replace("{n}", card)
    assert verify_book([cell_of(f"{APPROVAL}\nZiffer 3 greift nicht.", prompt)]) == [outcome]
    assert verify_book([cell_of(f"{APPROVAL}\nZiffer 3 greift.", prompt)]) == [FAIL]
    assert verify_book([cell_of(APPROVAL, prompt)]) == [FAIL]


def test_case_that_lacks_a_fact_is_an_error():
    prompt = BOOK.replace("{days}", "30").replace("Eine Treuekarte wird {n}vorgelegt.", "")
    assert "KeyError" in verify_book([cell_of(APPROVAL, prompt)])[0]


TEXT = """Schreib den Aushang.

- Der erste Absatz hat genau 2 Sätze, der zweite genau 1.
- Das Wort „Fest“ kommt genau 2-mal vor, das Wort „Treffen“ genau 1-mal.
- Datumsform: „Termin“ wie 24. Dezember 2025, „Schluss“ wie 24.12.2025.
- Erst kommt das Datum zu „Schluss“, danach das zu „Termin“.

Termin: 3.5.2027
Schluss: 1.4.2027
"""


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("Das Fest naht. Bis 01.04.2027 melden!\n\nAm 3. Mai 2027 ist Fest, kein Treffen.", PASS),
        ("Das Fest naht! Bis 01.04.2027 melden. Gut.\n\nAm 3. Mai 2027 ist Fest, kein Treffen.", FAIL),
        ("Das Fest naht. Bis 01.04.2027 melden!\n\nAm 3. Mai 2027 ist Treffen, kein Fest-Treffen.", FAIL),
        ("Das Fest naht. Bis 1. April 2027 melden!\n\nAm 03.05.2027 ist Fest, kein Treffen.", FAIL),
        ("Am 3. Mai 2027 ist Fest. Kommt!\n\nBis 01.04.2027 zum Fest oder Treffen.", FAIL),
    ],
)
def test_rules_are_read_from_the_prompt(reply, outcome):
    assert verify_rules([cell_of(reply, TEXT)]) == [outcome]


def test_prompt_with_an_unknown_rule_is_an_error():
    assert "no rule" in verify_rules([cell_of("Gut.\n\nGut.", "- Schreib schön.")])[0]


def test_numbers_of_each_language_are_read():
    hindi = TextReader(cell_of("", "क", language="hindi"))
    assert hindi._date_of("३ मार्च २०२७") == hindi._date_of("3/3/2027") == (3, 3, 2027)
    assert hindi._value_of("1 लाख 25 हज़ार 450 रुपये") == hindi._value_of("₹1,25,450") == 125450
    chinese = TextReader(cell_of("", "字", language="chinese"))
    assert chinese._date_of("2027年3月8日") == chinese._date_of("2027-03-08") == (2027, 3, 8)
    assert chinese._value_of("3.68万元") == chinese._value_of("36,800元") == 36800
    assert chinese.length("3.68万元，好。") == 3


@pytest.mark.parametrize(
    ("text", "count"),
    [("Am 3. März kommen 1.250,50 € an. Gut!", 2), ("एक। दो? तीन।", 3), ("花了3.68万元。好！", 2), ("¿Sí? ¡No!", 2)],
)
def test_sentences_end_at_marks_but_not_in_numbers(text, count):
    assert len(SENTENCE.findall(text)) == count
    assert len(TextReader(cell_of("", "x")).sentences(text)) == count


@pytest.mark.parametrize(
    ("language", "line", "text", "count"),
    [
        ("german", "Genau {n} verschiedene Wörter in beiden Absätzen", "Die Uhr, die Uhr!\n\nAm 3.480,20 € die.", 5),
        ("french", "Exactement {n} mots différents", "L'ami de l'ami.\n\nDe qui ? De 1250,50 euros.", 5),
        ("spanish", "Exactamente {n} palabras distintas", "¿La sala? La otra.\n\n¡Sala!", 3),
        ("hindi", "कुल ठीक {n} अलग-अलग शब्द", "यह घर, यह घर।\n\n₹1,25,450 का घर।", 4),
        ("chinese", "两段里不同的汉字正好{n}个，", "人人都来，来吧。\n\n好人3.68万元！", 7),
    ],
)
def test_different_words_and_characters_are_counted_once(language, line, text, count):
    for n, outcome in ((count, PASS), (count + 1, FAIL)):
        rule = {"rule": "distinct", "count": n}
        assert verify_text([cell_of(text, "", language=language, rules=[rule])]) == [outcome]
        assert verify_rules([cell_of(text, f"- {line.replace('{n}', str(n))}", language=language)]) == [outcome]


def test_words_with_an_odd_number_of_letters_are_counted():
    text = "Die 4b am 3. Mai: Fuß, Öl, 3,20 € aus.\n\nKommt alle!"
    for n, outcome in ((6, PASS), (7, FAIL)):
        assert verify_text([cell_of(text, "", rules=[{"rule": "odd", "count": n}])]) == [outcome]
        assert verify_rules([cell_of(text, f"- Genau {n} Wörter mit ungerader Buchstabenzahl")]) == [outcome]


def test_hindi_words_are_whole_words():
    rule = {"rule": "words", "words": ["सैर", "यात्रा"], "counts": [1, 1]}
    cells = [cell_of(text, "", language="hindi", rules=[rule]) for text in ("सैर, यात्रा।", "सैर, यात्राएँ।", "सैरों में यात्रा")]
    assert verify_text(cells) == [PASS, FAIL, FAIL]
