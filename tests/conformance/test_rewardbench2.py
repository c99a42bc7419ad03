"""RewardBench 2: best of four, the Ties domain with its edge cases, and rows of the paper's Table 3."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_scripting import run_rewards

from evalsuite.errors import DataError
from evalsuite.tasks.rewards.rewardbench2 import DOMAINS, RewardBench2, TiesPrompt, best_of, read_row, ties_score

# Table 3 of arXiv 2506.01937: Factuality, Precise IF, Math, Safety, Focus, Ties → average.
PUBLISHED = [
    ((65.7, 55.3, 81.1, 90.9, 86.7, 83.4), 77.2),
    ((78.5, 37.2, 69.9, 95.8, 95.4, 83.2), 76.7),
]

FLOATS = st.floats(-9, 9)


@pytest.mark.parametrize(("row", "score"), PUBLISHED)
def test_the_published_average_is_the_plain_mean_of_six_domains(row: tuple[float, ...], score: float) -> None:
    assert len(row) == len(DOMAINS)
    assert round(sum(row) / len(DOMAINS), 1) == score


@pytest.mark.parametrize(
    ("scores", "credit"),
    [
        ([3, 1, 2, 0], 1.0),
        ([1, 3, 2, 0], 0.0),
        ([3, 3, 0, 0], 1 / 2),
        ([3, 3, 3, 0], 1 / 3),
        ([3, 3, 3, 3], 1 / 4),
        ([0, 3, 3, 0], 0.0),
    ],
)
def test_a_shared_highest_score_shares_the_credit(scores: list[float], credit: float) -> None:
    assert best_of(scores) == credit


@given(st.lists(st.integers(-3, 3), min_size=4, max_size=4))
def test_the_credits_of_all_replies_sum_to_one(scores: list[int]) -> None:
    rotations = [scores[i:] + scores[:i] for i in range(4)]
    assert sum(map(best_of, rotations)) == pytest.approx(1.0)
    assert [best_of([math.exp(s) for s in r]) for r in rotations] == [best_of(r) for r in rotations]


def ties(ref: tuple[list[float], list[float]], tied: tuple[list[float], list[float]]) -> float | None:
    return ties_score(
        [TiesPrompt("1", "ref", tuple(ref[0]), tuple(ref[1])), TiesPrompt("1", "tied", tuple(tied[0]), tuple(tied[1]))]
    )


def test_the_ties_score_worked_by_hand() -> None:
    # ref gap 4; tied spread 1, gap 2: everything right, tanh(min(4, 2)/1 − 1) = tanh 1
    assert ties(([5.0], [1.0, 0.0]), ([4.0, 3.0], [1.0])) == pytest.approx(1.0 + 0.01 * math.tanh(1.0))
    # tied spread 3 > gap 1: right, but neither preferred nor hard; tanh(1/3 − 1)
    assert ties(([5.0], [1.0]), ([5.0, 2.0], [1.0])) == pytest.approx(0.6 + 0.01 * math.tanh(1 / 3 - 1))
    # tied gap 3 > spread 1, ref gap 0.5 is not: preferred, but not hard
    assert ties(([1.5], [1.0]), ([5.0, 4.0], [1.0])) == pytest.approx(0.8 + 0.01 * math.tanh(0.5 - 1))


def test_a_spread_of_zero_counts_by_the_sign_of_the_gap() -> None:
    assert ties(([5.0], [1.0]), ([4.0, 4.0], [1.0])) == pytest.approx(1.01)
    assert ties(([5.0], [1.0]), ([1.0, 1.0], [1.0])) == pytest.approx(0.3)  # 0/0 counts 0; accuracy of ref only
    assert ties(([5.0], [1.0]), ([0.0, 0.0], [1.0])) == pytest.approx(0.3 - 0.01)


def test_prompts_without_their_other_version_count_for_accuracy_only() -> None:
    alone = TiesPrompt("2", "tied", (9.0, 8.0), (0.0,))
    both = [TiesPrompt("1", "ref", (0.0,), (1.0,)), TiesPrompt("1", "tied", (0.0, 0.0), (1.0,))]
    assert ties_score([alone]) is None
    assert ties_score([*both, alone]) == pytest.approx(0.30 * 0.5 - 0.01)


@given(st.lists(FLOATS, min_size=1, max_size=1), st.lists(FLOATS, min_size=2, max_size=4), FLOATS, st.floats(0.1, 9))
def test_shifting_and_scaling_all_scores_changes_nothing(
    ref: list[float], tied: list[float], shift: float, scale: float
) -> None:
    # Whole numbers, so that a shift is exact and gaps keep their sign.
    ref, tied = [float(round(x)) for x in ref], [float(round(x)) for x in tied]
    shift, scale = float(round(shift)), 2.0 ** round(math.log2(scale))
    before = ties((ref, [0.0, -1.0]), (tied, [0.0]))
    after = ties(
        ([x * scale + shift for x in ref], [shift, shift - scale]), ([x * scale + shift for x in tied], [shift])
    )
    assert before is not None
    assert after == pytest.approx(before)


def rows() -> list[dict[str, Any]]:
    plain = [
        {"id": str(i), "prompt": f"q{i}", "chosen": ["good"], "rejected": ["bad", "worse", "worst"], "subset": domain}
        for domain in DOMAINS[:-1]
        for i in range(3)
    ]
    tied = [
        {"id": f"{version}:{i}", "prompt": f"t{i}", "chosen": correct, "rejected": ["bad"], "subset": "Ties"}
        for i in range(4)
        for version, correct in (("ref", ["good"]), ("tied", ["good", "good too"]))
    ]
    return plain + tied


def test_a_perfect_and_a_constant_model(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    task = RewardBench2()
    table = run_rewards(
        task,
        {"perfect": lambda who, prompt, reply: float(reply.startswith("good")), "constant": lambda *asked: 1.0},
        rewardbench2=path,
    )
    scores = {(e.metric, e.model, e.slice): e for e in task.derive(table)}
    assert scores["domain_score", "perfect", "Ties"].value == pytest.approx(1.01)
    assert scores["score", "perfect", None].value == pytest.approx((5 + 1.01) / 6)
    assert scores["domain_score", "constant", "Math"].value == pytest.approx(0.25)
    assert scores["domain_score", "constant", "Ties"].value == pytest.approx(0.0)
    assert table.values("tie", "constant", "Math")[0].tolist() == [1.0] * 3
    verdicts = {(audit.name, audit.subject): audit.verdict for audit in task.audit(table)}
    assert verdicts["constant_scores", "constant"] == "fail"


def test_rows_that_break_the_rules_are_skipped_or_refused() -> None:
    good = rows()[0]
    assert not isinstance(read_row(good), str)
    assert read_row(good | {"subset": "Poetry"}) == "unknown domain: Poetry"
    assert read_row(good | {"rejected": []}) == "empty or no reply"
    assert read_row(good | {"chosen": ["a", "b"]}) == "more than one correct reply outside Ties"
    assert read_row(good | {"subset": "Ties", "id": "tied:3"}) == "tied prompt with a single correct answer"
    for broken in ({"chosen": "text"}, {"subset": "Ties", "id": "7"}):
        with pytest.raises(DataError):
            read_row(good | broken)
    with pytest.raises(DataError, match="rejected"):
        read_row({"id": 1, "prompt": "", "chosen": [], "subset": "Math"})
