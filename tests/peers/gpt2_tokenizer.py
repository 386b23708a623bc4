#!/usr/bin/env python3
"""Writes GPT-2's tokenizer, which llama.cpp's converter knows, as `tokenizer.json`. Its vocabulary comes from a GGUF
file: `gpt2_tokenizer.py VOCAB.gguf OUT`."""

import sys

import gguf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

fields = gguf.GGUFReader(sys.argv[1]).fields
tokens = fields["tokenizer.ggml.tokens"].contents()
merges = fields["tokenizer.ggml.merges"].contents()
vocab = {token: i for i, token in enumerate(tokens)}
tokenizer = Tokenizer(models.BPE(vocab, [tuple(it.split(" ")) for it in merges]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.add_special_tokens(["<|endoftext|>"])
tokenizer.save(sys.argv[2])
