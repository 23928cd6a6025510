"""Pictures: text of users is drawn as it is, and logarithmic axes have plain numbers."""

import re

import pytest

from rewardbench.console.pictures import open_figure, svg_of

FORMULA = r"costs $\frac$ and $5"


def draw(figure):
    axes = figure.subplots()
    axes.set_title(FORMULA)
    axes.loglog([1, 1000], [10, 2000])
    axes.set_yscale("log")


def test_a_dollar_sign_in_a_name_is_no_formula(tmp_path):
    with open_figure(str(tmp_path / "a.svg"), 4, 3) as figure:
        draw(figure)
    drawn = re.findall("<!-- (.*?) -->", (tmp_path / "a.svg").read_text())
    assert FORMULA in drawn
    assert {"1", "10", "100", "1000"} <= set(drawn)
    assert not [text for text in drawn if "mathdefault" in text]


@pytest.mark.parametrize("salt", ["a", "b"])
def test_an_svg_depends_on_its_salt_alone(salt):
    first = svg_of(draw, 4, 3, salt)
    assert first == svg_of(draw, 4, 3, salt)
    assert first != svg_of(draw, 4, 3, salt + "c")
