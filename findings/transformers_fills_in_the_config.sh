#!/bin/bash
# Surprise: what a config.json leaves out is not derived from what it says, but taken from one model of that family: of the same file with 1024 wide layers
# and 16 heads, llama makes 16 key/value heads of 64, mistral 8 of 64, qwen2 32 (twice its heads), qwen3 32 of 128, gemma3_text 4 of 256. So the
# cache of the same file takes 1 to 16 kB a token and layer, and mistral looks back 4096 tokens only. There is no word of it.
# Guess: as many key/value heads as heads, and the width divided by them, as llama and most estimators have it.
# So: who reckons memory from config.json has to know the family's defaults, or to refuse a file without `num_key_value_heads` and `head_dim`.
# Seen with: transformers 5.24.0 (Python), 2026-11-30.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install --no-compile transformers==5.24.0
cat > "$folder/try.py" <<'PYTHON'
import json, sys
import transformers

print("transformers", transformers.__version__)
WANTED = {"llama": (16, 64, None, 4096), "mistral": (8, 64, 4096, 2048), "qwen2": (32, 64, None, 8192), "qwen3": (32, 128, None, 16384), "gemma3_text": (4, 256, 4096, 4096),
          "smollm3": (4, 64, None, 1024)}
seen = {}
for family in WANTED:
    with open(sys.argv[1] + "/config.json", "w") as file:
        json.dump({"model_type": family, "hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24, "intermediate_size": 4096}, file)
    config = transformers.AutoConfig.from_pretrained(sys.argv[1])
    # As the models themselves do where the config has no head_dim.
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads, window = config.num_key_value_heads, getattr(config, "sliding_window", None)
    seen[family] = heads, width, window, 2 * heads * width * 2
    print(f"{family}: {heads} key/value heads of {width}, window {window}: {seen[family][3]} bytes a token and layer (16 bit)")
raise SystemExit(0 if seen == WANTED else 1)
PYTHON
if "$folder/venv/bin/python" "$folder/try.py" "$folder" 2> "$folder/errors"; then
  echo "still so"
else
  cat "$folder/errors"
  echo "it has changed: adapt what relies on it"
  exit 1
fi
