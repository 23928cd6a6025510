"""Test a person's way through a submission in Chromium: sign in, submit, reach the limit, see the row, sign out."""

import pytest

pytest.importorskip("gradio")
pytest.importorskip("authlib")
pytest.importorskip("playwright.sync_api")
import submission_tour

pytestmark = pytest.mark.skipif(submission_tour.CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.mark.slow
def test_submission_goes_round_with_a_picture_of_each_step(tmp_path):
    (tmp_path / "work").mkdir()
    steps = submission_tour.run_tour(tmp_path / "pictures", tmp_path / "work")
    pictures = sorted((tmp_path / "pictures").glob("*.png"))
    assert len(steps) >= 30
    assert [path.stem.partition("-")[2] for path in pictures] == steps
    assert min(path.stat().st_size for path in pictures) > 5_000
