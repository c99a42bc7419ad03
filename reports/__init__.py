"""What people look at: the HTML report, the leaderboard, Markdown summaries.

Reads run directories through `evalsuite.engine.directory`; must not know tasks, judges or models.
"""
