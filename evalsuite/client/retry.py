"""Which failures are worth another attempt, how long to wait before it, and when a server counts as gone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""HTTP statuses that may well be different at the next attempt."""

FATAL_STATUSES = frozenset({400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451, 501, 505})
"""HTTP statuses that will be the same again: the request, the key or the address is wrong."""

THROTTLING_STATUSES = frozenset({429, 503, 529})
"""HTTP statuses by which a server asks for less traffic."""

RETRY_AFTER_LIMIT = 120.0
"""Longest `Retry-After` that is obeyed, in seconds; a server asking for more is asked again after this."""

FaultKind = Literal["connection", "timeout", "throttled", "server", "garbled"]
"""Why an attempt is repeated: no connection or a broken one, silence, a request for less traffic, a 5xx, an unreadable
reply."""


def is_retryable_status(status: int) -> bool:
    """Whether another attempt may help; unknown codes count as retryable from 500 upwards."""
    return status in RETRYABLE_STATUSES or (status >= 500 and status not in FATAL_STATUSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently one request is repeated; every bound is finite.

    Args:
        attempts: most attempts when connections fail, the server answers 5xx or its replies cannot be read.
        timeout_attempts: most attempts when the server is silent; each costs a whole read timeout.
        throttled_attempts: most attempts while the server asks for less traffic; waiting is its wish, not a failure.
        base: first back-off ceiling in seconds, doubled with every attempt.
        cap: largest back-off ceiling in seconds.
        deadline: seconds after which a request is not repeated any more, counted from its first attempt.
    """

    attempts: int = 6
    timeout_attempts: int = 3
    throttled_attempts: int = 30
    base: float = 0.5
    cap: float = 20.0
    deadline: float = 1800.0

    def allowance(self, kind: FaultKind) -> int:
        """Most failures of this kind that one request may meet."""
        return {"timeout": self.timeout_attempts, "throttled": self.throttled_attempts}.get(kind, self.attempts)

    def backoff(self, failures: int, rng: random.Random, retry_after: float | None = None) -> float:
        """Seconds to wait after the `failures`-th failure (1-based): exponential with full jitter, never less than what
        the server asked for (Brooker, "Exponential Backoff and Jitter", 2015)."""
        ceiling = min(self.cap, self.base * 2.0 ** min(failures - 1, 32))
        return (retry_after or 0.0) + rng.uniform(0.0, ceiling)


class Attempts:
    """The attempts of one request, counted by what went wrong; `started` is the clock at the first one."""

    __slots__ = ("_clock", "_failures", "_policy", "_started", "total")

    def __init__(self, policy: RetryPolicy, started: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._started = started
        self._failures: dict[FaultKind, int] = {}
        self.total = 0

    def delay_after(self, kind: FaultKind, rng: random.Random, retry_after: float | None = None) -> float | None:
        """Seconds to wait before the next attempt, or None when this request has had all its attempts."""
        self.total += 1
        count = self._failures[kind] = self._failures.get(kind, 0) + 1
        if count >= self._policy.allowance(kind):
            return None
        delay = self._policy.backoff(count, rng, retry_after)
        if self._clock() - self._started + delay > self._policy.deadline:
            return None
        return delay


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds a `Retry-After` header asks for (RFC 9110, 10.2.3: delta-seconds or an HTTP date).

    Bounded to [0, `RETRY_AFTER_LIMIT`]; None when the header is absent or unreadable.
    """
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    if seconds != seconds:
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)
