"""When a server counts as gone, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from evalsuite.client.health import CONNECTION_FAILURES, GRACE_SECONDS, ServerHealth
from evalsuite.errors import ServerGoneError


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


class Server:
    """A probed server and a clock that the test moves."""

    def __init__(self, answers: bool, is_alive: Callable[[], bool] | None = None) -> None:
        self.answers = answers
        self.probes = 0
        self.now = 0.0
        self.health = ServerHealth("mock", self.probe, is_alive, clock=lambda: self.now)

    async def probe(self) -> bool:
        self.probes += 1
        return self.answers


async def refuse(server: Server, times: int) -> None:
    for _ in range(times):
        await server.health.failed("connection", "connection refused")
        server.now += 1.0


def test_a_server_that_refuses_everybody_for_longer_than_the_grace_is_gone() -> None:
    async def scenario() -> None:
        server = Server(answers=False)
        with pytest.raises(ServerGoneError, match=r"mock stopped answering: connection refused.*resumes"):
            await refuse(server, CONNECTION_FAILURES + int(GRACE_SECONDS))
        assert server.probes == 1
        with pytest.raises(ServerGoneError):
            server.health.check()

    run(scenario())


def test_one_burst_of_resets_is_survived() -> None:
    async def scenario() -> None:
        server = Server(answers=False)
        for _ in range(10 * CONNECTION_FAILURES):
            await server.health.failed("connection", "reset")
        server.health.check()

    run(scenario())


def test_any_answer_resets_the_count() -> None:
    async def scenario() -> None:
        server = Server(answers=False)
        for _ in range(20):
            await refuse(server, CONNECTION_FAILURES - 1)
            server.health.succeeded()
        server.health.check()

    run(scenario())


def test_a_suspected_server_that_answers_the_probe_is_not_gone() -> None:
    async def scenario() -> None:
        server = Server(answers=True)
        await server.health.suspect("HTTP 500", server.health.successes)
        assert server.probes == 1
        server.health.check()

    run(scenario())


def test_nobody_is_probed_when_somebody_was_answered_meanwhile() -> None:
    async def scenario() -> None:
        server = Server(answers=False)
        before = server.health.successes
        server.health.succeeded()
        await server.health.suspect("HTTP 500", before)
        assert server.probes == 0

    run(scenario())


def test_a_dead_process_ends_it_at_the_first_failure() -> None:
    async def scenario() -> None:
        server = Server(answers=True, is_alive=lambda: False)
        with pytest.raises(ServerGoneError, match="process of mock ended"):
            await server.health.failed("connection", "refused")
        assert server.probes == 0

    run(scenario())


def test_those_who_wait_for_their_next_attempt_wake_when_the_server_goes() -> None:
    async def scenario() -> None:
        server = Server(answers=False)
        sleepers = [asyncio.ensure_future(server.health.sleep(1000.0)) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(ServerGoneError):
            await server.health.suspect("refused", server.health.successes)
        outcomes = await asyncio.gather(*sleepers, return_exceptions=True)
        assert all(isinstance(outcome, ServerGoneError) for outcome in outcomes)

    run(scenario())


def test_a_server_that_comes_back_is_asked_again() -> None:
    async def scenario() -> None:
        server = Server(answers=False)
        with pytest.raises(ServerGoneError):
            await server.health.suspect("refused", 0)
        assert not await server.health.revive()
        server.answers = True
        assert await server.health.revive()
        server.health.check()

    run(scenario())
