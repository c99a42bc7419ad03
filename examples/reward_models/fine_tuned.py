"""Two fine-tuned checkpoints: a reward model with a LoRA adapter merged in, and a DPO policy to its reference.

Both train small adapters on the last layers only, so that minutes on two cores are enough. Bradley-Terry loss: Bai et al.
2022 (arXiv 2204.05862); DPO: Rafailov et al. 2023 (arXiv 2305.18290), equation 7. What the loss is read off (the reward
head, the log-probabilities of the reply's tokens) is computed in float32, whatever the dtype of the layers.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch.nn.functional import cross_entropy, logsigmoid
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
LORA_RATE = 2e-4
DPO_RATE = 2e-3
MAX_TOKENS = 256
SAID_EVERY = 5

Say = Callable[[str], None]


class Batch(NamedTuple):
    """Both replies of some pairs in turn (chosen, rejected), padded on the right; all of shape (conversations, tokens).

    `reply` marks the tokens of the reply, the end of its turn included.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    reply: torch.Tensor


def reward_model_by_lora(
    pairs: Sequence[PreferencePair], base: Path, head: Path, folder: Path, dtype: str, say: Say
) -> None:
    """Continue from the linear head of `head`, with an adapter below it; saved merged, as one checkpoint.

    `dtype`: what the layers compute in.
    """
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = _with_adapter(
        AutoModelForSequenceClassification.from_pretrained(head, dtype=torch.float32), TaskType.SEQ_CLS
    )

    def loss_of(batch: Batch) -> torch.Tensor:
        last = batch.attention_mask.sum(dim=1) - 1
        ends = _hidden_states(model, batch, dtype)[torch.arange(len(last)), last]
        rewards = model.get_base_model().score(ends)[:, 0]
        return -logsigmoid(rewards[0::2] - rewards[1::2]).mean()

    _train(model, _batches(tokenizer, pairs), loss_of, LORA_RATE, "LoRA reward model", say)
    _save(model, tokenizer, folder)


def dpo_policy(pairs: Sequence[PreferencePair], base: Path, folder: Path, dtype: str, say: Say) -> None:
    """A policy tuned by DPO against `base`; saved merged, as one checkpoint. `dtype`: what the layers compute in."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = _with_adapter(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), TaskType.CAUSAL_LM)

    def loss_of(batch: Batch) -> torch.Tensor:
        with torch.no_grad(), model.disable_adapter():
            reference = _reply_log_probability(model, batch, dtype)
        ratio = _reply_log_probability(model, batch, dtype) - reference
        return -logsigmoid(BETA * (ratio[0::2] - ratio[1::2])).mean()

    _train(model, _batches(tokenizer, pairs), loss_of, DPO_RATE, "DPO policy", say)
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


def _train(
    model: Any,
    batches: Sequence[Batch],
    loss_of: Callable[[Batch], torch.Tensor],
    rate: float,
    what: str,
    say: Say,
) -> None:
    """One step per batch."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0.0)
    losses: list[float] = []
    for step, batch in enumerate(batches, 1):
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
        if step % SAID_EVERY == 0 or step == len(batches):
            mean = statistics.fmean(losses[-SAID_EVERY:])
            say(f"{what}: batch {step} of {len(batches)}, mean loss of the last {SAID_EVERY} {mean:.3f}")


def _hidden_states(model: Any, batch: Batch, dtype: str) -> torch.Tensor:
    """Final hidden states in float32, shape (conversations, tokens, hidden size)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        states = model.get_base_model().model(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
    hidden: torch.Tensor = states.last_hidden_state.float()
    return hidden


def _reply_log_probability(model: Any, batch: Batch, dtype: str) -> torch.Tensor:
    """Sum of the log-probabilities of the reply's tokens, shape (conversations,)."""
    hidden = _hidden_states(model, batch, dtype)
    rows, positions = batch.reply.nonzero(as_tuple=True)
    logits = model.get_base_model().lm_head(hidden[rows, positions - 1])
    values = -cross_entropy(logits, batch.input_ids[rows, positions], reduction="none")
    return torch.zeros(len(hidden)).index_add(0, rows, values)


def _batches(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[PreferencePair]) -> list[Batch]:
    """Pairs of similar length together, so that little is padded; the batches in random order."""
    encoded = sorted((_encoded(tokenizer, pair) for pair in pairs), key=lambda both: max(len(ids) for ids, _ in both))
    starts = list(range(0, len(encoded), BATCH))
    random.Random(0).shuffle(starts)
    return [_padded(tokenizer, [row for both in encoded[start : start + BATCH] for row in both]) for start in starts]


def _encoded(tokenizer: PreTrainedTokenizerBase, pair: PreferencePair) -> list[tuple[list[int], int]]:
    """Token ids of both conversations and where the reply starts; the end is kept of what is too long."""
    turns = [{"role": message.role, "content": message.content} for message in pair.prompt]
    prompt = _token_ids(tokenizer, turns, ending=True)
    both = []
    for reply in (pair.chosen, pair.rejected):
        whole = _token_ids(tokenizer, [*turns, {"role": "assistant", "content": reply}], ending=False)
        cut = max(0, len(whole) - MAX_TOKENS)
        both.append((whole[cut:], max(1, len(prompt) - cut)))
    return both


def _token_ids(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, ending: bool) -> list[int]:
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ending)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _padded(tokenizer: PreTrainedTokenizerBase, rows: Sequence[tuple[list[int], int]]) -> Batch:
    padded = tokenizer.pad({"input_ids": [ids for ids, _ in rows]}, return_tensors="pt", padding_side="right")
    mask = padded["attention_mask"].bool()
    starts = torch.tensor([start for _, start in rows])
    reply = mask & (torch.arange(mask.shape[1])[None] >= starts[:, None])
    return Batch(padded["input_ids"], padded["attention_mask"], reply)


def _save(model: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    merged = model.merge_and_unload()
    merged.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
