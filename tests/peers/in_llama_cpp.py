#!/usr/bin/env python3
"""Continues prompts in llama.cpp, with the likeliest token each time, and compares text and log-probs with what
`sample` wrote.

The argument is a JSON file with a list of models: `gguf`, and `rows` with `prompt`, `response`, `tokens` and
`value`, the log-prob. Prints a line for each, and stops at the first that differs."""

import json
import sys
from importlib.metadata import version

import xllamacpp

# Sums of at most sixteen log-probs of f32.
TOLERANCE = 1e-4


def serve(path):
    """A server on 127.0.0.1, with keys and values in f32."""
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.n_parallel = 1
    params.n_ctx = 1024
    # More would wait for each other where other work shares the processor.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


def compare(case):
    server = serve(case["gguf"])
    worst = 0
    for row in case["rows"]:
        asked = {"prompt": row["prompt"], "n_predict": row["tokens"], "temperature": 0, "n_probs": 1}
        (choice,) = server.handle_completions({**asked, "cache_prompt": False})["choices"]
        assert choice["text"].strip() == row["response"], f"{case['gguf']}: {choice['text']!r} of {row}"
        found = [it["logprob"] for it in choice["logprobs"]["content"]]
        assert len(found) == row["tokens"], f"{case['gguf']}: {len(found)} tokens of {row}"
        worst = max(worst, abs(sum(found) - row["value"]))
        assert worst < TOLERANCE, f"{case['gguf']}: {sum(found)} of {row}"
    print(f"{case['gguf']}: {len(case['rows'])} continuations, log-probs to {worst:.1e}")


with open(sys.argv[1], encoding="utf-8") as file:
    cases = json.load(file)
print(f"xllamacpp {version('xllamacpp')}")
for case in cases:
    compare(case)
