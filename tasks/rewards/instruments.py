"""Checks of a reward model as an instrument: does it tell answers apart, does it see them whole?"""

from __future__ import annotations

from collections.abc import Iterator

from evalsuite.api import Audit, Score, ScoreTable

TIE_SHARE = 0.05
"""Above this share of ties a scalar head is suspect: an activation that saturates, or scores rounded to half precision."""

ROUNDING = 1e-5
"""Margins below this share of the largest reward are what batching does to float32 scores: a model with no others is constant."""

CUT_SHARE = 0.01
"""Above this share of truncated conversations the context length shapes the result."""

TIE_METRIC, ANCHOR_METRIC = "tie", "accuracy"


def reward_audits(task: str, scores: ScoreTable, anchor: str | None = None) -> Iterator[Audit]:
    """`constant_scores`, `ties` and `truncated_conversations` of every reward model that scored anything.

    Args:
        task: name of the task.
        scores: must hold the metric `tie`, and details with rewards under `anchor`.
        anchor: metric whose details carry `chosen_reward` / `correct` and so on; found by itself when None.
    """
    for model in scores.models:
        ties, _, _ = scores.values(TIE_METRIC, model)
        if not len(ties):
            continue
        share = float(ties.mean())
        constant = share == 1.0 or _only_rounding(model, scores)
        yield Audit(
            task=task,
            name="constant_scores",
            subject=model,
            verdict="fail" if constant and len(ties) > 1 else "pass",
            value=share,
            n=len(ties),
            explanation="no comparison differs by more than rounding: the scores are constant"
            if constant
            else "the scores differ",
        )
        yield Audit(
            task=task,
            name="ties",
            subject=model,
            verdict="warn" if share > TIE_SHARE else "pass",
            value=share,
            n=len(ties),
            explanation=f"share of comparisons with equal scores; above {TIE_SHARE:.0%} look for a saturating activation",
        )
        yield from _truncation(task, model, scores, anchor)


def _truncation(task: str, model: str, scores: ScoreTable, anchor: str | None) -> Iterator[Audit]:
    metric = anchor or ("margin" if any(True for _ in scores.scores("margin", model)) else ANCHOR_METRIC)
    details = [score for _, score in scores.scores(metric, model)]
    if not details:
        return
    cut = sum(map(_was_cut, details))
    yield Audit(
        task=task,
        name="truncated_conversations",
        subject=model,
        verdict="warn" if cut > CUT_SHARE * len(details) else "pass",
        value=cut / len(details),
        n=len(details),
        explanation="share of comparisons in which a conversation was longer than the context and was cut",
    )


def _only_rounding(model: str, scores: ScoreTable) -> bool:
    margins = [score for _, score in scores.scores("margin", model) if score.value is not None]
    if not margins:
        return False
    rewards = [score.detail[side] for score in margins for side in ("chosen_reward", "rejected_reward")]
    largest = max(abs(float(reward)) for reward in rewards)
    return max(abs(score.value or 0.0) for score in margins) <= ROUNDING * largest


def _was_cut(score: Score) -> bool:
    return bool(score.detail.get("cut"))
