"""Simulates the release gate on real judge scores: error rates and judge calls of every test, for all pairs of models.

    EVALSUITE_DATA=… python benchmarks/gate_simulation.py --replicates 100 --out docs/gate-simulation.md

Each pair of AlpacaEval models gives the law of the paired difference D. Prompts are resampled with exponential
tilting, so that the mean of D is exactly the null of interest while skew and support stay real: at −margin every PASS
is false, at `fail_null` (and above) every FAIL is. The covariates of the default test are the baseline's score and
the mean score of the other models.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtri

from evalsuite.stats.betting import BettingState, BettingTest, advance
from evalsuite.stats.covariates import gate_covariates
from evalsuite.stats.decisions import GateRule
from evalsuite.stats.sequential import group_sequential_gate
from evalsuite.stats.standard_errors import FloatArray

LARGEST_TRUE_DIFFERENCE = 0.16
ALPHA = 0.05
Outcome = tuple[str, int]
Test = Callable[[FloatArray, FloatArray, GateRule], Outcome]


@dataclass
class Tally:
    """Outcomes of one test under one truth; rates are averaged over pairs."""

    passes: list[float] = field(default_factory=list)
    fails: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


def read_scores(folder: Path) -> pd.DataFrame:
    """Preference of every model (columns) on every prompt, gamed answers and the reference left out."""
    columns = {}
    for path in sorted((folder / "annotations").glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        if name not in ("gpt4_1106_preview", "gpt4_gamed"):
            rows = pd.read_json(path, lines=True)
            columns[name] = rows.set_index("ref_index")["preference"] - 1
    return pd.DataFrame(columns).dropna()


def pairs(scores: pd.DataFrame) -> Iterator[tuple[FloatArray, FloatArray]]:
    """`(D, covariates)` of every ordered pair whose true difference is within reach of a gate."""
    for candidate in scores:
        for baseline in scores:
            d = (scores[candidate] - scores[baseline]).to_numpy()
            if candidate < baseline and abs(d.mean()) <= LARGEST_TRUE_DIFFERENCE:
                others = scores.drop(columns=[candidate, baseline]).mean(axis=1).to_numpy()
                yield d, gate_covariates(scores[baseline].to_numpy(), others)


def tilted(d: FloatArray, mean: float) -> FloatArray:
    """Probabilities proportional to exp(lambda d) that give D the wanted mean."""

    def excess(tilt: float) -> float:
        weights = np.exp(tilt * (d - d.mean()))
        return float((weights @ d) / weights.sum()) - mean

    tilt = brentq(excess, -60, 60)
    weights = np.exp(tilt * (d - d.mean()))
    return np.asarray(weights / weights.sum())


def fixed(d: FloatArray, z: FloatArray, rule: GateRule) -> Outcome:
    """One look at N: paired t, PASS taking precedence."""
    n = len(d)
    se = d.std(ddof=1) / math.sqrt(n)
    critical = -float(ndtri(ALPHA))
    if (d.mean() + rule.margin) / se >= critical:
        return "PASS", n
    return ("FAIL" if (rule.fail_threshold - d.mean()) / se >= critical else "INCONCLUSIVE"), n


def sequential(d: FloatArray, z: FloatArray, rule: GateRule) -> Outcome:
    """Group-sequential t without covariates."""
    result = group_sequential_gate(d, rule)
    return result.decision.value, result.calls_spent


def default(d: FloatArray, z: FloatArray, rule: GateRule) -> Outcome:
    """Group-sequential t with covariates and the ceiling guard."""
    result = group_sequential_gate(d, rule, covariates=z)
    return result.decision.value, result.calls_spent


def strict(d: FloatArray, z: FloatArray, rule: GateRule) -> Outcome:
    """Betting e-processes, as `stats.strict.StrictGate`, without the interval at every look."""
    prior = 0.25
    threshold = rule.fail_threshold
    tests = (
        BettingTest(-rule.margin, rule.margin, prior, None),
        BettingTest(-threshold, max(rule.margin + threshold, rule.margin / 2), prior, None),
    )
    (_, log_pass), (_, log_fail) = (advance(test, BettingState(), x) for test, x in zip(tests, (d, -d), strict=True))
    limit = -math.log(ALPHA)
    crossed = np.flatnonzero((log_pass >= limit) | (log_fail >= limit))
    if not len(crossed):
        return "INCONCLUSIVE", len(d)
    return ("PASS" if log_pass[crossed[0]] >= limit else "FAIL"), int(crossed[0]) + 1


TESTS: dict[str, Test] = {
    "fixed n": fixed,
    "group-sequential": sequential,
    "group-sequential + covariates + guard (default)": default,
    "strict (betting)": strict,
}


def bound(d: FloatArray, p: FloatArray, margin: float, power: float = 0.9) -> float:
    """Wald bound on E[n] for a PASS of this power: kl(power, alpha) / KL_inf(P, −margin) (Garivier and Kaufmann)."""
    kl = power * math.log(power / ALPHA) + (1 - power) * math.log((1 - power) / (1 - ALPHA))
    best = minimize_scalar(
        lambda bet: -float(p @ np.log1p(bet * (d + margin))), bounds=(0.0, 0.999 / (1 - margin)), method="bounded"
    )
    return kl / -best.fun


def simulate(scores: pd.DataFrame, margin: float, fail_null: float, replicates: int, seed: int) -> list[str]:
    """Rows of the results table for one margin and one FAIL rule."""
    rule = GateRule(margin=margin, fail_null=fail_null, alpha_pass=ALPHA, alpha_fail=ALPHA)
    truths = {"0": 0.0, "fail_null": fail_null, "-margin": -margin}
    tallies = {(test, truth): Tally() for test in TESTS for truth in truths}
    bounds: list[float] = []
    rng = np.random.default_rng(seed)
    n_pairs = 0
    for d, z in pairs(scores):
        n_pairs += 1
        for truth, mean in truths.items():
            p = tilted(d, mean)
            if truth == "0":
                bounds.append(min(bound(d, p, margin) / len(d), 1.0))
            draws = [rng.choice(len(d), size=len(d), p=p) for _ in range(replicates)]
            for name, test in TESTS.items():
                outcomes = [test(d[rows], z[rows], rule) for rows in draws]
                tally = tallies[name, truth]
                tally.passes.append(float(np.mean([outcome == "PASS" for outcome, _ in outcomes])))
                tally.fails.append(float(np.mean([outcome == "FAIL" for outcome, _ in outcomes])))
                tally.shares.append(float(np.mean([spent for _, spent in outcomes])) / len(d))
    runs = n_pairs * replicates
    error = math.sqrt(ALPHA * (1 - ALPHA) / runs)
    lines = [
        f"margin {margin:g}, FAIL rejects theta >= {fail_null:g}; {n_pairs} pairs x {replicates} replicates, N = {len(scores)}; "
        f"one Monte-Carlo SE of a 5% rate is {100 * error:.2f} points over all pairs and "
        f"{100 * math.sqrt(ALPHA * (1 - ALPHA) / replicates):.1f} for a single pair; Wald bound on calls for a PASS at theta = 0: "
        f"{np.mean(bounds):.2f} of N",
        "",
        "| test | theta = 0: PASS / FAIL / calls | theta = fail_null: false FAIL (mean, worst pair) | "
        "theta = -margin: false PASS (mean, worst pair) / FAIL / calls |",
        "|---|---|---|---|",
    ]
    for name in TESTS:
        zero, null, loss = (tallies[name, truth] for truth in truths)
        lines.append(
            f"| {name} | {np.mean(zero.passes):.3f} / {np.mean(zero.fails):.3f} / {np.mean(zero.shares):.2f} | "
            f"{np.mean(null.fails):.3f}, {np.max(null.fails):.2f} | "
            f"{np.mean(loss.passes):.3f}, {np.max(loss.passes):.2f} / {np.mean(loss.fails):.3f} / {np.mean(loss.shares):.2f} |"
        )
    return [*lines, ""]


def main() -> None:
    """Simulate margins and FAIL rules and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--margins", type=float, nargs="+", default=[0.05, 0.03])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    scores = read_scores(Path(os.environ["EVALSUITE_DATA"]) / "alpaca_eval")
    lines = ["# The gate, simulated on real judge scores", "", *(__doc__ or "").splitlines()[2:], ""]
    for margin in arguments.margins:
        for fail_null in (0.0, -margin / 2):
            start = time.perf_counter()
            lines += simulate(scores, margin, fail_null, arguments.replicates, arguments.seed)
            print("\n".join(lines[-7:]), f"{time.perf_counter() - start:.0f} s", flush=True)
    if arguments.out:
        arguments.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
