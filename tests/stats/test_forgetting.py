"""Figures of checkpoint-by-task matrices, and the forgotten-to-gained ratio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evalsuite.errors import StatisticsError
from evalsuite.stats.forgetting import fuar, summarise_matrix

nan = float("nan")
THREE_TASKS = [
    [0.8, nan, nan],
    [0.6, 0.9, nan],
    [0.7, 0.5, 0.4],
]


def test_a_small_matrix_worked_by_hand():
    summary = summarise_matrix(THREE_TASKS, base=[0.1, 0.2, 0.3], reference=[0.9, 0.9, 0.6])
    assert summary.op_by_stage == pytest.approx((0.8, 0.75, 1.6 / 3))
    assert summary.op == pytest.approx(1.6 / 3)
    assert summary.bwt == pytest.approx((-0.1 - 0.4) / 2)
    assert summary.forgetting_by_task == pytest.approx((0.1, 0.4))
    assert summary.worst_forgetting == pytest.approx(0.4)
    assert summary.learning_accuracy == pytest.approx(0.7)
    assert summary.average_incremental_accuracy == pytest.approx((0.8 + 0.75 + 1.6 / 3) / 3)
    assert summary.intransigence == pytest.approx(0.8 - 0.7)
    assert summary.retention == pytest.approx((0.7 / 0.8 + 0.5 / 0.9 + 1) / 3)
    assert summary.fwt_vs_base is None  # needs the cells above the diagonal
    assert summary.missing_cells == ()


def test_the_divisor_printed_in_the_paper_can_be_asked_for():
    assert summarise_matrix(THREE_TASKS, bwt_divisor="T").bwt == pytest.approx(-0.5 / 3)


def test_forward_transfer_compares_unseen_tasks_with_the_base_model():
    full = np.array(THREE_TASKS)
    full[0, 1], full[1, 2] = 0.25, 0.4
    summary = summarise_matrix(full, base=[0.1, 0.2, 0.3])
    assert summary.fwt_vs_base == pytest.approx((0.05 + 0.1) / 2)


def test_the_peak_may_count_stages_before_the_task_was_trained_on():
    full = np.array(THREE_TASKS)
    full[0, 1] = 0.95
    assert summarise_matrix(full).forgetting == pytest.approx(0.25)
    assert summarise_matrix(full, peak_over="all_stages").forgetting == pytest.approx((0.1 + 0.45) / 2)


def test_a_missing_cell_is_named_and_only_the_figures_that_need_it_are_undefined():
    holed = np.array(THREE_TASKS)
    holed[1, 0] = nan
    summary = summarise_matrix(holed)
    assert summary.missing_cells == ((2, 1),)
    assert summary.forgetting is None
    assert summary.forgetting_by_task[0] is None
    assert summary.forgetting_by_task[1] == pytest.approx(0.4)
    assert summary.average_incremental_accuracy is None
    assert summary.retention is None
    assert summary.op_by_stage[1] is None
    assert summary.bwt == pytest.approx(-0.25)


def test_one_task_has_no_backward_transfer_and_no_forgetting():
    summary = summarise_matrix([[0.5]])
    assert (summary.op, summary.bwt, summary.forgetting, summary.fwt_vs_base) == (0.5, None, None, None)
    assert summary.forgetting_by_task == ()


def test_a_task_never_solved_is_left_out_of_the_retention():
    summary = summarise_matrix([[0.0, nan], [0.0, 0.5]])
    assert (summary.retention, summary.retention_tasks) == (1.0, 1)
    assert summarise_matrix([[0.0]]).retention is None


lower_triangles = st.integers(2, 6).flatmap(lambda t: arrays(np.float64, (t, t), elements=st.floats(0, 1)))


@given(lower_triangles)
def test_forgetting_is_at_least_minus_backward_transfer_and_bounded(matrix):
    summary = summarise_matrix(matrix)
    assert summary.forgetting >= -summary.bwt - 1e-12
    assert -1 <= summary.forgetting <= 1
    assert 0 <= (summary.retention or 0) <= 1


@given(lower_triangles)
def test_cells_above_the_diagonal_do_not_matter_to_trace_figures(matrix):
    lower = np.where(np.tri(len(matrix), dtype=bool), matrix, nan)
    full, triangle = summarise_matrix(matrix), summarise_matrix(lower)
    assert triangle.missing_cells == ()
    for name in ("op", "bwt", "forgetting", "learning_accuracy", "average_incremental_accuracy", "retention"):
        assert getattr(triangle, name) == getattr(full, name)


@pytest.mark.parametrize("matrix", [[], [[0.1, 0.2]], [0.1], [[float("inf")]]])
def test_what_is_not_a_matrix_of_scores_is_refused(matrix):
    with pytest.raises(StatisticsError):
        summarise_matrix(matrix)


def test_base_scores_must_fit_the_tasks():
    with pytest.raises(StatisticsError, match="base scores"):
        summarise_matrix(THREE_TASKS, base=[0.1])


def test_nothing_gained_has_no_fuar():
    ratio = fuar(20.0, 10.0, 5.0, 4.0, 3.0, 3.0)
    assert ratio.value is None
    assert ratio.reason.startswith("no gain")
    assert ratio.forgotten == pytest.approx(10.0)


def test_an_undefined_task_is_dropped_from_fuar():
    assert fuar(20.0, 18.0, nan, nan, 3.0, 7.0).value == pytest.approx(0.5)


def test_fuar_sums_over_earlier_corpora():
    ratio = fuar([20.0, 30.0], [18.0, 31.0], [1.0, 1.0], [3.0, 2.0], [0.0, 4.0], [1.0, 4.0])
    assert (ratio.forgotten, ratio.gained) == pytest.approx((2.0, 4.0))
