"""Parts of the map: rules of cells, grammar, domain files, classifiers and the journal."""

import json
from collections import Counter
from math import isnan
from pathlib import Path

import pytest
from fake_judge import Behaviour, FakeJudge, always

from rewardbench import load_scorer
from rewardbench.analysis.map import journal
from rewardbench.analysis.map.cells import JudgeClassifier, RewardClassifier, RuleClassifier
from rewardbench.analysis.map.domains import load_domain
from rewardbench.analysis.map.endpoint import ChatEndpoint
from rewardbench.analysis.map.fitness import ModelReward, PlantedReward
from rewardbench.analysis.map.generators import (
    GeneratedText,
    MapRequest,
    TemplateGenerator,
    clean_answer,
    write_request,
)
from rewardbench.analysis.map.grammar import Genome, Grammar
from rewardbench.analysis.map.journal import EvaluatedText, MapJournal
from rewardbench.analysis.map.prosody import rhyme_share
from rewardbench.errors import InputError
from rewardbench.verifiers.rhymes import rhyme_sound

HAIKU = "the old pond is calm\na wise frog thinks of the past\nand remembers it"
LIMERICK = (
    "A merry young man from the quay\nwas laughing and climbing a tree;\nhe fell on his head,\n"
    "and cheerful, he said,\nI am dancing with joy on one knee."
)
TINY = """
title = "Notes by length and mood"
prompt = "Write a note."
max_tokens = 6
[requests]
free = "Write a note."
target = "Write a {mood} {length} note."
rewrite = "Improve this {mood} {length} note: {text}"
move = "Make this note {length} and {mood}: {text}"
[[attribute]]
name = "length"
default = "long"
category = [{ name = "short", lines = [1, 1] }, { name = "long" }]
[[attribute]]
name = "mood"
by = "words"
default = "sad"
category = [{ name = "glad", words = "sun" }, { name = "sad", words = "rain" }]
"""


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.mark.parametrize(
    ("lines", "scheme", "share"),
    [
        (["the rain", "a hat", "the lane", "a cat"], "ABAB", 1.0),
        (["the rain", "a hat", "the lane", "a dog"], "ABAB", 0.5),
        (["the rain", "a hat", "my rain", "a dog"], "ABAB", 0.0),
        (["a hat"], "AA", 0.0),
        (["a hat", "a cat", "the sea", "a key"], "AA", 1.0),
    ],
)
def test_rhymes_of_a_scheme(lines, scheme, share):
    assert rhyme_share(lines, scheme) == share


def test_words_of_a_rhyme_family_rhyme():
    families = load_domain("poems").content.templates.rhyme
    keys = {name: {rhyme_sound(word) for word in words} for name, words in families.items()}
    assert {name for name, family_keys in keys.items() if len(family_keys) > 1} == set()
    assert len(set.union(*keys.values())) == len(families)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (HAIKU, ("haiku", "reflective")),
        (f"**Pond**\n\n{HAIKU}\n", ("haiku", "reflective")),
        (LIMERICK, ("limerick", "happy")),
        (LIMERICK.replace("tree", "house").replace("knee", "leg").replace("said", "sang"), None),
        ("\n".join(["The cold ash fell upon the broken wall"] * 14), ("sonnet", "dark")),
        ("Praise the mist,\nbless the veil,\na whisper came,\nand then a whale.", ("hymn", "mysterious")),
        ("She kissed the dear man by the sea,\nand gave him bread,\nand went away,\nto bed", ("ballad", "romantic")),
        ("the old pond is here\na green frog jumps in it now\nand the water sounds", None),
        ("one line of joy", None),
        ("日本\nの\n詩", None),
    ],
)
def test_rules_read_the_cell(text, cell):
    assert RuleClassifier(load_domain("poems")).classify([text]) == [cell]


@pytest.mark.parametrize("name", ["poems", "answers"])
def test_templates_are_varied_and_in_their_cell(name):
    domain = load_domain(name)
    grammar, classifier = Grammar(domain), RuleClassifier(domain)
    misses, texts = Counter(), []
    for cell in domain.cells:
        for seed in range(20):
            text, _ = grammar.render(Genome(cell, seed))
            texts.append(text)
            misses[cell] += classifier.classify([text]) != [cell]
    assert misses.total() <= 0.01 * len(texts)
    assert len(set(texts)) >= 0.98 * len(texts)
    assert not any("{" in text for text in texts)


@pytest.mark.parametrize("name", ["poems", "answers"])
def test_word_lists_of_categories_are_disjoint(name):
    for attribute in load_domain(name).content.attribute:
        if attribute.by == "words":
            counts = Counter(word for category in attribute.category for word in category.word_set)
            assert [word for word, count in counts.items() if count > 1] == []


def test_a_mutation_changes_few_words_and_keeps_the_cell():
    domain = load_domain("poems")
    generator, cell = TemplateGenerator(domain), ("sonnet", "dark")
    parent = generator.generate([MapRequest(3, cell)])[0]
    children = generator.generate([MapRequest(seed, cell, parent, cell) for seed in range(50)])
    words = Counter(parent.text.split())
    for child in children:
        assert (words - Counter(child.text.split())).total() <= 0.5 * words.total()
    assert RuleClassifier(domain).classify([child.text for child in children]) == [cell] * 50
    assert len({child.text for child in children} - {parent.text}) > 35


def test_a_moved_genome_keeps_choices_that_exist_in_the_other_cell():
    grammar = Grammar(load_domain("poems"))
    dark, _ = grammar.render(Genome(("haiku", "dark"), 5))
    happy, _ = grammar.render(Genome(("haiku", "happy"), 5))
    assert dark != happy
    assert len(set(dark.lower().split()) & set(happy.lower().split())) >= 3


def test_a_genome_survives_json():
    genome = Genome(("haiku", "dark"), 7, {"/0five": 3})
    assert Genome.from_json(json.loads(json.dumps(genome.to_json()))) == genome
    with pytest.raises(ValueError, match="not a genome"):
        Genome.from_json({"seed": 1})


def test_free_sampling_follows_the_priors():
    generator = TemplateGenerator(load_domain("poems"))
    cells = Counter(draft.genome.cell for draft in generator.generate([MapRequest(seed) for seed in range(400)]))
    haiku = sum(count for (genre, _), count in cells.items() if genre == "haiku")
    assert 0.36 < haiku / 400 < 0.52  # prior 5 of 11.4


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("{mood} {length} note.", "{moods} note."),
            r"target has the place \{moods\}, and may have \{length\}, \{mood\}",
        ),
        (('name = "sad"', 'name = "glad"'), "two categories of mood have the same name"),
        (('name = "mood"', 'name = "reward"'), "an attribute has the name reward"),
        (("{mood} {length} note.", "{mood:>99999999} note."), r"target has a place with a format: write \{mood\}"),
        (("{mood} {length} note.", "{mood note."), "expected '}' before end of string"),
        (('name = "glad"', 'name = "a\\nb"'), "String should match pattern"),
        (('default = "sad"', 'default = "dull"'), "the default 'dull' of mood is not a category"),
        ((": {text}", ""), r"rewrite does not have the place \{text\}"),
        (('name = "mood"', 'name = "length"'), "both attributes have the name length"),
        (('name = "sad"', 'name = "long"'), "the default 'sad' of mood is not a category"),
        (("max_tokens = 6", "max_tokens = 0"), "max_tokens: Input should be greater than or equal to 1"),
        (('by = "words"', 'by = "luck"'), "attribute.1.by"),
        (("[requests]", "[requests"), "is not TOML"),
        (("title", "titles"), "title: Field required"),
        (('category = [{ name = "short", lines = [1, 1] }, { name = "long" }]', ""), "attribute.0.category"),
    ],
)
def test_an_invalid_domain_is_a_one_line_error(tiny, edit, message):
    tiny.write_text(TINY.replace(*edit))
    with pytest.raises(InputError, match=message) as error:
        load_domain(str(tiny))
    assert "\n" not in str(error.value)


def test_unknown_domain_and_missing_tables(tiny, tmp_path):
    with pytest.raises(InputError, match=r"There is no domain 'poem': name answers or poems, or a \.toml file"):
        load_domain("poem")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not TOML"):
        load_domain(str(tmp_path / "binary.toml"))
    domain = load_domain(str(tiny))
    with pytest.raises(InputError, match=r"has no table \[templates\]: name another --generator"):
        TemplateGenerator(domain)
    with pytest.raises(InputError, match=r"has no table \[planted\]"):
        PlantedReward(domain)
    with pytest.raises(InputError, match="has no label, which --cells model needs"):
        RewardClassifier(domain, load_scorer("baseline/longest"))


def test_templates_with_a_missing_or_endless_symbol(tiny):
    for start, message in (("{verb}", "no symbol 'verb' for short and glad"), ("{start}", "nest deeper than 12")):
        tiny.write_text(f'{TINY}[templates.scope.common]\nstart = ["{start}"]\n')
        with pytest.raises(InputError, match=message):
            Grammar(load_domain(str(tiny))).render(Genome(("short", "glad"), 0))


def test_a_reward_model_reads_the_cell_of_its_best_sentence():
    def reward(prompt: str, completion: str) -> float:
        return float(prompt in completion)

    classifier = RewardClassifier(load_domain("poems"), load_scorer(reward))
    assert classifier.classify(["haiku", "dark"]) == [None, None]  # the other attribute is a tie
    both = load_scorer(lambda prompt, completion: float(completion.rstrip(".").rsplit(" ", 1)[1] in prompt.split()))
    assert RewardClassifier(load_domain("poems"), both).classify(["a dark hymn", "hymn or haiku and dark"]) == [
        ("hymn", "dark"),
        None,
    ]
    assert classifier.classify([]) == []


def test_the_cell_of_a_text_that_cannot_be_scored_is_unknown():
    def reward(prompt: str, completion: str) -> float:
        return float("nan") if prompt == "bad" else float(completion.rstrip(".").rsplit(" ", 1)[1] in prompt.split())

    classifier = RewardClassifier(load_domain("poems"), load_scorer(reward))
    assert classifier.classify(["a dark hymn", "bad"]) == [("hymn", "dark"), None]


def test_a_judge_at_an_endpoint_reads_cells():
    def decide(question):
        text = question.prompt.partition("<text>")[2]
        if "refuse" in text:
            return "I cannot decide between haiku and hymn."
        return "Haiku." if "genre" in question.prompt else "dark"

    with FakeJudge(Behaviour(decide=decide)) as judge:
        classifier = JudgeClassifier(load_domain("poems"), ChatEndpoint(f"openai:{judge.base_url}#m"))
        assert classifier.classify(["a poem", "refuse"]) == [("haiku", "dark"), None]


def test_an_outage_of_the_endpoint_is_no_empty_text():
    with FakeJudge(Behaviour(decide=always("sun"), server_error=1.0, lasting=("server_error",))) as judge:
        endpoint = ChatEndpoint(f"openai:{judge.base_url}#m", pause=0.001)
        with pytest.raises(InputError, match=r"^m answered none of 2 requests: the server failed at every try"):
            endpoint.complete(["one", "two"], [1, 2], 0.0, 5)


@pytest.mark.parametrize(
    "text", ["", " \n", "{tone} {text} %s", "<script>", "sun \ud800\x00\u202e", "```\n```", "#" * 30_000]
)
def test_any_answer_becomes_a_text_for_files(text):
    answer = clean_answer(text)
    assert len(answer.encode()) <= 20_000
    assert RuleClassifier(load_domain("poems")).classify([answer]) == [None]
    assert write_request(load_domain("poems"), MapRequest(0, ("haiku", "dark"), GeneratedText(answer))).endswith(answer)


def test_comments_and_docstrings_do_not_decide_a_run(tmp_path, monkeypatch):
    before = journal.source_hash.__wrapped__()
    copy = tmp_path / "journal.py"
    for name in journal.DECIDING:
        text = Path(journal.__file__).with_name(f"{name}.py").read_text()
        (tmp_path / f"{name}.py").write_text(f"import os\n{text}\n# A comment.\n")
    monkeypatch.setattr(journal, "__file__", str(copy))
    assert journal.source_hash.__wrapped__() == before
    path = tmp_path / "search.py"
    path.write_text(
        path.read_text().replace("np.random.default_rng([*self._seeds, start])", "np.random.default_rng(0)")
    )
    assert journal.source_hash.__wrapped__() != before


def test_requests_of_a_language_model(tiny):
    domain, parent = load_domain(str(tiny)), GeneratedText("The {sun}.")
    cell, other = ("short", "glad"), ("long", "sad")
    poems = load_domain("poems")
    question = write_request(poems, MapRequest(0, ("haiku", "dark")))
    assert question.startswith("Write a dark haiku of three short lines. ")
    assert write_request(domain, MapRequest(0)) == "Write a note."
    assert write_request(domain, MapRequest(0, cell)) == "Write a glad short note."
    assert write_request(domain, MapRequest(0, cell, parent, cell)) == "Improve this glad short note: The {sun}."
    assert write_request(domain, MapRequest(0, cell, parent, other)) == "Make this note short and glad: The {sun}."


def test_planted_reward_by_hand():
    reward = PlantedReward(load_domain("poems"))
    share = reward.favoured_share(HAIKU)
    words = [word for word in HAIKU.split() if len(word) >= 4]
    assert share == sum(reward.favoured_share(word) for word in words) / len(words)
    assert reward.score([HAIKU]) == [pytest.approx(0.3 - 0.7 + 3.0 * share)]
    assert reward.floor == pytest.approx(-1.6)


def test_a_text_that_cannot_be_scored_is_nan():
    def reward(prompt: str, completion: str) -> float:
        return float("nan") if completion == "bad" else 1.0

    fitness = ModelReward(load_domain("poems"), load_scorer(reward))
    first, second = fitness.score(["good", "bad"])
    assert first == 1.0
    assert second != second
    assert isnan(fitness.score(["bad"])[0])
    with pytest.raises(InputError, match="cannot be scored"):
        fitness.score(["bad", "bad"])


def evaluations(start: int) -> list[EvaluatedText]:
    return [
        EvaluatedText(
            start, GeneratedText("sun ☀\n", Genome(("a", "b"), 4, {"x": 1})), ("a", "b"), 0.25, None, ("a", "b")
        ),
        EvaluatedText(start + 1, GeneratedText(""), None, None, 0),
    ]


def test_the_journal_returns_finished_steps_only(tmp_path):
    path = tmp_path / "run" / "journal.jsonl"
    stored = MapJournal(path, {"seed": 1})
    stored.add("uniform 0", evaluations(0))
    stored.add("uniform 0", evaluations(2))
    path.write_bytes(path.read_bytes()[:-30])  # killed in the middle of a line
    stored = MapJournal(path, {"seed": 1})
    assert stored.lookup("uniform 0", 0, 2) == evaluations(0)
    assert stored.lookup("uniform 0", 2, 2) is None
    assert stored.lookup("random 0", 0, 2) is None
    stored.add("uniform 0", evaluations(2))
    assert MapJournal(path, {"seed": 1}).lookup("uniform 0", 2, 2) == evaluations(2)
    with pytest.raises(InputError, match="belongs to a run with other settings"):
        MapJournal(path, {"seed": 2})


@pytest.mark.parametrize(
    "line", ["[]", '{"search": "uniform 0"}', '{"search": "a", "evaluations": [{"text": 3}]}', "\x00"]
)
def test_a_journal_line_of_another_form_ends_it(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    MapJournal(path, {}).add("uniform 0", evaluations(0))
    path.write_text(path.read_text() + line + "\n")
    assert MapJournal(path, {}).lookup("uniform 0", 0, 2) == evaluations(0)
    assert len(path.read_text().splitlines()) == 2
