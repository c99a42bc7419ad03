"""Anthropic HH-RLHF: transcripts, pairs and win rates on helpful and harmless prompts."""
