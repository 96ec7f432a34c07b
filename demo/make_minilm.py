#!/usr/bin/env python3
"""make_minilm.py MODEL_DIR OUT.gguf: all-MiniLM-L6-v2 from safetensors to GGUF (f16), without torch."""
import json
import struct
import sys

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType

SPECIAL = {"[PAD]", "[CLS]", "[SEP]", "[MASK]"}
# Names of a layer's parts: of Hugging Face, and of GGUF.
PARTS = [
    ("attention.self.query", "attn_q"),
    ("attention.self.key", "attn_k"),
    ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"),
    ("attention.output.LayerNorm", "attn_output_norm"),
    ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"),
    ("output.LayerNorm", "layer_output_norm"),
]


def read_tensors(path):
    """The tensors of a safetensors file, all of them float32."""
    with open(path, "rb") as file:
        raw = file.read()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])

    def tensor(name):
        begin, end = header[name]["data_offsets"]
        flat = np.frombuffer(raw, np.float32, (end - begin) // 4, 8 + length + begin)
        return flat.reshape(header[name]["shape"]).copy()

    return tensor


def token_type(token):
    if not (token.startswith("[") and token.endswith("]")):
        return TokenType.NORMAL
    if token == "[UNK]":
        return TokenType.UNKNOWN
    return TokenType.CONTROL if token in SPECIAL else TokenType.UNUSED


def gguf_token(token):
    """WordPiece marks what continues a word, GGUF what begins one."""
    if token_type(token) != TokenType.NORMAL:
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def write_settings(writer, config):
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.MEAN)
    writer.add_file_type(1)  # mostly f16


def write_vocabulary(writer, path):
    with open(path, encoding="utf-8") as file:
        tokens = [line.rstrip("\n") for line in file]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([gguf_token(token) for token in tokens])
    writer.add_token_types([token_type(token) for token in tokens])
    writer.add_token_type_count(2)
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(100)
    writer.add_bos_token_id(101)
    writer.add_uint32("tokenizer.ggml.cls_token_id", 101)
    writer.add_sep_token_id(102)
    writer.add_eos_token_id(102)
    writer.add_mask_token_id(103)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def main():
    source, out = sys.argv[1], sys.argv[2]
    with open(f"{source}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    tensor = read_tensors(f"{source}/model.safetensors")
    writer = GGUFWriter(out, "bert")
    write_settings(writer, config)
    write_vocabulary(writer, f"{source}/vocab.txt")
    writer.add_tensor("token_embd.weight", tensor("embeddings.word_embeddings.weight").astype(np.float16))
    writer.add_tensor("position_embd.weight", tensor("embeddings.position_embeddings.weight"))
    writer.add_tensor("token_types.weight", tensor("embeddings.token_type_embeddings.weight"))
    for end in ("weight", "bias"):
        writer.add_tensor(f"token_embd_norm.{end}", tensor(f"embeddings.LayerNorm.{end}"))
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in PARTS:
            for end in ("weight", "bias"):
                values = tensor(f"encoder.layer.{layer}.{theirs}.{end}")
                if values.ndim == 2:
                    values = values.astype(np.float16)
                writer.add_tensor(f"blk.{layer}.{ours}.{end}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
