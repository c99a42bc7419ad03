"""Two fine-tuned checkpoints: a reward model with a LoRA adapter merged in, and a DPO policy to its reference.

Both train small adapters on the last layers only, so that minutes on two cores are enough. Bradley-Terry loss: Bai et al.
2022 (arXiv 2204.05862); DPO: Rafailov et al. 2023 (arXiv 2305.18290), equation 7.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch.nn.functional import logsigmoid
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from evalsuite.tasks.preferences import PreferencePair

LAYERS_TUNED = 8
BATCH = 8
BETA = 0.1
LEARNING_RATE = 2e-4
MAX_TOKENS = 256

Say = Callable[[str], None]


def reward_model_by_lora(pairs: Sequence[PreferencePair], base: Path, head: Path, folder: Path, say: Say) -> None:
    """Continue from the linear head of `head`, with an adapter below it; saved merged, as one checkpoint."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = _with_adapter(
        AutoModelForSequenceClassification.from_pretrained(head, dtype=torch.float32), TaskType.SEQ_CLS
    )
    optimizer = _optimizer(model)
    for step, batch in enumerate(_batches(pairs), 1):
        texts = [_turns(pair, reply) for pair in batch for reply in (pair.chosen, pair.rejected)]
        rewards = model(**_encoded(tokenizer, texts)).logits[:, 0]
        loss = -logsigmoid(rewards[0::2] - rewards[1::2]).mean()
        _step(optimizer, loss)
        say(f"LoRA reward model: batch {step} of {len(pairs) // BATCH}, loss {loss.item():.3f}")
    _save(model, tokenizer, folder)


def dpo_policy(pairs: Sequence[PreferencePair], base: Path, folder: Path, say: Say) -> None:
    """A policy tuned by DPO against `base`; saved merged, as one checkpoint."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = _with_adapter(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), TaskType.CAUSAL_LM)
    optimizer = _optimizer(model)
    for step, batch in enumerate(_batches(pairs), 1):
        texts = [_turns(pair, reply) for pair in batch for reply in (pair.chosen, pair.rejected)]
        prompts = [_turns(pair, None) for pair in batch for _ in range(2)]
        with torch.no_grad(), model.disable_adapter():
            reference = _reply_log_probability(model, tokenizer, texts, prompts)
        ratio = _reply_log_probability(model, tokenizer, texts, prompts) - reference
        loss = -logsigmoid(BETA * (ratio[0::2] - ratio[1::2])).mean()
        _step(optimizer, loss)
        say(f"DPO policy: batch {step} of {len(pairs) // BATCH}, loss {loss.item():.3f}")
    _save(model, tokenizer, folder)


def _with_adapter(model: Any, task: TaskType) -> Any:
    if model.config.pad_token_id is None:
        model.config.pad_token_id = model.config.eos_token_id
    last = range(model.config.num_hidden_layers - LAYERS_TUNED, model.config.num_hidden_layers)
    config = LoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "o_proj"], layers_to_transform=list(last), task_type=task
    )  # fmt: skip
    torch.manual_seed(0)
    return get_peft_model(model, config).train()


def _optimizer(model: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LEARNING_RATE, weight_decay=0.0)


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _batches(pairs: Sequence[PreferencePair]) -> Iterator[list[PreferencePair]]:
    order = list(pairs)
    random.Random(0).shuffle(order)
    for start in range(0, len(order) - BATCH + 1, BATCH):
        yield order[start : start + BATCH]


def _turns(pair: PreferencePair, reply: str | None) -> list[dict[str, str]]:
    turns = [{"role": message.role, "content": message.content} for message in pair.prompt]
    return turns if reply is None else [*turns, {"role": "assistant", "content": reply}]


def _encoded(tokenizer: PreTrainedTokenizerBase, conversations: list[list[dict[str, str]]]) -> Any:
    texts = tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=False)
    tokens = tokenizer(texts, add_special_tokens=False)["input_ids"]
    cut = [row[-MAX_TOKENS:] for row in tokens]  # the reply is at the end
    return tokenizer.pad({"input_ids": cut}, return_tensors="pt", padding_side="right")


def _reply_log_probability(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[list[dict[str, str]]],
    prompts: list[list[dict[str, str]]],
) -> torch.Tensor:
    """Sum of the log-probabilities of the reply's tokens, end of turn included, shape (conversations,)."""
    batch = _encoded(tokenizer, conversations)
    rendered = tokenizer.apply_chat_template(prompts, tokenize=False, add_generation_prompt=True)
    prompt_lengths = [len(row) for row in tokenizer(rendered, add_special_tokens=False)["input_ids"]]
    whole = tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=False)
    whole_lengths = [len(row) for row in tokenizer(whole, add_special_tokens=False)["input_ids"]]
    logits = model(**batch).logits[:, :-1]
    targets = batch["input_ids"][:, 1:]
    chosen = torch.gather(logits.log_softmax(-1), 2, targets[..., None])[..., 0]
    positions = torch.arange(1, batch["input_ids"].shape[1])[None]
    cut = torch.tensor([max(0, full - MAX_TOKENS) for full in whole_lengths])
    first = (torch.tensor(prompt_lengths) - cut).clamp(min=1)[:, None]
    inside = (positions >= first) & batch["attention_mask"][:, 1:].bool()
    return (chosen * inside).sum(dim=1)


def _save(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    merged = model.merge_and_unload()
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
