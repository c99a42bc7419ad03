"""Pairs per second of in-process reward scoring beside the plain loop of the `rewardbench` package, in one run.

    python benchmarks/reward_scoring.py .demo/reward-hh --pairs 64        # HH from $EVALSUITE_DATA or the hub

The plain loop is the package's default pipeline (0.1.4, `rewardbench.py` and `models/pipeline.py`) written out here, because
the package moves its inputs to `cuda` unconditionally: pairs in the order given, eight at a time, the chosen side and the
rejected side each in a batch padded on the left to its longest conversation, truncated at 2048 tokens. Both sides use float32,
the same weights, template and threads, and loading is not timed. The ratio is the result; absolute figures belong to the
machine. Exits with 1 when the ratio is below 1.5 or two scores differ by more than 1e-4.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from turns import read_pairs, reward_arguments, take_turns

from evalsuite.client.backend import RewardRequest
from evalsuite.progress import SILENT
from evalsuite.records import Message
from evalsuite.serving.hf_model import HfBackend, serve_hf
from evalsuite.serving.spec import parse_spec
from evalsuite.tasks.preferences import PreferencePair

TARGET = 1.5
PLAIN_BATCH = 8
PLAIN_MAX_TOKENS = 2048

Conversation = tuple[Message, ...]


class PlainLoop:
    """What the `rewardbench` package does with a sequence classifier."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self.model: Any = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()

    def score(self, pairs: Sequence[tuple[Conversation, Conversation]]) -> list[float]:
        """Scores of chosen and rejected, in turn."""
        texts = [tuple(self._render(conversation) for conversation in pair) for pair in pairs]
        scores = []
        for start in range(0, len(texts), PLAIN_BATCH):
            batch = texts[start : start + PLAIN_BATCH]
            chosen, rejected = (self._rewards([texts[side] for texts in batch]) for side in (0, 1))
            scores += [score for both in zip(chosen, rejected, strict=True) for score in both]
        return scores

    def _render(self, conversation: Conversation) -> str:
        turns = [{"role": message.role, "content": message.content} for message in conversation]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False))

    @torch.no_grad()
    def _rewards(self, texts: Sequence[str]) -> list[float]:
        inputs = self.tokenizer(
            texts, truncation=True, max_length=PLAIN_MAX_TOKENS, padding=True, add_special_tokens=False,
            return_tensors="pt",
        )  # fmt: skip
        values: list[float] = self.model(**inputs).logits[:, 0].tolist()
        return values


async def ours(backend: HfBackend, pairs: Sequence[tuple[Conversation, Conversation]]) -> list[float]:
    """The same scores from the in-process backend."""
    requests = [RewardRequest(messages=conversation) for pair in pairs for conversation in pair]
    answers = await asyncio.gather(*(backend.ask(request) for request in requests))
    failed = [answer.error for answer in answers if answer.reward is None]
    if failed:
        raise SystemExit(f"{len(failed)} conversations were not scored: {failed[0]}")
    return [float(answer.reward or 0.0) for answer in answers]


async def measure(folder: Path, pairs: Sequence[tuple[Conversation, Conversation]], runs: int) -> int:
    """Time both ways in turn; the exit code."""
    plain = PlainLoop(folder)

    async def theirs() -> list[float]:
        return plain.score(pairs)

    async with serve_hf(parse_spec(f"hf:{folder}"), frozenset({"reward"}), SILENT) as backend:
        plain.score(pairs[:1])
        await ours(backend, pairs[:1])
        print(f"{torch.get_num_threads()} threads")
        return await take_turns(
            ("plain loop", theirs), ("evalsuite", lambda: ours(backend, pairs)), runs, (len(pairs), "pairs"), TARGET
        )


def conversations(pair: PreferencePair) -> tuple[Conversation, Conversation]:
    """Chosen and rejected, each as a whole conversation."""
    chosen, rejected = ((*pair.prompt, Message("assistant", reply)) for reply in (pair.chosen, pair.rejected))
    return chosen, rejected


def main() -> int:
    """Read the pairs and measure."""
    arguments = reward_arguments(__doc__.splitlines()[0], pairs=64)
    pairs = [conversations(pair) for pair in read_pairs(arguments)]
    return asyncio.run(measure(arguments.model, pairs, arguments.runs))


if __name__ == "__main__":
    sys.exit(main())
