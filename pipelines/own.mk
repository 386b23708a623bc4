# Your own preferences and your own model:
#
#   make round-1 CONFIG=own DATA=FILE MODEL=DIRECTORY [ANSWERS=FILE] [TAKE=1000]
#
# DATA     preferences in any form that hh-split reads, a file or a folder; a tenth of the
#          queries is held out as the test part. COLUMNS=prompt=question,… names columns
# MODEL    the model directory; if it has a chat template, it is the starting policy, and
#          otherwise the policy is first trained on the chosen responses
# ANSWERS  golden answers by others; for other queries, the chosen response is used
# TAKE     training queries to use, for a first try: a number or a percentage
#
# DATA and MODEL may be names on Hugging Face's hub: DATA=OWNER/NAME:PART MODEL=OWNER/NAME.
#
# The batch follows from TAKE, or from the size of DATA, so that a training has some twenty
# steps or more; rates and temperature follow from the size of MODEL's weights. These are rules of thumb
# between what worked at 135M (smollm2.mk) and the paper's values at 7B: set BATCH, RATE,
# REWARD_RATE and TEMPERATURE to replace them.

DATA     ?= $(call required,DATA is not set: make round-1 CONFIG=own DATA=FILE MODEL=DIRECTORY,clean)
MODEL    ?= $(call required,MODEL is not set: make round-1 CONFIG=own DATA=FILE MODEL=DIRECTORY,clean)
TAKE     ?=
COLUMNS  ?=
SPLIT    ?= --train $(DATA) $(addprefix --columns ,$(COLUMNS)) --hold-out 10% --rm 40% --dev 5% \
            $(addprefix --take ,$(TAKE)) --seed $(SEED)

# Those on the hub are fetched and measured first.
LOOKS_AT  = MODEL DATA
measured  = $(or $(MEASURED_$(1)),$(shell printf '%s\n' $($(1)) | pipelines/measure.sh))
choose    = $(shell awk 'BEGIN { print $(1) }')

# Half a gigabyte of weights in bf16 is a model of 250M parameters; two kilobytes of text are
# a pair.
megabytes = $(call choose,$(firstword $(call measured,MODEL) 0) / 1024)
pairs     = $(call choose,$(firstword $(call measured,DATA) 0) / 2)
taken     = $(if $(findstring %,$(TAKE)),$(pairs) * $(subst %,,$(TAKE)) / 100,$(or $(TAKE),$(pairs)))
BATCH       ?= $(call choose,$(taken) < 1000 ? 4 : $(taken) < 10000 ? 8 : 64)
RATE        ?= $(call choose,$(megabytes) < 600 ? "2e-5" : $(megabytes) < 4000 ? "1e-5" : "5e-6")
REWARD_RATE ?= $(call choose,$(megabytes) < 600 ? "3e-5" : $(megabytes) < 4000 ? "1e-5" : "1e-6")
TEMPERATURE ?= $(call choose,$(megabytes) < 4000 ? "1.0" : "1.2")
LIMIT    ?= 1024
PROMPT_LIMIT ?= 512
NEW_TOKENS ?= 256
ANSWER_TOKENS ?= 256

# Whether the model has a chat template
template  = $(filter chat,$(call measured,MODEL))
START    ?= $(if $(template),chat,sft)
CHAT     ?= $(if $(template),--template chat)

include pipelines/text.mk
