"""Arena-Hard (arXiv 2406.11939): the scoring rule on worked examples, and the published leaderboard's own arithmetic.

The judgements behind the leaderboard are not public, so the rule of `show_result.py` is checked on games worked by hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evalsuite.data import read_rows
from evalsuite.stats.five_labels import game_scores, weighted_score
from evalsuite.tasks.arena_hard.scoring import (
    bootstrap_quantiles,
    style_controlled_score,
    style_difference,
    style_of,
)
from evalsuite.tasks.arena_hard.task import ArenaHard


@pytest.mark.parametrize(
    ("baseline_first", "candidate_first", "scores"),
    [
        ("A=B", "A>B", [1.0, 0.5]),
        ("B>>A", "A>>B", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("A>>B", "B>A", [0.0, 0.0, 0.0, 0.0]),
        ("B>A", "A=B", [0.5, 1.0]),
        (None, "A>B", None),
        ("A>B", None, None),
        ("A>B", "nonsense", None),
    ],
)
def test_strong_verdicts_count_three_times_and_both_games_are_needed(
    baseline_first: str | None, candidate_first: str | None, scores: list[float] | None
) -> None:
    assert game_scores(baseline_first, candidate_first) == scores


def test_the_score_is_the_mean_over_weighted_verdicts() -> None:
    rows = [[1.0, 1.0, 1.0, 1.0], [0.0, 0.0], [0.5, 0.5]]
    assert weighted_score(rows).value == pytest.approx(5 / 8)


@pytest.fixture
def leaderboard(data_dir: Path) -> dict[str, dict[str, float]]:
    """The published board of 2024-07-31: model → score, ends of its interval, and the interval as it is printed."""
    path = data_dir / "arena_hard" / "arena_hard_leaderboard_20240731.csv"
    if not path.is_file():
        pytest.skip("the leaderboard is not there")
    board = {}
    for row in read_rows(path):
        below, above = (float(text) for text in row["CI"].strip("()").split(","))
        numbers = {name: float(row[name]) for name in ("score", "rating_q025", "rating_q975", "avg_tokens")}
        board[row["model"]] = {**numbers, "below": below, "above": above}
    return board


def test_the_published_interval_is_printed_as_offsets_from_the_score(leaderboard: dict[str, dict[str, float]]) -> None:
    assert len(leaderboard) == 60
    for row in leaderboard.values():
        offsets = (row["rating_q025"] - row["score"], row["rating_q975"] - row["score"])
        assert (row["below"], row["above"]) == pytest.approx(offsets, abs=0.011)
        assert 0 <= row["rating_q025"] <= row["score"] <= row["rating_q975"] <= 100


def test_the_published_baseline_ties_with_itself(leaderboard: dict[str, dict[str, float]]) -> None:
    row = leaderboard[ArenaHard.Options().baseline]
    assert (row["score"], row["rating_q025"], row["rating_q975"]) == (50.0, 50.0, 50.0)


def test_upstreams_bootstrap_covers_90_percent() -> None:
    rng = np.random.default_rng(0)
    rows = [[float(value)] for value in rng.integers(0, 2, size=400)]
    low, high = bootstrap_quantiles(rows, rng, rounds=2000)
    spread = np.std([row[0] for row in rows]) / 20
    assert (high - low) / (2 * spread) == pytest.approx(1.645, rel=0.05)


def test_style_counts_ignore_code() -> None:
    style = style_of("# Title\n\n- one **bold**\n2. two\n```\n# no\n- no\n```\n")
    assert (style.headers, style.lists, style.bold) == (1, 2, 1)


def test_style_differences_are_relative_and_antisymmetric() -> None:
    plain, rich = style_of("one two three"), style_of("# Title\n- **a** b c d e f")
    assert style_difference(plain, plain) == (0.0, 0.0, 0.0, 0.0)
    assert style_difference(rich, plain) == tuple(-value for value in style_difference(plain, rich))


def test_style_control_takes_out_what_style_explains() -> None:
    """Verdicts that follow length alone: the raw score is high, the score at equal style a half."""
    rng = np.random.default_rng(1)
    length = rng.normal(0.5, 0.5, size=4000)
    wins = rng.random(4000) < 1 / (1 + np.exp(-3 * length))
    rows = [[float(win)] for win in wins]
    assert weighted_score(rows).value > 0.7
    styles = np.stack([length, np.zeros(4000), np.zeros(4000), np.zeros(4000)], axis=1)
    value, _, error = style_controlled_score(rows, styles)
    assert error is not None
    assert value == pytest.approx(0.5, abs=0.05)
    assert style_controlled_score(rows, styles, compat=True)[0] == pytest.approx(weighted_score(rows).value, abs=0.08)
