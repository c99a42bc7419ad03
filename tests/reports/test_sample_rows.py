from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite.reports.evidence import Evidence
from evalsuite.reports.sample_rows import SampleRow, collect, head_to_head_pairs, histograms, outcome_counts


@pytest.fixture(scope="module")
def evidence(run_path: Path) -> Evidence:
    return Evidence.read([run_path])


@pytest.fixture(scope="module")
def rows(evidence: Evidence) -> list[SampleRow]:
    return collect(evidence)


def test_rows_of_one_sample_stand_together(rows: list[SampleRow]) -> None:
    seen: list[tuple[str, str]] = []
    for row in rows:
        if not seen or seen[-1] != (row.task, row.id):
            seen.append((row.task, row.id))
    assert len(seen) == len(set(seen))


def test_a_judged_pair_is_compared_with_the_baseline_it_was_judged_against(rows: list[SampleRow]) -> None:
    judged = [row for row in rows if row.task == "hh_winrate" and row.primary.value is not None]
    assert {row.baseline for row in judged} == {"sft-v1"}
    for row in judged:
        assert row.delta == pytest.approx(2 * row.primary.value - 1)


def test_fewer_is_better_turns_the_comparison_round(rows: list[SampleRow]) -> None:
    by_arm = {(row.id, row.model): row for row in rows if row.task == "safety_probe"}
    checked = 0
    for (sample, model), row in by_arm.items():
        base = by_arm[sample, "sft-v1"].primary.value
        if model != "sft-v1" and row.primary.value is not None and base is not None:
            assert row.outcome == {1.0: "worse", 0.0: "even", -1.0: "better"}[row.primary.value - base]
            checked += 1
    assert checked > 10


def test_a_failed_score_is_unscored_and_never_a_number(rows: list[SampleRow]) -> None:
    failed = [row for row in rows if row.status != "ok"]
    assert failed
    for row in failed:
        if row.primary.status != "ok":
            assert row.primary.value is None
            assert row.outcome in ("unscored", "")


def test_win_tie_lose_add_up_to_the_samples(rows: list[SampleRow], evidence: Evidence) -> None:
    counts = outcome_counts(rows, evidence)
    whole = {row["model"]: row for row in counts if row["slice"] is None}
    assert set(whole) == {"dpo-v2", "dpo-v3"}
    for row in whole.values():
        assert row["win"] + row["tie"] + row["lose"] + row["missing"] == 30
        parts = [part for part in counts if part["model"] == row["model"] and part["slice"] is not None]
        assert sum(part["win"] for part in parts) == row["win"]


def test_orders_disagree_when_the_judge_changes_its_mind() -> None:
    def verdict(order: str, preference: float | None) -> str:
        return f'{{"judge":"j","order":"{order}","preference":{"null" if preference is None else preference}}}'

    def row(*verdicts: str) -> SampleRow:
        return SampleRow(0, "t", "1", "m", None, details=[f'{{"verdicts":[{",".join(verdicts)}]}}'])

    assert row(verdict("AB", 1.0), verdict("BA", 0.0)).orders_disagree
    assert row(verdict("AB", 1.0), verdict("BA", 0.5)).orders_disagree
    assert not row(verdict("AB", 0.9), verdict("BA", 0.6)).orders_disagree
    assert not row(verdict("AB", 1.0), verdict("BA", None)).orders_disagree


def test_a_win_rate_becomes_a_difference_from_one_half(rows: list[SampleRow], evidence: Evidence) -> None:
    pairs = {(pair.metric, pair.model, pair.slice): pair for pair in head_to_head_pairs(rows, evidence)}
    estimate = next(
        row for row in evidence.estimates if row.metric == "win_rate" and row.model == "dpo-v2" and row.slice is None
    )
    pair = pairs["win_rate", "dpo-v2", None]
    assert pair.baseline == "sft-v1"
    assert estimate.value is not None
    assert pair.difference == pytest.approx(estimate.value - 0.5)


def test_histograms_count_every_sample_and_leave_named_metrics_to_the_task(
    rows: list[SampleRow], evidence: Evidence
) -> None:
    found = {(h["task"], h["metric"]): h for h in histograms(rows, evidence)}
    margin = found["reward_pairs", "margin"]
    assert sum(row["count"] for row in margin["bins"] if row["model"] == "rm-1b") == 30
    drawn = replace(evidence, sections=({"task": "reward_pairs", "title": "Distribution of the margin"},))
    assert ("reward_pairs", "margin") not in {(h["task"], h["metric"]) for h in histograms(rows, drawn)}
