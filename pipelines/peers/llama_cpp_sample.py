#!/usr/bin/env python3
"""llama.cpp on the CPU: 8 prompts x 4 samples x 64 new tokens, temperature 1, top_p 0.95, by its server with a slot for
each sample. Prints one JSON line; converting and loading the model and a short request to warm up are outside the
time."""

import argparse
import json
import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import xllamacpp
from to_gguf import TYPES, convert
from tokenizers import Tokenizer

ap = argparse.ArgumentParser(description=__doc__)
ap.add_argument("--model", required=True)
ap.add_argument("--data", required=True, help="lines with a `prompt`")
ap.add_argument("--threads", type=int, required=True)
ap.add_argument("--dtype", choices=list(TYPES), required=True)
a = ap.parse_args()

PROMPTS, SAMPLES, NEW = 8, 4, 64

with open(a.data, encoding="utf-8") as lines:
    texts = [json.loads(line)["prompt"] for line in lines][:PROMPTS]
tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
prompts = [tokenizer.encode(it, add_special_tokens=False).ids for it in texts]

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.gguf")
    convert(a.model, path, a.dtype)
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_parallel = PROMPTS * SAMPLES
    params.n_ctx = params.n_parallel * (max(map(len, prompts)) + NEW + 8)
    params.cpuparams.n_threads = a.threads
    params.cpuparams_batch.n_threads = a.threads
    params.warmup = False
    params.verbosity = 0
    server = xllamacpp.Server(params)

    def sample(prompt, new, seed):
        asked = {
            "prompt": prompt,
            "n_predict": new,
            "temperature": 1.0,
            "top_p": 0.95,
            "top_k": 0,
            "min_p": 0.0,
            "ignore_eos": True,
            "seed": seed,
        }
        return server.handle_completions(asked)

    def generate(prompts, new):
        asked = [(prompt, new, seed) for prompt in prompts for seed in range(SAMPLES)]
        with ThreadPoolExecutor(len(asked)) as pool:
            found = list(pool.map(lambda it: sample(*it), asked))
        return found

    generate(prompts[:1], 4)
    start = time.perf_counter()
    found = generate(prompts, NEW)
    seconds = time.perf_counter() - start

tokens = sum(it["usage"]["completion_tokens"] for it in found)
assert tokens == PROMPTS * SAMPLES * NEW, tokens
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
name = f"llama.cpp (xllamacpp {version('xllamacpp')})"
print(json.dumps({"seconds": seconds, "tokens": tokens, "peak_rss_mib": peak, "version": name}))
