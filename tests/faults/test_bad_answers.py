"""Whatever a server answers, every sample ends with a status, and a sample that is lost is never graded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .command_line import CommandLine, addition, check_totals, ledger, manifest, statuses

COUNT, SHARE = 60, 0.3
PATIENCE = {"hang": ",timeout=0.2"}
LOST = (
    "400", "401", "500", "503", "429", "hang", "reset", "truncated_json", "malformed_json", "truncated_body", "empty_body",
    "html", "wrong_type", "duplicate_choices", "missing_choices", "wrong_model", "error_200", "leak_key",
)  # fmt: skip
NO_ANSWER = {
    "null_content": "empty",
    "empty_content": "empty",
    "unclosed_think": "empty",
    "content_filter": "refused_by_api",
    "content_filter_400": "refused_by_api",
}
ANSWERED = ("closed_think", "reasoning_content", "nan", "surrogate", "chunked")
TRANSIENT = ("500", "503", "429", "hang", "reset", "truncated_json", "malformed_json", "truncated_body", "error_200")


@pytest.mark.parametrize("fault", LOST)
def test_requests_that_always_fail_are_named_and_cost_the_exit_code(
    evalsuite: CommandLine, server: Any, tmp_path: Path, fault: str
) -> None:
    server.configure(faults={fault: SHARE}, transient_attempts=0)
    outcome = evalsuite(*addition(server.url, tmp_path / "run", COUNT, options=PATIENCE.get(fault, "")))
    assert outcome.code == 1, outcome.stderr
    check_totals(tmp_path / "run", COUNT)
    lost = ledger(tmp_path / "run")["error"]
    assert 0 < lost < COUNT
    assert statuses(tmp_path / "run")["error"] == lost
    assert f"lost: addition / mock / candidate: {lost} of {COUNT}" in outcome.stderr
    assert manifest(tmp_path / "run")["status"] == "incomplete"


@pytest.mark.parametrize("fault", NO_ANSWER)
def test_no_answer_is_not_a_wrong_answer(evalsuite: CommandLine, server: Any, tmp_path: Path, fault: str) -> None:
    server.configure(faults={fault: SHARE}, transient_attempts=0)
    outcome = evalsuite(*addition(server.url, tmp_path / "run", COUNT))
    assert outcome.code == 0, outcome.stderr
    check_totals(tmp_path / "run", COUNT)
    asked = ledger(tmp_path / "run")
    assert asked[NO_ANSWER[fault]] > 0
    assert asked["ok"] + asked[NO_ANSWER[fault]] == COUNT
    assert statuses(tmp_path / "run")[NO_ANSWER[fault]] == asked[NO_ANSWER[fault]]


@pytest.mark.parametrize("fault", ANSWERED)
def test_odd_but_readable_replies_are_answers(evalsuite: CommandLine, server: Any, tmp_path: Path, fault: str) -> None:
    server.configure(faults={fault: SHARE}, transient_attempts=0)
    assert evalsuite(*addition(server.url, tmp_path / "run", COUNT)).code == 0
    check_totals(tmp_path / "run", COUNT)
    assert ledger(tmp_path / "run")["ok"] == COUNT


def test_an_answer_that_was_cut_off_is_counted_as_truncated(
    evalsuite: CommandLine, server: Any, tmp_path: Path
) -> None:
    server.configure(faults={"length": SHARE}, transient_attempts=0)
    assert evalsuite(*addition(server.url, tmp_path / "run", COUNT)).code == 0
    asked = ledger(tmp_path / "run")
    assert asked["truncated"] > 0
    assert asked["ok"] + asked["truncated"] == COUNT


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_fault_that_passes_loses_nothing(evalsuite: CommandLine, server: Any, tmp_path: Path, fault: str) -> None:
    server.configure(faults={fault: SHARE}, transient_attempts=1)
    outcome = evalsuite(*addition(server.url, tmp_path / "run", COUNT, options=PATIENCE.get(fault, "")))
    assert outcome.code == 0, outcome.stderr
    check_totals(tmp_path / "run", COUNT)
    assert ledger(tmp_path / "run")["ok"] == COUNT
    assert server.stats()["by_fault"][fault] > 0


def test_what_was_lost_is_asked_again_and_nothing_else(evalsuite: CommandLine, server: Any, tmp_path: Path) -> None:
    server.configure(faults={"500": SHARE}, transient_attempts=0)
    words = addition(server.url, tmp_path / "run", COUNT)
    evalsuite(*words)
    lost = ledger(tmp_path / "run")["error"]
    server.configure()
    assert evalsuite(*words).code == 0
    assert manifest(tmp_path / "run")["requests_sent"] == lost
    check_totals(tmp_path / "run", COUNT)


def test_a_storm_of_429_with_retry_after_is_waited_out(evalsuite: CommandLine, server: Any, tmp_path: Path) -> None:
    server.configure(faults={"429": 1.0}, transient_attempts=1, retry_after="0.2", latency=0.002)
    outcome = evalsuite(*addition(server.url, tmp_path / "run", COUNT))
    assert outcome.code == 0, outcome.stderr
    check_totals(tmp_path / "run", COUNT)
    assert server.stats()["by_status"]["429"] >= COUNT


def test_a_server_that_takes_few_at_once_is_not_overrun(evalsuite: CommandLine, server: Any, tmp_path: Path) -> None:
    server.configure(max_in_flight=4, latency=0.005, retry_after="0.01")
    outcome = evalsuite(*addition(server.url, tmp_path / "run", 300, options=""))
    assert outcome.code == 0, outcome.stderr
    check_totals(tmp_path / "run", 300)
    assert server.stats()["by_status"]["200"] >= 300


def test_a_burst_of_5xx_over_everything_is_survived(evalsuite: CommandLine, server: Any, tmp_path: Path) -> None:
    server.configure(faults={"500": 0.5, "503": 0.5}, transient_attempts=2)
    outcome = evalsuite(*addition(server.url, tmp_path / "run", COUNT))
    assert outcome.code == 0, outcome.stderr
    check_totals(tmp_path / "run", COUNT)


def test_everything_at_once_is_survived(evalsuite: CommandLine, server: Any, tmp_path: Path) -> None:
    server.configure(
        faults={"500": 0.05, "429": 0.05, "reset": 0.05, "truncated_json": 0.05, "null_content": 0.05, "length": 0.05},
        transient_attempts=1,
        retry_after="0.01",
    )
    outcome = evalsuite(*addition(server.url, tmp_path / "run", 400))
    assert outcome.code == 0, outcome.stderr
    check_totals(tmp_path / "run", 400)
