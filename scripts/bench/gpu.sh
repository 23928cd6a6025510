#!/usr/bin/env bash
# Measure scoring on one GPU, without network and in under 10 minutes; print key=value lines. A second call with the
# same --output resumes. Usage: scripts/bench/gpu.sh [--dry_run] [--sizes 50m,1b,7b] [--output FOLDER]
# Uses .venv/bin/python if there is one, else python3; the variable PYTHON names another.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
default=python3
[ -x .venv/bin/python ] && default=.venv/bin/python
PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-$default}" scripts/bench_gpu.py "$@"
