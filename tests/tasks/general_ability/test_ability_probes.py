"""Probes that tell a suppressed ability from a lost one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite.data import DataFiles
from evalsuite.errors import UsageError
from evalsuite.records import Sample, Score
from evalsuite.sequences import Stage
from evalsuite.tasks.general_ability.probes import PROBES, AbilityProbes, ProbeOptions

STAGES = (Stage(label="base"), Stage(label="tuned", trained_on="FOMC"))


def test_each_probe_asks_the_question_its_own_way(
    data_dir: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    if not (data_dir / "general_ability").is_dir():
        pytest.skip("general_ability is not in EVALSUITE_DATA")
    task = AbilityProbes(ProbeOptions(benchmarks=("piqa",)))
    sample = next(iter(task.load(DataFiles("ability_probes", root=data_dir, offline=True))))
    context = scripted(lambda *_: sample.data["answer"])
    assert [score.value for score in evaluate(task, sample, context)] == [1.0] * len(PROBES)
    assert len({asked[1] for asked in context.asked}) == len(PROBES)
    assert all(sample.data["prompt"] in asked[1] for asked in context.asked)


def table(score_table: Callable[..., Any], after: dict[str, list[float]]) -> Any:
    before = {name: [1.0] * 8 for name in after}
    return score_table(
        {
            model: [
                (
                    Sample(id=f"piqa/{i}", data={}),
                    [Score(metric=f"accuracy_{name}", value=columns[name][i], slice="piqa") for name in columns],
                )
                for i in range(8)
            ]
            for model, columns in (("base", before), ("tuned", after))
        }
    )


def test_an_ability_that_comes_back_with_shots_was_suppressed(score_table: Callable[..., Any]) -> None:
    after = {
        "plain": [0, 0, 0, 0, 0, 0, 1, 0],
        "few_shot": [1, 1, 1, 1, 1, 1, 1, 0],
        "conversation": [0, 0, 0, 0, 0, 0, 1, 0],
    }
    task = AbilityProbes(ProbeOptions(stages=STAGES, probes=("plain", "few_shot", "conversation")))
    found = {
        e.metric: e.value for e in task.derive(table(score_table, {k: [float(x) for x in v] for k, v in after.items()}))
    }
    assert found["delta_plain"] == pytest.approx(-7 / 8)
    assert found["recovered_few_shot"] == pytest.approx(1 - 1 / 7)
    assert found["recovered_conversation"] == pytest.approx(0.0)


def test_without_a_clear_loss_nothing_is_called_recovered(score_table: Callable[..., Any]) -> None:
    after = {"plain": [1.0] * 7 + [0.0], "few_shot": [1.0] * 8}
    task = AbilityProbes(ProbeOptions(stages=STAGES, probes=("plain", "few_shot")))
    found = {e.metric: e for e in task.derive(table(score_table, after))}
    assert found["recovered_few_shot"].value is None
    assert found["recovered_few_shot"].method.startswith("n/a")


def test_unknown_probes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="guardrail"):
        list(AbilityProbes(ProbeOptions(probes=("plain", "guardrail"))).load(DataFiles("p", root=tmp_path)))
