"""A tiny model in Hugging Face's form, with random weights, made with what each Python engine brings: numpy, safetensors, tokenizers.

    python tiny_hf.py FOLDER
"""
import json, pathlib, sys

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

HIDDEN, HEADS, LAYERS, INNER, CONTEXT = 256, 4, 2, 256, 2048
SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def tokenizer(folder):
    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    made.save(str(folder / "tokenizer.json"))
    said = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "<|im_end|>", "pad_token": "<pad>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return len(vocabulary)


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(folder)
    random = numpy.random.default_rng(7)
    weights = lambda *shape: (random.standard_normal(shape) * 0.1).astype(numpy.float32)
    ones = lambda: numpy.ones(HIDDEN, numpy.float32)
    tensors = {"model.embed_tokens.weight": weights(words, HIDDEN), "model.norm.weight": ones(), "lm_head.weight": weights(words, HIDDEN)}
    tensors["lm_head.weight"][:5] = 0  # an end is never the likeliest
    for layer in range(LAYERS):
        part = f"model.layers.{layer}."
        tensors |= {part + f"self_attn.{name}_proj.weight": weights(HIDDEN, HIDDEN) for name in "qkvo"}
        tensors |= {part + "mlp.gate_proj.weight": weights(INNER, HIDDEN), part + "mlp.up_proj.weight": weights(INNER, HIDDEN)}
        tensors |= {part + "mlp.down_proj.weight": weights(HIDDEN, INNER)}
        tensors |= {part + "input_layernorm.weight": ones(), part + "post_attention_layernorm.weight": ones()}
    save_file(tensors, str(folder / "model.safetensors"), {"format": "pt"})
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": words, "hidden_size": HIDDEN,
              "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
              "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
              "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 4, "pad_token_id": 0, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 4, "pad_token_id": 0}))


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
