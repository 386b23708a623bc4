# Real HH dialogues and a real language model of 135M parameters
# (SmolLM2-135M-Instruct, or a similar directory): takes 90 minutes on two
# cores.
#
#   make round-1 CONFIG=smollm2 HH=… MODEL=… [ANSWERS=…]
#
# HH       a folder in HH's layout, or the name of such a data set on Hugging Face's hub,
#          as Anthropic/hh-rlhf; if a folder has no train files, its test files are
#          shuffled into one pool, and TEST queries of it are held out
# MODEL    the model directory, or its name on the hub; an instruction-tuned one is the
#          starting policy
# ANSWERS  golden answers by others (.jsonl[.gz], .json, .parquet); for other queries,
#          the better HH response is used
#
# PRECISION=f32 or bf16 makes the run the same on every machine; without it, each
# stage takes what the machine multiplies faster.

HH       ?=
MODEL    ?= $(call required,MODEL is not set: make round-1 CONFIG=smollm2 HH=FOLDER MODEL=DIRECTORY,clean)
SUBSETS  ?= helpful-base harmless-base
SIZES    ?= --take 600 --rm 250 --dev 80
TEST     ?= 160
ifneq ($(wildcard $(HH)/helpful-base/train.*)$(if $(wildcard $(HH)/.),,hub),)
PARTS    ?= --hh $(HH) $(addprefix --subset ,$(SUBSETS)) --take-test $(TEST)
else
PARTS    ?= $(foreach it,$(SUBSETS),--train $(it)=$(call test_file,$(it))) --hold-out $(TEST)
endif
SPLIT    ?= $(if $(HH),$(PARTS),$(call required,HH is not set: make round-1 CONFIG=smollm2 \
  HH=FOLDER MODEL=DIRECTORY or SPLIT= with the arguments of hh-split,clean)) $(SIZES) --seed $(SEED)
START    ?= chat
BATCH    ?= 8
# The rate is four times the paper's: at 5e-6, a model of this size hardly changes in so
# few steps.
RATE     ?= 2e-5
REWARD_RATE ?= 3e-5
# At the paper's temperature of 1.2, a model of this size writes mostly noise.
TEMPERATURE ?= 1.0
LIMIT    ?= 384
PROMPT_LIMIT ?= 256
NEW_TOKENS ?= 96
ANSWER_TOKENS ?= 128

CEILING  ?= $(CEILING_OF_HH)

include pipelines/text.mk
