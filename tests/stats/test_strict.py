from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from evalsuite.errors import StatisticsError
from evalsuite.stats.betting import log_e_process
from evalsuite.stats.decisions import Decision, GateRule
from evalsuite.stats.strict import StrictGate, strict_gate


def ternary(seed: int, mean: float, n: int = 805, discordant: float = 0.2) -> np.ndarray:
    p = [(discordant - mean) / 2, 1 - discordant, (discordant + mean) / 2]
    return np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], p=p, size=n)


def test_a_clear_win_passes_and_a_clear_loss_fails() -> None:
    won, lost = (strict_gate(ternary(1, mean), GateRule(0.05)) for mean in (0.12, -0.15))
    assert (won.decision, lost.decision) == (Decision.PASS, Decision.FAIL)
    assert won.calls_saved == 805 - won.calls_spent > 0
    assert won.low is not None
    assert lost.high is not None
    assert won.low >= -0.05 - 1e-9
    assert lost.high <= -0.025 + 1e-9


@pytest.mark.parametrize(("mean", "wrong"), [(-0.05, Decision.PASS), (-0.025, Decision.FAIL)])
def test_true_nulls_are_rejected_with_less_than_alpha(mean: float, wrong: Decision) -> None:
    errors = 0
    for seed in range(600):
        gate = StrictGate(GateRule(0.05))
        gate.extend(ternary(seed, mean, 400))
        errors += gate.decision is wrong
    assert errors / 600 <= 0.05


def test_the_verdict_does_not_depend_on_batches() -> None:
    d = ternary(2, 0.05)
    whole = strict_gate(d, GateRule(0.05))
    gate = StrictGate(GateRule(0.05), prompts=805)
    start = 0
    while gate.decision is Decision.INCONCLUSIVE and start < d.size:
        gate.extend(d[start : start + 7])
        start += 7
    assert gate.decision is whole.decision is Decision.PASS
    assert gate.result().n == whole.n
    assert gate.result().low == pytest.approx(whole.low)


def test_it_stops_at_the_prompt_that_decides() -> None:
    d = ternary(3, 0.1)
    result = strict_gate(d, GateRule(0.05), prior_variance=0.2)
    evidence = log_e_process(d, -0.05, 0.05, 0.2)
    assert result.n == int(np.argmax(evidence >= math.log(20))) + 1
    assert result.looks[-1].log_e_pass == pytest.approx(evidence[result.n - 1])
    assert result.looks[-1].threshold_pass == pytest.approx(math.log(20))


def test_more_prompts_continue_the_same_test() -> None:
    gate = StrictGate(GateRule(0.05))
    gate.extend(np.tile([-1.0, 1.0, 0.0, 0.0, 0.0], 12))
    first = gate.result()
    assert first.decision is Decision.INCONCLUSIVE
    assert first.n_needed is None or first.n_needed > 60
    gate.extend(ternary(5, 0.1, 800))
    assert gate.decision is Decision.PASS


def test_missing_pairs_are_counted_and_not_bet_on() -> None:
    d = ternary(6, 0.1, 300)
    holes = d.copy()
    holes = np.insert(holes, [10, 20, 30], np.nan)
    full, gappy = strict_gate(d, GateRule(0.05)), strict_gate(holes, GateRule(0.05))
    assert gappy.n == full.n
    assert gappy.missing == 3
    assert gappy.low == pytest.approx(full.low)


def test_only_missing_pairs_decide_nothing() -> None:
    result = strict_gate([float("nan")] * 5, GateRule(0.05))
    assert (result.decision, result.estimate, result.missing) == (Decision.INCONCLUSIVE, None, 5)


def test_a_whole_benchmark_always_ends_in_a_verdict_unless_both_claims_are_false() -> None:
    for seed, mean in enumerate([-0.2, -0.06, -0.045, -0.01, 0.1]):
        d = ternary(seed, mean, 200)
        result = strict_gate(d, GateRule(0.05), benchmark=True)
        assert result.decision is not Decision.INCONCLUSIVE
        json.dumps(asdict(result), allow_nan=False)
    with pytest.raises(StatisticsError, match="more differences"):
        StrictGate(GateRule(0.05), prompts=3, benchmark=True).extend(np.zeros(4))
    with pytest.raises(StatisticsError, match="score missing ones"):
        StrictGate(GateRule(0.05), prompts=3, benchmark=True).extend([0.0, float("nan")])
    with pytest.raises(StatisticsError, match="number of prompts"):
        StrictGate(GateRule(0.05), benchmark=True)


def test_a_metric_on_another_scale_is_scaled_by_its_bound() -> None:
    d = ternary(7, 0.05)
    unit, ten = strict_gate(d, GateRule(0.05)), strict_gate(9 * d, GateRule(0.45, bound=9.0), prior_variance=0.25 * 81)
    assert (unit.decision, unit.n) == (ten.decision, ten.n)
    assert ten.low == pytest.approx(9 * unit.low)  # type: ignore[operator]


def test_needed_prompts_shrink_as_the_candidate_looks_better() -> None:
    few_losses, none = (np.tile(pattern, 20) for pattern in ([-1.0, 1, 0, 0, 0], [-1.0, 1, 1, 0, 0]))
    even, better = (strict_gate(d, GateRule(0.03)).n_needed for d in (few_losses, none[:50]))
    assert even is not None
    assert better is not None
    assert 50 < better < even


def test_needed_prompts_are_enough_nine_times_in_ten() -> None:
    needed = strict_gate(ternary(8, 0.0, 300), GateRule(0.05)).n_needed
    assert needed is not None
    passed = 0
    for seed in range(200):
        gate = StrictGate(GateRule(0.05))
        gate.extend(ternary(100 + seed, 0.0, needed))
        passed += gate.decision is Decision.PASS
    assert passed / 200 > 0.75


def test_unusable_input_is_refused() -> None:
    with pytest.raises(StatisticsError, match="largest possible"):
        StrictGate(GateRule(0.05)).extend([2.0])
    with pytest.raises(StatisticsError, match="prior variance"):
        StrictGate(GateRule(0.05), prior_variance=0.0)
    with pytest.raises(StatisticsError, match="shape"):
        strict_gate([], GateRule(0.05))
    gate = StrictGate(GateRule(0.05))
    gate.extend(np.ones(200))
    with pytest.raises(StatisticsError, match="already decided"):
        gate.extend([0.0])
