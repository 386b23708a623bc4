# The mini world: a generated HH with known truth, and a policy of about a
# million parameters that is trained from scratch. Minutes on two cores.

# WORLD is a folder that `mini-world` wrote.
WORLD    ?= fixtures
HH       ?= $(WORLD)/hh
MODEL    ?= $(WORLD)/mini

# Seed of the split, the starting weights, the order of training and every sample.
SEED     ?= 1
SPLIT    ?= --hh $(HH) --rm 40% --dev 5% --seed $(SEED)
GOLDEN   ?= --seed $(SEED) --from-journal $(WORLD)/golden-journal.jsonl --model mini-golden
START    ?= sft
SFT      ?= --seed $(SEED) --from-scratch --epochs 3 --batch 16 --learning-rate 2e-3
REWARD   ?= --seed $(SEED) --epochs 2 --batch 32 --learning-rate 5e-4
APO      ?= --beta-2 10
TEMPERATURE ?= 1.2
SAMPLE   ?= --seed $(SEED) --temperature $(TEMPERATURE) --max-new-tokens 96 --batch 64
ANSWER   ?= --seed $(SEED) --samples 1 --temperature 0.3 --top-k 5 --top-p 0.85 --repetition-penalty 1.05 \
            --max-new-tokens 96 --batch 64
SCORE    ?=
LOG_PROBS ?=
ALIGN    ?= --seed $(SEED) --batch 32
GOLDEN_SFT ?= --seed $(SEED) --batch 32 --learning-rate 2e-4

# The rounds of each method; rates fall from round to round as in the paper.
dpo-1    ?= --learning-rate 1e-4
dpo-2    ?= --learning-rate 4e-5
dpo-3    ?= --learning-rate 1.8e-5
rjs-1    ?= --learning-rate 2e-4
rjs-2    ?= --learning-rate 8e-5
rjs-3    ?= --learning-rate 3.6e-5
rrhf-1   ?= --learning-rate 1e-4
rrhf-2   ?= --learning-rate 4e-5
rrhf-3   ?= --learning-rate 1.8e-5

# A judge with the faults of real ones, which runs while a comparison does.
COMPARE  ?= --model mini-judge
JUDGE_SERVER = $(BIN)/mini-judge

# What only a generated world has: the true quality of answers.
QUALITY  := mini-quality
