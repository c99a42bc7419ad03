"""Runs made from score tables, as a team would import them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from evalsuite.engine.imported import write_imported
from evalsuite.gate.evidence import Contender
from evalsuite.importers.formats import read_log

Scores = Mapping[str, float | None] | Sequence[float | None]
MakeRun = Callable[..., Contender]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run(label, scores, metric=…, clusters=…, extra columns)` → the contender of an imported run."""
    made: list[str] = []

    def make(
        label: str, scores: Scores, metric: str = "accuracy", clusters: Sequence[str] | None = None, **columns: str
    ) -> Contender:
        by_id = scores if isinstance(scores, Mapping) else {f"q{i}": value for i, value in enumerate(scores)}
        header = ["task", "metric", "model", "id", "score", "cluster", *columns]
        lines = [",".join(header)]
        for position, (name, value) in enumerate(by_id.items()):
            cluster = clusters[position] if clusters else ""
            cells = ["math", metric, label, name, "" if value is None else repr(value), cluster, *columns.values()]
            lines.append(",".join(cells))
        made.append(label)
        path = tmp_path / f"{label}-{len(made)}.csv"
        path.write_text("\n".join(lines) + "\n")
        out = tmp_path / f"{label}-{len(made)}"
        write_imported(read_log("csv", [path]), out)
        return Contender.open(str(out))

    return make
