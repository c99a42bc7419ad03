"""A real vLLM server on real weights: what it answers, that transformers agrees, and that it never outlives evalsuite."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from evalsuite.client.backend import Capability, ChatRequest, LogprobRequest, PromptRequest
from evalsuite.client.http_backend import HttpBackend
from evalsuite.errors import CapabilityError, ServerGoneError, ServerStartError, ServingError
from evalsuite.progress import SILENT
from evalsuite.records import Completion, GenerationParams, Message
from evalsuite.serving.parity import compare_rewards, reference_rewards, reference_spec, served_rewards
from evalsuite.serving.parity_conversations import PARITY_REQUESTS
from evalsuite.serving.serve import serve
from evalsuite.serving.spec import parse_spec
from evalsuite.serving.vllm_server import VllmServer, vllm_server

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]

T = TypeVar("T")
R = TypeVar("R")
GENERATE: frozenset[Capability] = frozenset({"chat", "logprobs"})
QUESTION = (Message("user", "What is the capital of France?"),)


class Open(Generic[T]):
    """An asynchronous context that stays open over several tests, on a loop of its own."""

    def __init__(self, context: AbstractAsyncContextManager[T]) -> None:
        self._runner = asyncio.Runner()
        self._context = context
        try:
            self.value = self._runner.run(context.__aenter__())
        except BaseException:
            self._runner.close()
            raise

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.run(self._context.__aexit__(None, None, None))  # type: ignore[arg-type]
        self._runner.close()


@pytest.fixture(scope="module")
def generating(
    smollm2: Path, adapters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Open[VllmServer]]:
    spec = parse_spec(f"tuned=vllm:{smollm2},lora={adapters['one']}")
    opened = Open(vllm_server(spec, GENERATE, SILENT, tmp_path_factory.mktemp("logs")))
    yield opened
    opened.close()


def ask(opened: Open[VllmServer], request: Any, served_name: str = "base") -> Completion:
    from dataclasses import replace

    async def run() -> Completion:
        backend = HttpBackend(replace(opened.value.endpoint, served_name=served_name))
        try:
            return await backend.ask(request)
        finally:
            await backend.aclose()

    return opened.run(run())


def in_process(spec: str, *requests: Any) -> list[Completion]:
    async def run() -> list[Completion]:
        needs: frozenset[Capability] = frozenset({"chat"})
        async with serve(parse_spec(spec), needs, SILENT, None) as backend:
            return list(await asyncio.gather(*(backend.ask(request) for request in requests)))

    return asyncio.run(run())


def test_it_chats(generating: Open[VllmServer]) -> None:
    answer = ask(generating, ChatRequest(messages=QUESTION, params=GenerationParams(max_tokens=24)))
    assert answer.status == "ok"
    assert "Paris" in answer.text
    assert answer.completion_tokens is not None


def test_a_choice_is_enforced(generating: Open[VllmServer]) -> None:
    answer = ask(generating, ChatRequest(messages=QUESTION, choices=("Rome", "Oslo")))
    assert answer.text in ("Rome", "Oslo")


def test_greedy_text_and_prompt_logprobs_are_those_of_transformers(generating: Open[VllmServer], smollm2: Path) -> None:
    requests = [
        ChatRequest(messages=QUESTION, params=GenerationParams(max_tokens=12)),
        PromptRequest(prompt="The capital of France is", params=GenerationParams(max_tokens=8)),
        LogprobRequest(prompt="The capital of France is", continuation=" Paris, of course."),
        LogprobRequest(messages=QUESTION, continuation="It is Paris."),
    ]
    local = in_process(f"hf:{smollm2}", *requests)
    served = [ask(generating, request) for request in requests]
    assert [answer.text for answer in served[:2]] == [answer.text for answer in local[:2]]
    for ours, theirs in zip(served[2:], local[2:], strict=True):
        assert ours.prompt_logprobs is not None
        assert theirs.prompt_logprobs is not None
        assert [t.token for t in ours.prompt_logprobs] == [t.token for t in theirs.prompt_logprobs]
        for a, b in zip(ours.prompt_logprobs, theirs.prompt_logprobs, strict=True):
            assert a.logprob == pytest.approx(b.logprob, abs=1e-3)
            assert a.rank == b.rank


def test_adapters_are_served_under_their_names_and_loaded_while_it_runs(
    generating: Open[VllmServer], adapters: dict[str, Path], smollm2: Path
) -> None:
    request = LogprobRequest(prompt="The capital of France is", continuation=" Paris.")
    totals = {"base": total(ask(generating, request)), "tuned": total(ask(generating, request, "tuned"))}
    generating.run(generating.value.load_lora("second", adapters["two"]))
    totals["second"] = total(ask(generating, request, "second"))
    expected = [
        total(in_process(spec, request)[0])
        for spec in (f"hf:{smollm2}", *(f"hf:{smollm2},lora={adapters[name]}" for name in ("one", "two")))
    ]
    assert list(totals.values()) == pytest.approx(expected, abs=1e-2)
    assert len({round(value, 3) for value in totals.values()}) == 3


def test_the_base_model_answers_alike_alone_and_beside_an_adapter(generating: Open[VllmServer]) -> None:
    from dataclasses import replace

    request = LogprobRequest(prompt="The capital of France is", continuation=" Paris.")
    alone = {name: total(ask(generating, request, name)) for name in ("base", "tuned")}

    async def together() -> list[Completion]:
        names = ["base", "tuned"] * 8
        backends = {name: HttpBackend(replace(generating.value.endpoint, served_name=name)) for name in alone}
        try:
            return list(await asyncio.gather(*(backends[name].ask(request) for name in names)))
        finally:
            for backend in backends.values():
                await backend.aclose()

    answers = generating.run(together())
    assert [total(answer) for answer in answers] == pytest.approx([alone["base"], alone["tuned"]] * 8, abs=1e-2)


def test_an_adapter_that_changes_nothing_is_reported(generating: Open[VllmServer], adapters: dict[str, Path]) -> None:
    with pytest.raises(ServingError, match="answers exactly like the base model"):
        generating.run(generating.value.load_lora("empty", adapters["empty"]))


def test_nobody_else_gets_in_and_no_command_line_shows_the_key(generating: Open[VllmServer]) -> None:
    from dataclasses import replace

    key = generating.value.endpoint.api_key
    assert key is not None
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert key not in shown

    async def with_wrong_key() -> Completion:
        backend = HttpBackend(replace(generating.value.endpoint, api_key="wrong"))
        try:
            return await backend.ask(ChatRequest(messages=QUESTION))
        finally:
            await backend.aclose()

    assert generating.run(with_wrong_key()).status == "error"


def test_a_generating_server_does_not_score_rewards(smollm2: Path) -> None:
    async def run() -> None:
        async with serve(parse_spec(f"vllm:{smollm2}"), frozenset({"reward"}), SILENT, None):
            pass

    # A causal checkpoint has no reward head: the pooling server either does not start with it, or has no such route.
    with pytest.raises((CapabilityError, ServerStartError)):
        asyncio.run(run())


def test_rewards_are_raw_logits_equal_to_transformers(reward_model: Path) -> None:
    from dataclasses import replace

    async def run() -> None:
        spec = parse_spec(f"vllm:{reward_model}")
        reference = await reference_rewards(reference_spec(spec), PARITY_REQUESTS, SILENT)
        async with serve(spec, frozenset({"reward"}), SILENT, None) as backend:
            served = await served_rewards(spec, backend, PARITY_REQUESTS)
            parity = compare_rewards(spec, served, reference)
            assert parity.largest_difference < 1e-4
            assert parity.reversed_pairs == 0
            values = [answer.reward or 0.0 for answer in served]
            assert len({round(value, 6) for value in values}) == len(PARITY_REQUESTS)
            assert any(not 0 <= value <= 1 for value in values)
            assert isinstance(backend, HttpBackend)
            pooling = HttpBackend(replace(backend.endpoint, reward_route="pooling"))
            answer = await pooling.ask(PARITY_REQUESTS[3])
            await pooling.aclose()
            assert answer.reward == pytest.approx(reference[3].reward, abs=1e-4)

    asyncio.run(run())


def test_a_server_killed_in_the_middle_ends_the_run_clearly(smollm2: Path, tmp_path: Path) -> None:
    async def run() -> float:
        async with vllm_server(parse_spec(f"vllm:{smollm2}"), GENERATE, SILENT, tmp_path) as server:
            backend = HttpBackend(server.endpoint, is_alive=server.process.is_alive)
            asks = [
                backend.ask(
                    ChatRequest(messages=QUESTION, params=GenerationParams(max_tokens=400, temperature=2.0, seed=n))
                )
                for n in range(8)
            ]
            work = asyncio.gather(*asks)
            while backend.in_flight < 8:
                await asyncio.sleep(0)
            children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
            os.kill(int(children.split()[0]), signal.SIGKILL)
            killed = time.monotonic()
            with pytest.raises(ServerGoneError, match="the same command resumes the run"):
                await work
            took = time.monotonic() - killed
            await backend.aclose()
        return took

    assert asyncio.run(run()) < 60


def test_log_probabilities_of_many_prompts_at_once_beside_an_adapter(generating: Open[VllmServer]) -> None:
    from dataclasses import replace

    prompts = [LogprobRequest(prompt="The capital of France is", continuation=f" Paris{end}") for end in ".,!?"]

    async def run(served_name: str) -> list[Completion]:
        backend = HttpBackend(replace(generating.value.endpoint, served_name=served_name))
        try:
            return list(await asyncio.gather(*(backend.ask(request) for request in prompts)))
        finally:
            await backend.aclose()

    base, tuned = generating.run(run("base")), generating.run(run("tuned"))
    assert [answer.status for answer in (*base, *tuned)] == ["ok"] * 8
    assert [answer.prompt_logprobs for answer in base] != [answer.prompt_logprobs for answer in tuned]


def test_nothing_is_left_after_kill_9_of_evalsuite(smollm2: Path, tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from evalsuite.progress import SILENT
from evalsuite.serving.spec import parse_spec
from evalsuite.serving.vllm_server import vllm_server
async def main():
    async with vllm_server(parse_spec({f"vllm:{smollm2}"!r}), frozenset({{"chat"}}), SILENT, Path({str(tmp_path)!r})) as server:
        print(server.process.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    evalsuite = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert evalsuite.stdout is not None
    try:
        watchdog = int(evalsuite.stdout.readline())
        family = [watchdog, *descendants(watchdog)]
        assert len(family) >= 3  # watchdog, API server, engine
        evalsuite.kill()
        deadline = time.monotonic() + 60
        while any(alive(pid) for pid in family) and time.monotonic() < deadline:
            os.sched_yield()
        assert [pid for pid in family if alive(pid)] == []
    finally:
        evalsuite.kill()
        evalsuite.wait()
        evalsuite.stdout.close()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(smollm2: Path) -> None:
    async def run() -> None:
        async with serve(parse_spec(f"vllm:{smollm2},no_such_flag=1"), frozenset({"chat"}), SILENT, None):
            pass

    with pytest.raises(ServerStartError, match="no-such-flag"):
        asyncio.run(run())


def total(answer: Completion) -> float:
    assert answer.prompt_logprobs is not None, answer.error
    return math.fsum(token.logprob or 0.0 for token in answer.prompt_logprobs)


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [below for child in children for below in descendants(int(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
