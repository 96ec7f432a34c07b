#!/bin/sh
# Qwen 14B on one large GPU. LLM-Manager sets PORT, MODEL_NAME and CUDA_VISIBLE_DEVICES.
# `exec` makes the server take this shell's place, so that a stop reaches it directly.
set -eu

exec llama-server \
    --host 127.0.0.1 --port "$PORT" \
    --model "${MODEL_FILE:-models/qwen-14b-q8_0.gguf}" \
    --alias "$MODEL_NAME" \
    --n-gpu-layers 99 \
    --ctx-size 32768 --parallel 4 \
    --jinja
