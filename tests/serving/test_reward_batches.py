"""Rewards of a tiny random model in this process: batches, padding and half precision change nothing that matters."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tiny_reward_model import WORDS, tiny_reward_model

from evalsuite.client.backend import RewardRequest
from evalsuite.progress import SILENT
from evalsuite.records import Message
from evalsuite.serving import hf_batches
from evalsuite.serving.serve import serve
from evalsuite.serving.spec import parse_spec


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_reward_model(tmp_path_factory.mktemp("tiny-reward"))


def conversations(count: int) -> list[RewardRequest]:
    rng = random.Random(0)

    def text() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(1, 120)))

    return [RewardRequest(messages=(Message("user", text()), Message("assistant", text()))) for _ in range(count)]


def rewards(spec: str, requests: list[RewardRequest]) -> list[float]:
    async def run() -> list[float | None]:
        async with serve(parse_spec(spec), frozenset({"reward"}), SILENT, None) as backend:
            return [answer.reward for answer in await asyncio.gather(*(backend.ask(request) for request in requests))]

    values = [value for value in asyncio.run(run()) if value is not None]
    assert len(values) == len(requests)
    return values


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_scores_are_the_same_at_every_batch_size(tiny: Path, batch_size: int) -> None:
    requests = conversations(40)
    alone = [value for request in requests for value in rewards(f"hf:{tiny}", [request])]
    together = rewards(f"hf:{tiny},batch_size={batch_size}", requests)
    assert together == pytest.approx(alone, abs=1e-4)
    assert max(alone) - min(alone) > 0.1


@pytest.mark.parametrize("tokens", [64, 300, 100_000])
def test_scores_are_the_same_at_every_token_budget(tiny: Path, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = conversations(40)
    expected = rewards(f"hf:{tiny}", requests)
    monkeypatch.setattr(hf_batches, "TOKENS_PER_BATCH", tokens)
    assert rewards(f"hf:{tiny}", requests) == pytest.approx(expected, abs=1e-4)


def test_a_half_precision_model_keeps_its_scores_apart(tiny: Path) -> None:
    torch = pytest.importorskip("torch")
    values = rewards(f"hf:{tiny},dtype=bfloat16", conversations(40))
    rounded = torch.tensor(values).bfloat16().float().tolist()
    assert all(value != coarse for value, coarse in zip(values, rounded, strict=True))
    assert len(set(values)) == len(values)


def test_conversations_of_the_same_tokens_tie_exactly_also_at_the_edge_of_a_batch(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf_batches, "TOKENS_PER_BATCH", 300)
    requests = conversations(30)
    twins = [
        RewardRequest(messages=(*request.messages[:-1], Message("assistant", f"{request.messages[-1].content} {word}")))
        for request in requests
        for word in ("elsewhere", "otherwise")  # words that the tokenizer does not know
    ]
    values = rewards(f"hf:{tiny}", twins)
    assert values[0::2] == values[1::2]
    assert len(set(values)) == len(requests)
