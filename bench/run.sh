#!/bin/bash
# run.sh: measures the manager beside the bare backend and nginx, and writes bench/results/latest.md.
#
#   bench/run.sh                 about six minutes
#   QUICK=1 bench/run.sh         about one minute, for a first impression
#   BIN_DIR=DIR bench/run.sh     takes llm-manager and fake-model-server from there instead of building them
#   bench/run.sh --only json     only some sections (json, streams, waiters); may be repeated
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/tools.sh

bin=$(binaries llm-manager fake-model-server)
output=bench/results/latest.md
mkdir -p bench/results
python3 bench/bench.py --manager "$bin/llm-manager" --fake "$bin/fake-model-server" \
  --commit "$(git rev-parse --short HEAD 2> /dev/null || echo unknown)" --output "$output" "$@"
echo "bench: written to $output" >&2
