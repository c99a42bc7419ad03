"""Where the continuation begins, and that only complete, finite scores are accepted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.client.prompt_logprobs import common_prefix, move_trailing_space, read_scored_ids, read_scored_text


def scored_ids(rows: object, ids: tuple[int, ...] = (1, 5, 9), start: int = 2) -> Any:
    body = json.dumps({"model": "m", "choices": [{"text": "x", "prompt_logprobs": rows}]}).encode()
    return read_scored_ids(body, "m", ids, start).completion


def echoed(tokens: list[str], logprobs: list[float | None], prompt_tokens: int | None, continuation: str) -> Any:
    logs = {"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": None}
    usage = {"prompt_tokens": prompt_tokens}
    body = json.dumps({"model": "m", "choices": [{"text": "", "logprobs": logs}], "usage": usage}).encode()
    return read_scored_text(body, "m", continuation).completion


ROWS: list[Any] = [
    None,
    {"5": {"logprob": -1.5, "rank": 2, "decoded_token": " a"}},
    {
        "9": {"logprob": -0.5, "rank": 3, "decoded_token": " b"},
        "7": {"logprob": -0.1, "rank": 1, "decoded_token": " c"},
    },
]


def test_the_continuations_tokens_come_with_logprob_rank_and_alternatives() -> None:
    (token,) = scored_ids(ROWS).prompt_logprobs
    assert (token.token, token.logprob, token.rank) == (" b", -0.5, 3)
    assert token.top == ((" c", -0.1), (" b", -0.5))


@pytest.mark.parametrize(
    "rows",
    [
        None,
        ROWS[:2],
        [*ROWS, ROWS[1]],
        [None, ROWS[1], None],
        [None, ROWS[1], {"8": {"logprob": -1.0}}],
        [None, ROWS[1], {"9": {"logprob": math.nan}}],
        [None, ROWS[1], {"9": {"logprob": "-1"}}],
        [None, ROWS[1], 3],
    ],
)
def test_missing_shifted_or_non_finite_scores_are_an_error(rows: object) -> None:
    assert scored_ids(rows).status == "error"


def test_a_continuation_without_tokens_has_no_probability() -> None:
    assert scored_ids(ROWS, start=3).status == "error"


def test_the_first_token_of_a_prompt_has_no_probability() -> None:
    assert scored_ids(ROWS, start=0).status == "error"


def test_white_space_before_the_continuation_belongs_to_it() -> None:
    assert move_trailing_space("Answer: ", "yes") == ("Answer:", " yes")
    assert move_trailing_space("Answer:", " yes") == ("Answer:", " yes")
    assert move_trailing_space("  ", "yes") == ("  ", "yes")


def test_a_token_merged_over_the_boundary_is_scored_as_a_whole() -> None:
    assert common_prefix((1, 10, 11), (1, 10, 42)) == 2
    assert common_prefix((1, 10), (1, 10, 42)) == 2
    assert common_prefix((), (1,)) == 0


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_the_common_prefix_is_the_longest_one(left: list[int], right: list[int]) -> None:
    length = common_prefix(left, right)
    assert left[:length] == right[:length]
    assert left[: length + 1] != right[: length + 1] or length == len(left) == len(right)


def test_echoed_tokens_are_counted_from_the_end_past_bos_and_without_the_generated_one() -> None:
    completion = echoed(["<s>", "Answer", ":", " yes", "."], [None, -1.0, -2.0, -0.25, -9.0], 4, " yes")
    assert [(t.token, t.logprob) for t in completion.prompt_logprobs] == [(" yes", -0.25)]


def test_an_echoed_token_over_the_boundary_is_scored_as_a_whole() -> None:
    completion = echoed(["Ans", "wer: yes"], [None, -2.0], 2, " yes")
    assert [t.token for t in completion.prompt_logprobs] == ["wer: yes"]


@pytest.mark.parametrize(
    ("tokens", "logprobs", "prompt_tokens"),
    [
        ([" x"], [-0.5], 4),  # a server that returns generated tokens only (llama.cpp)
        (["Answer", " no"], [None, -0.5], 2),
        (["Answer", " nope"], [None, -0.5], 2),
        (["Answer", " yes"], [None, None], 2),
        (["Answer", " yes"], [None, -0.5], None),
        (["Answer", " yes"], [None, -0.5], 0),
        ([], [], 0),
    ],
)
def test_servers_that_cannot_echo_are_found_out(
    tokens: list[str], logprobs: list[float | None], prompt_tokens: int | None
) -> None:
    assert echoed(tokens, logprobs, prompt_tokens, " yes").status == "error"


SCALARS = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=3)
CELLS = st.dictionaries(
    st.sampled_from(["1", "5", "9", "x"]),
    SCALARS | st.dictionaries(st.sampled_from(["logprob", "rank", "decoded_token"]), SCALARS),
    max_size=3,
)


@given(st.lists(SCALARS | CELLS, max_size=4) | SCALARS)
def test_any_table_of_scores_is_complete_and_finite_or_an_error(rows: object) -> None:
    completion = scored_ids(rows)
    if completion.status == "ok":
        assert len(completion.prompt_logprobs) == 1
        assert math.isfinite(completion.prompt_logprobs[0].logprob)
    else:
        assert completion.status == "error"
        assert completion.prompt_logprobs is None


@given(st.lists(SCALARS, max_size=4), st.lists(SCALARS, max_size=4), SCALARS, st.text(min_size=1, max_size=3))
def test_any_echo_is_finite_and_spells_the_continuation_or_is_an_error(
    tokens: Any, logprobs: Any, prompt_tokens: Any, continuation: str
) -> None:
    completion = echoed(tokens, logprobs, prompt_tokens, continuation)
    if completion.status == "ok":
        assert "".join(t.token for t in completion.prompt_logprobs).endswith(continuation)
        assert all(math.isfinite(t.logprob) for t in completion.prompt_logprobs)
    else:
        assert completion.status == "error"
