"""Unlearning: is it gone, is the rest still there, and does it come back when one asks differently?

`tofu` (Maini et al. 2024), `muse` (Shi et al. 2024), `hazard` (multiple choice in the style of WMDP, Li et al. 2024) and
`rwku` (Jin et al. 2024) are the tasks; `measures` holds their pure formulas, `membership` the membership scores from prompt
log-probabilities, `attacks` the ways of asking differently, with the guardrail prompt as the baseline to beat.

May import `evalsuite.api`, `records`, `stats` and `tasks.text_metrics`.
"""
