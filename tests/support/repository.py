"""Where the repository is, and the data beside it that some tests need and skip without."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHARED = Path(os.environ.get("REWARDBENCH_SHARED", ROOT.parent / "shared"))
