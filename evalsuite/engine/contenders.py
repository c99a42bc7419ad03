"""Does a judge sit in judgement on itself? Judges prefer what they would have said (arXiv 2306.05685, sec. 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalsuite.engine.plan import Model, PlannedTask
from evalsuite.records import Audit
from evalsuite.serving.identity import Identity


def contending_judges(planned: PlannedTask, models: Mapping[str, Model]) -> Iterator[Audit]:
    """For every judge and contender of a task, whether they are one model: `warn` if so, `info` where it cannot be told."""
    pairs = {
        (judge, contender): None
        for arm in planned.arms
        for judge in arm.roles.get("judge", ())
        for contender in (arm.model, *arm.roles.get("baseline", ()))
    }
    for judge, contender in pairs:
        yield _audit(planned.name, models[judge], models[contender])


def _audit(task: str, judge: Model, contender: Model) -> Audit:
    same = same_weights(judge.identity, contender.identity)
    subject = f"{judge.label} on {contender.label}"
    if same is None:
        return Audit(
            task=task,
            name="judge_is_contender",
            subject=subject,
            verdict="info",
            explanation="n/a: the weights of one or both are not known (`weights=ID` states those of an endpoint)",
        )
    return Audit(
        task=task,
        name="judge_is_contender",
        subject=subject,
        verdict="warn" if same else "pass",
        explanation="judge and contender have the same weights, and judges prefer their own answers: use another judge"
        if same
        else "judge and contender have different weights",
    )


def same_weights(one: Identity, other: Identity) -> bool | None:
    """Whether two identities are of the same weights, however they are served; None when that is not known."""
    if one.digest == other.digest:
        return True
    ours, theirs = weights_of(one), weights_of(other)
    if ours is None or theirs is None or ours[0] != theirs[0]:
        return None
    return ours == theirs


def weights_of(identity: Identity) -> tuple[str, Any, Any] | None:
    """`(how they are known, name, adapter)` of a model's weights: by their hash, by a hub commit, or as the user states."""
    details = identity.details
    adapter = details.get("adapter")
    if "checkpoint" in details:
        return "hash", details["checkpoint"]["weights"], adapter
    return next(((known, details[known], adapter) for known in ("hub", "weights") if known in details), None)
