"""`trace`: what BeyonderXX/TRACE wrote: a sequence of checkpoints, the in-context baseline, or both.

| file | becomes |
|---|---|
| `results-<round>-<task number>-<task>.json` | one cell of the sequence's matrix, task `trace`, model `stage <round + 1>` |
| `results-<task>.json` | the in-context baseline on one data set, task `trace_icl`, model `in-context` |

Each file holds prompts, generated texts and labels, and upstream's own evaluation of them. The texts are scored again by our
task, which also makes the figures and the report's sections; upstream's values are compared with what its scorer gives for
the same texts. Where a file holds no texts, or is about a data set that the task does not know, upstream's values stand
alone, without intervals.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol, cast

import msgspec

from evalsuite.api import Task
from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.importers.imported import ImportedLog, ImportedRow, ImportedTask, check_unique, hash_items
from evalsuite.importers.matrix import figures_of_means, sequence_task
from evalsuite.plugins import make_task
from evalsuite.records import Estimate, Sample, Score

TASK, ICL_TASK = "trace", "trace_icl"
ICL_MODEL = "in-context"
"""Upstream does not write down which model it was."""

SCALES = {"accuracy": 1.0, "similarity": 100.0, "sari": 100.0, "rouge-L": 1.0}
"""Upstream's main metrics and their largest value; a file's first of these is the data set's metric."""

TOLERANCE = 0.001
"""Difference between upstream's value and ours, from the same texts, that is not worth a note."""

_CELL = re.compile(r"results-(\d{1,3})-(\d{1,3})-(.+)\.json(\.gz)?")
_ICL = re.compile(r"results-(.+)\.json(\.gz)?")
_REPEAT = "a repeat of a question that other rounds do not have (distributed inference pads its batches)"


class _Cell(msgspec.Struct, kw_only=True):
    """One file: what was asked of `model`, answered and expected, and upstream's value in [0, 1]."""

    model: str
    dataset: str
    asked: list[tuple[str, str, str]]
    stored: float | None
    where: str


class _Trace(Protocol):
    """What the task `trace` does with a stored answer."""

    def rescore(self, name: str, prompt: str, text: str, answer: str) -> tuple[list[Score], float]: ...


Matrix = dict[tuple[int, str], _Cell]


def read(paths: Iterable[Path], *, reference_data: Path | None = None) -> ImportedLog:
    """Read the result files of one sequence, of one in-context baseline, or the folder they are in.

    Raises:
        DataError: no result file, a cell twice, a round without its task, or a malformed file; names file and place.
    """
    options: Any = make_task(TASK, {}).options
    known = {name.casefold(): name for name in options.datasets}
    cells, in_context, others = _sorted_files([Path(given) for given in paths], known)
    tasks = []
    if cells:
        tasks.append(_sequence(cells, known))
    if in_context:
        tasks.append(_in_context(in_context, known))
    if others:
        tasks[0].notes.append(f"left out, neither a cell of a sequence nor a known data set: {', '.join(others)}")
    return ImportedLog(source="trace", tasks=tasks)


def _sorted_files(paths: list[Path], known: Mapping[str, str]) -> tuple[list[Path], list[Path], list[str]]:
    """Cells of a sequence, files of the in-context baseline, and names of what is neither (refused when given by name)."""
    cells: list[Path] = []
    in_context: list[Path] = []
    others: list[str] = []
    for path in paths:
        for file in sorted(path.rglob("results-*.json*")) if path.is_dir() else [path]:
            icl = _ICL.fullmatch(file.name)
            if _CELL.fullmatch(file.name):
                cells.append(file)
            elif icl is not None and icl[1].casefold() in known:
                in_context.append(file)
            elif path.is_dir():
                others.append(file.name)
            else:
                raise DataError(
                    f"{path} is not named results-<round>-<task number>-<task>.json or results-<data set>.json, the data "
                    f"set being one of {', '.join(known.values())}"
                )
    if not cells and not in_context:
        raise DataError(f"{paths[0]}: no results-<round>-<task number>-<task>.json or results-<data set>.json here")
    return cells, in_context, others


def _sequence(files: list[Path], known: Mapping[str, str]) -> ImportedTask:
    order, matrix = _read_matrix(files, known)
    unscored = [
        f"{cell.where}: {'unknown data set' if cell.dataset not in known.values() else 'no texts'}"
        for cell in matrix.values()
        if not cell.asked or cell.dataset not in known.values()
    ]
    task = _from_means(order, matrix, unscored) if unscored else _from_texts(order, matrix)
    absent = [f"stage {t} on {name}" for t in range(1, len(order) + 1) for name in order[:t] if (t, name) not in matrix]
    if absent:
        task.notes.append(f"not evaluated: {', '.join(absent)}; figures that need them are unknown")
    return task


# --- files ------------------------------------------------------------------------------------------------------------


def _read_matrix(files: list[Path], known: Mapping[str, str]) -> tuple[list[str], Matrix]:
    """Data sets in training order, and the cells by (stage from 1, data set)."""
    names: dict[int, str] = {}
    matrix: Matrix = {}
    last = -1
    for path in files:
        match = _CELL.fullmatch(path.name)
        assert match is not None
        rounds, number, dataset = int(match[1]), int(match[2]), known.get(match[3].casefold(), match[3])
        if names.setdefault(number, dataset) != dataset:
            raise DataError(f"{path}: task number {number} is {names[number]} in another file")
        if (rounds + 1, dataset) in matrix:
            raise DataError(f"{path}: round {rounds} on {dataset} is given twice; import one sequence at a time")
        matrix[rounds + 1, dataset] = _read_cell(path, dataset, _label(rounds + 1))
        last = max(last, rounds)
    if len(set(names.values())) < len(names):
        raise DataError(f"one data set has several task numbers: {names}")
    unnamed = [number for number in range(last + 1) if number not in names]
    if unnamed:
        raise DataError(f"no file says what task number {unnamed[0]} is, though round {last} was evaluated")
    return [names[number] for number in range(last + 1)], matrix


def _read_cell(path: Path, dataset: str, model: str) -> _Cell:
    records = list(read_rows(path))
    if len(records) != 1:
        raise DataError(f"{path}: expected one object, found {len(records)}")
    columns = [_texts(records[0], name, path) for name in ("prompts", "results", "labels")]
    if len({len(column) for column in columns}) > 1:
        raise DataError(
            f"{path}: {' / '.join(str(len(c)) for c in columns)} prompts / results / labels: not the same number"
        )
    stored = _stored(records[0].get("eval"), str(path))
    if stored is None and not columns[0]:
        raise DataError(f"{path}: neither texts nor an evaluation ({', '.join(SCALES)})")
    return _Cell(model=model, dataset=dataset, asked=list(zip(*columns, strict=True)), stored=stored, where=path.name)


def _texts(record: Mapping[str, Any], name: str, path: Path) -> list[str]:
    values = record.get(name, [])
    if not isinstance(values, list):
        raise DataError(f"{path}: {name!r} must be a list of texts")
    for position, value in enumerate(values):
        if not (isinstance(value, str) or (value is None and name == "labels")):
            raise DataError(f"{path}: {name!r}, entry {position}: expected a text, found {type(value).__name__}")
    return [value or "" for value in values]


def _stored(value: Any, where: str) -> float | None:
    """Upstream's main metric as a share; SARI is `[{"sari": x}]` there, older files hold a plain number."""
    value = _unwrapped(value)
    if isinstance(value, dict):
        key = next((name for name in SCALES if name in value), None)
        if key is None:
            return None
        found, largest = _unwrapped(value[key]), SCALES[key]
        found = found.get(key) if isinstance(found, dict) else found
    elif value is None:
        return None
    else:
        found, largest = value, 1.0
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= largest:
        raise DataError(f"{where}: eval {found!r} is not a number from 0 to {largest:g}")
    return found / largest


def _unwrapped(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


# --- from files to a task ---------------------------------------------------------------------------------------------


def _from_means(order: list[str], matrix: Matrix, unscored: list[str]) -> ImportedTask:
    without = [cell.where for cell in matrix.values() if cell.stored is None]
    if without:
        raise DataError(f"{unscored[0]}, so that stored evaluations are needed, but {without[0]} has none")
    cells = {place: {"": cell.stored} for place, cell in matrix.items() if cell.stored is not None}
    sizes = {place: len(cell.asked) for place, cell in matrix.items()}
    task = sequence_task(TASK, "imported/trace", order, cells, sizes, "TRACE results", has_samples=False)
    task.notes.append(f"stored evaluations only, without intervals ({unscored[0]})")
    return task


def _from_texts(order: list[str], matrix: Matrix) -> ImportedTask:
    """Every text scored again; questions are matched over the rounds by what they say, never by their place."""
    stages = [{"label": _label(stage), "trained_on": name} for stage, name in enumerate(order, 1)]
    datasets = list(dict.fromkeys([*order, *(name for _, name in matrix)]))
    own = make_task(TASK, {"datasets": datasets, "stages": stages, "cells": "lower"})
    task, upstream = _rescored(own, [cell for _, cell in sorted(matrix.items())], {"stages": stages, "cells": "lower"})
    cells = {place: {"": upstream[cell.model, cell.dataset]} for place, cell in matrix.items()}
    sizes = {place: len(cell.asked) for place, cell in matrix.items()}
    task.estimates += [
        msgspec.structs.replace(figure, metric=f"{figure.metric}_upstream", method="upstream's scorer, matrix of means")
        for figure in figures_of_means(TASK, _label(len(order)), order, cells, sizes)
        if figure.value is not None
    ]
    return task


def _in_context(files: list[Path], known: Mapping[str, str]) -> ImportedTask:
    """The in-context baseline; the stored texts are already cut after the answer (`inference/ICL.py`)."""
    cells: dict[str, _Cell] = {}
    for path in files:
        match = _ICL.fullmatch(path.name)
        assert match is not None
        dataset = known[match[1].casefold()]
        if dataset in cells:
            raise DataError(f"{path}: the in-context baseline on {dataset} is given twice; import one model at a time")
        cells[dataset] = _read_cell(path, dataset, ICL_MODEL)
        if not cells[dataset].asked:
            raise DataError(f"{path}: no texts; the in-context baseline is scored from its texts")
    own = make_task(ICL_TASK, {"datasets": list(cells)})
    task, upstream = _rescored(own, list(cells.values()), {"datasets": list(cells)})
    task.estimates.append(
        Estimate(
            task=ICL_TASK,
            metric="op_upstream",
            model=ICL_MODEL,
            value=fmean(upstream.values()),
            n=sum(len(cell.asked) for cell in cells.values()),
            method="upstream's scorer, mean of means",
            higher_is_better=True,
        )
    )
    return task


def _rescored(
    own: Task, cells: list[_Cell], options: Mapping[str, Any]
) -> tuple[ImportedTask, dict[tuple[str, str], float]]:
    """All texts scored again by our task, and the mean of upstream's scorer by (model, data set)."""
    repeats = _repeats(cells)
    rows: list[ImportedRow] = []
    upstream: dict[tuple[str, str], float] = {}
    skipped = 0
    for cell in cells:
        values = []
        for occurrence, (prompt, text, answer) in _numbered(cell):
            scores, value = cast(_Trace, own).rescore(cell.dataset, prompt, text, answer)
            values.append(value)
            if occurrence > repeats[cell.dataset, prompt, answer]:
                skipped += 1
                continue
            sample = _sample(cell.dataset, prompt, answer, occurrence)
            rows += [
                ImportedRow(cell.model, sample, msgspec.structs.replace(score, slice=cell.dataset)) for score in scores
            ]
        upstream[cell.model, cell.dataset] = fmean(values)
    check_unique(own.info.name, rows, "TRACE results")
    task = ImportedTask(
        name=own.info.name,
        protocol="imported/trace",
        metrics=own.info.metrics,
        rows=rows,
        data_hash=hash_items(row.sample.id for row in rows),
        options=options,
        skipped={_REPEAT: skipped} if skipped else {},
        task=own,
    )
    _compare(task, cells, upstream)
    return task, upstream


def _label(stage: int) -> str:
    return f"stage {stage}"


def _numbered(cell: _Cell) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Each question with the number of times it has been asked so far, from 1."""
    seen: Counter[tuple[str, str]] = Counter()
    for prompt, text, answer in cell.asked:
        seen[prompt, answer] += 1
        yield seen[prompt, answer], (prompt, text, answer)


def _repeats(cells: Iterable[_Cell]) -> dict[tuple[str, str, str], int]:
    """How often each question is in its data set: as often as in the round that repeats it least."""
    least: dict[tuple[str, str, str], int] = {}
    for cell in cells:
        for (prompt, answer), count in Counter((prompt, answer) for prompt, _, answer in cell.asked).items():
            key = cell.dataset, prompt, answer
            least[key] = min(least.get(key, count), count)
    return least


def _sample(dataset: str, prompt: str, answer: str, occurrence: int) -> Sample:
    question, key = (
        hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16] for text in (prompt, f"{prompt}\0{answer}")
    )
    return Sample(
        id=f"{dataset}/{key}" + (f"#{occurrence}" if occurrence > 1 else ""),
        data={},
        cluster=f"{dataset}/{question}",
        slice=dataset,
    )


def _compare(task: ImportedTask, cells: list[_Cell], upstream: Mapping[tuple[str, str], float]) -> None:
    """Add how upstream's stored values compare with what its scorer gives for the texts."""
    strict: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    for row in task.rows:
        if row.score.metric == "score" and row.score.value is not None:
            strict[row.model, row.score.slice].append(row.score.value)
    rows: list[dict[str, Any]] = [
        {
            "checkpoint": cell.model,
            "dataset": cell.dataset,
            "stored": cell.stored,
            "recomputed": upstream[cell.model, cell.dataset],
            "difference": None if cell.stored is None else cell.stored - upstream[cell.model, cell.dataset],
            "score": fmean(strict[cell.model, cell.dataset]),
            "n": len(cell.asked),
        }
        for cell in cells
    ]
    stored = [row for row in rows if row["difference"] is not None]
    other = [row for row in stored if abs(row["difference"]) > TOLERANCE]
    if other:
        worst = max(other, key=lambda row: abs(row["difference"]))
        task.notes.append(
            f"{len(other)} of {len(stored)} stored evaluations differ from upstream's scorer on the stored texts by more "
            f"than {TOLERANCE}; most on {worst['dataset']} at {worst['checkpoint']}: stored {worst['stored']:.4f}, "
            f"recomputed {worst['recomputed']:.4f}"
        )
    task.sections.append(
        {
            "title": "Stored and recomputed scores",
            "text": "`stored` is upstream's own evaluation in the file, `recomputed` its scorer applied to the stored texts, "
            "`score` the definition without its slips, which all other figures use.",
            "rows": rows,
            "figure": None,
            "alternative": f"{len(stored) - len(other)} of {len(stored)} stored scores equal the recomputed ones.",
        }
    )
