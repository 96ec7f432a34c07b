#!/usr/bin/env python3
"""make_architectures.py DIR: a small GGUF model of each architecture whose memory is reckoned in a way of its own.

The weights are zeros: these models only serve to compare what llama-server says of its buffers with an estimate.
"""
import os
import sys

import numpy as np
from gguf import GGUFWriter, TokenType

EMBEDDING, FEED_FORWARD, HEADS, WORDS = 512, 1536, 8, 2048


class Maker:
    def __init__(self, folder, architecture, layers, context=32768, norm="output_norm"):
        self.architecture = architecture
        self.layers = layers
        self.writer = GGUFWriter(os.path.join(folder, f"{architecture}.gguf"), architecture)
        self.writer.add_name(architecture)
        self.writer.add_context_length(context)
        self.writer.add_embedding_length(EMBEDDING)
        self.writer.add_block_count(layers)
        self.writer.add_vocab_size(WORDS)
        self.writer.add_file_type(1)
        self.tensor("token_embd.weight", EMBEDDING, WORDS)
        self.norm(f"{norm}.weight")

    def key(self, name, value):
        name = f"{self.architecture}.{name}"
        if isinstance(value, list):
            self.writer.add_array(name, value)
        elif isinstance(value, float):
            self.writer.add_float32(name, value)
        elif isinstance(value, bool):
            self.writer.add_bool(name, value)
        else:
            self.writer.add_uint32(name, value)

    def keys(self, **values):
        for name, value in values.items():
            self.key(name.replace("__", "."), value)

    def tensor(self, name, *shape, kind=np.float16):
        """`shape` as llama.cpp names it: the innermost dimension first."""
        self.writer.add_tensor(name, np.zeros(tuple(reversed(shape)), kind))

    def norm(self, name, *shape):
        self.tensor(name, *(shape or (EMBEDDING,)), kind=np.float32)

    def attention(self, kv_heads, size, value=None, heads=HEADS, rope=None):
        self.keys(attention__head_count=heads, attention__layer_norm_rms_epsilon=1e-5)
        self.keys(attention__head_count_kv=kv_heads)
        self.keys(attention__key_length=size, attention__value_length=value or size)
        self.keys(rope__dimension_count=rope or size, rope__freq_base=10000.0)

    def attend(self, layer, kv_heads, size, bias=False, qk_norm=False, heads=HEADS):
        block = f"blk.{layer}."
        self.norm(block + "attn_norm.weight")
        for name, wide in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
            self.tensor(f"{block}attn_{name}.weight", EMBEDDING, wide * size)
            if bias:
                self.norm(f"{block}attn_{name}.bias", wide * size)
        self.tensor(block + "attn_output.weight", heads * size, EMBEDDING)
        if qk_norm:
            self.norm(block + "attn_q_norm.weight", size)
            self.norm(block + "attn_k_norm.weight", size)

    def feed(self, layer, size=FEED_FORWARD, norm="ffn_norm"):
        block = f"blk.{layer}."
        if norm:
            self.norm(f"{block}{norm}.weight")
        self.tensor(block + "ffn_gate.weight", EMBEDDING, size)
        self.tensor(block + "ffn_up.weight", EMBEDDING, size)
        self.tensor(block + "ffn_down.weight", size, EMBEDDING)

    def experts(self, layer, count, size, norm="ffn_norm", bias=False):
        block = f"blk.{layer}."
        if norm:
            self.norm(f"{block}{norm}.weight")
        self.norm(block + "ffn_gate_inp.weight", EMBEDDING, count)
        self.tensor(block + "ffn_gate_exps.weight", EMBEDDING, size, count)
        self.tensor(block + "ffn_up_exps.weight", EMBEDDING, size, count)
        self.tensor(block + "ffn_down_exps.weight", size, EMBEDDING, count)
        if bias:
            self.norm(block + "ffn_gate_inp.bias", count)
            for name, wide in (("gate", size), ("up", size), ("down", EMBEDDING)):
                self.norm(f"{block}ffn_{name}_exps.bias", wide, count)

    def finish(self):
        tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
        types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL] + [TokenType.BYTE] * 256
        while len(tokens) < WORDS:
            tokens.append(f"\u2581w{len(tokens)}")
            types.append(TokenType.NORMAL)
        self.writer.add_tokenizer_model("llama")
        self.writer.add_tokenizer_pre("default")
        self.writer.add_token_list(tokens)
        self.writer.add_token_types(types)
        self.writer.add_token_scores([-float(at) for at in range(WORDS)])
        self.writer.add_bos_token_id(1)
        self.writer.add_eos_token_id(2)
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


def dense(folder, architecture, kv_heads, size, bias=False, qk_norm=False):
    """Grouped heads."""
    model = Maker(folder, architecture, 12)
    model.keys(feed_forward_length=FEED_FORWARD)
    model.attention(kv_heads, size)
    for layer in range(model.layers):
        model.attend(layer, kv_heads, size, bias=bias, qk_norm=qk_norm)
        model.feed(layer)
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


def qwen3moe(folder):
    model = Maker(folder, "qwen3moe", 8)
    model.keys(feed_forward_length=FEED_FORWARD, expert_feed_forward_length=256)
    model.keys(expert_count=16, expert_used_count=4)
    model.attention(2, 64)
    for layer in range(model.layers):
        model.attend(layer, 2, 64, qk_norm=True)
        model.experts(layer, 16, 256)
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


def gemma(folder, architecture, layers, window):
    """Sliding windows in most layers; the input's matrix is the output's, too."""
    model = Maker(folder, architecture, layers)
    model.keys(feed_forward_length=FEED_FORWARD, attention__sliding_window=window)
    if architecture == "gemma2":
        model.keys(attn_logit_softcapping=50.0, final_logit_softcapping=30.0)
    model.attention(4, 64)
    for layer in range(layers):
        model.attend(layer, 4, 64, qk_norm=architecture == "gemma3")
        model.norm(f"blk.{layer}.post_attention_norm.weight")
        model.feed(layer)
        model.norm(f"blk.{layer}.post_ffw_norm.weight")
    model.finish()


def cohere2(folder):
    model = Maker(folder, "cohere2", 8)
    model.keys(feed_forward_length=FEED_FORWARD, attention__sliding_window=1024, logit_scale=0.25)
    model.attention(4, 64)
    model.keys(attention__layer_norm_epsilon=1e-5)
    for layer in range(model.layers):
        model.attend(layer, 4, 64)
        model.feed(layer, norm=None)
    model.finish()


def gpt_oss(folder):
    """Windows in every second layer, experts with biases."""
    model = Maker(folder, "gpt-oss", 8)
    model.keys(feed_forward_length=256, expert_feed_forward_length=256, expert_count=8, expert_used_count=4)
    model.keys(attention__sliding_window=128)
    model.attention(2, 64)
    for layer in range(model.layers):
        block = f"blk.{layer}."
        model.attend(layer, 2, 64, bias=True)
        model.norm(block + "attn_output.bias")
        model.norm(block + "attn_sinks.weight", HEADS)
        model.experts(layer, 8, 256, norm="post_attention_norm", bias=True)
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


def deepseek2(folder):
    """MLA: one compressed row stands for the keys and values of all heads."""
    model = Maker(folder, "deepseek2", 8)
    lora, rope, plain, value, query = 256, 64, 64, 64, 192
    model.keys(feed_forward_length=FEED_FORWARD, expert_feed_forward_length=256)
    model.keys(expert_count=8, expert_used_count=2, expert_shared_count=1, expert_weights_scale=1.0)
    model.keys(leading_dense_block_count=1, expert_gating_func=2)
    model.attention(1, lora + rope, value=lora, rope=rope)
    model.keys(attention__kv_lora_rank=lora, attention__q_lora_rank=query)
    model.keys(attention__key_length_mla=plain + rope, attention__value_length_mla=value)
    for layer in range(model.layers):
        block = f"blk.{layer}."
        model.norm(block + "attn_norm.weight")
        model.tensor(block + "attn_q_a.weight", EMBEDDING, query)
        model.norm(block + "attn_q_a_norm.weight", query)
        model.tensor(block + "attn_q_b.weight", query, HEADS * (plain + rope))
        model.tensor(block + "attn_kv_a_mqa.weight", EMBEDDING, lora + rope)
        model.norm(block + "attn_kv_a_norm.weight", lora)
        model.tensor(block + "attn_k_b.weight", plain, lora, HEADS)
        model.tensor(block + "attn_v_b.weight", lora, value, HEADS)
        model.tensor(block + "attn_output.weight", HEADS * value, EMBEDDING)
        if layer == 0:
            model.feed(layer)
            continue
        model.experts(layer, 8, 256)
        shared_expert(model, layer, 256)
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


INNER, STATE, CONV, RANK = 1024, 64, 4, 32


def recur(model, layer, norms=False):
    block = f"blk.{layer}."
    model.norm(block + "attn_norm.weight")
    model.tensor(block + "ssm_in.weight", EMBEDDING, 2 * INNER)
    model.norm(block + "ssm_conv1d.weight", CONV, INNER)
    model.norm(block + "ssm_conv1d.bias", INNER)
    model.tensor(block + "ssm_x.weight", INNER, RANK + 2 * STATE)
    if norms:
        model.norm(block + "ssm_dt_norm.weight", RANK)
        model.norm(block + "ssm_b_norm.weight", STATE)
        model.norm(block + "ssm_c_norm.weight", STATE)
    model.tensor(block + "ssm_dt.weight", RANK, INNER)
    model.norm(block + "ssm_dt.bias", INNER)
    model.norm(block + "ssm_a", STATE, INNER)
    model.norm(block + "ssm_d", INNER)
    model.tensor(block + "ssm_out.weight", INNER, EMBEDDING)


def recurrent_keys(model):
    model.keys(ssm__conv_kernel=CONV, ssm__inner_size=INNER, ssm__state_size=STATE, ssm__time_step_rank=RANK)


def second_mamba(model, layer, heads, groups):
    """Mamba's second form, without its norm before it."""
    block = f"blk.{layer}."
    mixed = INNER + 2 * groups * STATE
    model.tensor(block + "ssm_in.weight", EMBEDDING, INNER + mixed + heads)
    model.norm(block + "ssm_conv1d.weight", CONV, mixed)
    model.norm(block + "ssm_conv1d.bias", mixed)
    model.norm(block + "ssm_dt.bias", heads)
    model.norm(block + "ssm_a", 1, heads)
    model.norm(block + "ssm_d", 1, heads)
    model.norm(block + "ssm_norm.weight", INNER // groups, groups)
    model.tensor(block + "ssm_out.weight", INNER, EMBEDDING)


def second_mamba_keys(model, heads, groups):
    model.keys(ssm__conv_kernel=CONV, ssm__inner_size=INNER, ssm__state_size=STATE)
    model.keys(ssm__time_step_rank=heads, ssm__group_count=groups)


def mamba2(folder):
    """No cache of keys and values: a state per slot."""
    model = Maker(folder, "mamba2", 12)
    model.keys(feed_forward_length=0, attention__head_count=0, attention__layer_norm_rms_epsilon=1e-5)
    second_mamba_keys(model, 16, 2)
    for layer in range(model.layers):
        model.norm(f"blk.{layer}.attn_norm.weight")
        second_mamba(model, layer, 16, 2)
    model.finish()


def granitehybrid(folder):
    """The same beside attention."""
    model = Maker(folder, "granitehybrid", 8)
    kv_heads = [2 if layer % 4 == 2 else 0 for layer in range(model.layers)]
    model.keys(feed_forward_length=FEED_FORWARD, attention__scale=0.1)
    model.keys(logit_scale=1.0, residual_scale=1.0, embedding_scale=1.0)
    model.attention(kv_heads, 64)
    second_mamba_keys(model, 16, 1)
    for layer in range(model.layers):
        if kv_heads[layer]:
            model.attend(layer, kv_heads[layer], 64)
        else:
            model.norm(f"blk.{layer}.attn_norm.weight")
            second_mamba(model, layer, 16, 1)
        model.feed(layer)
    model.finish()


def shared_expert(model, layer, size):
    block = f"blk.{layer}."
    model.tensor(block + "ffn_gate_shexp.weight", EMBEDDING, size)
    model.tensor(block + "ffn_up_shexp.weight", EMBEDDING, size)
    model.tensor(block + "ffn_down_shexp.weight", size, EMBEDDING)


def glm4moe(folder):
    """Its last layer predicts the token after the next, and has a cache, too."""
    model = Maker(folder, "glm4moe", 8)
    model.keys(feed_forward_length=FEED_FORWARD, expert_feed_forward_length=256)
    model.keys(expert_count=8, expert_used_count=2, expert_shared_count=1, expert_weights_scale=1.0)
    model.keys(leading_dense_block_count=1, expert_gating_func=2, nextn_predict_layers=1)
    model.attention(2, 64)
    for layer in range(model.layers):
        block = f"blk.{layer}."
        model.attend(layer, 2, 64, bias=True)
        model.norm(block + "post_attention_norm.weight")
        if layer == 0:
            model.feed(layer, norm=None)
            continue
        model.experts(layer, 8, 256, norm=None)
        model.norm(block + "exp_probs_b.bias", 8)
        shared_expert(model, layer, 256)
    block = f"blk.{model.layers - 1}.nextn."
    model.tensor(block + "eh_proj.weight", 2 * EMBEDDING, EMBEDDING)
    model.tensor(block + "embed_tokens.weight", EMBEDDING, WORDS)
    model.tensor(block + "shared_head_head.weight", EMBEDDING, WORDS)
    for name in ("enorm", "hnorm", "shared_head_norm"):
        model.norm(f"{block}{name}.weight")
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


def qwen3next(folder):
    """Three of four layers are recurrent, which no key of the header says."""
    model = Maker(folder, "qwen3next", 8)
    heads, groups = 16, 8
    keys, values = STATE * groups, STATE * heads
    model.keys(feed_forward_length=FEED_FORWARD, expert_feed_forward_length=256, expert_count=8)
    model.keys(expert_used_count=2, expert_shared_feed_forward_length=256)
    model.attention(2, 64, rope=32)
    model.keys(ssm__conv_kernel=CONV, ssm__inner_size=values, ssm__state_size=STATE)
    model.keys(ssm__time_step_rank=heads, ssm__group_count=groups)
    for layer in range(model.layers):
        block = f"blk.{layer}."
        model.norm(block + "attn_norm.weight")
        model.norm(block + "post_attention_norm.weight")
        if layer % 4 == 3:
            model.tensor(block + "attn_q.weight", EMBEDDING, 2 * HEADS * 64)
            model.tensor(block + "attn_k.weight", EMBEDDING, 128)
            model.tensor(block + "attn_v.weight", EMBEDDING, 128)
            model.tensor(block + "attn_output.weight", HEADS * 64, EMBEDDING)
            model.norm(block + "attn_q_norm.weight", 64)
            model.norm(block + "attn_k_norm.weight", 64)
        else:
            model.tensor(block + "attn_qkv.weight", EMBEDDING, 2 * keys + values)
            model.tensor(block + "attn_gate.weight", EMBEDDING, values)
            model.norm(block + "ssm_conv1d.weight", CONV, 2 * keys + values)
            model.norm(block + "ssm_dt.bias", heads)
            model.norm(block + "ssm_a", heads)
            model.tensor(block + "ssm_ba.weight", EMBEDDING, 2 * heads)
            model.norm(block + "ssm_norm.weight", STATE)
            model.tensor(block + "ssm_out.weight", values, EMBEDDING)
        model.experts(layer, 8, 256, norm=None)
        model.norm(block + "ffn_gate_inp_shexp.weight")
        shared_expert(model, layer, 256)
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


def jamba(folder):
    """Attention in every fourth layer, a state in the others."""
    model = Maker(folder, "jamba", 8)
    kv_heads = [2 if layer % 4 == 2 else 0 for layer in range(model.layers)]
    model.keys(feed_forward_length=FEED_FORWARD)
    model.attention(kv_heads, 64)
    recurrent_keys(model)
    for layer in range(model.layers):
        if kv_heads[layer]:
            model.attend(layer, kv_heads[layer], 64)
        else:
            recur(model, layer, norms=True)
        model.feed(layer)
    model.tensor("output.weight", EMBEDDING, WORDS)
    model.finish()


def lfm2(folder):
    """Short convolutions beside attention."""
    model = Maker(folder, "lfm2", 8, norm="token_embd_norm")
    kv_heads = [2 if layer % 3 == 2 else 0 for layer in range(model.layers)]
    model.keys(feed_forward_length=FEED_FORWARD, shortconv__l_cache=3)
    model.attention(kv_heads, 64)
    for layer in range(model.layers):
        if kv_heads[layer]:
            model.attend(layer, kv_heads[layer], 64, qk_norm=True)
        else:
            block = f"blk.{layer}."
            model.norm(block + "attn_norm.weight")
            model.norm(block + "shortconv.conv.weight", 3, EMBEDDING)
            model.tensor(block + "shortconv.in_proj.weight", EMBEDDING, 3 * EMBEDDING)
            model.tensor(block + "shortconv.out_proj.weight", EMBEDDING, EMBEDDING)
        model.feed(layer)
    model.finish()


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    dense(folder, "llama", 2, 64)
    dense(folder, "qwen2", 2, 64, bias=True)
    dense(folder, "qwen3", 4, 128, qk_norm=True)
    qwen3moe(folder)
    gemma(folder, "gemma2", 8, 4096)
    gemma(folder, "gemma3", 12, 512)
    cohere2(folder)
    gpt_oss(folder)
    deepseek2(folder)
    mamba2(folder)
    jamba(folder)
    lfm2(folder)
    granitehybrid(folder)
    glm4moe(folder)
    qwen3next(folder)


main()
