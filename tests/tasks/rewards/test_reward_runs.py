"""Whole runs through the command line: every way a reward can fail is in the ledger, and nothing fails as a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalsuite.cli import main
from evalsuite.engine.directory import Run


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(tmp_path: Path, *arguments: str) -> Run:
    out = tmp_path / "run"
    assert main(["run", "--out", str(out), *arguments]) in (0, 1)
    return Run.open(out)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write(
        tmp_path / "pairs.jsonl",
        [
            {"prompt": f"p{i}", "chosen": f"{word} {i}", "rejected": f"plain {i}"}
            for i, word in enumerate(["good", "good", "tied", "broken", "long", "worse"])
        ],
    )


def test_ties_and_failures_are_counted_and_a_failure_is_never_a_number(tmp_path: Path, pairs: Path) -> None:
    script = write(
        tmp_path / "script.jsonl",
        [
            {"contains": "good", "reward": 2.0},
            {"contains": "tied", "reward": 1.0},
            {"contains": "broken", "status": "error", "answer": "500"},
            {"contains": "long", "reward": 1.5},
            {"contains": "worse", "reward": 0.0},
            {"reward": 1.0},
        ],
    )
    found = run(
        tmp_path,
        "--reward-model",
        f"rm=fake:script,path={script}",
        "--tasks",
        "reward_pairs",
        "--data",
        f"reward_pairs={pairs}",
    )
    asked = {row.role: row for row in found.results.validity}
    assert asked["candidate"].asked == 12
    assert asked["candidate"].error == 1
    ledger = asked["score:accuracy"]
    assert (ledger.asked, ledger.ok, ledger.error) == (6, 5, 1)
    estimates = {e.metric: e.value for e in found.results.estimates if e.slice is None}
    assert estimates["accuracy"] == pytest.approx(3 / 5)
    assert estimates["accuracy_half"] == pytest.approx(3.5 / 5)
    assert estimates["tie"] == pytest.approx(1 / 5)
    audits = {audit.name: audit for audit in found.results.audits}
    assert audits["ties"].verdict == "warn"
    rows = found.samples[found.samples["metric"] == "nll"]
    assert rows["score"].isna().sum() == 1


def test_an_out_of_distribution_run_replays_without_a_question(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    domains = tmp_path / "domains.yaml"
    domains.write_text(f"home: {pairs}\nfar: {pairs}\n")
    # The same file twice is one domain: ids and pairs would be the same.
    arguments = [
        "--reward-model", "a=fake:reward,prefer=length", "b=fake:reward,prefer=random", "--tasks", "ood_reward",
        "--set", f"ood_reward.domains={domains}", "ood_reward.in_distribution=home", "ood_reward.probes=padded",
    ]  # fmt: skip
    first = run(tmp_path, *arguments)
    assert {e.slice for e in first.results.estimates if e.metric == "accuracy"} == {None, "home"}
    assert {section["title"] for section in first.results.sections} >= {"Reward models by domain", "Calibration"}
    capsys.readouterr()
    again = run(tmp_path, *arguments)
    assert again.manifest.requests_sent == 0
    assert again.results.estimates == first.results.estimates
