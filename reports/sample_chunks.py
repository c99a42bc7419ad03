"""One chunk of samples: the texts of its rows, each once, and which row uses which.

    texts   {"n": lengths of the texts in UTF-16 units, "u": per row the places of the texts that a search looks through}, JSON,
            a line break, then the texts, one after the other
    rows    one object per row, JSON

A search reads the first part only, most of which needs no parsing: that makes it quick on a hundred thousand rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from evalsuite.reports.redaction import REDACTED


class Chunk:
    """Texts and rows while they are collected.

    Args:
        secrets: values that must not get in, longest first; they are replaced by `[redacted]`.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = secrets
        self._places: dict[str, int] = {}
        self._rows: list[Mapping[str, Any]] = []
        self._used: list[list[int]] = []
        self.size = 0
        """Characters of text so far."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def lengths(self) -> list[int]:
        """Length of every text in characters."""
        return [len(text) for text in self._places]

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text

    def place(self, text: str) -> int:
        """Place of a clean text in this chunk."""
        known = self._places.get(text)
        if known is None:
            known = self._places[text] = len(self._places)
            self.size += len(text)
        return known

    def add(self, row: Mapping[str, Any], used: Sequence[int]) -> None:
        """A row, and the places of the texts that a search looks through for it."""
        self._rows.append(row)
        self._used.append(list(dict.fromkeys(used)))

    def encode(self) -> tuple[bytes, bytes]:
        """Texts and rows as the page reads them; what is no Unicode character becomes a question mark."""
        told = msgspec.json.encode({"n": [_units(text) for text in self._places], "u": self._used})
        rows = without_secrets(msgspec.json.encode(self._rows), self._secrets)
        return told + b"\n" + "".join(self._places).encode("utf-8", "replace"), rows


def without_secrets(content: bytes, secrets: Sequence[str]) -> bytes:
    """JSON without secrets."""
    for secret in secrets:
        content = content.replace(msgspec.json.encode(secret)[1:-1], REDACTED.encode())
    return content


def _units(text: str) -> int:
    """Length as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2
