#!/usr/bin/env python3
"""An example replacement for `sample`: asks an OpenAI-compatible server (vLLM, llama.cpp, ...).

Reads a `queries` table and writes a `responses` table, as TABLES.md describes
them, with every column that later stages need. Needs pyarrow. To use it:

    vllm serve runs/smollm2/start/policy &
    make round-1 CONFIG=smollm2 SAMPLER=examples/sample-from-server.py ...

SAMPLER_URL is the server's address; the default is http://127.0.0.1:8000/v1.
The server knows the model by the name that --model gives, as vLLM does by
default, or by the name in SAMPLER_MODEL. If the server needs a key, set
OPENAI_API_KEY. --top-k, --repetition-penalty and --prompt-limit are sent under
vLLM's names. If a run fails, finished responses stay in OUT.jsonl and the same
command resumes.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
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
    parser.add_argument("--prompt-limit", type=int, help="most tokens of a prompt; vLLM cuts longer ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=8, help="number of requests at once")
    parser.add_argument("--overwrite", action="store_true", help="ignored: an earlier output is always replaced")
    parser.add_argument("--template", choices=["chat"], help="ignored: the server applies its own template")
    for own in ["--batch", "--threads", "--device"]:
        parser.add_argument(own, help="ignored: this is up to the server")
    for own in ["--quiet", "--json"]:
        parser.add_argument(own, action="store_true", help="ignored: nothing is printed")
    return parser.parse_args()


def messages(prompt):
    """The turns of an HH dialogue, after its system message if it has one; the human says what
    else precedes the first marker. A backslash marks markers that a message quotes."""
    first, *rest = re.split(r"\n\n(Human|Assistant):", prompt)
    turns, roles = [], {"Human": "user", "Assistant": "assistant", "System": "system"}
    speaker, system = "Human", re.match(r"\s*System:", first)
    if "Human" in rest[::2] and system:
        speaker, first = "System", first[system.end():]
    for role, text in [(speaker, first), *zip(rest[::2], rest[1::2])]:
        role, text = roles[role], re.sub(r"(\n\n\\*)\\(Human|Assistant):", r"\1\2:", text).strip()
        if turns and text and turns[-1]["role"] == role:  # two turns of one speaker
            turns[-1]["content"] += "\n\n" + text
        elif text:
            turns.append({"role": role, "content": text})
    return turns


def ask(args, query):
    """The rows of a query's responses."""
    body = {"model": os.environ.get("SAMPLER_MODEL", args.model), "n": args.samples,
            "messages": messages(query["prompt"]), "temperature": args.temperature,
            "top_p": args.top_p, "max_tokens": args.max_new_tokens, "logprobs": True,
            # Every query has its own seed, so that the order does not matter.
            "seed": int(hashlib.sha256(f"{args.seed} {query['query_id']}".encode()).hexdigest()[:8], 16)}
    # Parameters that OpenAI's interface lacks are sent only if they are set.
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
    # A response that was cut off may end with half a character.
    text = (choice["message"].get("content") or "").encode(errors="replace").decode().strip()
    finish = choice.get("finish_reason") or "stop"
    if finish not in ("stop", "length"):
        raise ValueError(f"a response ended by `{finish}`, expected stop or length")
    # The tokens that were drawn, each with its log-prob.
    drawn = (choice.get("logprobs") or {}).get("content") or []
    return {"query_id": query["query_id"], "subset": query["subset"], "prompt": query["prompt"],
            "sample": i, "response": text, "origin": "policy",
            "finish": finish if text else "empty", "tokens": len(drawn) or None,
            "log_prob": sum(token["logprob"] for token in drawn) if drawn else None, "reward": None}


def parts(path):
    """The files of a table: the path itself, or a folder's files in the order of their names."""
    if not os.path.isdir(path):
        return [path]
    names = sorted(it for it in os.listdir(path) if it.endswith(".parquet") and it[0] != ".")
    if not names:
        raise ValueError("the folder has no .parquet files")
    return [os.path.join(path, name) for name in names]


def split_of(part):
    """The part of the data that the footer of a file names; of several, the test part."""
    footer = json.loads((pq.read_metadata(part).metadata or {}).get(b"apo", b"{}"))
    splits = [it.get("split") for it in [footer, *footer.get("inputs", {}).values()]]
    return next(iter(sorted(filter(None, splits), key=lambda it: it["part"] != "test")), None)


def provenance(args):
    """The footer: what made the table, and which part of the data the queries belong to."""
    files, digest = parts(args.queries), hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            name = os.path.basename(path).encode() + b"\0" if os.path.isdir(args.queries) else b""
            digest.update(name + file.read() + (b"\0" if name else b""))
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    name = os.path.basename(os.path.normpath(args.queries))
    queries = {"name": name, "rows": rows, "digest": digest.hexdigest()}
    splits = [split_of(path) for path in files]
    tests = [it for it in splits if it and it["part"] == "test"]
    if tests or all(it == splits[0] for it in splits) and splits[0]:
        queries["split"] = (tests or splits)[0]
    names = ["samples", "temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens",
             "prompt_limit", "seed"]
    return {"stage": "sample-from-server", "version": "1", "inputs": {"queries": queries},
            "arguments": {name: getattr(args, name) for name in names}}


def read_queries(path):
    """The rows of a `queries` table; prints which of its columns are not used."""
    wanted, rows = ["query_id", "subset", "prompt"], []
    for part in parts(path):
        found = pq.read_schema(part).names
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ValueError(f"no `queries` table, column `{missing[0]}` is missing")
        others = [name for name in found if name not in wanted]
        if others:
            print(f"{part}: only `query_id`, `subset` and `prompt` are used, "
                  f"not `{'`, `'.join(others)}`", file=sys.stderr)
        rows += pq.ParquetFile(part, page_checksum_verification=True).read(wanted).to_pylist()
    seen = set()
    for i, row in enumerate(rows):
        is_text = all(isinstance(row[name], str) for name in wanted)
        if not is_text or not row["query_id"] or row["query_id"] in seen or not messages(row["prompt"]):
            raise ValueError(f"row {i} (from 0): expected a query whose id no other row has")
        seen.add(row["query_id"])
    return rows


def kept(path, footer):
    """What an earlier run of the same work found, by query, without lines that a crash cut."""
    found = {}
    if not os.path.exists(path):
        return found
    with open(path) as file:
        lines = file.read().split("\n")[:-1]
    if lines and lines[0] == footer:
        for line in lines[1:]:
            try:
                rows = json.loads(line)
                found[rows[0]["query_id"]] = rows
            except (ValueError, LookupError, TypeError):
                continue
    return found


def main():
    args = options()
    try:
        footer = json.dumps(provenance(args), sort_keys=True)
        queries = read_queries(args.queries)
    except (OSError, ValueError, pa.ArrowException) as error:
        print(f"{args.queries}: {error}", file=sys.stderr)
        sys.exit(3)
    part = args.out + ".jsonl"
    found = kept(part, footer)
    with open(part, "w", buffering=1) as journal, concurrent.futures.ThreadPoolExecutor(args.requests) as pool:
        journal.write("\n".join([footer, *map(json.dumps, found.values())]) + "\n")
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
            journal.write(json.dumps(rows) + "\n")
    if failed:
        sys.exit(f"{failed}\n{len(found)} of {len(queries)} queries are kept in {part}; "
                 "the same command resumes")
    schema = SCHEMA.with_metadata({"apo": footer})
    rows = [row for query in queries for row in found[query["query_id"]]]
    pq.write_table(pa.Table.from_pylist(rows, schema), args.out + ".new", compression="zstd",
                   write_page_checksum=True)
    os.replace(args.out + ".new", args.out)
    os.remove(part)


if __name__ == "__main__":
    main()
