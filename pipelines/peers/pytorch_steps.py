#!/usr/bin/env python3
"""The benchmark's work in PyTorch and transformers, as a careful user writes it. Prints one JSON line; loading the
model and a first step or batch to warm up are outside the time.

score   rewards of all dialogues: sorted by length, 8 in a padded batch, inference mode
rm      reward-model steps on 4 pairs (eq. 1): chosen and rejected in one padded batch, AdamW
dpo     DPO steps on 4 pairs: the same batch, the reference's log-probs in the step or kept from before, AdamW
sample  `generate`: 8 prompts x 4 samples x 64 new tokens in one padded batch, temperature 1, top_p 0.95"""

import argparse
import contextlib
import json
import os
import resource
import time

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("task", choices=["score", "rm", "dpo", "sample"])
ap.add_argument("--model", required=True)
ap.add_argument("--data", required=True, help="lines with `prompt`, `chosen` and `rejected`")
ap.add_argument("--threads", type=int, required=True)
ap.add_argument("--dtype", choices=["f32", "bf16", "autocast"], required=True, help="autocast: f32 weights, bf16 products")
ap.add_argument("--steps", type=int, default=3)
ap.add_argument("--keep-reference", action="store_true", help="compute the reference's log-probs beforehand")
a = ap.parse_args()
os.environ["OMP_NUM_THREADS"] = str(a.threads)

import torch
import transformers
from torch.nn import functional
from transformers import AutoTokenizer, LlamaForCausalLM, LlamaForSequenceClassification

PAIRS_PER_STEP, SCORED_AT_ONCE, BETA = 4, 8, 0.1
PROMPTS, SAMPLES, NEW = 8, 4, 64

torch.set_num_threads(a.threads)
torch.manual_seed(0)
transformers.logging.set_verbosity_error()
tokenizer = AutoTokenizer.from_pretrained(a.model)
PAD = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
with open(a.data, encoding="utf-8") as lines:
    pairs = [json.loads(line) for line in lines]


def encode(text):
    return tokenizer(text, add_special_tokens=False).input_ids


def load(kind, **options):
    dtype = torch.bfloat16 if a.dtype == "bf16" else torch.float32
    model = kind.from_pretrained(a.model, dtype=dtype, attn_implementation="sdpa", **options)
    model.config.pad_token_id = PAD
    return model


def products():
    return torch.autocast("cpu", dtype=torch.bfloat16) if a.dtype == "autocast" else contextlib.nullcontext()


def padded(rows, left=False):
    """Tokens and their mask, `[rows, longest]`."""
    longest = max(map(len, rows))
    tokens = torch.full((len(rows), longest), PAD)
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(rows):
        at = slice(longest - len(row), longest) if left else slice(len(row))
        tokens[i, at], mask[i, at] = torch.tensor(row), 1
    return tokens, mask


def pairs_of(step):
    return [pairs[(step * PAIRS_PER_STEP + i) % len(pairs)] for i in range(PAIRS_PER_STEP)]


def train(model, loss_of, learning_rate):
    """Takes a step to warm up, then the timed ones; returns their seconds and losses."""
    model.train()
    model.config.use_cache = False
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)
    losses = []
    for step in range(a.steps + 1):
        if step == 1:
            start = time.perf_counter()
        with products():
            loss = loss_of(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return time.perf_counter() - start, losses[1:]


def score():
    model = load(LlamaForSequenceClassification, num_labels=1).eval()
    model.config.use_cache = False

    def rewards(rows):
        tokens, mask = padded(rows)
        with torch.inference_mode(), products():
            return model(tokens, attention_mask=mask).logits[:, 0].float().tolist()

    rewards([list(range(100, 164))])
    start = time.perf_counter()
    rows = [encode(it["prompt"] + it[side]) for it in pairs for side in ("chosen", "rejected")]
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    found = [0.0] * len(rows)
    for first in range(0, len(order), SCORED_AT_ONCE):
        part = order[first : first + SCORED_AT_ONCE]
        for i, reward in zip(part, rewards([rows[i] for i in part])):
            found[i] = reward
    return time.perf_counter() - start, []


def rm():
    model = load(LlamaForSequenceClassification, num_labels=1)

    def loss_of(step):
        rows = [encode(it["prompt"] + it[side]) for side in ("chosen", "rejected") for it in pairs_of(step)]
        tokens, mask = padded(rows)
        chosen, rejected = model(tokens, attention_mask=mask).logits[:, 0].chunk(2)
        return -functional.logsigmoid(chosen - rejected).mean()

    return train(model, loss_of, 1e-6)


def response_log_probs(model, tokens, mask, responses):
    """`[rows]`. As TRL does, without the log-probs of the whole vocabulary for all rows at once."""
    logits = model(tokens, attention_mask=mask).logits[:, :-1]
    targets = tokens[:, 1:, None]
    if logits.dtype == torch.float32:
        picked = logits.gather(-1, targets)[..., 0]
        log_probs = picked - torch.stack([row.logsumexp(-1) for row in logits])
    else:
        rows = zip(logits, targets)
        log_probs = torch.stack([row.log_softmax(-1).gather(-1, target)[:, 0] for row, target in rows])
    return (log_probs * responses[:, 1:]).sum(-1)


def dpo():
    policy = load(LlamaForCausalLM)
    reference = None if a.keep_reference else load(LlamaForCausalLM).eval()

    def batch(step):
        rows, prompts = [], []
        for side in ("chosen", "rejected"):
            for it in pairs_of(step):
                prompt = encode(it["prompt"])
                rows.append(prompt + encode(it[side]))
                prompts.append(len(prompt))
        tokens, mask = padded(rows)
        responses = mask.clone()
        for row, length in zip(responses, prompts):
            row[:length] = 0
        return tokens, mask, responses

    kept = []
    if a.keep_reference:
        with torch.no_grad(), products():
            kept = [response_log_probs(policy, *batch(step)) for step in range(a.steps + 1)]

    def loss_of(step):
        inputs = batch(step)
        chosen, rejected = response_log_probs(policy, *inputs).float().chunk(2)
        if kept:
            before = kept[step]
        else:
            with torch.no_grad():
                before = response_log_probs(reference, *inputs)
        chosen_before, rejected_before = before.float().chunk(2)
        margin = (chosen - chosen_before) - (rejected - rejected_before)
        return -functional.logsigmoid(BETA * margin).mean()

    return train(policy, loss_of, 5e-6)


def sample():
    model = load(LlamaForCausalLM).eval()
    tokens, mask = padded([encode(it["prompt"]) for it in pairs[:PROMPTS]], left=True)

    def generate(rows, new):
        with torch.inference_mode(), products():
            return model.generate(
                tokens[:rows],
                attention_mask=mask[:rows],
                min_new_tokens=new,
                max_new_tokens=new,
                num_return_sequences=SAMPLES,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=0.95,
                pad_token_id=PAD,
            )

    generate(1, 4)
    start = time.perf_counter()
    found = generate(PROMPTS, NEW)
    seconds = time.perf_counter() - start
    assert found.shape == (len(tokens) * SAMPLES, tokens.shape[1] + NEW)
    return seconds, []


seconds, losses = {"score": score, "rm": rm, "dpo": dpo, "sample": sample}[a.task]()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
steps = a.steps if a.task in ("rm", "dpo") else 1
version = f"PyTorch {torch.__version__}, transformers {transformers.__version__}"
print(json.dumps({"seconds": seconds / steps, "peak_rss_mib": peak, "version": version, "losses": losses}))
