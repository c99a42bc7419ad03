"""CI installs the versions of the lock, and the lock knows everything that the project asks for."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKED = {
    canonicalize_name(name): version.strip()
    for name, separator, version in (
        line.partition("==") for line in (ROOT / "requirements-ci.lock").read_text(encoding="utf-8").splitlines()
    )
    if separator and not name.startswith("#")
}
EXTRAS = ("cpu", "hf", "hub", "train", "lm-eval", "postgres", "ray", "test", "dev", "openai", "text-metrics")


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_the_lock_is_in_step_with_the_project(extra: str) -> None:
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, texts):
        if requirement.name == "evalsuite" or (requirement.marker and not requirement.marker.evaluate()):
            continue
        locked = LOCKED.get(canonicalize_name(requirement.name))
        assert locked is not None, f"{requirement} is not in requirements-ci.lock"
        assert requirement.specifier.contains(locked, prereleases=True), f"{requirement}: the lock has {locked}"


def test_ci_uses_the_lock() -> None:
    assert "CONSTRAINTS=requirements-ci.lock" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert '--constraint "$CONSTRAINTS"' in (ROOT / "scripts" / "make-environment").read_text(encoding="utf-8")
