"""Reads the samples of a report as its page does: the texts of every chunk, and which row uses which."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_chunk(content: str) -> dict[str, Any]:
    """`r`: rows, `s`: texts, `used`: for each row the places of the texts that a search looks through."""
    head, rows = (zlib.decompress(base64.b64decode(part)) for part in content.split(" "))
    told, texts = head.split(b"\n", 1)
    facts, units, found = json.loads(told), texts.decode().encode("utf-16-le"), []
    for length in facts["n"]:
        found.append(units[: 2 * length].decode("utf-16-le"))
        units = units[2 * length :]
    assert units == b""
    return {"r": json.loads(rows), "s": found, "used": facts["u"]}


def chunks_of(page: Path) -> Iterator[dict[str, Any]]:
    """Chunks of a report's file, in order."""
    for match in re.finditer(r'data-chunk="\d+">([^<]+)<', page.read_text("utf-8")):
        yield read_chunk(match[1])


def rows_with(page: Path, terms: tuple[str, ...]) -> int:
    """How many rows hold every term in one of their texts, whatever the case."""
    return sum(
        all(any(term.lower() in chunk["s"][place].lower() for place in used) for term in terms)
        for chunk in chunks_of(page)
        for used in chunk["used"]
    )
