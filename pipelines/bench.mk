# Speed and memory beside PyTorch's: `make bench MODEL=DIR`.
#
# PEERS is a folder of PyTorch scripts that do the same work on the same rows. Without
# it, or without PyTorch, only ours is measured.

PEERS ?= $(wildcard ../shared/peers)
BENCH ?=

bench: export HF_HUB_OFFLINE := 1
.PHONY: bench
bench: build ## Speed and memory, ours beside PyTorch's (MODEL=, a real model's directory)
	@test -e $(MODEL)/model.safetensors -o -e $(MODEL)/model.safetensors.index.json || \
	  { echo 'bench needs the directory of a real model with weights: make bench MODEL=DIR' >&2; exit 2; }
	$(BIN)/bench --model $(MODEL) $(if $(PEERS),$$(pipelines/peers.sh $(PEERS))) $(BENCH)
