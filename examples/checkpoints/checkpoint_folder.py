"""A folder that exists only when it is complete: filled beside its place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

RECIPE = "1"
"""Changes when the recipes would make other weights; folders of an older recipe are made again."""


def checkpoint_folder(target: Path, note: str, fill: Callable[[Path], None]) -> Path:
    """`target`, filled by `fill` unless it is already there from this recipe."""
    stamp = target / "MADE_BY"
    text = f"evalsuite examples/checkpoints, recipe {RECIPE}\n{note}\n"
    if stamp.is_file() and stamp.read_text() == text:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    work.chmod(0o755)
    try:
        fill(work)
        (work / "MADE_BY").write_text(text)
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target
