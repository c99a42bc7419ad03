"""Fuzz one target with libFuzzer (https://github.com/google/atheris), guided by coverage of evalsuite's own code.

    python tests/fuzz/fuzz.py TARGET [-max_total_time=300] [-runs=…] [FOLDER]

FOLDER keeps what was found to be worth trying, for the next time. An input that breaks the target is written to `crash-…`
in the working directory; `python tests/fuzz/fuzz.py TARGET crash-…` repeats it.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["evalsuite"]):
    from evalsuite.importers.formats import FORMATS

    for module in (
        "client.prompt_logprobs", "client.store", "engine.imported", "gate.policy", "judges.aspects", "judges.harm",
        "sequences", "serving.spec", *(f"importers.{module}" for module, _ in FORMATS.values()),
    ):  # fmt: skip
        importlib.import_module(f"evalsuite.{module}")

sys.path.insert(0, str(Path(__file__).parent))
import targets

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2, 0.5, 10**400, 1e308, float("nan"), "", "x", "\ud800", "[[9]]", "A", "N/A", [], {}, [[]], [None], {"": {}},
)  # fmt: skip


def mutate(content: bytes, longest: int, seed: int) -> bytes:
    """One value of one JSON line exchanged for an odd one; every third time, and where there is no JSON, libFuzzer's bytes."""
    rng = random.Random(seed)
    lines = content.splitlines() or [b""]
    chosen = rng.randrange(len(lines))
    try:
        value = json.loads(lines[chosen]) if rng.random() < 2 / 3 else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict | list):
        return bytes(atheris.Mutate(content, longest))
    exchange(value, rng)
    lines[chosen] = json.dumps(value).encode()
    return b"\n".join(lines)[:longest]


def exchange(value: dict[str, Any] | list[Any], rng: random.Random) -> None:
    """Change, leave out or repeat one value, at any depth."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            break
        key: Any = rng.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
            value = inner
            continue
        match rng.randrange(4):
            case 0:
                del value[key]
            case 1 if isinstance(value, list):
                value.append(inner)
            case _:
                value[key] = rng.choice(ODD)
        break


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in targets.TARGETS:
        raise SystemExit(f"usage: fuzz.py TARGET [libFuzzer options]; targets: {', '.join(targets.TARGETS)}")
    start = Path(tempfile.mkdtemp(dir=targets.FOLDER))
    for number, seed in enumerate(targets.seeds(name)):
        (start / str(number)).write_bytes(seed)
    arguments = [sys.argv[0], "-timeout=20", "-max_len=4096", *sys.argv[2:]]
    if not any(os.path.isfile(argument) for argument in sys.argv[2:]):
        arguments.append(str(start))
    os.environ.pop("EVALSUITE_DATA", None)  # importers must not fit anything to real reference data
    atheris.Setup(arguments, targets.TARGETS[name], custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
