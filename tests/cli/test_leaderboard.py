"""`evalsuite leaderboard`: a table, a page, a board that can be updated, badges."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scored_runs import WIN_RATE, write_run

from evalsuite.cli import main


class Page(ModuleType):
    """Stands for the writer of the HTML page and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__("evalsuite.reports.leaderboard")
        self.board: dict[str, Any] = {}

    def write_leaderboard(self, board: dict[str, Any], out: Path) -> None:
        """Keep the board; leave a file."""
        self.board = board
        out.write_text("page")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Page:
    page = Page()
    monkeypatch.setitem(sys.modules, page.__name__, page)
    monkeypatch.chdir(tmp_path)
    return page


def draws(seed: int, p: float) -> list[float | None]:
    return [float(x) for x in np.random.default_rng(seed).random(200) < p]


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    scores = {"a": ("2026-01", 0.8), "b": ("2026-02", 0.5), "c": ("2026-03", 0.2)}
    return [
        str(
            write_run(
                tmp_path / "runs" / name, {name: draws(seed, p)}, metric=WIN_RATE, baseline="old", created=when
            ).path
        )
        for seed, (name, (when, p)) in enumerate(scores.items())
    ]


def test_a_folder_of_runs_becomes_a_table_and_a_page(
    page: Page, runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "runs"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["rank", "model", "win", "rate", "against", "old", "95%", "interval", "n"]
    assert [line.split()[1] for line in out.splitlines()[1:] if line[:1].isdigit()] == ["a", "b", "old", "c"]
    assert "order decided for" in out
    assert Path("leaderboard.html").exists()
    assert page.board["models"][0]["label"] == "a"


def test_groups_that_can_be_told_apart_are_set_apart(
    page: Page, runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["leaderboard", "runs"])
    rows = capsys.readouterr().out.split("\n\n")
    assert [[line.split()[0] for line in group.splitlines() if line[:1].isdigit()] for group in rows[:3]] == [
        ["1"],
        ["2-3", "2-3"],
        ["4"],
    ]


def test_update_adds_one_run_and_rewrites_the_board(page: Page, runs: list[str]) -> None:
    assert main(["leaderboard", *runs, "--json", "all.json"]) == 0
    assert main(["leaderboard", *runs[:2], "--json", "board.json"]) == 0
    assert main(["leaderboard", runs[2], "--update", "board.json"]) == 0
    scratch, updated = (json.loads(Path(name).read_text()) for name in ("all.json", "board.json"))
    assert {**updated, "created": ""} == {**scratch, "created": ""}
    assert [row["label"] for row in page.board["models"]] == [row["label"] for row in scratch["models"]]


def test_a_board_can_be_shown_again_without_its_runs(page: Page, runs: list[str]) -> None:
    assert main(["leaderboard", "runs", "--json", "board.json"]) == 0
    before = page.board
    assert main(["leaderboard", "--update", "board.json", "-o", "again.html"]) == 0
    assert {**page.board, "created": ""} == {**before, "created": ""}


def test_badges_are_written_for_named_models(page: Page, runs: list[str]) -> None:
    assert main(["leaderboard", "runs", "--badge", "a=a.json", "c=c.json"]) == 0
    assert json.loads(Path("a.json").read_text())["color"] == "brightgreen"
    assert json.loads(Path("c.json").read_text())["message"].startswith("rank 4 of 4, 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name at least one run directory"),
        (["nowhere"], "neither a run directory nor a folder"),
        (["empty"], "holds no finished run directory"),
        (["runs", "--badge", "a"], "--badge takes MODEL=FILE"),
        (["runs", "--badge", "z=z.json"], "no model 'z' on the board"),
        (["runs", "--by", "quiz/f1"], "no such column"),
        (["runs", "--update", "runs/a/run.json"], "is not a leaderboard that can be updated"),
    ],
)
def test_mistakes_are_said_and_leave_nothing_behind(
    page: Page, runs: list[str], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    Path("empty").mkdir()
    assert main(["leaderboard", *words]) == 2
    assert message in capsys.readouterr().err
    assert not Path("leaderboard.html").exists()


def test_unfinished_runs_of_a_folder_are_named(page: Page, runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (Path(runs[0]) / "samples.parquet").unlink()
    assert main(["leaderboard", "runs"]) == 0
    assert "left out: " in capsys.readouterr().err
