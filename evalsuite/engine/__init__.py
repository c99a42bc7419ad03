"""Plan → passes → scores → estimates → run directory.

May import `serving`, `client`, `stats`, `records`, `api`. Knows no benchmark by name and prints nothing.
"""
