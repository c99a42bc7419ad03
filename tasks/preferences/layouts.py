"""The layouts of public preference data, each recognised by its columns.

Most are column mappings; the others need a rule of their own (a majority of annotators, a group of rows, an index of the
preferred reply). The order is the order of recognition: the most specific layout first.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from evalsuite.errors import DataError
from evalsuite.tasks.preferences.conversation import pair_of, text_of
from evalsuite.tasks.preferences.mapping import ColumnMapping, Preference, Row

Convert = Callable[[Sequence[Row]], Iterable[Preference | str]]


class Layout(NamedTuple):
    """A known shape of preference data.

    `group` names the column whose equal neighbours belong together (one reply per row); `convert` gets one such group, or a
    single row, and yields preferences or reasons to skip. `holds` looks at the first row's values where columns alone do
    not tell.
    """

    name: str
    summary: str
    columns: frozenset[str]
    convert: Convert
    group: str | None = None
    holds: Callable[[Row], bool] = lambda row: True


def recognise(row: Row, source: str) -> Layout:
    """The layout of the data a row comes from.

    Raises:
        DataError: no layout fits; the columns found and the nearest layout are named.
    """
    for layout in LAYOUTS:
        if layout.columns <= row.keys() and layout.holds(row):
            return layout
    nearest = max(LAYOUTS, key=lambda layout: len(layout.columns & row.keys()) / len(layout.columns))
    lacking = sorted(nearest.columns - row.keys())
    hint = f"; nearest is {nearest.name}, which lacks {', '.join(lacking)}" if nearest.columns & row.keys() else ""
    raise DataError(
        f"{source}: unknown layout of preference data, columns {', '.join(map(str, row)) or 'none'}{hint}. "
        "Describe it with a column mapping in YAML (option `mapping`)"
    )


def mapped(name: str, summary: str, mapping: ColumnMapping, **more: Any) -> Layout:
    """A layout that is a column mapping; `signature` adds columns that only recognition needs."""
    signature = frozenset(more.pop("signature", ()))

    def convert(rows: Sequence[Row]) -> Iterator[Preference | str]:
        for row in rows:
            yield from mapping.convert(row)

    return Layout(name, summary, mapping.columns | signature, convert, **more)


def _is_hh(row: Row) -> bool:
    return isinstance(row["chosen"], str) and row["chosen"].startswith("\n\nHuman:")


def _are_lists(row: Row) -> bool:
    return isinstance(row["chosen"], list) and isinstance(row["rejected"], list)


def _positive_strength(rows: Sequence[Row], column: str, convert: Convert) -> Iterator[Preference | str]:
    """Preferences whose stated strength is not zero: zero means that the annotators saw no difference."""
    for outcome in convert(rows):
        tied = isinstance(outcome, Preference) and outcome.strength == 0
        yield "tie by the annotators" if tied else outcome


def _signed_strength(first: str, second: str, prompt: str, strength: str) -> Convert:
    """Rows whose strength is negative when the first response is the better one (HelpSteer2-Preference)."""

    def convert(rows: Sequence[Row]) -> Iterator[Preference | str]:
        for row in rows:
            value = row[strength]
            if not isinstance(value, int | float):
                yield "no label"
            elif value == 0:
                yield "tie by the annotators"
            else:
                better, worse = (first, second) if value < 0 else (second, first)
                pair = pair_of(row[prompt], row[better], row[worse])
                yield pair if isinstance(pair, str) else Preference(pair, None, abs(float(value)))

    return convert


def _rated_rows(rows: Sequence[Row]) -> Iterator[Preference | str]:
    """HelpSteer: rows of one prompt, one reply each; the more helpful reply is preferred, the difference is the strength."""
    if len(rows) < 2:
        yield "fewer than two replies"
    for first, second in itertools.combinations(rows, 2):
        yield _rated(
            first["prompt"], (first["response"], first["helpfulness"]), (second["response"], second["helpfulness"])
        )


def _rated_completions(rows: Sequence[Row]) -> Iterator[Preference | str]:
    """UltraFeedback: several completions in one row, each with an overall score."""
    for row in rows:
        replies = [
            (one.get("response"), one.get("overall_score")) for one in row["completions"] if isinstance(one, Mapping)
        ]
        if len(replies) < 2:
            yield "fewer than two replies"
        for first, second in itertools.combinations(replies, 2):
            yield _rated(row["instruction"], first, second)


def _rated(prompt: object, first: tuple[Any, Any], second: tuple[Any, Any]) -> Preference | str:
    try:
        scores = float(first[1]), float(second[1])
    except (TypeError, ValueError):
        return "no label"
    if scores[0] == scores[1]:
        return "tie by the annotators"
    better, worse = (first, second) if scores[0] > scores[1] else (second, first)
    pair = pair_of(prompt, better[0], worse[0])
    return pair if isinstance(pair, str) else Preference(pair, None, abs(scores[0] - scores[1]))


def _majority(rows: Sequence[Row]) -> Iterator[Preference | str]:
    """PandaLM: three annotators say 0 (tie), 1 or 2; two equal votes decide, the strength is the share of them."""
    for row in rows:
        votes = Counter(row[f"annotator{number}"] for number in (1, 2, 3))
        verdict, count = votes.most_common(1)[0]
        if count < 2:
            yield "no majority of the annotators"
        elif verdict == 0:
            yield "tie by the annotators"
        elif verdict not in (1, 2):
            raise DataError(f"annotators must say 0, 1 or 2, found {verdict!r}")
        else:
            replies = row["response1"], row["response2"]
            better, worse = replies if verdict == 1 else replies[::-1]
            pair = pair_of(text_of(row, ("instruction", "input")), better, worse)
            yield pair if isinstance(pair, str) else Preference(pair, None, count / 3)


def _indexed(rows: Sequence[Row]) -> Iterator[Preference | str]:
    """LoL-RL: `prefix` and `suffix` hold both sides, `sft_index` says which one is the preferred."""
    for row in rows:
        prefix, suffix, index = row["prefix"], row["suffix"], row["sft_index"]
        if not (isinstance(prefix, list) and isinstance(suffix, list) and len(prefix) == len(suffix) == 2):
            raise DataError("prefix and suffix must be lists of two")
        if index not in (0, 1):
            raise DataError(f"sft_index must be 0 or 1, found {index!r}")
        if prefix[0] != prefix[1]:
            yield "prompts of chosen and rejected differ"
            continue
        pair = pair_of(prefix[0], suffix[index], suffix[1 - index])
        yield pair if isinstance(pair, str) else Preference(pair)


def _with_history(rows: Sequence[Row]) -> Iterator[Preference | str]:
    """Ranked replies after a history of (user, assistant) turns (LLaMA-Factory's reward data)."""
    for row in rows:
        turns = [
            {"role": role, "content": text}
            for exchange in row["history"] or ()
            for role, text in zip(("user", "assistant"), exchange, strict=True)
        ]
        prompt = [*turns, {"role": "user", "content": text_of(row, ("instruction", "input"))}]
        yield from _RANKED_OUTPUT.convert({"prompt": prompt, "output": row["output"]})


def _dpo_text(rows: Sequence[Row]) -> Iterator[Preference | str]:
    for row in rows:
        pair = pair_of(row["prompt"], row["chosen"], row["rejected"])
        yield pair if isinstance(pair, str) else Preference(pair)


_RANKED_OUTPUT = ColumnMapping(prompt="prompt", ranked="output")
_BINARIZED = ColumnMapping(chosen="chosen", rejected="rejected")
_STRENGTH = ColumnMapping(chosen="chosen", rejected="rejected", strength="preference_strength")
_LLMBAR = ColumnMapping(
    prompt="input", responses=("output_1", "output_2"), label="label", labels={"1": "first", "2": "second"}
)
_TWO_RESPONSES = ColumnMapping(
    prompt="instruction",
    responses=("response1", "response2"),
    label="label",
    labels={"1": "first", "2": "second", "0": "tie"},
)


def _binarized_ultrafeedback(rows: Sequence[Row]) -> Iterator[Preference | str]:
    for row in rows:
        yield _rated(row["prompt"], (row["chosen"], row["score_chosen"]), (row["rejected"], row["score_rejected"]))


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "lol-rl", "LoL-RL HH turns with scores", frozenset({"prefix", "suffix", "sft_index"}), _indexed,
    ),
    mapped(
        "rewardbench", "RewardBench: prompt, chosen, rejected, subset",
        ColumnMapping(prompt="prompt", chosen="chosen", rejected="rejected", slice="subset"),
        holds=lambda row: not isinstance(row["chosen"], list),
    ),
    Layout(
        "ultrafeedback-binarized", "UltraFeedback, two replies with their scores",
        frozenset({"prompt", "chosen", "rejected", "score_chosen", "score_rejected"}), _binarized_ultrafeedback,
    ),
    Layout(
        "ultrafeedback", "UltraFeedback: an instruction and scored completions",
        frozenset({"instruction", "completions"}), _rated_completions,
    ),
    mapped(
        "sharegpt-pair", "ShareGPT turns with a chosen and a rejected reply",
        ColumnMapping(prompt="conversations", chosen="chosen", rejected="rejected"),
    ),
    Layout(
        "helpsteer2-pairs", "HelpSteer2 conversations with a preference strength",
        _STRENGTH.columns, lambda rows: _positive_strength(rows, "preference_strength", mapped("", "", _STRENGTH).convert),
        holds=_are_lists,
    ),
    Layout(
        "helpsteer2-preference", "HelpSteer2-Preference: signed strength, negative when the first is better",
        frozenset({"prompt", "response_1", "response_2", "preference_strength"}),
        _signed_strength("response_1", "response_2", "prompt", "preference_strength"),
    ),
    Layout(
        "helpsteer3-preference", "HelpSteer3-Preference: signed strength, negative when the first is better",
        frozenset({"context", "response1", "response2", "overall_preference"}),
        _signed_strength("response1", "response2", "context", "overall_preference"),
    ),
    Layout(
        "helpsteer", "HelpSteer: rated replies in rows, neighbours share a prompt",
        frozenset({"prompt", "response", "helpfulness"}), _rated_rows, group="prompt",
    ),
    mapped(
        "shp", "SHP: labels is 1 when A is preferred; score_ratio is the strength",
        ColumnMapping(
            prompt="history", responses=("human_ref_A", "human_ref_B"), label="labels",
            labels={"1": "first", "0": "second"}, slice="domain", strength="score_ratio",
        ),
    ),
    mapped(
        "pku-saferlhf", "PKU-SafeRLHF by safety (map `label: better_response_id` for helpfulness)",
        ColumnMapping(
            prompt="prompt", responses=("response_0", "response_1"), label="safer_response_id",
            labels={"0": "first", "1": "second"},
        ),
    ),
    mapped(
        "judgebench", "JudgeBench: objective label A>B or B>A",
        ColumnMapping(
            prompt="question", responses=("response_A", "response_B"), label="label",
            labels={"A>B": "first", "B>A": "second"}, slice="source",
        ),
    ),
    mapped("llmbar", "LLMBar: input, output_1, output_2, label 1 or 2", _LLMBAR),
    Layout(
        "pandalm", "PandaLM: majority of three annotators",
        frozenset({"instruction", "input", "response1", "response2", "annotator1", "annotator2", "annotator3"}), _majority,
    ),
    mapped(
        "auto-j", "Auto-J: label 0, 1, or 2 for a tie; the slice is the scenario",
        ColumnMapping(
            prompt="prompt", responses=("response 1", "response 2"), label="label",
            labels={"0": "first", "1": "second", "2": "tie"}, slice="scenario",
        ),
    ),
    mapped(
        "two-responses-by-subset",
        "subset, instruction, response1, response2, label 1 or 2 (0 is a tie)",
        msgspec.structs.replace(_TWO_RESPONSES, slice="subset"),
    ),
    mapped("two-responses", "instruction, response1, response2, label 1 or 2 (0 is a tie)", _TWO_RESPONSES),
    Layout(
        "ranked-history", "instruction, input, output (the best first), history",
        frozenset({"instruction", "input", "output", "history"}), _with_history,
        holds=lambda row: isinstance(row["output"], list),
    ),
    mapped(
        "ranked", "prompt and a list of responses, the best first",
        ColumnMapping(prompt="prompt", ranked="response"), holds=lambda row: isinstance(row["response"], list),
    ),
    Layout(
        "dpo-pair", "prompt, chosen, rejected as text or turns", frozenset({"prompt", "chosen", "rejected"}), _dpo_text,
    ),
    mapped("hh", "HH transcripts: chosen, rejected", _BINARIZED, holds=_is_hh),
    mapped("conversation-pair", "chosen and rejected as lists of turns", _BINARIZED, holds=_are_lists),
)  # fmt: skip
