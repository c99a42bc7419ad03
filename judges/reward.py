"""A reward model as a pairwise judge: P(A beats B) = sigmoid(r_A − r_B) (Bradley-Terry; arXiv 2204.05862)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from evalsuite.api import Context
from evalsuite.judges.definition import Judge, JudgeInfo, Order
from evalsuite.judges.pairwise import Criterion
from evalsuite.records import Message, Verdict


class RewardJudge(Judge):
    """Prefers the answer with the higher reward; equal rewards are a tie. Order plays no part."""

    ties = True

    info: ClassVar[JudgeInfo] = JudgeInfo(
        name="reward",
        kind="reward",
        summary="The answer with the higher reward wins; the preference is the sigmoid of the difference",
        protocol="reward-1",
        paper="arXiv 2204.05862",
    )

    async def compare(
        self,
        ctx: Context,
        *,
        conversation: Sequence[Message],
        candidate: str,
        baseline: str,
        criterion: Criterion,
        order: Order,
        reference: str | None = None,
        role: str = "reward",
        index: int = 0,
        repeat: int = 0,
    ) -> Verdict:
        """One verdict; `reference` and `repeat` change nothing, since rewards have neither references nor chance."""
        ours, theirs = await ctx.gather(
            *(
                ctx.reward(role, (*conversation, Message(role="assistant", content=answer)), index=index)
                for answer in (candidate, baseline)
            )
        )
        judge = ctx.labels(role)[index]
        if ours.reward is None or theirs.reward is None:
            status = ours.status if ours.reward is None else theirs.status
            return Verdict(status=status, judge=judge, criterion=criterion, order=order)
        difference = ours.reward - theirs.reward
        return Verdict(
            status="ok",
            judge=judge,
            criterion=criterion,
            order=order,
            label="C" if difference == 0 else "A" if (difference > 0) == (order == "AB") else "B",
            preference=sigmoid(difference),
            reason=f"rewards {ours.reward:.4g} and {theirs.reward:.4g}",
            fingerprint=ours.fingerprint,
        )


def sigmoid(x: float) -> float:
    """1 / (1 + e^−x) without overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))
