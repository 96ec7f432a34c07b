#!/bin/bash
# Surprise: what reads the beginning of a JSON object while it is streamed, or after it was cut, takes a number that isn't finished for a whole one: of
# `"amount": 1250` it tells 12. jiter and pydantic do, in the very mode that leaves unfinished strings out; so do LangChain, partial-json-parser, the AI SDK,
# partial-json. The parsers within OpenAI's and Anthropic's clients for Node leave it out. json-repair makes up `""` for a value that hasn't begun,
# and the string "t" of a `true` that has; partial-json-parser is sure of `true` after its `t`; best-effort-json-parser makes 0 of a minus.
# Guess: only what is surely there is told; a number's end isn't known before the comma.
# So: nothing but text is to be used of an object before its end, nor of an answer that ended at `max_tokens`; look at `finish_reason` first.
# Seen with: jiter 0.19.0, pydantic-core 2.50.5, langchain-core 1.8.3, partial-json-parser 0.2.1.1.post7, json-repair 0.64.6 (Python), ai 6.0.326,
# partial-json 0.1.7, best-effort-json-parser 1.5.1, openai 6.49.0, @anthropic-ai/sdk 1.14.0 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile jiter==0.19.0 pydantic-core==2.50.5 langchain-core==1.8.3 \
  partial-json-parser==0.2.1.1.post7 json-repair==0.64.6
npm install --silent --no-fund --no-audit --prefix "$folder" ai@6.0.326 partial-json@0.1.7 best-effort-json-parser@1.5.1 openai@6.49.0 @anthropic-ai/sdk@1.14.0
cat > "$folder/try.mjs" <<'NODE'
import { parsePartialJson } from "ai";
import { parse } from "partial-json";
import effort from "best-effort-json-parser";
import { partialParse as openai } from "openai/_vendor/partial-json-parser/parser";
import { partialParse as anthropic } from "@anthropic-ai/sdk/_vendor/partial-json-parser/parser";
const parsers = { "AI SDK": async text => (await parsePartialJson(text)).value, "partial-json": parse, "best-effort": effort.parse, "openai (Node)": openai, "anthropic (Node)": anthropic };
const told = {};
for (const text of JSON.parse(process.argv[2])) {
  told[text] = {};
  for (const [name, parser] of Object.entries(parsers)) told[text][name] = JSON.stringify(await parser(text));
}
console.log(JSON.stringify(told));
NODE
cat > "$folder/try.py" <<'PYTHON'
import importlib.metadata, json, subprocess, sys
import jiter, json_repair, partial_json_parser, pydantic_core
from langchain_core.utils.json import parse_partial_json

TEXTS = ['{"to":"Ann","amount":12', '{"to":"Ann","amount":', '{"to":"Ann","amount":-', '{"to":"An', '{"sure":t']
parsers = {
    "jiter": lambda text: jiter.from_json(text.encode(), partial_mode=True),
    "pydantic": lambda text: pydantic_core.from_json(text, allow_partial=True),
    "langchain": parse_partial_json,
    "partial-json-parser": partial_json_parser.loads,
    "json-repair": json_repair.loads,
}
print({name: importlib.metadata.version(name) for name in ("jiter", "pydantic-core", "langchain-core", "partial-json-parser", "json-repair")})
node = json.loads(subprocess.run(["node", sys.argv[1], json.dumps(TEXTS)], capture_output=True, text=True, check=True).stdout)
seen = {}
for text in TEXTS:
    seen[text] = {name: json.dumps(parser(text), separators=(",", ":")) for name, parser in parsers.items()} | node[text]
    print(text)
    for came in sorted(set(seen[text].values())):
        print(f"    {came}: {', '.join(name for name, value in seen[text].items() if value == came)}")
number, nothing, minus, string, word = (seen[text] for text in TEXTS)
right = {name for name, came in number.items() if came == '{"to":"Ann","amount":12}'} == set(number) - {"openai (Node)", "anthropic (Node)"}
right &= number["openai (Node)"] == number["anthropic (Node)"] == '{"to":"Ann"}' and string["jiter"] == string["pydantic"] == "{}"
right &= nothing["json-repair"] == '{"to":"Ann","amount":""}' and minus["best-effort"] == '{"to":"Ann","amount":0}'
right &= word["partial-json-parser"] == '{"sure":true}' and word["json-repair"] == '{"sure":"t"}' and word["jiter"] == "{}"
raise SystemExit(0 if right else 1)
PYTHON
if LANGSMITH_TRACING=false "$folder/venv/bin/python" "$folder/try.py" "$folder/try.mjs"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
