"""May the candidate be released? Policy → evidence → decision → verdict, with a ledger of verdicts already given.

Stands between the command line and the engine: reads run directories, asks `stats` for the tests, prints nothing.
"""
