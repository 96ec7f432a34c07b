#!/usr/bin/env python3
"""How long a cold start takes whose weights were read ahead while it waited for memory, and one without.

    bench/read_ahead.py --manager PATH --fake PATH --llama-server PATH [--python PATH] [--mib N] [--wait SECONDS] [--rounds N]

Two models want the same card. The fake server holds it with an answer that runs for --wait seconds; meanwhile somebody asks
for the real llama-server with a GGUF file of --mib, whose pages are dropped from the page cache before each round. What is
measured is the time from the moment at which the memory is free to the real server's answer. Rounds with and without
`read_ahead` alternate. --python is one that has the package gguf (the engine's own).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from swaps import Target, free_port  # noqa: E402

MAKE = """
import sys
import numpy as np
from gguf import GGUFWriter, TokenType
path, mib = sys.argv[1], int(sys.argv[2])
width, words, layers = 1024, 2048, max(1, mib // 24)
writer = GGUFWriter(path, "llama")
for key, value in (("context_length", 4096), ("embedding_length", width), ("block_count", layers), ("feed_forward_length", 3 * width),
                   ("attention.head_count", 8), ("attention.head_count_kv", 2), ("rope.dimension_count", 128), ("vocab_size", words)):
    writer.add_uint32("llama." + key, value)
writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
random = np.random.default_rng(7)
def tensor(name, *shape):
    writer.add_tensor(name, (random.standard_normal(shape, np.float32) * 0.02).astype(np.float16))
def norm(name):
    writer.add_tensor(name, np.ones(width, np.float32))
tensor("token_embd.weight", words, width)
norm("output_norm.weight")
for layer in range(layers):
    at = f"blk.{layer}."
    norm(at + "attn_norm.weight")
    norm(at + "ffn_norm.weight")
    for name, rows in (("attn_q", width), ("attn_k", 256), ("attn_v", 256), ("attn_output", width), ("ffn_gate", 3 * width), ("ffn_up", 3 * width)):
        tensor(at + name + ".weight", rows, width)
    tensor(at + "ffn_down.weight", width, 3 * width)
tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL] + [TokenType.BYTE] * 256
while len(tokens) < words:
    tokens.append(f"\\u2581w{len(tokens)}")
    types.append(TokenType.NORMAL)
writer.add_tokenizer_model("llama")
writer.add_token_list(tokens)
writer.add_token_types(types)
writer.add_token_scores([-float(at) for at in range(words)])
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""


class Manager(Target):
    def __init__(self, options, folder, gguf, read_ahead):
        self.folder, self.port = folder, free_port()
        card = folder / "card.sh"
        card.write_text('#!/bin/sh\necho \'{"online":true,"memory_total_mb":16000}\'\n')
        card.chmod(0o755)
        config = {
            "program": {"host": "127.0.0.1", "port": self.port, "alive_time": 0, "min_hold": 0},
            "devices": [{"name": "card", "command": [str(card)]}],
            "Local-Models": {
                "holder": {"mode": "Chat", "V": {"required_devices": ["card"], "memory_mb": {"card": 12000},
                           "command": [options.fake, "--port", "{port}", "--name", "holder"]}},
                "real": {"mode": "Chat", "read_ahead": read_ahead, "V": {"required_devices": ["card"], "memory_mb": {"card": 12000},
                         "command": [options.llama_server, "-m", str(gguf), "--host", "127.0.0.1", "--port", "{port}", "-t", "1",
                                     "-c", "1024", "--no-warmup", *options.flag]}},
            },
        }
        (folder / "config.yaml").write_text(json.dumps(config))
        self.serve([options.manager, "--config", "config.yaml"], folder, "/health")


def drop(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def one_round(options, gguf, read_ahead):
    with tempfile.TemporaryDirectory() as folder, Manager(options, Path(folder), gguf, read_ahead) as manager:
        manager.chat("holder")
        drop(gguf)
        count = max(2, int(options.wait * 20))
        body = {"model": "holder", "max_tokens": count, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        freed = []

        def hold():
            import http.client
            connection = http.client.HTTPConnection("127.0.0.1", manager.port, timeout=600)
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json", "x-fake": f"tokens={count},delay_ms=50"})
            connection.getresponse().read()
            freed.append(time.monotonic())

        holder = threading.Thread(target=hold)
        holder.start()
        time.sleep(0.3)
        manager.chat("real")
        answered = time.monotonic()
        holder.join()
        return answered - freed[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--manager", required=True, type=os.path.abspath)
    parser.add_argument("--fake", required=True, type=os.path.abspath)
    parser.add_argument("--llama-server", required=True, type=os.path.abspath)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--mib", type=int, default=1200)
    parser.add_argument("--wait", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the model's file is made; a local disk")
    parser.add_argument("--flag", action="append", default=[], help="a further word for llama-server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        gguf = Path(folder) / "model.gguf"
        subprocess.run([options.python, "-c", MAKE, str(gguf), str(options.mib)], check=True)
        fd = os.open(gguf, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        times = {True: [], False: []}
        for number in range(options.rounds):
            for read_ahead in (True, False) if number % 2 else (False, True):
                times[read_ahead].append(one_round(options, gguf, read_ahead))
                print(f"read_ahead {read_ahead}: {times[read_ahead][-1]:.2f} s", flush=True)
        on, off = statistics.median(times[True]), statistics.median(times[False])
        size = gguf.stat().st_size >> 20
        print(f"{size} MiB, cold: {off:.2f} s without reading ahead, {on:.2f} s with it: {off / on:.1f} times as fast")


if __name__ == "__main__":
    main()
