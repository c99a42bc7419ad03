"""Membership scores from the log-probabilities of a text's own tokens; higher means less likely to have been trained on.

Loss (Yeom et al. 2018), Zlib (Carlini et al. 2021) and Min-K% (Shi et al. 2024) need nothing but what a served endpoint
gives. Min-K%++ and KL need the whole vocabulary and cannot be had from one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from evalsuite.records import Completion

MIN_K_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def after_first_word(text: str) -> tuple[str, str]:
    """`(first word, rest)`: the first token of a text has no probability, so its first word is context and not scored."""
    words = text.strip().split(maxsplit=1)
    return (words[0], f" {words[1]}") if len(words) == 2 else ("", text)


def token_logprobs(completion: Completion) -> list[float] | None:
    """Log-probabilities of the scored tokens; None when the request failed or any of them is missing."""
    if completion.status != "ok" or not completion.prompt_logprobs:
        return None
    values = [token.logprob for token in completion.prompt_logprobs if token.logprob is not None]
    return values if len(values) == len(completion.prompt_logprobs) else None


def loss(logprobs: Sequence[float]) -> float:
    """Mean negative log-likelihood per token, in nats."""
    return -math.fsum(logprobs) / len(logprobs)


def zlib_score(logprobs: Sequence[float], text: str) -> float:
    """Total negative log-likelihood over the compressed size of the text in bytes."""
    return -math.fsum(logprobs) / len(zlib.compress(text.encode("utf-8", "surrogatepass")))


def min_k(logprobs: Sequence[float], share: float) -> float:
    """Minus the mean of the lowest `share` of the log-probabilities; at least one token counts.

    Upstream's rule takes int(n * share) tokens and divides by zero on short texts; the floor of one token repairs that.
    """
    lowest = sorted(logprobs)[: max(1, int(len(logprobs) * share))]
    return -math.fsum(lowest) / len(lowest)


def scores(completion: Completion, text: str) -> dict[str, float] | None:
    """Every membership score of one text, by name; None when its log-probabilities are not to be had."""
    logprobs = token_logprobs(completion)
    if logprobs is None:
        return None
    named = {"loss": loss(logprobs), "zlib": zlib_score(logprobs, text)}
    return named | {f"min_k_{round(100 * share)}": min_k(logprobs, share) for share in MIN_K_SHARES}
