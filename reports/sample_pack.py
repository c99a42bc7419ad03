"""Samples packed for the page: a small index, and texts in compressed chunks that the page unpacks when it needs them.

    index   columns of all rows, one deflated JSON
    chunk   texts and rows of some samples (see `sample_chunks`), both deflated, some hundred kilobytes each

Rows of one sample are in one chunk, so its prompt and its baseline's answer are kept once however many arms there are.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from evalsuite.progress import SILENT, Progress
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.redaction import environment_secrets, redact
from evalsuite.reports.sample_chunks import Chunk, without_secrets
from evalsuite.reports.sample_rows import SampleRow
from evalsuite.reports.sample_sides import SHOWN_APART, plain_role, sides, verdicts
from evalsuite.reports.sample_sources import Sources
from evalsuite.reports.sample_texts import Turn

CHUNK = 400_000
"""Characters of text per chunk: unpacked in some milliseconds."""

MOST_BYTES = 24_000_000
"""All chunks together, as they stand in the file; longer texts are cut when they would not fit."""

JUDGE_WORDS = 1_500
SNIPPET = 140
OUTCOMES = ("", "better", "even", "worse", "unscored")
FLAG_ORDERS_DISAGREE, FLAG_HARMFUL, FLAG_BROKEN_ANSWER = 1, 2, 4


@dataclass(frozen=True)
class Packed:
    """Base64 texts for the page."""

    index: str
    chunks: tuple[str, ...]
    n_rows: int
    cut_at: int | None
    """Texts longer than this were cut; None when nothing was."""


def pack(rows: Sequence[SampleRow], evidence: Evidence, sources: Sources, progress: Progress = SILENT) -> Packed:
    """Pack rows with their texts."""
    packer = _Packer(evidence, sources)
    cap = _cap(rows, packer)
    with progress.stage("pack samples", len(rows), "row") as stage, ThreadPoolExecutor(2) as pool:
        chunks = list(pool.map(_pack_chunk, (chunk.encode() for chunk in packer.chunks(rows, cap, stage.advance))))
    return Packed(_deflate(packer.index()), tuple(chunks), len(rows), cap if packer.n_cut else None)


def _deflate(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def _pack_chunk(parts: Sequence[bytes]) -> str:
    """The parts of a chunk, each packed for itself, with a space between them."""
    return " ".join(map(_deflate, parts))


def _cap(rows: Sequence[SampleRow], packer: _Packer) -> int | None:
    """The length at which texts are cut so that all of them fit, judged by a part of the rows; None: nothing is cut."""
    step = max(1, len(rows) // 400)
    blocks = [rows[start : start + 5] for start in range(0, len(rows), 5 * step)]
    trial = [chunk for block in blocks for chunk in packer.trial(block)]
    content = b"".join(part for chunk in trial for part in chunk.encode())
    if not content:
        return None
    share = len(rows) / max(1, sum(len(block) for block in blocks))
    fits = MOST_BYTES * 3 / 4 / (share * len(zlib.compress(content, 6)) / len(content))
    if len(content) <= fits:
        return None
    lengths = [length for chunk in trial for length in chunk.lengths]
    overhead = len(content) - sum(lengths)
    for cap in (20_000, 12_000, 8_000, 6_000, 4_000, 3_000, 2_000, 1_500, 1_000, 700, 500, 350, 250, 150):
        if overhead + sum(min(length, cap) for length in lengths) <= fits:
            return cap
    return 100


class _Packer:
    """Turns rows into chunk JSON and collects the columns of the index."""

    def __init__(self, evidence: Evidence, sources: Sources) -> None:
        self._evidence = evidence
        self._sources = sources
        self._secrets = environment_secrets()
        self._start()

    def _start(self) -> None:
        self.n_cut = 0
        self._tables: dict[str, dict[Any, int]] = {name: {} for name in ("task", "arm", "slice", "status", "metric")}
        self._items: dict[tuple[str, str], int] = {}
        self._snippets: list[str] = []
        names = ("item", "arm", "slice", "status", "outcome", "delta", "score", "flags")
        self._columns: dict[str, list[Any]] = {name: [] for name in names}
        self._firsts: list[int] = []

    def index(self) -> bytes:
        """The index of everything that went into chunks."""
        tasks = [self._code("task", task) for task, _ in self._items]
        content = msgspec.json.encode({
            "tables": {name: list(table) for name, table in self._tables.items()},
            "outcomes": OUTCOMES,
            "ids": [sample for _, sample in self._items],
            "tasks": tasks,
            "snippets": self._snippets,
            "columns": self._columns,
            "firsts": self._firsts,
        })  # fmt: skip
        return without_secrets(content, self._secrets)

    def trial(self, rows: Sequence[SampleRow]) -> list[Chunk]:
        """Chunks of some rows, leaving no trace in the index."""
        chunks = list(self.chunks(rows, None, lambda _: None))
        self._start()
        return chunks

    def chunks(self, rows: Sequence[SampleRow], cap: int | None, advance: Callable[[int], object]) -> Iterator[Chunk]:
        """Chunks of the rows, cut where a new sample begins."""
        chunk, last = Chunk(self._secrets), None
        for number, row in enumerate(rows):
            key = (row.task, row.id)
            if key != last and chunk.size > CHUNK:
                yield chunk
                advance(len(chunk))
                chunk = Chunk(self._secrets)
            if not len(chunk):
                self._firsts.append(number)
            self._add(row, chunk, cap, is_new=key not in self._items)
            last = key
        if len(chunk):
            yield chunk
            advance(len(chunk))

    def _code(self, table: str, value: Any) -> int:
        codes = self._tables[table]
        return codes.setdefault(value, len(codes))

    def _add(self, row: SampleRow, chunk: Chunk, cap: int | None, *, is_new: bool) -> None:
        source = self._sources.responses[row.run]
        used = [chunk.place(chunk.clean(row.id))]

        def text(value: str | None, limit: int | None = cap) -> Any:
            """Place of a text in the chunk; `[place, characters left out]` for one that was cut."""
            if value is None:
                return None
            value = chunk.clean(value)
            left = 0 if limit is None or len(value) <= limit + 20 else len(value) - limit
            used.append(chunk.place(value[: len(value) - left]))
            self.n_cut += left > 0
            return [used[-1], left] if left else used[-1]

        asked = self._sources.prompts.get((row.task, row.id), ())
        answers = sides(row, source, self._sources.requests)
        self._add_to_index(row, asked, is_new, broken=any(side.status != "ok" for side in answers))
        words = JUDGE_WORDS if cap is None else min(cap, JUDGE_WORDS)
        packed: dict[str, Any] = {
            "p": [[role, text(content)] for role, content in asked],
            "a": [_without_none({"w": side.who, "k": side.role, "t": text(side.text), "s": side.status, "f": side.finish_reason,
                                 "n": side.tokens, "r": side.reward, "e": text(redact(side.error)) if side.error else None})
                  for side in answers],
            "v": [_without_none({**verdict, "reason": text(verdict["reason"], words)}) for verdict in verdicts(row, source)],
            "m": [[self._code("metric", s.metric), s.value, s.status, s.judge, s.order] for s in row.scores],
            "d": [[name, text(_told(value), 2_000)] for name, value in row.detail.items() if name not in SHOWN_APART][:20],
            "l": {role: name[:10] for role, name in row.links.items() if plain_role(role) != "judge"},
        }  # fmt: skip
        chunk.add({name: value for name, value in packed.items() if value}, used)

    def _add_to_index(self, row: SampleRow, asked: Sequence[Turn], is_new: bool, *, broken: bool) -> None:
        item = self._items.setdefault((row.task, row.id), len(self._items))
        harmful = bool(row.detail.get("harmful", self._evidence.task(row.task).harmful))
        if is_new:
            self._snippets.append(" ".join(asked[-1][1][: 2 * SNIPPET].split())[:SNIPPET] if asked else "")
        flags = FLAG_ORDERS_DISAGREE * row.orders_disagree + FLAG_HARMFUL * harmful + FLAG_BROKEN_ANSWER * broken
        values = {
            "item": item, "arm": self._code("arm", row.model), "slice": self._code("slice", row.slice or ""),
            "status": self._code("status", row.status), "outcome": OUTCOMES.index(row.outcome),
            "delta": None if row.delta is None else round(row.delta, 4), "flags": flags,
            "score": None if not row.scores or row.primary.value is None else round(row.primary.value, 4),
        }  # fmt: skip
        for name, value in values.items():
            self._columns[name].append(value)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
