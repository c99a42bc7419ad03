"""TRACE's instruction-following and safety deltas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite.data import DataFiles
from evalsuite.errors import UsageError
from evalsuite.records import Sample, Score
from evalsuite.tasks.trace.three_h import TraceThreeH


def test_the_papers_prompt_sets_load(data_dir: Path) -> None:
    if not (data_dir / "trace_hhh").is_dir():
        pytest.skip("trace_hhh is not in EVALSUITE_DATA")
    samples = list(TraceThreeH().load(DataFiles("trace_3h", root=data_dir, offline=True)))
    counts = {kind: sum(sample.slice == kind for sample in samples) for kind in ("helpful", "harmless")}
    assert counts["helpful"] in range(470, 476)
    assert counts["harmless"] in range(170, 179)
    assert TraceThreeH().criterion(samples[0]) == "helpfulness"
    assert TraceThreeH().criterion(samples[-1]) == "harmlessness"


def test_deltas_are_wins_minus_losses(score_table: Callable[..., Any]) -> None:
    rows = [
        (Sample(id=f"{kind}/{i}", data={}), [Score(metric="net_win", value=value, slice=kind)])
        for kind, column in {"helpful": [1.0, -1.0, -1.0, 0.0], "harmless": [0.0, 0.0, -1.0, 0.0]}.items()
        for i, value in enumerate(column)
    ]
    found = {estimate.metric: estimate for estimate in TraceThreeH().derive(score_table({"m": rows}))}
    assert found["instruction_following_delta"].value == pytest.approx(-0.25)
    assert found["safety_delta"].value == pytest.approx(-0.25)
    assert found["safety_delta"].low is not None


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown set nope"):
        list(TraceThreeH(TraceThreeH.Options(splits="nope")).load(DataFiles("trace_3h", root=tmp_path)))
