"""The five-label judge of Arena-Hard (arXiv 2406.11939): much better, slightly better, equal; in our own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from evalsuite.api import Context
from evalsuite.judges import parsers
from evalsuite.judges.definition import Judge, JudgeInfo, render
from evalsuite.judges.hardening import fence_nonce, neutralise
from evalsuite.judges.pairwise import Criterion, Order
from evalsuite.records import GenerationParams, Message, Status, Verdict

PREFERENCES: Mapping[str, float] = {"A>>B": 1.0, "A>B": 1.0, "A=B": 0.5, "B>A": 0.0, "B>>A": 0.0}


class FiveLabelsJudge(Judge):
    """Compares two answers with five labels, from much better to much worse.

    Args:
        own_answer: whether the judge answers the request itself before it compares (Arena-Hard except creative writing).
        max_tokens: limit of the judge's reply, in tokens.
    """

    ties = True
    info: ClassVar[JudgeInfo] = JudgeInfo(
        name="five_labels",
        kind="pairwise",
        summary="Two answers compared with five labels, [[A>>B]] to [[B>>A]], after an answer of the judge's own",
        protocol="five-labels-1",
        paper="arXiv 2406.11939",
        prompts=("five_labels.jinja",),
    )

    def __init__(self, *, own_answer: bool = True, max_tokens: int = 4096) -> None:
        self.own_answer = own_answer
        self.params = GenerationParams(max_tokens=max_tokens)

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
        role: str = "judge",
        index: int = 0,
        repeat: int = 0,
    ) -> Verdict:
        """One verdict; `label` is one of the five in the judge's frame, whose prompt is its own criterion."""
        first, second = (candidate, baseline) if order == "AB" else (baseline, candidate)
        request = "\n\n".join(turn.content for turn in conversation)
        prompt = render(
            "five_labels.jinja",
            own_answer=self.own_answer,
            request=neutralise(request).text,
            answer_a=neutralise(first).text,
            answer_b=neutralise(second).text,
            nonce=fence_nonce(request, *sorted((first, second))),
        )
        completion = await ctx.chat(
            role, [Message(role="user", content=prompt)], self.params, index=index, repeat=repeat
        )
        label = parsers.arena_label(completion.text) if completion.status == "ok" else None
        status: Status = "ok"
        if label is None:
            status = "unparsed" if completion.status == "ok" else completion.status
        p_first = None if label is None else PREFERENCES[label]
        return Verdict(
            status=status,
            judge=ctx.labels(role)[index],
            criterion=criterion,
            order=order,
            label=label,
            preference=None if p_first is None else p_first if order == "AB" else 1.0 - p_first,
            reason=completion.text,
            fingerprint=completion.fingerprint,
        )
