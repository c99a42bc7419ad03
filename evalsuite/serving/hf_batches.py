"""Batches for one forward pass: items of similar length together, padded on the right. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

TOKENS_PER_BATCH = 8192
"""Most tokens, padding included, that are scored in one forward pass."""

CPU_PASS, GPU_PASS = 64, 1024
"""What a forward pass costs beside its tokens, in tokens: on a CPU the weights are read, on a GPU the kernels are launched."""

T = TypeVar("T")


def by_length(waiting: Iterable[T], length: Callable[[T], int], device: torch.device) -> Iterator[list[T]]:
    """Batches of items of similar length, longest first, each within the token budget.

    Of all ways to cut the items into batches this one has the least tokens, where padding counts as tokens do and every
    pass counts as some more.
    """
    ordered = sorted(waiting, key=length, reverse=True)
    a_pass = CPU_PASS if device.type == "cpu" else GPU_PASS
    least, starts = [0], [0]  # for the first 0, 1, … items: tokens, and where their last batch starts
    for end in range(1, len(ordered) + 1):
        sizes = ((start, (end - start) * length(ordered[start])) for start in range(end))
        tokens, start = min(
            (least[start] + size + a_pass, start)
            for start, size in sizes
            if size <= TOKENS_PER_BATCH or end - start == 1
        )
        least.append(tokens)
        starts.append(start)
    cuts, end = [], len(ordered)
    while end:
        cuts.append(slice(starts[end], end))
        end = starts[end]
    yield from (ordered[cut] for cut in reversed(cuts))


def right_padded(batch: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask [rows, longest]."""
    width = max(len(ids) for ids in batch)
    tokens = torch.tensor([[*ids, *[pad] * (width - len(ids))] for ids in batch], device=device)
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in batch], device=device)
    return tokens, mask
