"""Scale-out: a run's samples over the workers of a Ray cluster, their answers in one store.

May import everything but the command line; nothing imports it but the command line. Needs the extra `[ray]`.
"""
