# DPO, APO-DPO and random pairs on real HH, over seeds, at a size where differences can show:
# hh.md says what the run is to show, and why.
#
#   make real CONFIG=hh HH=… MODEL=… [SEEDS='1 2 3'] PRECISION=bf16
#
# HH       a folder in HH's layout, or the name of such a data set on Hugging Face's hub,
#          as Anthropic/hh-rlhf; only the test files of the four subsets are read
# MODEL    the model directory, or its name on the hub; an instruction-tuned one is the
#          starting policy. Each model has a run of its own, runs/hh/NAME
# SEEDS    of the split, the order of training and every sample; the first has all policies
#          and reward models, the others those whose differences are reported
# ANSWERS  golden answers by others; for other queries, the better HH response is used

# `make clean` needs MODEL, which says what run to remove.
HH       ?= $(call required,HH is not set: make real CONFIG=hh HH=FOLDER MODEL=DIRECTORY,clean)
MODEL    ?= $(call required,MODEL is not set: make real CONFIG=hh HH=FOLDER MODEL=DIRECTORY,)
RUN      ?= runs/hh/$(notdir $(patsubst %/,%,$(MODEL)))
SEEDS    ?= 1 2 3
TRAIN_SUBSETS ?= helpful-online helpful-rejection-sampled
TEST_SUBSETS  ?= helpful-base harmless-base
SIZES    ?= --rm 1000 --llm 1000 --dev 200 --answer-test 500
SPLIT    ?= $(foreach it,$(TRAIN_SUBSETS),--train $(it)=$(call test_file,$(it))) \
            $(foreach it,$(TEST_SUBSETS),--test $(it)=$(call test_file,$(it))) $(SIZES) --seed $(SEED)
START    ?= chat
BATCH    ?= 8
# Rates and temperature as in smollm2.mk, for models of some hundred million parameters
RATE     ?= 2e-5
REWARD_RATE ?= 3e-5
TEMPERATURE ?= 1.0
LIMIT    ?= 576
PROMPT_LIMIT ?= 384
NEW_TOKENS ?= 192
ANSWER_TOKENS ?= 192
CEILING  ?= $(CEILING_OF_HH)

include pipelines/text.mk
