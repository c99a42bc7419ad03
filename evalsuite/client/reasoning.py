"""Separates what a model thought from what it answered."""

from __future__ import annotations

from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"


class Thought(NamedTuple):
    """An answer, the reasoning in front of it, and whether the reasoning came to an end."""

    answer: str
    reasoning: str | None
    closed: bool


def split_reasoning(text: str) -> Thought:
    """Move leading `<think>` blocks out of an answer.

    Only leading blocks count: a tag inside the answer is part of it. A closing tag without an opening one ends reasoning
    whose opening tag stood in the chat template's generation prompt. Unclosed reasoning leaves no answer.
    """
    thoughts: list[str] = []
    rest = text
    if CLOSE in rest and OPEN not in rest.partition(CLOSE)[0]:
        thought, _, rest = rest.partition(CLOSE)
        thoughts.append(thought.strip())
    while (start := rest.lstrip()).startswith(OPEN):
        thought, closing, rest = start[len(OPEN) :].partition(CLOSE)
        thoughts.append(thought.strip())
        if not closing:
            return Thought("", "\n".join(thoughts), closed=False)
    if not thoughts:
        return Thought(text, None, closed=True)
    return Thought(rest.lstrip(), "\n".join(thoughts), closed=True)
