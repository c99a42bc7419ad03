from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.data import DataFiles
from evalsuite.errors import DataError
from evalsuite.records import Message
from evalsuite.tasks.preferences import LAYOUTS, PreferencePair, load_pairs, pair_of, read_mapping, recognise

ASK = "Which is larger?"
TURNS = [{"role": "user", "content": ASK}]


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load(tmp_path: Path, *rows: dict[str, Any], **options: Any) -> tuple[list[PreferencePair], DataFiles]:
    data = DataFiles("test")
    return list(load_pairs(data, write(tmp_path / "pairs.jsonl", *rows), **options)), data


def replied(text: str) -> list[dict[str, str]]:
    return [*TURNS, {"role": "assistant", "content": text}]


ROWS: dict[str, dict[str, Any]] = {
    "hh": {"chosen": f"\n\nHuman: {ASK}\n\nAssistant: good", "rejected": f"\n\nHuman: {ASK}\n\nAssistant: bad"},
    "lol-rl": {
        "prefix": [[f"<|prompter|>{ASK}", "<|assistant|>"]] * 2, "suffix": ["bad", "good"], "sft_index": 1,
        "reward": [0.1, 0.2],
    },
    "rewardbench": {"id": 1, "prompt": ASK, "chosen": "good", "rejected": "bad", "subset": "donotanswer"},
    "ultrafeedback-binarized": {
        "prompt": ASK, "chosen": replied("good"), "rejected": replied("bad"), "score_chosen": 8.0, "score_rejected": 3.0,
    },
    "ultrafeedback": {
        "instruction": ASK,
        "completions": [{"response": "bad", "overall_score": 2}, {"response": "good", "overall_score": 9}],
    },
    "sharegpt-pair": {
        "conversations": [{"from": "human", "value": ASK}], "chosen": {"from": "gpt", "value": "good"},
        "rejected": {"from": "gpt", "value": "bad"},
    },
    "helpsteer2-pairs": {"chosen": replied("good"), "rejected": replied("bad"), "preference_strength": 2},
    "helpsteer2-preference": {"prompt": ASK, "response_1": "good", "response_2": "bad", "preference_strength": -2},
    "helpsteer3-preference": {"context": TURNS, "response1": "bad", "response2": "good", "overall_preference": 1},
    "shp": {
        "history": ASK, "human_ref_A": "bad", "human_ref_B": "good", "labels": 0, "domain": "askbaking", "score_ratio": 2.5,
    },
    "pku-saferlhf": {
        "prompt": ASK, "response_0": "bad", "response_1": "good", "safer_response_id": 1, "better_response_id": 0,
    },
    "judgebench": {"question": ASK, "response_A": "bad", "response_B": "good", "label": "B>A", "source": "mmlu-pro-law"},
    "llmbar": {"input": ASK, "output_1": "good", "output_2": "bad", "label": 1},
    "pandalm": {
        "instruction": "Which is larger?", "input": "", "response1": "bad", "response2": "good",
        "annotator1": 2, "annotator2": 2, "annotator3": 1,
    },
    "auto-j": {"scenario": "math", "label": 1, "prompt": ASK, "response 1": "bad", "response 2": "good"},
    "two-responses": {"instruction": ASK, "response1": "good", "response2": "bad", "label": 1},
    "two-responses-by-subset": {"subset": "x", "instruction": ASK, "response1": "good", "response2": "bad", "label": 1},
    "ranked-history": {"instruction": ASK, "input": "", "output": ["good", "bad"], "history": []},
    "ranked": {"prompt": ASK, "response": ["good", "bad"]},
    "dpo-pair": {"prompt": TURNS, "chosen": [{"role": "assistant", "content": "good"}], "rejected": "bad"},
    "conversation-pair": {"chosen": [f"Human: {ASK}", "Assistant: good"], "rejected": [f"Human: {ASK}", "Assistant: bad"]},
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_each_layout_is_recognised_and_gives_the_preferred_reply_first(name: str, tmp_path: Path) -> None:
    assert recognise(ROWS[name], "here").name == name
    pairs, data = load(tmp_path, ROWS[name])
    (pair,) = pairs
    assert (pair.prompt, pair.chosen, pair.rejected) == ((Message("user", ASK),), "good", "bad")
    assert name in data.notes[0]
    assert not data.skipped


def test_every_layout_but_the_grouped_one_has_an_example_here() -> None:
    assert {layout.name for layout in LAYOUTS} - {"helpsteer"} == set(ROWS)


def test_rated_rows_of_one_prompt_are_paired_and_equal_ratings_are_counted(tmp_path: Path) -> None:
    rows = [
        {"prompt": prompt, "response": reply, "helpfulness": rating}
        for prompt, reply, rating in [
            ("p", "bad", 1),
            ("p", "good", 4),
            ("q", "a", 2),
            ("q", "b", 2),
            ("r", "alone", 3),
        ]
    ]
    pairs, data = load(tmp_path, *rows)
    assert [(pair.chosen, pair.rejected, pair.strength) for pair in pairs] == [("good", "bad", 3.0)]
    assert data.skipped == {"tie by the annotators": 1, "fewer than two replies": 1}


def test_a_ranking_gives_every_pair_in_order_within_one_cluster(tmp_path: Path) -> None:
    pairs, _ = load(tmp_path, {"prompt": ASK, "response": ["a", "b", "c"]})
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.id for pair in pairs] == ["pairs:1", "pairs:1.1", "pairs:1.2"]
    assert len({pair.cluster for pair in pairs}) == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROWS["auto-j"] | {"label": 2}, "tie by the annotators"),
        (ROWS["pandalm"] | {"annotator1": 0, "annotator2": 0}, "tie by the annotators"),
        (ROWS["pandalm"] | {"annotator1": 0, "annotator2": 1, "annotator3": 2}, "no majority of the annotators"),
        (ROWS["pandalm"] | {"response1": True}, "reply is not text"),
        (ROWS["helpsteer2-pairs"] | {"preference_strength": 0}, "tie by the annotators"),
        (ROWS["helpsteer2-preference"] | {"preference_strength": None}, "no label"),
        (ROWS["shp"] | {"labels": None}, "no label"),
        (ROWS["rewardbench"] | {"chosen": "  "}, "empty reply"),
        (ROWS["rewardbench"] | {"rejected": None}, "empty reply"),
        (ROWS["rewardbench"] | {"rejected": "good "}, "chosen and rejected are equal"),
        (ROWS["rewardbench"] | {"prompt": ""}, "empty turn in the prompt"),
        (ROWS["dpo-pair"] | {"prompt": replied("hm")}, "prompt does not end with a human turn"),
        (ROWS["ultrafeedback-binarized"] | {"score_rejected": 8.0}, "tie by the annotators"),
        (ROWS["ranked"] | {"response": ["alone"]}, "fewer than two replies"),
        (ROWS["conversation-pair"] | {"rejected": ["Human: other", "Assistant: bad"]}, "prompts of chosen"),
    ],
)
def test_rows_without_a_preference_are_counted_by_reason(row: dict[str, Any], reason: str, tmp_path: Path) -> None:
    pairs, data = load(tmp_path, row, name="part")
    assert not pairs
    (counted,) = data.skipped
    assert counted.startswith(f"part: {reason}")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no records"),
        ([{"question": "?", "good": "a", "bad": "b"}], "unknown layout .* question, good, bad"),
        ([{"prompt": "?", "chosen": "a"}], "lacks"),
        ([ROWS["llmbar"], ROWS["llmbar"] | {"label": 3}], r"record 2 .*unknown label 3"),
        ([ROWS["llmbar"], {"input": "?"}], r"record 2: columns of the llmbar layout missing"),
        ([ROWS["lol-rl"] | {"sft_index": 7}], "record 1 .*sft_index"),
        ([ROWS["dpo-pair"] | {"prompt": [{"role": "wizard", "content": "?"}]}], "unknown speaker 'wizard'"),
    ],
)
def test_malformed_data_is_an_error_that_says_where(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path, *rows)
    assert "pairs.jsonl" in str(error.value)


def test_a_system_turn_and_a_history_survive(tmp_path: Path) -> None:
    turns = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": ASK}]
    pairs, _ = load(tmp_path, ROWS["sharegpt-pair"] | {"conversations": turns})
    assert pairs[0].conversation("good") == (
        Message("system", "Be brief."),
        Message("user", ASK),
        Message("assistant", "good"),
    )


def test_a_column_mapping_reads_data_that_nobody_knows(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "prompt: [q, context]\nresponses: [x, y]\nlabel: winner\nlabels: {0: first, 1: second, -1: tie}\nslice: topic\n"
    )
    row = {"q": "Sum?", "context": "1 2", "x": "bad", "y": "good", "winner": 1, "topic": "math"}
    pairs, data = load(tmp_path, row, row | {"winner": -1}, mapping=read_mapping(mapping))
    (pair,) = pairs
    assert (pair.prompt[0].content, pair.chosen, pair.slice) == ("Sum?\n\n1 2", "good", "math")
    assert data.skipped == {"tie by the annotators": 1}


@pytest.mark.parametrize(
    "text",
    [
        "prompt: q\n",
        "prompt: q\nchosen: a\n",
        "prompt: q\nresponses: [a, b]\n",
        "prompt: q\nranked: a\nchosen: b\nrejected: c\n",
        "ranked: a\n",
        "prompt: q\nranked: a\nprompts: typo\n",
        "[unclosed",
    ],
)
def test_a_mapping_that_says_nothing_or_too_much_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"mapping\.yaml"):
        read_mapping(path)


@given(st.text(), st.text(), st.text())
def test_any_text_is_a_pair_or_a_reason(prompt: str, chosen: str, rejected: str) -> None:
    try:
        outcome = pair_of(prompt, chosen, rejected)
    except DataError:
        assert prompt.startswith("\n\nHuman:")
        return
    if not isinstance(outcome, str):
        assert outcome.chosen != outcome.rejected
        assert outcome.prompt[-1].role == "user"


PUBLIC = {
    "hh_rlhf/harmless-base.test.jsonl.gz": ("hh", 2303, 2312),
    "autoj/testdata_pairwise.jsonl.gz": ("auto-j", 1017, 1392),
    "llmbar/Natural.dataset.json": ("llmbar", 100, 100),
    "pandalm/testset-v1.json.gz": ("pandalm", None, 999),
    "pku_saferlhf/pku_seferlhf_realign_dpo_5k.json.gz": ("ranked", 1200, 1200),
    "helpsteer2/helpsteer2_subset_annotated.json.gz": ("helpsteer2-pairs", 71, 100),
    "dpo_en_demo/dpo_en_demo.json.gz": ("sharegpt-pair", 300, 300),
    "hhh_alignment/hhh_by_category.judge-llama2-13b-helpsteer.json": ("two-responses-by-subset", 221, 221),
    "judgebench/pairs.gpt-4o.jsonl.gz": ("judgebench", 350, 350),
}


@pytest.mark.parametrize("file", PUBLIC)
def test_public_data_is_read_with_every_row_accounted_for(file: str, data_dir: Path) -> None:
    layout, kept, records = PUBLIC[file]
    if not (data_dir / file).is_file():
        pytest.skip(f"{file} is not there")
    data = DataFiles("test")
    pairs = list(load_pairs(data, data_dir / file))
    assert f"{layout} layout" in data.notes[0]
    assert len(pairs) + data.skipped.total() == records
    assert kept is None or len(pairs) == kept
    assert max(Counter(pair.id for pair in pairs).values()) == 1
