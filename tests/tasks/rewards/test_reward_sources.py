from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_scripting import RewardContext

from evalsuite.records import Completion, Message, TokenLogprob, Verdict
from evalsuite.tasks.rewards.sources import (
    RewardOptions,
    difference,
    finite,
    of_logprobs,
    of_rating,
    of_score,
    read_reward,
)

PROMPT = (Message("user", "Why?"),)


def logprobs(*values: float | None, status: str = "ok") -> Completion:
    return Completion(status=status, prompt_logprobs=tuple(TokenLogprob("x", value) for value in values))  # type: ignore[arg-type]


def read(answer: Any, **options: Any) -> Any:
    context = RewardContext(answer, {"candidate": ("policy",), "reference": ("base",)})
    return asyncio.run(read_reward(context, PROMPT, "Because of that", RewardOptions(**options)))  # type: ignore[arg-type]


def test_dpo_is_the_sum_of_log_ratios_of_policy_and_reference() -> None:
    reading = read(lambda who, prompt, reply: -1.0 if who == "candidate" else -1.5, source="dpo")
    assert reading.value == pytest.approx(3 * 0.5)


def test_the_end_of_text_counts_when_it_is_given() -> None:
    assert read(lambda *asked: -1.0, source="policy_sum").value == -3.0
    assert read(lambda *asked: -1.0, source="policy_sum", end_of_text=" </s>").value == -4.0


@pytest.mark.parametrize(("source", "value"), [("policy_sum", -7.0), ("policy_mean", -3.5), ("policy_norm", -5.0)])
def test_reference_free_variants(source: Any, value: float) -> None:
    assert of_logprobs(logprobs(-3.0, -4.0), source).value == pytest.approx(value)


@pytest.mark.parametrize("completion", [logprobs(), logprobs(-1.0, None), logprobs(-math.inf), Completion(status="ok")])
def test_logprobs_that_are_missing_or_infinite_are_unparsed(completion: Completion) -> None:
    reading = of_logprobs(completion, "policy_sum")
    assert (reading.value, reading.status) == (None, "unparsed")


def test_a_failure_of_policy_or_reference_is_a_failure_of_both() -> None:
    failed = Completion(status="error", error="500")
    for broken in ("candidate", "reference"):
        reading = read(lambda who, prompt, reply, broken=broken: failed if who == broken else -1.0, source="dpo")
        assert (reading.value, reading.status) == (None, "error")


def test_a_generative_judge_rates_from_one_to_ten() -> None:
    assert read(lambda *asked: Completion(status="ok", text="Fair. [[7]]"), source="rating").value == 7.0
    assert read(lambda *asked: Completion(status="ok", text="no idea"), source="rating").status == "unparsed"
    assert of_rating(Verdict(status="truncated", judge="j")).value is None


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none())
def test_a_reading_has_a_finite_value_exactly_when_it_is_ok(value: float | None) -> None:
    for reading in (finite(value), of_score(Completion(status="ok", reward=value))):
        assert (reading.value is not None) == (reading.status == "ok")
        assert reading.value is None or math.isfinite(reading.value)


def test_the_difference_keeps_the_first_reason() -> None:
    assert difference(finite(math.nan), finite(1.0)).status == "unparsed"
    assert difference(finite(3.0), finite(1.0)).value == 2.0
