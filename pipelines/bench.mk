# Speed and memory, compared with PyTorch's and others': `make bench MODEL=DIR`.
#
# PAIRS is a `pairs` table, as hh-split writes it, or JSON lines with `prompt`, `chosen` and
# `rejected`; without it, the mini world's texts are worked on. PEERS= measures only ours.

PAIRS ?=
PEERS ?= yes
BENCH ?=
GROWTH ?=

bench: export HF_HUB_OFFLINE := 1
.PHONY: bench
bench: build ## Speed and memory, compared with PyTorch's (MODEL=, a real model's directory)
	@test -e $(MODEL)/model.safetensors -o -e $(MODEL)/model.safetensors.index.json || \
	  { echo 'bench needs the directory of a real model with weights: make bench MODEL=DIR' >&2; exit 2; }
	$(BIN)/bench --model $(MODEL) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(PEERS),$$(pipelines/peers.sh)) $(BENCH)

.PHONY: growth
growth: build ## How time and memory grow with rows, prompts, models and threads
	$(BIN)/growth $(GROWTH)
