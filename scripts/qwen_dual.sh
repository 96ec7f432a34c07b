#!/bin/sh
# Qwen 14B split over two GPUs, one third of the layers on the smaller one.
# LLM-Manager sets PORT, MODEL_NAME and CUDA_VISIBLE_DEVICES; check that the split is in the order of that list.
# `exec` makes the server take this shell's place, so that a stop reaches it directly.
set -eu

exec llama-server \
    --host 127.0.0.1 --port "$PORT" \
    --model "${MODEL_FILE:-models/qwen-14b-q8_0.gguf}" \
    --alias "$MODEL_NAME" \
    --n-gpu-layers 99 --split-mode layer --tensor-split 1,2 \
    --ctx-size 32768 --parallel 4 \
    --jinja
