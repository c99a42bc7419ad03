"""Abilities a model had before training: light generative versions of MMLU, GSM8K, BBH, BoolQ, PIQA, ARC, TruthfulQA, IFEval.

They read local JSON or CSV, ask chat endpoints and need no extra. Their protocol ids say that they are not the
log-likelihood versions other harnesses report: only differences between checkpoints are comparable (TRACE section 4.2).
`lm_eval` runs any task of lm-evaluation-harness through the same client.

May import `evalsuite.api`, `records`, `stats` and `sequences`.
"""
