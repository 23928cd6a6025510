"""The pink builder: what its mirrors hold, that only seed and material decide them, and any backend's way in."""

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
from rewardbench.builders.templates.pink.assemble import asking, mention_places
from rewardbench.builders.templates.pink.backends import HEADS, TAILS, check_answer, invent
from rewardbench.builders.templates.pink.material import MANNERS, Ask, Frame, Pair, Thing, fill, read_rules, read_topics
from rewardbench.builders.templates.pink.plan import KINDS, Field, Outline, Plan, deal
from rewardbench.builders.templates.pink.stages import digest, folder_of, read_rows
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
trap = "There is one on sale just now."
trap_of = "one"
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
    return TemplateBackend.of(material)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def named(mirrors):
    return [replace(mirror, group=f"pink-{n}") for n, mirror in enumerate(mirrors)]


@dataclass
class Counting:
    """Passes requests on and counts them; `spoil` may change an answer."""

    inner: TemplateBackend
    spoil: object = None
    asked: Counter = field(default_factory=Counter)
    now: int = 0
    most: int = 0

    @property
    def identity(self):
        return self.inner.identity

    async def answer(self, stage, request, key):
        self.asked[stage] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.0005 * (int(key[:2], 16) % 4))
        self.now -= 1
        answer = await self.inner.answer(stage, request, key)
        return self.spoil(stage, request, answer) if self.spoil else answer


# --- the rules and the dealing


def test_the_rules_are_balanced():
    rules, asks, _ = read_rules()
    assert len(rules) == 48
    assert [n for n, rule in enumerate(rules, 1) if rule.reworded] == list(range(4, 49, 4))
    for some in (rules, [rule for rule in rules if rule.reworded]):
        assert sum(rule.forbidden_first for rule in some) * 2 == len(some)
        assert sum(rule.decoy.index("{x}") < rule.decoy.index("{y}") for rule in some) * 2 == len(some)
        assert sum(rule.permits for rule in some) * 2 == len(some)
    for mild in (True, False):
        some = [ask.say for ask in asks if ask.mild is mild]
        assert len(some) == 16
        assert sum(say.index("{x}") < say.index("{y}") for say in some) == 8


def test_each_rule_names_both_and_its_neutral_line_neither():
    for rule in read_rules()[0]:
        for text in (rule.rule, rule.decoy):
            assert (text.count("{x}"), text.count("{y}")) == (1, 1), rule.who
        assert "{" not in rule.neutral
        assert 0.6 < len(rule.neutral) / len(rule.rule) < 1.6, rule.who
        assert rule.who.count("{rule}") == 1
    assert len({rule.rule for rule in read_rules()[0]}) == 48


def test_plans_use_everything_evenly_and_no_combination_more_than_twice():
    pair = Pair(Thing("ale"), Thing("lager"), "beer")
    fields = [Field(f"t{n}", [pair] * 3, [[Outline(turns, "") for turns in (1, 3, 5)]] * 3) for n in range(7)]
    plans = deal(fields, 0, "suite")
    assert len(plans) == 7 * 3 * 3 * 2
    twice = {}
    for plan in plans:
        twice.setdefault((plan.topic, plan.pair, plan.frame), []).append(plan)
    assert {len(two) for two in twice.values()} == {2}
    assert all(one.kind != other.kind and one.rule != other.rule for one, other in twice.values())
    first = plans[: 7 * 3]
    assert {(plan.topic, plan.frame) for plan in first} == {(f"t{n}", frame) for n in range(7) for frame in range(3)}
    assert Counter(plan.kind for plan in first) == dict.fromkeys(KINDS, 7)
    rules = read_rules()[0]
    assert {plan.frame for plan in plans if rules[plan.rule].special} == {0}
    assert all(one.phrasing != other.phrasing for one, other in twice.values())
    assert max(Counter(plan.rule for plan in plans).values()) <= 5


def test_who_types_a_rule_types_on_in_the_same_manner_and_praise_comes_only_where_it_is_welcome():
    pair = Pair(Thing("ale"), Thing("lager"), "beer")
    outlines = [Outline(turns, "", manner) for turns in (1, 3) for manner in MANNERS]
    plans = deal([Field(f"t{n}", [pair] * 3, [outlines] * 3) for n in range(8)], 0, "suite")
    rules, asks, _ = read_rules()
    typed = {(plan.rule, outlines[plan.frame].manner) for plan in plans if rules[plan.rule].ok}
    assert {manner for _, manner in typed} == {"casual", "plain"}
    assert all((rules[rule].who[0].islower()) is (manner == "casual") for rule, manner in typed)
    asked = [plan for plan in plans if plan.ask is not None]
    assert {plan.praises for plan in asked} == {True, False}
    assert all(asks[plan.ask].mild is plan.praises for plan in asked)
    assert not any(plan.praises for plan in plans if plan.ask is None)


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
def test_a_frame_tells_how_the_user_writes(turns, manner):
    assert Frame(turns, "{x}", "{y}", "{x} {y}").manner == manner


def test_a_hidden_name_is_the_forbidden_one():
    pair = Pair(Thing("ale"), Thing("lager"), "beer", "There is one on sale.", "other")
    plans = deal([Field("t", [pair] * 3, [[Outline(1, "")] * 3] * 3)], 0, "suite")
    assert {plan.turned for plan in plans if plan.kind != "reversed"} == {True}


# --- texts


def test_places_are_filled_as_people_write():
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
def test_the_user_asks_in_the_same_manner(turn, reply, turns):
    assert asking([turn], Ask("I want {x}, not {y}.", reply), {"x": "ale", "y": "Porto"}) == turns


@pytest.mark.parametrize(
    ("turn", "even"),
    [("{x} or {y}?", True), ("What now?", True), ("my sister says {y}, I say {x}", False), ("the {y} and a {x}", True)],
)
def test_replies_change_places_only_where_the_user_is_undecided(turn, even):
    assert Frame((turn,), "{x}", "{y}", "{x} {y}").even is even


def test_things_that_need_an_article_get_one_in_the_rule(tmp_path, material):
    text = material.read_text().replace("{x}", "the {x}").replace("{y}", "the {y}")
    material.write_text(text, encoding="utf-8")
    for mirror in build(0, 18, tmp_path / "p.jsonl", 1, TemplateBackend.of(material)):
        for half in (mirror.a, mirror.b):
            told = "\n".join(turn["content"] for turn in half).lower()
            names = ("ale", "lager", "assam", "ceylon", "espresso", "cocoa")
            assert sum(told.count(f"the {name}") for name in names) == sum(
                len(re.findall(rf"\b{name}\b", told)) for name in names
            )


def test_a_training_topic_that_the_suite_has_too_is_left_out(tmp_path, material):
    assert [topic.name for topic in read_topics((material,))] == ["drinks", "gardens"]
    other = tmp_path / "other.toml"
    other.write_text(MATERIAL.split("[[topic]]")[2].replace('kind = "herb"', 'kind = "tea"').join(["[[topic]]", ""]))
    assert [topic.name for topic in read_topics((other,))] == ["gardens"]
    suite = tmp_path / "suite.toml"
    suite.write_text("[[topic]]" + MATERIAL.split("[[topic]]")[1])
    assert [topic.name for topic in read_topics((suite, other))] == ["drinks"]
    with pytest.raises(InputError, match="pool suite are called 'drinks'"):
        read_topics((suite, material))


def test_mentions_are_told_from_words_that_hold_the_name():
    plan = Plan(0, "t", 0, 0, False, "free", 0, None, False, 0, "B", False)
    pair = Pair(Thing("ale", ("bitter",)), Thing("lager"), "beer")
    assert mention_places("Ales on sale, a bitter", pair, plan) == [[0, 4, "Ales"], [16, 22, "bitter"]]


def test_invented_names_are_new_and_keep_the_case():
    from rewardbench.builders.draw import Rng

    pairs = [Pair(Thing("ale", ("bitter",)), Thing("Porto"), "beer", "on sale", "one")]
    (made,) = invent(pairs, Rng("k"))
    assert (made.one.aliases, made.trap, made.kind) == ((), "", "beer")
    assert made.one.name.islower()
    assert made.other.name.istitle()
    assert made != invent(pairs, Rng("l"))[0]
    assert len({head + tail for head in HEADS for tail in TAILS}) == len(HEADS) * len(TAILS) >= 1500


# --- the pipeline


def test_every_mirror_verifies_and_every_step_is_on_file(tmp_path, template):
    output = tmp_path / "pink.jsonl"
    ticks = []
    mirrors = build(4, 18, output, 4, template, tick=lambda: ticks.append(1))
    assert verify(named(mirrors)).failed == ()
    assert verify(named(mirrors)).pairs == 36
    assert read_mirrors(output) == mirrors
    assert len(ticks) == 18
    assert stages_summary(output) == {
        "topics": 1, "pairs": 1, "plans": 3, "dialogues": 18, "critique": 18, "revision": 18,
    }  # fmt: skip
    assert [mirror.source["index"] for mirror in mirrors] == list(range(18))
    known = {row["id"] for stage in stages_summary(output) for row in read_rows(folder_of(output) / f"{stage}.jsonl")}
    for mirror in mirrors:
        chain = mirror.source["provenance"]
        assert [row["stage"] for row in chain] == ["topics", "pairs", "plans", "dialogues", "critique", "revision"]
        assert {row["id"] for row in chain} <= known
        assert all(set(row["parents"]) <= {earlier["id"] for earlier in chain[:n]} for n, row in enumerate(chain))
        assert {(row["backend"], row["seed"]) for row in chain} == {(template.identity, 4)}


def test_a_planted_mention_is_caught(tmp_path, template):
    mirrors = named(build(0, 12, tmp_path / "p.jsonl", 1, template))
    spoiled = []
    for mirror in mirrors:
        half = "a" if mirror.check["a"]["forbidden"] else "b"
        forbidden = mirror.check[half]["forbidden"][0]
        spoiled.append(
            replace(
                mirror, **{{"a": "x", "b": "y"}[half]: f"Not {forbidden}s! Take {mirror.check[half]['wanted'][0]}."}
            )
        )
    assert len(verify(spoiled).failed) >= 12


def test_running_twice_asks_once_and_workers_do_not_matter(tmp_path, template):
    backend = Counting(template)
    first, eight = tmp_path / "one.jsonl", tmp_path / "eight.jsonl"
    build(1, 18, first, 1, backend)
    assert backend.most == 1
    before, asked = sha(first), backend.asked.total()
    build(1, 18, first, 1, backend)
    assert (sha(first), backend.asked.total()) == (before, asked)
    build(1, 18, eight, 8, backend)
    assert sha(eight) == before
    assert backend.most == 8
    assert sha(build(2, 18, eight, 8, backend) and eight) != before


def test_a_killed_build_is_taken_up(tmp_path, material, template):
    output = tmp_path / "killed.jsonl"
    program = f"""
import asyncio, pathlib
from rewardbench.builders.templates.pink import TemplateBackend, build
class Slow(TemplateBackend):
    async def answer(self, stage, request, key):
        await asyncio.sleep(0.05)
        return await super().answer(stage, request, key)
build(5, 18, pathlib.Path({str(output)!r}), 2, Slow.of(pathlib.Path({str(material)!r})))
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 15
    while stages_summary(output)["revision"] < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not output.exists()
    with (folder_of(output) / "revision.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"stage": "revision", "key": "torn')
    held = stages_summary(output)
    assert 2 <= held["revision"] < 18
    backend = Counting(template)
    build(5, 18, output, 8, backend)
    assert backend.asked["revision"] == 18 - held["revision"]
    whole = tmp_path / "whole.jsonl"
    build(5, 18, whole, 1, template)
    assert sha(output) == sha(whole)


def test_a_revision_that_names_the_thing_is_asked_again(tmp_path, template):
    def spoil(stage, request, answer):
        first = stage == "revision" and not request.get("attempt")
        return {"revision": f"{answer['revision']} Not {request['x']['name']}!"} if first else answer

    backend = Counting(template, spoil)
    mirrors = build(0, 6, tmp_path / "p.jsonl", 2, backend)
    assert verify(named(mirrors)).failed == ()
    assert backend.asked["revision"] == 12
    assert [row["stage"] for row in mirrors[0].source["provenance"]][-2:] == ["revision", "revision"]
    rows = read_rows(folder_of(tmp_path / "p.jsonl") / "revision.jsonl")
    assert any("it names" in fault for row in rows for fault in row["request"].get("faults", ()))


def test_what_never_comes_right_is_replaced_by_the_next_plan(tmp_path, template):
    def spoil(stage, request, answer):
        bad = stage == "revision" and request["kind"] == "tea"
        return {"revision": request["original"]} if bad else answer

    outputs = [tmp_path / "1.jsonl", tmp_path / "8.jsonl"]
    for output, workers in zip(outputs, (1, 8), strict=True):
        backend = Counting(template, spoil)
        mirrors = build(1, 12, output, workers, backend)
    assert sha(outputs[0]) == sha(outputs[1])
    assert backend.asked["revision"] == 12 + 3 * 6
    assert "Assam" not in outputs[0].read_text()
    assert [mirror.source["index"] for mirror in mirrors] == sorted(mirror.source["index"] for mirror in mirrors)
    with pytest.raises(InputError, match="Only 12 of 13 mirrors"):
        build(1, 13, tmp_path / "13.jsonl", 4, Counting(template, spoil))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"count": 19}, "18 distinct plans, not 19"),
        ({"pool": "test"}, "no pool 'test'"),
        ({"workers": 0}, "at least one worker"),
    ],
)
def test_what_cannot_be_built_is_said(tmp_path, template, change, says):
    asked = {"seed": 0, "count": 1, "output": tmp_path / "p.jsonl", "backend": template, **change}
    with pytest.raises(InputError, match=says):
        build(**asked)


# --- an endpoint


class Endpoint(BaseHTTPRequestHandler):
    """Answers as the template does, but for what `trouble` says for the first requests."""

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

    from rewardbench.builders.templates.pink.material import HERE

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    told = tomllib.loads((HERE / "prompts.toml").read_text(encoding="utf-8"))
    server.prompts = {stage: text.strip() for stage, text in told.items()}
    server.template, server.trouble, server.bodies, server.keys = template, [], [], set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def backend_of(server):
    return OpenAIBackend(f"http://127.0.0.1:{server.server_port}/v1", "some-model", pause=0.001)


def test_an_endpoint_makes_the_same_mirrors_after_some_trouble(tmp_path, endpoint, template, monkeypatch):
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
    ("trouble", "says", "asked"),
    [
        ([(401, "no")], "refuses: status 401", 1),
        ([(200, "[]")] * 4, "gave no topics in 4 tries; the last time an answer that does not parse", 4),
        ([(500, "")] * 4, "gave no topics in 4 tries; the last time status 500", 4),
    ],
)
def test_an_endpoint_that_gives_nothing_is_told_in_a_sentence(tmp_path, endpoint, trouble, says, asked):
    endpoint.trouble = list(trouble)
    with pytest.raises(InputError, match=says):
        build(0, 1, tmp_path / "p.jsonl", 1, backend_of(endpoint))
    assert len(endpoint.bodies) == asked


def test_an_endpoint_that_is_not_there_is_told_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="the last time ConnectError"):
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
def test_answers_of_another_shape_do_not_pass(stage, answer):
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
    """Both halves, the one with the rule first: prompt, right, wrong, check."""
    both = [(mirror.a, mirror.x, mirror.y, mirror.check["a"]), (mirror.b, mirror.y, mirror.x, mirror.check["b"])]
    ruled = mirror.edit.split(" forbids ")[1].split(" and wants ")[0]
    return both if mirror.check["a"]["forbidden"][:1] == [ruled] else both[::-1]


def test_the_suite_verifies_over_many_topics(suite):
    found = verify(suite)
    assert (found.pairs, found.failed) == (2 * COUNT, ())
    topics = Counter(mirror.source["mould"].split("/")[0] for mirror in suite)
    assert len(topics) >= 29
    assert max(topics.values()) <= 6
    kinds = Counter(mirror.source["kind"] for mirror in suite)
    assert all(0.3 <= kinds[kind] / COUNT <= 0.37 for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rule_is_kept_in_its_half_and_broken_by_the_other_reply(suite, kind):
    for mirror in (mirror for mirror in suite if mirror.source["kind"] == kind):
        (_, chosen, rejected, rule), (_, twin_chosen, twin_rejected, twin) = halves(mirror)
        assert (twin_chosen, twin_rejected) == (rejected, chosen)
        assert not mentions(chosen, rule["forbidden"])
        assert mentions(chosen, rule["wanted"])
        assert mentions(rejected, rule["forbidden"])
        assert twin["wanted"] == rule["forbidden"]


def test_no_name_decides(suite):
    """The reply with X, or with the name that the rule says first, or that is longer, is right in half of the pairs."""
    first, holds, longer = [], [], []
    for mirror in suite:
        x, y = (halves(mirror)[0][3][side] for side in ("forbidden", "wanted"))
        for prompt, right, wrong, _ in halves(mirror):
            text = "\n".join(turn["content"] for turn in prompt[: 1 if prompt[0]["role"] == "system" else 2])
            places = {names[0]: text.lower().find(names[0].lower()) for names in (x, y)}
            if min(places.values()) >= 0:
                said = x if places[x[0]] < places[y[0]] else y
                first.append(0.5 + 0.5 * (bool(mentions(right, said)) - bool(mentions(wrong, said))))
            holds.append(0.5 + 0.5 * (bool(mentions(right, x)) - bool(mentions(wrong, x))))
            longer.append(0.5 + 0.5 * ((len(right) > len(wrong)) - (len(right) < len(wrong))))
    for rule in (first, holds, longer):
        assert 0.45 <= sum(rule) / len(rule) <= 0.55
    assert len(first) > 1.5 * COUNT


def test_twins_say_the_same_words_where_they_can(suite):
    def words(messages):
        return {word for turn in messages for word in re.findall(r"\w+|[^\w\s]", turn["content"].lower())}

    same = [mirror for mirror in suite if words(mirror.a) == words(mirror.b)]
    assert {mirror.group for mirror in suite if mirror.source["kind"] == "reversed"} <= {m.group for m in same}
    assert len(same) >= 0.45 * COUNT


def test_praise_and_hidden_names_have_their_share(suite):
    both = hidden = 0
    for mirror in suite:
        _, chosen, rejected, rule = halves(mirror)[0]
        both += bool(mentions(rejected, rule["wanted"]))
        hidden += any(name.lower() in chosen.lower() for name in rule["forbidden"])
    assert 0.28 <= both / COUNT <= 0.38
    assert 0.1 <= hidden / COUNT <= 0.35


def test_training_draws_share_nothing_with_the_suite(suite, train):
    assert verify(train).failed == ()
    rules = read_rules()[0]
    assert not any(rules[mirror.source["rule"]].reworded for mirror in train)
    assert any(rules[mirror.source["rule"]].reworded for mirror in suite)
    names = [
        {name for mirror in pool for half in "ab" for name in mirror.check[half]["wanted"]} for pool in (suite, train)
    ]
    assert not names[0] & names[1]
    moulds = [{mirror.source["mould"].split("/")[0] for mirror in pool} for pool in (suite, train)]
    assert not moulds[0] & moulds[1]
    real = {
        name
        for topic in read_topics()
        for pair in topic.pairs
        for thing in (pair.one, pair.other)
        for name in thing.names
    }
    assert not names[1] & real


def test_the_material_fits_every_way_round(tmp_path):
    """Every plan there is comes out: no dialogue and no reply breaks a rule of the builder."""
    plans = sum(2 * len(topic.pairs) * len(topic.frames) for topic in read_topics() if topic.pool == "suite")
    mirrors = build(1, plans, tmp_path / "all.jsonl", 8)
    assert verify(named(mirrors)).failed == ()
    assert len({digest([mirror.a, mirror.b]) for mirror in mirrors}) == plans
