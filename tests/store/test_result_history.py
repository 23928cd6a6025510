"""Earlier versions of a result in a Hub dataset, through the real client against the Hub double."""

import pytest
from hub_server import WHERE
from synthetic import mirrors, scores

from rewardbench.hub import Unreachable
from rewardbench.leaderboard.rows import compute_row
from rewardbench.models.fingerprint import digest
from rewardbench.results import assemble
from rewardbench.store import open_store
from rewardbench.store.history import PastStore, list_versions
from rewardbench.types import ItemScores

SUITE = mirrors(20)


def result(name, share):
    item_scores = [ItemScores(i.id, i.scores, tokens=(1, 1), texts=("a", "b")) for i in scores(SUITE, share)]
    fingerprint = {"weights": {"sha256": name}}
    manifest = {"fingerprint": fingerprint, "fingerprint_sha256": digest(fingerprint)}
    return assemble(SUITE, name, "Seq. Classifier", item_scores, manifest)


def submit(share, name="org/rm"):
    """Commit a result, and return its score."""
    entry = result(name, share)
    open_store(WHERE).put(entry, SUITE)
    return entry.score.value


def test_each_submission_of_a_model_is_a_version(hub):
    values = [submit(0.6), submit(0.8)]
    submit(0.5, "org/other")
    values.append(submit(0.95))
    submit(0.7, "org/another")
    hub_store = open_store(WHERE)
    versions = list_versions(hub_store, "org/rm")
    assert len(versions) == 3
    assert [version.date for version in versions] == sorted((version.date for version in versions), reverse=True)
    rows = [compute_row(PastStore(hub_store.repo, version.commit, "org/rm"), "org/rm", "")[0] for version in versions]
    assert [row.score.value for row in reversed(rows)] == values
    assert all(row.badge == "recomputed" and row.score.low < row.score.value for row in rows)
    assert list_versions(hub_store, "org/rm", 2) == versions[:2]
    assert len(list_versions(hub_store, "org/other")) == 1


def test_a_past_store_reads_nothing_but_its_result(hub):
    submit(0.6)
    hub_store = open_store(WHERE)
    (version,) = list_versions(hub_store, "org/rm")
    hub.requests.clear()
    past = PastStore(hub_store.repo, version.commit, "org/rm")
    assert sorted(past.files) == ["org/rm.json", "org/rm.parquet"]
    compute_row(past, "org/rm", "")
    assert not [path for _, path in hub.requests if "/tree/" in path]


def test_history_ends_where_the_result_was_deleted(hub):
    submit(0.6)
    hub_store = open_store(WHERE)
    hub_store.delete("org/rm")
    assert list_versions(hub_store, "org/rm") == []
    submit(0.7)
    assert len(list_versions(hub_store, "org/rm")) == 1


def test_a_hub_that_does_not_answer_is_one_sentence(hub):
    submit(0.6)
    hub_store = open_store(WHERE)
    hub.fault = 503
    with pytest.raises(Unreachable, match="The history of org/results cannot be read"):
        list_versions(hub_store, "org/rm")
