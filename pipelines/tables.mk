# The rules of the paper's tables and figures, of the reward models that only they need, and
# of the report. Their rows are in run.mk.

# ---- reward models of the ablations (section 4.2, Table 4) ------------------

AGAINST_SAMPLES = --golden $(RUN)/golden.parquet --samples

$(RUN)/rm-wgan/config.json: $(RUN)/start/rm-samples.parquet $(BASE)/config.json \
  $(RUN)/golden.parquet $(call set,REWARD RM_PAIRS APO RM_TRAIN) | build
	$(RM_TRAIN) --objective wgan --model $(BASE) $(PREFERENCES) \
	  $(AGAINST_SAMPLES) $< $(REWARD) $(APO) $(model_out)
	@touch $@

# Without human preferences, so that APO's weight of them is not for it
$(RUN)/rm-gail/config.json: $(RUN)/start/rm-samples.parquet $(BASE)/config.json \
  $(RUN)/golden.parquet $(call set,REWARD RM_TRAIN) | build
	$(RM_TRAIN) --objective gail --model $(BASE) $(AGAINST_SAMPLES) $< $(REWARD) $(model_out)
	@touch $@

# RM_Base, trained further on the same preferences
$(RUN)/rm-ab/config.json: $(RUN)/rm-base/config.json $(call set,REWARD RM_PAIRS RM_TRAIN) | build
	$(RM_TRAIN) --objective ab --model $(<D) $(PREFERENCES) $(REWARD) $(model_out)
	@touch $@

# Each starts from the one before it, against the policies of APO-RJS
rm_before = $(patsubst start,rm-base,$(call before,rm-seq-$(1)))

$(NUMBERS:%=$(RUN)/rm-seq-%/config.json): $(RUN)/rm-seq-%/config.json: \
  $(RUN)/$$(call before,apo-rjs-$$*)/rm-samples.parquet $(RUN)/$$(call rm_before,$$*)/config.json \
  $(RUN)/golden.parquet $(call set,REWARD RM_PAIRS APO RM_TRAIN) | build
	$(RM_TRAIN) --objective seq --model $(word 2,$(^D)) $(PREFERENCES) \
	  $(AGAINST_SAMPLES) $< $(REWARD) $(APO) $(model_out)
	@touch $@

# ---- tables: their rows are in run.mk ---------------------------------------

.PHONY: table-1 table-2 table-3 table-4 rounds
table-1: $(SPLITS)/apo.json $(addprefix $(RUN)/,golden.parquet start/rm-samples.parquet start/samples.parquet) | build ## The data's rows and queries beside the paper's (Table 1)
table-2: $(call measures,$(TABLE_2)) ## Policies: SFT, golden SFT, RJS, RRHF, DPO and their APO (Table 2)
table-3: $(call measures,$(TABLE_3)) ## Reward models over ROUNDS=3 rounds (Table 3)
table-4: $(call measures,$(TABLE_4)) ## Reward models: the ablations (Table 4)
rounds: $(call measures,$(TABLE_rounds)) ## RJS against APO-RJS over ROUNDS=3 rounds (Figure 5's numbers)

table-1 table-2 table-3 table-4 rounds:
	@$(call table,$(@:table-%=%))

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
	@$(foreach it,$(METHODS),echo 'A: APO-$(call title_of,$(it)), B: $(call title_of,$(it))'; $(JUDGE_SERVER) $(JUDGE) compare \
	  --quiet --a $(RUN)/apo-$(it)-1/answers.parquet --b $(RUN)/$(it)-1/answers.parquet \
	  --out $(RUN)/apo-$(it)-1.verdicts.parquet --journal $(RUN)/apo-$(it)-1.verdicts.journal.jsonl $(COMPARE);)

# Figure 5 by score and, if it is known, by true quality
draw = $(describe) && $(JUDGE) figure --quiet --run $(RUN) --by $(1) --out $@

$(RUN)/figure-5.svg: $(call measures,$(TABLE_rounds)) | build
	@$(call draw,score)

$(RUN)/figure-5-quality.svg: $(call measures,$(TABLE_rounds)) | build
	@$(call draw,quality)

.PHONY: figure-5
figure-5: $(RUN)/figure-5.svg $(if $(QUALITY),$(RUN)/figure-5-quality.svg) ## RJS against APO-RJS over ROUNDS=3 rounds, as SVG (Figure 5)
	@printf '%s\n' $^

# ---- what only the mini world can tell ---------------------------------------

# How often a reward model puts people's pairs in the true order, and how good the samples
# are that it likes best
$(RUN)/true-pairs.parquet: $(SPLITS)/apo.json | build
	$(BIN)/$(QUALITY) --pairs $(SPLITS)/test-pairs.parquet --out $@

$(RMS:%=$(RUN)/%.truth.json): $(RUN)/%.truth.json: $(RUN)/%/config.json $(RUN)/true-pairs.parquet \
  $(call set,SCORE JUDGE) | build
	$(JUDGE) accuracy --model $(<D) --pairs $(word 2,$^) $(SCORE) --json > $@.new
	@mv $@.new $@

$(RUN)/start/%.best.json: $(RUN)/start/%.parquet | build
	$(BIN)/$(QUALITY) --responses $< --best --json > $@.new
	@mv $@.new $@

# ---- everything in a run, as one page ----------------------------------------

.PHONY: report
report: | build ## Everything in RUN as one page: tables, figures, curves, dialogues
	@$(describe)
	@$(JUDGE) report --run $(RUN) --out $(RUN)/report.html
