"""Fixtures every room uses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public evaluation data; tests that need it are skipped, with the reason, when it is not there."""
    value = os.environ.get("EVALSUITE_DATA")
    if not value:
        pytest.skip("EVALSUITE_DATA is not set")
    path = Path(value).resolve()
    if not path.is_dir():
        pytest.skip(f"EVALSUITE_DATA={value} is not a folder")
    return path
