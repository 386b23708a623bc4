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

import gguf
import numpy as np
import xllamacpp
from tokenizers import Tokenizer

ap = argparse.ArgumentParser(description=__doc__)
ap.add_argument("--model", required=True)
ap.add_argument("--data", required=True, help="lines with a `prompt`")
ap.add_argument("--threads", type=int, required=True)
ap.add_argument("--dtype", choices=["f32", "bf16", "q8_0"], required=True)
a = ap.parse_args()

PROMPTS, SAMPLES, NEW = 8, 4, 64
TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
}


def weights(path):
    """Yields the tensors of a safetensors file as (name, f32 array)."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        for name, it in header.items():
            if name == "__metadata__":
                continue
            begin, end = it["data_offsets"]
            file.seek(start + begin)
            bits = file.read(end - begin)
            if it["dtype"] == "BF16":
                values = (np.frombuffer(bits, "<u2").astype("<u4") << 16).view("<f4")
            else:
                values = np.frombuffer(bits, {"F32": "<f4", "F16": "<f2"}[it["dtype"]]).astype("<f4")
            yield name, values.reshape(it["shape"])


def interleaved(weight, heads):
    """Returns a query or key projection whose rows have llama.cpp's order: pairs that are rotated lie side by side."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def convert(folder, to):
    """Writes a LLaMA with a byte-level BPE as GGUF."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    writer = gguf.GGUFWriter(to, "llama")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    ids = dict(tokenizer["model"]["vocab"])
    special = {it["content"]: it["id"] for it in tokenizer["added_tokens"]}
    ids.update(special)
    tokens = [f"[unused {i}]" for i in range(config["vocab_size"])]
    types = [gguf.TokenType.UNUSED] * len(tokens)
    for text, i in ids.items():
        tokens[i] = text
        types[i] = gguf.TokenType.CONTROL if text in special else gguf.TokenType.NORMAL
    merges = [it if isinstance(it, str) else " ".join(it) for it in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    eos = config["eos_token_id"]
    writer.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, values in weights(os.path.join(folder, "model.safetensors")):
        if name.endswith("q_proj.weight"):
            values = interleaved(values, heads)
        if name.endswith("k_proj.weight"):
            values = interleaved(values, kv_heads)
        kind = TYPES[a.dtype] if values.ndim == 2 else TYPES["f32"]
        packed = gguf.quants.quantize(np.ascontiguousarray(values), kind)
        writer.add_tensor(names.get_name(name, (".weight",)), packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


with open(a.data, encoding="utf-8") as lines:
    texts = [json.loads(line)["prompt"] for line in lines][:PROMPTS]
tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
prompts = [tokenizer.encode(it, add_special_tokens=False).ids for it in texts]

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.gguf")
    convert(a.model, path)
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
