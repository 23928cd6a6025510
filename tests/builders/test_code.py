"""The builder of code: references against hand-computed values, prompts of the same words, programs that really run."""

import re
import shutil
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from rewardbench.builders.build import draw_mirror
from rewardbench.builders.check import verify
from rewardbench.builders.draw import Resample, Rng
from rewardbench.builders.mirrors import Mirror
from rewardbench.builders.templates.code import TEMPLATES, languages, lists, ordering, sums, telling
from rewardbench.builders.templates.code.languages import TO_CPP, TO_JAVASCRIPT, Function, literal, translate, whole

LANGUAGES = {"python": (), "javascript": ("node",), "java": ("javac", "java"), "cpp": ("g++",)}


def drawn(template, seed, language="python"):
    """What a mould gives at a seed, in a language: draws that come out degenerate or in another one are passed over."""
    one = next(one for one in attempts(template, seed) if one.check["a"]["language"] == language)
    return Mirror("code", one.edit, one.a, one.b, one.x, one.y, one.check, group=f"{template.__name__}-{seed}")


def attempts(template, seed):
    for attempt in count():
        with suppress(Resample):
            yield template(Rng(f"{template.__name__}/{seed}/{attempt}"))


def words(messages):
    return set(re.findall(r"\w+|[^\w\s]", "\n".join(turn["content"] for turn in messages).lower()))


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_moulds_pass_their_own_tests_and_fail_their_twins(language):
    if any(shutil.which(tool) is None for tool in LANGUAGES[language]):
        pytest.skip(f"{language} is not installed")
    mirrors = [drawn(template, 0, language) for template in (TEMPLATES if language == "python" else TEMPLATES[::4])]
    verified = verify(mirrors)
    assert verified.failed == ()
    assert verified.pairs == 2 * len(mirrors)


@pytest.mark.parametrize("seed", range(1, 5))
def test_every_mould_passes_at_more_seeds(seed):
    """Here and now, without a process for each program."""
    for template in TEMPLATES:
        mirror = drawn(template, seed)
        x, y = (re.search(r"```python\n(.*?)```", text, re.DOTALL)[1] for text in (mirror.x, mirror.y))
        a, b = (mirror.check[half]["tests"] for half in "ab")
        assert [passes(*pair) for pair in ((x, a), (y, a), (x, b), (y, b))] == [True, False, False, True], mirror.group


def passes(program, its_tests):
    try:
        exec(f"{program}\n{its_tests}", {})
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("language", ["java", "cpp"])
def test_a_sample_passes_its_own_tests_and_fails_its_twins(language):
    if any(shutil.which(tool) is None for tool in LANGUAGES[language]):
        pytest.skip(f"{language} is not installed")
    sample = (ordering.sort_by_two, lists.keep_of_repeats) if language == "java" else (ordering.sort_by_two,)
    assert verify([drawn(template, 0, language) for template in sample]).pairs == 2 * len(sample)


def test_both_prompts_of_a_mirror_hold_the_same_words():
    mirrors = [drawn(template, seed, language) for template in TEMPLATES for seed in range(5) for language in LANGUAGES]
    assert [mirror.group for mirror in mirrors if words(mirror.a) != words(mirror.b)] == []
    assert [mirror.group for mirror in mirrors if mirror.a == mirror.b or mirror.x == mirror.y] == []


def test_nothing_is_left_of_the_notation_in_a_prompt():
    mirrors = [drawn(template, seed) for template in TEMPLATES for seed in range(5)]
    prompts = [turn["content"] for mirror in mirrors for turn in (*mirror.a, *mirror.b)]
    assert [text for text in prompts if re.search(r"\$|\||⟦|>>|##|\{\w+ ?/", text)] == []


def test_a_planted_error_is_caught():
    mirror = drawn(sums.which_divides, 0)
    spoilt = replace(mirror, x=mirror.x.replace("//", "%"))
    assert spoilt.x != mirror.x
    (fault,) = [one for one in verify([spoilt]).failed if "-a:" in one]
    assert "the right response" in fault
    (twice,) = [one for one in verify([replace(mirror, y=mirror.x + "\n")]).failed if "-a:" in one]
    assert "the wrong response" in twice


def test_the_same_key_gives_the_same_mirror_and_another_seed_another():
    first = [draw_mirror("code", 7, index) for index in range(len(TEMPLATES))]
    assert first == [draw_mirror("code", 7, index) for index in range(len(TEMPLATES))]
    assert {mirror.source["mould"] for mirror in first} == {template.__name__ for template in TEMPLATES}
    assert first != [draw_mirror("code", 8, index) for index in range(len(TEMPLATES))]


def test_there_are_moulds_enough_and_every_language_is_drawn():
    assert len(TEMPLATES) == len({template.__name__ for template in TEMPLATES}) == 51
    found = [draw_mirror("code", seed, index).check["a"]["language"] for seed in range(3) for index in range(112)]
    shares = {language: found.count(language) / len(found) for language in LANGUAGES}
    assert 0.28 < shares["python"] < 0.42
    assert all(0.15 < shares[language] < 0.30 for language in ("javascript", "java", "cpp"))
    assert found[:112].count("java") / 112 >= 0.20  # seed 0 is what core holds


def test_the_arguments_of_a_story_get_names_that_go_together():
    drawn_names = {tuple(telling._named(Rng(str(key)), "{jobs/plan} days {sweep/s} {wash/w}")) for key in range(40)}
    assert {name[1:] for name in drawn_names} == {("days", "sweep", "wash"), ("days", "s", "w")}
    assert {name[0] for name in drawn_names} == {"jobs", "plan"}


def test_a_fixed_example_computed_by_hand():
    """4000 less a quarter is 3000, less 500 is 2500; 4000 less 500 is 3500, less a quarter is 2625."""
    mirror = telling.make(
        Rng("fixed"),
        "percent first",
        ("due price off", "$Want for $e1 and $e2: [[$x|$y]], not [[$y|$x]]. {Thanks/Thanks}."),
        takes="int int",
        gives="int",
        bodies={
            "python": "return ⟦$a * 3 // 4 - $b|($a - $b) * 3 // 4⟧",
            "java": "return ⟦$a * 3 / 4 - $b|($a - $b) * 3 / 4⟧;",
        },
        wants=(lambda price, off: price - price // 4 - off, lambda price, off: price - off - (price - off) // 4),
        inputs=[(4000, 500), (40, 0)],
    )
    assert "for 4000 and 500: 2500, not 2625. Thanks." in mirror.a[0]["content"]
    assert "for 4000 and 500: 2625, not 2500. Thanks." in mirror.b[0]["content"]
    assert "2500" in mirror.check["a"]["tests"]
    assert "2625" in mirror.check["b"]["tests"]
    assert "2625" not in mirror.check["a"]["tests"]


def test_specs_that_agree_everywhere_or_nowhere_are_drawn_again():
    parts = {"takes": "int", "gives": "int", "bodies": {"python": "return $a", "java": "return $a;"}}
    story = ("same value", "$Want")
    for wants in ((abs, abs), (abs, lambda value: abs(value) + 1)):
        with pytest.raises(Resample):
            telling.make(Rng("x"), "none", story, wants=wants, inputs=[(3,), (4,)], **parts)


def test_a_story_may_not_name_what_the_body_names_or_a_language_reserves():
    parts = {"takes": "int", "gives": "int", "wants": (lambda v: v, lambda v: -v), "inputs": [(3,), (0,)]}
    for name in ("total", "case"):
        bodies = {"python": "total = ⟦$a|-$a⟧\nreturn total", "java": "int total = ⟦$a|-$a⟧;\nreturn total;"}
        with pytest.raises(ValueError, match=name):
            telling.make(Rng("x"), "sign", (f"same {name}", "$Want"), bodies=bodies, **parts)


def test_plain_java_is_told_in_the_other_languages():
    java = "List<String> out = new ArrayList<>();\nfor (String s : names) if (s.equals(key)) out.add(s.charAt(0));"
    assert translate(java, TO_CPP) == (
        "std::vector<std::string> out;\nfor (const std::string& s : names) if (s == key) out.push_back(s[0]);"
    )
    assert translate(java, TO_JAVASCRIPT) == ("const out = [];\nfor (const s of names) if (s === key) out.push(s[0]);")
    assert translate("int n = $a.length;", TO_CPP) == "int n = (int)$a.size();"


def test_programs_signatures_and_tests_in_four_languages():
    function = Function("lateDays", (("days", "ints"), ("limit", "int")), "ints")
    assert whole("python", function, "return []") == "def lateDays(days, limit):\n    return []\n"
    assert whole("javascript", replace(function, arrow=True), "return [];") == (
        "const lateDays = (days, limit) => {\n  return [];\n};\n"
    )
    assert whole("java", function, "return List.of();").startswith(
        "import java.util.List;\n\nclass LateDays {\n    static List<Integer> lateDays(int[] days, int limit) {\n"
    )
    assert whole("cpp", function, "return {};").startswith(
        "#include <vector>\n\nstd::vector<int> lateDays(const std::vector<int>& days, int limit) {\n"
    )
    assert literal("java", [[1], [2, 3]], "grid") == "new int[][]{{1}, {2, 3}}"
    case = [(([4], 2), [2])]
    assert languages.tests("python", function, case) == "assert lateDays([4], 2) == [2]\n"
    assert "java.util.List.of(2).equals(LateDays.lateDays(new int[]{4}, 2))" in languages.tests("java", function, case)
