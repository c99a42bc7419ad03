"""The zoo of reward models: what it is fitted on is nowhere in what it is measured on."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite.data import DataFiles
from evalsuite.tasks.preferences import load_pairs
from evalsuite.tasks.rewards.domains import DEFAULT_DOMAINS, domain_pairs, domain_path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def _examples_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("checkpoints", "reward_models"):
        monkeypatch.syspath_prepend(str(EXAMPLES / folder))


def test_no_dialogue_that_was_fitted_on_is_measured_on(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from preference_halves import opening, parts

    elsewhere = {
        opening(pair)
        for name, domain in DEFAULT_DOMAINS.items()
        if not name.startswith("hh_")
        for path in (domain_path(DataFiles("ood_reward", root=data_dir, offline=True), name, domain),)
        if path is not None
        for pair in domain_pairs(DataFiles("ood_reward"), name, domain, path, 0)
    }
    monkeypatch.setenv("EVALSUITE_DATA", str(data_dir))
    split = parts(500, elsewhere)
    fitted = {opening(pair) for part in split.values() for pair in part.fitting}
    held_out = {opening(pair) for part in split.values() for pair in part.held_out}
    assert len(fitted) > 900
    assert len(held_out) > 400
    assert not fitted & held_out
    assert not fitted & elsewhere
    assert {opening(pair) for part in parts(500).values() for pair in part.fitting} & elsewhere  # it does happen


def test_what_is_written_is_read_back(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from preference_halves import parts, write_pairs

    monkeypatch.setenv("EVALSUITE_DATA", str(data_dir))
    held_out = parts(300)["harmless"].held_out
    write_pairs(tmp_path / "harmless.jsonl", held_out)
    found = list(load_pairs(DataFiles("ood_reward", offline=True), tmp_path / "harmless.jsonl"))
    assert [pair.digest for pair in found] == [pair.digest for pair in held_out]
