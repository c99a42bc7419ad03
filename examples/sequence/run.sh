#!/bin/sh
# A real checkpoint sequence from nothing: a small model, three LoRA fine-tunes in order, evaluation, report.
# Needs `pip install 'evalsuite[cpu,train,text-metrics]'`, vLLM, and EVALSUITE_DATA with `trace/` and `general_ability/`.
# Arguments are passed on to train.py, for example `--examples 40` for a quick look.
set -eu
cd "$(dirname "$0")/../.."
python examples/checkpoints/build.py smollm2-135m-instruct
python examples/sequence/train.py "$@"
evalsuite run --sequence .demo/sequence/sequence.yaml --limit 150 --out runs/sequence
evalsuite report runs/sequence -o runs/sequence/report.html
