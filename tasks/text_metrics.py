"""Text similarity metrics used by several benchmark families, from kept libraries where one matches the definition.

Needs the extra `text-metrics` (rouge-score, sacrebleu, rapidfuzz), imported on first use. All functions take plain strings,
return values in [0, 1] and never raise on odd text: two texts without a single token score 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from evalsuite.errors import MissingDependencyError

__all__ = ["bleu", "edit_similarity", "rouge_l", "rouge_l_recall", "rouge_l_union", "rouge_l_union_recall", "sari"]

_WORD = re.compile(r"\w+")
_CJK = re.compile(r"([぀-ヿ㐀-䶿一-鿿豈-﫿])")


class _UnicodeWords:
    """Tokenizer for rouge-score that keeps every script (its own drops all but a–z and 0–9); CJK goes by character."""

    def tokenize(self, text: str) -> list[str]:
        return _WORD.findall(_CJK.sub(r" \1 ", text.lower()))


@lru_cache(maxsize=4)
def _rouge_scorer(ascii_words: bool, stemmer: bool) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingDependencyError.for_extra("ROUGE-L", "text-metrics") from error
    return RougeScorer(["rougeL"], use_stemmer=stemmer, tokenizer=None if ascii_words else _UnicodeWords())


def rouge_l(prediction: str, reference: str, *, ascii_words: bool = False, stemmer: bool = False) -> float:
    """ROUGE-L F1 (Lin 2004) over words of any script.

    Args:
        ascii_words: use rouge-score's own tokenizer (lower case, only a–z and 0–9), which MUSE and TOFU report.
        stemmer: Porter stemming (with `ascii_words`), as open-unlearning does.
    """
    return float(_rouge_scorer(ascii_words, stemmer).score(reference, prediction)["rougeL"].fmeasure)


def rouge_l_recall(prediction: str, reference: str, *, stemmer: bool = True) -> float:
    """ROUGE-L recall: share of the reference found in order in the prediction (TOFU, RWKU)."""
    return float(_rouge_scorer(True, stemmer).score(reference, prediction)["rougeL"].recall)


def rouge_l_union(prediction: str, reference: str) -> float:
    """Summary-level ROUGE-L F1 as TRACE reports it, i.e. as the package `rouge` 1.0.1 computes it.

    Sentences end at every full stop, tokens are split at white space, matches and lengths count distinct words, and the
    union of the sentences' longest common subsequences accumulates over sentences. F = 2pr / (p + r + 1e-8), so an exact
    match scores just below 1. TRACE passes the target as hypothesis; that decides which sentence split drives the union.
    A text of full stops only, on which the package raises, scores 0.
    """
    precision, recall = _union_shares(hypothesis=reference, target=prediction)
    return 2.0 * (precision * recall) / (precision + recall + 1e-8)


def rouge_l_union_recall(prediction: str, reference: str) -> float:
    """Recall of the same definition with the prediction as hypothesis, as RWKU reports it."""
    return _union_shares(hypothesis=prediction, target=reference)[1]


def _union_shares(hypothesis: str, target: str) -> tuple[float, float]:
    """Distinct words in the union of common subsequences over those of the hypothesis, and over those of the target."""
    first, second = _sentences(hypothesis), _sentences(target)
    if not first or not second:
        return 0.0, 0.0
    union = {word for sentence in second for other in first for word in _longest_common_subsequence(sentence, other)}
    sizes = [len({word for sentence in sentences for word in sentence}) for sentences in (first, second)]
    return len(union) / sizes[0], len(union) / sizes[1]


def _sentences(text: str) -> list[list[str]]:
    """Sentences as lists of tokens; a blank sentence is one empty token, as in the package reproduced."""
    return [" ".join(part.split()).split(" ") for part in text.split(".") if part]


def _longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Words of a longest common subsequence; ties are broken towards shortening `second`."""
    rows, columns = len(first), len(second)
    table = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i, word in enumerate(first, 1):
        above, row = table[i - 1], table[i]
        for j, other in enumerate(second, 1):
            row[j] = above[j - 1] + 1 if word == other else max(above[j], row[j - 1])
    words: list[str] = []
    i, j = rows, columns
    while i and j:
        if first[i - 1] == second[j - 1]:
            words.append(first[i - 1])
            i, j = i - 1, j - 1
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


def bleu(prediction: str, reference: str, order: int) -> float:
    """Sentence BLEU up to `order`-grams, uniform weights, no smoothing; tokens are split at white space and full stops.

    The definition of TRACE's side metrics; computed by sacrebleu on those tokens, as a corpus of one sentence.
    """
    percent = float(_bleu_scorer(order).corpus_score([_bleu_tokens(prediction)], [[_bleu_tokens(reference)]]).score)
    return min(percent / 100, 1.0)  # equal texts come out a rounding error above


@lru_cache(maxsize=4)
def _bleu_scorer(order: int) -> Any:
    try:
        from sacrebleu import BLEU
    except ImportError as error:
        raise MissingDependencyError.for_extra("BLEU", "text-metrics") from error
    return BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", effective_order=False)


def _bleu_tokens(text: str) -> str:
    return " ".join(token for token in re.split(r"[\s.]", text) if token)


def edit_similarity(prediction: str, reference: str) -> float:
    """2M/T: twice the longest common subsequence of characters over the total length (fuzz ratio without rounding)."""
    try:
        from rapidfuzz import fuzz
    except ImportError as error:
        raise MissingDependencyError.for_extra("edit similarity", "text-metrics") from error
    return float(fuzz.ratio(prediction, reference)) / 100


def sari(source: str, prediction: str, references: Sequence[str]) -> float:
    """SARI (Xu et al. 2016): mean of keep F1, delete precision and add F1 over 1- to 4-grams.

    With the two corrections that the field's common implementation applies: 0/0 counts as 1, and keep recall is divided by
    the total count. Tokens are sacrebleu's 13a in lower case.

    Args:
        source: text that was to be simplified.
        prediction: the model's simplification.
        references: one or more reference simplifications.
    """
    texts = [_tokens_13a(text) for text in (source, prediction, *references)]
    total = 0.0
    for order in (1, 2, 3, 4):
        grams = [Counter(_ngrams(tokens, order)) for tokens in texts]
        total += sum(_sari_operations(grams[0], grams[1], sum(grams[2:], Counter()), len(references)))
    return total / 12


def _tokens_13a(text: str) -> list[str]:
    return str(_tokenizer_13a()(text.lower())).split(" ")


@lru_cache(maxsize=1)
def _tokenizer_13a() -> Any:
    try:
        from sacrebleu import BLEU
    except ImportError as error:
        raise MissingDependencyError.for_extra("SARI", "text-metrics") from error
    return BLEU(tokenize="13a").tokenizer


def _ngrams(tokens: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)]


def _sari_operations(
    source: Counter[tuple[str, ...]],
    prediction: Counter[tuple[str, ...]],
    reference: Counter[tuple[str, ...]],
    weight: int,
) -> tuple[float, float, float]:
    """Keep F1, delete precision and add F1 for n-grams of one length; `weight` = number of references."""
    source = Counter({gram: count * weight for gram, count in source.items()})
    prediction = Counter({gram: count * weight for gram, count in prediction.items()})

    kept, keepable = source & prediction, source & reference
    good = kept & reference
    precision = sum(good[gram] / kept[gram] for gram in good) / len(kept) if kept else 1.0
    recall = good.total() / keepable.total() if keepable else 1.0

    deleted = source - prediction
    rightly = deleted - reference
    delete = sum(rightly[gram] / deleted[gram] for gram in rightly) / len(deleted) if deleted else 1.0

    added, addable = prediction.keys() - source.keys(), reference.keys() - source.keys()
    right = len(added & addable)
    add = _f1(right / len(added) if added else 1.0, right / len(addable) if addable else 1.0)
    return _f1(precision, recall), delete, add


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
