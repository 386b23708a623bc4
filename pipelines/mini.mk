# The mini world: a generated HH with known truth, and a policy of about a
# million parameters that is trained from nothing. Minutes on two cores.

HH       ?= fixtures/hh
MODEL    ?= fixtures/mini

SPLIT    ?= --hh $(HH) --rm 40% --dev 5%
GOLDEN   ?= --from-journal fixtures/golden-journal.jsonl --model mini-golden
START    ?= sft
SFT      ?= --from-scratch --epochs 3 --batch 16 --learning-rate 2e-3
REWARD   ?= --batch 32 --learning-rate 5e-4
APO      ?= --beta-2 10
SAMPLE   ?= --max-new-tokens 96 --batch 64
ANSWER   ?= --samples 1 --temperature 0.3 --top-k 5 --top-p 0.85 --repetition-penalty 1.05 \
            --max-new-tokens 96 --batch 64
SCORE    ?=
ALIGN    ?= --batch 32
dpo      ?= --learning-rate 1e-4
rjs      ?= --learning-rate 2e-4
rrhf     ?= --learning-rate 1e-4

# What only a generated world has: the true quality of answers.
QUALITY  := mini-quality
