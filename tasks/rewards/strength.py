"""Preference strength by an ensemble of reward models, and what it says about labels and about a single model.

Wang et al. 2024, "Secrets of RLHF" II (arXiv 2401.06080), sections 2.2 to 2.5: the mean μ of r(chosen) − r(rejected) over
reward models estimates how strong a preference is; pairs with low μ are wrongly labelled or ambiguous, and the deviation of
the members is largest at both ends (a U). Pure functions on margins, models × pairs; members are brought to one scale first,
which the paper does not need because its members share their recipe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.errors import StatisticsError

FloatArray = NDArray[np.float64]

CATEGORIES: tuple[tuple[str, float, float], ...] = (
    ("incorrect", 0.0, 0.2), ("ambiguous", 0.2, 0.4), ("normal", 0.4, 0.9), ("strong", 0.9, 1.0),
)  # fmt: skip
"""Shares of the pairs, sorted by strength, as the paper names them."""

GROUPS = 20
MINIMUM_MEMBERS = 3


@dataclass(frozen=True)
class Strength:
    """Strength of each pair: mean and population deviation of the members' scaled margins, shape (pairs,)."""

    mean: FloatArray
    deviation: FloatArray
    members: int


@dataclass(frozen=True)
class StrengthGroup:
    """Pairs of similar strength: their number, mean strength and mean deviation of the members."""

    n: int
    strength: float
    deviation: float


def scaled(margins: ArrayLike) -> FloatArray:
    """Margins (models × pairs) divided by each model's root mean square, so that zero stays zero; constant models are 0."""
    values = _matrix(margins)
    size = np.sqrt(np.mean(values**2, axis=1, keepdims=True))
    result: FloatArray = np.divide(values, size, out=np.zeros_like(values), where=size > 0)
    return result


def preference_strength(margins: ArrayLike) -> Strength:
    """Strength of every pair from at least three members.

    Raises:
        StatisticsError: not a finite models × pairs array, or fewer than three models.
    """
    values = scaled(margins)
    if values.shape[0] < MINIMUM_MEMBERS:
        raise StatisticsError(
            f"preference strength needs at least {MINIMUM_MEMBERS} reward models, got {values.shape[0]}"
        )
    return Strength(values.mean(axis=0), values.std(axis=0), values.shape[0])


def strength_groups(strength: Strength, groups: int = GROUPS) -> tuple[StrengthGroup, ...]:
    """Equally large groups of pairs in order of strength: the points of the U-shaped curve."""
    order = np.argsort(strength.mean, kind="stable")
    parts = np.array_split(order, min(groups, order.size))
    return tuple(
        StrengthGroup(part.size, float(strength.mean[part].mean()), float(strength.deviation[part].mean()))
        for part in parts
    )


def categories(strength: ArrayLike) -> NDArray[np.str_]:
    """Category of each pair by its rank in strength: incorrect, ambiguous, normal, strong (`CATEGORIES`)."""
    values = np.asarray(strength, dtype=np.float64)
    rank = np.empty(values.size)
    rank[np.argsort(values, kind="stable")] = (np.arange(values.size) + 0.5) / max(values.size, 1)
    names = np.empty(values.size, dtype="<U9")
    for name, low, high in CATEGORIES:
        names[(rank >= low) & (rank < high)] = name
    return names


def others_strength(margins: ArrayLike, model: int) -> FloatArray:
    """Mean scaled margin of all models but one, shape (pairs,): a judgement of the pairs that the model had no part in."""
    values = scaled(margins)
    if values.shape[0] < 2:
        raise StatisticsError("the strength by others needs another reward model")
    others: FloatArray = np.delete(values, model, axis=0).mean(axis=0)
    return others


def suspected_labels(margins: ArrayLike) -> NDArray[np.bool_]:
    """Pairs that every member orders against the label: the likeliest label errors, shape (pairs,)."""
    against: NDArray[np.bool_] = np.all(_matrix(margins) < 0, axis=0)
    return against


def accuracy_after_flips(margins: ArrayLike, doubt: ArrayLike, share: float) -> float:
    """Accuracy (ties half) of one model when the labels of the `share` of pairs with the lowest `doubt` are turned round.

    Args:
        margins: of the model, shape (pairs,).
        doubt: strength by other models; the lowest are flipped, as the paper flips the weakest tenth.
        share: 0 to 1.
    """
    d, strength = np.asarray(margins, dtype=np.float64), np.asarray(doubt, dtype=np.float64)
    if d.shape != strength.shape or d.size == 0 or not 0 <= share <= 1:
        raise StatisticsError("label flips need one strength per margin, and a share between 0 and 1")
    flipped = np.argsort(strength, kind="stable")[: round(share * d.size)]
    turned = d.copy()
    turned[flipped] = -turned[flipped]
    return float(np.mean(np.where(turned == 0, 0.5, turned > 0)))


def expected_under_noise(accuracy: float, flip_rate: float) -> float:
    """Accuracy that would be measured were `flip_rate` of the labels turned round at random: a (1 − q) + (1 − a) q."""
    return accuracy * (1.0 - flip_rate) + (1.0 - accuracy) * flip_rate


def _matrix(margins: ArrayLike) -> FloatArray:
    values = np.asarray(margins, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or not np.all(np.isfinite(values)):
        raise StatisticsError(f"expected finite margins, models × pairs, got an array of shape {values.shape}")
    return values
