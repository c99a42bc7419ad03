from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.judges import folds
from evalsuite.judges.panel import panel_mean, panel_outcome
from evalsuite.records import Verdict

preferences = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=6)


@pytest.mark.parametrize(
    ("orders", "outcome"),
    [((1, 1), "win"), ((0, 0), "lose"), ((1, 0), "tie"), ((1, 0.5), "tie"), ((0.5, 0.5), "tie"), ((0.9, 0.6), "win")],
)
def test_a_side_wins_only_if_it_wins_in_both_orders(orders: tuple[float, float], outcome: str) -> None:
    assert folds.conservative_outcome(orders) == outcome


@pytest.mark.parametrize(
    ("orders", "outcome"), [((1, 0.5), "win"), ((0, 0.5), "lose"), ((1, 0), "tie"), ((None, 0), "lose")]
)
def test_judgebench_lets_one_order_decide_when_the_other_is_tied(orders: tuple[float, ...], outcome: str) -> None:
    assert folds.majority_outcome(orders) == outcome


def test_the_three_error_policies_differ() -> None:
    orders = [1.0, None]
    assert folds.mean_preference(orders, errors="drop") is None
    assert folds.mean_preference(orders, errors="either") == 1.0
    assert folds.mean_preference(orders, errors="half") == 0.75


@given(st.lists(st.none(), max_size=3), st.sampled_from(["drop", "either"]))
def test_without_any_verdict_there_is_no_number(orders: list[None], errors: folds.ErrorPolicy) -> None:
    assert folds.mean_preference(orders, errors=errors) is None
    assert folds.conservative_outcome(orders, errors=errors) is None
    assert folds.majority_outcome(orders, errors=errors) is None


@given(preferences, st.sampled_from(get_args(folds.ErrorPolicy)))
def test_swapping_the_sides_mirrors_every_fold(orders: list[float | None], errors: folds.ErrorPolicy) -> None:
    mirrored = [None if p is None else 1 - p for p in orders]
    mirror = {"win": "lose", "lose": "win", "tie": "tie", None: None}
    ours, theirs = folds.mean_preference(orders, errors=errors), folds.mean_preference(mirrored, errors=errors)
    assert (ours is None and theirs is None) or ours == pytest.approx(1 - theirs)  # type: ignore[operator]
    if all(p is None or p in (0, 1) or abs(p - 0.5) > 1e-9 for p in orders):
        assert (
            folds.conservative_outcome(mirrored, errors=errors)
            == mirror[folds.conservative_outcome(orders, errors=errors)]
        )


def test_tie_policies() -> None:
    assert [folds.outcome_value("tie", ties=policy) for policy in get_args(folds.TiePolicy)] == [0.5, None, 0.0]
    assert (folds.outcome_value("win"), folds.outcome_value("lose")) == (1.0, 0.0)


def test_agreement_of_orders_needs_both_orders() -> None:
    first = Verdict(status="ok", judge="j", order="AB", preference=1.0)
    second = Verdict(status="ok", judge="j", order="BA", preference=0.0)
    missing = Verdict(status="unparsed", judge="j", order="BA")
    assert folds.orders_agree([first, second]) is False
    assert folds.orders_agree([first, missing]) is None


def test_a_panel_needs_a_quorum_and_splits_to_a_tie() -> None:
    assert panel_outcome(["win", "win", "lose"]) == "win"
    assert panel_outcome(["win", "lose"]) == "tie"
    assert panel_outcome(["win", None, None]) is None
    assert panel_outcome(["win", None, None], quorum=1) == "win"
    assert panel_mean([1.0, 0.5, None]) == 0.75
    assert panel_mean([1.0, None, None]) is None
    assert panel_mean([]) is None
