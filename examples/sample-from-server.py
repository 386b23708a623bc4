#!/usr/bin/env python3
"""A `sample` of one's own: asks an OpenAI-compatible server (vLLM, llama.cpp, ...).

Reads a `queries` table and writes a `responses` table, as TABLES.md says; all
that the stages after it want. Needs pyarrow. Put in the place of `sample`:

    vllm serve runs/smollm2/start/policy &
    make round-1 CONFIG=smollm2 SAMPLER=examples/sample-from-server.py ...

The server is SAMPLER_URL, http://127.0.0.1:8000/v1 unless set. The model is
asked for by --model, as vLLM names it unless told otherwise, or by
SAMPLER_MODEL; a key, where the server wants one, is taken from OPENAI_API_KEY.
--top-k, --repetition-penalty and --prompt-limit are sent under vLLM's names.
What a failed run had is kept in OUT.jsonl; the same command goes on from there.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import sys
import urllib.error
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


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--model", default=os.environ.get("SAMPLER_MODEL", "policy"))
    parser.add_argument("--queries", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=1.2)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--top-k", type=int, default=0)
    parser.add_argument("--repetition-penalty", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--prompt-limit", type=int, help="tokens of a prompt, as vLLM cuts it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=8, help="at once")
    parser.add_argument("--overwrite", action="store_true", help="an output is replaced anyway")
    parser.add_argument("--template", choices=["chat"], help="the server renders its own")
    for own in ["--batch", "--threads", "--device"]:
        parser.add_argument(own, help="of the server, not of this program")
    for own in ["--quiet", "--json"]:
        parser.add_argument(own, action="store_true", help="nothing is printed anyway")
    return parser.parse_args()


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


def ask(args, query):
    """The rows of a query's responses."""
    body = {"model": os.environ.get("SAMPLER_MODEL", args.model), "n": args.samples,
            "messages": messages(query["prompt"]), "temperature": args.temperature,
            "top_p": args.top_p, "max_tokens": args.max_new_tokens, "logprobs": True,
            # Every query draws from a seed of its own, whatever the order.
            "seed": int(hashlib.sha256(f"{args.seed} {query['query_id']}".encode()).hexdigest()[:8], 16)}
    # What OpenAI's interface lacks is sent only where it is asked for.
    if args.top_k > 0:
        body["top_k"] = args.top_k
    if args.repetition_penalty != 1.0:
        body["repetition_penalty"] = args.repetition_penalty
    if args.prompt_limit is not None:
        body["truncate_prompt_tokens"] = args.prompt_limit
    headers = {"Content-Type": "application/json"}
    if os.environ.get("OPENAI_API_KEY"):
        headers["Authorization"] = "Bearer " + os.environ["OPENAI_API_KEY"]
    url = os.environ.get("SAMPLER_URL", "http://127.0.0.1:8000/v1") + "/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            rows = [row(query, *it) for it in enumerate(json.load(reply)["choices"])]
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode(errors="replace")
        raise RuntimeError(f"query {query['query_id']}: {url} answers {error.code}: {said}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"query {query['query_id']}: {url}: {error!r}") from None
    if len(rows) != args.samples:
        raise RuntimeError(f"query {query['query_id']}: {len(rows)} choices for n={args.samples}")
    return rows


def row(query, i, choice):
    text = (choice["message"].get("content") or "").strip()
    finish = "length" if choice.get("finish_reason") == "length" else "stop"
    # The tokens that were drawn, each with its log-prob.
    drawn = (choice.get("logprobs") or {}).get("content") or []
    return {"query_id": query["query_id"], "subset": query["subset"], "prompt": query["prompt"],
            "sample": i, "response": text, "origin": "policy",
            "finish": finish if text else "empty", "tokens": len(drawn) or None,
            "log_prob": sum(token["logprob"] for token in drawn) if drawn else None, "reward": None}


def provenance(args):
    """The footer: what made the table, and of which part its queries are, as theirs says."""
    metadata = pq.read_metadata(args.queries)
    of_queries = json.loads((metadata.metadata or {}).get(b"apo", b"{}"))
    splits = [it.get("split") for it in [of_queries, *of_queries.get("inputs", {}).values()]]
    splits = sorted(filter(None, splits), key=lambda it: it["part"] != "test")
    with open(args.queries, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    queries = {"name": os.path.basename(args.queries), "rows": metadata.num_rows, "digest": digest}
    if splits:
        queries["split"] = splits[0]
    names = ["samples", "temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens",
             "prompt_limit", "seed"]
    return {"stage": "sample-from-server", "version": "1", "inputs": {"queries": queries},
            "arguments": {name: getattr(args, name) for name in names}}


def main():
    args = options()
    try:
        footer = json.dumps(provenance(args), sort_keys=True)
        queries = pq.read_table(args.queries, columns=["query_id", "subset", "prompt"]).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        print(f"{args.queries}: {error}", file=sys.stderr)
        sys.exit(3)
    part, found = args.out + ".jsonl", {}
    if os.path.exists(part):
        lines = open(part).read().split("\n")[:-1]
        if lines and lines[0] == footer:  # the same work, stopped
            found.update((rows[0]["query_id"], rows) for rows in map(json.loads, lines[1:]))
    with open(part, "w", buffering=1) as kept, concurrent.futures.ThreadPoolExecutor(args.requests) as pool:
        kept.write("\n".join([footer, *map(json.dumps, found.values())]) + "\n")
        waiting = {pool.submit(ask, args, it) for it in queries if it["query_id"] not in found}
        failed = None
        for done in concurrent.futures.as_completed(waiting):
            if done.cancelled():
                continue
            if done.exception():
                failed = failed or done.exception()
                for other in waiting:
                    other.cancel()
                continue
            rows = done.result()
            found[rows[0]["query_id"]] = rows
            kept.write(json.dumps(rows) + "\n")
    if failed:
        sys.exit(f"{failed}\n{len(found)} of {len(queries)} queries are kept in {part}; "
                 "the same command goes on from there")
    schema = SCHEMA.with_metadata({"apo": footer})
    rows = [row for query in queries for row in found[query["query_id"]]]
    pq.write_table(pa.Table.from_pylist(rows, schema), args.out + ".new", compression="zstd",
                   write_page_checksum=True)
    os.replace(args.out + ".new", args.out)
    os.remove(part)


if __name__ == "__main__":
    main()
