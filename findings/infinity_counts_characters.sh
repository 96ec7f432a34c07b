#!/bin/bash
# Surprise: the `usage` of infinity's embeddings is in characters, under the name of `prompt_tokens`: 26 for the six words "Once upon a time there was", 3 for
# three Chinese characters, and all 19,999 of a text that a model with 512 tokens cuts. Its option `--lengths-via-tokenize`, off by default, is
# said to be for scheduling; by its source it is what makes them tokens.
# Guess: `prompt_tokens` are tokens, as with every other server of /embeddings, and of a text that is cut, the part that was read.
# So: who prices embeddings by the token charges four to five times too much for English; start the server with `--lengths-via-tokenize`.
# Seen with: infinity-emb 0.0.78 (Python), with the engine of its own tests: the count is made before any engine is asked. 2026-11-30.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "${server:-0}" 2> /dev/null || :; wait 2> /dev/null || :; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'infinity-emb[server]==0.0.78' click==8.1.8 2>&1 | grep -v notice || :

export DO_NOT_TRACK=1 INFINITY_ANONYMOUS_USAGE_STATS=0 HF_HOME=$folder/hub
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/venv/bin/infinity_emb" v2 --model-id own/model --engine debugengine --host 127.0.0.1 --port "$port" \
  --no-model-warmup > "$folder/log" 2>&1 &
server=$!
for _ in {1..300}; do
  curl -sf "http://127.0.0.1:$port/health" > /dev/null && break
  sleep 0.2
done

"$folder/venv/bin/pip" list 2> /dev/null | grep -i '^infinity'
"$folder/venv/bin/python" - "$port" << 'PYTHON' | tee "$folder/seen"
import json, sys, urllib.request

def usage(*texts):
    body = json.dumps({"model": "own/model", "input": texts}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/embeddings", body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))["usage"]["prompt_tokens"]

for name, texts in [("English", ["Once upon a time there was"]), ("Chinese", ["日本語"]), ("nothing", [""]),
                    ("two texts", ["ab cd ef", "ab cd ef"]), ("4,000 words", [" ".join(["word"] * 4000)])]:
    print(f"{name}: {sum(map(len, texts))} characters, prompt_tokens {usage(*texts)}")
PYTHON
grep -q '^English: 26 characters, prompt_tokens 26$' "$folder/seen"
grep -q '^Chinese: 3 characters, prompt_tokens 3$' "$folder/seen"
grep -q '^two texts: 16 characters, prompt_tokens 16$' "$folder/seen"
grep -q '^4,000 words: 19999 characters, prompt_tokens 19999$' "$folder/seen"
