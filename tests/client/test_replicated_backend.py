"""Several replicas behind one label: balanced, and none of their deaths loses a request."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from evalsuite.client.backend import Capability, ChatRequest, Request
from evalsuite.client.replicated_backend import ReplicatedBackend
from evalsuite.errors import ServerGoneError
from evalsuite.records import Completion, Message

QUESTION = ChatRequest(messages=(Message("user", "Hello"),))


class Replica:
    """A backend that the test holds, kills and revives."""

    def __init__(self, name: str, concurrency: int = 8) -> None:
        self.name = name
        self.concurrency = concurrency
        self.capabilities: frozenset[Capability] = frozenset({"chat", "logprobs"})
        self.alive = True
        self.asked = 0
        self.in_flight = 0
        self.most = 0
        self.closed = False

    async def ask(self, request: Request) -> Completion:
        self.asked += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await asyncio.sleep(0)
            if not self.alive:
                raise ServerGoneError(f"{self.name} is gone")
            return Completion(status="ok", text=self.name)
        finally:
            self.in_flight -= 1

    async def probe(self) -> bool:
        return self.alive

    async def aclose(self) -> None:
        self.closed = True


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


def test_requests_go_to_the_least_busy_replica_in_proportion_to_its_size() -> None:
    async def scenario() -> None:
        small, large = Replica("small", 10), Replica("large", 30)
        backend = ReplicatedBackend([small, large])
        assert backend.concurrency == 40
        await asyncio.gather(*(backend.ask(QUESTION) for _ in range(40)))
        assert (small.most, large.most) == (10, 30)
        await backend.aclose()
        assert small.closed
        assert large.closed

    run(scenario())


def test_a_lost_replicas_requests_are_answered_by_the_others() -> None:
    async def scenario() -> None:
        one, two = Replica("one"), Replica("two")
        one.alive = False
        backend = ReplicatedBackend([one, two], first_probe=100.0)
        answers = await asyncio.gather(*(backend.ask(QUESTION) for _ in range(20)))
        assert {answer.text for answer in answers} == {"two"}
        assert backend.healthy == (1,)
        asked_before = one.asked
        await backend.ask(QUESTION)
        assert one.asked == asked_before
        await backend.aclose()

    run(scenario())


def test_a_replica_that_comes_back_is_asked_again() -> None:
    async def scenario() -> None:
        one, two = Replica("one"), Replica("two")
        one.alive = False
        backend = ReplicatedBackend([one, two], first_probe=0.001)
        await backend.ask(QUESTION)
        one.alive = True
        while backend.healthy != (0, 1):
            await asyncio.sleep(0.001)
        answers = await asyncio.gather(*(backend.ask(QUESTION) for _ in range(4)))
        assert {answer.text for answer in answers} == {"one", "two"}
        await backend.aclose()

    run(scenario())


def test_the_model_is_gone_when_no_replica_is_left() -> None:
    async def scenario() -> None:
        replicas = [Replica("one"), Replica("two")]
        for replica in replicas:
            replica.alive = False
        backend = ReplicatedBackend(replicas, first_probe=100.0)
        with pytest.raises(ServerGoneError, match="no replica is left: one is gone; two is gone"):
            await backend.ask(QUESTION)
        assert not await backend.probe()
        replicas[1].alive = True
        assert await backend.probe()
        assert (await backend.ask(QUESTION)).text == "two"
        await backend.aclose()

    run(scenario())


def test_capabilities_are_those_that_all_replicas_have() -> None:
    one, two = Replica("one"), Replica("two")
    two.capabilities = frozenset({"chat"})
    assert ReplicatedBackend([one, two]).capabilities == {"chat"}
    with pytest.raises(ValueError, match="at least one"):
        ReplicatedBackend([])
