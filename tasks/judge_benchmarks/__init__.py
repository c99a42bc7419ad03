"""How good is this judge? Pairs with a known better answer: objective labels (JudgeBench, LLMBar) or human votes.

sources     the data sets, each as labelled pairs
benchmark   ask the judge in both orders and compare with the label; one task per data set, and the judge card of all
"""
