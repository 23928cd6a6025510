import pytest

from rewardbench import paths
from rewardbench.errors import InputError


def test_the_data_is_read_from_the_wheel_or_from_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "rewardbench" / "paths" / "__init__.py"))
    with pytest.raises(InputError, match="The embedded data is missing"):
        paths.data_dir()
    (tmp_path / "data").mkdir()
    assert paths.data_dir() == tmp_path / "data"
    (tmp_path / "rewardbench" / "_data").mkdir(parents=True)
    assert paths.data_dir() == tmp_path / "rewardbench" / "_data"
