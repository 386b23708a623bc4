#!/usr/bin/env python3
"""vLLM on the CPU: 8 prompts x 4 samples x 64 new tokens, temperature 1, top_p 0.95. Prints one JSON line; loading
the model and a short request to warm up are outside the time."""

import argparse
import json
import os
import resource
import time

ap = argparse.ArgumentParser(description=__doc__)
ap.add_argument("--model", required=True)
ap.add_argument("--data", required=True, help="lines with a `prompt`")
ap.add_argument("--threads", type=int, required=True)
ap.add_argument("--dtype", choices=["f32", "bf16"], required=True)
a = ap.parse_args()

# One process, so that its memory can be read; a gigabyte of keys and values.
os.environ.update(
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
    VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_CPU_OMP_THREADS_BIND=f"0-{a.threads - 1}",
    VLLM_LOGGING_LEVEL="ERROR",
    OMP_NUM_THREADS=str(a.threads),
)
import vllm
from vllm import LLM, SamplingParams

PROMPTS, SAMPLES, NEW = 8, 4, 64

model = LLM(
    a.model,
    dtype={"f32": "float32", "bf16": "bfloat16"}[a.dtype],
    max_model_len=1024,
    max_num_seqs=PROMPTS * SAMPLES,
)
with open(a.data, encoding="utf-8") as lines:
    texts = [json.loads(line)["prompt"] for line in lines][:PROMPTS]
tokenizer = model.get_tokenizer()
prompts = [{"prompt_token_ids": tokenizer.encode(it, add_special_tokens=False)} for it in texts]


def generate(prompts, new):
    how = SamplingParams(n=SAMPLES, temperature=1.0, top_p=0.95, max_tokens=new, ignore_eos=True, seed=1)
    found = model.generate(prompts, how, use_tqdm=False)
    return sum(len(one.token_ids) for it in found for one in it.outputs)


generate(prompts[:1], 4)
start = time.perf_counter()
tokens = generate(prompts, NEW)
seconds = time.perf_counter() - start
assert tokens == PROMPTS * SAMPLES * NEW
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "tokens": tokens, "peak_rss_mib": peak, "version": f"vLLM {vllm.__version__}"}))
