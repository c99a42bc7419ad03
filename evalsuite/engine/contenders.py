"""Does a judge judge itself, or its family? Judges prefer what they would have said (arXiv 2306.05685, sec. 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalsuite.engine.plan import Model, PlannedTask
from evalsuite.records import Audit
from evalsuite.serving.families import model_family
from evalsuite.serving.identity import Identity


def contending_judges(planned: PlannedTask, models: Mapping[str, Model]) -> Iterator[Audit]:
    """For every judge and contender of a task, whether they are one model (`warn`, or `info` where it cannot be told), and a
    warning when they are two models of one family."""
    pairs = {
        (judge, contender): None
        for arm in planned.arms
        for judge in arm.roles.get("judge", ())
        for contender in (arm.model, *arm.roles.get("baseline", ()))
    }
    for judge, contender in pairs:
        same = same_weights(models[judge].identity, models[contender].identity)
        yield _same_model(planned.name, models[judge], models[contender], same)
        families = {family_of(models[judge]), family_of(models[contender])}
        if not same and len(families) == 1 and None not in families:
            yield Audit(
                task=planned.name,
                name="self_family",
                subject=f"{judge} on {contender}",
                verdict="warn",
                explanation=f"judge and contender are of one family ({families.pop()}); judges prefer their own kind: use "
                "another as well",
            )


def family_of(model: Model) -> str | None:
    """A model's family by what its SPEC names, or else by its label; None when neither tells."""
    names = (model.spec.served_name or model.spec.target.rstrip("/").rpartition("/")[2], model.label)
    return next((family for family in map(model_family, names) if family), None)


def _same_model(task: str, judge: Model, contender: Model, same: bool | None) -> Audit:
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
