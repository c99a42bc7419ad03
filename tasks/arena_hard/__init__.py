"""Arena-Hard: hard user prompts, each answer compared with a baseline's in two games with five labels (arXiv 2406.11939).

scoring   from labels to scores, style features, and the style-controlled score
task      ask and score
"""
