import pytest

from rewardbench import paths
from rewardbench.errors import InputError


def test_a_wheel_carries_its_own_copy_and_the_repository_its_data(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "rewardbench" / "paths.py"))
    with pytest.raises(InputError, match="The embedded data is missing"):
        paths.data_dir()
    (tmp_path / "data").mkdir()
    assert paths.data_dir() == tmp_path / "data"
    (tmp_path / "rewardbench" / "_data").mkdir(parents=True)
    assert paths.data_dir() == tmp_path / "rewardbench" / "_data"
