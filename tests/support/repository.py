"""Where the repository is, and the data beside it that some tests need and skip without."""

import os
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHARED = Path(os.environ.get("REWARDBENCH_SHARED", ROOT.parent / "shared"))


def load_script(name):
    """Import a script that has no suffix, and return its module."""
    loader = SourceFileLoader(name, str(ROOT / "scripts" / name))
    module = module_from_spec(spec_from_loader(name, loader))
    loader.exec_module(module)
    return module
