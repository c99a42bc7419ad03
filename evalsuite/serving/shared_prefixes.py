"""Conversations that begin alike, scored in one row with their common beginning computed once. Imports torch.

The replies of a preference pair, or of best-of-n, follow the same prompt. A row holds the prompt once and then what each
conversation adds to it; every addition starts again at the position after the prompt, and its tokens see the prompt and
their own addition only. A decoder computes the same numbers for it as for whole conversations, beyond rounding.

Which models can (`why_not_shared`): decoders with the head that transformers gives to all of them, with eager or SDPA
attention, whose layers are causal over everything or over a sliding window. Encoders see the reply from the prompt, and
recurrent layers take tokens in the order in which they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from transformers.modeling_layers import GenericForSequenceClassification

from evalsuite.client.prompt_logprobs import common_prefix

Tokens = tuple[int, ...]

ATTENTION = frozenset({"eager", "sdpa"})
"""Attention implementations that take a mask of our own."""

LAYERS = frozenset({"full_attention", "sliding_attention"})
"""Kinds of layers whose mask we know."""

LENGTH_COST = 3
"""A token costs as much as attention to this many times the model's width of tokens."""


@dataclass(frozen=True, slots=True)
class Row:
    """Conversations whose first `shared` tokens are the same; one conversation shares all of its own."""

    conversations: tuple[Tokens, ...]
    shared: int

    def __len__(self) -> int:
        return self.shared + sum(len(tokens) - self.shared for tokens in self.conversations)


def why_not_shared(model: Any) -> str | None:
    """Why the conversations of a sequence classifier must be scored whole; None when they can share a beginning."""
    config = model.config.get_text_config()
    if type(model).forward is not GenericForSequenceClassification.forward:
        return f"{type(model).__name__} does not read its score as decoders do"
    if config._attn_implementation not in ATTENTION:
        return f"{config._attn_implementation} attention takes no mask of our own"
    if not getattr(config, "is_causal", True) or getattr(config, "use_bidirectional_attention", False):
        return "its attention is not causal"
    unknown = set(getattr(config, "layer_types", None) or ()) - LAYERS
    return f"it has layers of the kind {', '.join(sorted(unknown))}" if unknown else None


def rows_by_prefix(conversations: Sequence[Tokens], width: int, longest: int) -> list[Row]:
    """Put conversations that begin alike into rows, where that costs less than to score them apart.

    Args:
        conversations: token ids, no two alike.
        width: hidden size of the model; the smaller it is, the more a long row costs beside its tokens.
        longest: most tokens of a row of several conversations.

    In lexicographic order the conversations that begin alike are neighbours. Neighbours join in the order of how much
    they share, so that a pair is together before a system prompt common to all is looked at.
    """
    ordered = sorted(conversations)
    shared = [common_prefix(left, right) for left, right in pairwise(ordered)]
    tokens = [0, *accumulate(len(conversation) for conversation in ordered)]

    def length(start: int, end: int, prefix: int) -> int:
        return tokens[end] - tokens[start] - (end - start - 1) * prefix

    starts = {end: end - 1 for end in range(1, len(ordered) + 1)}  # runs of neighbours, by where they end
    ends = {start: start + 1 for start in range(len(ordered))}
    prefixes = [len(conversation) for conversation in ordered]  # by where a run starts
    for border in sorted(range(1, len(ordered)), key=lambda border: -shared[border - 1]):
        start, end, prefix = starts[border], ends[border], shared[border - 1]
        together = length(start, end, prefix)
        apart = length(start, border, prefixes[start]), length(border, end, prefixes[border])
        if together <= longest and _cost(together, width) < sum(_cost(each, width) for each in apart):
            del starts[border], ends[border]
            starts[end], ends[start], prefixes[start] = start, end, prefix
    return [Row(tuple(ordered[start:end]), prefixes[start]) for start, end in ends.items()]


def _cost(length: int, width: int) -> int:
    return length * (LENGTH_COST * width + length)


def row_logits(model: Any, rows: Sequence[Row]) -> torch.Tensor:
    """Logits [conversations, outputs] of the conversations of all rows, in turn."""
    config, device = model.config.get_text_config(), model.device
    size = max(len(row) for row in rows)
    # Of what a position is part: 0 the shared beginning, k the k-th conversation's addition, -1 padding.
    tokens, parts, positions, read = [], [], [], []
    for index, row in enumerate(rows):
        ids, part, position = list(row.conversations[0][: row.shared]), [0] * row.shared, list(range(row.shared))
        for number, conversation in enumerate(row.conversations, start=1):
            last = _last_token(conversation, config.pad_token_id)
            read.append((index, last if last < row.shared else len(ids) + last - row.shared))
            ids += conversation[row.shared :]
            part += [number] * (len(conversation) - row.shared)
            position += range(row.shared, len(conversation))
        padding = size - len(ids)
        tokens.append(ids + [0] * padding)
        parts.append(part + [-1] * padding)
        positions.append(position + [0] * padding)
    place = torch.tensor(positions, device=device)
    hidden = model.base_model(
        input_ids=torch.tensor(tokens, device=device),
        position_ids=place,
        attention_mask=_masks(config, torch.tensor(parts, device=device), place, model.dtype),
    ).last_hidden_state
    row_of, column = torch.tensor(read, device=device).T
    logits: torch.Tensor = model.score(hidden[row_of, column])
    return logits


def _last_token(conversation: Tokens, pad: int | None) -> int:
    """Where transformers reads the score: at the last token that is not the padding token."""
    return next((i for i in range(len(conversation) - 1, 0, -1) if conversation[i] != pad), 0)


def _masks(config: Any, parts: torch.Tensor, positions: torch.Tensor, dtype: torch.dtype) -> Any:
    """What is added to the attention scores [rows, 1, query, key]; by kind of layer where a model has several.

    The window of a sliding layer is measured in positions of the conversation, not of the row.
    """
    key, query = parts[:, None, :], parts[:, :, None]
    seen = ((key == query) | (key == 0)).tril()
    full = _additive(seen, dtype)
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if window is None or kinds == {"full_attention"}:
        return full
    sliding = _additive(seen & (positions[:, :, None] - positions[:, None, :] < window), dtype)
    return {"full_attention": full, "sliding_attention": sliding} if kinds else sliding


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)[:, None]
