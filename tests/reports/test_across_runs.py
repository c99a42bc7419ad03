from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_run import make_run

from evalsuite.reports.across_runs import differences, with_differences
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.html import write_report


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("two")
    return [
        make_run(folder / name, items=60, candidates=(name,), seed=5, judged=False, rewards=False)
        for name in ("old", "new")
    ]


def test_later_runs_are_compared_with_the_first_on_the_same_samples(two_runs: list[Path]) -> None:
    evidence = Evidence.read(two_runs)
    found, notes = differences(evidence)
    assert notes == []
    assert {(pair.model, pair.baseline, pair.task) for pair in found} == {("new", "old", "safety_probe")}
    whole = next(pair for pair in found if pair.slice is None)
    assert 20 <= whole.n <= 30
    assert whole.higher_is_better is False


def test_every_difference_is_listed_once(two_runs: list[Path]) -> None:
    evidence = Evidence.read(two_runs)
    found, _ = differences(evidence)
    once = with_differences(evidence, found)
    assert with_differences(replace(evidence, pairs=once), found) == once


def test_the_report_of_two_runs_shows_the_difference_between_them(two_runs: list[Path], tmp_path: Path) -> None:
    page = write_report(two_runs, tmp_path / "report.html").read_text("utf-8")
    assert "new against old" in page or ("<bdi>new</bdi> against <bdi>old</bdi>" in page)


def test_runs_that_cannot_be_compared_say_why(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", items=8, candidates=("a",), judged=False, rewards=False)
    other = make_run(tmp_path / "other", items=8, candidates=("b",), judged=False, probe=False)
    found, notes = differences(Evidence.read([one, other]))
    assert found == []
    assert "b and a are not compared" in notes[0]


def test_one_run_has_nothing_across(run_path: Path) -> None:
    assert differences(Evidence.read([run_path])) == ([], [])
