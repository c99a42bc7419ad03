"""Make a small zoo of real reward models and what is needed to measure it: `python examples/reward_models/build.py`.

    helpful, harmless                linear heads on frozen SmolLM2 features, each fitted on one half of HH
    mixed-s0, mixed-s1, mixed-s2     heads fitted on both, on different pairs: an ensemble
    lora                             the mixed head with an adapter below it (`--fine-tune`)
    dpo                              a DPO policy; its reference is the base checkpoint (`--fine-tune`)

Pairs are of the HH test files, which `$EVALSUITE_DATA` holds or the hub has. Half of the dialogues are fitted on, the others
are written to `held_out/`; `ood_reward.yaml` is the run that compares the models in and out of distribution:

    evalsuite run --config .demo/reward_models/ood_reward.yaml --out runs/ood

About ten minutes on two cores, and ten more with `--fine-tune` (which needs the extra `train`). What is there is kept.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "checkpoints"))

import numpy as np
import yaml
from checkpoint_folder import checkpoint_folder
from language_models import build_language_model
from preference_halves import SPLITS, draw, halves, length, write_pairs
from reward_head import ending_with_the_turn, feature_differences, fit_head, save_reward_model

from evalsuite.data import data_root
from evalsuite.stats.intervals import wilson
from evalsuite.tasks.preferences import PreferencePair
from evalsuite.tasks.rewards.domains import DEFAULT_DOMAINS

FOUND_BY = {"helpful": "hh_helpful", "harmless": "hh_harmless"}
SEEDS = 3
SHARE_PER_SEED = 0.8
FINE_TUNING_PAIRS = 240


def main() -> None:
    """Build what is not there yet, and write the held-out pairs and the run's configuration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(".demo"), help="where checkpoints are kept (default: .demo)")
    parser.add_argument("--pairs", type=int, default=700, help="pairs of each split that heads are fitted on")
    parser.add_argument("--max-characters", type=int, default=500, help="longest conversation that is fitted on")
    parser.add_argument("--per-domain", type=int, default=100, help="pairs per domain in the run's configuration")
    parser.add_argument(
        "--checked-pairs", type=int, default=300, help="held-out pairs of each split that heads are checked on"
    )
    parser.add_argument(
        "--dtype",
        default="float32",
        help="of the frozen features; bfloat16 is several times faster where the CPU has it",
    )
    parser.add_argument("--fine-tune", action="store_true", help="also the LoRA reward model and the DPO policy")
    arguments = parser.parse_args()
    root = arguments.out / "reward_models"
    base = ending_with_the_turn(build_language_model("smollm2-135m-instruct", arguments.out, say), root / "base")
    split = {name: halves(name, arguments.max_characters) for name in SPLITS}
    fitting = {name: half.fitting[: arguments.pairs] for name, half in split.items()}
    for name, half in split.items():
        write_pairs(root / "held_out" / f"{name}.jsonl", half.held_out)
    checked = [
        pair
        for half in split.values()
        for pair in sorted((p for p in half.held_out if length(p) <= arguments.max_characters), key=draw)[
            : arguments.checked_pairs
        ]
    ]
    features = partial(feature_differences, base=base, root=arguments.out, say=say, dtype=arguments.dtype)
    models = build_heads(fitting, checked, features, base, root)
    if arguments.fine_tune:
        models |= fine_tune(fitting, base, models["mixed-s0"], root)
    config = write_config(models, root, arguments.per_domain)
    say(f"measure them: evalsuite run --config {config} --out runs/ood")


def build_heads(
    fitting: dict[str, list[PreferencePair]],
    checked: Sequence[PreferencePair],
    features_of: Callable[[Sequence[PreferencePair]], np.ndarray],
    base: Path,
    root: Path,
) -> dict[str, Path]:
    """The five linear heads, by label."""
    features = {name: features_of(pairs) for name, pairs in fitting.items()}
    both = np.concatenate(list(features.values()))
    dialogues = np.array([pair.cluster for pairs in fitting.values() for pair in pairs])
    recipes: dict[str, np.ndarray] = {name: differences for name, differences in features.items()}
    for seed in range(SEEDS):
        recipes[f"mixed-s{seed}"] = both[_drawn(dialogues, seed)]
    held_out: list[np.ndarray] = []

    def filling(label: str, note: str, differences: np.ndarray) -> Callable[[Path], None]:
        def fill(folder: Path) -> None:
            if not held_out:
                held_out.append(features_of(checked))
            head = fit_head(differences)
            text = accuracy_text(held_out[0] @ head, checked)
            say(f"{label}: {text}")
            save_reward_model(head, base, folder)
            (folder / "MODEL_CARD.md").write_text(
                f"# {label}\n\nLinear head on SmolLM2-135M-Instruct, {note}.\n\n{text}\n"
            )

        return fill

    models = {}
    for label, differences in recipes.items():
        note = f"fitted on {len(differences)} HH test pairs"
        models[label] = checkpoint_folder(root / label, f"{label}: {note}", filling(label, note, differences))
    return models


def _drawn(dialogues: np.ndarray, seed: int) -> np.ndarray:
    """Mask of the pairs whose dialogue is among the share drawn for a seed."""
    names = np.unique(dialogues)
    kept = np.random.default_rng(seed).permutation(names)[: round(SHARE_PER_SEED * len(names))]
    return np.isin(dialogues, kept)


def accuracy_text(margins: np.ndarray, pairs: Sequence[PreferencePair]) -> str:
    """Accuracy on held-out pairs of each split, with 95% intervals."""
    parts = []
    for name in SPLITS:
        mine = margins[[pair.id.startswith(f"{name}:") for pair in pairs]]
        found = wilson(int((mine > 0).sum()), len(mine))
        parts.append(f"{name} {found.estimate:.3f} ({found.low:.3f} to {found.high:.3f}, {len(mine)} pairs)")
    return "Held-out accuracy: " + ", ".join(parts)


def fine_tune(fitting: dict[str, list[PreferencePair]], base: Path, head: Path, root: Path) -> dict[str, Path]:
    """The LoRA reward model, which joins the run, and the DPO policy, which has a run of its own."""
    from fine_tuned import dpo_policy, reward_model_by_lora

    share = FINE_TUNING_PAIRS // len(fitting)
    pairs = [pair for split in fitting.values() for pair in split[:share]]
    lora = checkpoint_folder(
        root / "lora",
        f"adapter on {len(pairs)} pairs",
        lambda folder: reward_model_by_lora(pairs, base, head, folder, say),
    )
    policy = checkpoint_folder(
        root / "dpo", f"DPO on {len(pairs)} pairs", lambda folder: dpo_policy(pairs, base, folder, say)
    )
    say(
        f"implicit reward: evalsuite run --reward-model dpo=vllm:{policy} --baseline base=vllm:{base} --tasks reward_pairs "
        f"--set reward_pairs.source=dpo --data reward_pairs={root / 'held_out' / 'helpful.jsonl'} --limit 100"
    )
    return {"lora": lora}


def write_config(models: dict[str, Path], root: Path, per_domain: int) -> Path:
    """`domains.yaml` (held-out HH in distribution, every public set that is there out of it) and `ood_reward.yaml`."""
    domains = {
        FOUND_BY[name]: {"path": str((root / "held_out" / f"{name}.jsonl").resolve()), "about_harm": name == "harmless"}
        for name in SPLITS
    }
    public = data_root()
    for name, domain in DEFAULT_DOMAINS.items():
        found = [path for file in domain.files for path in _spellings(public, file) if path.is_file()]
        if found and name not in domains:
            domains[name] = {"path": str(found[0]), "about_harm": domain.about_harm}
    (root / "domains.yaml").write_text(yaml.safe_dump(domains, sort_keys=False))
    config = {
        "reward_model": [f"{label}=vllm:{folder.resolve()}" for label, folder in models.items()],
        "tasks": ["ood_reward"],
        "set": {
            "ood_reward.domains": str((root / "domains.yaml").resolve()),
            "ood_reward.in_distribution": "+".join(FOUND_BY.values()),
            "ood_reward.trained_on": ";".join(f"{label}={domain}" for label, domain in FOUND_BY.items()),
            "ood_reward.per_domain": str(per_domain),
        },
    }
    path = root / "ood_reward.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def _spellings(public: Path | None, file: str) -> tuple[Path, ...]:
    return () if public is None else (public / file, public / f"{file}.gz")


def say(text: str) -> None:
    """Progress, with the time."""
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
