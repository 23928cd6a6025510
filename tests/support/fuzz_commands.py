"""Generate command lines: known commands and options with values that do and do not suit them."""

from dataclasses import dataclass

from hypothesis import strategies as st

GOOD_FILES = ("pairs.jsonl", "results/baseline/longest.json", "results/baseline/shortest.json", "suite.yaml")
"""Files that a test writes to the working folder before a command runs."""

texts = st.one_of(
    st.sampled_from(
        ["x", "", " ", "../x", "~", "~/x", ".", "..", "/dev/null", "a" * 300, "\ud83d", "ü", "-", "--", "a\nb"]
    ),
    st.text(max_size=6).filter(lambda text: "\0" not in text),
)
files = st.one_of(st.sampled_from(GOOD_FILES), st.sampled_from([".", "results", "missing.json"]), texts)
numbers = st.sampled_from(
    ["1", "2", "7", "0", "-1", "1.5", "nan", "inf", "1e3", "10000000000000000000000", "x", "", "٣"]
)
shares = st.sampled_from(["0", "0.02", "1", "1.5", "-1", "nan", "x", "all=0.6", "all=x", "=1", "all=", "nobody=0.5"])
switch = st.just(None)

DATA = {
    "--split": texts,
    "--subset": st.one_of(st.sampled_from(["all", "a", "b"]), texts),
    "--protocol": st.one_of(st.sampled_from(["rmb", "core", "allenai/reward-bench", "rm-bench"]), texts),
    "--dataset_revision": texts,
}

OPTIONS: dict[str, dict[str, st.SearchStrategy]] = {
    "": {
        "--model": st.one_of(st.sampled_from(["baseline/longest", "baseline/random"]), texts),
        "--dataset": files,
        "--seed": numbers,
        "--limit": numbers,
        "--batch_size": numbers,
        "--max_length": numbers,
        "--beta": numbers,
        "--ref_free_type": st.sampled_from(["sum", "x", ""]),
        "--torch_dtype": st.sampled_from(["float32", "fp16", ""]),
        "--output_dir": st.sampled_from(["results", "other", "pairs.jsonl", "a/b/c", ""]),
        "--json": switch,
        "--no_cache": switch,
        "--debug": switch,
        "--load_json": switch,
        "--prioritize_scoring": switch,
        "--version": switch,
        "--help": switch,
        **DATA,
    },
    "show": {
        "": files,
        "--errors": switch,
        "--subset": texts,
        "--section": texts,
        "--search": texts,
        "--limit": numbers,
        "--page": numbers,
        "--html": st.sampled_from(["out.html", "a/b.html", ".", ""]),
        "--json": switch,
    },
    "compare": {
        "": files,
        " ": files,
        "--metric": st.sampled_from(["pair", "mirror", "turn", "x"]),
        "--examples": numbers,
        "--plot": st.sampled_from(["out.png", "out.svg", "out.xyz", ".", ""]),
        "--json": switch,
    },
    "gate": {
        "--baseline": files,
        "--candidate": files,
        "--max_drop": shares,
        "--section": shares,
        "--floor": shares,
        "--inconclusive": st.sampled_from(["pass", "fail", "x"]),
        "--metric": st.sampled_from(["pair", "mirror", "turn", "x"]),
        "--junit": st.sampled_from(["junit.xml", ".", ""]),
        "--markdown": st.sampled_from(["gate.md", ".", ""]),
        "--json": switch,
    },
    "data lint": {"": files, "--max_shortcut": shares, "--json": switch, **DATA},
    "data list": {"--json": switch, "": files},
    "data overlap": {
        "": files,
        " ": st.just("suite.yaml"),
        "--ngram": numbers,
        "--max_share": shares,
        "--json": switch,
    },
    "verify": {"": files, "--store": files, "--dataset": files, "--protocol": texts, "--record": switch},
    "submit": {
        "": files,
        "--store": st.sampled_from(["store", "pairs.jsonl", ""]),
        "--name": texts,
        "--license": texts,
        "--dry_run": switch,
    },
    "import": {"": files, "--store": st.sampled_from(["store", "pairs.jsonl"])},
    "index": {"": files, "--json": switch},
    "cache": {"--json": switch},
    "cache prune": {"--model": texts, "--older_than": numbers},
}
"""The options of each command; a name that is blank stands for a positional argument."""

LIKELY = {"--model", "--dataset", "--baseline", "--candidate", "--store", "", " "}
"""Options that a command nearly always needs."""


@dataclass(frozen=True)
class CommandLine:
    """The arguments of one call."""

    words: tuple[str, ...]


@st.composite
def command_lines(draw: st.DrawFn) -> CommandLine:
    """Draw a command with some of its options, most of the time with those it needs."""
    command = draw(st.sampled_from(sorted(OPTIONS)))
    words = command.split()
    for name, values in OPTIONS[command].items():
        chance = 9 if name in LIKELY else 2
        if draw(st.integers(0, 9)) >= chance:
            continue
        value = draw(values)
        words += [name] if name.strip() else []
        words += [] if value is None else [value]
    if draw(st.integers(0, 19)) == 0:
        words.insert(draw(st.integers(0, len(words))), draw(texts))
    return CommandLine(tuple(word for word in words if "\0" not in word))
