"""A judge that is itself one of the contenders is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from replay_stage import Stage

import evalsuite
from evalsuite.engine.contenders import family_of, same_weights
from evalsuite.engine.plan import Model
from evalsuite.engine.run import RunOutcome
from evalsuite.serving.families import model_family
from evalsuite.serving.identity import Identity
from evalsuite.serving.spec import parse_spec

RunDuel = Callable[..., RunOutcome]


def identity(digest: str, **details: Any) -> Identity:
    return Identity(digest=digest, details=details)


def checkpoint(digest: str, weights: str, **details: Any) -> Identity:
    return identity(digest, checkpoint={"weights": weights, "files": 1}, **details)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (checkpoint("a", "w1", kind="hf"), checkpoint("b", "w1", kind="vllm"), True),
        (checkpoint("a", "w1"), checkpoint("b", "w2"), False),
        (checkpoint("a", "w1"), checkpoint("b", "w1", adapter={"weights": "lora"}), False),
        (identity("a", hub="org/model@1"), identity("b", hub="org/model@1"), True),
        (identity("a", kind="http", weights="m-7b"), identity("b", kind="http", weights="m-7b"), True),
        (identity("a", hub="org/model@1"), checkpoint("b", "w1"), None),
        (identity("a", kind="http"), identity("b", kind="http"), None),
        (identity("a", kind="openai"), identity("a", kind="openai"), True),
    ],
)
def test_weights_are_compared_however_they_are_served(one: Identity, other: Identity, same: bool | None) -> None:
    assert same_weights(one, other) is same


def verdicts(outcome: RunOutcome) -> dict[str, str]:
    audits = evalsuite.load(outcome.directory).audits
    found = audits[audits["name"] == "judge_is_contender"]
    return dict(zip(found["subject"], found["verdict"], strict=True))


def test_a_judge_that_is_the_candidate_or_the_baseline_is_a_warning(run_duel: RunDuel, stage: Stage) -> None:
    found = verdicts(run_duel(judges=("referee=vllm:good", "other=vllm:other")))
    assert found == {
        "referee on good": "warn",
        "referee on base": "info",
        "other on good": "info",
        "other on base": "info",
    }


@pytest.mark.parametrize(
    ("spec", "family"),
    [
        ("judge=vllm:models/Qwen2.5-7B-Instruct", "qwen"),
        ("judge=http://localhost:8000/v1#meta-llama/Llama-3.1-8B", "llama"),
        ("vicuna=vllm:models/stage-3", "llama"),
        ("judge=openai:o1-mini", "gpt"),
        ("judge=vllm:models/stage-3", None),
    ],
)
def test_a_family_is_known_by_what_the_spec_names_before_its_label(spec: str, family: str | None) -> None:
    parsed = parse_spec(spec)
    assert family_of(Model(label=parsed.label, spec=parsed, identity=identity("x"))) == family


def test_families_are_told_by_name() -> None:
    assert model_family("Qwen/Qwen2.5-7B-Instruct") == model_family("qwen-judge") == "qwen"
    assert model_family("gpt-4o") == model_family("o1-mini") == "gpt"
    assert model_family("my-checkpoint") is None


def test_a_judge_of_a_contenders_family_is_a_warning_even_under_a_plain_label(run_duel: RunDuel) -> None:
    outcome = run_duel(models=("ours=vllm:qwen-7b-dpo",), judges=("judge=vllm:Qwen2.5-72B",))
    audits = evalsuite.load(outcome.directory).audits
    found = audits[audits["name"] == "self_family"]
    assert list(found["subject"]) == ["judge on ours"]
    assert list(found["verdict"]) == ["warn"]
