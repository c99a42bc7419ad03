from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.records import Message
from evalsuite.tasks.hh.transcripts import TranscriptPair, merge_turns, parse_pair, split_transcript

ASK = "\n\nHuman: How do I boil an egg?\n\nAssistant:"


def test_a_transcript_splits_into_stripped_turns() -> None:
    assert split_transcript(ASK + " Seven minutes.\n\nThen cool it.") == [
        Message("user", "How do I boil an egg?"),
        Message("assistant", "Seven minutes.\n\nThen cool it."),
    ]


def test_a_marker_inside_a_paragraph_is_text() -> None:
    assert split_transcript("\n\nHuman: He wrote Human: hi and\nAssistant: yo")[0].content.endswith("Assistant: yo")


@pytest.mark.parametrize("text", ["", "hello", "\n\nAssistant: hi", "x\n\nHuman: hi"])
def test_text_that_does_not_start_with_a_human_turn_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="HH transcript"):
        split_transcript(text)


def test_a_pair_shares_its_prompt_and_keeps_the_preferred_reply_first() -> None:
    assert parse_pair(ASK + " Seven minutes.", ASK + " No.") == TranscriptPair(
        (Message("user", "How do I boil an egg?"),), "Seven minutes.", "No."
    )


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        ("plain text", ASK + " a", "not an HH transcript"),
        (ASK + " a", ASK + " b\n\nHuman: c", "no assistant turn at the end"),
        (ASK + " a\n\nHuman: more\n\nAssistant: b", ASK + " z\n\nHuman: more\n\nAssistant: c", "prompts of chosen"),
        (ASK + " a\n\nAssistant: b", ASK + " a\n\nAssistant: c", "prompt does not end with a human turn"),
        (ASK + "\n\nHuman: more\n\nAssistant: b", ASK + "\n\nHuman: more\n\nAssistant: c", "empty turn"),
        (ASK + " ", ASK + " b", "empty reply"),
        (ASK + " b", ASK + " b ", "equal"),
    ],
)
def test_odd_pairs_are_skipped_by_a_named_reason(chosen: str, rejected: str, reason: str) -> None:
    outcome = parse_pair(chosen, rejected)
    assert isinstance(outcome, str)
    assert reason in outcome


def test_turns_of_one_speaker_in_a_row_are_joined_in_the_prompt() -> None:
    pair = parse_pair("\n\nHuman: a\n\nHuman: b\n\nAssistant: yes", "\n\nHuman: a\n\nHuman: b\n\nAssistant: no")
    assert isinstance(pair, TranscriptPair)
    assert pair.prompt == (Message("user", "a\n\nb"),)


@given(st.lists(st.text(alphabet="ab :\n", min_size=1).filter(lambda t: t.strip() and "\n\n" not in t), min_size=1))
def test_splitting_inverts_rendering(contents: list[str]) -> None:
    speakers = ("Human", "Assistant")
    text = "".join(f"\n\n{speakers[i % 2]}: {content.strip()}" for i, content in enumerate(contents))
    assert [message.content for message in split_transcript(text)] == [content.strip() for content in contents]


@given(st.lists(st.sampled_from(["user", "assistant"]), max_size=8))
def test_merged_turns_alternate(roles: list[str]) -> None:
    merged = merge_turns([Message(role, "x") for role in roles])  # type: ignore[arg-type]
    assert all(first.role != second.role for first, second in itertools.pairwise(merged))


def test_the_public_test_files_lose_the_rows_that_are_odd_and_no_others(data_dir: Path) -> None:
    reasons: dict[str, Counter[str]] = {}
    for name in ("harmless-base", "helpful-base"):
        outcomes = [
            parse_pair(row["chosen"], row["rejected"])
            for row in read_rows(data_dir / "hh_rlhf" / f"{name}.test.jsonl.gz")
        ]
        reasons[name] = Counter(o if isinstance(o, str) else "kept" for o in outcomes)
    assert reasons["harmless-base"]["prompts of chosen and rejected differ"] == 5
    assert reasons["harmless-base"]["empty reply"] == 4
    assert reasons["harmless-base"].total() == 2312
    assert reasons["helpful-base"]["kept"] > 2330
