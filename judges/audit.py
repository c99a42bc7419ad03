"""How far a judge can be believed, and whether somebody tried to game it: checks on the verdicts of a run.

Pure functions over what tasks keep in `Score.detail` (see `protocol.Judged.detail` and `answers`). `warn` is shown, `fail`
makes a gate's evidence invalid. Thresholds are constants here, stated in the explanations. Sources: Zheng et al. 2023 (arXiv
2306.05685, position and verbosity bias), Zheng et al. 2024 (arXiv 2410.07137, null models), Dubois et al. 2024 (arXiv
2404.04475, length).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np

from evalsuite.api import ScoreTable
from evalsuite.errors import StatisticsError
from evalsuite.judges.answer_audit import audit_answers, audit_scores
from evalsuite.judges.answers import AnswerFacts, facts_from_detail
from evalsuite.judges.canaries import CanaryVerdict
from evalsuite.records import Audit, Score, Status, Verdict
from evalsuite.stats.intervals import wilson
from evalsuite.stats.reliability import audit_repeats, audit_swap, length_slope

FLIPS_WARN = 0.25
FLIPS_FAIL = 0.5
REPEATS_WARN = 0.1
MISSING_WARN = 0.05
MISSING_FAIL = 0.2
CANARIES_WARN = 0.9
CANARIES_FAIL = 0.6
MINIMUM = 10
"""Fewer observations than this never fail or warn; they are shown as information."""


Grade = Literal["pass", "warn", "fail", "info"]


class JudgedSample(msgspec.Struct, frozen=True, kw_only=True):
    """One pair with all that was said about it, as read back from a score."""

    id: str
    status: Status
    verdicts: tuple[Verdict, ...] = ()
    extra_verdicts: tuple[Verdict, ...] = ()
    canaries: tuple[CanaryVerdict, ...] = ()
    candidate: AnswerFacts | None = None
    baseline: AnswerFacts | None = None


def judged_samples(scores: Iterable[tuple[str, Score]]) -> list[JudgedSample]:
    """The evidence in the scores of a judged metric; scores that carry none are left out."""
    found = []
    for sample_id, score in scores:
        detail = score.detail
        if "verdicts" not in detail and "candidate" not in detail:
            continue
        found.append(
            JudgedSample(
                id=sample_id,
                status=score.status,
                verdicts=msgspec.convert(detail.get("verdicts", ()), tuple[Verdict, ...]),
                extra_verdicts=msgspec.convert(detail.get("extra_verdicts", ()), tuple[Verdict, ...]),
                canaries=msgspec.convert(detail.get("canaries", ()), tuple[CanaryVerdict, ...]),
                candidate=_facts(detail.get("candidate")),
                baseline=_facts(detail.get("baseline")),
            )
        )
    return found


def _facts(detail: object) -> AnswerFacts | None:
    return facts_from_detail(detail) if isinstance(detail, dict) and "length" in detail else None


def audit_pairs(task: str, model: str, samples: Sequence[JudgedSample]) -> list[Audit]:
    """All checks of one arm of a pairwise task: each judge's, then the candidate's and the baseline's answers."""
    judges = list(dict.fromkeys(verdict.judge for sample in samples for verdict in sample.verdicts if verdict.order))
    audits: list[Audit] = []
    for judge in judges:
        audits += audit_judge(task, judge, model, samples)
    audits += audit_answers(task, model, [sample.candidate for sample in samples if sample.candidate])
    audits += audit_answers(task, f"baseline of {model}", [sample.baseline for sample in samples if sample.baseline])
    return audits


def audit_ratings(
    task: str, model: str, scores: ScoreTable, metrics: Sequence[str], *, rated: bool = True
) -> list[Audit]:
    """All checks of one arm of a task whose judge sees one answer at a time, from what scores of these metrics keep under
    `verdict` (or `panel`) and `candidate`: missing and constant verdicts of each judge, then the model's answers.

    `rated`: the verdicts are ratings of quality, which differ from answer to answer; a class may rightly be one and the same.
    """
    by_judge: dict[str, list[Verdict]] = {}
    for metric in metrics:
        for _, score in scores.scores(metric, model):
            alone = [score.detail["verdict"]] if "verdict" in score.detail else []
            for verdict in msgspec.convert(score.detail.get("panel", alone), list[Verdict]):
                by_judge.setdefault(verdict.judge, []).append(verdict)
    audits: list[Audit] = []
    for judge, verdicts in by_judge.items():
        audits += missing_verdicts(task, f"{judge} on {model}", verdicts)
        audits += constant_verdicts(task, f"{judge} on {model}", verdicts, rated=rated)
    return audits + audit_scores(task, model, scores, metrics)


def audit_judge(task: str, judge: str, model: str, samples: Sequence[JudgedSample]) -> Iterator[Audit]:
    """Checks of one judge on one arm: flips, position, repeats, length, missing verdicts, canaries."""
    subject = f"{judge} on {model}"
    yield from swap_checks(task, subject, list(_both_orders(judge, samples)))
    yield from repeat_checks(task, subject, list(_repeats(judge, samples)))
    yield from length_check(task, subject, list(_with_lengths(judge, samples)))
    verdicts = [verdict for sample in samples for verdict in sample.verdicts if verdict.judge == judge]
    yield from missing_verdicts(task, subject, verdicts)
    yield from canary_accuracy(
        task, subject, [canary for sample in samples for canary in sample.canaries if canary.verdict.judge == judge]
    )


def _both_orders(judge: str, samples: Sequence[JudgedSample]) -> Iterator[tuple[float, float]]:
    """`(preference shown first, preference shown second)` of every pair that was judged in both orders."""
    for sample in samples:
        by_order: dict[str, float] = {}
        for verdict in (*sample.verdicts, *sample.extra_verdicts):
            if verdict.judge == judge and verdict.preference is not None and verdict.order is not None:
                by_order.setdefault(verdict.order, verdict.preference)
        if len(by_order) == 2:
            yield by_order["AB"], by_order["BA"]


def _repeats(judge: str, samples: Sequence[JudgedSample]) -> Iterator[tuple[float, float]]:
    """Two preferences of the same question, asked twice."""
    for sample in samples:
        first = {verdict.order: verdict.preference for verdict in sample.verdicts if verdict.judge == judge}
        for verdict in sample.extra_verdicts:
            again, before = verdict.preference, first.get(verdict.order)
            if verdict.judge == judge and again is not None and before is not None:
                yield before, again


def _with_lengths(judge: str, samples: Sequence[JudgedSample]) -> Iterator[tuple[float, int]]:
    """`(mean preference, candidate length − baseline length)`."""
    for sample in samples:
        own = [v.preference for v in sample.verdicts if v.judge == judge and v.preference is not None and v.order]
        if own and sample.candidate and sample.baseline:
            yield sum(own) / len(own), sample.candidate.length - sample.baseline.length


def swap_checks(task: str, subject: str, swaps: Sequence[tuple[float, float]]) -> Iterator[Audit]:
    """Flip rate and position bias of pairs judged in both orders.

    The flip rate fails when even the low end of its interval is above 50%: such a judge tells nothing, and its ties would
    look like equality. Position bias only warns, since asking both orders cancels it in the mean.
    """
    if len(swaps) < 2:
        return
    found = audit_swap([first for first, _ in swaps], [second for _, second in swaps])
    consistency, bias = found.consistency, found.position_bias
    flips = _complement(consistency.estimate)
    low = _complement(consistency.high)
    yield Audit(
        task=task,
        name="flip_rate",
        subject=subject,
        verdict=_graded(low, flips or 0.0, found.n, warn=FLIPS_WARN, fail=FLIPS_FAIL),
        value=flips,
        low=low,
        high=_complement(consistency.low),
        n=found.n,
        explanation=f"the outcome changes with the order in {found.inconsistent} of {found.n} pairs "
        "(warn above 25%, fail above 50%)",
    )
    biased = not bias.low <= 0 <= bias.high if bias.low is not None and bias.high is not None else bias.estimate != 0
    yield Audit(
        task=task,
        name="position_bias",
        subject=subject,
        verdict="info" if found.n < MINIMUM else "warn" if biased else "pass",
        value=bias.estimate,
        low=bias.low,
        high=bias.high,
        n=found.n,
        explanation=f"half the mean gain of being shown first (0.5: always the first); pairs won twice by the first place: "
        f"{found.prefers_first}, by the second: {found.prefers_second}, p = {found.flip_p_value:.3g}",
    )


def repeat_checks(task: str, subject: str, repeats: Sequence[tuple[float, float]]) -> Iterator[Audit]:
    """How often the outcome changes when the same question is simply asked again."""
    if len(repeats) < 2:
        return
    found = audit_repeats(np.array(repeats))
    rate, icc = found.flip_rate, found.intraclass_correlation
    yield Audit(
        task=task,
        name="repeat_flip_rate",
        subject=subject,
        verdict="info" if found.n < MINIMUM else "warn" if rate.estimate > REPEATS_WARN else "pass",
        value=rate.estimate,
        low=rate.low,
        high=rate.high,
        n=found.n,
        explanation=f"the outcome changes on asking the same again (warn above 10%); intraclass correlation "
        f"{'n/a' if icc is None else f'{icc:.2f}'}",
    )


def length_check(task: str, subject: str, pairs: Sequence[tuple[float, int]]) -> Iterator[Audit]:
    """Whether longer (or shorter) answers are preferred; `n/a` with the reason when it cannot be fitted."""
    if len(pairs) < MINIMUM:
        return
    try:
        found = length_slope([preference for preference, _ in pairs], [float(length) for _, length in pairs])
    except StatisticsError as error:
        yield Audit(
            task=task,
            name="length_slope",
            subject=subject,
            verdict="info",
            n=len(pairs),
            explanation=f"no fit: {error}",
        )
        return
    slope = found.slope
    biased = slope.low is not None and slope.high is not None and not slope.low <= 0 <= slope.high
    yield Audit(
        task=task,
        name="length_slope",
        subject=subject,
        verdict="warn" if biased else "pass",
        value=slope.estimate,
        low=slope.low,
        high=slope.high,
        n=slope.n,
        explanation="change of the preference's logit per tanh(length difference / sd); not 0: longer or shorter answers are "
        f"preferred, for their length or for what comes with it; mean preference at equal length "
        f"{found.win_rate_at_equal_length.estimate:.3f}",
    )


def missing_verdicts(task: str, subject: str, verdicts: Sequence[Verdict]) -> Iterator[Audit]:
    """Share of the judge's calls on this arm that gave no verdict (warn above 5%, fail above 20%)."""
    if not verdicts:
        return
    missing = sum(verdict.status != "ok" for verdict in verdicts)
    interval = wilson(missing, len(verdicts))
    yield Audit(
        task=task,
        name="missing_verdicts",
        subject=subject,
        verdict=_graded(interval.low, interval.estimate, len(verdicts), warn=MISSING_WARN, fail=MISSING_FAIL),
        value=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=len(verdicts),
        explanation=f"{missing} of {len(verdicts)} judge calls gave no verdict (cut off, unparsed or failed)",
    )


def constant_verdicts(task: str, subject: str, verdicts: Sequence[Verdict], *, rated: bool) -> Iterator[Audit]:
    """Share of the most frequent verdict; when all are the same the judge tells nothing apart (`fail` for ratings)."""
    given = [repr((verdict.label, verdict.rating, verdict.aspects)) for verdict in verdicts if verdict.status == "ok"]
    if len(given) < MINIMUM:
        return
    most = Counter(given).most_common(1)[0][1]
    interval = wilson(most, len(given))
    same = most == len(given)
    yield Audit(
        task=task,
        name="constant_verdicts",
        subject=subject,
        verdict="pass" if not same else "fail" if rated else "warn",
        value=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=len(given),
        explanation=f"the most frequent verdict was given {most} of {len(given)} times"
        + (
            ": the judge does not tell these answers apart, so equal scores say nothing of equal quality"
            if same
            else ""
        ),
    )


def canary_accuracy(task: str, subject: str, canaries: Sequence[CanaryVerdict]) -> Iterator[Audit]:
    """Share of canary questions answered right; each distinct question counts once, a missing verdict is wrong."""
    distinct = {(canary.canary, canary.verdict.order): canary for canary in canaries}
    if not distinct:
        return
    right = sum(canary.right is True for canary in distinct.values())
    interval = wilson(right, len(distinct))
    wrong = sorted({name for (name, _), canary in distinct.items() if canary.right is not True})
    share, high = interval.estimate, interval.high
    fails = high is not None and high < CANARIES_FAIL
    yield Audit(
        task=task,
        name="canaries",
        subject=subject,
        verdict="fail" if fails else "warn" if share < CANARIES_WARN else "pass",
        value=share,
        low=interval.low,
        high=high,
        n=len(distinct),
        explanation=f"{right} of {len(distinct)} pairs with a known outcome judged right"
        + (f"; wrong: {', '.join(wrong)}" if wrong else ""),
    )


def _graded(low: float | None, value: float, n: int, *, warn: float, fail: float) -> Grade:
    if n < MINIMUM:
        return "info"
    if low is not None and low > fail:
        return "fail"
    return "warn" if value > warn else "pass"


def _complement(share: float | None) -> float | None:
    return None if share is None else 1.0 - share
