#!/usr/bin/env bash
# Measure scoring on one GPU, without network and in under 10 minutes; print key=value lines. A second call with the
# same --output resumes. Usage: scripts/bench/gpu.sh [--dry_run] [--sizes 50m,1b,7b] [--output FOLDER]
# scripts/bench_gpu.py says what the machine needs, and checks it. Uses .venv/bin/python if there is one, else python3;
# the variable PYTHON names another. Wheels in the folder $WHEELS (default: .whl) are installed beside it first.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
default=python3
[ -x .venv/bin/python ] && default=.venv/bin/python
python=${PYTHON:-$default}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
wheels=${WHEELS:-.whl}
if [ -d "$wheels" ]; then
  site=$(mktemp -d)
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$wheels"/*.whl
  PYTHONPATH="$PYTHONPATH:$site"
fi
exec "$python" scripts/bench_gpu.py "$@"
