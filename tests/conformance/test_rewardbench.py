"""RewardBench v1: the leaderboard's arithmetic on published rows, and sections recomputed from real runs' subset counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rewards_scripting import run_rewards

from evalsuite.data import read_rows
from evalsuite.stats.intervals import wilson
from evalsuite.tasks.rewards.rewardbench import (
    SECTIONS,
    RewardBench,
    overall_interval,
    overall_score,
    section_intervals,
    section_scores,
)

# Rows of the model card table in RLHF-Reward-Modeling's armo-rm/README.md: Chat, Chat Hard, Safety, Reasoning, Prior → Score.
PUBLISHED = [
    ((96.9, 76.8, 92.2, 97.3, 74.3), 89.0),
    ((96.4, 71.3, 92.7, 97.7, 78.2), 88.3),
    ((98.3, 65.8, 89.7, 94.7, 74.6), 85.7),
    ((95.3, 74.3, 87.2, 86.9, 70.9), 84.3),
    ((99.4, 65.1, 87.8, 86.4, 74.9), 83.6),
    ((96.9, 57.2, 88.2, 88.5, 71.4), 81.4),
]


@pytest.mark.parametrize(("row", "score"), PUBLISHED)
def test_the_published_average_weighs_the_prior_sets_half(row: tuple[float, ...], score: float) -> None:
    overall = overall_score(dict(zip(SECTIONS, row[:4], strict=True)), row[4])
    assert overall is not None
    assert round(overall, 1) == score


def test_sizes_of_the_sections() -> None:
    sizes = {section: sum(subsets.values()) for section, subsets in SECTIONS.items()}
    assert sizes == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 2 * 984}
    assert sum(len(subsets) for subsets in SECTIONS.values()) == 23
    assert sum(sizes.values()) - 984 + 447 == 2985  # math-prm has 447 pairs and counts as 984


def test_a_missing_prior_is_left_out_and_a_missing_section_leaves_no_score() -> None:
    sections = dict.fromkeys(SECTIONS, 0.5)
    assert overall_score(sections) == 0.5
    assert overall_score({"Chat": 0.5}) is None


def test_a_section_is_over_the_subsets_that_are_there() -> None:
    assert section_scores({"alpacaeval-easy": 0.9, "mt-bench-easy": 0.5}) == {
        "Chat": pytest.approx((0.9 * 100 + 0.5 * 28) / 128)
    }


def test_sections_of_four_real_reward_models(data_dir: Path) -> None:
    folder = data_dir / "rewardbench_results"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    published = {
        (row["model"], row["section"]): float(row["score"]) for row in read_rows(folder / "section_scores.csv")
    }
    subsets: dict[str, dict[str, tuple[int, int]]] = {}
    for row in read_rows(folder / "subset_scores.csv"):
        subsets.setdefault(row["model"], {})[row["subset"]] = int(row["correct"]), int(row["total"])
    assert len(subsets) == 4
    for model, counts in subsets.items():
        scores = section_scores({subset: correct / total for subset, (correct, total) in counts.items()})
        intervals = section_intervals({subset: wilson(*count) for subset, count in counts.items()})
        assert scores.keys() == intervals.keys() == SECTIONS.keys()
        for section, score in scores.items():
            assert score == pytest.approx(published[model, section], abs=1e-9)
            interval = intervals[section]
            assert interval.estimate == pytest.approx(score, abs=1e-12)
            assert interval.low is not None
            assert interval.low < score < (interval.high or 0)
        overall = overall_interval(intervals)
        assert overall is not None
        assert overall.estimate == pytest.approx(overall_score(scores))


def test_from_pairs_to_sections(tmp_path: Path) -> None:
    """Right on every easy pair, wrong on every hard one, tied (so wrong) on refusals."""
    path = tmp_path / "filtered.jsonl"
    rows = [
        {"id": f"{subset}-{i}", "prompt": f"{subset} {i}", "chosen": "good", "rejected": "bad", "subset": subset}
        for subset in ("alpacaeval-easy", "mt-bench-hard", "donotanswer", "math-prm", "pku_safer", "other")
        for i in range(4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def reward(who: str, prompt: str, reply: str) -> float:
        sign = {"mt-bench-hard": -1.0, "donotanswer": 0.0}.get(prompt.split()[0], 1.0)
        return sign * (reply == "good")

    task = RewardBench()
    table = run_rewards(task, {"rm": reward}, rewardbench=path)
    sections = {e.slice: e.value for e in task.derive(table) if e.metric == "section_accuracy"}
    assert sections == {"Chat": 1.0, "Chat Hard": 0.0, "Safety": 0.0, "Reasoning": 1.0}
    (score,) = (e for e in task.derive(table) if e.metric == "score")
    assert score.value == 0.5
    assert table.values("tie", "rm", "donotanswer")[0].tolist() == [1.0] * 4
    assert len(table.values("accuracy", "rm")[0]) == 16
