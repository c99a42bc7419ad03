from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from evalsuite.errors import StatisticsError
from evalsuite.stats.boundaries import SpendingFunction, efficacy_bounds
from evalsuite.stats.decisions import Decision, GateRule, fixed_sample_gate, t_from_z, z_from_t
from evalsuite.stats.sequential import (
    GroupSequentialGate,
    group_sequential_gate,
    recommended_gate,
    repeated_p_value,
)

RUNS = 2000
LIMIT = 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
STRICT_READING = GateRule(margin=0.05, fail_null=0.0)


def ternary(rng: np.random.Generator, mean: float, n: int = 805, discordant: float = 0.2) -> np.ndarray:
    win, loss = (discordant + mean) / 2, (discordant - mean) / 2
    return rng.choice([-1.0, 0.0, 1.0], p=[loss, 1 - discordant, win], size=n)


def rates(rule: GateRule, mean: float, seed: int, with_covariates: bool = False, n: int = 805) -> Counter[Decision]:
    """Shares of the verdicts over seeded runs of independent ternary differences with a known mean."""
    rng = np.random.default_rng(seed)
    found: Counter[Decision] = Counter()
    for _ in range(RUNS):
        d = ternary(rng, mean, n)
        # A covariate that explains about half of the variance of the difference.
        z = d[:, None] + 0.45 * rng.normal(size=(n, 1)) if with_covariates else None
        found[group_sequential_gate(d, rule, covariates=z).decision] += 1
    return Counter({decision: count / RUNS for decision, count in found.items()})  # type: ignore[misc]


@pytest.mark.parametrize("with_covariates", [False, True])
def test_an_unchanged_candidate_rarely_fails(with_covariates: bool) -> None:
    n = 250 if with_covariates else 805
    shares = rates(STRICT_READING, 0.0, seed=101, with_covariates=with_covariates, n=n)
    assert shares[Decision.FAIL] <= LIMIT
    assert shares[Decision.PASS] > 0.4


@pytest.mark.parametrize("with_covariates", [False, True])
def test_a_loss_of_the_whole_margin_rarely_passes(with_covariates: bool) -> None:
    n = 250 if with_covariates else 805
    shares = rates(STRICT_READING, -0.05, seed=102, with_covariates=with_covariates, n=n)
    assert shares[Decision.PASS] <= LIMIT
    assert shares[Decision.FAIL] > 0.4


def test_half_a_margin_of_loss_rarely_fails_by_default() -> None:
    assert rates(GateRule(margin=0.05), -0.025, seed=103)[Decision.FAIL] <= LIMIT


def test_clustered_prompts_keep_the_level() -> None:
    rng = np.random.default_rng(104)
    clusters = np.repeat(np.arange(120), 4)
    passed = 0
    for _ in range(500):
        d = ternary(rng, -0.05 / 0.8, 120, 0.4)[clusters] * (rng.random(480) < 0.8)  # mean -0.05
        passed += group_sequential_gate(d, GateRule(0.05), clusters=clusters).decision is Decision.PASS
    assert passed / 500 <= 0.05 + 3 * (0.05 * 0.95 / 500) ** 0.5


def test_a_clear_win_passes_early_and_saves_most_calls() -> None:
    result = group_sequential_gate(ternary(np.random.default_rng(1), 0.15), GateRule(0.05))
    assert result.decision is Decision.PASS
    assert result.calls_spent + result.calls_saved == 805
    assert result.calls_spent < 250
    assert result.low is not None
    assert result.low > -0.05
    assert not result.worse_within_margin


def test_a_clear_loss_fails() -> None:
    result = group_sequential_gate(ternary(np.random.default_rng(2), -0.15), GateRule(0.05))
    assert result.decision is Decision.FAIL
    assert result.high is not None
    assert result.high < -0.025


def test_a_small_set_is_inconclusive_and_says_how_many_prompts_would_do() -> None:
    result = group_sequential_gate(ternary(np.random.default_rng(3), 0.0, 100), GateRule(0.03))
    assert result.decision is Decision.INCONCLUSIVE
    assert result.n_needed is not None
    assert 1000 < result.n_needed < 4000
    assert result.calls_saved == 0


def test_nothing_would_do_beyond_the_margin() -> None:
    d = np.tile([-1.0, 1.0, -1.0, 0.0, 0.0], 20)
    result = group_sequential_gate(d, GateRule(0.1, fail_null=-0.1))
    assert result.decision is Decision.INCONCLUSIVE
    assert result.n_needed is None


def test_trajectory_holds_every_look_with_its_boundaries() -> None:
    d = ternary(np.random.default_rng(4), -0.02)
    result = group_sequential_gate(d, GateRule(0.02))
    assert [look.prompts for look in result.looks] == list(GateRule(0.02).looks(805))[: len(result.looks)]
    bounds = efficacy_bounds([look.information for look in result.looks], 0.05)
    assert [look.bound_pass for look in result.looks] == pytest.approx(bounds)
    for look in result.looks:
        assert look.information == pytest.approx(look.n / 805)
        assert look.estimate == pytest.approx(d[: look.n].mean())
        se = look.se
        assert look.z_fail == pytest.approx(
            stats.norm.ppf(stats.t.cdf((-0.01 - look.estimate - look.guard) / se, look.df)), abs=1e-6
        )
        assert look.z_pass == pytest.approx(
            stats.norm.ppf(stats.t.cdf((look.estimate - look.guard + 0.02) / se, look.df)), abs=1e-6
        )


def test_at_the_last_look_the_estimate_is_the_plain_mean_also_with_covariates() -> None:
    rng = np.random.default_rng(5)
    d = ternary(rng, -0.01, 200)
    result = group_sequential_gate(d, GateRule(0.02), covariates=rng.normal(size=(200, 2)))
    assert result.looks[-1].information == 1.0
    assert result.estimate == pytest.approx(d.mean())
    assert all(b.information >= a.information for a, b in zip(result.looks, result.looks[1:], strict=False))


def test_order_does_not_matter_once_every_prompt_is_judged() -> None:
    rng = np.random.default_rng(6)
    d = ternary(rng, -0.01, 100)
    first, second = (group_sequential_gate(x, GateRule(0.02)) for x in (d, rng.permutation(d)))
    assert first.decision is second.decision is Decision.INCONCLUSIVE
    assert (first.estimate, first.low, first.high) == pytest.approx((second.estimate, second.low, second.high))


def test_verdict_and_repeated_interval_never_contradict() -> None:
    rng = np.random.default_rng(7)
    for mean in (-0.1, -0.05, -0.03, 0.0, 0.03):
        for guard in ("thin", "always", "off"):
            result = group_sequential_gate(ternary(rng, mean, 300), GateRule(0.05, guard=guard))  # type: ignore[arg-type]
            assert result.low is not None
            assert result.high is not None
            assert (result.low >= -0.05) == (result.decision is Decision.PASS)
            if result.decision is not Decision.PASS:
                assert (result.high <= -0.025) == (result.decision is Decision.FAIL)


def test_guard_takes_one_pseudo_loss_while_losses_are_few() -> None:
    d = np.zeros(60)
    d[:3] = -1.0
    guards = {
        guard: group_sequential_gate(d, GateRule(0.05, guard=guard)).looks[0].guard  # type: ignore[arg-type]
        for guard in ("thin", "always", "off")
    }
    assert guards == {"thin": pytest.approx(1 / 30), "always": pytest.approx(1 / 30), "off": 0.0}
    many = np.tile([-1.0, 1.0], 40)
    assert group_sequential_gate(many, GateRule(0.05)).looks[0].guard == 0.0


def test_identical_answers_everywhere_pass_without_certainty_at_the_first_look() -> None:
    result = group_sequential_gate(np.zeros(805), GateRule(0.05), calls=np.zeros(805))
    assert result.decision is Decision.PASS
    assert result.n > 30
    assert (result.calls_spent, result.calls_saved) == (0, 0)


def test_pass_takes_precedence_when_both_claims_are_proven() -> None:
    d = np.tile([-1.0] + [0.0] * 49, 2000)
    result = group_sequential_gate(d, GateRule(0.05, fail_null=0.0, first_look=90_000))
    assert result.decision is Decision.PASS
    assert result.worse_within_margin
    assert result.looks[0].bound_fail is not None
    assert result.looks[0].z_fail > result.looks[0].bound_fail


def test_missing_pairs_are_left_out_and_counted() -> None:
    d = ternary(np.random.default_rng(8), 0.1, 300)
    d[::10] = np.nan
    result = group_sequential_gate(d, GateRule(0.05))
    look = result.looks[-1]
    assert look.n == look.prompts - result.missing
    assert result.missing == np.isnan(d[: look.prompts]).sum()


def test_too_few_usable_pairs_decide_nothing() -> None:
    result = group_sequential_gate(np.full(50, np.nan), GateRule(0.05))
    assert result.decision is Decision.INCONCLUSIVE
    assert (result.estimate, result.low, result.n, result.missing) == (None, None, 0, 50)


def test_looks_come_after_whole_clusters() -> None:
    clusters = np.repeat(np.arange(60), 3)
    gate = GroupSequentialGate(GateRule(0.05), 180, clusters=clusters)
    assert gate.schedule[:2] == (90, 108)
    look = gate.look(ternary(np.random.default_rng(9), 0.0, 90))
    assert look is not None
    assert (look.n, look.units) == (90, 30)


def test_singleton_clusters_give_the_unclustered_verdict() -> None:
    d = ternary(np.random.default_rng(10), 0.0, 400)
    plain, single = (
        group_sequential_gate(d, GateRule(0.05)),
        group_sequential_gate(d, GateRule(0.05), clusters=np.arange(400)),
    )
    assert (plain.decision, plain.n) == (single.decision, single.n)
    assert plain.low == pytest.approx(single.low)


def test_a_metric_on_another_scale_is_scaled_by_its_bound() -> None:
    d = ternary(np.random.default_rng(11), 0.0, 500)
    unit, ten = group_sequential_gate(d, GateRule(0.05)), group_sequential_gate(9 * d, GateRule(0.45, bound=9.0))
    assert (unit.decision, unit.n) == (ten.decision, ten.n)
    assert ten.low == pytest.approx(9 * unit.low)  # type: ignore[operator]


def test_covariates_bring_the_verdict_earlier() -> None:
    rng = np.random.default_rng(12)
    plain = adjusted = 0
    for _ in range(60):
        d = ternary(rng, 0.02)
        plain += group_sequential_gate(d, GateRule(0.05)).n
        adjusted += group_sequential_gate(d, GateRule(0.05), covariates=d + 0.4 * rng.normal(size=805)).n
    assert adjusted < 0.85 * plain


def test_result_is_plain_data_for_json() -> None:
    result = group_sequential_gate(ternary(np.random.default_rng(13), 0.0), GateRule(0.05))
    loaded = json.loads(json.dumps(asdict(result), allow_nan=False))
    assert loaded["decision"] in {"PASS", "FAIL", "INCONCLUSIVE"}
    assert {"n", "units", "method", "looks", "calls_spent", "calls_saved", "level", "rule"} <= loaded.keys()


def test_obrien_fleming_spending_keeps_json_finite_before_it_may_stop() -> None:
    rule = GateRule(0.05, spending=SpendingFunction("obrien-fleming"))
    result = group_sequential_gate(ternary(np.random.default_rng(14), -0.02), rule)
    json.dumps(asdict(result), allow_nan=False)
    assert result.looks[0].bound_pass is None


def test_a_decision_on_805_prompts_takes_less_than_three_tenths_of_a_second() -> None:
    rng = np.random.default_rng(15)
    d, z = rng.permutation(np.repeat([-1.0, 0.0, 1.0], [89, 644, 72])), rng.normal(size=(805, 3))
    rule = GateRule(0.021, fail_null=-0.021, alpha_pass=0.0499, alpha_fail=0.0498)  # odd rates: nothing is cached yet
    start = time.process_time()
    result = group_sequential_gate(d, rule, covariates=z)
    assert time.process_time() - start < 0.3
    assert len(result.looks) == 19


def test_fixed_sample_gate_is_the_one_sided_t_test() -> None:
    rule = GateRule(0.05)
    result = fixed_sample_gate(-0.01, 0.015, 399.0, rule, n=400)
    expected = stats.t.sf((0.04) / rule.shrunken_se(0.015, 400), 399)
    assert stats.norm.sf(result.looks[0].z_pass) == pytest.approx(expected)
    assert result.decision is Decision.PASS
    assert result.worse_within_margin
    assert fixed_sample_gate(-0.2, None, None, rule, n=1).decision is Decision.INCONCLUSIVE


@pytest.mark.parametrize("df", [1.0, 5.0, 300.0])
@pytest.mark.parametrize("t", [-30.0, -1.0, 0.0, 0.5, 9.0])
def test_z_and_t_carry_the_same_tail_probability(t: float, df: float) -> None:
    z = z_from_t(t, df)
    assert stats.norm.logsf(abs(z)) == pytest.approx(stats.t.logsf(abs(t), df), rel=1e-6)
    assert t_from_z(z, df) == pytest.approx(t, rel=1e-6)


def test_repeated_p_value_is_the_error_rate_at_which_the_test_just_stops() -> None:
    times = [0.3, 0.6, 1.0]
    bounds = efficacy_bounds(times, 0.02)
    assert repeated_p_value([0.0, bounds[1], 0.0], times) == pytest.approx(0.02, rel=1e-3)
    assert repeated_p_value([1.959964], [1.0]) == pytest.approx(0.025, rel=1e-3)
    assert repeated_p_value([-3.0, -3.0], [0.5, 1.0]) == 1.0


def test_a_small_or_open_ended_set_calls_for_the_strict_gate() -> None:
    assert recommended_gate(29) == "strict"
    assert recommended_gate(500, open_ended=True) == "strict"
    assert recommended_gate(500) == "sequential"


def test_a_decided_gate_takes_no_more_looks() -> None:
    gate = GroupSequentialGate(GateRule(0.05), 30)
    gate.look(np.ones(30))
    assert gate.next_look is None
    with pytest.raises(StatisticsError, match="already decided"):
        gate.look(np.ones(30))


def test_each_look_wants_exactly_its_prompts() -> None:
    gate = GroupSequentialGate(GateRule(0.05), 100)
    with pytest.raises(StatisticsError, match="first 30 prompts"):
        gate.look(np.zeros(29))
    with pytest.raises(StatisticsError, match="largest possible"):
        gate.look(np.full(30, 1.5))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"margin": 0.0},
        {"margin": -0.1},
        {"margin": 1.0},
        {"margin": float("nan")},
        {"margin": 0.05, "fail_null": 0.01},
        {"margin": 0.05, "fail_null": -0.06},
        {"margin": 0.05, "alpha_pass": 0.0},
        {"margin": 0.05, "alpha_fail": 0.7},
        {"margin": 0.05, "first_look": 1},
        {"margin": 0.05, "growth": 1.0},
        {"margin": 0.05, "guard": "sometimes"},
        {"margin": 0.05, "bound": 0.0},
    ],
)
def test_rules_that_make_no_sense_are_refused(kwargs: dict[str, float]) -> None:
    with pytest.raises(StatisticsError):
        GateRule(**kwargs)  # type: ignore[arg-type]


def test_scattered_clusters_and_short_covariates_are_refused() -> None:
    with pytest.raises(StatisticsError, match="next to each other"):
        GroupSequentialGate(GateRule(0.05), 4, clusters=["a", "b", "a", "b"])
    with pytest.raises(StatisticsError, match="covariates"):
        GroupSequentialGate(GateRule(0.05), 4, covariates=[[1.0]])
    with pytest.raises(StatisticsError, match="shape"):
        group_sequential_gate([], GateRule(0.05))
