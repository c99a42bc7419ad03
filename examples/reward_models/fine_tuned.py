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

LAYERS_TUNED = 6
RANK = 8
ALPHA = 64
"""Large for the rank: sixty steps must move the weights by per cents."""

LEARNING_RATE = 5e-4
EPOCHS = 3
BATCH = 8
BETA = 0.1
MAX_TOKENS = 256
SAID_EVERY = 5

Say = Callable[[str], None]

_Row = tuple[list[int], int]
_Pair = tuple[_Row, _Row]


class Batch(NamedTuple):
    """Both replies of some pairs in turn (chosen, rejected), padded on the right.

    `input_ids`, `attention_mask` and `reply` have the shape (conversations, tokens); `reply` marks the tokens of the reply, the
    end of its turn included. `states` is what the layers that are not tuned make of it, (conversations, tokens, hidden size).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    reply: torch.Tensor
    states: torch.Tensor


def reward_model_by_lora(
    pairs: Sequence[PreferencePair], base: Path, head: Path, folder: Path, dtype: str, say: Say
) -> None:
    """Continue from the linear head of `head`, with an adapter below it; saved merged, as one checkpoint.

    `dtype`: what the layers compute in.
    """
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(head, dtype=torch.float32)

    def loss_of(model: Any, batch: Batch) -> torch.Tensor:
        last = batch.attention_mask.sum(dim=1) - 1
        ends = _hidden_states(model, batch, dtype)[torch.arange(len(last)), last]
        rewards = model.score(ends)[:, 0]
        return -logsigmoid(rewards[0::2] - rewards[1::2]).mean()

    tuner = _Tuner(model, TaskType.SEQ_CLS, _rows(tokenizer, pairs), tokenizer, dtype)
    tuner.train(loss_of, "LoRA reward model", say)
    tuner.save(folder)


def dpo_policy(pairs: Sequence[PreferencePair], base: Path, folder: Path, dtype: str, say: Say) -> None:
    """A policy tuned by DPO against `base`; saved merged, as one checkpoint. `dtype`: what the layers compute in."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tuner = _Tuner(model, TaskType.CAUSAL_LM, _rows(tokenizer, pairs), tokenizer, dtype)
    with torch.no_grad():  # the adapter changes nothing yet
        references = {id(batch): _reply_log_probability(tuner.model, batch, dtype) for batch in tuner.batches}

    def loss_of(model: Any, batch: Batch) -> torch.Tensor:
        ratio = _reply_log_probability(model, batch, dtype) - references[id(batch)]
        return -logsigmoid(BETA * (ratio[0::2] - ratio[1::2])).mean()

    tuner.train(loss_of, "DPO policy", say)
    tuner.save(folder)


class _Tuner:
    """A model with an adapter on its last layers; the others run once, for all epochs.

    While it lives, `model` (the transformers model, adapter included) consists of the last layers only.
    """

    def __init__(
        self, model: Any, task: TaskType, rows: Sequence[_Pair], tokenizer: PreTrainedTokenizerBase, dtype: str
    ) -> None:
        if model.config.pad_token_id is None:
            model.config.pad_token_id = model.config.eos_token_id
        first = model.config.num_hidden_layers - LAYERS_TUNED
        config = LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "v_proj", "o_proj"], task_type=task,
            layers_to_transform=list(range(first, model.config.num_hidden_layers)),
        )  # fmt: skip
        torch.manual_seed(0)
        self._adapted = get_peft_model(model, config).train()
        self._tokenizer = tokenizer
        self.model: Any = self._adapted.get_base_model()
        self._layers, norm = self.model.model.layers, self.model.model.norm
        self.model.model.layers, self.model.model.norm = self._layers[:first], torch.nn.Identity()
        with torch.no_grad():
            self.batches = [self._batch(batch, dtype) for batch in _by_length(rows)]
        self.model.model.layers, self.model.model.norm = self._layers[first:], norm

    def _batch(self, pairs: Sequence[_Pair], dtype: str) -> Batch:
        rows = [row for pair in pairs for row in pair]
        ids = [ids for ids, _ in rows]
        padded = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt", padding_side="right")
        mask = padded["attention_mask"]
        starts = torch.tensor([start for _, start in rows])
        reply = mask.bool() & (torch.arange(mask.shape[1])[None] >= starts[:, None])
        embedded = self.model.get_input_embeddings()(padded["input_ids"])
        batch = Batch(padded["input_ids"], mask, reply, embedded)
        return batch._replace(states=_hidden_states(self.model, batch, dtype))

    def train(self, loss_of: Callable[[Any, Batch], torch.Tensor], what: str, say: Say) -> None:
        """One step per batch and epoch, each epoch in an order of its own."""
        tuned = [p for p in self._adapted.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(tuned, lr=LEARNING_RATE, weight_decay=0.0)
        order = random.Random(0)
        steps = [batch for _ in range(EPOCHS) for batch in order.sample(self.batches, len(self.batches))]
        losses: list[float] = []
        for step, batch in enumerate(steps, 1):
            loss = loss_of(self.model, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
            if step % SAID_EVERY == 0 or step == len(steps):
                mean = statistics.fmean(losses[-SAID_EVERY:])
                say(f"{what}: batch {step} of {len(steps)}, mean loss of the last {SAID_EVERY} {mean:.3f}")

    def save(self, folder: Path) -> None:
        """Write the whole model, adapter merged in."""
        self.model.model.layers = self._layers
        self._adapted.merge_and_unload().save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)


def _hidden_states(model: Any, batch: Batch, dtype: str) -> torch.Tensor:
    """What the layers and the norm of `model` make of a batch's states, in float32."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        output = model.model(inputs_embeds=batch.states, attention_mask=batch.attention_mask, use_cache=False)
    hidden: torch.Tensor = output.last_hidden_state.float()
    return hidden


def _reply_log_probability(model: Any, batch: Batch, dtype: str) -> torch.Tensor:
    """Sum of the log-probabilities of the reply's tokens, shape (conversations,)."""
    hidden = _hidden_states(model, batch, dtype)
    rows, positions = batch.reply.nonzero(as_tuple=True)
    logits = model.lm_head(hidden[rows, positions - 1])
    values = -cross_entropy(logits, batch.input_ids[rows, positions], reduction="none")
    return torch.zeros(len(hidden)).index_add(0, rows, values)


def _by_length(pairs: Sequence[_Pair]) -> list[Sequence[_Pair]]:
    """Pairs of similar length together, so that little is padded."""
    ordered = sorted(pairs, key=lambda pair: max(len(ids) for ids, _ in pair))
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]


def _rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[PreferencePair]) -> list[_Pair]:
    """Token ids of both conversations and where the reply starts; the end is kept of what is too long."""
    found = []
    for pair in pairs:
        turns = [{"role": message.role, "content": message.content} for message in pair.prompt]
        prompt = _token_ids(tokenizer, turns, ending=True)
        both = []
        for reply in (pair.chosen, pair.rejected):
            whole = _token_ids(tokenizer, [*turns, {"role": "assistant", "content": reply}], ending=False)
            cut = max(0, len(whole) - MAX_TOKENS)
            both.append((whole[cut:], max(1, len(prompt) - cut)))
        found.append((both[0], both[1]))
    return found


def _token_ids(tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], *, ending: bool) -> list[int]:
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ending)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
