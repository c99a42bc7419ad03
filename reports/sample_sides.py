"""Which texts stand side by side for one sample: baseline and candidate, or the two replies of a preference pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.reports.sample_rows import SampleRow
from evalsuite.reports.sample_texts import Answer, Asked, Responses, Turn

SHOWN_APART = {"verdicts", "prompt", "answer", "baseline_answer", "chosen_reward", "rejected_reward"}
"""Keys of `detail` that have a place of their own in the viewer."""


NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class Side:
    """One answer: whose it is, in which role, and the text with how it ended."""

    who: str
    role: str
    text: str | None
    status: str = "ok"
    finish_reason: str | None = None
    tokens: int | None = None
    reward: float | None = None
    error: str | None = None


def plain_role(role: str) -> str:
    """`judge` for `judge`, `judge#2` (second question to the role), `judge/BA` and `judge2/BA` (second of a panel)."""
    return role.split("#", 1)[0].split("/", 1)[0].rstrip("0123456789")


def is_reply_scored(row: SampleRow, responses: Responses) -> tuple[str, ...]:
    """Roles under which replies of the data set were given to a reward model that is itself the arm under test."""
    if "baseline" in row.links or row.head_to_head:
        return ()
    kinds = {role: responses.kind(name) for role, name in row.links.items()}
    scored = [role for role, kind in kinds.items() if kind == "reward"]
    own = [role for role in scored if plain_role(role) == "candidate"]
    answered = any(plain_role(role) == "candidate" and kind not in (None, "reward") for role, kind in kinds.items())
    return () if answered else tuple(own or scored)


def wanted_requests(rows: Iterable[SampleRow], responses: Responses) -> set[str]:
    """Fingerprints whose requests have to be read: one per sample for its prompt, and every scored reply.

    A question that failed keeps no request, so the first arm that was answered is asked for the prompt.
    """
    wanted: set[str] = set()
    prompted: set[tuple[str, str]] = set()
    for row in rows:
        scored = is_reply_scored(row, responses)
        wanted.update(row.links[role] for role in scored)
        name = _asked(row)
        if scored or name is None or (row.task, row.id) in prompted:
            continue
        answer = responses.get(name)
        if answer is not None and answer.status != "error":
            wanted.add(name)
            prompted.add((row.task, row.id))
    return wanted


def _asked(row: SampleRow) -> str | None:
    """The question whose conversation is the sample's prompt."""
    for role in ("candidate", "baseline", "reference"):
        if role in row.links:
            return row.links[role]
    return next((name for role, name in row.links.items() if plain_role(role) != "judge"), None)


def sides(row: SampleRow, responses: Responses, requests: Mapping[str, Asked]) -> list[Side]:
    """One or two answers, the baseline's (or the preferred reply) first."""
    scored = is_reply_scored(row, responses)
    if scored:
        return _replies(row, scored, responses, requests)
    found = []
    for role, who in (("baseline", row.baseline or "baseline"), ("candidate", row.model)):
        if role in row.links:
            found.append(_side(who, role, responses.get(row.links[role])))
    if not found:
        found = [
            Side(who, role, str(row.detail[key]))
            for key, role, who in (("baseline_answer", "baseline", row.baseline or "baseline"),
                                   ("answer", "candidate", row.model))
            if row.detail.get(key) is not None
        ]  # fmt: skip
    return found


def _side(who: str, role: str, answer: Answer | None) -> Side:
    if answer is None:
        return Side(who, role, None, status="not kept")
    return Side(who, role, answer.text if answer.text else None, answer.status, answer.finish_reason, answer.tokens,
                answer.reward, answer.error)  # fmt: skip


def _replies(row: SampleRow, roles: Sequence[str], responses: Responses, requests: Mapping[str, Asked]) -> list[Side]:
    found = []
    for number, role in enumerate(roles, 1):
        answer = responses.get(row.links[role])
        conversation = requests.get(row.links[role], NOTHING).turns
        reward = answer.reward if answer else None
        name = role.partition("/")[2] or _preference_of(row, reward) or f"reply {number}"
        text = conversation[-1][1] if conversation else None
        found.append(Side(name, "reply", text, answer.status if answer else "not kept", reward=reward,
                          error=answer.error if answer else None))  # fmt: skip
    return sorted(found, key=lambda side: side.who != "chosen")


def _preference_of(row: SampleRow, reward: float | None) -> str | None:
    if reward is None:
        return None
    return next((name for name in ("chosen", "rejected") if row.detail.get(f"{name}_reward") == reward), None)


def prompts(
    rows: Iterable[SampleRow], sources: Sequence[Responses], requests: Mapping[str, Asked]
) -> dict[tuple[str, str], Sequence[Turn]]:
    """The conversation up to the answer, by task and sample; read from the first arm that has it."""
    found: dict[tuple[str, str], Sequence[Turn]] = {}
    for row in rows:
        if (row.task, row.id) not in found:
            asked = _prompt(row, sources[row.run], requests)
            if asked:
                found[row.task, row.id] = asked
    return found


def _prompt(row: SampleRow, responses: Responses, requests: Mapping[str, Asked]) -> Sequence[Turn]:
    told = row.detail.get("prompt")
    if isinstance(told, str):
        return (("user", told),)
    scored = is_reply_scored(row, responses)
    conversation = requests.get(row.links[scored[0]] if scored else _asked(row) or "", NOTHING).turns
    return conversation[:-1] if scored else conversation


def verdicts(row: SampleRow, responses: Responses) -> Iterator[dict[str, Any]]:
    """Verdicts as `{judge, criterion, order, label, preference, rating, status, reason}`, from `detail` or from the links."""
    told = row.verdicts
    for verdict in told:
        reason = verdict.get("reason")
        if not reason and (answer := responses.get(str(verdict.get("fingerprint", "")))):
            reason = answer.text or answer.error
        shown = {name: verdict.get(name) for name in ("judge", "criterion", "order", "label", "preference", "rating")}
        yield {**shown, "status": verdict.get("status", "ok"), "reason": reason}
    if told:
        return
    judge = next((score.judge for score in row.scores if score.judge), None)
    for role, name in row.links.items():
        if plain_role(role) == "judge" and (answer := responses.get(name)):
            yield {"judge": judge, "criterion": None, "order": role.partition("/")[2] or None, "label": None,
                   "preference": None, "rating": None, "status": answer.status, "reason": answer.text or answer.error}  # fmt: skip
