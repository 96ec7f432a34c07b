#!/bin/bash
# Surprise: mlx_lm.server knows no limit of its model's context: a prompt of four times `max_position_embeddings` is answered with 200,
# from positions that the model was never trained for. With `logprobs: true` it gives numbers without their tokens; with
# `top_logprobs` the tokens come as pieces of the vocabulary ("Ġ" for a blank), not as text.
# Guess: 400 and the two numbers, as vLLM and llama.cpp do; the text of each token.
# So: the bound has to be set in front of it; texts put together from its logprobs are not the answer's.
# Seen with: mlx-lm 0.32.0 (mlx 0.32.4 on CPU), 2026-11-29.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install mlx-lm==0.32.0 'mlx[cpu]==0.32.4'
cat > "$folder/try.py" <<'PYTHON'
import contextlib, http.client, json, pathlib, socket, subprocess, sys, time
import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

folder = pathlib.Path(sys.argv[1]) / "model"
folder.mkdir()
CONTEXT, SIZE = 512, 64

# A model of two layers with random weights, whose likeliest token is always a blank.
vocabulary = {token: place for place, token in enumerate(["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])}
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer.add_special_tokens(["<s>", "</s>"])
tokenizer.save(str(folder / "tokenizer.json"))
template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
said = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "chat_template": template}
(folder / "tokenizer_config.json").write_text(json.dumps(said))
random = numpy.random.default_rng(1)
matrix = lambda *shape: (random.standard_normal(shape) * 0.05).astype(numpy.float32)
ones = lambda: numpy.ones(SIZE, numpy.float32)
embeddings, head = matrix(len(vocabulary), SIZE), matrix(len(vocabulary), SIZE)
embeddings[:, 0], head[:, 0], head[vocabulary["Ġ"], 0] = 9, 0, 3
tensors = {"model.embed_tokens.weight": embeddings, "model.norm.weight": ones(), "lm_head.weight": head}
for layer in range(2):
    part = f"model.layers.{layer}."
    tensors |= {part + f"self_attn.{name}_proj.weight": matrix(SIZE, SIZE) for name in "qkvo"}
    tensors |= {part + f"mlp.{name}_proj.weight": matrix(SIZE, SIZE) for name in ("gate", "up", "down")}
    tensors |= {part + f"{name}_layernorm.weight": ones() for name in ("input", "post_attention")}
save_file(tensors, str(folder / "model.safetensors"), {"format": "pt"})
config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": len(vocabulary), "hidden_size": SIZE, "intermediate_size": SIZE,
          "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5,
          "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1}
(folder / "config.json").write_text(json.dumps(config))

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
command = [sys.executable, "-m", "mlx_lm", "server", "--model", str(folder), "--host", "127.0.0.1", "--port", str(port)]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

def chat(text, **more):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = {"model": str(folder), "messages": [{"role": "user", "content": text}], "max_tokens": 2, "temperature": 0, **more}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())

try:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if chat("a")[0] == 200:
                break
        time.sleep(0.2)
    status, answer = chat("a" * 4 * CONTEXT)
    tokens = answer["usage"]["prompt_tokens"]
    print(f"a prompt of {tokens} tokens for a context of {CONTEXT}: {status}")
    bare = chat("a", logprobs=True)[1]["choices"][0]
    named = chat("a", logprobs=True, top_logprobs=1)[1]["choices"][0]
finally:
    server.kill()
first, second = bare["logprobs"]["content"][0], named["logprobs"]["content"][0]
print(f"logprobs: {sorted(first)}; with top_logprobs: token {second['token']!r} of the text {named['message']['content']!r}")
right = status == 200 and tokens >= 4 * CONTEXT and sorted(first) == ["id", "logprob"] and second["token"] == "Ġ" and named["message"]["content"].strip() == ""
raise SystemExit(0 if right else 1)
PYTHON
if HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/try.py" "$folder"; then
  echo "still so"
else
  echo "it has changed: adapt what relies on it"
  exit 1
fi
