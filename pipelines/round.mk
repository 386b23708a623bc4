# The rules of rounds (APO Algorithm 1): targets are real files, and a recipe line
# runs one stage. What depends on a policy is in its folder, so that everything that
# starts from the same policy is computed once:
#
#   RUN/data, golden.parquet, rm-base, rm-test   once
#   RUN/start       policy π_0; its rm-samples and the reward model RM_1 made from
#                   them; its samples, scored by RM_1; its answers
#   RUN/apo-dpo-1   policy π_1, aligned by DPO on these; its rm-samples, RM_2, …
#   RUN/apo-dpo-2   π_2, and so on; apo-rjs-…, apo-rrhf-…
#   RUN/dpo-1       the baseline: aligned on base-scored, RM_Base's scores
#   RUN/random-1    a control: DPO on random pairs, ordered by RM_Base's scores
#   RUN/golden-sft  π_0 fine-tuned on the golden answers
#   RUN/rm-wgan, …  the reward models of the paper's ablations
#   RUN/times.jsonl, tensorboard/   times of the stages; curves while models train
#   RUN/run.json    what of all this exists, by the paper's names: pipelines/run.mk
#
# The target of a model directory is its config.json; a directory appears whole.
# Binaries are order-only prerequisites: a recompiled stage does not make hours of
# work stale. A setting is a file that changes only with its value, so a changed
# setting remakes only what depends on it. Stages get --overwrite, since make has
# decided to run them; a stage whose output was made from the same inputs keeps it,
# and `touch` tells make so.

RUN  ?= runs/$(CONFIG)
CARGO_TARGET_DIR ?= target
BIN  := $(CARGO_TARGET_DIR)/release
SPLITS := $(RUN)/data

# Comparisons that RM_All gets besides HH's, each NAME=FILE; without any, there is
# no RM_All
MORE ?=

# Share of the queries whose pairs RM_Base and the reward models of rounds learn from;
# without it, all
RM_PAIRS ?=

# Each stage may be replaced by a program that takes the same arguments.
SPLITTER  ?= $(BIN)/hh-split
COLLECTOR ?= $(BIN)/gold-collect
SAMPLER   ?= $(BIN)/sample
RM_TRAIN  ?= $(BIN)/rm-train
ALIGNER   ?= $(BIN)/align
JUDGE     ?= $(BIN)/judge

.SECONDEXPANSION:

# ---- settings as files ------------------------------------------------------

# `+`: also under `make -n`, so that its plan shows what has really changed.
$(RUN)/settings/%: FORCE
	+@mkdir -p $(@D)
	+@printf '%s\n' '$($*)' | cmp -s - $@ || printf '%s\n' '$($*)' > $@

set = $(addprefix $(RUN)/settings/,$(1))

# ---- names on Hugging Face's hub --------------------------------------------

# A configuration whose settings follow from MODEL or DATA names them in LOOKS_AT. If one of
# them is no path, it is fetched before anything else, also under `make -n`, and
# MEASURED_MODEL or MEASURED_DATA is what measure.sh prints of it. The names of files never
# come into Make, which would run a `$(shell …)` in them: others choose them.
LOOKS_AT       ?=
MEASURED_MODEL :=
MEASURED_DATA  :=
from_hub       := $(if $(filter-out help setup build clean,$(MAKECMDGOALS)),$(foreach it,$(LOOKS_AT),\
  $(if $(wildcard $($(it))),,$(RUN)/fetched/$(it).mk)))
ifneq ($(from_hub),)
include $(from_hub)
$(from_hub): $(RUN)/fetched/%.mk: $(RUN)/settings/% | build
	@mkdir -p $(@D)
	measured=$$($(BIN)/judge fetch $(if $(filter MODEL,$*),--model,--data) $($*) | pipelines/measure.sh) && \
	  echo "MEASURED_$* := $$measured" > $@
endif

# Arguments for a trained model and its curves: `tensorboard --logdir RUN/tensorboard`
model_out = --out $(@D) --overwrite --tensorboard $(RUN)/tensorboard/$(@D:$(RUN)/%=%)

# Time and memory of each stage, one per line, for the report
export APO_TIMES := $(RUN)/times.jsonl

# ---- once: data, golden answers, the reward models that all rounds share ----

# The files among a setting's words, and the files in the folders among them.
files_of = $(foreach word,$(1),$(wildcard $(foreach end,.jsonl .jsonl.gz .json .json.gz .parquet,\
  $(filter %$(end),$(lastword $(subst =, ,$(word)))) \
  $(lastword $(subst =, ,$(word)))/*$(end) $(lastword $(subst =, ,$(word)))/*/*$(end))))

$(SPLITS)/apo.json: $$(call files_of,$$(SPLIT)) $(call set,SPLIT SPLITTER) | build
	$(SPLITTER) $(SPLIT) --out $(SPLITS) --overwrite
	@touch $@

$(RUN)/golden.parquet: $(SPLITS)/apo.json $$(call files_of,$$(GOLDEN)) \
  $(call set,GOLDEN COLLECTOR) | build
	$(COLLECTOR) --queries $(SPLITS)/rm-queries.parquet --pairs $(SPLITS)/rm-pairs.parquet \
	  $(GOLDEN) --out $@ --overwrite
	@touch $@

# START=sft trains the starting policy from MODEL; otherwise MODEL is the policy.
# MODEL is a folder, or a name on Hugging Face's hub: no file to depend on.
model_config = $(if $(wildcard $(MODEL)/.),$(MODEL)/config.json)

# A policy gets only the queries of HH_LLM, which contains Dev's responses.
ifeq ($(START),sft)
$(RUN)/start/policy/config.json: $(SPLITS)/apo.json $(call set,SFT ALIGNER MODEL START) | build
	$(ALIGNER) sft --model $(MODEL) --pairs $(SPLITS)/rm-pairs.parquet $(SFT) \
	  $(model_out)
	@touch $@
else
# The policy's files are links, to be made anew once one leads nowhere, as in a cache that
# was cleared. Links into the cache also say which commit of a model the policy is.
lost_links = $(shell find -L $(RUN)/start/policy -type l 2> /dev/null)
$(RUN)/start/policy/config.json: $$(model_config) $(call set,MODEL START) $$(if $$(lost_links),FORCE) | build
	rm -rf $(@D)
	mkdir -p $(@D)
	folder=$$($(BIN)/judge fetch --model $(MODEL)) && ln -s "$$folder"/* $(@D)/ && \
	  cp --remove-destination "$$folder"/config.json $@
endif

# Every reward model starts from the starting policy's weights.
BASE := $(RUN)/start/policy

# People's preferences that reward models learn from, other than RM_Test and RM_All
PREFERENCES = --pairs $(SPLITS)/rm-pairs.parquet $(addprefix --pairs-share ,$(RM_PAIRS))

$(RUN)/rm-base/config.json: $(BASE)/config.json $(SPLITS)/apo.json $(call set,REWARD RM_PAIRS RM_TRAIN) | build
	$(RM_TRAIN) --model $(BASE) $(PREFERENCES) $(REWARD) $(model_out)
	@touch $@

# RM_All: all pairs and those of MORE, as parts of one table
$(RUN)/more/apo.json: $$(call files_of,$$(MORE)) $(call set,MORE SPLITTER) | build
	$(SPLITTER) $(addprefix --train ,$(MORE)) --rm 0 --dev 0 --out $(@D) --overwrite
	@touch $@

$(RUN)/all-pairs/more.parquet: $(RUN)/more/apo.json $(SPLITS)/apo.json
	mkdir -p $(@D)
	ln -sf ../data/train-pairs.parquet $(@D)/hh.parquet
	ln -sf ../more/train-pairs.parquet $@
	@touch -h $@

$(RUN)/rm-all/config.json: $(BASE)/config.json $(RUN)/all-pairs/more.parquet \
  $(call set,REWARD RM_TRAIN) | build
	$(RM_TRAIN) --model $(BASE) --pairs $(RUN)/all-pairs $(REWARD) $(model_out)
	@touch $@

$(RUN)/rm-test/config.json: $(BASE)/config.json $(SPLITS)/apo.json $(call set,REWARD RM_TRAIN) | build
	$(RM_TRAIN) --model $(BASE) --pairs $(SPLITS)/train-pairs.parquet $(REWARD) $(model_out)
	@touch $@

# ---- a round: % is `start`, `apo-METHOD-k`, `METHOD-k` for the baseline, or `random-k` ----

# Each method with its name in the paper, in the order of Table 2
TITLES  := RJS=rjs RRHF=rrhf DPO=dpo

name_of  = $(firstword $(subst =, ,$(1)))
place_of = $(lastword $(subst =, ,$(1)))
title_of = $(call name_of,$(filter %=$(1),$(TITLES)))

METHODS := $(sort $(foreach row,$(TITLES),$(call place_of,$(row))))
# To add a round, add its number here and a METHOD-k setting for each method in mini.mk and text.mk.
NUMBERS := 1 2 3
ARMS    := $(METHODS) $(METHODS:%=apo-%) random
ALIGNED := $(foreach arm,$(ARMS),$(NUMBERS:%=$(arm)-%))
RMS     := rm-base rm-test rm-all start/rm $(ALIGNED:%=%/rm) $(addprefix rm-,ab wgan gail $(NUMBERS:%=seq-%))

each      = $(patsubst %,$(RUN)/%/$(1),start golden-sft $(ALIGNED))
round_of  = $(lastword $(subst -, ,$(1)))
before    = $(if $(filter %-1,$(1)),start,$(patsubst %-$(round_of),%-$(word $(round_of),0 $(NUMBERS)),$(1)))
settings_of = $(patsubst random-%,dpo-%,$(1:apo-%=%))
method_of = $(firstword $(subst -, ,$(call settings_of,$(1))))
# What asks for another reference, or for a loss that takes no stored log-probs of one
NO_LOG_PROBS := --reference simpo slic kto
words_of     = $(subst =, ,$($(call settings_of,$(1))))
reference_of = $(if $(filter dpo,$(call method_of,$(1))),$(if $(filter $(NO_LOG_PROBS),$(call words_of,$(1))),,$(RUN)/$(call before,$(1))/log-probs.parquet))
scored_by = $(call before,$(1))/$(if $(filter apo-%,$(1)),,base-)scored.parquet

# (a) the policy's samples to the reward model's queries
$(call each,rm-samples.parquet): $(RUN)/%/rm-samples.parquet: \
  $(RUN)/%/policy/config.json $(SPLITS)/apo.json $(call set,SAMPLE SAMPLER) | build
	$(SAMPLER) --model $(<D) --queries $(SPLITS)/rm-queries.parquet $(SAMPLE) --out $@ --overwrite
	@touch $@

# (b) the next round's reward model, from the base anew (APO eq. 17)
$(call each,rm/config.json): $(RUN)/%/rm/config.json: \
  $(RUN)/%/rm-samples.parquet $(BASE)/config.json $(RUN)/golden.parquet $(call set,REWARD RM_PAIRS APO RM_TRAIN) | build
	$(RM_TRAIN) --model $(BASE) $(PREFERENCES) --golden $(RUN)/golden.parquet \
	  --samples $< $(REWARD) $(APO) $(model_out)
	@touch $@

# (c) the policy's samples to its own queries
$(call each,samples.parquet): $(RUN)/%/samples.parquet: \
  $(RUN)/%/policy/config.json $(SPLITS)/apo.json $(call set,SAMPLE SAMPLER) | build
	$(SAMPLER) --model $(<D) --queries $(SPLITS)/llm-queries.parquet $(SAMPLE) --out $@ --overwrite
	@touch $@

# (d) their rewards, by APO's reward model and by the baseline's
$(call each,scored.parquet): $(RUN)/%/scored.parquet: \
  $(RUN)/%/samples.parquet $(RUN)/%/rm/config.json $(call set,SCORE JUDGE) | build
	$(JUDGE) score --model $(word 2,$(^D)) --responses $< $(SCORE) --out $@ --overwrite
	@touch $@

$(call each,base-scored.parquet): $(RUN)/%/base-scored.parquet: \
  $(RUN)/%/samples.parquet $(RUN)/rm-base/config.json $(call set,SCORE JUDGE) | build
	$(JUDGE) score --model $(word 2,$(^D)) --responses $< $(SCORE) --out $@ --overwrite
	@touch $@

# Their log-probs under the policy itself: the reference of all that is aligned
# on them by DPO, whichever reward model scored them
$(call each,log-probs.parquet): $(RUN)/%/log-probs.parquet: \
  $(RUN)/%/samples.parquet $(RUN)/%/policy/config.json $(call set,LOG_PROBS JUDGE) | build
	$(JUDGE) log-probs --model $(word 2,$(^D)) --responses $< $(LOG_PROBS) --out $@ --overwrite
	@touch $@

# (e) the next policy
$(ALIGNED:%=$(RUN)/%/policy/config.json): $(RUN)/%/policy/config.json: \
  $(RUN)/$$(call scored_by,$$*) $(RUN)/$$(call before,$$*)/policy/config.json \
  $$(call reference_of,$$*) $$(call set,ALIGN ALIGNER $$(call settings_of,$$*)) | build
	$(ALIGNER) $(call method_of,$*) --model $(word 2,$(^D)) --responses $< \
	  $(addprefix --reference-log-probs ,$(call reference_of,$*)) \
	  $(ALIGN) $($(call settings_of,$*)) $(if $(filter random-%,$*),--pair-selection random) $(model_out)
	@touch $@

# What golden answers are worth without a reward model (Table 2)
$(RUN)/golden-sft/policy/config.json: $(RUN)/golden.parquet $(RUN)/start/policy/config.json \
  $(call set,GOLDEN_SFT ALIGNER) | build
	$(ALIGNER) sft --model $(word 2,$(^D)) --golden $< $(GOLDEN_SFT) $(model_out)
	@touch $@

# (f) the policy's answers to the test queries, and how good they are
$(call each,answers.parquet): $(RUN)/%/answers.parquet: \
  $(RUN)/%/policy/config.json $(SPLITS)/apo.json $(call set,ANSWER SAMPLER) | build
	$(SAMPLER) --model $(<D) --queries $(SPLITS)/test-queries.parquet $(ANSWER) --out $@ --overwrite
	@touch $@

$(call each,score.json): $(RUN)/%/score.json: \
  $(RUN)/%/answers.parquet $(RUN)/rm-test/config.json $(call set,SCORE JUDGE) | build
	$(JUDGE) score --model $(RUN)/rm-test --responses $< $(SCORE) \
	  --out $(@D)/answers-scored.parquet --overwrite --json > $@.new
	@mv $@.new $@

$(call each,quality.json): $(RUN)/%/quality.json: \
  $(RUN)/%/answers.parquet | build
	$(BIN)/$(QUALITY) --responses $< --json > $@.new
	@mv $@.new $@

$(call each,score-all.json): $(RUN)/%/score-all.json: \
  $(RUN)/%/answers.parquet $(RUN)/rm-all/config.json $(call set,SCORE JUDGE) | build
	$(JUDGE) score --model $(RUN)/rm-all --responses $< $(SCORE) \
	  --out $(@D)/answers-scored-all.parquet --overwrite --json > $@.new
	@mv $@.new $@

# How far it is from the starting policy
$(patsubst %,$(RUN)/%/kl.json,golden-sft $(ALIGNED)): $(RUN)/%/kl.json: $(RUN)/%/answers.parquet \
  $(BASE)/config.json $(call set,SCORE JUDGE) | build
	$(JUDGE) kl --model $(@D)/policy --reference $(BASE) --responses $< $(SCORE) --json > $@.new
	@mv $@.new $@

# A reward model on human preferences
$(RMS:%=$(RUN)/%.test.json): $(RUN)/%.test.json: $(RUN)/%/config.json $(SPLITS)/apo.json \
  $(call set,SCORE JUDGE) | build
	$(JUDGE) accuracy --model $(<D) --pairs $(SPLITS)/test-pairs.parquet $(SCORE) --json > $@.new
	@mv $@.new $@

$(RMS:%=$(RUN)/%.dev.json): $(RUN)/%.dev.json: $(RUN)/%/config.json $(SPLITS)/apo.json \
  $(call set,SCORE JUDGE) | build
	$(JUDGE) accuracy --model $(<D) --pairs $(SPLITS)/dev-pairs.parquet $(SCORE) --json > $@.new
	@mv $@.new $@

# The accuracy that people's errors leave on these pairs: in a generated world its annotators
# are known; elsewhere CEILING says it
CEILINGS := $(if $(or $(QUALITY),$(CEILING)),$(RUN)/test.ceiling.json $(RUN)/dev.ceiling.json)

$(CEILINGS): $(RUN)/%.ceiling.json: $(SPLITS)/apo.json $(if $(QUALITY),,$(call set,CEILING)) | build
	$(if $(QUALITY),$(BIN)/$(QUALITY) --pairs $(SPLITS)/$*-pairs.parquet --ceiling --json,printf '%s\n' '$(CEILING)') > $@.new
	@mv $@.new $@

# ---- a round's table --------------------------------------------------------

ARM := apo-$(METHOD)

.PHONY: $(addprefix round-,$(NUMBERS))
round-1: ## Run a round of APO: prints scores, true quality (mini), accuracy, ECE
round-2: ## The rounds after it, each from the policy of the last (also round-3)
$(addprefix round-,$(NUMBERS)): round-%: $(RUN)/$(ARM)-%.txt
	@cat $<

rounds = $(wordlist 1,$(1),$(NUMBERS))

# The files with the measures of policies and of reward models, by their places
of_policies = $(foreach it,$(1),$(RUN)/$(it)/score.json $(if $(MORE),$(RUN)/$(it)/score-all.json) \
  $(if $(filter start,$(it)),,$(RUN)/$(it)/kl.json) $(if $(QUALITY),$(RUN)/$(it)/quality.json))
of_rms      = $(foreach it,$(1),$(RUN)/$(it).test.json $(RUN)/$(it).dev.json) $(if $(1),$(CEILINGS))

$(NUMBERS:%=$(RUN)/$(ARM)-%.txt): $(RUN)/$(ARM)-%.txt: \
  $$(call measures,$$(call round_table,$(METHOD),$$*)) | build
	@$(call table,$(ARM)-$*) > $@.new
	@mv $@.new $@
