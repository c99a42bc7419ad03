"""Several judges of one answer: means, votes, a quorum, and what is kept of each of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from judges_scripting import ScriptedContext

from evalsuite.judges.panel import panel_detail, panel_verdict
from evalsuite.records import Sample, Score, Verdict
from evalsuite.tasks.just_eval import JustEval
from evalsuite.tasks.mt_bench.pairwise import MTBenchPairwise
from evalsuite.tasks.mt_bench.single import MTBench
from evalsuite.tasks.xstest import XSTest


def rating(value: float | None, **aspects: float) -> Verdict:
    status = "unparsed" if value is None else "ok"
    return Verdict(status=status, judge="j", rating=value, aspects=aspects or None)  # type: ignore[arg-type]


def said(label: str | None) -> Verdict:
    return Verdict(status="truncated" if label is None else "ok", judge="j", label=label)


def test_ratings_are_averaged_and_a_quorum_is_needed() -> None:
    assert panel_verdict([rating(4.0), rating(7.0), rating(None)]).rating == 5.5
    lost = panel_verdict([rating(4.0), rating(None), rating(None)])
    assert (lost.status, lost.rating, lost.judge) == ("unparsed", None, "j+j+j")


def test_each_aspect_needs_its_own_quorum() -> None:
    found = panel_verdict([rating(4.0, depth=4.0, clarity=4.0), rating(2.0, depth=2.0), rating(3.0, depth=3.0)])
    assert (found.rating, found.aspects) == (3.0, {"depth": 3.0})


def test_classes_are_voted_on_and_a_split_panel_gives_none() -> None:
    assert panel_verdict([said("compliance"), said("full_refusal"), said("compliance")]).label == "compliance"
    assert panel_verdict([said("compliance"), said("full_refusal")]).status == "unparsed"
    assert panel_verdict([said("compliance"), said(None)]).status == "truncated"


def test_one_judge_is_no_panel() -> None:
    alone = rating(4.0)
    assert panel_verdict([alone]) is alone
    assert "panel" not in panel_detail([alone])
    assert len(panel_detail([alone, alone])["panel"]) == 2


class TwoJudges(ScriptedContext):
    """The second judge gives other replies than the first."""

    def __init__(self, first: str, second: str, **answers: Any) -> None:
        super().__init__({**answers, "judge": lambda _: first}, labels={"judge": ("one", "two")})
        self._second = second

    async def chat(self, role: str, *arguments: Any, **options: Any) -> Any:
        usual = self._answers
        if role == "judge" and options.get("index") == 1:
            self._answers = {**usual, "judge": lambda _: self._second}
        try:
            return await super().chat(role, *arguments, **options)
        finally:
            self._answers = usual


def scores(task: Any, data: dict[str, Any], ctx: ScriptedContext, slice_name: str = "general") -> dict[str, Score]:
    sample = Sample(id="1", data=data, slice=slice_name)
    return {score.metric: score for score in asyncio.run(task.evaluate(sample, ctx))}


def test_tasks_ask_all_their_judges() -> None:
    turns = {"turns": ["?", "?"], "category": "stem"}
    found = scores(MTBench(), turns, TwoJudges("[[4]]", "[[8]]", candidate=lambda _: "x"))
    assert (found["score"].value, found["score"].judge) == (6.0, "one+two")
    assert set(found["turn_1"].links) == {"candidate", "judge", "judge2"}
    aspects = '{"helpfulness": %d, "clarity": 4, "factuality": 4, "depth": 4, "engagement": 4}'
    rated = scores(JustEval(), {"instruction": "?"}, TwoJudges(aspects % 2, aspects % 5, candidate=lambda _: "x"))
    assert rated["helpfulness"].value == 3.5
    classed = scores(
        XSTest(), {"prompt": "?", "label": "safe"}, TwoJudges("[[A]]", "[[B]]", candidate=lambda _: "x"), "homonyms"
    )
    assert classed["over_refusal"].status == "unparsed"
    pairs = scores(
        MTBenchPairwise(), turns, TwoJudges("[[A]]", "[[C]]", candidate=lambda _: "x", baseline=lambda _: "y")
    )
    assert pairs["win_rate"].value == pytest.approx(0.5)
    assert len(pairs["win_rate"].detail["verdicts"]) == 8
