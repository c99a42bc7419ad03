"""The gate between checkpoints of one sequence: what was just learned must not hide what was forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalsuite.cli import main

N = 160
"""Questions of each data set."""
DATASETS = ("FOMC", "NumGLUE-cm")
RIGHT = {"FOMC": "B", "NumGLUE-cm": "7"}

Report = dict[str, Any]


def question(dataset: str, number: int) -> str:
    return f"Question {number:03d} of {dataset}:"


def write_data(root: Path) -> None:
    (root / "trace").mkdir(parents=True)
    for name in DATASETS:
        rows = [{"prompt": question(name, number), "answer": RIGHT[name]} for number in range(N)]
        (root / "trace" / f"{name}.test.json").write_text(json.dumps(rows))


def answers(known: dict[str, int]) -> dict[str, list[str]]:
    """What a checkpoint answers: right on the first so many questions of each data set."""
    return {name: [RIGHT[name] if number < known.get(name, 0) else "?" for number in range(N)] for name in DATASETS}


def write_script(path: Path, known: dict[str, int]) -> None:
    rows = [
        {"contains": question(name, number), "answer": answer}
        for name, texts in answers(known).items()
        for number, answer in enumerate(texts)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))


def run_sequence(folder: Path, known: dict[str, dict[str, int]], cells: str = "full") -> Path:
    """A run over three scripted checkpoints, `base`, `after-fomc` and `after-cm`."""
    trained = [None, *DATASETS]
    stages = []
    for (label, right), dataset in zip(known.items(), trained, strict=True):
        write_script(folder / f"{label}.jsonl", right)
        stage = {"label": label, "model": f"fake:script,path={folder / label}.jsonl"}
        stages.append(stage | ({"trained_on": dataset} if dataset else {}))
    manifest = {"cells": cells, "tasks": {"trace": {"datasets": list(DATASETS)}}, "stages": stages}
    (folder / "sequence.yaml").write_text(json.dumps(manifest))
    assert main(["run", "--sequence", str(folder / "sequence.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("rouge_score", reason="needs the extra text-metrics")
    write_data(tmp_path / "data")
    monkeypatch.setenv("EVALSUITE_DATA", str(tmp_path / "data"))
    return tmp_path


def gate(capsys: pytest.CaptureFixture[str], baseline: str, candidate: str) -> tuple[int, Report]:
    capsys.readouterr()
    code = main(["gate", "--baseline", baseline, "--candidate", candidate, "--no-ledger", "--json"])
    return code, json.loads(capsys.readouterr().out or "{}")


def outcomes(report: Report) -> dict[str | None, str]:
    return {metric.get("slice"): metric["outcome"] for metric in report["metrics"]}


FORGETS = {"base": {}, "after-fomc": {"FOMC": 150}, "after-cm": {"FOMC": 90, "NumGLUE-cm": 155}}
KEEPS = {"base": {}, "after-fomc": {"FOMC": 150}, "after-cm": {"FOMC": 157, "NumGLUE-cm": 155}}


def test_a_gain_on_the_new_data_set_does_not_hide_the_loss_on_the_old_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_sequence(folder, FORGETS)
    code, report = gate(capsys, f"{run}#after-fomc", f"{run}#after-cm")
    assert outcomes(report) == {"FOMC": "fail", "NumGLUE-cm": "pass"}
    assert code == 1


def test_a_checkpoint_that_keeps_what_it_knew_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_sequence(folder, KEEPS)
    code, report = gate(capsys, f"{run}#after-fomc", f"{run}#after-cm")
    assert outcomes(report) == {"FOMC": "pass", "NumGLUE-cm": "pass"}
    assert code == 0
    code, report = gate(capsys, f"{run}#base", f"{run}#after-cm")
    assert code == 0
    assert all(metric["difference"] > 0.9 for metric in report["metrics"])


@pytest.mark.parametrize(("known", "code"), [(KEEPS, 0), (FORGETS, 1)])
def test_a_lower_triangle_is_gated_on_what_both_were_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], known: dict[str, dict[str, int]], code: int
) -> None:
    run = run_sequence(folder, known, cells="lower")
    found, report = gate(capsys, f"{run}#after-fomc", f"{run}#after-cm")
    assert found == code
    assert list(outcomes(report)) == ["FOMC"]  # NumGLUE-cm was never asked of the earlier checkpoint


def test_a_candidate_that_was_asked_less_than_the_baseline_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_sequence(folder, KEEPS, cells="lower")
    assert gate(capsys, f"{run}#after-cm", f"{run}#after-fomc")[0] == 4


@pytest.mark.parametrize(("known", "code"), [(KEEPS, 0), (FORGETS, 1)])
def test_imported_trace_results_are_gated_alike(
    folder: Path, capsys: pytest.CaptureFixture[str], known: dict[str, dict[str, int]], code: int
) -> None:
    (folder / "outputs").mkdir()
    for rounds, label in enumerate(list(known)[1:]):
        for number in range(rounds + 1):
            name = DATASETS[number]
            cell = {
                "prompts": [question(name, i) for i in range(N)],
                "results": answers(known[label])[name],
                "labels": [RIGHT[name]] * N,
            }
            (folder / "outputs" / f"results-{rounds}-{number}-{name}.json").write_text(json.dumps(cell))
    assert main(["import", "trace", str(folder / "outputs"), "-o", str(folder / "run")]) == 0
    found, report = gate(capsys, f"{folder / 'run'}#stage 1", f"{folder / 'run'}#stage 2")
    assert found == code
    assert [(metric["metric"], metric["slice"]) for metric in report["metrics"]] == [("score", "FOMC")]


@pytest.mark.parametrize(("known", "code"), [(KEEPS, 0), (FORGETS, 1)])
def test_an_imported_matrix_of_samples_is_gated_alike(
    folder: Path, capsys: pytest.CaptureFixture[str], known: dict[str, dict[str, int]], code: int
) -> None:
    lines = ["stage,trained_on,dataset,score,id"]
    for stage, label in enumerate(known):
        trained = DATASETS[stage - 1] if stage else ""
        for name, texts in answers(known[label]).items():
            lines += [f"{stage},{trained},{name},{int(text != '?')},{i}" for i, text in enumerate(texts)]
    (folder / "scores.csv").write_text("\n".join(lines))
    assert main(["import", "csv", str(folder / "scores.csv"), "-o", str(folder / "run")]) == 0
    found, report = gate(capsys, f"{folder / 'run'}#stage 1", f"{folder / 'run'}#stage 2")
    assert found == code
    assert list(outcomes(report)) == ["FOMC", "NumGLUE-cm"]


def test_means_alone_are_no_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "means.csv").write_text("stage,trained_on,dataset,score\n1,A,A,0.9\n2,B,A,0.2\n2,B,B,0.9\n")
    assert main(["import", "csv", str(folder / "means.csv"), "-o", str(folder / "run")]) == 0
    capsys.readouterr()
    run = folder / "run"
    assert main(["gate", "--baseline", f"{run}#stage 1", "--candidate", f"{run}#stage 2", "--no-ledger"]) == 2
    assert "scores of single items" in capsys.readouterr().err
