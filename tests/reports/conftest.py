"""Run directories for the report's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import make_run


@pytest.fixture(scope="session")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run: two candidates against a baseline, two reward models, a harmful probe."""
    return make_run(tmp_path_factory.mktemp("runs") / "release-7", items=30)
