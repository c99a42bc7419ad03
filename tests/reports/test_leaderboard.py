from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from synthetic_run import make_run

from evalsuite.engine.directory import Run
from evalsuite.leaderboard.build import build_board
from evalsuite.reports.board_figures import figures
from evalsuite.reports.leaderboard import board_rows, rank_words, write_leaderboard


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("board")
    runs = [
        make_run(folder / name, items=60, candidates=models, seed=seed)
        for name, models, seed in (("spring", ("dpo-v1",), 3), ("summer", ("dpo-v2", "dpo-v3"), 4))
    ]
    return dict(msgspec.to_builtins(build_board([Run.open(path) for path in runs])))


def test_a_rank_is_an_interval_unless_it_is_decided() -> None:
    assert rank_words({"best_rank": 2, "worst_rank": 5}) == "2–5"
    assert rank_words({"best_rank": 3, "worst_rank": 3}) == "3"
    assert rank_words({"best_rank": None, "worst_rank": None}) == "n/a"


def test_every_model_has_a_line_and_a_cell_per_column(board: dict[str, Any]) -> None:
    rows = list(board_rows(board))
    assert [row.label for row in rows] == [row["label"] for row in board["models"]]
    assert all(len(row.cells) == len(board["columns"]) for row in rows)
    assert rows[0].rating.shown.endswith("%") or rows[0].rating.shown.lstrip("−").isdigit()


def test_unranked_models_say_why_and_stand_without_a_number(board: dict[str, Any]) -> None:
    for row in board_rows(board):
        assert (row.rank == "n/a") == bool(row.why)
        assert (row.rating.raw == "") == (row.rating.shown == "n/a")


def test_ratings_pairs_and_history_are_drawn(board: dict[str, Any]) -> None:
    found = {figure.key: figure for figure in figures(board)}
    assert {"ratings", "pairs", "history"} <= set(found)
    for figure in found.values():
        assert figure.chart().to_dict()
        assert len(figure.alternative) > 10


def test_the_page_stands_alone_and_keeps_the_evidence_out(board: dict[str, Any], tmp_path: Path) -> None:
    page = write_leaderboard(board, tmp_path / "board.html").read_text("utf-8")
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert len(page) < 3_000_000
