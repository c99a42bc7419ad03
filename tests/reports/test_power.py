from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite.records import PairEstimate
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.power import power_table


def pair(half: float | None, n: int = 400, scale: str = "0-1", metric: str = "win_rate") -> PairEstimate:
    low, high = (None, None) if half is None else (-half, half)
    return PairEstimate(task="hh_winrate", metric=metric, model="dpo-v2", baseline="sft-v1", difference=0.0, low=low, high=high,
                        n=n, higher_is_better=True, scale=scale)  # fmt: skip


def table(path: Path, *pairs: PairEstimate) -> list[dict[str, object]]:
    found = power_table(replace(Evidence.read([path]), pairs=pairs))
    names = [name for name, _ in found.columns]
    return [dict(zip(names, (cell.value for cell in row), strict=True)) for row in found.rows]


def test_a_run_twice_as_wide_as_its_margin_needs_more_samples(run_path: Path) -> None:
    (row,) = table(run_path, pair(0.098))
    # A half width of 1.96 standard errors: 0.05 each, and (1.645 + 1.282) of them are the smallest margin.
    assert row["Smallest margin it can show"] == pytest.approx(2.9264 * 0.05, abs=1e-4)
    assert row["Large enough"] == "no"
    assert row["Samples the margin needs"] == pytest.approx(400 * (2.9264 * 0.05 / 0.05) ** 2, abs=2)


def test_a_narrow_interval_is_enough(run_path: Path) -> None:
    (row,) = table(run_path, pair(0.02))
    assert row["Large enough"] == "yes"
    assert int(str(row["Samples the margin needs"])) < 400


def test_a_net_win_is_held_against_twice_the_margin_of_the_preference(run_path: Path) -> None:
    (row,) = table(run_path, pair(0.04, scale="-1-1"))
    assert row["Margin"] == pytest.approx(0.10)


def test_without_interval_or_margin_nothing_is_claimed(run_path: Path) -> None:
    assert table(run_path, pair(None), pair(0.02, metric="reward_difference"), pair(0.0)) == []
