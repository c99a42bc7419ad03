"""Benchmark families, one folder or file each: load data, ask, score, in the order of the paper's protocol section.

May import `evalsuite.api`, `judges`, `stats` and `records`. Must not know the engine, servers, URLs or reports.
"""
