"""How a request travels: connections, adaptive concurrency, typed retries, fingerprints and the response store.

May import `records` and `errors`. Must not know tasks, judges, models' weights or how a server was started.
"""
