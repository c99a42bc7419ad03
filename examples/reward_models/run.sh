#!/bin/sh
# Six small real reward models and a DPO pair from nothing, served by vLLM in and out of distribution, one report.
# Needs `pip install 'evalsuite[cpu,train]'`, vLLM, and EVALSUITE_DATA with HH-RLHF and the sets to compare with.
# Arguments are passed on to build.py, for example `--dtype bfloat16 --per-domain 20` for a quick look.
set -eu
cd "$(dirname "$0")/../.."
python examples/reward_models/build.py --fine-tune "$@"
evalsuite run --config .demo/reward_models/ood_reward.yaml --out runs/ood
evalsuite run --config .demo/reward_models/dpo.yaml --out runs/dpo
evalsuite report runs/ood runs/dpo -o runs/ood/report.html
