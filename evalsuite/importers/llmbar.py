"""`llmbar`: upstream `evaluators/<model>/<prompt>/result.json`; every judge with its prompt becomes a model.

`winner` is the winning output in the data's frame; the last stage of a staged evaluation counts. The published kappa with the
labels is not reproduced: upstream codes verdicts 0/1 and labels 1/2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.api import Metric
from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.importers.imported import ImportedLog, ImportedRow, ImportedTask, check_unique, hash_items
from evalsuite.records import Sample, Score

TASK = "llmbar"
METRICS = (
    Metric(
        name="accuracy_mean", higher_is_better=True, margin=0.05, summary="share of the two orders that give the label"
    ),
    Metric(name="accuracy_both", higher_is_better=True, kind="binary", summary="both orders give the label"),
    Metric(name="consistency", higher_is_better=True, kind="binary", summary="both orders give the same winner"),
)
_ORDERS = ("swap = False", "swap = True")


def read(paths: Iterable[Path], *, reference_data: Path | None = None) -> ImportedLog:
    """Read result files, or folders that hold them.

    Raises:
        DataError: a record lacks its label or its winners; names file and record.
    """
    rows: list[ImportedRow] = []
    for path in (file for given in paths for file in _files(Path(given))):
        subset, judge = _names(path)
        for position, record in enumerate(read_rows(path), 1):
            rows.extend(_rows(record, subset, judge, position, f"{path}, record {position}"))
    if not rows:
        raise DataError("no LLMBar records in the given files")
    check_unique(TASK, rows, "LLMBar results")
    task = ImportedTask(
        name=TASK,
        protocol="imported/llmbar",
        metrics=METRICS,
        rows=rows,
        data_hash=hash_items(row.sample.id for row in rows),
    )
    return ImportedLog(source="llmbar", tasks=[task])


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if file.name.removesuffix(".gz").endswith("result.json"))
    if not found:
        raise DataError(f"{path}: no result.json in this folder")
    yield from found


def _names(path: Path) -> tuple[str, str]:
    """`(subset, judge)` from `<subset>/evaluators/<model>/<prompt>/result.json` or `<subset>.<model>.<prompt>.result.json`."""
    parts = path.name.removesuffix(".gz").removesuffix(".json").split(".")
    if len(parts) > 2:
        return parts[0].lower(), "/".join(parts[1:-1])
    folders = path.parts[:-1]
    if "evaluators" in folders:
        place = folders.index("evaluators")
        return folders[place - 1].lower(), "/".join(folders[place + 1 :])
    return "all", path.parent.name or "judge"


def _rows(record: Mapping[str, Any], subset: str, judge: str, position: int, where: str) -> Iterator[ImportedRow]:
    try:
        last = record["results"][-1]
        winners = [last[order]["winner"] for order in _ORDERS]
        label = str(record["label"])
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(f"{where}: not an LLMBar result ({error!r})") from error
    sample = Sample(id=f"{subset}/{position}", data={}, slice=subset)
    detail = {"label": label, "winners": winners}
    if None in winners:
        for metric in METRICS:
            yield ImportedRow(judge, sample, Score.missing(metric.name, "unparsed", slice=subset, detail=detail))
        return
    right = [str(winner) == label for winner in winners]
    values = {
        "accuracy_mean": sum(right) / len(right),
        "accuracy_both": float(all(right)),
        "consistency": float(winners[0] == winners[1]),
    }
    for name, value in values.items():
        yield ImportedRow(judge, sample, Score(metric=name, value=value, slice=subset, detail=detail))
