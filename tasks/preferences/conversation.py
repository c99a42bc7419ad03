"""The many spellings of a conversation in preference data, brought to messages, and two of them to one pair.

Accepted: plain text, HH transcripts, `{"role","content"}` and ShareGPT `{"from","value"}` turns, and lists of turns as text
with a speaker in front (`Human: …` of MOSS-RLHF, `<|prompter|>…` of LoL-RL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evalsuite.errors import DataError
from evalsuite.records import Message
from evalsuite.tasks.hh.transcripts import TranscriptPair, merge_turns, parse_pair, split_transcript

Role = Literal["system", "user", "assistant"]

ROLES: Mapping[str, Role] = {
    "system": "system", "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "chatgpt": "assistant", "model": "assistant",
}  # fmt: skip
_SPEAKER = re.compile(r"\s*(?:<\|(\w+)\|>|(\w+):)\s*")


def as_messages(value: object) -> tuple[Message, ...]:
    """Messages of a prompt or conversation in any accepted spelling; plain text is one user turn.

    Raises:
        DataError: the value is of another kind, or names a speaker nobody knows.
    """
    if isinstance(value, str):
        if value.startswith("\n\nHuman:"):
            return _without_open_turn(split_transcript(value))
        return (Message(role="user", content=value.strip()),)
    if isinstance(value, Mapping):
        return (_turn(value),)
    if isinstance(value, Sequence):
        return _without_open_turn([_spoken(item) if isinstance(item, str) else _turn(item) for item in value])
    raise DataError(f"expected text or a list of turns, found {type(value).__name__}")


def _without_open_turn(messages: list[Message]) -> tuple[Message, ...]:
    """Drop the empty assistant turn that some sets leave at the end of a prompt as the cue to answer."""
    if messages and messages[-1].role == "assistant" and not messages[-1].content:
        messages = messages[:-1]
    return tuple(messages)


def _turn(value: object) -> Message:
    if isinstance(value, Message):
        return value
    if isinstance(value, Mapping):
        role, content = value.get("role", value.get("from")), value.get("content", value.get("value"))
        if isinstance(role, str) and isinstance(content, str):
            return Message(role=_role(role), content=content.strip())
    raise DataError(f"not a turn of a conversation: {str(value)[:60]!r}")


def _spoken(text: str) -> Message:
    speaker = _SPEAKER.match(text)
    if not speaker:
        raise DataError(f"a turn must start with its speaker (`Human:` or `<|prompter|>`): {text[:60]!r}")
    return Message(role=_role(speaker[1] or speaker[2]), content=text[speaker.end() :].strip())


def _role(name: str) -> Role:
    if name.lower() not in ROLES:
        raise DataError(f"unknown speaker {name!r}; known: {', '.join(ROLES)}")
    return ROLES[name.lower()]


def pair_of(prompt: object | None, chosen: object, rejected: object) -> TranscriptPair | str:
    """One pair, or the reason why it is skipped.

    Args:
        prompt: the shared prompt, or None when `chosen` and `rejected` are whole conversations.
        chosen, rejected: a reply (text or one turn) or a whole conversation that ends with the reply; a conversation's own
            turns win over `prompt`, because they carry the system turn and the history.

    Raises:
        DataError: a value is of no accepted kind.
    """
    if prompt is None and isinstance(chosen, str) and isinstance(rejected, str):
        return parse_pair(chosen, rejected)
    sides: list[tuple[tuple[Message, ...], Message]] = []
    for value in (chosen, rejected):
        if isinstance(value, bool | int | float):
            return "reply is not text"  # spreadsheets turn "true" and "42" into values
        if isinstance(value, str):
            sides.append(((), Message(role="assistant", content=value.strip())))
        else:
            messages = as_messages(value) if value is not None else ()
            if not messages or not messages[-1].content:
                return "empty reply"
            sides.append((messages[:-1], messages[-1]))
    (before, first), (also_before, second) = sides
    if first.role != "assistant" or second.role != "assistant":
        return "no assistant turn at the end"
    if before != also_before:
        return "prompts of chosen and rejected differ"
    turns = merge_turns(before or (as_messages(prompt) if prompt is not None else ()))
    return reason_to_skip(turns, first.content, second.content) or TranscriptPair(turns, first.content, second.content)


def reason_to_skip(prompt: Sequence[Message], chosen: str, rejected: str) -> str | None:
    """Why a well-formed pair says nothing about preference; None when it does."""
    if not prompt:
        return "no prompt"
    if not all(message.content for message in prompt):
        return "empty turn in the prompt"
    if prompt[-1].role != "user":
        return "prompt does not end with a human turn"
    if not chosen or not rejected:
        return "empty reply"
    if chosen == rejected:
        return "chosen and rejected are equal"
    return None


def text_of(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Text of several columns (instruction and input, say) joined with a blank line; empty ones are left out."""
    parts = []
    for column in columns:
        value = row[column]
        if not isinstance(value, str | None):
            raise DataError(f"column {column!r}: expected text, found {type(value).__name__}")
        if value and value.strip():
            parts.append(value.strip())
    return "\n\n".join(parts)
