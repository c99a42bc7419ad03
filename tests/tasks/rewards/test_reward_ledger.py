"""Real weights, whole runs: every way in which a conversation cannot be scored is a status in the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_reward_model import tiny_reward_model

from evalsuite.cli import main
from evalsuite.engine.directory import Run


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that overflows on the word `rope` and answers a number to everything else."""
    folder = tiny_reward_model(tmp_path_factory.mktemp("tiny-reward"))
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model: Any = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("rope")] = (
            torch.inf
        )
    model.save_pretrained(folder)
    return folder


def run(tmp_path: Path, weights: Path, rows: list[dict[str, Any]]) -> int:
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return main(
        [
            "run", "--tasks", "reward_pairs", "--reward-model", f"rm=hf:{weights},max_model_len=40", "--data",
            f"reward_pairs={data}", "--out", str(tmp_path / "run"),
        ]
    )  # fmt: skip


def test_every_way_a_reward_can_fail_is_in_the_ledger(tmp_path: Path, weights: Path) -> None:
    code = run(
        tmp_path,
        weights,
        [
            {"prompt": "storm 1", "chosen": "ship lamp", "rejected": "shore shore"},
            {"prompt": "storm 2", "chosen": "keeper", "rejected": "lamp lamp ship"},
            {"prompt": "tied", "chosen": "strange words", "rejected": "others entirely"},  # the same tokens
            {"prompt": "overflow", "chosen": "rope", "rejected": "ship"},
            {"prompt": "long", "chosen": "ship", "rejected": "storm " * 60},
            {"prompt": "silent", "chosen": "ship", "rejected": ""},
            {"prompt": "same", "chosen": "ship", "rejected": "ship"},
        ],
    )
    assert code == 1  # a conversation was lost to an error
    found = Run.open(tmp_path / "run")
    ledger = {row.role: row for row in found.results.validity}
    asked = ledger["candidate"]
    assert (asked.asked, asked.ok, asked.unparsed, asked.error) == (10, 8, 1, 1)
    scored = ledger["score:accuracy"]
    assert (scored.asked, scored.ok, scored.unparsed, scored.error) == (5, 3, 1, 1)
    values = {e.metric: e.value for e in found.results.estimates if e.slice is None}
    assert values["tie"] == pytest.approx(1 / 3)
    assert found.manifest.tasks[0]["skipped"] == {"chosen and rejected are equal": 1, "empty reply": 1}
    errors = " ".join(found.responses["error"].dropna())
    assert "the model takes 39; it was not cut" in errors
    assert "not a finite number" in errors
    audits = {audit.name: audit.verdict for audit in found.results.audits}
    assert (audits["ties"], audits["constant_scores"]) == ("warn", "pass")


def test_an_unknown_layout_is_an_error_before_any_request(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, weights, [{"question": "why", "left": "a", "right": "b"}]) == 2
    assert "unknown layout of preference data, columns question, left, right" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
