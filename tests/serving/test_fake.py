"""Scripted models: each behaves as announced, by the request alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from evalsuite.client.backend import Capability, ChatRequest, LogprobRequest, Request, RewardRequest
from evalsuite.errors import CapabilityError, DataError, ServerGoneError, SpecError
from evalsuite.progress import SILENT
from evalsuite.records import Completion, GenerationParams, Message
from evalsuite.serving.fake import FakeBackend
from evalsuite.serving.serve import serve
from evalsuite.serving.spec import parse_spec


def ask(spec: str, *requests: Request) -> list[Completion]:
    async def run() -> list[Completion]:
        backend = FakeBackend(parse_spec(spec))
        return [await backend.ask(request) for request in requests]

    return asyncio.run(run())


def chat(text: str = "What is the moon?", **params: int) -> ChatRequest:
    return ChatRequest(messages=(Message("user", text),), params=GenerationParams(**params))


def judge_prompt(first: str, second: str) -> ChatRequest:
    fenced = "\n\n".join(
        f"<<<answer {letter} x1>>>\n{text}\n<<<end of answer {letter} x1>>>"
        for letter, text in zip("AB", (first, second), strict=True)
    )
    return chat(f"Compare.\n{fenced}\n")


@pytest.mark.parametrize(
    ("spec", "status", "text"),
    [
        ("fake:perfect", "ok", "complete answer"),
        ("fake:constant,text=Yes.", "ok", "Yes."),
        ("fake:refusing", "ok", "can't help"),
        ("fake:slow,delay=0", "ok", "complete answer"),
        ("fake:truncating", "truncated", "Here is"),
        ("fake:empty", "empty", ""),
    ],
)
def test_each_fake_answers_in_its_own_way(spec: str, status: str, text: str) -> None:
    (answer,) = ask(spec, chat())
    assert answer.status == status
    assert text in answer.text


def test_the_same_request_gets_the_same_answer_from_another_backend() -> None:
    requests = [chat(f"question {i}") for i in range(40)]
    assert ask("fake:flaky,seed=3", *requests) == ask("fake:flaky,seed=3", *requests)
    assert ask("fake:flaky,seed=3", *requests) != ask("fake:flaky,seed=4", *requests)


def test_flaky_ends_every_request_with_a_status_and_never_with_a_text_and_an_error() -> None:
    answers = ask("fake:flaky,rate=0.8", *(chat(f"question {i}") for i in range(200)))
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) == {"ok", "error"}
    assert 60 <= statuses["error"] <= 140  # 0.8 cubed is 0.51
    assert all(
        bool(answer.error) is (answer.status == "error") and bool(answer.text) is answer.usable for answer in answers
    )


def test_a_script_answers_by_what_the_question_contains(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(
        '{"contains": "moon", "answer": "A satellite."}\n'
        '{"contains": "cut", "answer": "abcdef", "status": "truncated"}\n'
        '{"contains": "broken", "status": "error"}\n'
        '{"answer": "Anything else.", "reward": 2.5}\n'
    )
    moon, cut, broken, other, reward = ask(
        f"fake:script,path={path}", chat("the moon?"), chat("cut me"), chat("broken"), chat("x"),
        RewardRequest(messages=(Message("user", "x"), Message("assistant", "y"))),
    )  # fmt: skip
    assert (moon.status, moon.text) == ("ok", "A satellite.")
    assert (cut.status, cut.text) == ("truncated", "abc")
    assert broken.status == "error"
    assert other.text == "Anything else."
    assert reward.reward == 2.5


def test_a_malformed_script_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"answer": "x"}\n{"answer": 3}\n')
    with pytest.raises(DataError, match=r"answers\.jsonl:2"):
        FakeBackend(parse_spec(f"fake:script,path={path}"))


@pytest.mark.parametrize(
    ("prefer", "verdict"), [("first", "[[A]]"), ("second", "[[B]]"), ("longer", "[[B]]"), ("shorter", "[[A]]")]
)
def test_a_judge_prefers_what_it_is_told_to(prefer: str, verdict: str) -> None:
    (answer,) = ask(f"fake:judge,prefer={prefer}", judge_prompt("short", "a longer answer"))
    assert answer.text.endswith(verdict)


def test_a_judge_gives_letter_probabilities_when_asked_for_them() -> None:
    request = ChatRequest(
        messages=judge_prompt("short", "a longer answer").messages, params=GenerationParams(max_tokens=1, logprobs=5)
    )
    (answer,) = ask("fake:judge,prefer=longer", request)
    assert answer.logprobs is not None
    assert answer.logprobs[0].token == "B"


def test_a_reward_fake_likes_length() -> None:
    short, long = (RewardRequest(messages=(Message("user", "q"), Message("assistant", "x" * n))) for n in (10, 100))
    low, high = ask("fake:reward,prefer=length", short, long)
    assert low.reward is not None
    assert high.reward is not None
    assert low.reward < high.reward


def test_continuations_are_scored_token_by_token() -> None:
    (answer,) = ask("fake:perfect", LogprobRequest(prompt="a", continuation=" two words"))
    assert [token.token for token in answer.prompt_logprobs or ()] == [" two", " words"]


def test_a_fake_can_die() -> None:
    with pytest.raises(ServerGoneError, match="stopped answering"):
        ask("fake:perfect,die_after=2", chat("1"), chat("2"), chat("3"))


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("fake:perfekt", "choose from"),
        ("fake:constant,txt=x", "no option 'txt'"),
        ("fake:judge,prefer=best", "must be one of"),
        ("fake:script", "path=FILE"),
    ],
)
def test_a_wrong_fake_is_explained(spec: str, hint: str) -> None:
    with pytest.raises(SpecError, match=hint):
        FakeBackend(parse_spec(spec))


def test_serve_refuses_what_a_fake_cannot_do() -> None:
    async def enter(needs: frozenset[Capability]) -> None:
        async with serve(parse_spec("fake:judge"), needs, SILENT, None):
            pass

    asyncio.run(enter(frozenset({"chat"})))
    with pytest.raises(CapabilityError, match="cannot answer reward"):
        asyncio.run(enter(frozenset({"reward"})))
