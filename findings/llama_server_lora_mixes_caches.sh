#!/bin/bash
# Surprise: with a LoRA adapter loaded, a request without the field `lora` is computed with the adapter, as it should be, but behind a request of the same
# beginning that had switched it off by `"lora": [{"id": 0, "scale": 0}]` it takes over the prompt that was computed without it: its answer is neither the
# adapter's nor the model's. A request that names its adapters gets a cache of its own. An adapter that isn't there (id 7) is no error: all are off then.
# Guess: a prompt's cache is used for the same adapters only; an unknown id is refused with 400.
# So: where clients choose adapters, all of them name them in each request, or each adapter is a model with a server of its own.
# Seen with: llama.cpp b11549 (xllamacpp 2026.10.11549), an adapter of random numbers, 2026-11-30.
set -euo pipefail
source "$(dirname "$0")/llama_server_b11549.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install gguf==0.19.0

try <<'PYTHON'
from engine import folder, gguf as model, json, server
import gguf, numpy

dice = numpy.random.default_rng(1)
writer = gguf.GGUFWriter(folder + "/lora.gguf", "llama")
writer.add_type("adapter")
writer.add_string("adapter.type", "lora")
writer.add_float32("adapter.lora.alpha", 8.0)
for tensor in gguf.GGUFReader(model).tensors:
    if tensor.name.endswith(("ffn_down.weight", "attn_q.weight")):
        wide, high = (int(size) for size in tensor.shape)
        for name, shape in (("a", (4, wide)), ("b", (high, 4))):
            writer.add_tensor(f"{tensor.name}.lora_{name}", dice.normal(size=shape, scale=0.1).astype(numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

OFF, ON, UNKNOWN = ([{"id": id, "scale": scale}] for id, scale in ((0, 0.0), (0, 1.0), (7, 1.0)))
with server(lora=[folder + "/lora.gguf"]) as ask:
    def said(**more):
        body = {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0, **more}
        answer = json.loads(ask("/v1/completions", body)[1])
        text, cached = answer["choices"][0]["text"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        print(f"{more}: {text!r}, {cached} tokens of the prompt cached")
        return text, cached

    model, adapter = said(lora=OFF, cache_prompt=False)[0], said(cache_prompt=False)[0]
    plain = said(lora=OFF), said(), said(lora=OFF), said(lora=ON), said(), said(lora=UNKNOWN)
right = model != adapter and plain[0][0] == plain[2][0] == model and plain[3][0] == plain[4][0] == adapter
right &= plain[1][0] not in (model, adapter) and plain[1][1] > 0 and plain[5][0] == model
raise SystemExit(0 if right else 1)
PYTHON
