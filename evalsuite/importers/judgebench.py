"""`judgebench`: upstream `outputs/*.jsonl`, each pair judged in both orders; every judge becomes a model.

Upstream's rule: +1 for a decision that is the label, −1 for its opposite, 0 for a tie or a missing decision; right when the
sum over both games is positive. A pair without any decision therefore counts as wrong, as in the published figures; how many
there are stands in the notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.api import Metric
from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.importers.imported import ImportedLog, ImportedRow, ImportedTask, check_unique, hash_items
from evalsuite.records import Sample, Score

TASK = "judgebench"
METRICS = (
    Metric(
        name="accuracy", higher_is_better=True, kind="binary", margin=0.05, summary="both games together give the label"
    ),
    Metric(name="consistency", higher_is_better=True, kind="binary", summary="both games give the same outcome"),
)
CATEGORIES = {
    "mmlu-pro": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "math",
    "livecodebench": "coding",
}
_FLIPPED = {"A>B": "B>A", "B>A": "A>B", "A=B": "A=B"}


def read(paths: Iterable[Path], *, reference_data: Path | None = None) -> ImportedLog:
    """Read output files, or folders of them.

    Raises:
        DataError: a record lacks a field or has an unknown source; names file and record.
    """
    rows: list[ImportedRow] = []
    undecided: Counter[str] = Counter()
    for path in (file for given in paths for file in _files(Path(given))):
        for position, record in enumerate(read_rows(path), 1):
            rows.extend(_rows(record, f"{path}, record {position}", undecided))
    if not rows:
        raise DataError("no JudgeBench records in the given files")
    check_unique(TASK, rows, "JudgeBench outputs")
    task = ImportedTask(
        name=TASK,
        protocol="imported/judgebench",
        metrics=METRICS,
        rows=rows,
        data_hash=hash_items(row.sample.id for row in rows),
        notes=[
            f"{judge}: {count} pairs without a decision in either order count as wrong"
            for judge, count in undecided.items()
        ],
    )
    return ImportedLog(source="judgebench", tasks=[task])


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if file.name.removesuffix(".gz").endswith(".jsonl"))
    if not found:
        raise DataError(f"{path}: no .jsonl file in this folder")
    yield from found


def _rows(record: Mapping[str, Any], where: str, undecided: Counter[str]) -> Iterator[ImportedRow]:
    missing = [name for name in ("pair_id", "source", "label", "judgments") if name not in record]
    if missing or record["label"] not in ("A>B", "B>A"):
        raise DataError(f"{where}: not a JudgeBench output ({', '.join(missing) or 'no label'})")
    games = record["judgments"]
    if not isinstance(games, list) or not 1 <= len(games) <= 2:
        raise DataError(f"{where}: expected one or two judgments")
    judge = _judge(record, games)
    decisions = [_decision(game) for game in games]
    seen = [decisions[0], *(_FLIPPED.get(decision or "") for decision in decisions[1:])]
    if not any(seen):
        undecided[judge] += 1
    balance = sum((decision == record["label"]) - (decision == _FLIPPED[record["label"]]) for decision in seen)
    category = _category(str(record["source"]), where)
    sample = Sample(
        id=str(record["pair_id"]), data={}, slice=category, cluster=str(record.get("original_id") or record["pair_id"])
    )
    detail = {"label": record["label"], "decisions": decisions}
    yield ImportedRow(judge, sample, Score(metric="accuracy", value=float(balance > 0), slice=category, detail=detail))
    if len(seen) == 2:
        score = (
            Score(metric="consistency", value=float(seen[0] == seen[1]), slice=category)
            if all(seen)
            else Score.missing("consistency", "unparsed", slice=category)
        )
        yield ImportedRow(judge, sample, score)


def _judge(record: Mapping[str, Any], games: list[Any]) -> str:
    model = next((game["judgment"].get("judge_model") for game in games if game and game.get("judgment")), None)
    name = str(record.get("judge_name") or "judge")
    return f"{model} ({name})" if model else name


def _decision(game: Any) -> str | None:
    """`A>B`, `B>A` or `A=B` in the shown frame; strong labels count as plain ones."""
    decision = (game or {}).get("decision")
    if not isinstance(decision, str):
        return None
    plain = decision.replace(">>", ">").replace("<<", "<")
    return {"A<B": "B>A", "B<A": "A>B", "B=A": "A=B"}.get(plain, plain) if plain[:1] in ("A", "B") else None


def _category(source: str, where: str) -> str:
    for prefix, category in CATEGORIES.items():
        if source.startswith(prefix):
            return category
    raise DataError(f"{where}: unknown source {source!r}; known prefixes: {', '.join(CATEGORIES)}")
