#!/usr/bin/env python3
"""Loads model directories in transformers and compares what they compute with what the stages wrote. The rewards of
models with a chat template are computed by the lines of docs/guide.md.

The argument is a JSON file with a list of directories: `dir`, `head` (`policy` or `reward`), `template` (`hh` or
`chat`), `rows` with `prompt`, `messages`, `response`, `complete` and `value`; and, of rewards with a chat template,
`whole`: whether the template renders a whole dialogue as prompt, response and end of text, perhaps with more after
it. Prints a line for each, and stops at the first that differs."""

import datetime
import json
import pathlib
import re
import sys
from types import SimpleNamespace

import torch
import transformers
from safetensors import safe_open
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import chat_template_utils

# Sums of some hundred log-probs of f32, and single numbers of f32.
TOLERANCE = {"policy": 1e-4, "reward": 2e-5}
GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "guide.md"


class FixedDate(datetime.datetime):
    """The date that the stages tell templates."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = FixedDate
transformers.logging.set_verbosity_error()


def documented_lines():
    """The lines of the guide that compute a reward."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [it for it in blocks if "reward = " in it]
    return found


def load(folder, head):
    """A directory's model. None of its keys is missing, unexpected or of another shape."""
    kind = AutoModelForCausalLM if head == "policy" else AutoModelForSequenceClassification
    lacks_class = type(AutoConfig.from_pretrained(folder)) not in kind._model_mapping
    model, info = (AutoModel if lacks_class else kind).from_pretrained(folder, output_loading_info=True)
    found = {name: sorted(keys) for name, keys in info.items() if keys}
    expected = {"unexpected_keys": ["score.weight"]} if lacks_class else {}
    assert found == expected, f"{folder}: {found}"
    return with_head(model, folder) if lacks_class else model


def with_head(trunk, folder):
    """A reward model of a class that transformers lacks: its trunk, and its head at the last position."""
    with safe_open(f"{folder}/model.safetensors", "pt") as file:
        head = file.get_tensor("score.weight")
    return lambda ids: SimpleNamespace(logits=trunk(ids).last_hidden_state[:, -1] @ head.T)


def prompt_and_whole(tokenizer, template, row):
    """The ids of a row's prompt, and of prompt and response."""
    if template == "hh":
        prompt = tokenizer.encode(row["prompt"], add_special_tokens=False)
        whole = prompt + tokenizer.encode(" " + row["response"], add_special_tokens=False)
    else:
        text = tokenizer.apply_chat_template(row["messages"], add_generation_prompt=True, tokenize=False)
        prompt = tokenizer.encode(text, add_special_tokens=False)
        whole = tokenizer.encode(text + row["response"], add_special_tokens=False)
    assert whole[: len(prompt)] == prompt, row
    return prompt, whole + [tokenizer.eos_token_id] * row["complete"]


def log_prob(model, prompt, whole):
    logits = model(torch.tensor([whole])).logits[0, len(prompt) - 1 : -1]
    found = logits.log_softmax(-1).gather(-1, torch.tensor(whole[len(prompt) :])[:, None])
    return found.double().sum().item()


def documented_reward(lines, model, tokenizer, row):
    names = {"torch": torch, "messages": row["messages"], "text": row["response"]}
    names["AutoTokenizer"] = SimpleNamespace(from_pretrained=lambda _: tokenizer)
    names["AutoModelForSequenceClassification"] = SimpleNamespace(from_pretrained=lambda _: model)
    exec(lines, names)
    return names["reward"]


def until_last_end(tokenizer, row):
    """The ids of a whole dialogue as its template renders it, up to the last end of text."""
    dialogue = [*row["messages"], {"role": "assistant", "content": row["response"]}]
    text = tokenizer.apply_chat_template(dialogue, tokenize=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    ends = [i for i, it in enumerate(ids) if it == tokenizer.eos_token_id]
    return ids[: ends[-1] + 1] if ends else ids


def compare(case, lines):
    folder, head, template = case["dir"], case["head"], case["template"]
    model, tokenizer = load(folder, head), AutoTokenizer.from_pretrained(folder)
    worst = 0
    for row in case["rows"]:
        prompt, whole = prompt_and_whole(tokenizer, template, row)
        if head == "policy":
            found = log_prob(model, prompt, whole)
        elif template == "chat" and row["complete"]:
            found = documented_reward(lines, model, tokenizer, row)
            is_same = until_last_end(tokenizer, row) == whole
            assert is_same == case["whole"], f"{folder}: the dialogue's ids are the same: {is_same}, {row}"
        else:
            found = model(torch.tensor([whole])).logits.item()
        worst = max(worst, abs(found - row["value"]))
        assert worst < TOLERANCE[head], f"{folder}: {found} of {row}"
    kind = "log-probs" if head == "policy" else "rewards"
    print(f"{folder}: every key, {len(case['rows'])} {kind} to {worst:.1e}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    lines = documented_lines()
    with torch.no_grad():
        for case in cases:
            compare(case, lines)


main()
