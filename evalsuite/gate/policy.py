"""The release policy: which metrics must not get worse by how much, and what must hold whatever the baseline did.

A margin is a choice of the people who release, stated in a file; it is never derived from the sample size. Without a file the
default policy gates every metric for which the task declares a margin; of an imported task that declares none, every metric on
a 0–1 scale at 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from evalsuite.errors import UsageError

DEFAULT_IMPORTED_MARGIN = 0.05
Test = Literal["auto", "group-sequential", "fixed", "strict"]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One non-inferiority claim: `candidate − baseline > −margin` in the direction that is better.

    `margin` is on the metric's scale (for head-to-head metrics on the win-rate scale; the net win it is tested on is twice
    that). `weight` is this rule's share of the false-alarm level; shares are normalised over the rules.
    """

    task: str
    metric: str
    margin: float
    slice: str | None = None
    higher_is_better: bool | None = None
    alpha_pass: float | None = None
    weight: float = 1.0


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An absolute bound on the candidate: the one-sided confidence bound must stay on the right side of it."""

    task: str
    metric: str
    slice: str | None = None
    max: float | None = None
    min: float | None = None
    alpha: float | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decides.

    `alpha_pass` = P(PASS although the candidate is worse by the margin or more), for each metric; `alpha_fail` = P(FAIL although
    it is not worse than `fail_null`), shared over the metrics. `fail_null` is a fraction of the margin below zero at which FAIL
    starts to be true: 0.5 leaves small losses alone, 0 is strict superiority of the baseline. `test` `auto`: the strict
    e-process for fewer than 30 clusters; one look at the end when all evidence is there; group-sequential when judging goes on.
    `guard` is the ceiling guard of the sequential test.
    """

    metrics: tuple[Rule, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    alpha_pass: float = 0.05
    alpha_fail: float = 0.05
    fail_null: float = 0.5
    test: Test = "auto"
    guard: Literal["thin", "always", "off"] = "thin"
    target: Literal["super-population", "benchmark"] = "super-population"
    on_inconclusive: Literal["inconclusive", "pass", "fail"] = "inconclusive"
    max_missing: float = 0.05
    max_missing_gap: float = 0.02
    anchor_margin_factor: float = 1.5

    def __post_init__(self) -> None:
        for name in ("alpha_pass", "alpha_fail"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} must lie between 0 and 0.5, got {getattr(self, name)}")
        if not 0 <= self.fail_null < 1:
            raise ValueError(f"fail_null is a fraction of the margin in [0, 1), got {self.fail_null}")
        for rule in self.metrics:
            if not (math.isfinite(rule.margin) and rule.margin > 0):
                raise ValueError(f"the margin of {rule.task}/{rule.metric} must be positive, got {rule.margin}")
            if not rule.weight > 0:
                raise ValueError(f"the weight of {rule.task}/{rule.metric} must be positive, got {rule.weight}")
        for guardrail in self.guardrails:
            if (guardrail.max is None) == (guardrail.min is None):
                raise ValueError(f"guardrail {guardrail.task}/{guardrail.metric} needs either max or min")


def read_policy(path: Path) -> Policy:
    """Read a YAML policy.

    Raises:
        UsageError: the file cannot be read, or a key, type or value is wrong; names the key.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"policy {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"policy {path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        return msgspec.convert(values or {}, Policy)
    except (msgspec.ValidationError, ValueError) as error:
        raise UsageError(f"policy {path}: {error}") from error


def default_rules(tasks: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Rules for a run's tasks (their manifest entries) when the policy names none."""
    rules = []
    for task in tasks:
        declared = any(metric.get("margin") is not None for metric in task["metrics"])
        imported = str(task["protocol"]).startswith("imported/")
        for metric in task["metrics"]:
            margin = metric.get("margin")
            if margin is None and imported and not declared and metric.get("scale", "0-1") == "0-1":
                margin = DEFAULT_IMPORTED_MARGIN
            if margin is not None and metric.get("higher_is_better") is not None:
                rules.append(Rule(task=task["name"], metric=metric["name"], margin=margin))
    return tuple(rules)
