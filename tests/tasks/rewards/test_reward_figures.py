"""Every figure of the reward tasks can be drawn by the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rewards_scripting import run_rewards

from evalsuite.reports import vega_subset
from evalsuite.tasks.rewards.ood import OodReward
from evalsuite.tasks.rewards.overoptimization import Overoptimization
from evalsuite.tasks.rewards.pairs import RewardPairs
from evalsuite.tasks.rewards.rm_bench import RMBench

MODELS: dict[str, Any] = {
    name: lambda who, prompt, reply, scale=scale: scale * (len(reply) % 7) + len(prompt) % 3
    for name, scale in (("a", 1.0), ("b", 0.5), ("c", -2.0))
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", [RewardPairs, OodReward, RMBench, Overoptimization])
def test_sections_stay_within_what_a_report_draws(kind: Any, tmp_path: Path) -> None:
    pairs = [{"prompt": f"p{i}", "chosen": "good" * (i % 5 + 1), "rejected": "bad" * (i % 4 + 1)} for i in range(40)]
    task = kind()
    if kind is OodReward:
        domains = tmp_path / "domains.yaml"
        domains.write_text(
            f"home: {write(tmp_path / 'home.jsonl', pairs)}\nfar: {write(tmp_path / 'far.jsonl', pairs)}\n"
        )
        task = OodReward(OodReward.Options(domains=str(domains), in_distribution="home", probes="all"))
        table = run_rewards(task, MODELS)
    elif kind is RMBench:
        rows = [
            {
                "id": i,
                "prompt": f"p{i}",
                "chosen": ["a" * i, "b", "c"],
                "rejected": ["d", "e", "f" * i],
                "domain": "chat",
            }
            for i in range(1, 9)
        ]
        table = run_rewards(task, MODELS, rm_bench=write(tmp_path / "rows.jsonl", rows))
    elif kind is Overoptimization:
        rows = [{"prompt": f"p{i}", "answers": ["x" * n for n in range(8)], "gold": list(range(8))} for i in range(5)]
        table = run_rewards(task, MODELS, overoptimization=write(tmp_path / "answers.jsonl", rows))
    else:
        table = run_rewards(task, MODELS, reward_pairs=write(tmp_path / "pairs.jsonl", pairs))
    sections = list(task.sections(table))
    assert sections
    for section in sections:
        assert section.rows
        assert section.figure is not None
        assert section.alternative
        vega_subset.check(section.figure)
