"""Continual knowledge learning: facts kept, updated and acquired, and FUAR."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite.data import DataFiles
from evalsuite.records import Sample, Score
from evalsuite.sequences import Stage
from evalsuite.tasks.ckl.task import Ckl, CklOptions

STAGES = (Stage(label="before"), Stage(label="after", trained_on="news"))


def test_blanks_and_answers_of_both_layouts_are_read(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    folder = tmp_path / "ckl"
    folder.mkdir()
    fact = {"question": "The capital of X is <extra_id_0>.", "answers": ["Y"]}
    (folder / "invariant.jsonl").write_text(json.dumps(fact), encoding="utf-8")
    changed = {"question": "The coach is _X_.", "answers": ["Ann"], "old_answers": ["Bob"]}
    (folder / "updated.jsonl").write_text(json.dumps(changed), encoding="utf-8")
    (folder / "NewLAMA.csv").write_text("input,output\nThe winner is <extra_id_0> .,Cy;Cyril\n", encoding="utf-8")
    task = Ckl()
    invariant, updated, new = task.load(DataFiles("ckl", root=tmp_path, offline=True))
    assert invariant.data["question"] == "The capital of X is ___."
    assert new.data["answers"] == ["Cy", "Cyril"]
    context = scripted(lambda *_: "Bob")
    assert [(s.metric, s.value) for s in evaluate(task, updated, context)] == [
        ("exact_match", 0.0),
        ("old_answer", 1.0),
    ]
    assert [(s.metric, s.value) for s in evaluate(task, new, scripted(lambda *_: "Cyril"))] == [("exact_match", 1.0)]


def table(score_table: Callable[..., Any], after: dict[str, list[float]]) -> Any:
    before = {"invariant": [1.0, 1.0, 1.0, 1.0], "updated": [0.0] * 4, "new": [0.0] * 4}
    return score_table(
        {
            model: [
                (Sample(id=f"{kind}/{i}", data={}), [Score(metric="exact_match", value=value, slice=kind)])
                for kind, column in columns.items()
                for i, value in enumerate(column)
            ]
            for model, columns in (("before", before), ("after", after))
        }
    )


def test_fuar_is_forgotten_over_updated_and_acquired(score_table: Callable[..., Any]) -> None:
    after = {"invariant": [1.0, 0.0, 1.0, 0.0], "updated": [1.0, 1.0, 0.0, 0.0], "new": [1.0, 0.0, 1.0, 0.0]}
    (fuar,) = Ckl(CklOptions(stages=STAGES)).derive(table(score_table, after))
    assert (fuar.metric, fuar.model, fuar.higher_is_better) == ("fuar", "after", False)
    assert fuar.value == pytest.approx(0.5 / (0.5 + 0.5))


def test_no_gain_is_no_number(score_table: Callable[..., Any]) -> None:
    after = {"invariant": [0.0] * 4, "updated": [0.0] * 4, "new": [0.0] * 4}
    (fuar,) = Ckl(CklOptions(stages=STAGES)).derive(table(score_table, after))
    assert fuar.value is None
    assert fuar.method.startswith("n/a")
