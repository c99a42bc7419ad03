"""JudgeBench (arXiv 2410.12784, table 2): published judge outputs, scored by our parser and fold.

Figures: percent correct overall and by category, from ScalerLab/JudgeBench `outputs/` with the repository's own metric.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from evalsuite.data import DataFiles, read_rows
from evalsuite.judges import parsers
from evalsuite.judges.folds import majority_outcome
from evalsuite.tasks.judge_benchmarks.sources import judgebench, judgebench_category

CATEGORIES = ("knowledge", "reasoning", "math", "coding")
PUBLISHED = {
    "arena_hard.o1-mini-2024-09-12": (65.71, 58.44, 62.24, 82.14, 78.57),
    "reward_model.Skywork_Skywork-Reward-Llama-3.1-8B": (62.29, 59.09, 64.29, 76.79, 50.00),
    "reward_model.internlm_internlm2-7b-reward": (59.43, 56.49, 61.22, 71.43, 50.00),
    "reward_model.Ray2333_GRM-Gemma-2B-rewardmodel-ft": (59.43, 62.99, 53.06, 64.29, 54.76),
}
SHOWN_FIRST = {"A>B": 1.0, "A>>B": 1.0, "A=B": 0.5, "B>A": 0.0, "B>>A": 0.0}


def outputs(data_dir: Path, name: str) -> list[dict[str, Any]]:
    path = data_dir / "judgebench" / f"outputs.gpt-4o.{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    return list(read_rows(path))


def is_right(row: dict[str, Any]) -> bool:
    """Both games as preferences for response A; the second game shows B first."""
    first, second = (SHOWN_FIRST.get((judgment or {}).get("decision")) for judgment in row["judgments"])
    preferences = [first, None if second is None else 1.0 - second]
    return majority_outcome(preferences) == {"A>B": "win", "B>A": "lose"}[row["label"]]


@pytest.mark.parametrize("name", PUBLISHED)
def test_accuracies_equal_the_published_ones(data_dir: Path, name: str) -> None:
    rows = outputs(data_dir, name)
    assert len(rows) == 350
    found = [100 * fmean(is_right(row) for row in rows)]
    found += [
        100 * fmean(is_right(row) for row in rows if judgebench_category(row["source"]) == category)
        for category in CATEGORIES
    ]
    assert found == pytest.approx(PUBLISHED[name], abs=0.005)


def test_our_parser_reads_the_decisions_of_the_raw_replies(data_dir: Path) -> None:
    for row in outputs(data_dir, "arena_hard.o1-mini-2024-09-12"):
        for judgment in row["judgments"]:
            label = parsers.only_arena_label(judgment["judgment"]["response"])
            expected = judgment["decision"]
            assert label is not None
            assert label.replace(">>", ">") == expected


def test_decisions_of_reward_models_follow_their_scores(data_dir: Path) -> None:
    for row in outputs(data_dir, "reward_model.internlm_internlm2-7b-reward"):
        for judgment in row["judgments"]:
            first, second = judgment["judgment"]["scores"]
            assert judgment["decision"] == ("A>B" if first > second else "B>A")


def test_the_pairs_have_the_published_sizes(data_dir: Path) -> None:
    pairs = list(judgebench(DataFiles("judgebench", {}, data_dir, offline=True)))
    assert [sum(pair.slice == category for pair in pairs) for category in CATEGORIES] == [154, 98, 56, 42]
