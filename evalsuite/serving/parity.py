"""Does the server score what transformers scores? The check of a served reward model against its own weights.

A server can apply an activation, another template or a coarse dtype without saying so; a few conversations scored both ways,
before the run, show it. What can be checked: models with weights on this machine, served by us (`vllm:`) or by somebody else
(`http:` with `weights=FOLDER`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import msgspec

from evalsuite.client.backend import Backend, RewardRequest
from evalsuite.errors import CapabilityError
from evalsuite.progress import Progress
from evalsuite.records import Completion
from evalsuite.serving.hf_model import serve_hf
from evalsuite.serving.identity import resolve_checkpoint
from evalsuite.serving.spec import ModelSpec, flag
from evalsuite.serving.vllm_flags import find_build, server_flags
from evalsuite.serving.weights import read_config

SERVED = ("vllm", "http")
"""Schemes of models that a server answers for."""

TOLERANCE = 1e-2
"""Largest difference of two scores of a server that computes in float32; both ways agree to 1e-4 then."""

HALF_PRECISION_SHARE = 0.25
"""The same for half precision, as a share of the standard deviation of the scores. Transformers in bfloat16 and in float32
differed by up to 0.1 of it (SmolLM2, 22 layers); another template or an activation makes a difference of its size."""

CLEAR_MARGIN = 0.05
"""Scores further apart than this (and than twice the tolerance) must be in the same order on both sides."""

MEMORY_SHARE = 0.4
"""Most of the free memory that the float32 weights may take: the server that is starting beside them takes some as well."""

_GIB = 2**30


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Rewards of the same conversations by the server and by transformers."""

    conversations: int
    largest_difference: float
    tolerance: float
    reversed_pairs: int

    @property
    def passed(self) -> bool:
        """Whether both ways give the same rewards."""
        return self.largest_difference <= self.tolerance and not self.reversed_pairs


def why_unchecked(spec: ModelSpec) -> str | None:
    """Why the rewards of this model are not compared with transformers now; None when they can be."""
    reason = why_incomparable(spec)
    if reason is not None:
        return reason
    needed, free = _float32_bytes(_folder(spec)), _free_bytes()
    if free is not None and needed > MEMORY_SHARE * free:
        return f"its weights take {needed / _GIB:.0f} GiB in float32, {free / _GIB:.0f} GiB are free"
    return None


def why_incomparable(spec: ModelSpec) -> str | None:
    """The same, whatever memory is free: why there is nothing to compare."""
    if spec.scheme not in SERVED:
        return "it is not served"
    if not flag(spec, "parity", True):
        return "the SPEC says parity=false"
    if "lora" in spec.options:
        return "it is an adapter"
    return "its weights are not on this machine" if _weights(spec) is None else None


async def served_rewards(
    spec: ModelSpec, backend: Backend, requests: Sequence[RewardRequest], who: str = "the server"
) -> list[Completion]:
    """Answers of a backend that is up; `CapabilityError` when one has no reward."""
    answers = await asyncio.gather(*(backend.ask(request) for request in requests))
    for answer in answers:
        if answer.reward is None:
            raise CapabilityError(
                f"{spec.redacted!r}: {who} did not score a conversation of the parity check: {answer.error}"
            )
    return list(answers)


def reference_spec(spec: ModelSpec) -> ModelSpec:
    """The weights that a SPEC's server loads as an `hf:` model, in float32 on the CPU; only for what can be checked."""
    kept = {key: spec.options[key] for key in ("template", "chat_template", "trust_remote_code") if key in spec.options}
    return ModelSpec(
        label=spec.label, scheme="hf", target=str(_folder(spec)), options={**kept, "dtype": "float32", "device": "cpu"}
    )


async def reference_rewards(
    local: ModelSpec, requests: Sequence[RewardRequest], progress: Progress
) -> list[Completion]:
    """Conversations scored by transformers, as `reference_spec` says.

    Raises:
        MissingDependencyError: torch or transformers is not installed.
        CapabilityError: a conversation could not be scored.
    """
    async with serve_hf(local, frozenset({"reward"}), progress) as backend:
        return await served_rewards(local, backend, requests, "transformers")


def compare_rewards(spec: ModelSpec, served: Sequence[Completion], reference: Sequence[Completion]) -> Parity:
    """Largest difference, and how many clearly separated conversations are ordered the other way round."""
    ours, theirs = ([float(answer.reward or 0.0) for answer in side] for side in (served, reference))
    mean = sum(theirs) / len(theirs)
    spread = (sum((value - mean) ** 2 for value in theirs) / len(theirs)) ** 0.5
    tolerance = TOLERANCE if _in_float32(spec) else max(TOLERANCE, HALF_PRECISION_SHARE * spread)
    clear = max(CLEAR_MARGIN, 2 * tolerance)
    reversed_pairs = sum(
        abs(theirs[i] - theirs[j]) > clear and (ours[i] - ours[j]) * (theirs[i] - theirs[j]) <= 0
        for i, j in combinations(range(len(theirs)), 2)
    )
    return Parity(
        conversations=len(ours),
        largest_difference=max(abs(a - b) for a, b in zip(ours, theirs, strict=True)),
        tolerance=tolerance,
        reversed_pairs=reversed_pairs,
    )


def require_parity(spec: ModelSpec, parity: Parity) -> None:
    """`CapabilityError` unless both ways give the same rewards; it says by how much they differ and what to look at."""
    if not parity.passed:
        raise CapabilityError(
            f"{spec.redacted!r}: the server and transformers score the same {parity.conversations} conversations "
            f"differently (by up to {parity.largest_difference:.4g}, {parity.tolerance:.2g} is allowed; "
            f"{parity.reversed_pairs} clear pairs in reversed order): look at the dtype, the chat template and whether the "
            "server applies an activation, or leave the check out with `parity=false`"
        )


def _weights(spec: ModelSpec) -> Path | None:
    """The folder with the weights that a SPEC's server loads, when it is on this machine."""
    if spec.scheme == "http":
        stated = Path(spec.options.get("weights", "")).expanduser()
        return stated if "weights" in spec.options and (stated / "config.json").is_file() else None
    return resolve_checkpoint(spec)[0]


def _folder(spec: ModelSpec) -> Path:
    folder = _weights(spec)
    assert folder is not None, f"{spec.redacted!r} has no weights here"
    return folder


def _in_float32(spec: ModelSpec) -> bool:
    build = find_build()
    if spec.scheme != "vllm" or build is None:
        return False  # an attached server does not say
    return server_flags(spec, build, _weights(spec)).get("dtype") == "float32"


def _float32_bytes(folder: Path) -> int:
    config = read_config(folder)
    width = 4 if str(config.get("dtype") or config.get("torch_dtype")) == "float32" else 2
    files = folder.glob("*.safetensors") if folder.is_dir() else (folder,)
    return sum(file.stat().st_size for file in files) * 4 // width


def _free_bytes() -> int | None:
    """Memory that could be had now; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    free = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(free) * 1024 if free else None
