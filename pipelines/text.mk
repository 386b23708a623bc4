# What configurations of real text and real models share. They set MODEL, SPLIT, BATCH,
# RATE, REWARD_RATE, TEMPERATURE, LIMIT, PROMPT_LIMIT, NEW_TOKENS and ANSWER_TOKENS first.

# The test file of the subset $(1) in HH, a folder or a data set on the hub
test_file = $(firstword $(wildcard $(HH)/$(1)/test.*) $(HH)$(if $(wildcard $(HH)/.),/,:)$(1)/test.jsonl.gz)

ANSWERS  ?=
PRECISION ?=
PRECISION_FLAG ?= $(addprefix --precision ,$(PRECISION))
SEED     ?= 1
GOLDEN   ?= --seed $(SEED) $(addprefix --answers ,$(ANSWERS)) --hh-best
CHAT     ?= --template chat
TRAINING  = $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --limit $(LIMIT) --batch $(BATCH)
REWARD   ?= $(TRAINING) --learning-rate $(REWARD_RATE)
APO      ?= --beta-2 10
SAMPLE   ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --temperature $(TEMPERATURE) --prompt-limit $(PROMPT_LIMIT) --max-new-tokens $(NEW_TOKENS)
ANSWER   ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --samples 1 --temperature 0.3 --top-k 5 --top-p 0.85 --repetition-penalty 1.05 \
            --prompt-limit $(PROMPT_LIMIT) --max-new-tokens $(ANSWER_TOKENS)
SCORE    ?= $(PRECISION_FLAG) --limit $(LIMIT)
LOG_PROBS ?= $(CHAT) $(PRECISION_FLAG) --limit $(LIMIT)
ALIGN    ?= $(TRAINING)
# SFT as the start, where MODEL is no policy yet
SFT      ?= $(TRAINING) --learning-rate $(RATE)
GOLDEN_SFT ?= $(TRAINING) --learning-rate 5e-6

# The rounds of each method; rates fall from round to round as in the paper.
dpo-1    ?= --learning-rate $(RATE)
dpo-2    ?= --learning-rate $(call scaled,$(RATE),0.4)
dpo-3    ?= --learning-rate $(call scaled,$(RATE),0.18)
rjs-1    ?= $(dpo-1)
rjs-2    ?= $(dpo-2)
rjs-3    ?= $(dpo-3)
rrhf-1   ?= $(dpo-1)
rrhf-2   ?= $(dpo-2)
rrhf-3   ?= $(dpo-3)
scaled    = $(shell awk 'BEGIN { print $(1) * $(2) }')

# A judge: COMPARE='--base-url URL --model NAME', the key in OPENAI_API_KEY
COMPARE  ?=
JUDGE_SERVER =
QUALITY  :=
# How often people are right about such pairs, and who says so, as JSON; nothing if unknown
CEILING  ?=
CEILING_OF_HH = {"ceiling": 0.75, "source": "a quarter of HH is labelled the wrong way round, arXiv 2401.06080"}
