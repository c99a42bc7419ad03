"""May we release? The gate's verdict when there is one, else a plain reading of intervals against the tasks' margins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evalsuite.records import PairEstimate
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.formatting import MISSING, count, difference, interval, number, spoken

Tone = Literal["good", "bad", "open", ""]

_GATE_WORDS: dict[str, tuple[str, Tone]] = {
    "pass": ("Pass", "good"),
    "fail": ("Fail", "bad"),
    "inconclusive": ("Inconclusive", "open"),
    "invalid": ("Invalid evidence", "bad"),
}
_LARGEST_LOSS = 0.01
"""Share of failed questions above which a reader is warned beside the verdict."""

_SAMPLE_DATA = ("sample data", "sample prompts")
"""A note with these words says that the figures are a demonstration, which a reader must know before anything else."""


@dataclass(frozen=True)
class Claim:
    """One line of evidence for or against a release."""

    what: str
    state: str
    tone: Tone
    difference: str
    interval: str
    margin: str
    n: str
    why: str


@dataclass(frozen=True)
class Release:
    """The answer for one candidate."""

    candidate: str
    baseline: str
    state: str
    tone: Tone
    summary: str
    claims: tuple[Claim, ...]
    official: bool
    reasons: tuple[str, ...] = ()
    """Why the evidence cannot be used, where that needs more than one sentence."""


def from_gate(verdict: Mapping[str, Any]) -> Release:
    """The verdict of `evalsuite gate`, given as plain data of its `GateResult`."""
    state, tone = _GATE_WORDS.get(str(verdict.get("outcome")), ("Unknown verdict", "open"))
    claims = [_gate_claim(row) for row in verdict.get("metrics", ())]
    claims += [_guardrail_claim(row) for row in verdict.get("guardrails", ())]
    if verdict.get("outcome") == "invalid":
        claims = [_void(claim) for claim in claims]
    problems = [str(problem) for problem in verdict.get("problems", ())]
    stored = f" Stored verdict of {verdict.get('answered')}." if verdict.get("from_ledger") else ""
    spent = sum(int(row.get("spent") or 0) for row in verdict.get("metrics", ()))
    saved = sum(int(row.get("saved") or 0) for row in verdict.get("metrics", ()))
    calls = f" {count(spent)} judged prompts spent, {count(saved)} saved." if spent or saved else ""
    rules = f"Decided by {len(claims)} {'rule' if len(claims) == 1 else 'rules'} of the policy.{calls}{stored}"
    summary = (
        problems[0] if len(problems) == 1 else f"{len(problems)} findings forbid a verdict:" if problems else rules
    )
    return Release(
        str(verdict.get("candidate")), str(verdict.get("baseline")), state, tone, summary, tuple(claims), True,
        tuple(problems) if len(problems) > 1 else (),
    )  # fmt: skip


def _void(claim: Claim) -> Claim:
    """A rule of a gate that refused the evidence: what it would have said must not look like a finding."""
    return replace(
        claim, state="Void", tone="", why=f"on evidence that is not valid: {claim.state.lower()}, {claim.why}"
    )


def foreign_verdict(verdict: Mapping[str, Any], evidence: Evidence) -> list[tuple[Tone, str]]:
    """A warning when the verdict is about a model that none of the runs has."""
    known = {str(model["label"]) for run in evidence.runs for model in run.manifest.models}
    missing = [str(verdict.get(arm)) for arm in ("candidate", "baseline") if str(verdict.get(arm)) not in known]
    if not missing:
        return []
    return [("bad", f"The verdict is about {' and '.join(missing)}, which is not in these runs.")]


def _gate_claim(row: Mapping[str, Any]) -> Claim:
    state, tone = _GATE_WORDS.get(str(row.get("outcome")), ("Unknown", "open"))
    planned = row.get("n_planned")
    wins = ", wins minus losses" if row.get("form") == "head-to-head" else ""
    return Claim(
        what=f"{_what(row)}{wins}",
        state=state,
        tone=tone,
        difference=difference(row.get("difference"), "0-1"),
        interval=interval(row.get("low"), row.get("high"), "0-1", signed=True),
        margin=difference(None if row.get("margin") is None else -float(row["margin"]), "0-1"),
        n=f"{count(row.get('n'))}{f' of {count(planned)}' if planned else ''}",
        why=str(row.get("explanation", "")),
    )


def _guardrail_claim(row: Mapping[str, Any]) -> Claim:
    state, tone = _GATE_WORDS.get(str(row.get("outcome")), ("Unknown", "open"))
    sign = "at most" if row.get("direction") == "max" else "at least"
    return Claim(
        what=f"guardrail {_what(row)}",
        state=state,
        tone=tone,
        difference=number(row.get("value"), "0-1"),
        interval=f"bound {number(row.get('bound'), '0-1')}",
        margin=f"{sign} {number(row.get('limit'), '0-1')}",
        n=count(row.get("n")),
        why=str(row.get("explanation", "")),
    )


def _what(row: Mapping[str, Any]) -> str:
    part = f" ({row['slice']})" if row.get("slice") else ""
    return f"{row.get('task')}: {spoken(str(row.get('metric')))}{part}"


def readings(evidence: Evidence) -> list[Release]:
    """What the intervals say for every candidate, on the metrics that have a margin; the reader is told it is no verdict."""
    by_candidate: dict[tuple[str, str], list[PairEstimate]] = {}
    for pair in evidence.comparisons:
        if pair.slice is None and evidence.margin(pair) is not None:
            by_candidate.setdefault((pair.model, pair.baseline), []).append(pair)
    found = [_reading(model, baseline, pairs, evidence) for (model, baseline), pairs in by_candidate.items()]
    candidates = evidence.playing("candidate")
    return sorted(
        found, key=lambda answer: candidates.index(answer.candidate) if answer.candidate in candidates else 99
    )


def _reading(model: str, baseline: str, pairs: Sequence[PairEstimate], evidence: Evidence) -> Release:
    claims = tuple(_claim(pair, evidence) for pair in pairs)
    worse = [claim.what for claim in claims if claim.tone == "bad"]
    undecided = [claim.what for claim in claims if claim.tone == "open"]
    if worse:
        return Release(model, baseline, "Regression", "bad", f"Worse: {', '.join(worse)}.", claims, False)
    if undecided:
        words = f"The evidence does not decide: {', '.join(undecided)}."
        return Release(model, baseline, "Not decided", "open", words, claims, False)
    words = "Every metric with a margin stays within it."
    return Release(model, baseline, "No regression", "good", words, claims, False)


def _claim(pair: PairEstimate, evidence: Evidence) -> Claim:
    margin = evidence.margin(pair) or 0.0
    state, tone, why = judge(pair, margin)
    allowed = margin if pair.higher_is_better is False else -margin
    return Claim(
        what=f"{pair.task}: {spoken(pair.metric)}",
        state=state,
        tone=tone,
        difference=difference(pair.difference, pair.scale),
        interval=interval(pair.low, pair.high, pair.scale, signed=True),
        margin=difference(allowed, pair.scale),
        n=count(pair.n),
        why=why,
    )


def judge(pair: PairEstimate, margin: float) -> tuple[str, Tone, str]:
    """State, tone and reason of one paired difference against a margin (non-inferiority)."""
    if pair.low is None or pair.high is None or pair.higher_is_better is None:
        return MISSING, "open", "there is no interval" if pair.n else "no sample has a score from both"
    low, high = (pair.low, pair.high) if pair.higher_is_better else (-pair.high, -pair.low)
    if low > 0:
        return "Better", "good", "the whole interval is on the better side"
    if low > -margin:
        return "Within margin", "good", "a loss larger than the margin is excluded"
    if high < 0:
        return "Worse", "bad", "the whole interval is on the worse side"
    return "Undecided", "open", "the interval reaches beyond the margin: more samples are needed"


def warnings(evidence: Evidence, said: str = "") -> list[tuple[Tone, str]]:
    """What a reader must know before the verdict: failed instruments, lost questions, unfinished runs, sample data.

    Args:
        said: what the verdict says already; the findings in it are not told twice.
    """
    found: list[tuple[Tone, str]] = []
    for run, name in zip(evidence.runs, evidence.names, strict=True):
        if run.manifest.status != "complete":
            found.append(("bad", f"Run {name} is {run.manifest.status}: samples are missing."))
        found += [("open", note) for note in dict.fromkeys(run.manifest.notes) if _is_about_sample_data(note)]
    for audit in evidence.audits:
        if audit.verdict in ("fail", "warn") and not (audit.explanation and audit.explanation in said):
            tone: Tone = "bad" if audit.verdict == "fail" else "open"
            found.append((tone, f"{audit.task}, {spoken(audit.name)} of {audit.subject}: {audit.explanation}"))
    found += [("open", words) for words in _losses(evidence)]
    return sorted(found, key=lambda warning: warning[0] != "bad")


def _losses(evidence: Evidence) -> list[str]:
    """Questions without a usable answer, largest share first; models that lost the same share are named together."""
    lost: dict[tuple[float, str, str], list[str]] = {}
    for row in evidence.validity:
        share = (row.asked - row.ok - row.truncated) / row.asked if row.asked else 0.0
        if share > _LARGEST_LOSS and not row.role.startswith("score:"):
            lost.setdefault((-share, row.task, row.role), []).append(row.model)
    return [
        f"{task}, {', '.join(dict.fromkeys(models))}: {number(-share, '0-1')} of the questions to {role} have no usable answer."
        for (share, task, role), models in sorted(lost.items())
    ]


def notes(evidence: Evidence) -> list[str]:
    """What the runs say of their data and making that is no warning, such as the layout that a file was read as."""
    told = dict.fromkeys(note for run in evidence.runs for note in run.manifest.notes)
    return [note for note in told if not _is_about_sample_data(note)]


def _is_about_sample_data(note: str) -> bool:
    return any(words in note.lower() for words in _SAMPLE_DATA)
