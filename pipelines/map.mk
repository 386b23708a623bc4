# The map of the conditions under which APO pays, in generated worlds: map.md says what it
# is to show, and why.
#
# Every folder of the map holds a run of round.mk, and its path says what the run depends on.
# A run begins with links to what the runs above it made, so that nothing is made twice:
#
#   MAP/world-V                                    the world with voice V
#   MAP/voice-V/seed-S                             data, golden answers, RM_Test, π_0
#   MAP/voice-V/seed-S/pairs-P                     RM_Base
#   MAP/voice-V/seed-S/temperature-T               samples
#   MAP/voice-V/seed-S/temperature-T/pairs-P       DPO, and DPO on random pairs
#   MAP/…/temperature-T/pairs-P/beta-2-B           RM_APO and APO-DPO: a cell's run of a seed
#
# In each, `run` is the run, `linked` says that it has begun and `made` that it is whole.
# MAP/begun holds the commit and the settings: a map is of one of each.

MAP              ?= runs/map
MAP_VOICES       ?= 0 0.5 1
MAP_TEMPERATURES ?= 0.7 1.0 1.2
MAP_SEEDS        ?= 21 22 23 24 25

# People's pairs that reward models learn from, % of the training queries, of which SPLIT
# gives reward models so many
MAP_PAIRS        ?= 5 40
MAP_PAIRS_OF     ?= 40

# β₂ of all cells, and others where voice and temperature are these
MAP_BETA_2       ?= 10
MAP_OTHER_BETA_2 ?= 1 3 30
MAP_OTHER_VOICES ?= 0
MAP_OTHER_TEMPERATURES ?= 1.0

# ---- the grid ---------------------------------------------------------------

map_seeds  = $(foreach v,$(MAP_VOICES),$(MAP_SEEDS:%=voice-$(v)/seed-%))
map_points = $(foreach it,$(1),$(foreach t,$(2),$(MAP_PAIRS:%=$(it)/temperature-$(t)/pairs-%)))
map_others = $(call map_points,$(filter $(MAP_OTHER_VOICES:%=voice-%/seed-%),$(map_seeds)),\
  $(filter $(MAP_OTHER_TEMPERATURES),$(MAP_TEMPERATURES)))

MAP_SHARED := $(foreach it,$(map_seeds),$(it) $(MAP_PAIRS:%=$(it)/pairs-%) $(MAP_TEMPERATURES:%=$(it)/temperature-%)) \
  $(call map_points,$(map_seeds),$(MAP_TEMPERATURES))
MAP_CELLS  := $(foreach it,$(call map_points,$(map_seeds),$(MAP_TEMPERATURES)),$(it)/beta-2-$(MAP_BETA_2)) \
  $(foreach it,$(map_others),$(MAP_OTHER_BETA_2:%=$(it)/beta-2-%))

# What the path $(2) says of $(1), such as `voice`; nothing if it does not depend on it
map_value = $(patsubst $(1)-%,%,$(filter $(1)-%,$(subst /, ,$(2))))

# The runs above the path $(1)
map_parent = $(patsubst %/,%,$(dir $(1)))
map_above  = $(if $(filter-out map-start,$(call map_goal,$(1))),$(call map_parent,$(1))) \
  $(if $(filter map-arms,$(call map_goal,$(1))),$(call map_parent,$(call map_parent,$(1)))/$(notdir $(1)))
map_made   = $(patsubst %,$(MAP)/%/made,$(or $(strip $(call map_above,$(1))),world-$(call map_value,voice,$(1))))

# Which of the goals below the path $(1) is for, by how many conditions it names
map_goal   = map-$(word $(words $(subst /, ,$(1))),- start $(if $(call map_value,pairs,$(1)),base,samples) arms cell)

# ---- the goals of a run, which the map's own make starts with RUN=… ------------

# What the conditions of the run are, and what diverged in it
CELL     ?=
DIVERGED ?=

.PHONY: map-start map-base map-samples map-arms map-cell map-diverged
map-start: $(call measures,SFT) $(RUN)/golden.parquet $(RUN)/true-pairs.parquet
map-base: $(call measures,truth:RM_Base)
map-samples: $(addprefix $(RUN)/start/,rm-samples.parquet samples.parquet log-probs.parquet)
map-arms: $(call measures,DPO Random best~by~RM_Base)
map-cell: $(call measures,$(TABLE_map)) $(call set,CELL)
	@$(describe)
map-diverged: $(call set,CELL DIVERGED)
	@$(describe)

# ---- the map -----------------------------------------------------------------

# Settings that are the same in all cells
MAP_SETTINGS := SPLIT GOLDEN START SFT REWARD SAMPLE ANSWER SCORE LOG_PROBS ALIGN dpo-1 MAP_PAIRS_OF

# The last commit of what a run depends on, and a digest of what is not committed of it
MAP_SOURCES := Cargo.toml Cargo.lock crates pipelines/*.mk
map_changes  = $(shell git diff HEAD -- $(MAP_SOURCES) 2> /dev/null | sha256sum | cut -c 1-8)
of_nothing   = $(shell sha256sum < /dev/null | cut -c 1-8)
map_commit   = $(or $(shell git log -1 --format=%h --abbrev=12 -- $(MAP_SOURCES) 2> /dev/null),unknown)$(addprefix \
  +,$(filter-out $(of_nothing),$(map_changes)))
map_begun    = printf '%s\n' 'commit=$(map_commit)' $(foreach it,$(MAP_SETTINGS),'$(it)=$(value $(it))')

# Refuses values of $(1) that are not $(3): numbers for which $(2) holds
map_check = printf '%s\n' $($(1)) | awk 'NF && ($$1 !~ /^[0-9]+([.][0-9]+)?$$/ || !($(2))) \
  { print "$(1) has " $$1 "; expected $(3)" > "/dev/stderr"; exit 2 }'

.PHONY: map map-begun
# It belongs to no run of its own.
map: export APO_TIMES :=
map: $(MAP_CELLS:%=$(MAP)/%/made) | build ## Under which conditions APO pays, as a table, a picture and JSON (a night)
	@$(JUDGE) map --quiet $(MAP_CELLS:%=$(MAP)/%/run) --json > $(MAP)/map.json.new
	@mv $(MAP)/map.json.new $(MAP)/map.json
	@$(JUDGE) map --quiet $(MAP_CELLS:%=$(MAP)/%/run) --out $(MAP)/map.svg

map-begun:
	@$(if $(QUALITY),,echo 'a map needs true quality, which only a generated world has: make map CONFIG=mini' >&2; exit 2)
	@$(call map_check,MAP_VOICES,$$1 <= 1,shares from 0 to 1)
	@$(call map_check,MAP_TEMPERATURES,$$1 > 0,numbers above 0)
	@$(call map_check,MAP_PAIRS,$$1 > 0 && $$1 <= $(MAP_PAIRS_OF),percentages above 0 and up to MAP_PAIRS_OF)
	@$(call map_check,MAP_BETA_2,1,numbers)
	@$(call map_check,MAP_OTHER_BETA_2,1,numbers)
	@$(call map_check,MAP_SEEDS,$$1 == int($$1),whole numbers)
	@mkdir -p $(MAP)
	@[ -e $(MAP)/begun ] || { $(map_begun) > $(MAP)/begun.new && mv $(MAP)/begun.new $(MAP)/begun; }
	@$(map_begun) | diff $(MAP)/begun - >&2 || { echo '$(MAP) was begun by another commit or with other settings (<);' \
	  'go on with these, choose another folder by MAP=…, or remove it' >&2; exit 2; }

$(MAP_VOICES:%=$(MAP)/world-%/made): $(MAP)/world-%/made: | map-begun build
	$(BIN)/mini-world --voice $* --out $(@D)
	@touch $@

$(MAP_SHARED:%=$(MAP)/%/linked) $(MAP_CELLS:%=$(MAP)/%/linked): $(MAP)/%/linked: $$(call map_made,$$*) | map-begun
	@pipelines/link-run.sh $(@D)/run $(patsubst %,$(MAP)/%/run,$(call map_above,$*))
	@touch $@

# The map has built everything already. A stage that meets a number that is not finite notes
# it in the run's file `diverged`.
map_share = $(shell awk 'BEGIN { print $(1) / $(MAP_PAIRS_OF) }')
map_run   = $(MAKE) --no-print-directory -o build RUN=$(@D)/run WORLD=$(MAP)/world-$(call map_value,voice,$*) \
  SEED=$(call map_value,seed,$*) $(addprefix TEMPERATURE=,$(call map_value,temperature,$*)) \
  $(if $(call map_value,pairs,$*),RM_PAIRS=$(call map_share,$(call map_value,pairs,$*))) \
  $(if $(call map_value,beta-2,$*),'APO=--beta-2 $(call map_value,beta-2,$*)') \
  $(foreach it,SAMPLER RM_TRAIN ALIGNER JUDGE,'$(it)=pipelines/diverged.sh $($(it))')

$(MAP_SHARED:%=$(MAP)/%/made): $(MAP)/%/made: $(MAP)/%/linked | map-begun build
	+@$(map_run) $(call map_goal,$*) || [ -e $(@D)/run/diverged ]
	@touch $@

# A cell in which something diverged keeps all that can be made, and says so.
map_cell = voice=$(call map_value,voice,$*) temperature=$(call map_value,temperature,$*) pairs=$(call map_value,pairs,$*) \
  beta-2=$(call map_value,beta-2,$*) seed=$(call map_value,seed,$*) commit=$(shell sed -n 's/^commit=//p' $(MAP)/begun 2> /dev/null)

map_noted = awk '!seen[$$0]++ { printf "%s%s", (n++ ? "; " : ""), $$0 }'

$(MAP_CELLS:%=$(MAP)/%/made): $(MAP)/%/made: $(MAP)/%/linked | map-begun build
	+@$(map_run) 'CELL=$(map_cell)' -k map-cell || { [ -e $(@D)/run/diverged ] && \
	  $(map_run) 'CELL=$(map_cell)' "DIVERGED=$$($(map_noted) $(@D)/run/diverged)" map-diverged; }
	@touch $@
