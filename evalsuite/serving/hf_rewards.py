"""Rewards of tokenised conversations by a sequence classifier in this process. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from evalsuite.errors import SpecError
from evalsuite.serving import hf_batches
from evalsuite.serving.hf_batches import by_length, right_padded
from evalsuite.serving.shared_prefixes import Row, Tokens, row_logits, rows_by_prefix, why_not_shared
from evalsuite.serving.spec import ModelSpec, number

SHARING_TOLERANCE = 1e-4
"""Largest difference, in float32, of the score of a conversation that shares its beginning from its score alone."""


class RewardScorer:
    """Raw logits of one output of a model.

    Conversations that begin alike share a row where the model allows it (`shared_prefixes`). The first two that do are scored
    both ways: when the scores differ, `log` is told, and every conversation is scored whole.
    """

    def __init__(self, model: Any, head: int, label: str, log: Callable[[str], None]) -> None:
        self.model, self.head, self.label, self.log = model, head, label, log
        self.shares = why_not_shared(model) is None
        self.checked = False
        model.config.get_text_config().use_cache = False  # no token follows a conversation

    def score(self, conversations: Iterable[Tokens]) -> Iterator[tuple[Tokens, float]]:
        """Each conversation with its reward, in the order in which they are scored; no two may be alike."""
        for batch in by_length(self._rows(list(conversations)), len, self.model.device):
            scored = [conversation for row in batch for conversation in row.conversations]
            yield from zip(scored, self._together(batch), strict=True)

    def _rows(self, conversations: Sequence[Tokens]) -> list[Row]:
        if self.shares:
            width = self.model.config.get_text_config().hidden_size
            rows = rows_by_prefix(conversations, width, hf_batches.TOKENS_PER_BATCH)
            first = next((row for row in rows if len(row.conversations) > 1), None)
            if first is not None and not self.checked:
                self._check(Row(first.conversations[:2], first.shared))
            if self.shares:
                return rows
        return [Row((conversation,), len(conversation)) for conversation in conversations]

    def _check(self, row: Row) -> None:
        self.checked = True
        # Half precision differs by some of its own steps whenever a batch changes.
        allowed = max(SHARING_TOLERANCE, 16 * torch.finfo(self.model.dtype).eps)
        both = zip(self._together([row]), self._whole(row.conversations), strict=True)
        wrong = [abs(a - b) for a, b in both if math.isfinite(b) and abs(a - b) > allowed * max(1.0, abs(b))]
        if wrong:
            self.shares = False
            self.log(
                f"{self.label}: conversations that share a beginning score up to {max(wrong):.2g} differently than alone: "
                "each is scored whole"
            )

    @torch.inference_mode()
    def _together(self, rows: Sequence[Row]) -> list[float]:
        conversations = [conversation for row in rows for conversation in row.conversations]
        if len(conversations) == len(rows):
            return self._whole(conversations)
        values: list[float] = row_logits(self.model, rows)[:, self.head].float().tolist()
        # What is not a number in one conversation spreads through its row, masked or not.
        return [
            value if math.isfinite(value) else self._whole([conversation])[0]
            for conversation, value in zip(conversations, values, strict=True)
        ]

    @torch.inference_mode()
    def _whole(self, batch: Sequence[Tokens]) -> list[float]:
        config = self.model.config.get_text_config()
        if config.pad_token_id is None:
            # Without a padding token transformers takes the last position; an id that occurs nowhere keeps that meaning.
            used = {token for ids in batch for token in ids}
            config.pad_token_id = next(token for token in range(config.vocab_size) if token not in used)
            try:
                return self._logits(batch, config.pad_token_id)
            finally:
                config.pad_token_id = None
        return self._logits(batch, config.pad_token_id)

    def _logits(self, batch: Sequence[Tokens], pad: int) -> list[float]:
        tokens, mask = right_padded(batch, pad, self.model.device)
        logits = self.model(input_ids=tokens, attention_mask=mask).logits
        values: list[float] = logits[:, self.head].float().tolist()
        return values


def choose_head(spec: ModelSpec, config: Any) -> int:
    """Index of the output that is the reward; `SpecError` when a model has several and none is named."""
    labels = int(config.num_labels)
    head = int(number(spec, "head", 0))
    if labels > 1 and "head" not in spec.options:
        names = ", ".join(f"{i}={name}" for i, name in config.id2label.items())
        raise SpecError(f"{spec.redacted!r} has {labels} outputs ({names}); say which one is the reward: `head=INDEX`")
    if head >= labels:
        raise SpecError(f"option `head={head}` of {spec.redacted!r}: the model has {labels} outputs, counted from 0")
    return head


def head_in_float32(model: Any) -> None:
    """Let the scalar head of half-precision weights compute in float32, as vLLM does.

    A bfloat16 score has eight bits: two replies whose scores differ by less than a hundredth of the score would tie.
    """
    head = getattr(model, "score", None)
    if isinstance(head, torch.nn.Linear) and head.weight.dtype != torch.float32:
        head.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(), *inputs[1:]))
