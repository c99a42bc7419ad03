"""AlpacaEval 2: win rates against a baseline, raw, discrete and length-controlled (arXiv 2404.04475).

task     ask and score
length   the length-controlled fit on a run's scores
"""
