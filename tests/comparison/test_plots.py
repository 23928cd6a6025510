"""Plots of comparisons, gates and ranks."""

import re

import pytest
import synthetic
from synthetic import two
from terminal import run


@pytest.fixture
def paths(tmp_path):
    return [scored.path for scored in two(tmp_path, synthetic.mirrors(40))]


def test_compare_rank_and_gate_write_plots(paths, tmp_path, capsys):
    first, second = paths
    for name, models in (("a", [first, second]), ("b", [first, second, first])):
        plot = tmp_path / "new" / f"{name}.svg"
        code, out, _ = run(capsys, "compare", *models, "--plot", plot)
        assert (code, out.splitlines()[-1]) == (0, f"plot={plot}")
    assert run(capsys, "gate", "--baseline", first, "--candidate", first, "--plot", tmp_path / "new" / "c.svg")[0] == 0
    comments = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert sorted(comments) == ["a.svg", "b.svg", "c.svg"]
    words = {name: re.findall(r"<!-- (.*?) -->", text) for name, text in comments.items()}
    assert {"Chat (n 40)", "score (n 80)"} <= set(words["a.svg"])
    assert "1–3. a" in words["b.svg"]
    assert "score: pass (n 80)" in words["c.svg"]


@pytest.mark.parametrize("name", ["a.txt", "a", "file/a.png"])
def test_plot_rejects_paths_that_are_no_picture(name, paths, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "compare", *paths, "--plot", tmp_path / name)
    assert (code, err.count("\n")) == (2, 1)
