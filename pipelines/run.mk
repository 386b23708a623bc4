# What a run holds, by the paper's names. RUN/run.json is written from this list alone,
# and the tables, the figure, the claims and the report read that.
#
# An artifact is NAME=PLACE: its name in the paper, and its path in RUN. A row of a table is
# the NAME of an artifact, or SHOWN=NAME if the table uses another name; truth:NAME is the
# artifact on pairs that are ordered by true quality. `~` in a name means a space.

ROUNDS      ?= 3
rounds_used  = $(call rounds,$(ROUNDS))
SEEDS       ?= 1 2 3 4 5

# ---- artifacts, in the order of a report ------------------------------------

# The name of an arm's policy: the arm's own in round 1
numbered = $(1)$(patsubst %,-%,$(filter-out 1,$(2)))
# The names of a method's two arms, and the names by places
arms_of  = $(call name_of,$(1)) APO-$(call name_of,$(1))
named    = $(call name_of,$(filter %=$(1),$(POLICIES) $(REWARD_MODELS) $(OTHER_MODELS)))

POLICIES := SFT=start Golden-SFT=golden-sft $(foreach k,$(NUMBERS),$(foreach row,$(TITLES),\
  $(call numbered,$(call name_of,$(row)),$(k))=$(call place_of,$(row))-$(k) \
  $(call numbered,APO-$(call name_of,$(row)),$(k))=apo-$(call place_of,$(row))-$(k))) \
  $(foreach k,$(NUMBERS),$(call numbered,Random,$(k))=random-$(k))

REWARD_MODELS := RM_All=rm-all RM_Test=rm-test RM_Base=rm-base RM_AB=rm-ab RM_WGAN=rm-wgan RM_GAIL=rm-gail \
  RM_APO-v1seq=rm-seq-1 RM_APO-v1=start/rm RM_APO-v2seq=rm-seq-2 RM_APO-v2=apo-rjs-1/rm \
  RM_APO-v3seq=rm-seq-3 RM_APO-v3=apo-rjs-2/rm
OTHER_MODELS  := $(foreach it,$(filter-out $(foreach row,$(REWARD_MODELS),$(call place_of,$(row))),\
  $(patsubst %,%/rm,$(sort $(ALIGNED)))),RM~against~$(call name_of,$(filter %=$(it:/rm=),$(POLICIES)))=$(it))

DATA_TABLES := HH_Train=data/train-pairs HH_RM=data/rm-pairs HH_LLM=data/llm-queries HH_Dev=data/dev-pairs \
  HH_Test=data/test-pairs golden~answers=golden samples~for~D_APO=start/rm-samples samples~for~D_Q=start/samples

PAIRS       := Test=test Dev=dev

# The samples to which two reward models give the highest rewards
FAVOURITES := best~by~RM_Base=start/base-scored best~by~RM_APO-v1=start/scored

# APO's policies against their baselines
AGAINST := $(foreach it,$(sort $(filter apo-%,$(ALIGNED))),$(call named,$(it))~against~$(call named,$(it:apo-%=%))=$(it))

# Files that an artifact at the place % may have in RUN, as KIND=PATH
OF_POLICY    := policy=%/policy rm-samples=%/rm-samples.parquet samples=%/samples.parquet answers=%/answers.parquet \
  scored-answers=%/answers-scored.parquet score=%/score.json score-all=%/score-all.json kl=%/kl.json \
  quality=%/quality.json
OF_MODEL     := reward-model=% test=%.test.json dev=%.dev.json truth=%.truth.json
OF_TABLE     := table=%.parquet
OF_PAIRS     := ceiling=%.ceiling.json
OF_FAVOURITE := quality=%.best.json
OF_AGAINST   := verdicts=%.verdicts.json votes=%.votes.json

# Artifacts that others put there, named after their folders and files
found = $(foreach it,$(filter-out $(foreach row,$(1),$(call place_of,$(row))),\
  $(patsubst $(RUN)/%$(2),%,$(wildcard $(RUN)/*$(2)))),$(it)=$(it))
OTHER_POLICIES = $(call found,$(POLICIES),/score.json)
OTHER_AGAINST  = $(sort $(call found,$(AGAINST),.verdicts.json) $(call found,$(AGAINST),.votes.json))

# ---- tables, each row in the paper's order ----------------------------------

TABLE_1 := HH_Train HH_RM HH_LLM HH_Dev HH_Test D_gold=golden~answers samples-for-D_APO=samples~for~D_APO \
  samples-for-D_Q=samples~for~D_Q
TABLE_2 := SFT Golden-SFT $(foreach row,$(TITLES),$(call arms_of,$(row)))
TABLE_3  = $(if $(MORE),RM_All) RM_Test RM_Base $(rounds_used:%=RM_APO-v%)
TABLE_4  = RM_Base RM_AB RM_WGAN RM_GAIL $(rounds_used:%=RM_APO-v%seq) $(rounds_used:%=RM_APO-v%)

# Figure 5's numbers
TABLE_rounds = SFT $(foreach k,$(rounds_used),$(foreach it,RJS APO-RJS,$(it)-$(k)=$(call numbered,$(it),$(k))))

# Everything that claims need
ALL_POLICIES = $(TABLE_2) $(foreach k,$(filter-out 1,$(rounds_used)),RJS-$(k) APO-RJS-$(k))
ALL_MODELS   = RM_Test $(TABLE_4)
TABLE_all    = $(ALL_POLICIES) $(ALL_MODELS) \
  $(if $(QUALITY),$(foreach row,$(FAVOURITES),$(call name_of,$(row))) $(ALL_MODELS:%=truth:%)) \
  $(if $(COMPARE),$(foreach it,$(METHODS),$(call named,apo-$(it)-1)~against~$(call named,$(it)-1)))

# What is compared over seeds on real text, and what only the first of them has
is_first    = $(filter $(firstword $(SEEDS)),$(SEED))
TABLE_real  = SFT $(if $(is_first),Golden-SFT RJS APO-RJS) DPO APO-DPO Random RM_Test RM_Base RM_APO-v1 \
  $(if $(is_first),RM_WGAN RM_GAIL)
DIFFERENCES = DPO=SFT APO-DPO=SFT Random=SFT APO-DPO=DPO APO-DPO=Random DPO=Random \
  $(foreach on,test dev,RM_APO-v1,~$(on)=RM_Base,~$(on) RM_Test,~$(on)=RM_Base,~$(on))

# Everything that a cell of the map needs
TABLE_map = SFT DPO Random APO-DPO $(foreach row,$(FAVOURITES),$(call name_of,$(row))) truth:RM_Base truth:RM_APO-v1

# The table of method $(1) up to round $(2), with rows named after rounds
round_table = $(if $(filter sft,$(START)),,start=)SFT \
  $(foreach k,$(call rounds,$(2)),round~$(k)~APO-$(call title_of,$(1))=$(call named,apo-$(1)-$(k))) \
  RM_Base $(foreach k,$(call rounds,$(2)),RM~round~$(k)=$(call named,$(call before,apo-$(1)-$(k))/rm))

# ---- run.json ---------------------------------------------------------------

artifacts = $(foreach row,$(1),$(foreach it,$(2),\
  '$(call name_of,$(it)):$(call name_of,$(row))=$(subst %,$(call place_of,$(row)),$(call place_of,$(it)))'))
list      = '$(1)=$(foreach row,$(2),$(row);)'

# Writes run.json, which names those of these artifacts that exist. It runs before each
# use and is not a target: what exists is known only once the goals of this make are
# made, so a target would need the prerequisites of whichever goals these are.
describe = $(JUDGE) describe --quiet --run $(RUN) --settings $(RUN)/settings $(subst ~, ,\
  $(foreach row,$(TITLES),$(foreach it,$(call arms_of,$(row)),\
    --arm $(call list,$(it),SFT $(foreach k,$(NUMBERS),$(call numbered,$(it),$(k))) \
      $(patsubst APO-%,baseline:%,$(filter APO-%,$(it)))))) \
  $(foreach it,1 2 3 4 rounds all real,--table $(call list,$(it),$(TABLE_$(it)))) \
  $(foreach it,$(METHODS),$(foreach k,$(NUMBERS),--table $(call list,apo-$(it)-$(k),$(call round_table,$(it),$(k))))) \
  $(call artifacts,$(DATA_TABLES),$(OF_TABLE)) \
  $(call artifacts,$(POLICIES) $(OTHER_POLICIES),$(OF_POLICY)) \
  $(call artifacts,$(REWARD_MODELS) $(OTHER_MODELS),$(OF_MODEL)) \
  $(call artifacts,$(PAIRS),$(OF_PAIRS)) \
  $(call artifacts,$(FAVOURITES),$(OF_FAVOURITE)) \
  $(call artifacts,$(AGAINST) $(OTHER_AGAINST),$(OF_AGAINST)) \
  $(foreach it,$(SEEDS),'seed:$(it)=seeds/$(it)/table.json') times:times=times.jsonl) > /dev/null

# Prints one of the tables
table = $(describe) && $(JUDGE) table --quiet --run $(RUN) --table $(1)

# ---- what the rows of a table are measured by --------------------------------

MODELS := $(REWARD_MODELS) $(OTHER_MODELS)

# Those of the artifacts $(1) that the rows $(2) name, by their places
places = $(foreach row,$(2),$(call place_of,$(filter $(call place_of,$(row))=%,$(1))))

measures = $(call of_policies,$(call places,$(POLICIES),$(1))) \
  $(call of_rms,$(call places,$(MODELS),$(1))) \
  $(patsubst %,$(RUN)/%.truth.json,$(call places,$(MODELS),$(patsubst truth:%,%,$(filter truth:%,$(1))))) \
  $(patsubst %,$(RUN)/%.best.json,$(call places,$(FAVOURITES),$(1))) \
  $(patsubst %,$(RUN)/%.verdicts.json,$(call places,$(AGAINST),$(1)))
