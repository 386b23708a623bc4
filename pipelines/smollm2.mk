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
MODEL    ?= $(error MODEL is not set: make round-1 CONFIG=smollm2 HH=FOLDER MODEL=DIRECTORY)
ANSWERS  ?=

SUBSETS  ?= helpful-base harmless-base
SIZES    ?= --take 600 --rm 250 --dev 80
TEST     ?= 160
PRECISION ?=
PRECISION_FLAG ?= $(addprefix --precision ,$(PRECISION))
SEED     ?= 1
ifneq ($(wildcard $(HH)/helpful-base/train.*)$(if $(wildcard $(HH)/.),,hub),)
PARTS    ?= --hh $(HH) $(addprefix --subset ,$(SUBSETS)) --take-test $(TEST)
else
PARTS    ?= $(foreach it,$(SUBSETS),--train $(it)=$(HH)/$(it)) --hold-out $(TEST)
endif
SPLIT    ?= $(if $(HH),$(PARTS),$(error HH is not set: make round-1 CONFIG=smollm2 \
  HH=FOLDER MODEL=DIRECTORY, or SPLIT= with the arguments of hh-split)) $(SIZES) --seed $(SEED)
GOLDEN   ?= --seed $(SEED) $(addprefix --answers ,$(ANSWERS)) --hh-best
START    ?= chat
CHAT     ?= --template chat
SFT      ?=
REWARD   ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --limit 384 --batch 8 --learning-rate 3e-5
APO      ?= --beta-2 10
# At the paper's temperature of 1.2, a model of this size writes mostly noise.
SAMPLE   ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --temperature 1.0 --prompt-limit 256 --max-new-tokens 96
ANSWER   ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --samples 1 --temperature 0.3 --top-k 5 --top-p 0.85 --repetition-penalty 1.05 \
            --prompt-limit 256 --max-new-tokens 128
SCORE    ?= $(PRECISION_FLAG) --limit 384
LOG_PROBS ?= $(CHAT) $(PRECISION_FLAG) --limit 384
ALIGN    ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --limit 384 --batch 8
GOLDEN_SFT ?= $(CHAT) --seed $(SEED) $(PRECISION_FLAG) --limit 384 --batch 8 --learning-rate 5e-6

# The rounds of each method. The rates are four times the paper's: at 5e-6, a model
# of this size hardly changes in so few steps.
dpo-1    ?= --learning-rate 2e-5
dpo-2    ?= --learning-rate 8e-6
dpo-3    ?= --learning-rate 3.6e-6
rjs-1    ?= $(dpo-1)
rjs-2    ?= $(dpo-2)
rjs-3    ?= $(dpo-3)
rrhf-1   ?= $(dpo-1)
rrhf-2   ?= $(dpo-2)
rrhf-3   ?= $(dpo-3)

# A judge: COMPARE='--base-url URL --model NAME', the key in OPENAI_API_KEY
COMPARE  ?=
JUDGE_SERVER =

QUALITY  :=
