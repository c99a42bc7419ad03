"""Finding the answer in a generated text: a letter, a named label, a number, a short phrase. Pure functions.

Each returns None when there is no answer in the text. What stands after the last "answer is" or "answer:" goes first; only
then the rest is searched, so that a rationale before the answer does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

_MARKED = re.compile(r"(?:answer|solution|option|choice)\s*(?:is|:|=)\s*:?\s*|####\s*|(?:^|\n)\s*A:\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[-−]?\$?\s?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")


def alone(letters: str) -> str:
    """Pattern of one of these capital letters standing by itself; an `A` before a lower-case word is an article, not a letter."""
    others = letters.replace("A", "")
    article = r"(?!\s+(?!(?:is|was|because|since|as|and|or)\b)[a-z])"
    one = "|".join(part for part in (f"A{article}" if "A" in letters else "", f"[{others}]" if others else "") if part)
    return rf"(?<![A-Za-z'’])({one})(?![A-Za-z'’])"


def after_mark(text: str) -> str | None:
    """What follows the last mark of a final answer."""
    parts = _MARKED.split(text)
    return parts[-1].strip() if len(parts) > 1 and parts[-1].strip() else None


def letter_in(text: str, letters: str) -> str | None:
    """The letter of a multiple-choice answer: after the mark, else the first that stands alone; `(b)` counts as B."""
    for part in (after_mark(text), text):
        if part is None:
            continue
        opening = re.match(rf"[\s*_\"(\[]*([{letters.lower()}])\s*(?:[.):\]*]|$)", part)
        if opening:
            return opening[1].upper()
        if found := re.search(alone(letters), part):
            return found[1]
    return None


def label_in(text: str, labels: Sequence[str]) -> str | None:
    """The named label (`true`, `answer2`, `yes` …): the first after the mark, else the first in the text.

    Numbered labels may be written with a space (`Answer 2`), or as the bare number where the answer begins with it.
    """
    stem = _common_stem(labels)
    named = "|".join(re.escape(label) if stem is None else rf"{stem}\s*{label.removeprefix(stem)}" for label in labels)
    pattern = re.compile(rf"\b({named})\b", re.IGNORECASE)
    for part in (after_mark(text), text):
        if part is None:
            continue
        if found := pattern.search(part):
            return re.sub(r"\s", "", found[1].lower())
        if (
            stem is not None
            and (bare := re.match(r"[\s*_\"(\[]*(\d+)\b(?![.,]\d)", part))
            and f"{stem}{bare[1]}" in labels
        ):
            return f"{stem}{bare[1]}"
    return None


def _common_stem(labels: Sequence[str]) -> str | None:
    """`answer` for `answer1`, `answer2` …; None for labels of another kind."""
    stems = {found[1] if (found := re.fullmatch(r"([a-z]+)\d+", label)) else None for label in labels}
    return stems.pop() if len(stems) == 1 else None


def number_in(text: str) -> Decimal | None:
    """The number of a worked answer: the first after the mark, else the last in the text."""
    marked = after_mark(text)
    if marked is not None and (found := _NUMBER.search(marked)):
        return as_number(found[0])
    numbers = _NUMBER.findall(text)
    return as_number(numbers[-1]) if numbers else None


def as_number(text: str) -> Decimal | None:
    """A decimal number written with thousands separators, a currency sign or a typographic minus."""
    cleaned = re.sub(r"[,$\s]", "", text.replace("−", "-"))
    try:
        return Decimal(cleaned) if len(cleaned) <= 60 else None
    except InvalidOperation:
        return None


def phrase_in(text: str) -> str | None:
    """A short free answer: the first line after the mark, else the last line that is not empty."""
    lines = [line.strip() for line in (after_mark(text) or "").splitlines() if line.strip()]
    if not lines:
        lines = [line.strip() for line in reversed(text.splitlines()) if line.strip()]
    return lines[0] if lines else None


def normalised(text: str) -> str:
    """A phrase for comparison: lower case, single spaces, without Markdown and the full stop at the end."""
    return " ".join(re.sub(r"[*_`\"']", "", text).lower().split()).rstrip(".").strip()
