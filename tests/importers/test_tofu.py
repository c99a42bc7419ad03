"""TOFU's published logs give the published figures; anything else is refused by name and place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalsuite
from evalsuite.engine.directory import Run
from evalsuite.engine.imported import write_imported
from evalsuite.errors import DataError
from evalsuite.importers.formats import read_log

FULL, RETAIN = (f"llama2-7b_{name}_wd0.01" for name in ("full", "retain90"))
LOSSES = {
    "avg_gt_loss": {"0": 0.1, "1": 0.2},
    "avg_paraphrased_loss": {"0": 0.5, "1": 0.6},
    "average_perturb_loss": {"0": [1.0, 2.0], "1": [1.5, 1.5]},
    "rougeL_recall": {"0": 1.0, "1": 0.5},
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("01x"), inner, max_size=3),
    max_leaves=8,
)


def published(data_dir: Path, model: str) -> Path:
    path = data_dir / "tofu" / f"{model}.eval_log_aggregated.json.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    return path


def imported(out: Path, *paths: Path, reference: Path | None = None) -> Run:
    write_imported(read_log("tofu", paths, reference), out)
    return evalsuite.load(out)


def figures(run: Run, model: str) -> dict[str, float | None]:
    return {row.metric: row.value for row in run.results.estimates if row.model == model and row.slice is None}


def log(path: Path, **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"eval_log_forget.json": {**LOSSES, **changes}}))
    return path


def test_published_logs_give_the_published_figures(data_dir: Path, tmp_path: Path) -> None:
    run = imported(tmp_path / "run", published(data_dir, FULL), reference=published(data_dir, RETAIN))
    found = figures(run, FULL)
    assert found["model_utility"] == pytest.approx(0.622677, abs=1e-6)
    assert found["model_utility_arithmetic"] == pytest.approx(0.585886, abs=1e-6)
    assert found["forget_quality"] == pytest.approx(1.834066e-21, rel=1e-5)
    assert found["forget_truth_ratio"] == pytest.approx(0.515985, abs=1e-6)
    probability = {row.slice: row for row in run.results.estimates if row.metric == "probability"}
    assert probability["retain"].value == pytest.approx(0.9895, abs=5e-5)
    assert probability["retain"].low is not None
    assert probability["retain"].n_clusters == 15  # the questions on one author belong together
    assert {path.model for path in run.results.validity} == {FULL}


def test_of_two_logs_the_one_called_retain_is_the_reference(data_dir: Path, tmp_path: Path) -> None:
    run = imported(tmp_path / "run", published(data_dir, FULL), published(data_dir, RETAIN))
    assert figures(run, FULL)["forget_quality"] == pytest.approx(1.834066e-21, rel=1e-5)
    assert figures(run, RETAIN)["forget_quality"] == 1.0
    assert figures(run, RETAIN)["model_utility"] == pytest.approx(0.613745, abs=1e-6)
    assert any(RETAIN in note for note in run.manifest.notes)


def test_without_a_reference_forget_quality_is_unknown(tmp_path: Path) -> None:
    found = figures(imported(tmp_path / "run", log(tmp_path / "m.eval_log_aggregated.json")), "m")
    assert found["forget_quality"] is None
    assert "model_utility" not in found  # only the forget set is there


def test_a_log_is_called_after_its_file_or_its_models_folder(tmp_path: Path) -> None:
    path = log(tmp_path / "my_model" / "eval_results" / "ds_size300" / "eval_log_aggregated.json")
    (task,) = read_log("tofu", [path]).tasks
    assert {row.model for row in task.rows} == {"my_model"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"avg_gt_loss": {"0": None}}, "item '0'.*None is not a number"),
        ({"avg_gt_loss": {"0": -1}}, "-1 is not a number from 0"),
        ({"avg_gt_loss": {"0": 1e9}}, "is not a number from 0 to 100"),
        ({"avg_gt_loss": {"00": 1.0}}, "named by their number"),
        ({"avg_paraphrased_loss": {"1": 0.5}}, "item '0'"),
        ({"average_perturb_loss": {"0": []}}, "must be a list"),
        ({"rougeL_recall": [1.0]}, "needed are"),
    ],
)
def test_bad_values_are_refused_with_their_place(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        read_log("tofu", [log(tmp_path / "eval_log_aggregated.json", **changes)])


@given(content=json_values, column=st.sampled_from(sorted(LOSSES)))
def test_garbage_is_read_or_refused_as_data(
    tmp_path_factory: pytest.TempPathFactory, content: Any, column: str
) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    for path in (log(folder / "a.json", **{column: content}), folder / "b.json"):
        if not path.exists():
            path.write_text(json.dumps(content))
        try:
            assert read_log("tofu", [path]).tasks[0].rows
        except DataError:
            continue
