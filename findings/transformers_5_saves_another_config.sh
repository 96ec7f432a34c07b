#!/bin/bash
# Surprise: `save_pretrained` of transformers 5 moves rope_theta and rope_scaling of config.json into one object, `rope_parameters`. Readers of the
# old names find none and take their class's default without a word: transformers 4.57 reads 10000 instead of 500000 and no scaling. So does
# mlx-lm 0.32, which installs transformers 5 itself: 10000 for llama and mistral, 1000000 for qwen2; qwen3 alone reads both forms.
# The model answers, with the wrong positions.
# Guess: the numbers survive being saved, or an older reader refuses the file.
# So: a model that was tuned or converted with transformers 5 is served by engines on transformers 4 (infinity-emb 0.0.78) or mlx-lm only with
# rope_theta and rope_scaling written back into its config.json.
# Seen with: transformers 5.24.0, 4.57.6, mlx-lm 0.32.0 (Python), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 4 5; do python3 -m venv "$folder/$version"; done
"$folder/4/bin/pip" --disable-pip-version-check --quiet install --no-compile transformers==4.57.6
"$folder/5/bin/pip" --disable-pip-version-check --quiet install --no-compile transformers==5.24.0 mlx-lm==0.32.0 'mlx[cpu]==0.32.4'
cat > "$folder/save.py" <<'PYTHON'
import json, os, sys
from transformers import AutoConfig

for kind in ("llama", "mistral", "qwen2", "qwen3"):
    for form in ("given", "saved"):
        os.makedirs(f"{kind}-{form}")
    scaling = {"rope_scaling": {"rope_type": "linear", "factor": 8.0}} if kind == "llama" else {}
    with open(f"{kind}-given/config.json", "w") as file:
        json.dump({"model_type": kind, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4,
                   "head_dim": 16, "vocab_size": 32, "rms_norm_eps": 1e-6, "max_position_embeddings": 8192, "tie_word_embeddings": True,
                   "bos_token_id": 1, "eos_token_id": 2, "rope_theta": 500000.0, **scaling}, file)
    AutoConfig.from_pretrained(f"{kind}-given").save_pretrained(f"{kind}-saved")
PYTHON
cat > "$folder/four.py" <<'PYTHON'
import transformers

seen = [(config.rope_theta, config.rope_scaling) for config in (transformers.AutoConfig.from_pretrained(f"llama-{form}") for form in ("given", "saved"))]
print(f"transformers {transformers.__version__}, llama as given and as saved: {seen}")
raise SystemExit(0 if [theta for theta, _ in seen] == [500000.0, 10000.0] and seen[0][1] and not seen[1][1] else 1)
PYTHON
cat > "$folder/bases.py" <<'PYTHON'
import json, pathlib
import mlx.core as mx, mlx_lm
from mlx.utils import tree_flatten
from mlx_lm.models import llama, qwen2, qwen3
from mlx_lm.utils import load_model

def base(kind, form):
    folder = pathlib.Path(f"{kind}-{form}")
    config = json.loads((folder / "config.json").read_text())
    module = {"llama": llama, "mistral": llama, "qwen2": qwen2, "qwen3": qwen3}[kind]
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(module.Model(module.ModelArgs.from_dict(config)).parameters())))
    model, _ = load_model(folder)
    return model.layers[0].self_attn.rope.base

seen = {kind: [base(kind, form) for form in ("given", "saved")] for kind in ("llama", "mistral", "qwen2", "qwen3")}
print(f"mlx-lm {mlx_lm.__version__}, rope's base as given and as saved: {seen}")
raise SystemExit(0 if seen == {"llama": [500000, 10000], "mistral": [500000, 10000], "qwen2": [500000, 1000000], "qwen3": [500000, 500000]} else 1)
PYTHON
cd "$folder"
export TRANSFORMERS_VERBOSITY=warning
5/bin/python save.py 2>&1 | grep -v PyTorch || true
if 4/bin/python four.py && 5/bin/python bases.py; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
