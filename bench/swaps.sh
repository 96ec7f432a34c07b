#!/bin/bash
# swaps.sh: how long people wait when models take turns. All arguments go to swaps.py (--help lists them).
#
#   bench/swaps.sh                         swaps to and fro, cold starts, a pattern of three models, one amid another's traffic
#   LLAMA_SWAP=PATH bench/swaps.sh         the same for a llama-swap binary, in the same run
#   BIN_DIR=DIR bench/swaps.sh             takes llm-manager and fake-model-server from there instead of building them
#
# Loads of 0.5 and 5 s are real; those of 60 s are played in virtual time by the example simulate_turns.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/tools.sh

bin=$(binaries llm-manager fake-model-server)
python3 bench/swaps.py --manager "$bin/llm-manager" --fake "$bin/fake-model-server" \
  ${LLAMA_SWAP:+--llama-swap "$LLAMA_SWAP"} "${@:---load=0.5}"
cargo run --release --quiet -p llm-manager-policy --example simulate_turns
