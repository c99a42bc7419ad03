from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_scripting import run_rewards
from scipy.special import expit

from evalsuite.data import DataFiles
from evalsuite.errors import UsageError
from evalsuite.records import Completion
from evalsuite.stats.calibration import expected_calibration_error
from evalsuite.tasks.preferences import PreferencePair
from evalsuite.tasks.rewards.calibration import calibration_limits
from evalsuite.tasks.rewards.pair_scores import PAIR_METRICS, pair_scores, pair_values
from evalsuite.tasks.rewards.pairs import RewardPairs
from evalsuite.tasks.rewards.sources import Reading

MARGINS = st.floats(-1e3, 1e3)


def write_pairs(path: Path, n: int = 6) -> Path:
    rows = [
        {"prompt": f"question {i}", "chosen": f"long and good {i}", "rejected": f"bad {i}", "subset": ["even", "odd"][i % 2]}
        for i in range(n)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_model_that_prefers_the_preferred_is_right_by_its_margin(tmp_path: Path) -> None:
    table = run_rewards(
        RewardPairs(),
        {"good": lambda who, prompt, reply: 2.0 if "good" in reply else -1.0, "blind": lambda *asked: 0.5},
        reward_pairs=write_pairs(tmp_path / "pairs.jsonl"),
    )
    assert table.values("accuracy", "good")[0].tolist() == [1.0] * 6
    assert table.values("margin", "good", "odd")[0].tolist() == [3.0] * 3
    assert table.values("nll", "good")[0] == pytest.approx(math.log1p(math.exp(-3)))
    assert table.values("accuracy", "blind")[0].sum() == 0
    assert set(table.values("accuracy_half", "blind")[0]) == {0.5}
    assert set(table.values("tie", "blind")[0]) == {1.0}
    assert table.values("nll", "blind")[0] == pytest.approx(math.log(2))
    assert table.values("brier", "blind")[0] == pytest.approx(0.25)


def test_constant_scores_fail_the_audit_and_others_pass(tmp_path: Path) -> None:
    task = RewardPairs()
    table = run_rewards(
        task,
        {"blind": lambda *asked: 0.5, "long": lambda who, prompt, reply: float(len(reply))},
        reward_pairs=write_pairs(tmp_path / "pairs.jsonl"),
    )
    verdicts = {(audit.name, audit.subject): audit.verdict for audit in task.audit(table)}
    assert verdicts["constant_scores", "blind"] == "fail"
    assert verdicts["ties", "blind"] == "warn"
    assert verdicts["constant_scores", "long"] == verdicts["ties", "long"] == "pass"


def test_scores_that_differ_by_rounding_only_are_constant(tmp_path: Path) -> None:
    task = RewardPairs()
    table = run_rewards(
        task,
        {
            "rounded": lambda who, prompt, reply: 3.0 + 1e-7 * len(reply),
            "small": lambda who, prompt, reply: 1e-7 * len(reply),
        },
        reward_pairs=write_pairs(tmp_path / "pairs.jsonl"),
    )
    verdicts = {audit.subject: audit.verdict for audit in task.audit(table) if audit.name == "constant_scores"}
    assert verdicts == {"rounded": "fail", "small": "pass"}


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (math.nan, "unparsed"),
        (math.inf, "unparsed"),
        (Completion(status="error", error="500"), "error"),
        (Completion(status="empty"), "empty"),
        (Completion(status="ok", reward=None), "unparsed"),
    ],
)
def test_a_score_that_is_no_number_is_a_status_and_never_a_value(broken: Any, status: str, tmp_path: Path) -> None:
    table = run_rewards(
        RewardPairs(),
        {"rm": lambda who, prompt, reply: broken if reply == "bad 0" else float(len(reply))},
        reward_pairs=write_pairs(tmp_path / "pairs.jsonl"),
    )
    for metric in PAIR_METRICS:
        scores = [score for _, score in table.scores(metric.name, "rm")]
        assert [score.status for score in scores] == [status, *["ok"] * 5]
        assert scores[0].value is None


def test_a_conversation_cut_to_the_context_is_scored_and_flagged(tmp_path: Path) -> None:
    task = RewardPairs()
    table = run_rewards(
        task,
        {"rm": lambda who, prompt, reply: Completion(status="truncated", reward=float(len(reply)))},
        reward_pairs=write_pairs(tmp_path / "pairs.jsonl"),
    )
    assert len(table.values("accuracy", "rm")[0]) == 6
    audits = {audit.name: audit for audit in task.audit(table)}
    assert (audits["truncated_conversations"].verdict, audits["truncated_conversations"].value) == ("warn", 1.0)


def test_rewards_too_far_apart_for_a_difference_are_unparsed() -> None:
    scores = pair_scores(Reading(1e308, "ok"), Reading(-1e308, "ok"), {})
    assert {score.status for score in scores} == {"unparsed"}


def test_a_folder_of_hh_files_gives_the_helpful_and_the_harmless_slice(data_dir: Path) -> None:
    samples = list(RewardPairs().load(DataFiles("reward_pairs", root=data_dir, offline=True)))
    by_slice = {name: sum(sample.slice == name for sample in samples) for name in ("helpful", "harmless")}
    assert by_slice == {"helpful": 2339, "harmless": 2303}
    assert len({sample.id for sample in samples}) == len(samples)


def test_pairs_that_a_model_was_fitted_on_are_left_out_and_counted(tmp_path: Path) -> None:
    def load(**options: str) -> tuple[list[Any], DataFiles]:
        data = DataFiles("reward_pairs", {"reward_pairs": write_pairs(tmp_path / "pairs.jsonl")}, offline=True)
        return list(RewardPairs(RewardPairs.Options(**options)).load(data)), data

    samples, _ = load()
    fitted = tmp_path / "fitted_on.json"
    fitted.write_text(json.dumps({"source": "x", "pairs_sha256": [PreferencePair.of(samples[0]).digest]}))
    rest, data = load(fitted_on=str(fitted))
    assert [sample.id for sample in rest] == [sample.id for sample in samples[1:]]
    assert data.skipped == {"the reward model was fitted on it": 1}
    fitted.write_text("{}")
    with pytest.raises(UsageError, match="pairs_sha256"):
        load(fitted_on=str(fitted))


def test_the_source_decides_what_the_arms_must_be_able_to_do() -> None:
    task = RewardPairs(RewardPairs.Options(source="dpo"))
    assert [(role.name, role.needs) for role in task.info.roles] == [
        ("candidate", "logprobs"),
        ("reference", "logprobs"),
    ]
    assert task.info.protocol != RewardPairs.info.protocol
    assert [(role.name, role.needs) for role in RewardPairs().info.roles] == [("candidate", "reward")]


@given(MARGINS)
def test_swapping_the_pair_mirrors_every_metric(margin: float) -> None:
    values, swapped = pair_values(margin), pair_values(-margin)
    assert values["accuracy_half"] + swapped["accuracy_half"] == 1.0
    assert values["accuracy"] + swapped["accuracy"] + values["tie"] == 1.0
    assert values["nll"] - swapped["nll"] == pytest.approx(-margin, abs=1e-9)
    assert values["brier"] ** 0.5 + swapped["brier"] ** 0.5 == pytest.approx(1.0)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(-100, 100))
def test_a_shift_of_all_rewards_and_a_rising_transform_keep_who_wins(first: float, second: float, shift: float) -> None:
    ours = pair_values(first - second)["accuracy"]
    assert pair_values(math.atan(first) - math.atan(second))["accuracy"] <= ours
    moved = (first + shift) - (second + shift)
    if abs(first - second) > 1e-9:
        assert pair_values(moved)["accuracy"] == ours
        assert pair_values(moved)["nll"] == pytest.approx(pair_values(first - second)["nll"], abs=1e-9)


def test_limits_of_the_calibration_error_need_two_clusters() -> None:
    rng = np.random.default_rng(0)
    margins = rng.normal(1, 2, 200)
    limits = calibration_limits(margins, np.arange(200) // 4, rng)
    assert limits is not None
    assert limits[0] <= expected_calibration_error(margins) <= limits[1]
    assert calibration_limits(margins, np.zeros(200), rng) is None


@pytest.mark.parametrize("binning", ["equal_width", "equal_mass"])
@pytest.mark.parametrize("overconfidence", [1.0, 3.0])
def test_limits_of_the_calibration_error_hold_the_estimate_and_the_truth(binning: Any, overconfidence: float) -> None:
    """Scores whose claims are `overconfidence` times the log-odds with which they hold."""
    rng = np.random.default_rng(1)
    odds = np.abs(rng.normal(0.3, 1, 100_000))
    truth = float(
        np.mean(expit(overconfidence * odds) - expit(odds))
    )  # every claim is too high: the gaps do not cancel
    held = 0
    for _ in range(60):
        sample = np.abs(rng.normal(0.3, 1, 150))
        margins = overconfidence * sample * np.where(rng.random(150) < expit(sample), 1, -1)
        limits = calibration_limits(margins, None, rng, binning=binning, resamples=200)
        assert limits is not None
        assert limits[0] <= expected_calibration_error(margins, binning=binning) <= limits[1]
        held += limits[0] <= truth <= limits[1]
    assert held >= 48


def test_estimates_and_sections_speak_of_every_model_and_slice(tmp_path: Path) -> None:
    task = RewardPairs()
    table = run_rewards(
        task,
        {"rm": lambda who, prompt, reply: float(len(reply) % 7), "other": lambda who, prompt, reply: float(len(reply))},
        reward_pairs=write_pairs(tmp_path / "pairs.jsonl", 100),
    )
    estimates = {(e.metric, e.model, e.slice): e for e in task.derive(table)}
    assert {("ece", "rm", None), ("ece_equal_mass", "other", "odd"), ("temperature", "rm", "even")} <= estimates.keys()
    calibration, margins = task.sections(table)
    assert {row["model"] for row in calibration.rows} == {"rm", "other"}
    assert sum(row["share"] for row in margins.rows if row["model"] == "rm") == pytest.approx(1.0)
