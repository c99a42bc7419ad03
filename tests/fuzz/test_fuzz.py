"""A bounded round of every fuzz target; `fuzz.py` goes on for as long as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import targets

HERE = Path(__file__).parent
FOUND = sorted(path for path in (HERE / "found").glob("*/*") if path.is_file())
SECONDS = 3


@pytest.fixture(autouse=True)
def no_reference_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALSUITE_DATA", raising=False)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_seed_is_taken(name: str) -> None:
    for seed in targets.seeds(name):
        before = targets.Taken.count
        targets.TARGETS[name](seed)
        assert targets.Taken.count > before or name in ("verdicts", "neutralise"), seed


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_stays_mended(path: Path) -> None:
    targets.TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_nothing_but_documented_errors(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, str(HERE / "fuzz.py"), name, f"-max_total_time={SECONDS}", "-seed=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
