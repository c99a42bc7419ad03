"""Verdicts already given: asking the same question again returns the stored verdict, so nobody re-runs until green.

A question is the candidate, the baseline, the anchor, the tasks as they were run (protocol, options, data, judges) and the
policy; never the answers, the seed, the label or the path. The ledger is a JSON-lines file that is only appended to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.errors import DataError
from evalsuite.gate.evidence import Contender
from evalsuite.gate.policy import Policy, Rule
from evalsuite.gate.result import GateResult


def question_key(
    candidate: Contender, baseline: Contender, anchor: Contender | None, rules: Sequence[Rule], policy: Policy
) -> str:
    """Name of the question; 32 hex digits."""
    tasks = sorted({rule.task for rule in rules} | {guardrail.task for guardrail in policy.guardrails})
    question = {
        "candidate": candidate.identity,
        "baseline": baseline.identity,
        "anchor": anchor.identity if anchor else None,
        "tasks": [_asked(candidate, task) for task in tasks],
        "rules": msgspec.to_builtins(tuple(rules)),
        "policy": {key: value for key, value in msgspec.to_builtins(policy).items() if key != "on_inconclusive"},
    }
    return blake2b(msgspec.json.encode(question, order="deterministic"), digest_size=16).hexdigest()


def _asked(contender: Contender, task: str) -> dict[str, Any]:
    entry = contender.task(task) or {}
    kept = {name: entry.get(name) for name in ("name", "protocol", "options", "data", "n")}
    return {**kept, "judges": contender.players("judge"), "reward_models": contender.players("reward")}


class Ledger:
    """An append-only file of verdicts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, key: str) -> GateResult | None:
        """The first conclusive verdict on a question; an inconclusive one may be asked again with more evidence."""
        for result in self._results():
            if result.key == key and result.outcome in ("pass", "fail"):
                return msgspec.structs.replace(result, from_ledger=True)
        return None

    def add(self, result: GateResult) -> None:
        """Append a verdict; the line is on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def drift(self, candidate: str) -> list[GateResult]:
        """The chain of passed releases that leads to `candidate`, oldest first."""
        passed = [result for result in self._results() if result.outcome == "pass"]
        chain: list[GateResult] = []
        current, seen = candidate, {candidate}
        while step := next((result for result in reversed(passed) if result.candidate == current), None):
            chain.append(step)
            current = step.baseline
            if current in seen:
                break
            seen.add(current)
        return chain[::-1]

    def _results(self) -> Iterator[GateResult]:
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield msgspec.json.decode(line, type=GateResult)
                except msgspec.DecodeError as error:
                    raise DataError(f"ledger {self.path}, line {number} cannot be read: {error}") from error
