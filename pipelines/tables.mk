# The paper's tables and Figure 5, from what the rules of rounds make, and the
# reward models that only they need.

# ---- reward models of the ablations (section 4.2, Table 4) ------------------

ADVERSARIES := wgan gail
GAME = --golden $(RUN)/golden.parquet --samples

$(ADVERSARIES:%=$(RUN)/rm-%/config.json): $(RUN)/rm-%/config.json: $(RUN)/start/rm-samples.parquet \
  $(BASE)/config.json $(RUN)/golden.parquet $(call set,REWARD APO RM_TRAIN) | build
	$(RM_TRAIN) --objective $* --model $(BASE) $(if $(filter gail,$*),,--pairs $(DATA)/rm-pairs.parquet) \
	  $(GAME) $< $(REWARD) $(APO) $(model_out)
	@touch $@

# RM_Base trained on with the same preferences
$(RUN)/rm-ab/config.json: $(RUN)/rm-base/config.json $(call set,REWARD RM_TRAIN) | build
	$(RM_TRAIN) --objective ab --model $(<D) --pairs $(DATA)/rm-pairs.parquet $(REWARD) $(model_out)
	@touch $@

# Each from the one before it, against the policies of APO-RJS
rm_before = $(patsubst start,rm-base,$(call before,rm-seq-$(1)))

$(NUMBERS:%=$(RUN)/rm-seq-%/config.json): $(RUN)/rm-seq-%/config.json: \
  $(RUN)/$$(call before,apo-rjs-$$*)/rm-samples.parquet $(RUN)/$$(call rm_before,$$*)/config.json \
  $(RUN)/golden.parquet $(call set,REWARD APO RM_TRAIN) | build
	$(RM_TRAIN) --objective seq --model $(word 2,$(^D)) --pairs $(DATA)/rm-pairs.parquet \
	  $(GAME) $< $(REWARD) $(APO) $(model_out)
	@touch $@

# ---- tables: rows are NAME=what, in the paper's order -----------------------

ROUNDS ?= 3
played  = $(wordlist 1,$(ROUNDS),$(NUMBERS))

row_of  = $(firstword $(subst =, ,$(1)))
what_of = $(lastword $(subst =, ,$(1)))
whats   = $(foreach row,$(1),$(call what_of,$(row)))
show    = $(foreach row,$(2),$(call show_$(1),$(call row_of,$(row)),$(call what_of,$(row))))

apo_rms = RM_APO-v1=start/rm $(if $(filter 2,$(played)),RM_APO-v2=apo-rjs-1/rm) \
  $(if $(filter 3,$(played)),RM_APO-v3=apo-rjs-2/rm)

TABLE_1 := HH_Train=data/train-pairs HH_RM=data/rm-pairs HH_LLM=data/llm-queries HH_Dev=data/dev-pairs \
  HH_Test=data/test-pairs D_gold=golden samples-for-D_APO=start/rm-samples samples-for-D_Q=start/samples
TABLE_2 := SFT=start Golden-SFT=golden-sft RJS=rjs-1 APO-RJS=apo-rjs-1 RRHF=rrhf-1 APO-RRHF=apo-rrhf-1 \
  DPO=dpo-1 APO-DPO=apo-dpo-1
TABLE_3  = $(if $(MORE),RM_All=rm-all) RM_Test=rm-test RM_Base=rm-base $(apo_rms)
TABLE_4  = RM_Base=rm-base RM_AB=rm-ab RM_WGAN=rm-wgan RM_GAIL=rm-gail \
  $(foreach k,$(played),RM_APO-v$(k)seq=rm-seq-$(k)) $(apo_rms)
rjs_rows = $(foreach k,$(1),RJS-$(k)=rjs-$(k) APO-RJS-$(k)=apo-rjs-$(k))
FIGURE_5 = SFT=start $(call rjs_rows,$(played))

.PHONY: table-1 table-2 table-3 table-4 rounds
table-1: $(DATA)/apo.json $(addprefix $(RUN)/,golden.parquet start/rm-samples.parquet start/samples.parquet) | build ## The data's rows and queries beside the paper's (Table 1)
	@$(JUDGE) data --quiet $(foreach row,$(TABLE_1),--table $(call row_of,$(row))=$(RUN)/$(call what_of,$(row)).parquet)

table-2: $(call of_policies,$(call whats,$(TABLE_2))) ## Policies: SFT, golden SFT, RJS, RRHF, DPO and their APO (Table 2)
	@$(JUDGE) table --quiet $(call show,policy,$(TABLE_2))

table-3: $(call of_rms,$(call whats,$(TABLE_3))) ## Reward models over ROUNDS=3 rounds (Table 3)
	@$(JUDGE) table --quiet $(call show,rm,$(TABLE_3))

table-4: $(call of_rms,$(call whats,$(TABLE_4))) ## Reward models: the ablations (Table 4)
	@$(JUDGE) table --quiet $(call show,rm,$(TABLE_4))

rounds: $(call of_policies,$(call whats,$(FIGURE_5))) ## RJS against APO-RJS over ROUNDS=3 rounds (Figure 5's numbers)
	@$(JUDGE) table --quiet $(call show,policy,$(FIGURE_5))

# Each method's policy with APO's rewards against the one with RM_Base's, before
# a language model (Figure 3)
VERDICTS = $(METHODS:%=$(RUN)/apo-%-1.verdicts.json)

$(VERDICTS): $(RUN)/apo-%-1.verdicts.json: $(RUN)/apo-%-1/answers.parquet $(RUN)/%-1/answers.parquet \
  $$(call set,COMPARE JUDGE) | build
	$(if $(COMPARE),,$(error COMPARE is not set: COMPARE='--base-url URL --model NAME'))
	$(JUDGE_SERVER) $(JUDGE) compare --a $< --b $(word 2,$^) --out $(basename $@).parquet --overwrite \
	  --journal $(basename $@).journal.jsonl --json $(COMPARE) > $@.new
	@mv $@.new $@

.PHONY: compare
compare: $(VERDICTS) ## APO's policies against the baselines' before a language model (Figure 3)
	@$(foreach it,$(METHODS),echo 'A: APO-$(title_$(it)), B: $(title_$(it))'; $(JUDGE_SERVER) $(JUDGE) compare \
	  --quiet --a $(RUN)/apo-$(it)-1/answers.parquet --b $(RUN)/$(it)-1/answers.parquet \
	  --out $(RUN)/apo-$(it)-1.verdicts.parquet --journal $(RUN)/apo-$(it)-1.verdicts.journal.jsonl $(COMPARE);)

# Figure 5 itself, by score and, where it is known, by true quality
rjs_line = $(1)=$(RUN)/start/$(2).json$(foreach k,$(played),,$(RUN)/$(3)-$(k)/$(2).json)
spaceless = $(subst $(subst ,, ),,$(1))
comma := ,
draw = $(JUDGE) figure --quiet --title '$(2)' --y '$(3) of the test answers, ± standard error' \
  $(foreach arm,rjs apo-rjs,--line $(call spaceless,$(call rjs_line,$(subst apo,APO,$(subst rjs,RJS,$(arm))),$(1),$(arm)))) --out $@

$(RUN)/figure-5.svg: $(call of_policies,$(call whats,$(FIGURE_5))) | build
	@$(call draw,score,RJS against APO-RJS (Figure 5),mean RM_Test score)

$(RUN)/figure-5-quality.svg: $(call of_policies,$(call whats,$(FIGURE_5))) | build
	@$(call draw,quality,RJS against APO-RJS$(comma) by true quality,mean true quality)

.PHONY: figure-5
figure-5: $(RUN)/figure-5.svg $(if $(QUALITY),$(RUN)/figure-5-quality.svg) ## RJS against APO-RJS over ROUNDS=3 rounds, as SVG (Figure 5)
	@printf '%s\n' $^

# ---- all that a run holds, as one page ---------------------------------------

.PHONY: report
report: | build ## What RUN holds as one page: tables, figures, curves, dialogues
	@$(JUDGE) report --run $(RUN) --out $(RUN)/report.html

# ---- claims: all of these, over seeds ---------------------------------------

SEEDS   ?= 1 2 3 4 5
of_seed  = $(SEEDS:%=$(RUN)/seeds/%/table.json)

.PHONY: claims
claims: $(RUN)/claims.json ## Which of the paper's claims hold, over SEEDS='1 2 3 4 5'
	@$(JUDGE) claims --quiet $(of_seed)

$(RUN)/claims.json: $(of_seed) | build
	$(JUDGE) claims --quiet --json $(of_seed) > $@.new
	@mv $@.new $@

# A run of its own for each seed
$(of_seed): $(RUN)/seeds/%/table.json: FORCE
	+@$(MAKE) --no-print-directory RUN=$(RUN)/seeds/$* SEED=$* $@

# What the mini world alone can tell of a reward model: how often it orders
# people's pairs as is true, and how good its favourites among the samples are.
$(DATA)/true-pairs.parquet: $(DATA)/apo.json | build
	$(BIN)/$(QUALITY) --pairs $(DATA)/test-pairs.parquet --out $@

$(RMS:%=$(RUN)/%.truth.json): $(RUN)/%.truth.json: $(RUN)/%/config.json $(DATA)/true-pairs.parquet \
  $(call set,SCORE JUDGE) | build
	$(JUDGE) accuracy --model $(<D) --pairs $(word 2,$^) $(SCORE) --json > $@.new
	@mv $@.new $@

FAVOURITES := RM_Base=base-scored RM_APO-v1=scored

$(RUN)/start/%.best.json: $(RUN)/start/%.parquet | build
	$(BIN)/$(QUALITY) --responses $< --best --json > $@.new
	@mv $@.new $@

of_truth   = $(if $(QUALITY),$(foreach it,$(1),$(RUN)/$(it).truth.json) \
  $(foreach row,$(FAVOURITES),$(RUN)/start/$(call what_of,$(row)).best.json))
show_truth = --accuracy '$(1), truth=$(RUN)/$(2).truth.json'
show_best  = --quality 'best by $(1)=$(RUN)/start/$(2).best.json'

show_against = $(if $(COMPARE),$(foreach it,$(METHODS),--verdicts \
  'APO-$(title_$(it)) against $(title_$(it))=$(RUN)/apo-$(it)-1.verdicts.json'))

POLICIES = $(TABLE_2) $(call rjs_rows,$(filter-out 1,$(played)))
JUDGES   = RM_Test=rm-test $(TABLE_4)

$(RUN)/table.json: $(call of_policies,$(call whats,$(POLICIES))) $(call of_rms,$(call whats,$(JUDGES))) \
  $(call of_truth,$(call whats,$(JUDGES))) $(if $(COMPARE),$(VERDICTS)) | build
	@$(JUDGE) table --quiet --json $(call show,policy,$(POLICIES)) $(call show,rm,$(JUDGES)) $(show_against) \
	  $(if $(QUALITY),$(call show,truth,$(JUDGES)) $(call show,best,$(FAVOURITES))) > $@.new
	@mv $@.new $@
