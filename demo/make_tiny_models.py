#!/usr/bin/env python3
"""make_tiny_models.py DIR: three GGUF models with random weights, half a megabyte each.

A real llama-server loads them in milliseconds:
  tiny-chat    llama architecture; never ends by itself, so max_tokens is the length of every answer
  tiny-embed   bert architecture, mean pooling
  tiny-rerank  bert architecture, rank pooling with a head
"""
import os
import sys

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType

EMBEDDING, LAYERS, HEADS, FEED_FORWARD = 64, 2, 4, 128
WORDS = (
    "the of and to in is it that for was on are as with his they at be this from have or by one had not but "
    "what all were when we there can an your which their said if do will each about how up out them then she "
    "many some so these would other into has more her two like him see time could no make than first been its "
    "who now people my made over did down only way find use may water long little very after words called just "
    "where most know get through back much go good new write our used me man too any day same right look think "
    "also around another came come work three word must because does part even place well such here take why "
    "things help put years different away again off went old number"
).split()
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

random = np.random.default_rng(7)


def noise(*shape, scale=0.1):
    return (random.standard_normal(shape) * scale).astype(np.float32)


def ones():
    return np.ones(EMBEDDING, np.float32)


def zeros(size=EMBEDDING):
    return np.zeros(size, np.float32)


def begin(path, architecture, name, context, vocabulary):
    writer = GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(0)
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def chat_vocabulary():
    """(token, type, score): controls, bytes, words, and single characters for everything else."""
    entries = [("<unk>", TokenType.UNKNOWN, 0.0), ("<s>", TokenType.CONTROL, 0.0), ("</s>", TokenType.CONTROL, 0.0)]
    entries += [(f"<0x{byte:02X}>", TokenType.BYTE, 0.0) for byte in range(256)]
    entries += [("<|im_start|>", TokenType.CONTROL, 0.0), ("<|im_end|>", TokenType.CONTROL, 0.0)]
    first_word = len(entries)
    entries += [("\u2581" + word, TokenType.NORMAL, -float(rank + 1)) for rank, word in enumerate(WORDS)]
    characters = [chr(code) for code in range(33, 127)] + ["\u2581"]
    entries += [(char, TokenType.NORMAL, -1000.0 - rank) for rank, char in enumerate(characters)]
    return entries, slice(first_word, first_word + len(WORDS))


def make_chat(path):
    entries, words = chat_vocabulary()
    tokens = [token for token, _, _ in entries]
    writer = begin(path, "llama", "tiny-chat", 32768, len(tokens))
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([kind for _, kind, _ in entries])
    writer.add_token_scores([score for _, _, score in entries])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)

    # Dimension 0 is a constant that carries a bias of the output: only whole words are ever sampled.
    embedding = noise(len(tokens), EMBEDDING, scale=1.0)
    embedding[:, 0] = 8.0
    writer.add_tensor("token_embd.weight", embedding)
    shapes = {
        "attn_q": (EMBEDDING, EMBEDDING),
        "attn_k": (EMBEDDING, EMBEDDING),
        "attn_v": (EMBEDDING, EMBEDDING),
        "attn_output": (EMBEDDING, EMBEDDING),
        "ffn_gate": (FEED_FORWARD, EMBEDDING),
        "ffn_up": (FEED_FORWARD, EMBEDDING),
        "ffn_down": (EMBEDDING, FEED_FORWARD),
    }
    for layer in range(LAYERS):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones())
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones())
        for name, shape in shapes.items():
            weights = noise(*shape, scale=0.15)
            if name in ("attn_output", "ffn_down"):
                weights[0, :] = 0.0
            writer.add_tensor(f"blk.{layer}.{name}.weight", weights)
    writer.add_tensor("output_norm.weight", ones())
    head = noise(len(tokens), EMBEDDING, scale=1.0)
    head[:, 0] = -20.0
    head[words, 0] = 0.0
    writer.add_tensor("output.weight", head)
    finish(writer)


def bert_vocabulary():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    body = ["\u2581" + word for word in WORDS + characters] + characters
    tokens = list(dict.fromkeys(special + body))
    types = [TokenType.UNKNOWN if token == "[UNK]" else TokenType.CONTROL for token in special]
    return tokens, types + [TokenType.NORMAL] * (len(tokens) - len(special))


def make_bert(path, name, rank):
    tokens, types = bert_vocabulary()
    writer = begin(path, "bert", name, 512, len(tokens))
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.RANK if rank else PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_type_count(2)
    for number, role in enumerate(["pad", "unk", "bos", "sep", "mask"]):
        getattr(writer, f"add_{role}_token_id")(number)
    writer.add_uint32("tokenizer.ggml.cls_token_id", 2)
    writer.add_eos_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)

    def norm(name):
        writer.add_tensor(f"{name}.weight", ones())
        writer.add_tensor(f"{name}.bias", zeros())

    writer.add_tensor("token_embd.weight", noise(len(tokens), EMBEDDING, scale=1.0))
    writer.add_tensor("position_embd.weight", noise(512, EMBEDDING))
    writer.add_tensor("token_types.weight", noise(2, EMBEDDING))
    norm("token_embd_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for part, rows, columns in [
            ("attn_q", EMBEDDING, EMBEDDING),
            ("attn_k", EMBEDDING, EMBEDDING),
            ("attn_v", EMBEDDING, EMBEDDING),
            ("attn_output", EMBEDDING, EMBEDDING),
            ("ffn_up", FEED_FORWARD, EMBEDDING),
            ("ffn_down", EMBEDDING, FEED_FORWARD),
        ]:
            writer.add_tensor(f"{block}.{part}.weight", noise(rows, columns))
            writer.add_tensor(f"{block}.{part}.bias", zeros(rows))
        norm(f"{block}.attn_output_norm")
        norm(f"{block}.layer_output_norm")
    if rank:
        writer.add_tensor("cls.weight", noise(EMBEDDING, EMBEDDING))
        writer.add_tensor("cls.bias", zeros())
        writer.add_tensor("cls.output.weight", noise(1, EMBEDDING))
        writer.add_tensor("cls.output.bias", zeros(1))
    finish(writer)


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    make_chat(f"{out}/tiny-chat.gguf")
    make_bert(f"{out}/tiny-embed.gguf", "tiny-embed", rank=False)
    make_bert(f"{out}/tiny-rerank.gguf", "tiny-rerank", rank=True)


main()
