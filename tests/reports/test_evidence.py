from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import make_run

from evalsuite.errors import RunDirectoryError, UsageError
from evalsuite.reports.evidence import Evidence, run_names


def test_names_of_models_stay_when_there_is_one_run(run_path: Path) -> None:
    evidence = Evidence.read([run_path])
    assert {row.model for row in evidence.estimates if row.task == "hh_winrate"} == {"dpo-v2", "dpo-v3"}
    assert evidence.baselines[0] == "sft-v1"
    assert evidence.playing("candidate") == ("dpo-v2", "dpo-v3")


def test_the_same_model_in_two_runs_is_told_apart(run_path: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "release-8", items=12, seed=9)
    evidence = Evidence.read([run_path, other])
    models = {row.model for row in evidence.estimates if row.task == "hh_winrate"}
    assert models == {f"{model} · {run}" for model in ("dpo-v2", "dpo-v3") for run in ("release-7", "release-8")}


def test_runs_of_the_same_folder_name_are_numbered() -> None:
    assert run_names([Path("a/run"), Path("b/run"), Path("c/other")]) == ("run (1)", "run (2)", "other")


def test_no_run_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="at least one"):
        Evidence.read([])


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="nowhere"):
        Evidence.read([tmp_path / "nowhere"])
