"""TRACE's result files: texts are scored again and give intervals, stored values stand alone where there are no texts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evalsuite
from evalsuite.data import read_rows
from evalsuite.engine.directory import Run
from evalsuite.engine.imported import write_imported
from evalsuite.errors import DataError
from evalsuite.importers.formats import read_log
from evalsuite.records import Estimate

ORDER = ("C-STANCE", "NumGLUE-cm", "FOMC")
ANSWERS = {"C-STANCE": "ABC", "NumGLUE-cm": "1234", "FOMC": "ABC"}


def write_cell(folder: Path, rounds: int, task: int, name: str = "", **content: Any) -> Path:
    path = folder / f"results-{rounds}-{task}-{name or ORDER[task]}.json"
    path.write_text(json.dumps(content, ensure_ascii=False))
    return path


def write_sequence(folder: Path, n: int = 60) -> Path:
    """Three rounds; a data set loses a fifth of its answers each round after it was learned. Files shuffle their items."""
    rng = random.Random(3)
    for rounds in range(3):
        for task in range(rounds + 1):
            items = []
            for i in range(n):
                label = ANSWERS[ORDER[task]][i % 3]
                items.append((f"{ORDER[task]} question {i}", label if i % 5 >= rounds - task else "?", label))
            rng.shuffle(items)
            prompts, results, labels = zip(*items, strict=True)
            right = sum(result == label for _, result, label in items) / n
            write_cell(folder, rounds, task, eval={"accuracy": right}, prompts=prompts, results=results, labels=labels)
    return folder


def imported(tmp_path: Path, *paths: Path) -> Run:
    write_imported(read_log("trace", paths or [tmp_path]), tmp_path / "run")
    return evalsuite.load(tmp_path / "run")


def figures(run: Run) -> dict[str, Estimate]:
    last = [row for row in run.results.estimates if row.slice is None and row.model in ("sequence", "stage 3")]
    return {row.metric: row for row in last}


def test_texts_give_the_figures_of_the_sequence_with_intervals(tmp_path: Path) -> None:
    run = imported(tmp_path, write_sequence(tmp_path))
    found = figures(run)
    expected = {"op": 0.8, "bwt": -0.3, "forgetting": 0.3, "learning_accuracy": 1.0}
    for metric, value in expected.items():
        assert found[metric].value == pytest.approx(value)
        assert found[f"{metric}_upstream"].value == pytest.approx(value)
        assert found[f"{metric}_upstream"].low is None
    assert found["average_incremental_accuracy"].value == pytest.approx((1 + 0.9 + 0.8) / 3)
    for metric in ("op", "bwt", "forgetting"):
        low, high = found[metric].low, found[metric].high
        assert low is not None
        assert low < expected[metric] < (high or 0)
    assert [section["title"] for section in run.results.sections][:2] == [
        "Stored and recomputed scores",
        "The matrix: checkpoints by data sets",
    ]
    assert not any("differ" in note for note in run.manifest.notes)


def test_samples_are_matched_over_rounds_by_what_was_asked(tmp_path: Path) -> None:
    (task,) = read_log("trace", [write_sequence(tmp_path)]).tasks
    asked = [
        {row.sample.id for row in task.rows if row.model == f"stage {t}" and row.score.slice == "C-STANCE"}
        for t in (1, 2, 3)
    ]
    assert len(asked[0]) == 60
    assert asked[0] == asked[1] == asked[2]


def test_a_padded_batch_does_not_count_twice(tmp_path: Path) -> None:
    path = write_sequence(tmp_path) / "results-1-0-C-STANCE.json"
    content = json.loads(path.read_text())
    for column in ("prompts", "results", "labels"):
        content[column] += content[column][:4]
    path.write_text(json.dumps(content))
    (task,) = read_log("trace", [tmp_path]).tasks
    assert list(task.skipped.values()) == [4]
    assert sum(row.score.metric == "score" for row in task.rows) == 6 * 60


def test_a_stored_evaluation_that_the_texts_do_not_give_is_noted(tmp_path: Path) -> None:
    path = write_sequence(tmp_path) / "results-2-1-NumGLUE-cm.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eval": {"accuracy": 0.1}}))
    (task,) = read_log("trace", [tmp_path]).tasks
    (note,) = task.notes
    assert "1 of 6 stored evaluations differ" in note
    assert "NumGLUE-cm at stage 3: stored 0.1000, recomputed 0.8000" in note


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (0.25, 0.25),
        ({"accuracy": 0.5, "bleu-1": 0.1, "rouge-L": 0.3}, 0.5),
        ({"rouge-L": 0.3, "bleu-4": 0.1}, 0.3),
        ({"similarity": 41}, 0.41),
        ({"bleu-1": 0.1, "rouge-L": 0.2, "sari": [{"sari": 43.5}]}, 0.435),
        ({"sari": {"sari": 43.5}}, 0.435),
        ([{"sari": 43.5}], 0.435),
    ],
)
def test_stored_evaluations_of_every_shape(tmp_path: Path, stored: Any, value: float) -> None:
    run = imported(tmp_path, write_cell(tmp_path, 0, 0, eval=stored))
    (op,) = (row for row in run.results.estimates if row.metric == "op")
    assert op.value == pytest.approx(value)
    assert op.low is None
    assert any("without intervals" in note for note in run.manifest.notes)


def test_a_data_set_of_ones_own_is_taken_as_stored(tmp_path: Path) -> None:
    texts = {"prompts": ["q"], "results": ["r"], "labels": ["r"]}
    write_cell(tmp_path, 0, 0, "my-task", eval={"accuracy": 1.0}, **texts)
    write_cell(tmp_path, 1, 0, "my-task", eval={"accuracy": 0.4}, **texts)
    write_cell(tmp_path, 1, 1, "FOMC", eval={"accuracy": 0.6}, **texts)
    found = {row.metric: row for row in imported(tmp_path).results.estimates if row.model == "sequence"}
    assert found["op"].value == 0.5
    assert found["bwt"].value == pytest.approx(-0.6)


def test_a_missing_cell_leaves_what_needs_it_unknown(tmp_path: Path) -> None:
    (write_sequence(tmp_path) / "results-1-0-C-STANCE.json").unlink()
    run = imported(tmp_path)
    assert figures(run)["bwt"].value == pytest.approx(-0.3)
    assert figures(run)["forgetting"].value is None
    assert any("not evaluated: stage 2 on C-STANCE" in note for note in run.manifest.notes)


def test_gold_answers_of_the_real_test_sets_reach_the_ceiling(data_dir: Path, tmp_path: Path) -> None:
    """Free text too: equal texts have BLEU 1 and not a rounding error more."""
    name = "20Minuten"
    path = data_dir / "trace" / f"{name}.test.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    rows = list(read_rows(path))
    prompts, answers = [row["prompt"] for row in rows], [row["answer"] for row in rows]
    write_cell(tmp_path, 0, 0, name, eval={"sari": [{"sari": 100.0}]}, prompts=prompts, results=answers, labels=answers)
    run = imported(tmp_path)
    assert next(row.value for row in run.results.estimates if row.metric == "op") == pytest.approx(1.0, abs=0.005)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("results-1-0-FOMC.json", {"eval": 0.5}, "no file says what task number 1 is"),
        ("results-0-0-FOMC.json", {"eval": 50}, "eval 50 is not a number from 0 to 1"),
        ("results-0-0-FOMC.json", {"eval": {"bleu-1": 0.5}}, "neither texts nor an evaluation"),
        ("results-0-0-FOMC.json", {"prompts": ["a"], "results": []}, "not the same number"),
        ("results-0-0-FOMC.json", {"prompts": [1]}, "entry 0: expected a text"),
        ("results-0-0-FOMC.json", [{}, {}], "expected one object"),
        ("results-of-mine.json", {"eval": 0.5}, "is not named"),
        ("results-FOMC.json", {"eval": 0.5}, "no texts; the in-context baseline"),
        ("results-FOMC.json", {}, "neither texts nor an evaluation"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, name: str, content: Any, complaint: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=complaint):
        read_log("trace", [path])


def test_results_of_neither_kind_are_named(tmp_path: Path) -> None:
    write_cell(tmp_path, 0, 0, eval=0.5)
    (tmp_path / "results-of-mine.json").write_text("{}")
    (task,) = read_log("trace", [tmp_path]).tasks
    assert any("left out" in note and "results-of-mine.json" in note for note in task.notes)


def write_in_context(folder: Path, name: str, right: int, n: int = 40, **content: Any) -> Path:
    """Upstream's layout: `<folder>/<task>/results-<task>.json`."""
    path = folder / name / f"results-{name}.json"
    path.parent.mkdir(parents=True)
    label = ANSWERS[name][0]
    texts = {
        "prompts": [f"examples, then {name} question {i}" for i in range(n)],
        "results": [label if i < right else "?" for i in range(n)],
        "labels": [label] * n,
    }
    path.write_text(json.dumps({"eval": {}, **texts, **content}, ensure_ascii=False))
    return path


def test_the_in_context_baseline_has_scores_with_intervals_and_an_overall_performance(tmp_path: Path) -> None:
    write_in_context(tmp_path, "C-STANCE", 30, eval={"accuracy": 0.75})
    write_in_context(tmp_path, "NumGLUE-cm", 10, eval={"accuracy": 0.9})
    run = imported(tmp_path)
    assert [task["name"] for task in run.manifest.tasks] == ["trace_icl"]
    found = {(row.metric, row.slice): row for row in run.results.estimates if row.model == "in-context"}
    assert found["score", "C-STANCE"].value == 0.75
    assert found["score", "NumGLUE-cm"].value == 0.25
    assert found["score", "NumGLUE-cm"].low is not None
    assert found["op", None].value == found["op_upstream", None].value == 0.5
    assert found["op", None].low is not None
    assert found["op_upstream", None].low is None
    assert any("1 of 2 stored evaluations differ" in note and "NumGLUE-cm" in note for note in run.manifest.notes)


def test_sequence_and_in_context_baseline_in_one_folder_are_two_tasks(tmp_path: Path) -> None:
    write_sequence(tmp_path)
    write_in_context(tmp_path / "icl", "FOMC", 20)
    run = imported(tmp_path)
    assert [task["name"] for task in run.manifest.tasks] == ["trace", "trace_icl"]
    assert figures(run)["op"].value == pytest.approx(0.8)
    assert {row.model for row in run.results.estimates if row.task == "trace_icl"} == {"in-context"}
    assert {row.task for row in run.results.estimates if row.model == "in-context"} == {"trace_icl"}


def test_two_in_context_baselines_at_once_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_in_context(tmp_path / folder, "FOMC", 20)
    with pytest.raises(DataError, match="on FOMC is given twice"):
        read_log("trace", [tmp_path])


def test_two_sequences_at_once_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_cell(folder, 0, 0, eval=0.5)
    with pytest.raises(DataError, match="given twice"):
        read_log("trace", [tmp_path])


values = st.recursive(
    st.none() | st.booleans() | st.floats(-1, 101) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["accuracy", "sari", "similarity", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(
    content=st.dictionaries(st.sampled_from(["eval", "prompts", "results", "labels"]), values, max_size=4) | values,
    name=st.sampled_from(ORDER),
)
def test_garbage_is_read_or_refused_as_data(tmp_path_factory: pytest.TempPathFactory, content: Any, name: str) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    for path in (folder / f"results-0-0-{name}.json", folder / f"results-{name}.json"):
        path.write_text(json.dumps(content))
        try:
            assert read_log("trace", [path]).tasks[0].metrics
        except DataError:
            continue
