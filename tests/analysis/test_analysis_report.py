"""Reports: bounds, values and JSON."""

from math import nan

import pytest

from rewardbench.analysis.figures import error_bars
from rewardbench.analysis.report import Report, ReportTable, format_value, parse_bar
from rewardbench.errors import InputError


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [("a>=1", 1, True), ("a>1", 1, False), ("a<=1e-12", 3e-13, True), ("a==0", 0, True), ("a<2", nan, False)],
)
def test_a_bound_compares_a_value(bound, value, holds):
    assert parse_bar(bound).holds({"a": value}) is holds


@pytest.mark.parametrize("value", [None, "7/8"])
def test_a_value_that_is_no_number_keeps_no_bound(value):
    assert not parse_bar("a>=0").holds({"a": value})


@pytest.mark.parametrize("text", ["a", "a>=", "a=1", ">=1", "a>=x", "a>=1 b>=2"])
def test_a_malformed_bound_is_rejected(text):
    with pytest.raises(InputError, match="is not a bound"):
        parse_bar(text)


def test_json_names_the_columns_of_a_table():
    report = Report("r", {"x": nan}, "s", [ReportTable("t", ["a", "b"], [[1, None]])], bars=[parse_bar("x>0")])
    content = report.to_json()
    assert content["tables"] == [{"title": "t", "rows": [{"a": 1, "b": None}]}]
    assert content["missed"] == ["x>0 (is nan)"]
    assert format_value(nan) == "nan"


def test_an_error_bar_is_never_negative():
    """A limit may be beyond its value by a rounding error, which matplotlib rejects."""
    assert error_bars([0.5, 0.5], [0.5 + 1e-16, 0.2], [0.4, nan]).tolist() == [[0, 0.3], [0, 0]]
