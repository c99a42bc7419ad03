"""Where the HH-RLHF test files are: `--data`, `$EVALSUITE_DATA/hh_rlhf`, or the hub at a pinned revision."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from evalsuite.api import DataSource

HHSplit = Literal["helpful-base", "harmless-base", "helpful-online", "helpful-rejection-sampled"]

HUB_REPOSITORY = "Anthropic/hh-rlhf"
HUB_REVISION = "09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa"


def hh_file(data: DataSource, split: HHSplit) -> Path:
    """Path of the test file of a split; `--data hh_helpful_base=PATH` and so on name it."""
    return data.find(
        f"hh_{split.replace('-', '_')}",
        f"hh_rlhf/{split}.test.jsonl",
        f"hh_rlhf/{split}/test.jsonl",
        f"{split}/test.jsonl",
        hub=(HUB_REPOSITORY, f"{split}/test.jsonl.gz", HUB_REVISION),
    )
