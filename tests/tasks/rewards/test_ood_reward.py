from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rewards_scripting import RewardContext, run_rewards

from evalsuite.data import DataFiles
from evalsuite.errors import DataError, UsageError
from evalsuite.records import Completion
from evalsuite.tasks.rewards.domains import DEFAULT_DOMAINS, read_domains, trained_on
from evalsuite.tasks.rewards.estimates import difference_of_means
from evalsuite.tasks.rewards.ood import OodReward, chosen_probes


def noise(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Three domains of 60 pairs: `home`, where the model was trained, `near` and `far`."""
    entries = {}
    for domain in ("home", "near", "far"):
        rows = [
            {
                "prompt": f"{domain} question {i // 2}, don't hurry",
                "chosen": f"good answer {i}",
                "rejected": f"bad {i} " * 12,
            }
            for i in range(60)
        ]
        path = tmp_path / f"{domain}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        entries[domain] = {"path": str(path), "about_harm": domain == "far"}
    config = tmp_path / "domains.yaml"
    config.write_text(json.dumps(entries))
    return config


def knows(*domains: str, seed: str = "") -> Any:
    """Right where it was trained, noise elsewhere."""

    def reward(who: str, prompt: str, reply: str) -> float:
        return 3.0 * ("good" in reply) * any(name in prompt for name in domains) + noise(f"{seed} {prompt} {reply}")

    return reward


def options(planted: Path, **more: Any) -> OodReward:
    return OodReward(OodReward.Options(domains=str(planted), **more))


def test_the_gap_is_found_with_its_interval_and_the_worst_domain(planted: Path) -> None:
    task = options(planted, in_distribution="home", trained_on="wide=home+near")
    table = run_rewards(
        task, {"narrow": knows("home"), "wide": knows("home", "near"), "other": knows("home", seed="s")}
    )
    found = {(e.metric, e.model): e for e in task.derive(table) if e.metric.endswith(("_accuracy", "_gap", "_change"))}
    assert found["id_accuracy", "narrow"].value == 1.0
    assert 0.35 < found["ood_accuracy", "narrow"].value < 0.65
    gap = found["generalisation_gap", "narrow"]
    assert gap.low is not None
    assert gap.low > 0.2
    assert gap.value == pytest.approx(1.0 - found["ood_accuracy", "narrow"].value)
    assert found["worst_domain_accuracy", "narrow"].slice in ("near", "far")
    assert found["worst_domain_accuracy", "wide"].slice == "far"
    assert ("gap_change", "wide") not in found  # trained on other domains: nothing to compare with
    change = found["gap_change", "other"]
    assert change.value == pytest.approx(found["generalisation_gap", "other"].value - gap.value)
    assert change.method.startswith("paired between models")


def test_sections_show_every_cell_with_its_mark(planted: Path) -> None:
    task = options(planted, in_distribution="home", probes="padded+reworded")
    table = run_rewards(task, {name: knows("home", seed=name) for name in ("a", "b", "c")})
    sections = {section.title: section for section in task.sections(table)}
    matrix = sections["Reward models by domain"].rows
    assert len(matrix) == 9
    assert {row["domain"]: row["mark"] for row in matrix} == {
        "home": "in distribution", "near": "out of distribution", "far": "out of distribution",
    }  # fmt: skip
    assert {"In and out of distribution", "Calibration", "Margins", "Preference strength"} <= sections.keys()
    assert sum(row["n"] for row in sections["Preference strength"].rows) == 180
    assert {row["probe"] for row in sections["Changes that should change nothing"].rows} == {"padded", "reworded"}
    for section in sections.values():
        assert section.rows
        json.dumps(section.figure, allow_nan=False)
        json.dumps(section.rows, allow_nan=False)
    assert {audit.verdict for audit in task.audit(table)} == {"pass"}


def test_a_model_that_likes_it_long_loses_to_padding_and_a_robust_one_does_not(planted: Path) -> None:
    task = options(planted, in_distribution="home", probes="all")
    table = run_rewards(
        task,
        {
            "long": lambda who, prompt, reply: float(len(reply)),
            "good": lambda who, prompt, reply: float("good" in reply),
        },
    )
    assert set(table.values("drop_padded", "good")[0]) == {0.0}
    assert set(table.values("prefers_longer", "long")[0]) == {1.0}
    assert table.values("accuracy", "long")[0].sum() == 0
    # Cutting what may be the harmful reply could change the answer, so `far` is not asked.
    assert len(table.values("drop_truncated", "good", "far")[0]) == 0
    assert len(table.values("drop_truncated", "good", "home")[0]) == 60
    correlation = {e.model: e.value for e in task.derive(table) if e.metric == "length_correlation" and e.slice is None}
    assert correlation.keys() == {"long"}  # equal margins correlate with nothing


def test_strength_by_the_others_sorts_the_pairs(planted: Path) -> None:
    task = options(planted, in_distribution="home")
    models = {name: knows("home", "near", seed=name) for name in ("a", "b", "c", "d")}
    table = run_rewards(task, models)
    found = {(e.metric, e.model, e.slice): e for e in task.derive(table)}
    assert found["accuracy_by_strength", "a", "strong"].value == 1.0
    assert found["accuracy_by_strength", "a", "incorrect"].value < 0.8
    assert found["suspected_labels", "all reward models", "home"].value == 0.0
    assert 0 < found["suspected_labels", "all reward models", "far"].value < 0.2
    assert found["ensemble_accuracy", "ensemble (wco)", "home"].value == 1.0
    assert found["ensemble_accuracy", "ensemble (mean)", None].n == 180
    assert 0 <= found["discrimination", "a", "far"].value < found["discrimination", "a", "home"].value <= 1


def test_a_model_whose_scores_fail_stands_beside_the_others(planted: Path) -> None:
    task = options(planted, in_distribution="home")
    table = run_rewards(task, {"ok": knows("home"), "nan": lambda *asked: float("nan"), "flat": lambda *asked: 1.0})
    estimates = list(task.derive(table))
    assert not [e for e in estimates if e.model == "nan"]
    assert {e.value for e in estimates if e.model == "flat" and e.metric == "id_accuracy"} == {0.0}
    for section in task.sections(table):
        json.dumps(section.rows, allow_nan=False)
    assert {audit.subject: audit.verdict for audit in task.audit(table) if audit.name == "constant_scores"} == {
        "ok": "pass", "flat": "fail",
    }  # fmt: skip


def test_a_judge_gives_a_second_set_of_labels(planted: Path) -> None:
    """The judge likes what is good in `home` and what is bad in `near`, and says nothing in `far`."""
    task = options(planted, in_distribution="home")

    def answer(who: str, prompt: str, reply: str) -> Any:
        if who != "judge":
            return float("good" in reply)
        liked = "good" if "home" in prompt else "bad" if "near" in prompt else "?"
        first = "good" if prompt.index("good answer") < prompt.index("bad ") else "bad"
        return Completion(status="ok", text="hm" if liked == "?" else "[[A]]" if first == liked else "[[B]]")

    context = RewardContext(answer, {"candidate": ("rm",), "judge": ("j",)})
    found: dict[tuple[str, str], set[float | None]] = {}
    for sample in task.load(DataFiles("ood_reward", offline=True)):
        for score in asyncio.run(task.evaluate(sample, context)):  # type: ignore[arg-type]
            found.setdefault((sample.slice or "", score.metric), set()).add(score.value)
    assert found["home", "accuracy_judge"] == found["home", "accuracy_consistent"] == {1.0}
    assert found["near", "accuracy_judge"] == {0.0}
    assert ("near", "accuracy_consistent") not in found
    assert ("far", "accuracy_judge") not in found
    assert found["near", "accuracy"] == {1.0}


def test_the_public_domains_are_read_and_a_cap_is_a_fixed_subset(data_dir: Path) -> None:
    def samples() -> list[Any]:
        task = OodReward(OodReward.Options(per_domain=20))
        return list(task.load(DataFiles("ood_reward", root=data_dir, offline=True)))

    first = samples()
    by_slice = {name: sum(sample.slice == name for sample in first) for name in DEFAULT_DOMAINS}
    assert set(by_slice.values()) == {20}
    assert [sample.id for sample in first] == [sample.id for sample in samples()]
    assert len({sample.id for sample in first}) == len(first)


def test_missing_domains_are_noted_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    data = DataFiles("ood_reward", offline=True)
    with pytest.raises(DataError, match="no domain has data"):
        list(OodReward().load(data))
    assert len(data.notes) == len(DEFAULT_DOMAINS)


def test_another_source_of_rewards_keeps_the_judge(planted: Path) -> None:
    roles = options(planted, in_distribution="home", source="dpo").info.roles
    assert [(role.name, role.needs) for role in roles] == [
        ("candidate", "logprobs"), ("reference", "logprobs"), ("judge", "chat"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        {"in_distribution": "nowhere"},
        {"trained_on": "rm"},
        {"trained_on": "rm=nowhere"},
        {"probes": "padded+typo"},
        {"domains": "missing.yaml"},
    ],
)
def test_options_with_typos_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        OodReward(OodReward.Options(**given))  # type: ignore[arg-type]


def test_domains_and_marks_by_hand(tmp_path: Path) -> None:
    config = tmp_path / "domains.yaml"
    config.write_text("a: a.jsonl\nb: {path: b.csv, about_harm: true}\n")
    domains = read_domains(str(config))
    assert (domains["a"].path, domains["b"].about_harm) == ("a.jsonl", True)
    assert trained_on("m=a+b; n=b", "a", domains) == (
        frozenset("a"), {"m": frozenset("ab"), "n": frozenset("b")},
    )  # fmt: skip
    assert chosen_probes("all")[0] == "reworded"
    config.write_text("- a\n")
    with pytest.raises(UsageError, match=r"domains\.yaml"):
        read_domains(str(config))


def test_the_interval_of_a_gap_covers_at_its_level() -> None:
    from evalsuite.stats.intervals import mean_interval

    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        first = mean_interval(rng.random(80) < 0.8, kind="binary")
        second = mean_interval(rng.random(50) < 0.6, kind="binary")
        gap = difference_of_means(first, second, "test")
        assert gap.low is not None
        assert gap.high is not None
        hits += gap.low <= 0.2 <= gap.high
    assert 0.92 <= hits / 400 <= 0.98
