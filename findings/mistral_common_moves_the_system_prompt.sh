#!/bin/bash
# Surprise: in a prompt of Mistral's v3 format the system message stands in the last user message, and the tools right before it: with each turn of a
# chat both move on. Two turns after each other share the first question and answer, and not one token of a system prompt
# of a thousand. The v7 format has the system message at the start, and still moves the tools.
# Guess: what stays the same from turn to turn stands in front, so that the engine's prefix cache has it.
# So: with agents' long instructions nearly the whole prompt is computed anew each turn; count on `cached_tokens`, not on the history.
# Seen with: mistral-common 1.13.1 (Python), its formats v3 and v7, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install 'mistral-common[sentencepiece]==1.13.1'
cat > "$folder/try.py" <<'PYTHON'
import itertools, warnings
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

warnings.simplefilter("ignore")
FIRST = [{"role": "system", "content": "be good " * 500}, {"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]
SECOND = [*FIRST, {"role": "assistant", "content": "four"}, {"role": "user", "content": "five"}]
TOOL = {"type": "function", "function": {"name": "look", "description": "Looks " * 500, "parameters": {"type": "object", "properties": {}}}}

def shared(tokenizer, tools):
    first, second = (tokenizer.encode_chat_completion(ChatCompletionRequest.from_openai(messages=messages, tools=tools)).tokens for messages in (FIRST, SECOND))
    return len(first), len(second), sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, second)))

seen = {}
for version, tokenizer in (("v3", MistralTokenizer.v3()), ("v7", MistralTokenizer.v7())):
    for what, tools in (("system prompt", None), ("system prompt and tools", [TOOL])):
        seen[version, what] = first, second, same = shared(tokenizer, tools)
        print(f"{version}, {what}: prompts of {first} and {second} tokens, the same at the start: {same}")
right = all(second > 1000 for _, second, _ in seen.values()) and all(seen["v3", what][2] < 20 for what in ("system prompt", "system prompt and tools"))
right = right and seen["v7", "system prompt"][2] > 1000 and 1000 < seen["v7", "system prompt and tools"][2] < 1030 and seen["v7", "system prompt and tools"][0] > 1500
raise SystemExit(0 if right else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
