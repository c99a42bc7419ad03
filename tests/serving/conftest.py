"""Real checkpoints and real servers for the tests that are marked `server`."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite.serving.vllm_flags import find_build


@pytest.fixture(scope="session")
def smollm2(request: pytest.FixtureRequest) -> Path:
    """SmolLM2-135M-Instruct, where vLLM is there to serve it."""
    if find_build() is None:
        pytest.skip("vLLM is not installed here; `make env` installs it")
    return Path(request.getfixturevalue("small_chat_model"))


@pytest.fixture(scope="session")
def reward_model(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 with a random linear head: scores that mean nothing, and must be the same wherever they are computed."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("reward")
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(smollm2, num_labels=1, dtype=torch.float32)
    torch.nn.init.normal_(model.score.weight, std=0.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(smollm2).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def adapters(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LoRA adapters of SmolLM2: `one` and `two` change its answers, `empty` does not."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "two", "empty")):
        model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
        tuned = get_peft_model(model, LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
        torch.manual_seed(seed)
        for parameter_name, parameter in tuned.named_parameters():
            if "lora_B" in parameter_name and name != "empty":
                torch.nn.init.normal_(parameter, std=0.2)
        tuned.save_pretrained(folder / name)
    return {name: folder / name for name in ("one", "two", "empty")}
