"""From two runs to paired evidence, or to a clear reason why there is none.

Runs are comparable when they asked the same items in the same way: same protocol, options (decoding, judging order), data hashes,
judges and reward models. Anything else is refused with the name of what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from evalsuite.engine.directory import Run
from evalsuite.errors import DataError, EvidenceError, UsageError
from evalsuite.sequences import SEQUENCE_OPTIONS

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["paired-difference", "head-to-head"]


class Contender:
    """One model of one run: what `RUN` or `RUN#MODEL` on the command line names."""

    def __init__(self, run: Run, label: str) -> None:
        self.run = run
        self.label = label

    @classmethod
    def open(cls, text: str) -> Contender:
        """Open `RUN` or `RUN#MODEL`.

        Raises:
            UsageError: the run has several models under test and none is named, or the named one is not there.
        """
        path, _, label = text.partition("#") if not Path(text).exists() else (text, "", "")
        run = Run.open(path)
        labels = [str(model["label"]) for model in run.manifest.models]
        if label:
            if label not in labels:
                raise UsageError(f"{path} has no model {label!r}; its models: {', '.join(labels)}")
            return cls(run, label)
        tested = [
            str(model["label"]) for model in run.manifest.models if "candidate" in model.get("roles", ())
        ] or labels
        if len(tested) != 1:
            raise UsageError(f"{path} has several models ({', '.join(tested)}): name one as {path}#{tested[0]}")
        return cls(run, tested[0])

    @cached_property
    def model(self) -> Mapping[str, Any]:
        """Its entry in the manifest."""
        return next(model for model in self.run.manifest.models if model["label"] == self.label)

    @property
    def identity(self) -> str:
        """What it is, independent of label and path."""
        return str(self.model["identity"])

    def task(self, name: str) -> Mapping[str, Any] | None:
        """The manifest's entry of a task."""
        return next((task for task in self.run.manifest.tasks if task["name"] == name), None)

    def metric(self, task: str, name: str) -> Mapping[str, Any] | None:
        """The declaration of a metric."""
        entry = self.task(task)
        return next((metric for metric in entry["metrics"] if metric["name"] == name), None) if entry else None

    def players(self, role: str) -> list[str]:
        """Identities of the models that played a role in this run."""
        return [str(model["identity"]) for model in self.run.manifest.models if role in model.get("roles", ())]

    def scores(self, task: str, metric: str, slice_name: str | None) -> pd.DataFrame:
        """Rows of one metric, by sample id; `DataError` when an item is there twice."""
        scores = self.run.scores
        rows = scores[(scores["task"] == task) & (scores["metric"] == metric) & (scores["model"] == self.label)]
        if slice_name is not None:
            rows = rows[rows["slice"] == slice_name]
        repeated = rows["id"].duplicated()
        if repeated.any():
            item = rows.loc[repeated, "id"].iloc[0]
            raise DataError(f"{self.run.path}: task {task}, metric {metric}: item {item!r} is scored twice")
        return rows.set_index("id")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Paired evidence on one rule, oriented so that larger is better for the candidate, in plan order.

    `candidate` and `baseline` (n,) hold NaN where that arm has no score; for head-to-head evidence `candidate` is the
    preference in [0, 1] and `baseline` is 1 minus it. `scale` multiplies the rule's margin (2 for net win).
    """

    form: Form
    ids: Any
    candidate: Any
    baseline: Any
    clusters: Any
    bounds: tuple[float, float] | None
    kind: str
    scale: float
    missing_candidate: int
    missing_baseline: int

    @property
    def n(self) -> int:
        """Items asked of both."""
        return len(self.ids)


def check_comparable(candidate: Contender, baseline: Contender, task: str) -> None:
    """Refuse to compare runs that did not ask the same in the same way.

    Raises:
        EvidenceError: names everything that differs.
    """
    ours, theirs = candidate.task(task), baseline.task(task)
    if ours is None or theirs is None:
        missing = candidate if ours is None else baseline
        raise EvidenceError(f"{missing.run.path} has no task {task!r}")
    differences = []
    if ours["protocol"] != theirs["protocol"]:
        differences.append(f"protocol ({ours['protocol']} / {theirs['protocol']})")
    asked_with = {*ours["options"], *theirs["options"]} - {*SEQUENCE_OPTIONS}
    changed = sorted(key for key in asked_with if ours["options"].get(key) != theirs["options"].get(key))
    differences += [f"option {key} ({ours['options'].get(key)!r} / {theirs['options'].get(key)!r})" for key in changed]
    hashes = [{entry["name"]: entry["sha256"] for entry in entry_of.get("data", ())} for entry_of in (ours, theirs)]
    differences += [
        f"data {name}" for name in sorted({*hashes[0], *hashes[1]}) if hashes[0].get(name) != hashes[1].get(name)
    ]
    for role, text in (("judge", "judge"), ("reward", "reward model")):
        asked = role in _roles_asked(candidate, task) | _roles_asked(baseline, task)
        if asked and candidate.players(role) != baseline.players(role):
            differences.append(text)
    if differences:
        raise EvidenceError(f"task {task}: the runs differ in {', '.join(differences)}; run both the same way")


def _roles_asked(contender: Contender, task: str) -> set[str]:
    """Roles that a task asked anything of; equal answers, for one, need no judge."""
    return {row.role for row in contender.run.results.validity if row.task == task}


def gather(
    candidate: Contender,
    baseline: Contender,
    task: str,
    metric: str,
    slice_name: str | None,
    higher_is_better: bool | None,
) -> Evidence:
    """Paired evidence on one metric.

    Raises:
        EvidenceError: not comparable, no such metric, no shared item, or no direction known.
    """
    declared = candidate.metric(task, metric)
    if declared is None:
        raise EvidenceError(f"{candidate.run.path}: task {task} has no metric {metric!r}")
    if declared.get("head_to_head") and baseline.identity in candidate.players("baseline"):
        return _head_to_head(candidate.scores(task, metric, slice_name), declared, f"task {task}, metric {metric}")
    check_comparable(candidate, baseline, task)
    better = declared.get("higher_is_better") if higher_is_better is None else higher_is_better
    if better is None:
        raise EvidenceError(f"task {task}, metric {metric}: say in the policy whether higher_is_better")
    ours = candidate.scores(task, metric, slice_name)
    if declared.get("head_to_head") and candidate.players("baseline") != baseline.players("baseline"):
        raise EvidenceError(f"task {task}: the win rates are against different models; run both against one baseline")
    theirs = baseline.scores(task, metric, slice_name)
    return _paired(ours, theirs, declared, 1.0 if better else -1.0, f"task {task}, metric {metric}")


def _head_to_head(ours: pd.DataFrame, declared: Mapping[str, Any], where: str) -> Evidence:
    if not len(ours):
        raise EvidenceError(f"{where}: the candidate has no item")
    order = plan_order(list(ours.index), list(ours["cluster"]))
    rows = ours.iloc[order]
    preference = rows["score"].to_numpy(dtype=float)
    missing = int(np.isnan(preference).sum())
    return Evidence(
        form="head-to-head",
        ids=np.array(rows.index, dtype=object),
        candidate=preference,
        baseline=1.0 - preference,
        clusters=rows["cluster"].to_numpy(dtype=object),
        bounds=(0.0, 1.0),
        kind=str(declared.get("kind", "bounded")),
        scale=2.0,
        missing_candidate=missing,
        missing_baseline=missing,
    )


def _paired(ours: pd.DataFrame, theirs: pd.DataFrame, declared: Mapping[str, Any], sign: float, where: str) -> Evidence:
    if not len(ours.index.intersection(theirs.index)):
        raise EvidenceError(f"{where}: the runs share no item ({len(ours)} and {len(theirs)} items)")
    names = list(ours.index.union(theirs.index, sort=False))
    groups = ours["cluster"].reindex(names).fillna(theirs["cluster"].reindex(names))
    ids = [names[position] for position in plan_order(names, list(groups))]
    ours, theirs, clusters = ours.reindex(ids), theirs.reindex(ids), groups.reindex(ids)
    bounds = declared.get("bounds")
    scores = [sign * frame["score"].to_numpy(dtype=float) for frame in (ours, theirs)]
    return Evidence(
        form="paired-difference",
        ids=np.array(ids, dtype=object),
        candidate=scores[0],
        baseline=scores[1],
        clusters=clusters.to_numpy(dtype=object),
        bounds=_oriented(bounds, sign) if bounds and declared.get("kind") != "real" else None,
        kind=str(declared.get("kind", "bounded")),
        scale=1.0,
        missing_candidate=int(np.isnan(scores[0]).sum()),
        missing_baseline=int(np.isnan(scores[1]).sum()),
    )


def _oriented(bounds: tuple[float, float], sign: float) -> tuple[float, float]:
    low, high = bounds
    return (low, high) if sign > 0 else (-high, -low)


def plan_order(ids: list[str], clusters: list[str]) -> list[int]:
    """Positions in a keyed random order of the clusters, and of the items within each.

    The order depends on the names alone, never on what was answered, so stopping early cannot favour quick answers.
    """
    keys = [
        (_draw(cluster), cluster, _draw(name), at) for at, (name, cluster) in enumerate(zip(ids, clusters, strict=True))
    ]
    return [key[-1] for key in sorted(keys)]


def _draw(name: str) -> bytes:
    return blake2b(name.encode(), key=b"evalsuite gate", digest_size=8).digest()
