#!/usr/bin/env python3
"""A `sample` of one's own: asks an OpenAI-compatible server (vLLM, llama.cpp, ...).

Reads a `queries` table and writes a `responses` table, as TABLES.md says; all
that the stages after it want. Needs pyarrow. Put in the place of `sample`:

    vllm serve runs/smollm2/start/policy --served-model-name policy &
    make round-1 CONFIG=smollm2 SAMPLER=examples/sample-from-server.py ...

The server is SAMPLER_URL, http://127.0.0.1:8000/v1 unless set. Options of
`sample` that a server does not have are taken and left alone.
"""
import argparse
import json
import os
import urllib.request

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([
    pa.field(name, kind, nullable)
    for name, kind, nullable in [
        ("query_id", pa.string(), False), ("subset", pa.string(), False),
        ("prompt", pa.string(), False), ("sample", pa.int32(), False),
        ("response", pa.string(), False), ("origin", pa.string(), False),
        ("finish", pa.string(), False), ("tokens", pa.int32(), True),
        ("log_prob", pa.float32(), True), ("reward", pa.float32(), True),
    ]
])


def messages(prompt):
    """The turns of an HH dialogue, without its last, open one."""
    turns, roles = [], {"Human": "user", "Assistant": "assistant"}
    for turn in prompt.split("\n\n"):
        role, colon, text = turn.partition(":")
        if colon and role in roles:
            turns.append({"role": roles[role], "content": text.strip()})
        elif turns:  # a paragraph of the turn before
            turns[-1]["content"] += "\n\n" + turn
    return turns[:-1] if turns and not turns[-1]["content"] else turns


def ask(args, prompt):
    body = {"model": "policy", "messages": messages(prompt), "n": args.samples, "seed": args.seed,
            "temperature": args.temperature, "top_p": args.top_p, "max_tokens": args.max_new_tokens}
    url = os.environ.get("SAMPLER_URL", "http://127.0.0.1:8000/v1") + "/chat/completions"
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as reply:
        return json.load(reply)["choices"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--queries", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=1.2)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    args, _ = parser.parse_known_args()

    partial = args.out + ".new"
    with pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        for batch in pq.ParquetFile(args.queries).iter_batches(256):
            rows = []
            for query in batch.to_pylist():
                for i, choice in enumerate(ask(args, query["prompt"])):
                    text = (choice["message"]["content"] or "").strip()
                    finish = "length" if choice["finish_reason"] == "length" else "stop"
                    rows.append({
                        "query_id": query["query_id"], "subset": query["subset"],
                        "prompt": query["prompt"], "sample": i, "response": text,
                        "origin": "policy", "finish": finish if text else "empty",
                        "tokens": None, "log_prob": None, "reward": None})
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    os.replace(partial, args.out)


if __name__ == "__main__":
    main()
