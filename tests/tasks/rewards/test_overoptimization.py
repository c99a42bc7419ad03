from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from rewards_scripting import RewardContext, run_rewards

from evalsuite.data import DataFiles
from evalsuite.errors import DataError, UsageError
from evalsuite.records import Completion, Message, Sample
from evalsuite.tasks.rewards.overoptimization import Overoptimization, read_row


def write(path: Path, prompts: int = 30, answers: int = 16) -> Path:
    """Answers whose number is their quality; gold likes quality up to 12 and collapses beyond."""
    rows = [
        {
            "prompt": f"p{i}",
            "answers": [f"quality {q}" for q in range(answers)],
            "gold": [float(q if q <= 12 else -20) for q in range(answers)],
        }
        for i in range(prompts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def quality(reply: str) -> float:
    return float(reply.split()[-1])


def noisy(seed: str) -> Any:
    def reward(who: str, prompt: str, reply: str) -> float:
        digest = hashlib.sha256(f"{seed}{prompt}{reply}".encode()).digest()
        return quality(reply) + 4.0 * int.from_bytes(digest[:4], "big") / 2**32

    return reward


def test_a_proxy_that_overshoots_peaks_and_falls(tmp_path: Path) -> None:
    task = Overoptimization()
    table = run_rewards(
        task,
        {
            "overshoots": lambda who, prompt, reply: quality(reply),
            "sane": lambda who, prompt, reply: -abs(quality(reply) - 12),
        },
        overoptimization=write(tmp_path / "answers.jsonl"),
    )
    found = {(e.metric, e.model, e.slice): e for e in task.derive(table)}
    mean = (sum(range(13)) - 60) / 16
    assert found["gold_at_n", "overshoots", "n=1"].value == pytest.approx(mean)
    assert found["gold_at_n", "overshoots", "n=16"].value == -20.0
    assert found["gold_at_n", "sane", "n=16"].value == 12.0
    assert found["proxy_at_n", "overshoots", "n=16"].value == 15.0
    assert found["drop_after_peak", "sane", None].value == 0.0
    assert found["drop_after_peak", "overshoots", None].value > 20
    assert found["kl_at_peak", "overshoots", None].value < found["kl_at_peak", "sane", None].value
    assert found["fit_beta", "overshoots", "best-of-n"].value > found["fit_beta", "sane", "best-of-n"].value
    assert table.values("gold_gain", "sane")[0] == pytest.approx(12 - mean)
    (section,) = task.sections(table)
    assert {row["model"] for row in section.rows} >= {"overshoots", "sane", "ensemble (wco)"}
    json.dumps(section.rows, allow_nan=False)


def test_an_ensemble_of_noisy_proxies_beats_its_members(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{i}", "answers": [f"quality {q}" for q in range(8)], "gold": list(range(8))} for i in range(60)
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = Overoptimization()
    table = run_rewards(task, {name: noisy(name) for name in "abcd"}, overoptimization=path)
    best = {e.model: e.value for e in task.derive(table) if (e.metric, e.slice) == ("gold_at_n", "n=8")}
    assert best["ensemble (mean)"] > max(best[name] for name in "abcd")


def test_gold_from_a_reward_model_and_answers_from_a_policy() -> None:
    task = Overoptimization(Overoptimization.Options(gold="gold", answers=4))

    def answer(who: str, prompt: str, reply: str) -> Any:
        if who == "baseline":
            return Completion(status="ok", text=f"quality {reply.split()[-1]}")
        return -quality(reply) if who == "reward/1" else quality(reply)

    context = RewardContext(answer, {"candidate": ("rm",), "reward": ("rm", "gold"), "baseline": ("policy",)})
    scores = asyncio.run(task.evaluate(Sample(id="1", data={"prompt": [Message("user", "p")]}), context))  # type: ignore[arg-type]
    by_metric = {score.metric: score for score in scores}
    assert by_metric["rank_correlation"].value == pytest.approx(-1.0)
    assert by_metric["gold_gain"].value == pytest.approx(-3.0 + 1.5)


def test_failed_answers_are_left_out_up_to_half(tmp_path: Path) -> None:
    path = write(tmp_path / "answers.jsonl", prompts=3)

    def reward(who: str, prompt: str, reply: str) -> Any:
        broken = {"p0": 1, "p1": 9}.get(prompt, 0)
        return Completion(status="error", error="500") if quality(reply) < broken else quality(reply)

    task = Overoptimization()
    table = run_rewards(task, {"rm": reward}, overoptimization=path)
    assert [score.status for _, score in table.scores("gold_gain", "rm")] == ["ok", "error", "ok"]
    sizes = [e.slice for e in task.derive(table) if e.metric == "gold_at_n"]
    assert sizes == ["n=1", "n=2", "n=4", "n=8", "n=15"]  # the prompt with the fewest answers sets the end


def test_constant_proxies_gain_nothing_and_correlate_with_nothing(tmp_path: Path) -> None:
    task = Overoptimization()
    table = run_rewards(task, {"flat": lambda *asked: 0.0}, overoptimization=write(tmp_path / "answers.jsonl"))
    assert table.values("gold_gain", "flat")[0] == pytest.approx(0.0)
    assert len(table.values("rank_correlation", "flat")[0]) == 0
    assert {audit.verdict for audit in task.audit(table) if audit.name == "constant_scores"} == {"fail"}


def test_what_is_missing_is_said() -> None:
    task = Overoptimization()
    sample = Sample(id="1", data={"prompt": [Message("user", "p")]})
    for context in (
        RewardContext(lambda *asked: 0.0, {"candidate": ("rm",)}),
        RewardContext(lambda *asked: Completion(status="ok", text="quality 1"), {"baseline": ("policy",)}),
    ):
        with pytest.raises(UsageError, match="overoptimization"):
            asyncio.run(task.evaluate(sample, context))  # type: ignore[arg-type]
    for options in ({"answers": 1}, {"source": "dpo"}):
        with pytest.raises(UsageError):
            Overoptimization(Overoptimization.Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "row",
    [{}, {"prompt": "p", "answers": "text"}, {"prompt": "p", "answers": ["a", 1]}, {"prompt": "p", "answers": ["a"], "gold": []}],
)  # fmt: skip
def test_rows_of_another_shape_are_refused(row: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read_row(row, 1)


def test_prompts_with_one_answer_are_skipped_and_prompts_alone_come_from_hh(data_dir: Path) -> None:
    assert read_row({"prompt": "p", "answers": ["a"]}, 1) == "fewer than two answers"
    samples = list(Overoptimization().load(DataFiles("overoptimization", root=data_dir, offline=True)))
    assert len(samples) > 2000
    assert len({sample.cluster for sample in samples}) == len(samples)
