"""Which failures are repeated, how long the waits are, and that every bound is finite."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.client.retry import (
    FATAL_STATUSES,
    RETRY_AFTER_LIMIT,
    RETRYABLE_STATUSES,
    Attempts,
    RetryPolicy,
    is_retryable_status,
    parse_retry_after,
)

NOW = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529, 599])
def test_overload_and_server_faults_are_retried(status: int) -> None:
    assert is_retryable_status(status)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 418, 422, 501])
def test_wrong_requests_and_wrong_keys_are_not_retried(status: int) -> None:
    assert not is_retryable_status(status)


def test_no_status_is_both_retryable_and_fatal() -> None:
    assert not RETRYABLE_STATUSES & FATAL_STATUSES


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("Sun, 01 Jun 2025 12:00:30 GMT", 30.0),
        ("Sun, 01 Jun 2025 11:00:00 GMT", 0.0),
        ("999999", RETRY_AFTER_LIMIT),
        ("Mon, 01 Jun 2099 12:00:30 GMT", RETRY_AFTER_LIMIT),
        ("inf", RETRY_AFTER_LIMIT),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_and_bounded(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


@given(st.text())
def test_any_retry_after_header_gives_a_bounded_wait_or_none(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_LIMIT


@given(st.integers(1, 10_000), st.integers(0, 2**32), st.none() | st.floats(0, RETRY_AFTER_LIMIT))
def test_backoff_has_full_jitter_under_a_cap_and_never_undercuts_the_server(
    failures: int, seed: int, retry_after: float | None
) -> None:
    policy = RetryPolicy(base=0.5, cap=20.0)
    wait = policy.backoff(failures, random.Random(seed), retry_after)
    asked = retry_after or 0.0
    assert asked <= wait <= asked + min(20.0, 0.5 * 2 ** min(failures - 1, 32))


def test_jitter_spreads_over_the_whole_interval() -> None:
    rng = random.Random(0)
    waits = [RetryPolicy(base=1.0, cap=8.0).backoff(4, rng) for _ in range(2000)]
    assert min(waits) < 0.1
    assert max(waits) > 7.9
    assert abs(sum(waits) / len(waits) - 4.0) < 0.2


def test_attempts_are_bounded_for_each_kind_of_fault() -> None:
    policy = RetryPolicy(attempts=6, timeout_attempts=3, throttled_attempts=30)
    rng = random.Random(0)
    for kind, bound in (("server", 6), ("garbled", 6), ("connection", 6), ("timeout", 3), ("throttled", 30)):
        attempts = Attempts(policy, started=0.0, clock=lambda: 0.0)
        delays = [attempts.delay_after(kind, rng) for _ in range(bound)]  # type: ignore[arg-type]
        assert delays[-1] is None
        assert None not in delays[:-1]


def test_no_attempt_starts_after_the_deadline() -> None:
    now = 0.0
    attempts = Attempts(RetryPolicy(deadline=60.0, throttled_attempts=1000), started=now, clock=lambda: now)
    rng = random.Random(0)
    sent = 0
    while (delay := attempts.delay_after("throttled", rng, retry_after=10.0)) is not None:
        now += delay
        sent += 1
    assert now <= 60.0
    assert 2 <= sent <= 5
