"""Continual knowledge learning: facts to keep, to update and to acquire (Jang et al. 2021, arXiv 2110.03215).

May import `evalsuite.api`, `records`, `stats`, `sequences` and `tasks.world_knowledge.matching`.
"""
