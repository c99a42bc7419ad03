"""Fine-tune one LoRA adapter on several TRACE training sets, one after the other, and write the sequence manifest.

    python examples/sequence/train.py --data FOLDER [--out .demo/sequence] [--order FOMC ScienceQA NumGLUE-cm]

FOLDER holds `trace/<data set>.train.json`. The adapter keeps learning over the stages, and a copy is kept after each, so that
what was forgotten can be measured. Needs the extra `train`. About eight minutes on two idle cores with the defaults.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
# Threads that wait by spinning take the cores from those that work as soon as anything else runs on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import yaml
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, get_linear_schedule_with_warmup

from evalsuite.data import DataFiles
from evalsuite.tasks.trace.datasets import DATASETS, records

IGNORED = -100  # label of tokens that are not learned
# Attention inputs only: on a CPU, vLLM copies the adapter's weights in every layer it may touch for every token it reads.
TARGETS = ["q_proj", "k_proj", "v_proj"]

Example = tuple[list[int], list[int]]


def main() -> None:
    """Train the stages that are not there yet and write the manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path(".demo/smollm2-135m-instruct"), help="base checkpoint")
    parser.add_argument("--data", type=Path, default=os.environ.get("EVALSUITE_DATA"), help="default: $EVALSUITE_DATA")
    parser.add_argument("--out", type=Path, default=Path(".demo/sequence"))
    parser.add_argument("--order", nargs="+", default=["FOMC", "ScienceQA", "NumGLUE-cm"], choices=list(DATASETS))
    parser.add_argument("--examples", type=int, default=160, help="training examples per data set, drawn by --seed")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float32"),
        default="bfloat16",
        help="of the matrix products; the adapter is float32",
    )
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--max-tokens", type=int, default=128, help="longer prompts lose their beginning")
    parser.add_argument("--max-answer-tokens", type=int, default=24, help="longer answers lose their end")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("give --data FOLDER or set EVALSUITE_DATA")
    if not (arguments.model / "config.json").is_file():
        parser.error(f"no checkpoint at {arguments.model}: run `python examples/checkpoints/build.py` first")
    arguments.out.mkdir(parents=True, exist_ok=True)
    train_all(arguments)
    manifest = write_manifest(arguments.out, arguments.model, arguments.order)
    say(f"manifest: {manifest}")


def train_all(arguments: argparse.Namespace) -> None:
    """Train stage after stage; stages that are already there are loaded and kept."""
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model: PeftModel | None = None
    for number, name in enumerate(arguments.order, 1):
        folder = arguments.out / folder_name(number, name)
        if (folder / "adapter_config.json").is_file():
            say(f"stage {number} ({name}): already in {folder}")
            continue
        if model is None:
            previous = arguments.out / folder_name(number - 1, arguments.order[number - 2]) if number > 1 else None
            model = adapter_on(arguments.model, previous, arguments.seed)
        data = DataFiles("trace", root=arguments.data.resolve(), offline=True)
        pairs = list(records(data, DATASETS[name], "500", "train"))
        drawn = random.Random(arguments.seed).sample(pairs, min(arguments.examples, len(pairs)))
        limits = arguments.max_tokens, arguments.max_answer_tokens
        examples = [encoded(tokenizer, prompt, answer, *limits) for prompt, answer in drawn]
        title = f"stage {number} of {len(arguments.order)} ({name})"
        train_stage(model, examples, title, arguments, pad=tokenizer.pad_token_id)
        model.save_pretrained(folder)


def folder_name(number: int, name: str) -> str:
    """`1-fomc`, `2-scienceqa` …"""
    return f"{number}-{name.lower()}"


def adapter_on(base: Path, previous: Path | None, seed: int) -> PeftModel:
    """The base model with a fresh adapter, or with that of the stage before, trainable."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if previous is not None:
        return PeftModel.from_pretrained(model, previous, is_trainable=True)
    return get_peft_model(
        model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")
    )


def encoded(tokenizer: PreTrainedTokenizerBase, prompt: str, answer: str, limit: int, answer_limit: int) -> Example:
    """`prompt + answer` without separator, as TRACE trains; only answer and end token are learned, the prompt is cut left.

    A long answer is cut and ended: ScienceQA's explanations are ten times as long as what is scored, the letter before them.
    """
    target = [*tokenizer(answer.strip(), add_special_tokens=False).input_ids[:answer_limit], tokenizer.eos_token_id]
    context = tokenizer(prompt, add_special_tokens=False).input_ids[-(limit - len(target)) :]
    return context + target, [IGNORED] * len(context) + target


def train_stage(model: PeftModel, examples: list[Example], title: str, arguments: argparse.Namespace, pad: int) -> None:
    """AdamW with linear decay; the mean loss of the last steps and the time left in this stage are shown while it runs."""
    steps = arguments.epochs * -(-len(examples) // arguments.batch)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=arguments.learning_rate)
    schedule = get_linear_schedule_with_warmup(optimiser, num_warmup_steps=steps // 20, num_training_steps=steps)
    model.train()
    started, losses = time.monotonic(), []
    for step, batch in enumerate(batches(examples, arguments.epochs, arguments.batch, arguments.seed), 1):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.dtype == "bfloat16"):
            loss = answer_loss(model, padded(batch, pad))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        recent, spent = losses[-10:], time.monotonic() - started
        left = spent / step * (steps - step)
        show(
            f"{title}: step {step}/{steps}, loss {sum(recent) / len(recent):.3f}, {left:.0f} s left", last=step == steps
        )


def answer_loss(model: PeftModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross-entropy of the answer tokens; the output layer, a fifth of this model, is computed at no other position."""
    causal = model.get_base_model()
    hidden = causal.model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    targets = batch["labels"][:, 1:]
    learned = targets != IGNORED
    return torch.nn.functional.cross_entropy(causal.lm_head(hidden[:, :-1][learned]), targets[learned])


def batches(examples: list[Example], epochs: int, size: int, seed: int) -> Iterator[list[Example]]:
    """Shuffled batches of examples of similar length, so that little is padded."""
    order = random.Random(seed)
    for _ in range(epochs):
        shuffled = sorted(examples, key=lambda example: (len(example[0]) // 32, order.random()))
        groups = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
        order.shuffle(groups)
        yield from groups


def padded(batch: list[Example], pad: int) -> dict[str, torch.Tensor]:
    """One batch as tensors, padded on the right."""
    width = max(len(tokens) for tokens, _ in batch)
    rows = [(tokens, labels, width - len(tokens)) for tokens, labels in batch]
    return {
        "input_ids": torch.tensor([tokens + [pad] * missing for tokens, _, missing in rows]),
        "attention_mask": torch.tensor([[1] * len(tokens) + [0] * missing for tokens, _, missing in rows]),
        "labels": torch.tensor([labels + [IGNORED] * missing for _, labels, missing in rows]),
    }


def write_manifest(out: Path, model: Path, order: list[str]) -> Path:
    """`sequence.yaml` beside the adapters, with paths relative to itself."""
    base = os.path.relpath(model.resolve(), out.resolve())
    stages = [{"label": "base"}] + [
        {"label": f"after-{name.lower()}", "trained_on": name, "lora": folder_name(number, name)}
        for number, name in enumerate(order, 1)
    ]
    content = {
        "base": f"vllm:{base},dtype=bfloat16,lora_target_modules=qkv_proj",
        "tasks": {
            "trace": {"datasets": list(order), "max_tokens": 48},
            "general_ability": {"benchmarks": ["boolq", "piqa", "arc_challenge"], "max_tokens_short": 16},
        },
        "stages": stages,
    }
    path = out / "sequence.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def show(text: str, last: bool) -> None:
    """Progress on one line of a terminal, or every tenth step on lines of a log."""
    if sys.stderr.isatty():
        print(f"\r{text:<100}", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last or "0/" in text:
        print(text, file=sys.stderr, flush=True)


def say(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
