"""Judges: definition (prompt), execution (asking) and aggregation (pure folds) apart.

    definition   JudgeInfo, prompts as Jinja templates and their hashes
    hardening    answers neutralised and fenced before a judge sees them
    parsers      from a judge's text to a verdict, never raising
    pairwise     two answers compared; pointwise, panel, reward: the other kinds
    folds        from verdicts to win, tie, lose and preferences
    audit        how far a judge can be believed, and who tried to game it

May import `evalsuite.api`, `stats` and `records`. Must not know the engine, servers or tasks.
"""
