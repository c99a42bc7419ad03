"""The zoo of reward models: what it is fitted on is nowhere in what it is measured on, and what was learned is saved."""

from __future__ import annotations

import asyncio
import math
import statistics
from itertools import permutations
from pathlib import Path

import pytest
from tiny_reward_model import WORDS, tiny_reward_model

from evalsuite.client.backend import RewardRequest
from evalsuite.data import DataFiles
from evalsuite.progress import SILENT
from evalsuite.records import Message
from evalsuite.serving.serve import serve
from evalsuite.serving.spec import parse_spec
from evalsuite.tasks.preferences import PreferencePair, load_pairs
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


def test_what_an_adapter_learned_on_the_last_layers_is_in_the_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    head = tiny_reward_model(tmp_path / "head")
    import fine_tuned

    monkeypatch.setattr(fine_tuned, "LAYERS_TUNED", 1)
    monkeypatch.setattr(fine_tuned, "EPOCHS", 40)
    words = [word for word in WORDS if word not in ("lamp", "rope")]
    pairs = [
        PreferencePair(
            id=f"{first} {second}",
            cluster=first,
            prompt=(Message("user", f"{first} {second}"),),
            chosen=f"{second} lamp",
            rejected=f"{second} rope {first}",
        )
        for first, second in permutations(words, 2)
    ]
    said: list[str] = []
    fine_tuned.reward_model_by_lora(pairs, head, head, tmp_path / "lora", "float32", said.append)
    before, after = (asyncio.run(_margins(folder, pairs)) for folder in (head, tmp_path / "lora"))
    first, last = (float(said[i].rpartition(" ")[2]) for i in (0, -1))
    assert last < first / 2
    assert sum(margin > 0 for margin in after) == len(pairs) > sum(margin > 0 for margin in before)
    assert statistics.fmean(math.log1p(math.exp(-margin)) for margin in after) == pytest.approx(last, abs=0.05)


async def _margins(folder: Path, pairs: list[PreferencePair]) -> list[float]:
    async with serve(parse_spec(f"hf:{folder}"), frozenset({"reward"}), SILENT, None) as backend:
        answers = await asyncio.gather(
            *(
                backend.ask(RewardRequest(messages=(*pair.prompt, Message("assistant", reply))))
                for pair in pairs
                for reply in (pair.chosen, pair.rejected)
            )
        )
    rewards = [answer.reward or 0.0 for answer in answers]
    return [chosen - rejected for chosen, rejected in zip(rewards[::2], rewards[1::2], strict=True)]
