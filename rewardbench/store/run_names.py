"""Names that a user gives to runs, which become file names: checked as untrusted parts of paths."""

from __future__ import annotations

import re

from rewardbench.console.terminal import printable
from rewardbench.errors import InputError
from rewardbench.store.local import LONGEST_NAME, UNSAFE, reject_reserved, safe_name

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PLACEHOLDERS = ("model", "suite")


def check_run_name(name: str) -> str:
    """Return a run name, which may contain `{model}` and `{suite}`.

    Raises:
        InputError: if it is not one part of a path, which every file system takes, or the store reserves it.

    >>> check_run_name("nightly"), check_run_name("{model}.{suite}")
    ('nightly', '{model}.{suite}')
    """
    for placeholder in PLACEHOLDER.findall(name):
        if placeholder not in PLACEHOLDERS:
            raise InputError(f"--name has {{{placeholder[:40]}}}: it may contain {{model}} and {{suite}}.")
    plain = PLACEHOLDER.sub("x", name)
    is_long = len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME
    if is_long or printable(plain) != plain or UNSAFE.search(plain) or "/" in plain or "\\" in plain:
        raise InputError(
            f"--name {name[:80]!a} must be a file name: at most {LONGEST_NAME} bytes, without slashes, control "
            'characters and <>:"|?*; --output_dir names the folder.'
        )
    if not plain or plain != plain.strip(". "):
        raise InputError(f"--name {name[:80]!a} must not be empty, nor begin or end with a dot or a space.")
    if plain.endswith(".json"):
        raise InputError(f"--name {name[:80]!a} is the file name without .json: leave that out.")
    reject_reserved(plain)
    return name


def to_key(name: str, model: str, suite: str, has_several: bool = False) -> str:
    """Return the key of a result by its run name.

    Args:
        name: the run name, as checked.
        model: the model as the user names it.
        suite: name of the suite.
        has_several: True if the run has several suites: then a name without `{suite}` gets the suite appended.

    >>> to_key("nightly", "org/rm", "core"), to_key("{model}-bf16", "org/rm", "core")
    ('nightly', 'org/rm-bf16')
    >>> to_key("nightly", "org/rm", "allenai/reward-bench", has_several=True)
    'nightly.allenai-reward-bench'
    """
    if has_several and "{suite}" not in name:
        name += ".{suite}"
    values = {"model": safe_name(model).as_posix(), "suite": safe_name(suite, may_be_path=False).as_posix()}
    values["suite"] = values["suite"].replace("/", "-")
    key = PLACEHOLDER.sub(lambda match: values[match[1]], name)
    reject_reserved(key)
    return key
