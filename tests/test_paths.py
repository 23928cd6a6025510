import pytest

from rewardbench import paths
from rewardbench.errors import InputError
from rewardbench.paths.yaml_file import YamlError, parse_yaml


def test_the_data_is_read_from_the_wheel_or_from_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "rewardbench" / "paths" / "__init__.py"))
    with pytest.raises(InputError, match="The embedded data is missing"):
        paths.data_dir()
    (tmp_path / "data").mkdir()
    assert paths.data_dir() == tmp_path / "data"
    (tmp_path / "rewardbench" / "_data").mkdir(parents=True)
    assert paths.data_dir() == tmp_path / "rewardbench" / "_data"


@pytest.mark.parametrize(
    "text",
    [
        "!!bool x",
        "!!float ''",
        "[" * 2000,
        "? [a]",
        "a: 1\na: 2",
        "!!python/name:os.system",
        "\t- a",
        "a\0b",
        "!!omap x",
    ],
)
def test_any_text_is_parsed_or_a_yaml_error_of_one_line(text):
    with pytest.raises(YamlError) as stop:
        parse_yaml(text)
    assert 0 < len(str(stop.value)) < 200
    assert "\n" not in str(stop.value)


def test_only_plain_whole_numbers_are_numbers():
    assert parse_yaml("[1, -2, 0, 01, 0x1, 1_0, 1:30, 2024-01-02, 1.5, yes, !!int x]") == [
        *(1, -2, 0, "01", "0x1", "1_0", "1:30", "2024-01-02", 1.5, True, "x")
    ]
    assert parse_yaml("9" * 5000) == "9" * 5000
