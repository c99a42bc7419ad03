"""Boundaries of group-sequential tests: how far a statistic must go at each look so that looking often costs no level.

Between looks the score of a test behaves like Brownian motion in information time. Its sub-density among the paths not
yet stopped is carried from look to look by numerical integration, and each boundary spends the error that the spending
function allows (Lan and DeMets 1983; Kim and DeMets 1987; recursion of Armitage, McPherson and Rowe 1969). Boundaries
are one-sided and non-binding: a test keeps its level whatever another test does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from evalsuite.errors import StatisticsError
from evalsuite.stats.standard_errors import FloatArray

MINIMUM_INCREMENT = 1e-4  # a look that adds less information than this is skipped
REACH = 8.0  # paths further out than this many standard deviations are left aside
STEPS_PER_SD = 4.0  # grid points per standard deviation of the narrower step beside a look
LARGEST_GRID = 4001
SMALLEST_SPEND = 1e-14


@dataclass(frozen=True)
class SpendingFunction:
    """Share of the error rate that may be spent by information time t (0..1).

    'power': a t^rho (Kim-DeMets; rho = 1 is linear, the default of the gate, rho = 3 keeps power for the end);
    'obrien-fleming': 2 - 2 Phi(z_{a/2} / sqrt t); 'pocock': a log(1 + (e - 1) t) (both Lan-DeMets).
    """

    family: Literal["power", "obrien-fleming", "pocock"] = "power"
    rho: float = 1.0

    def __post_init__(self) -> None:
        if self.family not in ("power", "obrien-fleming", "pocock"):
            raise StatisticsError(f"spending family must be power, obrien-fleming or pocock, got {self.family!r}")
        if not 0.1 <= self.rho <= 20:
            raise StatisticsError(f"spending exponent rho must lie between 0.1 and 20, got {self.rho}")

    @classmethod
    def parse(cls, text: str) -> SpendingFunction:
        """From its written form: 'linear', 'rho=3', 'obrien-fleming' or 'pocock'."""
        if text == "linear":
            return cls()
        if text == "obrien-fleming":
            return cls("obrien-fleming")
        if text == "pocock":
            return cls("pocock")
        try:
            if not text.startswith("rho="):
                raise ValueError(text)
            return cls("power", float(text.removeprefix("rho=")))
        except ValueError as error:
            raise StatisticsError(
                f"spending function {text!r} is not known: use linear, rho=NUMBER, obrien-fleming or pocock"
            ) from error

    def spent(self, time: float, alpha: float) -> float:
        """Cumulative error spent by information time `time`."""
        if time >= 1.0:
            return alpha
        if self.family == "power":
            return float(alpha * time**self.rho)
        if self.family == "pocock":
            return alpha * math.log1p((math.e - 1.0) * time)
        return 2.0 * float(ndtr(ndtri(alpha / 2.0) / math.sqrt(time)))


@dataclass(frozen=True, eq=False)
class _Stage:
    """The process after a look: its boundary, and what gives the density of the paths that go on.

    The density at y is sum(mass * phi((y - points) / sd) / sd) for y up to `upper`; it is evaluated at the next look, on
    a grid that suits the step to come.
    """

    time: float
    bound: float
    spent: float
    points: FloatArray
    mass: FloatArray
    sd: float
    upper: float
    drift: float

    def discretised(self, next_sd: float) -> tuple[FloatArray, FloatArray]:
        """Grid points and Simpson masses of the paths still running, fine enough for a step of `next_sd`."""
        if self.time == 0.0:
            return np.zeros(1), np.ones(1)
        lower = self.drift * self.time - REACH * math.sqrt(self.time)
        count = math.ceil((self.upper - lower) / min(self.sd, next_sd) * STEPS_PER_SD)
        count = min(max(count, 100), LARGEST_GRID - 1) // 2 * 2 + 1
        points = np.linspace(lower, self.upper, count)
        weights = np.full(count, 2.0)
        weights[1::2] = 4.0
        weights[[0, -1]] = 1.0
        offset = (points[:, None] - self.points - self.drift * self.sd**2) / self.sd
        density = np.exp(-0.5 * offset**2) @ self.mass / (self.sd * math.sqrt(2.0 * math.pi))
        return points, density * weights * ((points[1] - points[0]) / 3.0)


_START = _Stage(0.0, math.inf, 0.0, np.zeros(1), np.ones(1), 0.0, 0.0, 0.0)


def _advance(stage: _Stage, time: float, target: float) -> _Stage:
    """The stage at `time`, with the boundary that brings the error spent to `target` (no drift)."""
    sd = math.sqrt(time - stage.time)
    points, mass = stage.discretised(sd)
    reach = REACH * math.sqrt(time)
    increment = target - stage.spent
    if increment < SMALLEST_SPEND:
        return _Stage(time, math.inf, stage.spent, points, mass, sd, reach, 0.0)
    upper = _solve_tail(points, mass, sd, increment, reach)
    return _Stage(time, upper / math.sqrt(time), target, points, mass, sd, min(upper, reach), 0.0)


def _solve_tail(points: FloatArray, mass: FloatArray, sd: float, target: float, reach: float) -> float:
    """c with sum(mass * P(point + sd Z >= c)) = target: safeguarded Newton steps on the falling tail."""
    low, high = -reach, reach + REACH * sd
    c = sd * -float(ndtri(min(target, 0.5)))
    for _ in range(100):
        offset = (c - points) / sd
        excess = float(mass @ ndtr(-offset)) - target
        low, high = (c, high) if excess > 0 else (low, c)
        slope = float(mass @ np.exp(-0.5 * offset**2)) / (sd * math.sqrt(2.0 * math.pi))
        # On the logarithm of the tail, where far-out targets of 1e-12 are as easy as 0.01.
        tail = excess + target
        step = tail * math.log(tail / target) / slope if slope > 0 and tail > 0 else math.nan
        new = c + step
        if not low < new < high:
            new = (low + high) / 2
        if abs(new - c) < 1e-12:
            return new
        c = new
    return c


@lru_cache(maxsize=1024)
def _stage(times: tuple[float, ...], alpha: float, spending: SpendingFunction) -> _Stage:
    if not times:
        return _START
    before = _stage(times[:-1], alpha, spending)
    return _advance(before, times[-1], spending.spent(times[-1], alpha))


def efficacy_bounds(
    times: Sequence[float], alpha: float, spending: SpendingFunction | None = None
) -> tuple[float, ...]:
    """One-sided z boundaries at the given information times.

    Times already known keep their boundaries when later ones are added, so the function may be called look by look;
    results are cached per prefix. A look at which nothing may be spent yet has the boundary infinity.

    Args:
        times: information times, increasing, in (0, 1].
        alpha: one-sided error rate of the whole test.
        spending: default linear.

    Raises:
        StatisticsError: times not increasing by at least 1e-4, outside (0, 1], or alpha outside (0, 0.5).
    """
    steps = tuple(float(time) for time in times)
    if not 0.0 < alpha < 0.5:
        raise StatisticsError(f"one-sided alpha must lie between 0 and 0.5, got {alpha}")
    previous = 0.0
    for time in steps:
        if not previous + MINIMUM_INCREMENT * 0.999 <= time <= 1.0:
            raise StatisticsError(
                f"information times must grow by at least 1e-4 and end by 1, got {time} after {previous}"
            )
        previous = time
    chosen = spending or SpendingFunction()
    return tuple(_stage(steps[: j + 1], alpha, chosen).bound for j in range(len(steps)))


def crossing_probability(times: Sequence[float], bounds: Sequence[float], drift: float = 0.0) -> tuple[float, ...]:
    """Cumulative probability that Brownian motion with `drift` has crossed the z boundaries by each time.

    `drift` is the expected z at time 1. With drift 0 the last value is the error spent, with the drift of an
    alternative it is the power.
    """
    stage = _Stage(0.0, math.inf, 0.0, np.zeros(1), np.ones(1), 0.0, 0.0, drift)
    crossed: list[float] = []
    total = 0.0
    for time, bound in zip(times, bounds, strict=True):
        sd = math.sqrt(time - stage.time)
        points, mass = stage.discretised(sd)
        farthest = drift * time + REACH * math.sqrt(time)
        upper = min(bound * math.sqrt(time), farthest)
        total += float(mass @ ndtr(-(bound * math.sqrt(time) - points - drift * sd**2) / sd))
        stage = _Stage(time, bound, total, points, mass, sd, upper, drift)
        crossed.append(total)
    return tuple(crossed)
