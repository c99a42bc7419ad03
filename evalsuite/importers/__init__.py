"""Other tools' logs → run directories, one file per format.

May import `records`, `errors` and the run-directory writer. Logs are hostile input: nothing in them is executed, and no path in
them is followed out of its archive.
"""
