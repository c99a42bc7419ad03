"""MT-Bench: 80 two-turn questions in eight categories, graded one by one or against a baseline (arXiv 2306.05685).

questions   the question file, reference answers and published answers
judging     how one turn of a dialogue is judged, with our prompts or with FastChat's
single      answers rated 1-10
pairwise    answers compared with a baseline's in both orders
"""
