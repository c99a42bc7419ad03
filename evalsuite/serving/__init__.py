"""Model SPECs and what answers for them: managed vLLM servers, attached endpoints, in-process weights, fakes.

May import `client`, `records` and `errors`. Must not know tasks, samples or scores.
"""
