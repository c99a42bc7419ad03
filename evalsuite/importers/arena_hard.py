"""`arena_hard`: `model_judgment/*.jsonl`, two games per prompt; game 0 shows the baseline first.

Gives `win_rate` (mean of both games) and the published `arena_hard_score`, in which strong verdicts weigh three times; its
interval has the prompt as unit (upstream: a 90% bootstrap over single verdicts, printed as 95%).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from evalsuite.api import Metric
from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.importers.imported import ImportedLog, ImportedRow, ImportedTask, check_unique, hash_items
from evalsuite.records import Estimate, Sample, Score
from evalsuite.stats.five_labels import game_scores, weighted_score

TASK = "arena_hard"
METRICS = (Metric(name="win_rate", higher_is_better=True, margin=0.05, summary="mean preference over both games"),)
Z95 = 1.959963984540054


def read(paths: Iterable[Path], *, reference_data: Path | None = None) -> ImportedLog:
    """Read judgement files, or folders of them.

    Raises:
        DataError: a record has no two games; names file and record.
    """
    rows: list[ImportedRow] = []
    verdicts: dict[str, list[list[float]]] = defaultdict(list)
    for path in (file for given in paths for file in _files(Path(given))):
        for position, record in enumerate(read_rows(path), 1):
            model, row, scores = _row(
                record, path.name.removesuffix(".gz").removesuffix(".jsonl"), f"{path}, record {position}"
            )
            rows.append(row)
            if scores is not None:
                verdicts[model].append(scores)
    if not rows:
        raise DataError("no Arena-Hard judgements in the given files")
    check_unique(TASK, rows, "Arena-Hard judgements")
    task = ImportedTask(
        name=TASK,
        protocol="imported/arena_hard",
        metrics=METRICS,
        rows=rows,
        data_hash=hash_items(row.sample.id for row in rows),
        estimates=[_estimate(model, scores) for model, scores in verdicts.items()],
    )
    return ImportedLog(source="arena_hard", tasks=[task])


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if file.name.removesuffix(".gz").endswith(".jsonl"))
    if not found:
        raise DataError(f"{path}: no .jsonl file in this folder")
    yield from found


def _row(record: Mapping[str, Any], name: str, where: str) -> tuple[str, ImportedRow, list[float] | None]:
    games = record.get("games")
    key = record.get("question_id") or record.get("uid")
    if not isinstance(games, list) or len(games) != 2 or key is None:
        raise DataError(f"{where}: not an Arena-Hard judgement (no `games` of two, or no question id)")
    labels = [(game or {}).get("score") for game in games]
    model = str(record.get("model") or name)
    sample = Sample(id=str(key), data={}, slice=str(record["category"]) if record.get("category") else None)
    scores = game_scores(labels[0], labels[1])
    detail = {"labels": labels}
    if scores is None:
        return model, ImportedRow(model, sample, Score.missing("win_rate", "unparsed", detail=detail)), None
    value = fmean((scores[0], scores[-1]))  # one verdict of each game: the candidate's game stands first
    return model, ImportedRow(model, sample, Score(metric="win_rate", value=value, detail=detail)), scores


def _estimate(model: str, scores: list[list[float]]) -> Estimate:
    value, error = weighted_score(scores)
    return Estimate(
        task=TASK,
        metric="arena_hard_score",
        model=model,
        value=value,
        low=None if not error else max(value - Z95 * error, 0.0),
        high=None if not error else min(value + Z95 * error, 1.0),
        n=len(scores),
        method="ratio over prompts, linearised",
        higher_is_better=True,
    )
