# Your own preferences and your own model:
#
#   make round-1 CONFIG=own DATA=FILE MODEL=DIRECTORY [ANSWERS=FILE] [TAKE=1000]
#
# DATA     preferences in any form that hh-split reads, a file or a folder; a tenth of the
#          queries is held out as the test part. COLUMNS=prompt=question,… names columns
# MODEL    the model directory; if it has a chat template, it is the starting policy, and
#          otherwise the policy is first trained on the chosen responses
# ANSWERS  golden answers by others; for other queries, the chosen response is used
# TAKE     training queries to use, for a first try
#
# DATA and MODEL may be names on Hugging Face's hub: DATA=OWNER/NAME:PART MODEL=OWNER/NAME.
#
# The batch follows from the size of DATA, so that a training has some twenty steps or more;
# rates and temperature follow from that of MODEL's weights. These are rules of thumb
# between what worked at 135M (smollm2.mk) and the paper's values at 7B: set BATCH, RATE,
# REWARD_RATE and TEMPERATURE to replace them.

DATA     ?= $(error DATA is not set: make round-1 CONFIG=own DATA=FILE MODEL=DIRECTORY)
MODEL    ?= $(error MODEL is not set: make round-1 CONFIG=own DATA=FILE MODEL=DIRECTORY)
TAKE     ?=
COLUMNS  ?=
SPLIT    ?= --train $(DATA) $(addprefix --columns ,$(COLUMNS)) --hold-out 10% --rm 40% --dev 5% \
            $(addprefix --take ,$(TAKE)) --seed $(SEED)

# Where the files are; those on the hub are fetched first.
LOOKS_AT  = MODEL DATA
model_dir = $(or $(FETCHED_MODEL),$(MODEL))
data      = $(or $(FETCHED_DATA),$(DATA))

# Megabytes of files, 0 if there are none. Half a gigabyte of weights in bf16 is a model of
# 250M parameters; two kilobytes of text are a pair.
megabytes = $(or $(firstword $(shell du -Lcm $(1) 2> /dev/null | tail -n 1)),0)
weights   = $(call megabytes,$(or $(wildcard $(model_dir)/*.safetensors),$(model_dir)))
choose    = $(shell awk 'BEGIN { print $(1) }')
BATCH       ?= $(call choose,$(call megabytes,$(data)) < 2 ? 4 : $(call megabytes,$(data)) < 20 ? 8 : 64)
RATE        ?= $(call choose,$(weights) < 600 ? "2e-5" : $(weights) < 4000 ? "1e-5" : "5e-6")
REWARD_RATE ?= $(call choose,$(weights) < 600 ? "3e-5" : $(weights) < 4000 ? "1e-5" : "1e-6")
TEMPERATURE ?= $(call choose,$(weights) < 4000 ? "1.0" : "1.2")
LIMIT    ?= 1024
PROMPT_LIMIT ?= 512
NEW_TOKENS ?= 256
ANSWER_TOKENS ?= 256

# Whether the model has a chat template
template  = $(wildcard $(model_dir)/chat_template.*)$(shell grep -ls '"chat_template"' $(model_dir)/tokenizer_config.json)
START    ?= $(if $(template),chat,sft)
CHAT     ?= $(if $(template),--template chat)

include pipelines/real.mk
