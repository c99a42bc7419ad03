from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import StatisticsError
from evalsuite.records import Message
from evalsuite.tasks.preferences import PreferencePair
from evalsuite.tasks.rewards.generalisation import shift_sensitivity
from evalsuite.tasks.rewards.perturbations import PROBES, perturbed
from evalsuite.tasks.rewards.strength import (
    CATEGORIES,
    accuracy_after_flips,
    categories,
    expected_under_noise,
    others_strength,
    preference_strength,
    scaled,
    strength_groups,
    suspected_labels,
)

MATRIX = st.integers(3, 5).flatmap(
    lambda models: st.lists(
        st.lists(st.integers(-9, 9), min_size=models, max_size=models), min_size=1, max_size=30
    ).map(lambda rows: np.array(rows, dtype=float).T)
)
TEXTS = st.text(min_size=1).filter(str.strip)


def pair(chosen: str = "Yes, it's fine.", rejected: str = "No.", prompt: str = "Can't I?") -> PreferencePair:
    return PreferencePair(id="1", prompt=(Message("user", prompt),), chosen=chosen, rejected=rejected, cluster="c")


def test_strength_on_a_case_worked_by_hand() -> None:
    strength = preference_strength([[2.0, 0.0], [1.0, 1.0], [0.0, -1.0]])
    assert strength.mean == pytest.approx([(2**0.5 + 1) / 3, (1 - 2**0.5) / 3])
    assert strength.deviation == pytest.approx([np.std([2**0.5, 1, 0]), np.std([0, 1, -(2**0.5)])])


@given(MATRIX, st.floats(0.01, 100))
def test_strength_forgets_the_scale_of_each_member(margins: np.ndarray, factor: float) -> None:
    rescaled = margins.copy()
    rescaled[0] *= factor
    assert preference_strength(rescaled).mean == pytest.approx(preference_strength(margins).mean)
    assert scaled(-margins) == pytest.approx(-scaled(margins))


@given(MATRIX)
def test_groups_and_categories_divide_the_pairs_in_order(margins: np.ndarray) -> None:
    strength = preference_strength(margins)
    groups = strength_groups(strength)
    assert sum(group.n for group in groups) == margins.shape[1]
    assert [group.strength for group in groups] == sorted(group.strength for group in groups)
    names = categories(strength.mean)
    assert set(names) <= {name for name, _, _ in CATEGORIES}
    for weaker, stronger in (("incorrect", "ambiguous"), ("ambiguous", "normal"), ("normal", "strong")):
        low, high = strength.mean[names == weaker], strength.mean[names == stronger]
        assert low.size == 0 or high.size == 0 or low.max() <= high.min()


def test_categories_have_the_published_shares() -> None:
    names, counts = np.unique(categories(np.arange(1000)), return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "incorrect": 200, "ambiguous": 200, "normal": 500, "strong": 100,
    }  # fmt: skip


def test_members_that_differ_in_how_strongly_they_feel_give_a_u() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0.4, 1, 4000)
    members = truth * rng.normal(1, 0.3, (10, 4000)) + rng.normal(0, 0.05, (10, 4000))
    groups = strength_groups(preference_strength(members))
    deviations = [group.deviation for group in groups]
    assert deviations[0] > 3 * min(deviations)
    assert deviations[-1] > 3 * min(deviations)


def test_too_few_members_are_refused() -> None:
    with pytest.raises(StatisticsError, match="at least 3"):
        preference_strength([[1.0], [2.0]])


def test_the_strength_by_others_does_not_know_the_model() -> None:
    margins = np.array([[9.0, -9.0], [1.0, 1.0], [2.0, 2.0]])
    assert others_strength(margins, 0) == pytest.approx([1.0, 1.0])


def test_flips_of_wrong_labels_raise_accuracy_and_of_none_change_nothing() -> None:
    truth = np.linspace(-1, 3, 100)
    observed = truth  # the quarter below zero carries wrong labels
    assert accuracy_after_flips(observed, truth, 0.0) == pytest.approx(np.mean(observed > 0))
    assert accuracy_after_flips(observed, truth, 0.25) == 1.0
    assert suspected_labels([truth, truth, truth]).sum() == 25


@given(st.floats(0, 1), st.floats(0, 1))
def test_noise_pulls_accuracy_towards_one_half(accuracy: float, rate: float) -> None:
    noisy = expected_under_noise(accuracy, rate)
    assert abs(noisy - 0.5) <= abs(accuracy - 0.5) + 1e-12
    assert expected_under_noise(accuracy, 0.5) == pytest.approx(0.5)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.001, 1000))
def test_shift_sensitivity_is_between_zero_and_one_on_any_scale(margins: list[float], factor: float) -> None:
    found = shift_sensitivity(np.array(margins))
    assert found.min() >= 0
    assert found.max() <= 1
    if np.ptp(np.abs(margins)) > 1e-3:
        assert shift_sensitivity(np.array(margins) * factor) == pytest.approx(found, abs=1e-6)


@given(TEXTS, TEXTS, TEXTS, st.sampled_from(PROBES))
def test_no_probe_touches_what_is_being_asked_or_the_better_reply_but_by_writing_words_out(
    prompt: str, chosen: str, rejected: str, probe: str
) -> None:
    before = pair(chosen, rejected, prompt)
    after = perturbed(before, probe, about_harm=False)  # type: ignore[arg-type]
    if after is None:
        return
    assert after != before
    assert (after.id, after.cluster) == (before.id, before.cluster)
    if probe != "reworded":
        assert after.chosen == before.chosen
        assert before.prompt[-1].content in after.prompt[-1].content
    if probe in ("padded", "formatted"):
        assert before.rejected in after.rejected
    if probe == "truncated":
        assert before.rejected.startswith(after.rejected)


def test_contractions_are_written_out_and_code_is_left_alone() -> None:
    after = perturbed(pair(chosen="I'm sure. Don’t `can't` it.", prompt="Can't I?"), "reworded", about_harm=False)
    assert after is not None
    assert after.chosen == "I am sure. Do not `can't` it."
    assert after.prompt[0].content == "Cannot I?"
    assert perturbed(pair("Yes.", "No.", "May I?"), "reworded", about_harm=False) is None


def test_a_reply_is_cut_in_half_only_when_it_is_long_and_cannot_be_the_harmful_one() -> None:
    long = " ".join(str(number) for number in range(40))
    cut = perturbed(pair(rejected=long), "truncated", about_harm=False)
    assert cut is not None
    assert cut.rejected == " ".join(str(number) for number in range(20))
    assert perturbed(pair(rejected=long), "truncated", about_harm=True) is None
    assert perturbed(pair(rejected="too short"), "truncated", about_harm=False) is None
