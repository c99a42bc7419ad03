"""The in-context baseline of TRACE: six worked examples before the question (paper section 4.3, `inference/ICL.py`).

Upstream draws its examples from the very set it tests on. Here they come from the training split unless `leakage` is asked
for. The wording around the examples is our own, so numbers are comparable with the paper's only in kind.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from evalsuite.tasks.trace.datasets import Dataset, instruction_of

Record = tuple[str, str]
_ATTEMPTS = 10_000


def draw(pool: Sequence[Record], dataset: Dataset, count: int, characters: int, rng: random.Random) -> list[Record]:
    """Up to `count` examples of at most `characters` each with distinct answers; none for MeetingBank, as upstream.

    For the two data sets with three labels, distinct answers are impossible and no label may take more than a third.
    """
    if dataset.kind == "summary" or not pool:
        return []
    per_answer = -(-count // 3) if dataset.kind == "choice" else 1
    taken: Counter[str] = Counter()
    drawn: list[Record] = []
    for _ in range(_ATTEMPTS):
        if len(drawn) == count:
            break
        prompt, answer = rng.choice(pool)
        fits = len(prompt) + len(answer) <= characters
        if fits and taken[answer] < per_answer and (prompt, answer) not in drawn:
            taken[answer] += 1
            drawn.append((prompt, answer))
    return drawn


def with_demonstrations(prompt: str, drawn: Sequence[Record]) -> str:
    """The question after its worked examples; the instruction stands once, in front."""
    if not drawn:
        return prompt
    head = instruction_of(prompt)
    examples = "".join(f"{example.removeprefix(head)}{answer.rstrip()}\n\n" for example, answer in drawn)
    return f"{head}Here are {len(drawn)} worked examples, then the one to do.\n\n{examples}{prompt.removeprefix(head)}"


def cut(dataset: Dataset, text: str) -> str:
    """A generated answer without the further examples a few-shot model goes on to invent."""
    if dataset.kind == "choice":
        return text.lstrip()[:1]
    body = text.lstrip("\n") if dataset.kind == "number" else text
    return body.partition(dataset.next_item)[0]
