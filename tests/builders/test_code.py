"""Test the code templates: hand-computed values, prompts of the same words, and programs that run."""

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
from rewardbench.builders.templates.code import TEMPLATES, assembly, languages, lists, ordering, sums
from rewardbench.builders.templates.code.languages import (
    TO_CPP,
    TO_JAVASCRIPT,
    Example,
    Function,
    literal,
    program,
    translate,
)

LANGUAGES = {"python": (), "javascript": ("node",), "java": ("javac", "java"), "cpp": ("g++",)}


def drawn(template, seed, language="python"):
    """Return the first mirror that a template gives at a seed in a language; degenerate draws are skipped."""
    content = next(content for content in attempts(template, seed) if content.check["a"]["language"] == language)
    parts = {name: getattr(content, name) for name in ("edit", "a", "b", "x", "y", "check")}
    return Mirror("code", **parts, group=f"{template.__name__}-{seed}")


def attempts(template, seed):
    for attempt in count():
        with suppress(Resample):
            yield template(Rng(f"{template.__name__}/{seed}/{attempt}"))


def words(messages):
    return set(re.findall(r"\w+|[^\w\s]", "\n".join(turn["content"] for turn in messages).lower()))


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_programs_pass_their_tests_and_fail_those_of_the_other_prompt(language):
    if any(shutil.which(tool) is None for tool in LANGUAGES[language]):
        pytest.skip(f"{language} is not installed")
    mirrors = [drawn(template, 0, language) for template in (TEMPLATES if language == "python" else TEMPLATES[::4])]
    verified = verify(mirrors)
    assert verified.failed == ()
    assert verified.pairs == 2 * len(mirrors)


@pytest.mark.parametrize("seed", range(1, 5))
def test_every_template_passes_at_several_seeds(seed):
    """Run the programs in this process, which is faster."""
    for template in TEMPLATES:
        mirror = drawn(template, seed)
        x, y = (re.search(r"```python\n(.*?)```", text, re.DOTALL)[1] for text in (mirror.x, mirror.y))
        a, b = (mirror.check[half]["tests"] for half in "ab")
        assert [passes(*pair) for pair in ((x, a), (y, a), (x, b), (y, b))] == [True, False, False, True], mirror.group


def passes(source, tests):
    try:
        exec(f"{source}\n{tests}", {})
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("language", ["java", "cpp"])
def test_a_sample_of_compiled_programs_passes_its_tests_and_fails_the_others(language):
    if any(shutil.which(tool) is None for tool in LANGUAGES[language]):
        pytest.skip(f"{language} is not installed")
    sample = (ordering.sort_by_two, lists.keep_of_repeats) if language == "java" else (ordering.sort_by_two,)
    assert verify([drawn(template, 0, language) for template in sample]).pairs == 2 * len(sample)


def test_both_prompts_of_a_mirror_hold_the_same_words():
    mirrors = [drawn(template, seed, language) for template in TEMPLATES for seed in range(5) for language in LANGUAGES]
    assert [mirror.group for mirror in mirrors if words(mirror.a) != words(mirror.b)] == []
    assert [mirror.group for mirror in mirrors if mirror.a == mirror.b or mirror.x == mirror.y] == []


def test_prompts_contain_no_leftover_notation():
    mirrors = [drawn(template, seed) for template in TEMPLATES for seed in range(5)]
    prompts = [turn["content"] for mirror in mirrors for turn in (*mirror.a, *mirror.b)]
    assert [text for text in prompts if re.search(r"\$|\||⟦|>>|##|\{\w+ ?/", text)] == []


def test_a_planted_error_is_detected():
    mirror = drawn(sums.which_divides, 0)
    spoilt = replace(mirror, x=mirror.x.replace("//", "%"))
    assert spoilt.x != mirror.x
    (fault,) = [sentence for sentence in verify([spoilt]).failed if "-a:" in sentence]
    assert "the right response" in fault
    repeated = replace(mirror, y=mirror.x + "\n")
    (fault,) = [sentence for sentence in verify([repeated]).failed if "-a:" in sentence]
    assert "the wrong response" in fault


def test_a_seed_determines_the_mirrors():
    first = [draw_mirror("code", 7, index) for index in range(len(TEMPLATES))]
    assert first == [draw_mirror("code", 7, index) for index in range(len(TEMPLATES))]
    assert {mirror.source["mould"] for mirror in first} == {template.__name__ for template in TEMPLATES}
    assert first != [draw_mirror("code", 8, index) for index in range(len(TEMPLATES))]


def test_there_are_51_templates_and_every_language_is_drawn():
    assert len(TEMPLATES) == len({template.__name__ for template in TEMPLATES}) == 51
    mirrors = [draw_mirror("code", seed, index) for seed in range(3) for index in range(112)]
    languages_drawn = [mirror.check["a"]["language"] for mirror in mirrors]
    shares = {language: languages_drawn.count(language) / len(languages_drawn) for language in LANGUAGES}
    assert 0.28 < shares["python"] < 0.42
    assert all(0.15 < shares[language] < 0.30 for language in ("javascript", "java", "cpp"))
    assert languages_drawn[:112].count("java") / 112 >= 0.20  # seed 0 is what core holds


def test_the_parameters_of_a_story_get_names_that_go_together():
    story_names = "{jobs/plan} days {sweep/s} {wash/w}"
    drawn_names = {tuple(assembly._draw_names(Rng(str(key)), story_names)) for key in range(40)}
    assert {name[1:] for name in drawn_names} == {("days", "sweep", "wash"), ("days", "s", "w")}
    assert {name[0] for name in drawn_names} == {"jobs", "plan"}


def test_a_fixed_example_computed_by_hand():
    """4000 less a quarter is 3000, less 500 is 2500; 4000 less 500 is 3500, less a quarter is 2625."""
    mirror = assembly.code_mirror(
        Rng("fixed"),
        "percent first",
        ("due price off", "$Want for $e1 and $e2: [[$x|$y]], not [[$y|$x]]. {Thanks/Thanks}."),
        parameters="int int",
        returns="int",
        bodies={
            "python": "return ⟦$a * 3 // 4 - $b|($a - $b) * 3 // 4⟧",
            "java": "return ⟦$a * 3 / 4 - $b|($a - $b) * 3 / 4⟧;",
        },
        references=(lambda price, off: price - price // 4 - off, lambda price, off: price - off - (price - off) // 4),
        inputs=[(4000, 500), (40, 0)],
    )
    assert "for 4000 and 500: 2500, not 2625. Thanks." in mirror.a[0]["content"]
    assert "for 4000 and 500: 2625, not 2500. Thanks." in mirror.b[0]["content"]
    assert "2500" in mirror.check["a"]["tests"]
    assert "2625" in mirror.check["b"]["tests"]
    assert "2625" not in mirror.check["a"]["tests"]


def test_references_that_agree_everywhere_or_nowhere_are_resampled():
    parts = {"parameters": "int", "returns": "int", "bodies": {"python": "return $a", "java": "return $a;"}}
    story = ("same value", "$Want")
    for references in ((abs, abs), (abs, lambda value: abs(value) + 1)):
        with pytest.raises(Resample):
            assembly.code_mirror(Rng("x"), "none", story, references=references, inputs=[(3,), (4,)], **parts)


def test_a_story_with_a_reserved_name_or_a_name_of_the_body_is_rejected():
    parts = {"parameters": "int", "returns": "int", "references": (lambda v: v, lambda v: -v), "inputs": [(3,), (0,)]}
    for name in ("total", "case"):
        bodies = {"python": "total = ⟦$a|-$a⟧\nreturn total", "java": "int total = ⟦$a|-$a⟧;\nreturn total;"}
        with pytest.raises(ValueError, match=name):
            assembly.code_mirror(Rng("x"), "sign", (f"same {name}", "$Want"), bodies=bodies, **parts)


def test_plain_java_is_translated_into_cpp_and_javascript():
    java = "List<String> out = new ArrayList<>();\nfor (String s : names) if (s.equals(key)) out.add(s.charAt(0));"
    assert translate(java, TO_CPP) == (
        "std::vector<std::string> out;\nfor (const std::string& s : names) if (s == key) out.push_back(s[0]);"
    )
    assert translate(java, TO_JAVASCRIPT) == ("const out = [];\nfor (const s of names) if (s === key) out.push(s[0]);")
    assert translate("int n = $a.length;", TO_CPP) == "int n = (int)$a.size();"


def test_programs_signatures_and_tests_in_four_languages():
    function = Function("lateDays", (("days", "ints"), ("limit", "int")), "ints")
    assert program("python", function, "return []") == "def lateDays(days, limit):\n    return []\n"
    assert program("javascript", replace(function, arrow=True), "return [];") == (
        "const lateDays = (days, limit) => {\n  return [];\n};\n"
    )
    assert program("java", function, "return List.of();").startswith(
        "import java.util.List;\n\nclass LateDays {\n    static List<Integer> lateDays(int[] days, int limit) {\n"
    )
    assert program("cpp", function, "return {};").startswith(
        "#include <vector>\n\nstd::vector<int> lateDays(const std::vector<int>& days, int limit) {\n"
    )
    assert literal("java", [[1], [2, 3]], "grid") == "new int[][]{{1}, {2, 3}}"
    examples = [Example(arguments=([4], 2), result=[2])]
    assert languages.assertions("python", function, examples) == "assert lateDays([4], 2) == [2]\n"
    assert "java.util.List.of(2).equals(LateDays.lateDays(new int[]{4}, 2))" in languages.assertions(
        "java", function, examples
    )
