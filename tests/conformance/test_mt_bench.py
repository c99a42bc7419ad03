"""MT-Bench (arXiv 2306.05685): published GPT-4 judgements, read by our parsers and folds as FastChat reads them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from evalsuite.data import DataFiles, read_rows
from evalsuite.judges import parsers
from evalsuite.judges.folds import conservative_outcome
from evalsuite.judges.pairwise import preference_of_letter
from evalsuite.judges.upstream import read_fastchat_prompts
from evalsuite.tasks.mt_bench.questions import load_questions


def judgements(data_dir: Path, name: str) -> list[dict[str, Any]]:
    path = data_dir / "mt_bench" / f"model_judgment.{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    return list(read_rows(path))


@pytest.mark.parametrize(("name", "failures"), [("gpt-4_single.claude-3", 0), ("gpt-4_single.llama3-griffin", 4)])
def test_ratings_equal_the_stored_ones_and_failures_are_none(data_dir: Path, name: str, failures: int) -> None:
    rows = judgements(data_dir, name)
    parsed = [parsers.mt_bench_rating(row["judgment"]) for row in rows]
    assert [-1 if rating is None else rating for rating in parsed] == [row["score"] for row in rows]
    assert parsed.count(None) == failures


@pytest.mark.parametrize(
    ("model", "published"), [("claude-3-5-sonnet-20240620", 9.21), ("claude-3-opus-20240229", 8.68)]
)
def test_mean_scores_equal_the_published_ones(data_dir: Path, model: str, published: float) -> None:
    rows = [row for row in judgements(data_dir, "gpt-4_single.claude-3") if row["model"] == model]
    ratings = [parsers.mt_bench_rating(row["judgment"]) for row in rows]
    by_turn = [
        [r for r, row in zip(ratings, rows, strict=True) if r is not None and row["turn"] == turn] for turn in (1, 2)
    ]
    assert len(by_turn[0]) == len(by_turn[1]) == 80
    assert fmean(by_turn[0] + by_turn[1]) == pytest.approx(published, abs=0.005)
    assert (fmean(by_turn[0]) + fmean(by_turn[1])) / 2 == pytest.approx(published, abs=0.005)


def test_pairwise_verdicts_and_the_conservative_rule_reproduce(data_dir: Path) -> None:
    """Game 1 shows model_1 as A, game 2 shows model_2 as A; records with an error are dropped."""
    rows = judgements(data_dir, "gpt-4_pair.phi-3")
    outcomes = []
    for row in rows:
        first = preference_of_letter(parsers.priority_letter(row["g1_judgment"]))
        second = preference_of_letter(parsers.priority_letter(row["g2_judgment"]))
        winners = {1.0: "model_1", 0.5: "tie", 0.0: "model_2", None: "error"}
        swapped = None if second is None else 1.0 - second
        assert (winners[first], winners[swapped]) == (row["g1_winner"], row["g2_winner"])
        outcomes.append(conservative_outcome([first, swapped], errors="drop"))
    assert Counter(outcomes) == {"win": 18, "lose": 20, "tie": 35, None: 2}


def test_questions_come_with_references_for_mathematics_reasoning_and_coding(data_dir: Path) -> None:
    samples = list(load_questions(DataFiles("mt_bench", {}, data_dir, offline=True), baseline="gpt-3.5-turbo"))
    assert Counter(sample.slice for sample in samples) == dict.fromkeys(
        ["writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities"], 10
    )
    assert sum("references" in sample.data for sample in samples) == 30
    assert all("baseline" in sample.data for sample in samples)


def test_the_published_prompts_can_be_filled(data_dir: Path) -> None:
    prompts = read_fastchat_prompts(data_dir / "mt_bench" / "judge_prompts.jsonl")
    names = ["question", "question_1", "question_2", "ref_answer_1", "ref_answer_2"]
    names += [f"answer{side}{turn}" for side in ("", "_a", "_b") for turn in ("", "_1", "_2")]
    fields = dict.fromkeys(names, "{filled} {{x}}")
    assert len(prompts) == 8
    for prompt in prompts.values():
        filled = prompt.fill(fields)
        assert filled[0].role == "system"
        assert "{filled} {{x}}" in filled[1].content
        assert "{question" not in filled[1].content
