#!/bin/bash
# slurm.sh: what the manager adds from sbatch to serving, and how often it asks Slurm with 200 jobs that run. All arguments go to
# slurm.py (--help lists them). It wants root, and the packages slurm-wlm and munge.
#
#   BIN_DIR=DIR bench/slurm.sh             takes llm-manager and fake-model-server from there instead of building them
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/tools.sh

bin=$(binaries llm-manager fake-model-server)
python3 bench/slurm.py --manager "$bin/llm-manager" --fake "$bin/fake-model-server" "$@"
cargo run --release --quiet -p llm-manager-policy --example simulate_cluster
