"""Which family a model belongs to, by its name: judges prefer answers of their own kind (arXiv 2306.05685, sec. 3.3)."""

from __future__ import annotations

import re

_FAMILIES = (
    "alpaca", "claude", "command", "deepseek", "falcon", "gemini", "gemma", "glm", "gpt", "granite", "internlm", "llama",
    "mistral", "mixtral", "nemotron", "olmo", "phi", "pythia", "qwen", "smollm", "solar", "tulu", "vicuna", "yi", "zephyr",
)  # fmt: skip
_SAME = {
    "mixtral": "mistral",
    "vicuna": "llama",
    "alpaca": "llama",
    "tulu": "llama",
    "zephyr": "mistral",
    "gemini": "gemma",
}
_OPENAI = re.compile(r"(?:^|[^a-z])(?:o[134]|chatgpt|davinci)(?:[^a-z]|$)")


def model_family(name: str) -> str | None:
    """Family of a model's label or path, None when the name tells nothing."""
    lower = name.casefold()
    for family in _FAMILIES:
        if re.search(rf"(?:^|[^a-z]){family}(?:[^a-z]|$)", lower):
            return _SAME.get(family, family)
    return "gpt" if _OPENAI.search(lower) else None
