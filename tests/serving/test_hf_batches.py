"""Batches of items of similar length: whole, within the budget, and as few tokens as any cut of them."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from evalsuite.serving import hf_batches  # noqa: E402
from evalsuite.serving.hf_batches import CPU_PASS, by_length, right_padded  # noqa: E402

CPU = torch.device("cpu")


def padded(batches: list[list[int]]) -> int:
    """Tokens of batches of lengths, padding and passes included."""
    return sum(len(batch) * max(batch) + CPU_PASS for batch in batches)


@given(st.lists(st.integers(1, 500), max_size=8), st.integers(1, 1500))
def test_no_cut_of_the_items_has_fewer_tokens(lengths: list[int], budget: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hf_batches, "TOKENS_PER_BATCH", budget)
        batches = list(by_length(lengths, lambda length: length, CPU))
    ordered = sorted(lengths, reverse=True)
    assert [length for batch in batches for length in batch] == ordered
    assert all(len(batch) == 1 or len(batch) * max(batch) <= budget for batch in batches)
    for count in range(len(ordered)):
        for places in combinations(range(1, len(ordered)), count):
            bounds = [0, *places, len(ordered)]
            other = [ordered[start:end] for start, end in pairwise(bounds)]
            if all(len(batch) == 1 or len(batch) * max(batch) <= budget for batch in other):
                assert padded(batches) <= padded(other)


def test_items_of_one_length_fill_a_pass_and_a_long_one_goes_alone() -> None:
    batches = list(by_length([10] * 20 + [2000], lambda length: length, CPU))
    assert batches == [[2000], [10] * 20]


def test_a_gpu_takes_more_padding_for_fewer_passes() -> None:
    lengths = [100, 200, 300, 400]
    on_cpu, on_gpu = (len(list(by_length(lengths, int, torch.device(kind)))) for kind in ("cpu", "cuda"))
    assert (on_cpu, on_gpu) == (4, 1)


def test_padding_is_on_the_right_and_masked() -> None:
    tokens, mask = right_padded([(5, 6, 7), (8,)], 0, CPU)
    assert tokens.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
