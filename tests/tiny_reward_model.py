"""A reward model of two random layers over a vocabulary of words: real weights for transformers, made in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

WORDS = ("ship", "storm", "keeper", "lamp", "shore", "rope")
TEMPLATE = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} end {% endfor %}"


def tiny_reward_model(folder: Path, seed: int = 0) -> Path:
    """Writes the checkpoint into `folder`; the test is skipped without torch and transformers."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: i for i, word in enumerate(("pad", "unk", "user", "assistant", "end", *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="unk"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="pad", unk_token="unk")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(seed)
    model = transformers.LlamaForSequenceClassification(
        transformers.LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, num_labels=1, pad_token_id=0, initializer_range=0.5,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
