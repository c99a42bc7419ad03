"""Simulations shared by the tests of the statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@pytest.fixture(scope="session")
def simulated_battles() -> Callable[..., tuple[IntArray, IntArray, FloatArray, IntArray]]:
    """A function that draws battles (first, second, outcome, prompt) between models of known strengths."""

    def draw(k: int, n: int, prompts: int, seed: int, prompt_sd: float = 0.0, tie_rate: float = 0.2):
        """Battles of k models over shared prompts; each prompt shifts each model's strength by a normal deviate."""
        rng = np.random.default_rng(seed)
        strengths = rng.normal(0, 0.8, k)
        first = rng.integers(k, size=n)
        second = (first + 1 + rng.integers(k - 1, size=n)) % k
        prompt = rng.integers(prompts, size=n)
        shift = rng.normal(0, prompt_sd, (prompts, k)) if prompt_sd else np.zeros((prompts, k))
        logit = strengths[first] + shift[prompt, first] - strengths[second] - shift[prompt, second]
        outcome = (rng.random(n) < expit(logit)).astype(float)
        outcome[rng.random(n) < tie_rate] = 0.5
        return first, second, outcome, prompt

    return draw
