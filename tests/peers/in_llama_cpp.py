#!/usr/bin/env python3
"""Continues prompts in llama.cpp, with the likeliest token each time, and compares text and log-probs with what
`sample` wrote.

The argument is a JSON file with a list of models: `gguf`, and `rows` with `prompt`, `response`, `tokens` and
`value`, the log-prob. Prints a line for each, and stops at the first that differs."""

import json
import sys
from importlib.metadata import version

from llama_cpp_server import serve

# Sums of at most sixteen log-probs of f32.
TOLERANCE = 1e-4


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
