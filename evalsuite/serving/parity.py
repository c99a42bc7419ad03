"""Does the server score what transformers scores? The check of a served reward model against its own weights.

A server can apply an activation, another template or a half-precision dtype without saying so; sixteen conversations scored
both ways, before the run, show it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations

import msgspec

from evalsuite.client.backend import Backend, RewardRequest
from evalsuite.errors import CapabilityError
from evalsuite.progress import SILENT, Progress
from evalsuite.records import Message
from evalsuite.serving.hf_model import serve_hf
from evalsuite.serving.spec import ModelSpec

TOLERANCE = 1e-2
"""Largest difference between two scores; float32 on both sides agrees to 1e-4, half precision to a few thousandths."""

CLEAR_MARGIN = 0.05
"""Pairs further apart than this must be in the same order on both sides."""


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Rewards of the same conversations by the server and by transformers."""

    served: tuple[float, ...]
    reference: tuple[float, ...]
    largest_difference: float
    reversed_pairs: int


async def parity_check(
    spec: ModelSpec,
    backend: Backend,
    conversations: Sequence[Sequence[Message]],
    *,
    tolerance: float = TOLERANCE,
    progress: Progress = SILENT,
) -> Parity | None:
    """Score conversations with a served reward model and with transformers in float32, and compare.

    Args:
        spec: the served model; None is returned when its weights are not on this machine.
        backend: where it is served.
        conversations: each ends with the assistant's turn; sixteen are enough.
        tolerance: largest difference of two scores that passes.

    Raises:
        CapabilityError: the scores differ, or an order is reversed; the message says by how much and what to look at.
    """
    folder = spec.local_path
    if folder is None or "lora" in spec.options:
        return None
    requests = [RewardRequest(messages=tuple(messages)) for messages in conversations]
    served = _values(spec, "the server", await asyncio.gather(*(backend.ask(request) for request in requests)))
    kept = {
        key: value for key, value in spec.options.items() if key in ("template", "chat_template", "trust_remote_code")
    }
    local = ModelSpec(
        label=spec.label, scheme="hf", target=str(folder), options={**kept, "dtype": "float32", "device": "cpu"}
    )
    async with serve_hf(local, frozenset({"reward"}), progress) as reference_backend:
        answers = await asyncio.gather(*(reference_backend.ask(request) for request in requests))
    reference = _values(spec, "transformers", answers)
    parity = compare_rewards(served, reference)
    if parity.largest_difference > tolerance or parity.reversed_pairs:
        raise CapabilityError(
            f"{spec.redacted!r}: the server and transformers score the same {len(requests)} conversations differently "
            f"(by up to {parity.largest_difference:.4g}; {parity.reversed_pairs} clear pairs in reversed order): look at "
            "the dtype, the chat template and whether the server applies an activation"
        )
    return parity


def compare_rewards(served: Sequence[float], reference: Sequence[float]) -> Parity:
    """Largest difference, and how many clearly separated pairs are ordered the other way round."""
    pairs = combinations(range(len(reference)), 2)
    reversed_pairs = sum(
        1
        for i, j in pairs
        if abs(reference[i] - reference[j]) > CLEAR_MARGIN
        and (served[i] - served[j]) * (reference[i] - reference[j]) <= 0
    )
    largest = max((abs(a - b) for a, b in zip(served, reference, strict=True)), default=0.0)
    return Parity(
        served=tuple(served),
        reference=tuple(reference),
        largest_difference=largest,
        reversed_pairs=reversed_pairs,
    )


def _values(spec: ModelSpec, who: str, answers: Sequence[object]) -> list[float]:
    values = []
    for answer in answers:
        reward = getattr(answer, "reward", None)
        if reward is None:
            error = getattr(answer, "error", None)
            raise CapabilityError(f"{spec.redacted!r}: {who} did not score a conversation of the parity check: {error}")
        values.append(float(reward))
    return values
