"""Reward models under test: accuracy and calibration on pairs, RewardBench, RM-Bench, out of distribution, over-optimisation.

Every task here has `subject="reward_model"`: the arms of the run are the reward models. Where a reward comes from (a served
scalar head, the log-probabilities of a DPO policy, a generative judge's rating) is the option `source`.
"""
