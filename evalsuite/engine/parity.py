"""The parity check of served reward models as part of a run: before its first sample, and once per weights and store.

Scores of both ways are kept in the response store like any answer, the transformers side as those of the same weights as an
`hf:` model. So a replay, a resumed run and other runs on the same store read them there and load nothing, and a server of another
dtype or version is asked only the server's half. What the server said is kept only when both agree: a server that was mended
is asked again. transformers computes while the server starts, which leaves a processor idle most of the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
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
from evalsuite.serving.identity import identify
from evalsuite.serving.parity import (
    SERVED,
    Parity,
    compare_rewards,
    reference_rewards,
    reference_spec,
    require_parity,
    served_rewards,
    why_incomparable,
    why_unchecked,
)
from evalsuite.serving.parity_conversations import PARITY_REQUESTS
from evalsuite.serving.spec import ModelSpec

_ENCODED = tuple(request_bytes(request) for request in PARITY_REQUESTS)

Check = Callable[[Model, Backend], Awaitable[None]]
"""Ends when a model that is being served was compared; raises `CapabilityError` when its scores are not those of its weights."""


@asynccontextmanager
async def parity_check(models: Sequence[Model], replay: Replay, progress: Progress) -> AsyncIterator[Check]:
    """The check of reward models that are about to be served; inside, start the server and call what this yields.

    Models that cannot be checked, and those that the store says were checked, pass at once.
    """
    references = {
        model.label: asyncio.create_task(_reference(model.spec, replay, progress))
        for model in models
        if why_unchecked(model.spec) is None and await recorded_parity(model, replay.store) is None
    }

    async def check(model: Model, backend: Backend) -> None:
        if model.label not in references:
            return
        with progress.stage(f"check {model.label} against its weights"):
            reference = await references[model.label]
            if reference is None:
                return
            replay.sent += len(PARITY_REQUESTS)
            served = await served_rewards(model.spec, backend, PARITY_REQUESTS)
        require_parity(model.spec, compare_rewards(model.spec, served, reference))
        await _keep(model.identity.digest, served, replay.store)

    try:
        yield check
    finally:
        for task in references.values():
            task.cancel()
        await asyncio.gather(*references.values(), return_exceptions=True)


async def recorded_parity(model: Model, store: Answers) -> Parity | None:
    """The comparison that the store holds for a model; None when there is none or only a part of it."""
    served = await _stored(model.identity.digest, store)
    if served is None or why_incomparable(model.spec) is not None:
        return None
    try:
        reference = await _stored((await identify(reference_spec(model.spec))).digest, store)
    except MissingDependencyError:  # the version of transformers is a part of what the reference is
        return None
    return None if reference is None else compare_rewards(model.spec, served, reference)


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


async def _reference(spec: ModelSpec, replay: Replay, progress: Progress) -> list[Completion] | None:
    """Rewards by transformers, from the store where it has them; None when transformers is not installed."""
    local = reference_spec(spec)
    try:
        identity = (await identify(local)).digest
        known = await _stored(identity, replay.store)
        if known is not None:
            return known
        found = await reference_rewards(local, PARITY_REQUESTS, progress)
    except MissingDependencyError as error:  # serving works without transformers here; only the check does not
        progress.log(f"{spec.label} is not checked against its weights: {error}")
        return None
    await _keep(identity, found, replay.store)
    return found


async def _stored(identity: str, store: Answers) -> list[Completion] | None:
    answers = [await store.get(fingerprint(identity, encoded)) for encoded in _ENCODED]
    found = [answer for answer in answers if answer is not None]
    return found if len(found) == len(_ENCODED) else None


async def _keep(identity: str, answers: Sequence[Completion], store: Answers) -> None:
    await asyncio.gather(
        *(
            store.put(name, identity, encoded, msgspec.structs.replace(answer, fingerprint=name))
            for encoded, answer in zip(_ENCODED, answers, strict=True)
            for name in (fingerprint(identity, encoded),)
        )
    )
