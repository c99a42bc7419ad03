"""just-eval (arXiv 2312.01552): a judge's published outputs give the published means, through our importer.

The outputs are those of `example_data/eval_outputs` in github.com/Re-Align/just-eval: six replies of Llama-2-7b-chat rated by
GPT-4 on five aspects, and four replies to safety prompts rated by ChatGPT. The means stand in its `.eval_res.json` files.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from evalsuite.importers.formats import read_log
from evalsuite.importers.imported import ImportedTask
from evalsuite.judges.aspects import GENERAL_ASPECTS, SAFETY_ASPECTS, aspect_scores

OUTPUTS = {
    "1.score_multi.gpt-4.json": {
        "helpfulness": 14 / 3,
        "clarity": 5.0,
        "factuality": 4.0,
        "depth": 13 / 3,
        "engagement": 5.0,
        "length": 998 / 3,
    },
    "1.safety.score_safety.chatgpt.json": {"safety": 3.75, "length": 152.75},
}


def outputs(data_dir: Path, name: str) -> Path:
    path = data_dir / "just_eval" / name
    if not path.is_file():
        pytest.skip(f"{name} of github.com/Re-Align/just-eval is not under {data_dir.name}/just_eval")
    return path


def means(task: ImportedTask) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in task.rows:
        if row.score.value is not None:
            found.setdefault(row.score.metric, []).append(row.score.value)
    return {metric: fmean(values) for metric, values in found.items()}


@pytest.mark.parametrize("name", OUTPUTS)
def test_published_outputs_give_the_published_means(data_dir: Path, name: str) -> None:
    (task,) = read_log("just_eval", [outputs(data_dir, name)]).tasks
    assert means(task) == pytest.approx(OUTPUTS[name], abs=1e-9)


@pytest.mark.parametrize("name", OUTPUTS)
def test_our_parser_reads_the_judges_own_text_as_upstream_read_it(data_dir: Path, name: str) -> None:
    aspects = tuple(SAFETY_ASPECTS if "safety" in name else GENERAL_ASPECTS)
    records: list[dict[str, Any]] = json.loads(outputs(data_dir, name).read_text())
    assert records
    for record in records:
        published = {aspect: float(record["parsed_result"][aspect]["score"]) for aspect in aspects}
        assert aspect_scores(record["result"], aspects) == published
