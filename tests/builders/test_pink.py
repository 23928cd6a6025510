"""Test the pink builder: its material and plans, its stages with any backend, and the mirrors of the suite."""

import asyncio
import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rewardbench.builders.check import verify
from rewardbench.builders.mirrors import read_mirrors
from rewardbench.builders.templates.pink import OpenAIBackend, TemplateBackend, build, stages_summary
from rewardbench.builders.templates.pink.assembly import append_wish, find_mentions
from rewardbench.builders.templates.pink.backends import NAME_HEADS, NAME_TAILS, check_answer, invent_names
from rewardbench.builders.templates.pink.material import (
    MANNERS,
    DialogueTemplate,
    Subject,
    SubjectPair,
    WishTemplate,
    fill,
    read_rules,
    read_topics,
)
from rewardbench.builders.templates.pink.plan import KINDS, Outline, TopicOutlines, make_plans
from rewardbench.builders.templates.pink.stages import digest, read_stage, stages_folder
from rewardbench.errors import InputError
from rewardbench.verifiers.names import mentions

MATERIAL = """
[[topic]]
name = "drinks"
pool = "suite"
[[topic.pair]]
one = { name = "ale", aliases = ["bitter"] }
other = { name = "lager", aliases = ["pilsner"] }
kind = "beer"
[[topic.pair]]
one = { name = "Assam", aliases = [] }
other = { name = "Ceylon", aliases = [] }
kind = "tea"
[[topic.pair]]
one = { name = "espresso", aliases = ["ristretto"] }
other = { name = "cocoa", aliases = ["hot chocolate"] }
kind = "drink"
[[topic.frame]]
turns = ["My in-laws visit on Sunday and I'd like to put a {kind} on the table. {x} or {y}?"]
on_x = "For a Sunday with family I would pour {x}. Serve it at the right temperature, and put a second bottle aside."
on_y = "With family round the table, go for {y}. Mind the temperature when you serve it, and keep some in reserve."
both_x = "For a Sunday with family I would pour {x}, though {y} has its friends too. Put a second bottle aside."
[[topic.frame]]
turns = ["planning a tasting", "Lovely! How many guests?", "six, none of them experts. which {kind} do i start with"]
on_x = "Start with {x} and give each guest a small glass. Let them guess first."
on_y = "Six small glasses of {y} make a fine start. Ask for guesses before you tell."
both_x = "Start with {x}, small glasses, and let them guess. Folks like {y} as well."
[[topic.frame]]
turns = [
  "Good evening.", "Good evening! What can I do for you?",
  "I write a column on what people drink.", "What a fine job. What is it about this week?",
  "I'm torn between {y} and {x}. Which gets the headline?",
]
on_x = "Give the headline to {x}: everyone has a story about it, and stories are what columns live on."
on_y = "I'd put {y} on top, since readers love to write in about it, and a column lives on its letters."
both_x = "Give the headline to {x}, and let {y} have the last paragraph, so that nobody feels left out."

[[topic]]
name = "gardens"
pool = "train"
[[topic.pair]]
one = { name = "peony", aliases = ["peonies"] }
other = { name = "iris", aliases = [] }
kind = "flower"
[[topic.pair]]
one = { name = "thyme", aliases = [] }
other = { name = "chervil", aliases = [] }
kind = "herb"
[[topic.frame]]
turns = ["One bare corner in my garden, sun till noon. Should it be {y}, or rather {x}?"]
on_x = "That corner is made for {x}: water it well in its first weeks, and leave it alone after that."
on_y = "I see {y} there already! Be generous with water at the start, and then let it get on with it."
both_x = "That corner is made for {x}, even if {y} is pretty. Water it well at first, then leave it be."
[[topic.frame]]
turns = ["hi", "Hello! What's growing?", "not much lol. i want an easy {kind}"]
on_x = "Then {x} is for you, it asks for little and gives a lot."
on_y = "Easy does it with {y}: it gives much and asks for little."
both_x = "Then {x} is for you; {y} is easy as well, but asks more."
"""


@pytest.fixture
def material(tmp_path):
    path = tmp_path / "topics.toml"
    path.write_text(MATERIAL, encoding="utf-8")
    return path


@pytest.fixture
def template(material):
    return TemplateBackend.from_files(material)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def named(mirrors):
    return [replace(mirror, group=f"pink-{n}") for n, mirror in enumerate(mirrors)]


@dataclass
class CountingBackend:
    """Passes requests on and counts them; `spoil` may change an answer."""

    inner: TemplateBackend
    spoil: object = None
    requests: Counter = field(default_factory=Counter)
    active: int = 0
    max_active: int = 0

    @property
    def identity(self):
        return self.inner.identity

    async def answer(self, stage, request, key):
        self.requests[stage] += 1
        self.active += 1
        self.max_active = max(self.max_active, self.active)
        await asyncio.sleep(0.0005 * (int(key[:2], 16) % 4))
        self.active -= 1
        answer = await self.inner.answer(stage, request, key)
        return self.spoil(stage, request, answer) if self.spoil else answer


# --- rules and plans


def test_the_rules_are_balanced():
    rules, wishes = read_rules().rules, read_rules().wishes
    assert len(rules) == 52
    assert [n for n, rule in enumerate(rules, 1) if rule.reworded] == list(range(4, 49, 4))
    for subset in (rules, [rule for rule in rules if rule.reworded]):
        assert sum(rule.forbidden_first for rule in subset) * 2 == len(subset)
        assert sum(rule.decoy.index("{x}") < rule.decoy.index("{y}") for rule in subset) * 2 == len(subset)
        assert sum(rule.permits for rule in subset) * 2 == len(subset)
    for mild in (True, False):
        sentences = [wish.say for wish in wishes if wish.mild is mild]
        assert len(sentences) == 16
        assert sum(sentence.index("{x}") < sentence.index("{y}") for sentence in sentences) == 8


def test_each_rule_names_both_subjects_and_its_neutral_line_neither():
    for rule in read_rules().rules:
        for text in (rule.rule, rule.decoy):
            assert (text.count("{x}"), text.count("{y}")) == (1, 1), rule.who
        assert "{" not in rule.neutral
        assert 0.6 < len(rule.neutral) / len(rule.rule) < 1.6, rule.who
        assert rule.who.count("{rule}") == 1
    assert len({rule.rule for rule in read_rules().rules}) == 52


def test_plans_use_everything_evenly_and_no_combination_more_than_twice():
    pair = SubjectPair(Subject("ale"), Subject("lager"), "beer")
    outlines = [Outline(turns, "") for turns in (1, 3, 5)]
    topics = [TopicOutlines(f"t{n}", [pair] * 3, [outlines] * 3) for n in range(7)]
    plans = make_plans(topics, 0, "suite")
    assert len(plans) == 7 * 3 * 3 * 2
    by_combination = {}
    for plan in plans:
        by_combination.setdefault((plan.topic, plan.pair_index, plan.dialogue_index), []).append(plan)
    assert {len(combination) for combination in by_combination.values()} == {2}
    for first, second in by_combination.values():
        assert first.kind != second.kind
        assert first.rule_index != second.rule_index
        assert first.phrasing != second.phrasing
    first_plans = plans[: 7 * 3]
    assert {(plan.topic, plan.dialogue_index) for plan in first_plans} == {
        (f"t{n}", dialogue_index) for n in range(7) for dialogue_index in range(3)
    }
    assert Counter(plan.kind for plan in first_plans) == dict.fromkeys(KINDS, 7)
    rules = read_rules().rules
    assert {plan.dialogue_index for plan in plans if rules[plan.rule_index].special} == {0}
    assert max(Counter(plan.rule_index for plan in plans).values()) <= 5


def test_typed_rules_go_with_users_of_the_same_manner_and_praise_with_mild_wishes():
    pair = SubjectPair(Subject("ale"), Subject("lager"), "beer")
    outlines = [Outline(turns, "", manner) for turns in (1, 3) for manner in MANNERS]
    plans = make_plans([TopicOutlines(f"t{n}", [pair] * 3, [outlines] * 3) for n in range(8)], 0, "suite")
    rules, wishes = read_rules().rules, read_rules().wishes
    typed = {(plan.rule_index, outlines[plan.dialogue_index].manner) for plan in plans if rules[plan.rule_index].ok}
    assert {manner for _, manner in typed} == {"casual", "plain"}
    assert all((rules[rule].who[0].islower()) is (manner == "casual") for rule, manner in typed)
    with_wish = [plan for plan in plans if plan.wish_index is not None]
    assert {plan.praises for plan in with_wish} == {True, False}
    assert all(wishes[plan.wish_index].mild is plan.praises for plan in with_wish)
    assert not any(plan.praises for plan in plans if plan.wish_index is None)


@pytest.mark.parametrize(
    ("turns", "manner"),
    [
        (("hi, {x} or {y}?",), "casual"),
        (("Hi, {x} or {y}?",), "greeting"),
        (("A {kind}, please.", "Hello! Gladly.", "{x} or {y}?"), "plain"),
        (("ok so my cat", "Oh?", "hates {x}. {y} then?"), "casual"),
        (("Hiking, {x} or {y}?",), "plain"),
    ],
)
def test_a_dialogue_shows_the_manner_of_its_user(turns, manner):
    assert DialogueTemplate(turns, "{x}", "{y}", "{x} {y}").manner == manner


def test_a_user_who_typed_the_rule_does_not_take_it_back():
    pair = SubjectPair(Subject("ale"), Subject("lager"), "beer")
    outlines = [Outline(turns, "", takes_side=takes_side) for turns in (1, 3) for takes_side in (True, False)]
    plans = make_plans([TopicOutlines(f"t{n}", [pair] * 3, [outlines] * 3) for n in range(12)], 0, "suite")
    rules = read_rules().rules
    typed = [plan for plan in plans if rules[plan.rule_index].ok]
    binding = [plan for plan in typed if not rules[plan.rule_index].relayed]
    assert 0 < len(binding) < len(typed)
    for plan in binding:
        assert not outlines[plan.dialogue_index].takes_side
        assert plan.wish_index is None


def test_open_declines_name_nothing_and_have_a_counter_or_serve_both_replies():
    declines = read_rules().declines
    assert len({decline.say for decline in declines}) == len(declines) >= 30
    assert not any("{" in decline.say + decline.counter for decline in declines)
    with_counter = [decline for decline in declines if decline.counter]
    assert min(len(with_counter), len(declines) - len(with_counter)) >= 12
    for decline in with_counter:
        assert 0.6 < len(decline.counter) / len(decline.say) < 1.6
        assert (
            decline.dress("Ale.", declines=False)
            != decline.dress("Ale.")
            in (
                f"{decline.say} Ale.",
                f"Ale. {decline.say}",
            )
        )
    (both,) = {
        decline.dress("Ale.", declines=False) == decline.dress("Ale.") for decline in declines if not decline.counter
    }
    assert both


# --- texts


def test_fill_corrects_articles_and_capitals():
    names = {"x": "ale", "y": "Porto", "kind": "ukulele"}
    assert fill("{x}. {x}! A {kind} or an {x}?", names) == "Ale. Ale! A ukulele or an ale?"
    assert fill("{x} or {y}? {x} pls", names) == "ale or Porto? ale pls"


@pytest.mark.parametrize(
    ("turn", "reply", "turns"),
    [
        ("which one", "", ["which one... i want ale, not Porto."]),
        ("Which one?", "", ["Which one? I want ale, not Porto."]),
        ("Which one?", "Tell me?", ["Which one?", "Tell me?", "I want ale, not Porto."]),
    ],
)
def test_a_wish_is_typed_in_the_manner_of_the_user(turn, reply, turns):
    wish = WishTemplate("I want {x}, not {y}.", reply)
    assert append_wish([turn], wish, {"x": "ale", "y": "Porto"}) == turns


@pytest.mark.parametrize(
    ("turn", "is_neutral"),
    [("{x} or {y}?", True), ("What now?", True), ("my sister says {y}, I say {x}", False), ("the {y} and a {x}", True)],
)
def test_a_dialogue_is_neutral_only_if_the_user_is_undecided(turn, is_neutral):
    assert DialogueTemplate((turn,), "{x}", "{y}", "{x} {y}").is_neutral is is_neutral


def test_names_that_need_an_article_get_one_in_the_rule(tmp_path, material):
    text = material.read_text().replace("{x}", "the {x}").replace("{y}", "the {y}")
    material.write_text(text, encoding="utf-8")
    for mirror in build(0, 18, tmp_path / "p.jsonl", 1, TemplateBackend.from_files(material)):
        for half in (mirror.a, mirror.b):
            text = "\n".join(turn["content"] for turn in half).lower()
            for name in ("ale", "lager", "assam", "ceylon", "espresso", "cocoa"):
                assert text.count(f"the {name}") == len(re.findall(rf"\b{name}\b", text))


def test_a_training_topic_that_overlaps_with_the_suite_is_left_out(tmp_path, material):
    assert [topic.name for topic in read_topics((material,))] == ["drinks", "gardens"]
    other = tmp_path / "other.toml"
    other.write_text(MATERIAL.split("[[topic]]")[2].replace('kind = "herb"', 'kind = "tea"').join(["[[topic]]", ""]))
    assert [topic.name for topic in read_topics((other,))] == ["gardens"]
    suite = tmp_path / "suite.toml"
    suite.write_text("[[topic]]" + MATERIAL.split("[[topic]]")[1])
    assert [topic.name for topic in read_topics((suite, other))] == ["drinks"]
    with pytest.raises(InputError, match="pool suite are called 'drinks'"):
        read_topics((suite, material))


def test_a_name_within_a_word_is_no_mention():
    ale = Subject("ale", ("bitter",))
    assert find_mentions("Ales on sale, a bitter", ale) == [(0, 4, "Ales"), (16, 22, "bitter")]


def test_invented_names_are_new_and_keep_the_case():
    from rewardbench.builders.draw import Rng

    pairs = [SubjectPair(Subject("ale", ("bitter",)), Subject("Porto"), "beer")]
    (invented,) = invent_names(pairs, Rng("k"))
    assert (invented.first.aliases, invented.kind) == ((), "beer")
    assert invented.first.name.islower()
    assert invented.second.name.istitle()
    assert invented != invent_names(pairs, Rng("l"))[0]
    names = {head + tail for head in NAME_HEADS for tail in NAME_TAILS}
    assert len(names) == len(NAME_HEADS) * len(NAME_TAILS) >= 1500


# --- the pipeline


def test_every_mirror_verifies_and_every_answer_is_on_file(tmp_path, template):
    output = tmp_path / "pink.jsonl"
    ticks = []
    mirrors = build(3, 18, output, 4, template, tick=lambda: ticks.append(1))
    assert verify(named(mirrors)).failed == ()
    assert verify(named(mirrors)).pairs == 36
    assert read_mirrors(output) == mirrors
    assert len(ticks) == 18
    assert stages_summary(output) == {
        "topics": 1, "pairs": 1, "plans": 3, "dialogues": 18, "critique": 18, "revision": 18,
    }  # fmt: skip
    assert [mirror.source["index"] for mirror in mirrors] == list(range(18))
    known = set()
    for stage in stages_summary(output):
        known.update(row["id"] for row in read_stage(stages_folder(output) / f"{stage}.jsonl"))
    for mirror in mirrors:
        chain = mirror.source["provenance"]
        assert [row["stage"] for row in chain] == ["topics", "pairs", "plans", "dialogues", "critique", "revision"]
        assert {row["id"] for row in chain} <= known
        assert all(set(row["parents"]) <= {earlier["id"] for earlier in chain[:n]} for n, row in enumerate(chain))
        assert {(row["backend"], row["seed"]) for row in chain} == {(template.identity, 3)}


def test_a_planted_mention_is_detected(tmp_path, template):
    mirrors = named(build(0, 12, tmp_path / "p.jsonl", 1, template))
    spoiled = []
    for mirror in mirrors:
        half, response = ("a", "x") if mirror.check["a"]["forbidden"] else ("b", "y")
        forbidden, wanted = mirror.check[half]["forbidden"][0], mirror.check[half]["wanted"][0]
        spoiled.append(replace(mirror, **{response: f"Not {forbidden}s! Take {wanted}."}))
    assert len(verify(spoiled).failed) >= 12


def test_a_second_build_asks_nothing_and_workers_do_not_matter(tmp_path, template):
    backend = CountingBackend(template)
    first, eight = tmp_path / "first.jsonl", tmp_path / "eight.jsonl"
    build(1, 18, first, 1, backend)
    assert backend.max_active == 1
    before, request_count = sha(first), backend.requests.total()
    build(1, 18, first, 1, backend)
    assert (sha(first), backend.requests.total()) == (before, request_count)
    build(1, 18, eight, 8, backend)
    assert sha(eight) == before
    assert backend.max_active == 8
    assert sha(build(2, 18, eight, 8, backend) and eight) != before


def test_a_killed_build_is_resumed(tmp_path, material, template):
    output = tmp_path / "killed.jsonl"
    program = f"""
import asyncio, pathlib
from rewardbench.builders.templates.pink import TemplateBackend, build
class Slow(TemplateBackend):
    async def answer(self, stage, request, key):
        await asyncio.sleep(0.05)
        return await super().answer(stage, request, key)
build(5, 18, pathlib.Path({str(output)!r}), 2, Slow.from_files(pathlib.Path({str(material)!r})))
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 15
    while stages_summary(output)["revision"] < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not output.exists()
    with (stages_folder(output) / "revision.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"stage": "revision", "key": "torn')
    finished = stages_summary(output)["revision"]
    assert 2 <= finished < 18
    backend = CountingBackend(template)
    build(5, 18, output, 8, backend)
    assert backend.requests["revision"] == 18 - finished
    uninterrupted = tmp_path / "uninterrupted.jsonl"
    build(5, 18, uninterrupted, 1, template)
    assert sha(output) == sha(uninterrupted)


def test_a_revision_that_names_the_forbidden_subject_is_asked_for_again(tmp_path, template):
    def spoil(stage, request, answer):
        first = stage == "revision" and not request.get("attempt")
        return {"revision": f"{answer['revision']} Not {request['x']['name']}!"} if first else answer

    backend = CountingBackend(template, spoil)
    mirrors = build(0, 6, tmp_path / "p.jsonl", 2, backend)
    assert verify(named(mirrors)).failed == ()
    assert backend.requests["revision"] == 12
    assert [row["stage"] for row in mirrors[0].source["provenance"]][-2:] == ["revision", "revision"]
    rows = read_stage(stages_folder(tmp_path / "p.jsonl") / "revision.jsonl")
    assert any("it names" in fault for row in rows for fault in row["request"].get("faults", ()))


def test_a_plan_without_a_valid_revision_is_replaced_by_the_next_one(tmp_path, template):
    def spoil(stage, request, answer):
        bad = stage == "revision" and request["kind"] == "tea"
        return {"revision": request["original"]} if bad else answer

    outputs = [tmp_path / "1.jsonl", tmp_path / "8.jsonl"]
    for output, workers in zip(outputs, (1, 8), strict=True):
        backend = CountingBackend(template, spoil)
        mirrors = build(3, 12, output, workers, backend)
    assert sha(outputs[0]) == sha(outputs[1])
    assert backend.requests["revision"] == 12 + 3 * 6
    assert "Assam" not in outputs[0].read_text()
    assert [mirror.source["index"] for mirror in mirrors] == sorted(mirror.source["index"] for mirror in mirrors)
    with pytest.raises(InputError, match="Only 12 of 13 mirrors"):
        build(3, 13, tmp_path / "13.jsonl", 4, CountingBackend(template, spoil))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 19}, "18 distinct plans, not 19"),
        ({"pool": "test"}, "no pool 'test'"),
        ({"workers": 0}, "at least one worker"),
    ],
)
def test_invalid_arguments_are_rejected(tmp_path, template, change, message):
    arguments = {"seed": 0, "count": 1, "output": tmp_path / "p.jsonl", "backend": template, **change}
    with pytest.raises(InputError, match=message):
        build(**arguments)


# --- an endpoint


class Endpoint(BaseHTTPRequestHandler):
    """Answers as the template backend does, except for the first requests, which get the answers in `trouble`."""

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.bodies.append(body)
        server.keys.add(self.headers.get("Authorization"))
        status, text = server.trouble.pop(0) if server.trouble else (200, None)
        if text is None:
            stage = next(s for s in server.prompts if server.prompts[s] == body["messages"][0]["content"])
            answer = server.template.answer(stage, json.loads(body["messages"][1]["content"]), "k")
            text = json.dumps(asyncio.run(answer))
        sent = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint(template):
    import tomllib

    from rewardbench.builders.templates.pink.material import FOLDER

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    prompts = tomllib.loads((FOLDER / "prompts.toml").read_text(encoding="utf-8"))
    server.prompts = {stage: text.strip() for stage, text in prompts.items()}
    server.template, server.trouble, server.bodies, server.keys = template, [], [], set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def backend_of(server):
    return OpenAIBackend(f"http://127.0.0.1:{server.server_port}/v1", "some-model", pause=0.001)


def test_an_endpoint_gives_the_same_mirrors_after_failed_requests(tmp_path, endpoint, template, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    endpoint.trouble = [
        (429, "slow down"),
        (200, "Sure! Here you go:"),
        (503, ""),
        (200, None),
        (200, '{"pairs": [1]}'),
    ]
    mirrors = build(0, 6, tmp_path / "http.jsonl", 4, backend_of(endpoint))
    assert [(m.a, m.b, m.x, m.y) for m in mirrors] == [
        (m.a, m.b, m.x, m.y) for m in build(0, 6, tmp_path / "template.jsonl", 1, template)
    ]
    assert len(endpoint.bodies) == 4 + 1 + 1 + 3 + 3 * 6
    assert endpoint.keys == {"Bearer sk-secret"}
    assert {(body["model"], body["temperature"], type(body["seed"])) for body in endpoint.bodies} == {
        ("some-model", 0.8, int)
    }
    assert not any("sk-secret" in path.read_text() for path in tmp_path.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("trouble", "message", "request_count"),
    [
        ([(401, "no")], "refuses: status 401", 1),
        ([(200, "[]")] * 4, "gave no topics in 4 tries; the last time an answer that does not parse", 4),
        ([(500, "")] * 4, "gave no topics in 4 tries; the last time status 500", 4),
    ],
)
def test_an_endpoint_without_valid_answer_is_a_one_line_error(tmp_path, endpoint, trouble, message, request_count):
    endpoint.trouble = list(trouble)
    with pytest.raises(InputError, match=message):
        build(0, 1, tmp_path / "p.jsonl", 1, backend_of(endpoint))
    assert len(endpoint.bodies) == request_count


def test_an_unreachable_endpoint_is_a_one_line_error(tmp_path):
    with pytest.raises(InputError, match=r"cannot be reached \(ConnectError\)"):
        build(0, 1, tmp_path / "p.jsonl", 1, OpenAIBackend("http://127.0.0.1:9/v1", "m", pause=0.001))


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("topics", {"topics": "beer"}),
        ("plans", {"plans": [{"turns": "1", "text": "t"}]}),
        ("plans", {"plans": [{"turns": 1, "text": "t", "manner": "loud"}]}),
        ("dialogues", {"turns": ["a"]}),
        ("revision", {"revision": None}),
        ("pairs", {"pairs": [{"one": {"name": ""}, "other": {"name": "b"}, "kind": "k"}]}),
        ("critique", ["fine"]),
    ],
)
def test_answers_of_another_form_are_rejected(stage, answer):
    with pytest.raises((ValueError, KeyError, TypeError)):
        check_answer(stage, answer)


# --- the mirrors of the suite, on the topics that come with the package

COUNT = 170


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return named(build(0, COUNT, tmp_path_factory.mktemp("pink") / "suite.jsonl", 8))


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return named(build(0, 150, tmp_path_factory.mktemp("pink") / "train.jsonl", 8, pool="train"))


def halves(mirror):
    """Return both halves, the one with the rule first: prompt, right response, wrong response, check."""
    both = [(mirror.a, mirror.x, mirror.y, mirror.check["a"]), (mirror.b, mirror.y, mirror.x, mirror.check["b"])]
    ruled = mirror.edit.split(" forbids ")[1].split(" and wants ")[0]
    return both if mirror.check["a"]["forbidden"][:1] == [ruled] else both[::-1]


def test_the_suite_verifies_and_has_many_topics(suite):
    report = verify(suite)
    assert (report.pairs, report.failed) == (2 * COUNT, ())
    topics = Counter(mirror.source["mould"].split("/")[0] for mirror in suite)
    assert len(topics) >= 29
    assert max(topics.values()) <= 6
    kinds = Counter(mirror.source["kind"] for mirror in suite)
    assert all(0.3 <= kinds[kind] / COUNT <= 0.37 for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_response_obeys_the_rule_and_the_wrong_one_breaks_it(suite, kind):
    for mirror in (mirror for mirror in suite if mirror.source["kind"] == kind):
        (_, chosen, rejected, rule), (_, twin_chosen, twin_rejected, twin) = halves(mirror)
        assert (twin_chosen, twin_rejected) == (rejected, chosen)
        assert not mentions(chosen, rule["forbidden"])
        assert mentions(chosen, rule["wanted"])
        assert mentions(rejected, rule["forbidden"])
        assert twin["wanted"] == rule["forbidden"]


def test_neither_names_nor_length_decide(suite):
    """The reply with x, or with the first name of the rule, or the longer one, is right in half of the pairs."""
    first, holds, longer = [], [], []
    for mirror in suite:
        x, y = (halves(mirror)[0][3][side] for side in ("forbidden", "wanted"))
        for prompt, right, wrong, _ in halves(mirror):
            text = "\n".join(turn["content"] for turn in prompt[: 1 if prompt[0]["role"] == "system" else 2])
            places = {names[0]: text.lower().find(names[0].lower()) for names in (x, y)}
            if min(places.values()) >= 0:
                first_names = x if places[x[0]] < places[y[0]] else y
                first.append(0.5 + 0.5 * (bool(mentions(right, first_names)) - bool(mentions(wrong, first_names))))
            holds.append(0.5 + 0.5 * (bool(mentions(right, x)) - bool(mentions(wrong, x))))
            longer.append(0.5 + 0.5 * ((len(right) > len(wrong)) - (len(right) < len(wrong))))
    for rule in (first, holds, longer):
        assert 0.45 <= sum(rule) / len(rule) <= 0.55
    assert len(first) > 1.5 * COUNT


def test_reversed_rules_give_prompts_of_the_same_words(suite):
    def words(messages):
        return {word for turn in messages for word in re.findall(r"\w+|[^\w\s]", turn["content"].lower())}

    same = [mirror for mirror in suite if words(mirror.a) == words(mirror.b)]
    assert {mirror.group for mirror in suite if mirror.source["kind"] == "reversed"} <= {m.group for m in same}
    assert len(same) >= 0.45 * COUNT


def test_praise_and_open_declines_have_their_share(suite):
    both, declines = 0, []
    for mirror in suite:
        _, _, rejected, rule = halves(mirror)[0]
        both += bool(mentions(rejected, rule["wanted"]))
        prohibitions = sum(bool(mirror.check[half]["forbidden"]) for half in "ab")
        declines += [mirror.source["declines"]] * prohibitions
    assert 0.28 <= both / COUNT <= 0.38
    assert 0.45 <= sum(declines) / len(declines) <= 0.6


def test_an_open_decline_follows_only_a_rule_that_allows_it_and_a_user_who_names_the_subject(suite):
    rules = read_rules().rules
    declined = [mirror for mirror in suite if mirror.source["declines"]]
    assert {mirror.source["kind"] for mirror in declined} == set(KINDS)
    for mirror in declined:
        assert not rules[mirror.source["rule"]].silent
        for prompt, _, _, check in halves(mirror):
            turns = prompt[2:] if rules[mirror.source["rule"]].ok else prompt
            words = " ".join(turn["content"] for turn in turns if turn["role"] == "user")
            assert mentions(words, check["forbidden"]) or not check["forbidden"]


def wanted_names(mirrors):
    return {name for mirror in mirrors for half in "ab" for name in mirror.check[half]["wanted"]}


def test_training_draws_share_no_names_and_topics_with_the_suite(suite, train):
    assert verify(train).failed == ()
    rules = read_rules().rules
    assert not any(rules[mirror.source["rule"]].reworded for mirror in train)
    assert any(rules[mirror.source["rule"]].reworded for mirror in suite)
    suite_names, train_names = wanted_names(suite), wanted_names(train)
    assert not suite_names & train_names
    suite_topics, train_topics = (
        {mirror.source["mould"].split("/")[0] for mirror in mirrors} for mirrors in (suite, train)
    )
    assert not suite_topics & train_topics
    real_names = set()
    for topic in read_topics():
        for pair in topic.pairs:
            real_names.update(pair.first.names, pair.second.names)
    assert not train_names & real_names


def test_every_plan_of_the_material_gives_a_mirror(tmp_path):
    plans = sum(2 * len(topic.pairs) * len(topic.dialogues) for topic in read_topics() if topic.pool == "suite")
    mirrors = build(1, plans, tmp_path / "all.jsonl", 8)
    assert verify(named(mirrors)).failed == ()
    assert len({digest([mirror.a, mirror.b]) for mirror in mirrors}) == plans
