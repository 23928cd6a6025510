"""Test the models of stored results: the JSON Schema, what they accept, and their error messages."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from synthetic import changed, mirrors, scores, store

import rewardbench.results
from rewardbench.errors import InputError
from rewardbench.results import read_result, read_summary
from rewardbench.results.schema import ResultSummary, RowRecord, json_schema
from rewardbench.results.schema_errors import describe_first_error

PUBLISHED = Path(rewardbench.results.__file__).with_name("summary.schema.json")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Return the summary of a result that this version wrote."""
    suite = mirrors(2)
    return json.loads(store(tmp_path_factory.mktemp("results"), suite, scores(suite, 0.6), "org/m").read_text())


def test_the_published_json_schema_is_that_of_the_model():
    assert PUBLISHED.read_text() == json_schema(), f"write json_schema() to {PUBLISHED}"


def test_the_published_json_schema_describes_every_field_that_is_written(record):
    properties = json.loads(PUBLISHED.read_text())["properties"]
    assert set(record) <= set(properties)


def test_extra_fields_are_kept_and_named(record):
    assert ResultSummary.model_validate({**record, "badge": "x"}).model_extra == {"badge": "x"}


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        (("score", "value"), "0.9", "score.value is '0.9', which is not a number"),
        (("sections", 0, "n"), 1.5, "sections[0].n is 1.5, which is not an integer"),
        (("mirrors",), {"a": 1}, "mirrors is {'a': 1}, which is not a list"),
        (("model_type",), None, "model_type is None, which is not text"),
    ],
)
def test_malformed_field_is_named_with_its_value(record, where, value, sentence, tmp_path):
    path = tmp_path / "spoiled.json"
    path.write_text(json.dumps(changed(record, where, value)))
    assert read_summary(path)["model"] == "org/m"
    with pytest.raises(InputError) as error:
        read_result(path)
    assert str(error.value) == f"{path} is not a valid result ({sentence}); run the evaluation again."


def test_a_missing_field_is_named(record):
    with pytest.raises(ValidationError) as error:
        ResultSummary.model_validate({name: value for name, value in record.items() if name != "subsets"})
    assert describe_first_error(error.value) == "subsets is missing"


def test_name_with_a_lone_surrogate_is_read(record):
    """File names that are not UTF-8 contain lone surrogates."""
    assert ResultSummary.model_validate({**record, "model": "m\udcff"}).model == "m\udcff"


def test_a_row_keeps_its_columns_and_drops_texts():
    row = RowRecord.model_validate({"id": "a", "scores": [1, None], "texts": ["x" * 10_000]})
    assert (row.id, row.scores, row.model_extra) == ("a", [1, None], None)
