"""One request to a transformers model while its answer is generated: choosing tokens, seeing the end. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from evalsuite.client.backend import ChatRequest, PromptRequest
from evalsuite.records import Completion, GenerationParams, TokenLogprob

if TYPE_CHECKING:
    from evalsuite.serving.hf_inference import HfModel


class GeneratedRow:
    """One request while it is generated."""

    def __init__(self, request: ChatRequest | PromptRequest, prompt: list[int], model: HfModel) -> None:
        self.prompt = prompt
        self.finish: str | None = None
        self._params: GenerationParams = request.params
        self._tokenizer = model.tokenizer
        self._strip = isinstance(request, ChatRequest) and model.template is not None
        self._stop = self._params.stop + (model.template.stop if self._strip and model.template else ())
        self._room = min(self._params.max_tokens, model.context - len(prompt))
        self._eos = _eos_ids(model)
        self._ids: list[int] = []
        self._logprobs: list[TokenLogprob] = []
        self._text = ""
        self._rng = torch.Generator().manual_seed(self._params.seed or 0)

    def take(self, logits: torch.Tensor) -> int:
        """Choose the next token from `logits` (vocabulary,), remember it, and see whether the answer has ended."""
        token = self._pick(logits)
        if token in self._eos:
            self.finish = "stop"
            return token
        if self._params.logprobs:
            self._logprobs.append(self._describe(logits, token))
        self._ids.append(token)
        self._text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        cut = min((at for stop in self._stop if (at := self._text.find(stop)) >= 0), default=-1)
        if cut >= 0:
            self._text, self.finish = self._text[:cut], "stop"
        elif len(self._ids) >= self._room:
            self.finish = "length"
        return token

    def completion(self) -> Completion:
        """The answer with its status."""
        text = self._text.strip() if self._strip else self._text
        return Completion(
            status="empty" if not text.strip() else "truncated" if self.finish == "length" else "ok",
            text=text if text.strip() else "",
            finish_reason=self.finish,
            logprobs=tuple(self._logprobs) if self._params.logprobs else None,
            prompt_tokens=len(self.prompt),
            completion_tokens=len(self._ids),
        )

    def _pick(self, logits: torch.Tensor) -> int:
        params = self._params
        if params.repetition_penalty not in (None, 1.0):
            seen = torch.tensor(sorted({*self.prompt, *self._ids}), device=logits.device)
            picked = logits[seen]
            penalty = params.repetition_penalty or 1.0
            logits = logits.clone()
            logits[seen] = torch.where(picked > 0, picked / penalty, picked * penalty)
        if params.temperature == 0:
            return int(logits.argmax())
        probabilities, order = torch.softmax(logits.cpu().double() / params.temperature, -1).sort(descending=True)
        cumulative = probabilities.cumsum(-1)
        kept = int((cumulative - probabilities < params.top_p).sum())
        draw = torch.rand((), generator=self._rng, dtype=torch.float64) * cumulative[kept - 1]
        return int(order[min(int((cumulative[:kept] < draw).sum()), kept - 1)])

    def _describe(self, logits: torch.Tensor, token: int) -> TokenLogprob:
        values = torch.log_softmax(logits, -1)
        best = values.topk(min(self._params.logprobs, values.numel()))
        top = tuple(
            (self._tokenizer.decode([int(i)]), float(value)) for value, i in zip(best.values, best.indices, strict=True)
        )
        rank = int((values > values[token]).sum()) + 1
        return TokenLogprob(self._tokenizer.decode([token]), float(values[token]), rank, top)


def _eos_ids(model: HfModel) -> frozenset[int]:
    configured = getattr(model.model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(int(token) for token in (*listed, model.tokenizer.eos_token_id) if token is not None)
