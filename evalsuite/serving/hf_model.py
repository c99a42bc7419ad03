"""`hf:` models: transformers in this process, for small models and for reward models without a server.

Requests wait in a queue; a worker takes what has gathered, groups it by kind and runs each group as batches in one thread, so
that the event loop stays free and torch is never entered twice at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from evalsuite.client.backend import (
    Capability,
    ChatRequest,
    LogprobRequest,
    PromptRequest,
    Request,
    RewardRequest,
)
from evalsuite.errors import CapabilityError, MissingDependencyError
from evalsuite.progress import Progress
from evalsuite.records import Completion
from evalsuite.serving.identity import resolve_checkpoint
from evalsuite.serving.spec import ModelSpec, number

if TYPE_CHECKING:
    from evalsuite.serving.hf_inference import HfModel

BATCH_SIZE = 8
"""Default number of requests generated together; `batch_size=` changes it."""

SCORING_FACTOR = 8
"""How many times more requests are taken at once for scoring, so that similar lengths meet in a batch."""


class HfBackend:
    """In-process weights as a `Backend`."""

    def __init__(self, model: HfModel, *, reward: bool, batch_size: int = BATCH_SIZE) -> None:
        self._model = model
        self._reward = reward
        self._batch_size = batch_size
        self._waiting: asyncio.Queue[tuple[Request, asyncio.Future[Completion]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evalsuite-hf")
        self._worker = asyncio.create_task(self._work())

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({"reward"}) if self._reward else frozenset({"chat", "logprobs"})

    @property
    def concurrency(self) -> int:
        return self._batch_size * SCORING_FACTOR

    async def ask(self, request: Request) -> Completion:
        if isinstance(request, RewardRequest) is not self._reward:
            able = ", ".join(sorted(self.capabilities))
            return Completion(status="error", error=f"this model was loaded for {able} only")
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((request, future))
        return await future

    async def aclose(self) -> None:
        self._worker.cancel()
        with suppress(asyncio.CancelledError):
            await self._worker
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            items = [await self._waiting.get()]
            await asyncio.sleep(0)  # whoever is about to ask joins this batch
            while not self._waiting.empty() and len(items) < self.concurrency:
                items.append(self._waiting.get_nowait())
            for kind, size in (
                (RewardRequest, self.concurrency),
                (LogprobRequest, self.concurrency),
                ((ChatRequest, PromptRequest), self._batch_size),
            ):
                # A request whose asker has given up meanwhile is not worth computing.
                group = [item for item in items if isinstance(item[0], kind) and not item[1].done()]
                for start in range(0, len(group), size):
                    batch = group[start : start + size]
                    answers = await loop.run_in_executor(self._thread, self._run, [item[0] for item in batch])
                    for (_, future), answer in zip(batch, answers, strict=True):
                        if not future.done():
                            future.set_result(answer)

    def _run(self, requests: Sequence[Request]) -> list[Completion]:
        """One batch; when it fails as a whole, its requests one by one, so that only the culprit is lost."""
        try:
            return self._answers(requests)
        except Exception as error:  # whatever a model's code raises concerns this request and is told in its status
            if len(requests) > 1:
                return [answer for request in requests for answer in self._run([request])]
            return [Completion(status="error", error=f"transformers failed: {type(error).__name__}: {error}"[:500])]

    def _answers(self, requests: Sequence[Any]) -> list[Completion]:
        match requests[0]:
            case RewardRequest():
                return self._model.rewards(requests)
            case LogprobRequest():
                return self._model.score(requests)
            case _:
                return self._model.generate(requests)


@asynccontextmanager
async def serve_hf(spec: ModelSpec, needs: frozenset[Capability], progress: Progress) -> AsyncIterator[HfBackend]:
    """Load a model into this process for as long as it is needed.

    Raises:
        MissingDependencyError: torch or transformers is not installed.
        CapabilityError: rewards and text are both needed of one checkpoint.
        ServingError: the checkpoint cannot be loaded.
    """
    reward = "reward" in needs
    if reward and len(needs) > 1:
        raise CapabilityError(
            f"{spec.redacted!r} cannot both score rewards and generate: give two SPECs with two labels"
        )
    with progress.stage(f"load {spec.label}"):
        model = await asyncio.to_thread(_load, spec, reward, progress.log)
    backend = HfBackend(model, reward=reward, batch_size=max(1, int(number(spec, "batch_size", BATCH_SIZE))))
    try:
        yield backend
    finally:
        await backend.aclose()


def _load(spec: ModelSpec, reward: bool, log: Callable[[str], None]) -> HfModel:
    try:
        from evalsuite.serving.hf_inference import HfModel
    except ImportError as error:
        missing = MissingDependencyError.for_extra(f"{spec.scheme}: models", "hf")
        raise missing from error
    folder, revision = resolve_checkpoint(spec)
    target = str(folder) if folder is not None and revision is None else spec.target
    return HfModel(spec, target, revision, reward=reward, log=log)
