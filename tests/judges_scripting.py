"""A scripted judge context: each question is answered by a function of role and text, without engine, server or store."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from evalsuite.records import Completion, GenerationParams, Message

Answer = str | float | Completion


class ScriptedContext:
    """Implements `api.Context`.

    Args:
        answers: role → function of the last message's text that gives a text, a reward, or a whole `Completion`.
        seed: of `rng`.
        labels: role → labels, when a role is played by other than one model named like the role.
    """

    def __init__(
        self,
        answers: Mapping[str, Callable[[str], Answer]],
        *,
        seed: int = 0,
        labels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._answers = answers
        self._labels = {role: (role,) for role in answers} | dict(labels or {})
        self.rng = random.Random(seed)
        self.asked: list[tuple[str, str]] = []
        self.options: list[dict[str, Any]] = []

    def labels(self, role: str) -> tuple[str, ...]:
        return self._labels.get(role, ())

    async def chat(
        self, role: str, messages: Sequence[Message], params: GenerationParams | None = None, **options: Any
    ) -> Completion:
        self.options.append({"params": params, **options})
        return self._say(role, messages[-1].content)

    async def complete(
        self, role: str, prompt: str, params: GenerationParams | None = None, **options: Any
    ) -> Completion:
        return self._say(role, prompt)

    async def logprobs(
        self, role: str, prompt: str | Sequence[Message], continuation: str, *, index: int = 0
    ) -> Completion:
        return self._say(role, continuation)

    async def reward(self, role: str, conversation: Sequence[Message], *, index: int = 0) -> Completion:
        return self._say(role, conversation[-1].content)

    async def gather(self, *asks: Awaitable[Any]) -> list[Any]:
        return list(await asyncio.gather(*asks))

    def _say(self, role: str, text: str) -> Completion:
        self.asked.append((role, text))
        answer = self._answers[role](text)
        if isinstance(answer, Completion):
            return answer
        if isinstance(answer, float):
            return Completion(status="ok", reward=answer, fingerprint=f"{role}-{len(self.asked)}")
        return Completion(status="ok" if answer else "empty", text=answer, fingerprint=f"{role}-{len(self.asked)}")


def shown(prompt: str, side: str) -> str:
    """The text of answer `side` (A or B) in a rendered pairwise prompt."""
    after = prompt.split(f"<<<answer {side} ", 1)[1].split(">>>\n", 1)[1]
    return after.split("\n<<<end of answer", 1)[0]
