#!/bin/bash
# Surprise: a model's folder may have its chat template in `tokenizer_config.json` and in `chat_template.jinja`, and who reads it decides which counts: Python's transformers
# (and with it vLLM, SGLang, mlx-lm) takes chat_template.jinja, the gguf package, by which a GGUF for llama.cpp is made, takes tokenizer_config.json. transformers.js
# knows chat_template.jinja not at all: with nothing but this file, which is what transformers 5 saves, a chat is an error. A template of its own for tools is
# lost in transformers as soon as there is a chat_template.jinja beside a list of them; gguf keeps the list.
# Guess: the newer file counts for all.
# So: after a template was mended in one of the files, the same model gets another prompt by vLLM than by llama.cpp; put it in both, or give llama-server the
# file by --chat-template-file.
# Seen with: transformers 5.24.0, gguf 0.19.0 (Python), @huggingface/transformers 4.3.2 (Node), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile transformers==5.24.0 gguf==0.19.0 jinja2
(cd "$folder" && npm init -y > /dev/null && npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/transformers@4.3.2)
cat > "$folder/try.js" <<'NODE'
const { AutoTokenizer, env } = require("@huggingface/transformers");
env.allowRemoteModels = false;
env.localModelPath = "/";
(async () => {
  const tokenizer = await AutoTokenizer.from_pretrained(process.argv[2]);
  const told = [{}, { tools: JSON.parse(process.argv[3]) }].map((more) => {
    try {
      return tokenizer.apply_chat_template([{ role: "user", content: "a" }], { tokenize: false, ...more });
    } catch {
      return "error";
    }
  });
  console.log(JSON.stringify(told));
})();
NODE
cat > "$folder/try.py" <<'PYTHON'
import json, pathlib, subprocess, sys
import gguf
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

folder = pathlib.Path(sys.argv[1])
LIST = [{"name": "default", "template": "config's"}, {"name": "tool_use", "template": "config's for tools"}]
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Looks", "parameters": {"type": "object", "properties": {}}}}]
seen = {}
for name, config, jinja in (("both", "config's", "jinja's"), ("jinja alone", None, "jinja's"), ("list and jinja", LIST, "jinja's")):
    model = folder / name.replace(" ", "-")
    model.mkdir()
    Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")).save(str(model / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", **({"chat_template": config} if config else {})}
    (model / "tokenizer_config.json").write_text(json.dumps(settings))
    (model / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 2}))
    (model / "chat_template.jinja").write_text(jinja)
    tokenizer = AutoTokenizer.from_pretrained(model)
    python = [tokenizer.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False, **more) for more in ({}, {"tools": TOOLS})]
    made = gguf.SpecialVocab(model, load_merges=False).chat_template
    if not isinstance(made, str):
        made = {one["name"]: one["template"] for one in made}
    made = [made, made] if isinstance(made, str) else [made["default"], made["tool_use"]]
    node = json.loads(subprocess.run(["node", "try.js", str(model), json.dumps(TOOLS)], cwd=folder, capture_output=True, text=True, check=True).stdout)
    seen[name] = {"transformers": python, "gguf": made, "transformers.js": node}
    print(f"{name}: without and with tools: " + ", ".join(f"{who} {told}" for who, told in seen[name].items()))
wanted = {
    "both": {"transformers": ["jinja's"] * 2, "gguf": ["config's"] * 2, "transformers.js": ["config's"] * 2},
    "jinja alone": {"transformers": ["jinja's"] * 2, "gguf": ["jinja's"] * 2, "transformers.js": ["error"] * 2},
    "list and jinja": {"transformers": ["jinja's"] * 2, "gguf": ["config's", "config's for tools"], "transformers.js": ["config's", "config's for tools"]},
}
raise SystemExit(0 if seen == wanted else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder" 2> "$folder/errors"; then
  echo "still so"
else
  tail -n 5 "$folder/errors"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
