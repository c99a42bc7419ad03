"""The parity check of served reward models as part of a run: before its first sample, and once per weights and store.

Scores of both ways are kept in the response store like any answer, the transformers side under a name of its own, but only
when they agree: a server that was mended is asked again. So a replay, a resumed run and other runs on the same store read
them there, and load nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from evalsuite.client.backend import Backend
from evalsuite.client.fingerprint import fingerprint, request_bytes
from evalsuite.client.store import Answers
from evalsuite.engine.context import Replay
from evalsuite.engine.plan import Model, Plan
from evalsuite.errors import MissingDependencyError
from evalsuite.progress import Progress
from evalsuite.records import Completion
from evalsuite.serving.parity import (
    SERVED,
    Parity,
    compare_rewards,
    reference_rewards,
    require_parity,
    served_rewards,
    why_unchecked,
)
from evalsuite.serving.parity_conversations import PARITY_REQUESTS

_ENCODED = tuple(request_bytes(request) for request in PARITY_REQUESTS)


async def check_parity(model: Model, backend: Backend, replay: Replay, progress: Progress) -> None:
    """Compare a reward model that is being served with its own weights, unless the store shows that it was done.

    Raises:
        CapabilityError: the server scores conversations differently from transformers.
    """
    if why_unchecked(model.spec) is not None or await recorded_parity(model, replay.store) is not None:
        return
    with progress.stage(f"check {model.label} against its weights"):
        try:
            reference = await reference_rewards(model.spec, PARITY_REQUESTS, progress)
        except MissingDependencyError as error:  # serving works without transformers here; only the check does not
            progress.log(f"{model.label} is not checked against its weights: {error}")
            return
        replay.sent += len(PARITY_REQUESTS)
        served = await served_rewards(model.spec, backend, PARITY_REQUESTS)
    require_parity(model.spec, compare_rewards(model.spec, served, reference))
    rows = [
        (identity, encoded, answer)
        for identity, answers in ((_served(model), served), (_reference(model), reference))
        for encoded, answer in zip(_ENCODED, answers, strict=True)
    ]
    await asyncio.gather(
        *(
            replay.store.put(name, identity, encoded, msgspec.structs.replace(answer, fingerprint=name))
            for identity, encoded, answer in rows
            for name in (fingerprint(identity, encoded),)
        )
    )


async def recorded_parity(model: Model, store: Answers) -> Parity | None:
    """The comparison that the store holds for a model; None when there is none or only a part of it."""
    served, reference = [await _stored(identity, store) for identity in (_served(model), _reference(model))]
    return None if served is None or reference is None else compare_rewards(model.spec, served, reference)


async def describe_parity(plan: Plan, store: Answers) -> dict[str, Mapping[str, Any]]:
    """What the manifest says about the parity of each served reward model, by label."""
    found: dict[str, Mapping[str, Any]] = {}
    asked = plan.needs()
    for label, model in plan.models.items():
        if model.server_key("reward") not in asked or model.spec.scheme not in SERVED:
            continue
        parity = await recorded_parity(model, store)
        if parity is not None:
            found[label] = {"checked": True, **msgspec.to_builtins(parity)}
        else:
            reason = why_unchecked(model.spec) or "all its answers were there already, or transformers is not installed"
            found[label] = {"checked": False, "reason": reason}
    return found


def parity_note(label: str, parity: Mapping[str, Any]) -> str:
    """One line for the manifest's notes."""
    if not parity["checked"]:
        return f"rewards of {label} were not compared with transformers: {parity['reason']}"
    return (
        f"rewards of {label} by the server and by transformers: {parity['conversations']} conversations, largest difference "
        f"{parity['largest_difference']:.2g}"
    )


async def _stored(identity: str, store: Answers) -> list[Completion] | None:
    answers = [await store.get(fingerprint(identity, encoded)) for encoded in _ENCODED]
    found = [answer for answer in answers if answer is not None]
    return found if len(found) == len(_ENCODED) else None


def _served(model: Model) -> str:
    return model.identity.digest


def _reference(model: Model) -> str:
    return f"{model.identity.digest}/transformers"
