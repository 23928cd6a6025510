"""The score cache stores exact floats by scorer, survives killed processes, and deletes what it is told to prune."""

import math
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time

import pytest

from rewardbench.engine.cache import FORMAT, Cache, default_path
from rewardbench.errors import InputError
from rewardbench.paths.sqlite import _enable_write_ahead

DAY = 86_400
FINGERPRINT = {
    "weights": {"sha256": "6e1ebbbb4deb8ab77a03b8febe31def8"},
    "dtype": "bfloat16",
    "template_sha256": "20abbcd23e8d6833",
    "max_length": 4096,
}


def key(*numbers):
    """16 bytes from up to four numbers."""
    return struct.pack("<4I", *numbers, *(0,) * (4 - len(numbers)))


def bits(value):
    return struct.pack("<d", value)


class Clock:
    """Days since 1970, set by hand."""

    day = 1000

    def __call__(self):
        return self.day * DAY


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "scores.sqlite"


@pytest.fixture
def cache(path):
    with Cache(path) as opened:
        yield opened


@pytest.fixture
def start():
    """Start Python on a program with arguments; kill what still runs at the end."""
    processes = []

    def run(program, *arguments):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def count_scores(path):
    with Cache(path) as opened:
        return sum(entry.scores for entry in opened.entries())


def run_together(processes):
    """Let processes that print `ready` go on at the same time; return the lines of all when they have succeeded."""
    processes = list(processes)
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [line for process in processes for line in process.communicate()[0].splitlines()]
    assert {process.returncode for process in processes} == {0}
    return lines


# Scores, plans and budgets are read as they were stored


def test_every_float_is_read_bit_for_bit(path):
    values = [0.1, -0.0, 0.0, 3.0, -7.0, 5e-324, 1.7976931348623157e308, 2.0**53 + 2, math.inf, -math.inf, 1 / 3]
    scores = {key(i): value for i, value in enumerate(values)}
    with Cache(path) as opened:
        opened.store("aa", scores | {key(99): math.nan})
    with Cache(path) as opened:
        cached = opened.lookup("aa", [*scores, key(99), key(100)])
    assert math.isnan(cached.pop(key(99)))
    assert {k: bits(v) for k, v in cached.items()} == {k: bits(v) for k, v in scores.items()}


def test_many_keys_are_looked_up_at_once_and_misses_are_left_out(cache):
    scores = {key(i, 7): i / 3 for i in range(0, 100_000, 2)}
    cache.store("aa", scores)
    cache._db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)  # what old versions allow
    assert cache.lookup("aa", [key(i, 7) for i in range(100_000)]) == scores
    assert cache.lookup("aa", []) == {}


def test_scores_of_another_scorer_are_never_returned(cache):
    cache.store("aa", {key(1): 1.0, key(2): 2.0})
    cache.store("ab", {key(1): 5.0})
    assert cache.lookup("ab", [key(1), key(2)]) == {key(1): 5.0}
    assert cache.lookup("aa", [key(1), key(2)]) == {key(1): 1.0, key(2): 2.0}
    assert cache.lookup("a", [key(1)]) == cache.lookup("AA", [key(1)]) == {}


def test_the_first_score_of_a_request_is_not_replaced(cache):
    cache.store("aa", {key(1): 1.0})
    cache.store("aa", {key(1): 9.0, key(2): 2.0})
    assert cache.lookup("aa", [key(1), key(2)]) == {key(1): 1.0, key(2): 2.0}


def test_a_transaction_that_fails_stores_nothing(cache):
    with pytest.raises(TypeError):
        cache.store("aa", {key(1): 1.0, key(2): None})
    assert cache.lookup("aa", [key(1)]) == {}
    assert cache.entries() == []
    cache.store("aa", {key(1): 1.0})
    assert cache.lookup("aa", [key(1)]) == {key(1): 1.0}


def test_plans_are_stored_until_they_are_replaced_or_deleted(path):
    batches = [[key(1), key(2)], [], [key(3)]]
    with Cache(path) as opened:
        opened.store_plan("run", [[key(9)]])
        opened.store_plan("run", batches)
        opened.store_plan("other", [])
    with Cache(path) as opened:
        assert opened.plan("run") == batches
        assert opened.plan("other") == []
        assert opened.plan("third") is None
        opened.delete_plan("run")
        opened.delete_plan("third")
        assert (opened.plan("run"), opened.plan("other")) == (None, [])


def test_a_budget_belongs_to_a_scorer_and_a_machine(cache):
    cache.store_budget("aa", "H100", 5)
    cache.store_budget("aa", "H100", 65536)
    cache.store_budget("ab", "H100", 7)
    queries = [("aa", "H100"), ("ab", "H100"), ("aa", "cpu"), ("ac", "H100")]
    assert [cache.budget(*query) for query in queries] == [65536, 7, None, None]


def test_entries_list_scorers_by_last_use(path):
    clock = Clock()
    with Cache(path, clock) as opened:
        opened.register("aa", "org/old", FINGERPRINT)
        opened.store("aa", {key(1): 1.0, key(2): math.nan})
        clock.day = 1001
        opened.register("bb", "org/new", {"weights": None, "kind": "baseline/longest"})
        first, second = opened.entries()
        assert (first.scorer, first.model, first.scores, first.facts) == ("bb", "org/new", 0, {})
        assert (second.scorer, second.model, second.scores) == ("aa", "org/old", 2)
        assert (first.used, second.used) == ("1972-09-28T00:00:00+00:00", "1972-09-27T00:00:00+00:00")
        assert second.facts == {"weights": "6e1ebbbb4deb", "dtype": "bfloat16", "template": "20abbcd23e8d"}
        clock.day = 1002
        opened.register("aa", "./a-copy", FINGERPRINT)
        assert [(e.model, e.scores) for e in opened.entries()] == [("./a-copy", 2), ("org/new", 0)]


# Processes that share a cache

STORE = """
import sys, struct, time
from pathlib import Path
from rewardbench.engine.cache import Cache
path, mine, rounds, size = Path(sys.argv[1]), *map(int, sys.argv[2:])
print("ready", flush=True)
sys.stdin.readline()
with Cache(path) as cache:
    for n in range(rounds):
        while n == 1 and len(list(path.parent.glob("*.began"))) < 2:
            time.sleep(0.001)
        mine_only = {struct.pack("<4I", mine, n, i, 0): mine + i / 3 for i in range(size)}
        common = {struct.pack("<4I", 0, n, i, 0): float(mine) for i in range(size)}
        cache.store("aa", mine_only | common)
        if n == 0:
            (path.parent / f"{mine}.began").touch()
        for value in set(cache.lookup("aa", list(common)).values()):
            print("common", n, value)
"""
"""Stores keys that no other process stores, and keys that every process stores with another value.

After its first round it waits for the other process, so that the rounds of both overlap.
"""


def test_two_processes_at_once_lose_no_score_and_store_none_twice(path, start):
    rounds, size = 120, 40
    lines = [line.split() for line in run_together(start(STORE, path, mine, rounds, size) for mine in (1, 2))]
    seen = {(int(n), float(value)) for _, n, value in lines}
    with Cache(path) as opened:
        for mine in (1, 2):
            expected = {key(mine, n, i): mine + i / 3 for n in range(rounds) for i in range(size)}
            assert opened.lookup("aa", list(expected)) == expected
        common = opened.lookup("aa", [key(0, n, i) for n in range(rounds) for i in range(size)])
        assert len(common) == rounds * size
        assert {(struct.unpack("<4I", k)[1], value) for k, value in common.items()} == seen, (
            "the first score is not replaced"
        )
        assert len(seen) == rounds, "the common part of a transaction is of one process"
        assert sum(entry.scores for entry in opened.entries()) == 3 * rounds * size


OPEN = """
import sys
from pathlib import Path
from rewardbench.engine.cache import Cache
folder, mine, files = Path(sys.argv[1]), *map(int, sys.argv[2:])
print("ready", flush=True)
sys.stdin.readline()
for n in range(files):
    with Cache(folder / str(n)) as cache:
        cache.store("aa", {bytes([mine]) * 16: 1.0})
"""


def test_several_processes_create_the_same_files(tmp_path, start):
    run_together(start(OPEN, tmp_path, mine, 40) for mine in range(3))
    assert [count_scores(tmp_path / str(n)) for n in range(40)] == [3] * 40


def test_opening_waits_for_a_process_that_opens_the_same_file(monkeypatch):
    """SQLite reports a lock for about one in a hundred new files that several processes open; here always."""

    class Busy:
        refusals = 2

        def execute(self, statement):
            if self.refusals:
                self.refusals -= 1
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error

    busy = Busy()
    _enable_write_ahead(busy)
    assert busy.refusals == 0
    monkeypatch.setattr("rewardbench.paths.sqlite.LOCK_SECONDS", -1.0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        _enable_write_ahead(Busy())


ENDLESS = """
import sys, struct
from pathlib import Path
from rewardbench.engine.cache import Cache
path, round, size = Path(sys.argv[1]), *map(int, sys.argv[2:])
with Cache(path) as cache:
    n = 0
    while True:
        cache.store("aa", {struct.pack("<4I", round, n, i, 0): float(n) for i in range(size)})
        cache.store_plan("run", [[struct.pack("<4I", round, n, i, 0) for i in range(size)]])
        print(n, flush=True)
        n += 1
"""
"""Prints the number of each transaction when it is done."""


def test_a_process_that_is_killed_leaves_complete_transactions_only(path, start):
    size = 1000
    for attempt in range(6):
        process = start(ENDLESS, path, attempt, size)
        for _ in range(3):
            process.stdout.readline()
        time.sleep(0.003 * attempt)  # so that it is killed at different points of a transaction
        process.send_signal(signal.SIGKILL)
        printed = 3 + len(process.stdout.read().splitlines())
        with Cache(path) as opened:
            sizes = [len(opened.lookup("aa", [key(attempt, n, i) for i in range(size)])) for n in range(printed + 2)]
            assert sizes[:printed] == [size] * printed, "finished transactions are stored"
            assert sizes[printed:] in ([0, 0], [size, 0]), "the interrupted transaction is complete or absent"
            (batch,) = opened.plan("run")
            plans = [[key(attempt, n, i) for i in range(size)] for n in (printed - 1, printed)]
            assert batch in plans
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


HALFWAY = """
import sys, struct, time
from pathlib import Path
from rewardbench.engine.cache import Cache
class Stuck(dict):
    def items(self):
        for i in range(100_000):
            yield struct.pack("<4I", 1, i, 0, 0), 1.0
        print("half", flush=True)
        time.sleep(60)
with Cache(Path(sys.argv[1])) as cache:
    cache.store("aa", Stuck())
"""
"""Stops inside a transaction that is too large for memory, so that half of it is on disk."""


def test_half_a_transaction_of_a_killed_process_is_not_read(path, cache, start):
    cache.store("aa", {key(7): 7.0})
    before = cache.size()
    process = start(HALFWAY, path)
    assert process.stdout.readline() == "half\n"
    assert cache.size() > before + 1_000_000
    assert cache.lookup("aa", [key(7), key(1, 0)]) == {key(7): 7.0}, "no other process reads half a transaction"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert count_scores(path) == 1
    cache.store("aa", {key(8): 8.0})
    assert cache.lookup("aa", [key(7), key(8), key(1, 0)]) == {key(7): 7.0, key(8): 8.0}


def test_a_scorer_that_another_process_prunes_is_registered_again_with_its_name(path, cache):
    cache.register("aa", "org/rm", FINGERPRINT)
    cache.store("aa", {key(1): 1.0})
    with Cache(path) as other:
        assert other.prune() == 1
        other.register("bb", "org/takes-the-free-id", {})
        other.store("bb", {key(1): 5.0})
    assert cache.lookup("aa", [key(1)]) == {}
    cache.store("aa", {key(2): 2.0})
    assert {(e.model, e.scores) for e in cache.entries()} == {("org/rm", 1), ("org/takes-the-free-id", 1)}
    assert cache.lookup("aa", [key(1), key(2)]) == {key(2): 2.0}


# Pruning


@pytest.fixture
def filled(path):
    """Three scorers of two models, used on the days 1000, 1010 and 1020; each has a plan and a budget."""
    clock = Clock()
    with Cache(path, clock) as opened:
        opened.store_plan("without scorer", [[key(1)]])
        for n, (scorer, model) in enumerate([("aa", "org/rm"), ("ab", "org/other"), ("ac", "org/rm")]):
            clock.day = 1000 + 10 * n
            opened.register(scorer, model, FINGERPRINT)
            opened.store(scorer, {key(i): 0.5 for i in range(n + 1)})
            opened.store_plan(f"run of {scorer}", [[key(1)]])
            opened.store_budget(scorer, "H100", 100)
        yield opened


def remaining(cache):
    """Return the scorers with an entry, scores, a plan, a budget; and True if the plan without scorer is there."""
    names = ("aa", "ab", "ac")
    return (
        "".join(sorted(entry.scorer for entry in cache.entries())),
        "".join(name for name in names if cache.lookup(name, [key(0)])),
        "".join(name for name in names if cache.plan(f"run of {name}")),
        "".join(name for name in names if cache.budget(name, "H100")),
        cache.plan("without scorer") is not None,
    )


@pytest.mark.parametrize(
    ("conditions", "pruned", "scorers", "has_plan"),
    [
        ({"model": "org/rm"}, 4, "ab", True),
        ({"model": "org/r"}, 0, "aaabac", True),
        ({"older_than": 9.5}, 3, "ac", False),
        ({"older_than": 10}, 1, "abac", False),
        ({"older_than": 20}, 0, "aaabac", True),
        ({"older_than": 15, "model": "org/rm"}, 1, "abac", True),
        ({}, 6, "", False),
    ],
)
def test_prune_deletes_scorers_with_their_scores_plans_and_budgets(filled, conditions, pruned, scorers, has_plan):
    assert remaining(filled) == (*["aaabac"] * 4, True)
    assert filled.prune(**conditions) == pruned
    assert remaining(filled) == (*[scorers] * 4, has_plan)
    assert filled.prune(**conditions) == 0


def test_a_new_scorer_inherits_nothing_from_a_pruned_one(filled):
    filled.prune()
    for scorer in ("ba", "bb", "bc"):
        filled.register(scorer, "org/new", {})
    assert [entry.scores for entry in filled.entries()] == [0, 0, 0]
    assert [filled.budget(scorer, "H100") for scorer in ("ba", "bb", "bc")] == [None] * 3


def test_scorers_in_use_are_not_pruned_by_age(filled):
    filled.store("aa", {key(50): 1.0})
    filled.register("ab", "org/other", {})
    assert filled.prune(older_than=5) == 0


def test_pruning_shrinks_the_file_while_another_connection_is_open(path, cache):
    cache.store("aa", {key(i): i / 3 for i in range(50_000)})
    with Cache(path) as other:
        other.store("ab", {key(1): 1.0})
        before = cache.size()
        assert before == sum(file.stat().st_size for file in path.parent.iterdir())
        assert before > 1_500_000
        assert other.prune() == 50_001
        assert path.stat().st_size < 50_000
        assert cache.size() < 200_000
        assert cache.entries() == []


# The path of the cache, and files that are not a cache


def test_the_default_path_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("REWARDBENCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_path() == tmp_path / ".cache" / "rewardbench" / "scores.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_path() == tmp_path / "xdg" / "rewardbench" / "scores.sqlite"
    monkeypatch.setenv("REWARDBENCH_CACHE", str(tmp_path / "mine.db"))
    assert default_path() == tmp_path / "mine.db"
    monkeypatch.setenv("REWARDBENCH_CACHE", "~/mine.db")  # as a shell passes it in quotes
    assert default_path() == tmp_path / "mine.db"
    with Cache() as opened:
        opened.store("aa", {key(1): 1.0})
    assert count_scores(tmp_path / "mine.db") == 1


def test_a_cache_without_a_home_folder_is_a_one_line_error(monkeypatch):
    monkeypatch.delenv("REWARDBENCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(InputError, match="no home folder is known: set XDG_CACHE_HOME"):
        default_path()


REMOVE = r"remove the file, set REWARDBENCH_CACHE to another, or pass --no_cache\.$"
ELSEWHERE = r"\): set REWARDBENCH_CACHE to another or pass --no_cache\.$"


def database(file, *statements):
    file.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def text(file):
    file.parent.mkdir()
    file.write_text("name,score\n" * 500)


def few_bytes(file):
    file.parent.mkdir()
    file.write_text("not a cache")


def another_version(file):
    Cache(file).close()
    database(file, "PRAGMA user_version = 999")


def another_program(file):
    database(file, "CREATE TABLE bookmarks (url)", "PRAGMA user_version = 1")


def unmarked_tables(file):
    database(file, "CREATE TABLE scores (scorer, key, score)")


def a_folder(file):
    file.mkdir(parents=True)


def a_file_for_its_folder(file):
    file.parent.write_text("not a folder")


@pytest.mark.parametrize(
    ("create", "reason"),
    [
        (text, rf"file is not a database\): {REMOVE}"),
        (few_bytes, rf"file is not a database\): {REMOVE}"),
        (another_version, rf"another version of rewardbench\): {REMOVE}"),
        (another_program, rf"another program{ELSEWHERE}"),
        (unmarked_tables, rf"another program{ELSEWHERE}"),
        (a_folder, rf"unable to open database file{ELSEWHERE}"),
        (a_file_for_its_folder, rf"(File exists|Not a directory){ELSEWHERE}"),
    ],
)
def test_a_file_that_is_not_a_cache_is_rejected_and_not_changed(path, create, reason):
    create(path)
    content = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError, match=reason) as error:
        Cache(path)
    assert str(error.value).startswith(f"The score cache {path} cannot be used (")
    assert "\n" not in str(error.value)
    assert (path.read_bytes() if path.is_file() else None) == content


def test_an_empty_file_becomes_a_cache(path):
    path.parent.mkdir()
    path.touch()
    assert count_scores(path) == 0
    assert sqlite3.connect(path).execute("PRAGMA application_id").fetchone() == (FORMAT.application,)


def test_a_file_that_is_damaged_later_gives_the_same_error(path):
    with Cache(path) as opened:
        opened.store("aa", {key(i): i / 3 for i in range(5000)})
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with Cache(path) as opened:
        for act in (lambda: opened.lookup("aa", [key(1)]), lambda: opened.store("aa", {key(1): 1.0}), opened.entries):
            with pytest.raises(InputError, match=rf"malformed\): {REMOVE}"):
                act()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file_is_rejected_when_it_is_opened(path):
    Cache(path).close()
    path.chmod(0o400)
    with pytest.raises(InputError, match=rf"readonly database{ELSEWHERE}"):
        Cache(path)
    path.unlink()
    path.parent.chmod(0o500)
    with pytest.raises(InputError, match=rf"unable to open database file{ELSEWHERE}"):
        Cache(path)
    with pytest.raises(InputError, match=rf"Permission denied{ELSEWHERE}"):
        Cache(path.parent / "below" / "scores.sqlite")


FULL = """
import resource, struct, sys
from pathlib import Path
from rewardbench.engine.cache import Cache
from rewardbench.errors import InputError
with Cache(Path(sys.argv[1])) as cache:
    cache.store("aa", {struct.pack("<4I", 7, 0, 0, 0): 7.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        cache.store("aa", {struct.pack("<4I", 1, i, 0, 0): 1.0 for i in range(100_000)})
    except InputError as error:
        print(error)
    print(len(cache.lookup("aa", [struct.pack("<4I", *four) for four in ((7, 0, 0, 0), (1, 0, 0, 0))])))
"""
"""Limits the size of the file, as a full disk does."""


def test_a_full_disk_gives_a_one_line_error_and_loses_no_score(path, start):
    lines = start(FULL, path).communicate()[0].splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"The score cache {path} cannot be used (")
    assert lines[0].endswith("): set REWARDBENCH_CACHE to another or pass --no_cache.")
    assert lines[1] == "1"
    assert count_scores(path) == 1


def test_a_lock_that_is_never_released_becomes_an_error(path, cache, monkeypatch):
    monkeypatch.setattr("rewardbench.paths.sqlite.LOCK_SECONDS", 0.1)
    with Cache(path) as other:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match=rf"another process has locked it for 0 seconds{ELSEWHERE}"):
            other.store("aa", {key(1): 1.0})
        assert other.lookup("aa", [key(1)]) == {}
        connection.execute("COMMIT")
        connection.close()
        other.store("aa", {key(1): 1.0})
    assert cache.lookup("aa", [key(1)]) == {key(1): 1.0}
