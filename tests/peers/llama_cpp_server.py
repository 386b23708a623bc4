#!/usr/bin/env python3
"""llama.cpp's server on 127.0.0.1: `llama_cpp_server.py GGUF NAME` serves a model under a name, prints the address,
and ends when its input does."""

import os
import sys

import xllamacpp


def serve(path, name="", slots=1):
    """Starts a server with keys and values in f32 that computes this many requests at once."""
    params = xllamacpp.CommonParams()
    params.model.path = path
    if name:
        params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = slots
    params.n_ctx = 1024 * slots
    # More would wait for each other where other work shares the processor.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    server = serve(sys.argv[1], sys.argv[2], slots=4)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # the server's threads would keep the process
