# The rules of what is summed up over SEEDS: the paper's claims, and differences on real
# text. Each seed has a run of its own, RUN/seeds/SEED.

of_seed = $(SEEDS:%=$(RUN)/seeds/%/$(1).json)

# ---- claims ------------------------------------------------------------------

.PHONY: claims
claims: $(RUN)/claims.json ## Which of the paper's claims hold over SEEDS='1 2 3 4 5'
	@$(describe)
	@$(JUDGE) claims --quiet --run $(RUN)

$(RUN)/claims.json: $(call of_seed,table) | build
	@$(describe)
	$(JUDGE) claims --quiet --json --run $(RUN) > $@.new
	@mv $@.new $@

# A run of its own for each seed
$(foreach it,table real,$(call of_seed,$(it))): $(RUN)/seeds/%.json: FORCE
	+@$(MAKE) --no-print-directory RUN=$(RUN)/seeds/$(*D) SEED=$(*D) $@

$(RUN)/table.json: $(call measures,$(TABLE_all)) | build
	@$(call table,all) --json > $@.new
	@mv $@.new $@

# ---- policies and reward models on real text ----------------------------------

.PHONY: real
real: $(RUN)/real-seeds.json ## DPO, APO-DPO and random pairs over SEEDS='1 2 3', by pipelines/hh.md (CONFIG=hh)
	@$(JUDGE) table --quiet --run $(RUN)/seeds/$(firstword $(SEEDS)) --table real
	@echo
	@$(over_seeds)

over_seeds = $(JUDGE) seeds --quiet $(call of_seed,real) $(subst ~, ,$(DIFFERENCES:%=--difference '%'))

$(RUN)/real-seeds.json: $(call of_seed,real) $(call set,SEEDS DIFFERENCES JUDGE) | build
	$(over_seeds) --json > $@.new
	@mv $@.new $@

$(RUN)/real.json: $(call measures,$(TABLE_real)) | build
	@$(call table,real) --json > $@.new
	@mv $@.new $@
