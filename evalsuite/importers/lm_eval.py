"""`lm_eval`: lm-evaluation-harness 0.4.x, `samples_<task>_<date>.jsonl` beside `results_<date>.json`.

The harness writes one line per (document, filter): each filter becomes a metric of its own (`exact_match,strict-match`), and
the filter `none` leaves the plain name. Metrics that are not one number per document (word perplexity, MCC) are left out
and named.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.importers.imported import ImportedLog, ImportedRow, ImportedTask, check_unique
from evalsuite.importers.table import infer_metric
from evalsuite.records import Sample, Score

_SAMPLES = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d:.-]+)\.jsonl(\.gz)?")
_FIXED = frozenset(
    (
        "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
        "target_hash",
    )
)  # fmt: skip


class _Results(msgspec.Struct):
    """What is used of `results_<date>.json`."""

    model_name: str | None = None
    config: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    n_shot: dict[str, Any] = msgspec.field(default_factory=dict, name="n-shot")
    higher_is_better: dict[str, Any] = {}
    lm_eval_version: str | None = None
    chat_template_sha: str | None = None


def read(paths: Iterable[Path], *, reference_data: Path | None = None) -> ImportedLog:
    """Read sample files, or folders of them (with their results files).

    Raises:
        DataError: no sample file, a sample file without its results, a malformed line, or a document scored twice.
    """
    tasks: dict[str, ImportedTask] = {}
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    directions: dict[tuple[str, str], bool] = {}
    models: dict[str, Mapping[str, Any]] = {}
    for path in (file for given in paths for file in _files(Path(given))):
        name, results = _task_and_results(path)
        model = results.model_name or path.parent.name
        models[model] = {"lm_eval_version": results.lm_eval_version, "model_args": results.config.get("model_args")}
        rows, hashes, skipped = _read_samples(path, model)
        task = tasks.setdefault(name, _new_task(name, results, hashes))
        if task.data_hash != hashes:
            raise DataError(f"{path}: task {name} was run on other documents than in the logs before")
        task.rows.extend(rows)
        task.skipped = dict(Counter(task.skipped) + skipped)
        for row in rows:
            if row.score.value is not None:
                values[name, row.score.metric].append(row.score.value)
        for metric, better in (results.higher_is_better.get(name) or {}).items():
            directions[name, metric] = bool(better)
    for name, task in tasks.items():
        check_unique(name, task.rows, "lm-eval samples")
        metrics = dict.fromkeys(row.score.metric for row in task.rows)
        task.metrics = tuple(
            infer_metric(m, values[name, m], {"higher_is_better": directions.get((name, m.partition(",")[0]), True)})
            for m in metrics
        )
    if not tasks:
        raise DataError("no samples_*.jsonl was found: run lm-eval with --log_samples --output_path DIR")
    return ImportedLog(source="lm_eval", tasks=list(tasks.values()), models=models)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("samples_*.jsonl*") if _SAMPLES.fullmatch(file.name))
    elif _SAMPLES.fullmatch(path.name):
        yield path
    elif path.name.startswith("results_") and path.suffix == ".json":
        date = path.stem.removeprefix("results_")
        yield from sorted(file for file in path.parent.glob("samples_*.jsonl*") if f"_{date}.jsonl" in file.name)
    else:
        raise DataError(f"{path} is neither samples_<task>_<date>.jsonl nor results_<date>.json of lm-eval 0.4")


def _task_and_results(path: Path) -> tuple[str, _Results]:
    match = _SAMPLES.fullmatch(path.name)
    if match is None:
        raise DataError(f"{path} is not named samples_<task>_<date>.jsonl")
    results = path.parent / f"results_{match['date']}.json"
    try:
        return match["task"], msgspec.json.decode(results.read_bytes(), type=_Results)
    except FileNotFoundError:
        raise DataError(
            f"{path}: its {results.name} is missing; it names the model and the direction of each metric"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{results} cannot be read: {error}") from error


def _new_task(name: str, results: _Results, hashes: str) -> ImportedTask:
    return ImportedTask(
        name=name,
        protocol=f"imported/lm_eval/{name}/{results.versions.get(name, 'unknown')}",
        metrics=(),
        rows=[],
        data_hash=hashes,
        options={
            "n_shot": results.n_shot.get(name),
            "gen_kwargs": results.config.get("gen_kwargs"),
            "chat_template": results.chat_template_sha is not None,
        },
    )


def _read_samples(path: Path, model: str) -> tuple[list[ImportedRow], str, Counter[str]]:
    rows: list[ImportedRow] = []
    hashes: dict[str, str] = {}
    skipped: Counter[str] = Counter()
    for position, record in enumerate(read_rows(path), 1):
        if "doc_id" not in record:
            raise DataError(f"{path}, line {position}: no doc_id; this is not a sample of lm-eval 0.4")
        item = str(record["doc_id"])
        hashes[item] = str(record.get("doc_hash") or msgspec.json.encode(record.get("doc")).decode())
        filtered = str(record.get("filter") or "none")
        for metric in record.get("metrics") or [key for key in record if key not in _FIXED]:
            name = metric if filtered == "none" else f"{metric},{filtered}"
            value = record.get(metric)
            if isinstance(value, list | dict | str) or metric not in record:
                skipped[f"metric {name}: not one number per document"] += 1
                continue
            rows.append(ImportedRow(model, Sample(id=item, data={}), _score(name, value, record)))
    if not rows:
        raise DataError(f"{path}: no metric with one number per document")
    digest = hashlib.sha256("\0".join(f"{item}={hashes[item]}" for item in sorted(hashes)).encode()).hexdigest()
    return rows, digest, skipped


def _score(name: str, value: Any, record: Mapping[str, Any]) -> Score:
    detail = {"target": str(record.get("target")), "answer": str(record.get("filtered_resps"))}
    if value is None or not math.isfinite(value):
        return Score.missing(name, "error", detail=detail)
    return Score(metric=name, value=float(value), detail=detail)
