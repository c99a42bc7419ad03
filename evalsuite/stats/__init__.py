"""Pure functions on arrays: intervals, paired and sequential tests, ratings, forgetting, agreement, calibration.

May import numpy, scipy and `errors`. Must not know runs, models, files or the command line; randomness comes in as a
`numpy.random.Generator`.
"""
