#!/bin/sh
# The manager sets PORT and MODEL_NAME. `exec`: the server takes the script's place, so that signals reach it.
cd "$(dirname "$0")/.." || exit 1
exec ./llama-server -m models/SmolLM2-135M-Instruct.Q4_1.gguf --host 127.0.0.1 --port "$PORT" -a "$MODEL_NAME" -c 2048 -t 1
