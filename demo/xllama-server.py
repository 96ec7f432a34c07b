#!/usr/bin/env python3
"""llama-server's command line on top of the xllamacpp wheel, which holds the same C++ server.

Knows the flags that the demo and the tests use; others are named on stderr and ignored.
"""
import argparse
import os
import signal
import sys

import xllamacpp


def parse():
    flags = argparse.ArgumentParser(allow_abbrev=False)
    flags.add_argument("-m", "--model", required=True)
    flags.add_argument("-a", "--alias")
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, default=8080)
    flags.add_argument("-c", "--ctx-size", type=int, default=4096)
    flags.add_argument("-t", "--threads", type=int, default=2)
    flags.add_argument("-np", "--parallel", type=int)
    flags.add_argument("--embedding", "--embeddings", action="store_true", dest="embeddings")
    flags.add_argument("--rerank", "--reranking", action="store_true", dest="reranking")
    options, unknown = flags.parse_known_args()
    if unknown:
        print("ignored:", *unknown, file=sys.stderr)
    return options


def parameters(options):
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.hostnames = [options.host] if isinstance(params.hostnames, list) else options.host
    params.port = options.port
    params.n_ctx = options.ctx_size
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.n_parallel = options.parallel or 4
    # The real server's default: each of its slots may use the whole context.
    params.kv_unified = options.parallel is None
    params.endpoint_slots = True
    params.ui = False
    if options.alias:
        params.model_alias = {options.alias}
    if options.embeddings or options.reranking:
        params.embedding = True
    if options.reranking:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    return params


def main():
    if "--version" in sys.argv:
        print("version: xllamacpp", xllamacpp.__version__)
        return
    options = parse()
    if not os.path.exists(options.model):
        sys.exit(f"error: no model file {options.model}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    server = xllamacpp.Server(parameters(options))
    print("listening on", server.listening_address, flush=True)
    while True:
        signal.pause()


main()
