#!/bin/bash
# Surprise: mistral-common, which writes the prompts of Mistral's models in vLLM and elsewhere, refuses a chat's history for what another server's model
# has said in it: the id of a tool call as OpenAI (`call_...`) and llama.cpp (32 letters) make them, for an id
# has nine letters or digits; an answer that was empty; `reasoning_content` in an answer; a system message that isn't at the start. The v3
# format, of 2024's models, refuses an answer with both text and a tool call as well.
# Guess: a history in OpenAI's form is taken, whoever answered before.
# So: a chat that changes its model on the way fails with 400 at the first Mistral; ids have to be renamed, empty answers left out.
# Seen with: mistral-common 1.13.1 (Python), its formats v3 and v7, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install 'mistral-common[sentencepiece]==1.13.1'
cat > "$folder/try.py" <<'PYTHON'
import warnings
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

warnings.simplefilter("ignore")
TOOL = {"type": "function", "function": {"name": "look", "description": "Looks it up.", "parameters": {"type": "object", "properties": {}}}}
HI, MORE = {"role": "user", "content": "hi"}, {"role": "user", "content": "and more"}

def after_a_call(name, text=None):
    call = {"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    return [HI, {"role": "assistant", "content": text, "tool_calls": [call]}, {"role": "tool", "tool_call_id": name, "content": "found"}]

HISTORIES = {
    "id of nine letters": after_a_call("abcdefghi"),
    "id as OpenAI makes them": after_a_call("call_abcdefghijklmnopqrstuvwx"),
    "id as llama.cpp makes them": after_a_call("abcdefghijklmnopqrstuvwxyzABCDEF"),
    "text beside the call": after_a_call("abcdefghi", "I look."),
    "an empty answer": [HI, {"role": "assistant", "content": ""}, MORE],
    "reasoning_content": [HI, {"role": "assistant", "content": "ho", "reasoning_content": "hm"}, MORE],
    "a system message later": [HI, {"role": "assistant", "content": "ho"}, {"role": "system", "content": "Be short."}, MORE],
    "an answer as usual": [HI, {"role": "assistant", "content": "ho"}, MORE],
}
seen = {}
for version, tokenizer in (("v3", MistralTokenizer.v3()), ("v7", MistralTokenizer.v7())):
    for what, messages in HISTORIES.items():
        try:
            tokenizer.encode_chat_completion(ChatCompletionRequest.from_openai(messages=messages, tools=[TOOL]))
            seen[version, what] = "taken"
        except Exception as error:
            seen[version, what] = type(error).__name__
        print(f"{version}, {what}: {seen[version, what]}")
taken = {key for key, outcome in seen.items() if outcome == "taken"}
wanted = {("v3", "id of nine letters"), ("v3", "an answer as usual"), ("v7", "id of nine letters"), ("v7", "text beside the call"), ("v7", "an answer as usual")}
raise SystemExit(0 if taken == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
