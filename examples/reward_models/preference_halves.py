"""HH test pairs in two halves that share no dialogue: one to fit reward models on, one to measure them on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from evalsuite.data import DataFiles, data_root
from evalsuite.tasks.hh.files import HHSplit, hh_file
from evalsuite.tasks.preferences import PreferencePair, load_pairs

SPLITS: dict[str, HHSplit] = {"helpful": "helpful-base", "harmless": "harmless-base"}


class Halves(NamedTuple):
    """Pairs of one split."""

    fitting: list[PreferencePair]
    held_out: list[PreferencePair]


def halves(split: str, max_characters: int) -> Halves:
    """Both halves of `helpful` or `harmless`; the half of a dialogue is decided by a hash of its first turn.

    Args:
        split: key of `SPLITS`.
        max_characters: longest conversation, prompt and reply together, that is fitted on; nothing is cut from the other
            half.
    """
    data = DataFiles("reward-models", root=data_root())
    found = Halves([], [])
    for pair in load_pairs(data, hh_file(data, SPLITS[split]), name=split):
        if hashlib.sha256(pair.cluster.encode()).digest()[0] % 2:
            found.held_out.append(pair)
        elif length(pair) <= max_characters:
            found.fitting.append(pair)
    found.fitting.sort(key=draw)
    return found


def length(pair: PreferencePair) -> int:
    """Characters of the prompt and the longer reply."""
    return sum(len(message.content) for message in pair.prompt) + max(len(pair.chosen), len(pair.rejected))


def draw(pair: PreferencePair) -> str:
    """An order that has nothing to do with the file's, the same on every machine."""
    return hashlib.sha256(f"{pair.cluster}/{pair.id}".encode()).hexdigest()


def write_pairs(path: Path, pairs: Iterable[PreferencePair]) -> None:
    """Write pairs in the plain prompt, chosen, rejected layout."""
    rows = [
        {
            "prompt": [{"role": message.role, "content": message.content} for message in pair.prompt],
            "chosen": pair.chosen,
            "rejected": pair.rejected,
        }
        for pair in pairs
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
