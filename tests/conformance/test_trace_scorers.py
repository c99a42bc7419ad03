"""TRACE's metrics against their published definitions and on the released test sets (BeyonderXX/TRACE `metrics.py`)."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rouge_score", reason="needs the extra text-metrics")
pytest.importorskip("rapidfuzz", reason="needs the extra text-metrics")

from evalsuite.data import DataFiles
from evalsuite.tasks import text_metrics
from evalsuite.tasks.trace import scorers
from evalsuite.tasks.trace.datasets import DATASETS, paragraph_of, records

MALFORMED = [
    "",
    " ",
    "...",
    "\n\n",
    ".",
    "<EOL>",
    "<STR_LIT>",
    "\x00\ud800",
    "<NUM_LIT:" * 50,
    "9" * 500,
    "1e999999",
    "A" * 3000,
    "．。",
]
"""Outputs that crash or fool upstream's code: dots only, nothing after post-processing, absurd numbers, lone surrogates."""

UPSTREAM_GOLD = {"MeetingBank": 0.999999995, "20Minuten": 0.996014}
"""What the gold answers themselves score under upstream's rules; every other data set gives 1. ROUGE-L has 1e-8 in its divisor,
and SARI's delete precision falls below 1 where the gold answer repeats words of the instruction or paragraph less often."""

STRICT_GOLD = {"20Minuten": 0.99567}


def rows(data_dir: Path, name: str) -> list[tuple[str, str]]:
    if not list(data_dir.glob(f"trace/{name}.test.json*")):
        pytest.skip(f"trace/{name}.test.json is not in EVALSUITE_DATA")
    return list(records(DataFiles("trace", root=data_dir, offline=True), DATASETS[name], "500"))


def test_sari_of_the_reference_implementations_example() -> None:
    references = [
        "About 95 species are currently known .",
        "About 95 species are now accepted .",
        "95 species are now accepted .",
    ]
    value = text_metrics.sari("About 95 species are currently accepted .", "About 95 you now get in .", references)
    assert value == pytest.approx(0.26953601953601954, abs=1e-12)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        # computed with the package `rouge` 1.0.1, get_scores(reference, prediction)["rouge-l"]["f"]
        ("the cat sat on the mat", "the cat lay on the mat", 0.7999999950000002),
        ("one. two three. four", "two three. one. five", 0.749999995),
        ("a b. c d. a b", "c d a b", 0.999999995),
    ],
)
def test_summary_level_rouge_l_is_that_of_the_package_upstream_uses(
    prediction: str, reference: str, expected: float
) -> None:
    assert text_metrics.rouge_l_union(prediction, reference) == pytest.approx(expected, abs=1e-12)


def test_bleu_without_smoothing_and_with_brevity_penalty() -> None:
    # NLTK sentence_bleu on the same tokens: precision 4/5, brevity penalty exp(1 - 6/5)
    assert text_metrics.bleu("the cat sat on mat", "the cat lay on the mat.", 1) == pytest.approx(
        0.8 * 0.8187307530779818
    )
    assert text_metrics.bleu("the cat", "the cat", 4) == 0.0


def test_fuzz_ratio_is_rounded_to_whole_points_only_under_upstream_rules() -> None:
    dataset = DATASETS["Py150"]
    assert scorers.upstream(dataset, "", "abcdef", "abcxyz1") == 0.46
    assert scorers.strict(dataset, "", "abcdef", "abcxyz1") == pytest.approx(6 / 13)


@pytest.mark.parametrize("name", DATASETS)
def test_gold_answers_score_one_strictly(data_dir: Path, name: str) -> None:
    dataset = DATASETS[name]
    values = [scorers.strict(dataset, prompt, answer, answer) for prompt, answer in rows(data_dir, name)]
    assert sum(values) / len(values) == pytest.approx(STRICT_GOLD.get(name, 1.0), abs=1e-5)


@pytest.mark.parametrize("name", DATASETS)
def test_gold_answers_reach_the_ceiling_of_upstreams_rules(data_dir: Path, name: str) -> None:
    dataset = DATASETS[name]
    values = [scorers.upstream(dataset, prompt, answer, answer) for prompt, answer in rows(data_dir, name)]
    assert sum(values) / len(values) == pytest.approx(
        UPSTREAM_GOLD.get(name, 1.0), abs=1e-5 if name == "20Minuten" else 1e-9
    )


SEARCHED = [name for name, dataset in DATASETS.items() if dataset.kind in ("choice", "number", "choice_explanation")]


@pytest.mark.parametrize("name", SEARCHED)
def test_labels_and_numbers_are_found_inside_a_sentence(data_dir: Path, name: str) -> None:
    dataset = DATASETS[name]
    wrap = (
        "{}"
        if dataset.kind == "choice_explanation"
        else "答案是：{}。"
        if dataset.language == "Chinese"
        else "It is **{}**."
    )
    found = [scorers.lenient(dataset, prompt, wrap.format(answer), answer) for prompt, answer in rows(data_dir, name)]
    assert [score.value for score in found] == [1.0] * len(found)
    assert all(score.found for score in found)


@pytest.mark.parametrize("name", DATASETS)
def test_malformed_output_never_crashes_and_stays_within_zero_and_one(data_dir: Path, name: str) -> None:
    dataset = DATASETS[name]
    for prompt, answer in rows(data_dir, name)[:3]:
        for text in [*MALFORMED, prompt[:2000], "Answer: " * 200]:
            values = (
                scorers.strict(dataset, prompt, text, answer),
                scorers.upstream(dataset, prompt, text, answer),
                scorers.lenient(dataset, prompt, text, answer).value,
            )
            assert all(0 <= value <= 1 for value in values), (text, values)


def test_german_simplifications_are_compared_word_by_word_with_umlauts(data_dir: Path) -> None:
    prompt, answer = rows(data_dir, "20Minuten")[0]
    assert paragraph_of(prompt).startswith("Reto M.")
    assert "Simplification" not in paragraph_of(prompt)
    dataset = DATASETS["20Minuten"]
    copied = scorers.strict(dataset, prompt, paragraph_of(prompt), answer)
    assert scorers.strict(dataset, prompt, "", answer) == 0.0
    assert 0.1 < copied < scorers.strict(dataset, prompt, answer, answer)
    assert text_metrics.rouge_l("über Führerausweise", "führerausweise über alles") == pytest.approx(0.4)
