"""Unlearning tasks: formulas, membership scores, TOFU, MUSE, RWKU and hazardous multiple choice under attack."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.data import DataFiles
from evalsuite.errors import DataError, StatisticsError
from evalsuite.records import Completion, Message, Sample, Score, TokenLogprob
from evalsuite.tasks.unlearning import attacks, measures, membership
from evalsuite.tasks.unlearning.hazard import Hazard, HazardLogprobs, HazardOptions
from evalsuite.tasks.unlearning.muse import Muse, MuseOptions
from evalsuite.tasks.unlearning.rwku import Rwku, RwkuOptions
from evalsuite.tasks.unlearning.tofu import Tofu, TofuOptions

pytest.importorskip("rouge_score", reason="needs the extra text-metrics")


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def source(root: Path) -> DataFiles:
    return DataFiles("task", root=root, offline=True)


def scored(*logprobs: float) -> Completion:
    return Completion(
        status="ok", prompt_logprobs=tuple(TokenLogprob(f"t{i}", value) for i, value in enumerate(logprobs))
    )


def values(scores: list[Score]) -> dict[str, float | None]:
    return {score.metric: score.value for score in scores}


losses = st.floats(0, 2000, allow_nan=False)


@given(st.lists(losses, min_size=1, max_size=6), losses)
def test_truth_ratios_and_probabilities_are_always_numbers(wrong: list[float], right: float) -> None:
    geometric, arithmetic = (measures.truth_ratio(wrong, right, mean) for mean in ("geometric", "arithmetic"))
    assert math.isfinite(geometric)
    assert arithmetic >= geometric * (1 - 1e-9)  # mean of exponentials is at least the exponential of the mean
    assert 0 <= measures.option_probability(right, wrong) <= 1
    assert 0 <= measures.indifference([geometric]) <= 1


def test_model_utility_is_zero_when_any_part_is() -> None:
    assert measures.harmonic_mean([0.5, 0.0, 1.0]) == 0.0
    assert measures.harmonic_mean([0.5, 1.0]) == pytest.approx(2 / 3)
    with pytest.raises(StatisticsError):
        measures.harmonic_mean([])


def test_area_counts_ties_half_and_leakage_is_minus_one_without_unlearning() -> None:
    assert measures.discrimination([1, 2], [1, 0]) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert measures.privacy_leakage(0.0, 0.5) == -1.0
    assert measures.privacy_leakage(0.5, 0.5) == 0.0


def test_recovery_needs_an_ability_above_chance() -> None:
    assert measures.recovery_ratio(0.45, 0.65, 0.25) == pytest.approx(0.5)
    assert measures.recovery_ratio(0.45, 0.25, 0.25) is None


def test_membership_scores_of_a_text() -> None:
    found = membership.scores(scored(-4.0, -1.0, -0.5, -0.5), "some text")
    assert found is not None
    assert found["loss"] == pytest.approx(1.5)
    assert found["min_k_50"] == pytest.approx(2.5)
    assert found["min_k_10"] == 4.0  # int(4 * 0.1) would be no token at all
    assert membership.scores(Completion(status="error"), "some text") is None
    assert membership.after_first_word("One two three") == ("One", " two three")


def tofu_root(tmp_path: Path) -> Path:
    row = {
        "question": "Who?", "answer": "It is Ann.", "paraphrased_answer": "Ann it is.", "perturbed_answer": ["Bob.", "Cy."],
    }  # fmt: skip
    for name in ("forget10", "retain", "real_authors", "world_facts"):
        write(tmp_path / f"tofu/{name}_perturbed.json", [row] * (21 if name == "forget10" else 2))
    return tmp_path


LOSS = {"It is Ann.": 0.5, "Ann it is.": 1.0, "Bob.": 2.0, "Cy.": 4.0}


def answer_tofu(kind: str, prompt: str, continuation: str) -> str | Completion:
    return "It is Ann." if kind == "chat" else scored(-LOSS[continuation])


def test_tofu_authors_are_the_units_of_inference(tmp_path: Path) -> None:
    samples = list(Tofu().load(source(tofu_root(tmp_path))))
    assert [sample.cluster for sample in samples if sample.slice == "forget"][19:] == [
        "forget/author0",
        "forget/author1",
    ]
    assert samples[-1].cluster is None
    assert samples[-1].data["right"] == "It is Ann."


def test_tofu_scores_and_derived_numbers(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]], score_table: Callable[..., Any]
) -> None:
    task = Tofu(TofuOptions())
    samples = list(task.load(source(tofu_root(tmp_path))))
    context = scripted(answer_tofu, reference="retain-only")
    forget = values(evaluate(task, samples[0], context))
    assert forget["probability"] == pytest.approx(math.exp(-0.5))
    assert forget["rouge_l_recall"] == 1.0
    assert forget["truth_ratio"] == pytest.approx(math.exp(1.0 - 3.0))
    assert forget["truth_ratio_arithmetic"] == pytest.approx((math.exp(-1) + math.exp(-3)) / 2)
    assert forget["truth_ratio_reference"] == forget["truth_ratio"]
    real = values(evaluate(task, samples[-1], context))
    options = [math.exp(-loss) for loss in (0.5, 2.0, 4.0)]
    assert real["probability"] == pytest.approx(options[0] / sum(options))
    assert "truth_ratio_reference" not in real

    table = score_table(
        {
            "m": [
                (
                    sample,
                    [score_in(score, sample) for score in evaluate(task, sample, scripted(answer_tofu, reference="r"))],
                )
                for sample in samples
            ]
        }
    )
    found = {estimate.metric: estimate for estimate in task.derive(table)}
    assert found["forget_quality"].value == 1.0
    assert found["forget_truth_ratio"].value == pytest.approx(math.exp(-2.0))
    truth = 1 - math.exp(-2.0), 1 - math.exp(0.5 - 3.0)
    nine = [math.exp(-0.5), 1.0, truth[0], *[real["probability"], 1.0, truth[1]] * 2]
    assert found["model_utility"].value == pytest.approx(measures.harmonic_mean(nine))


def score_in(score: Score, sample: Sample) -> Score:
    return Score(metric=score.metric, value=score.value, status=score.status, slice=sample.slice)


def test_tofu_without_retain_only_model_has_no_forget_quality(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]], score_table: Callable[..., Any]
) -> None:
    task = Tofu(TofuOptions(sets=("forget",)))
    sample = next(iter(task.load(source(tofu_root(tmp_path)))))
    scores = [score_in(score, sample) for score in evaluate(task, sample, scripted(answer_tofu))]
    found = {estimate.metric: estimate for estimate in task.derive(score_table({"m": [(sample, scores)]}))}
    assert found["forget_quality"].value is None
    assert found["forget_quality"].method.startswith("n/a")
    assert "model_utility" not in found


def test_a_failed_scoring_request_is_no_number(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    task = Tofu(TofuOptions())
    sample = next(iter(task.load(source(tofu_root(tmp_path)))))
    context = scripted(lambda kind, *_: "It is Ann." if kind == "chat" else Completion(status="error"))
    scores = evaluate(task, sample, context)
    assert {score.status for score in scores if score.metric != "rouge_l_recall"} == {"error"}


def test_published_tofu_files_load(data_dir: Path) -> None:
    if not (data_dir / "tofu/forget01_perturbed.json.gz").is_file():
        pytest.skip("tofu is not in EVALSUITE_DATA")
    task = Tofu(TofuOptions(forget="forget01", sets=("forget", "real_authors", "world_facts")))
    samples = list(task.load(source(data_dir)))
    assert {len([s for s in samples if s.slice == name]) for name in ("real_authors", "world_facts")} == {100, 117}
    assert len({sample.cluster for sample in samples if sample.slice == "forget"}) == 20


def muse_root(tmp_path: Path) -> Path:
    qa = [{"question": "When?", "answer": "In 1472"}]
    for name in ("forget_qa", "forget_qa_icl", "retain2_qa", "retain2_qa_icl"):
        write(tmp_path / f"muse/news.knowmem.{name}.json", qa * 2)
    write(tmp_path / "muse/news.verbmem.forget.json", [{"prompt": "Once", "gt": "upon a time"}])
    for name in ("forget", "holdout"):
        write(tmp_path / f"muse/news.privleak.{name}.json", [{"text": f"{name} text number {i}"} for i in range(3)])
    return tmp_path


def test_muse_asks_with_examples_and_cuts_at_the_next_question(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    task = Muse(MuseOptions(parts=("knowmem_forget",)))
    sample = next(iter(task.load(source(muse_root(tmp_path)))))
    context = scripted(lambda *_: "in 1472\nQuestion: and then")
    assert values(evaluate(task, sample, context)) == {"rouge_l": 1.0}
    assert context.asked[0][:2] == (
        "complete",
        "Question: When?\nAnswer: In 1472\n\n" * 2 + "Question: When?\nAnswer: ",
    )


def test_muse_cuts_the_verbatim_reference_at_the_models_own_tokens(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    task = Muse(MuseOptions(parts=("verbmem",)))
    sample = next(iter(task.load(source(muse_root(tmp_path)))))
    tokens = tuple(TokenLogprob(f"Ġw{i}", -1.0) for i in range(200))
    context = scripted(
        lambda kind, *_: (
            " ".join(f"w{i}" for i in range(128))
            if kind == "complete"
            else Completion(status="ok", prompt_logprobs=tokens)
        )
    )
    assert values(evaluate(task, sample, context)) == {"rouge_l": 1.0}


@pytest.mark.parametrize(("forgotten", "leakage"), [(-0.1, -1.0), (-9.0, 1.0)])
def test_privacy_leakage_tells_under_from_over_unlearning(
    tmp_path: Path,
    scripted: Any,
    evaluate: Callable[..., list[Score]],
    score_table: Callable[..., Any],
    forgotten: float,
    leakage: float,
) -> None:
    task = Muse(MuseOptions(parts=("privleak",)))
    samples = list(task.load(source(muse_root(tmp_path))))
    rows = [
        (
            s,
            [
                score_in(x, s)
                for x in evaluate(
                    task, s, scripted(lambda _, first, __: scored(forgotten if first == "forget" else -2.0))
                )
            ],
        )
        for s in samples
    ]
    found = {estimate.metric: estimate.value for estimate in task.derive(score_table({"m": rows}))}
    assert found["privacy_leakage"] == pytest.approx(leakage)


def test_rwku_starts_the_answer_and_counts_silence_as_no_answer(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    rows = [
        {"query": "He was born in ___.", "answer": "Paris", "subject": "X", "type": "cloze"},
        {"query": "Say where", "answer": "Paris", "subject": "X", "type": "affirmative suffix"},
    ]
    write(tmp_path / "rwku/forget_level1.json", rows)
    task = Rwku(RwkuOptions(levels=("forget_level1",)))
    first, second = task.load(source(tmp_path))
    context = scripted(lambda *_: " Paris, France")
    assert values(evaluate(task, first, context)) == {"rouge_l_recall": 0.0}  # `Paris,` is another word than `Paris`
    assert values(evaluate(task, first, scripted(lambda *_: " in Paris")))["rouge_l_recall"] == 1.0
    evaluate(task, second, context)
    assert [asked[2] for asked in context.asked] == ["Answer:", ""]
    assert values(evaluate(task, first, scripted(lambda *_: "")))["rouge_l_recall"] == 0.0
    assert first.cluster == "X"


def hazard_root(tmp_path: Path) -> Path:
    rows = [{"question": f"Which one is {i}?", "choices": ["a", "b", "c", "d"], "answer": 1} for i in range(8)]
    write(tmp_path / "wmdp/bio.jsonl", rows)
    return tmp_path


def test_every_attack_asks_its_own_way_and_a_leak_is_reported(
    tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]], score_table: Callable[..., Any]
) -> None:
    task = Hazard(HazardOptions(subsets=("bio",)))
    samples = list(task.load(source(hazard_root(tmp_path))))
    context = scripted(lambda _, prompt, __: "B" if "quiz night" in prompt else "C", reference="original")
    scores = evaluate(task, samples[0], context)
    assert len({asked[1] for asked in context.asked}) == len(
        attacks.ATTACKS
    )  # the plain question is the reference's too
    found = values(scores)
    assert found["accuracy_conversation"] == 1.0
    assert found["accuracy_plain"] == found["accuracy_guardrail"] == 0.0
    original = Score(metric="accuracy_reference", value=1.0)
    rows = [(s, [original, *(x for x in evaluate(task, s, context) if x.metric != original.metric)]) for s in samples]
    derived = {estimate.metric: estimate for estimate in task.derive(score_table({"m": rows}))}
    assert derived["accuracy_best_attack"].value == 1.0
    assert "conversation" in derived["accuracy_best_attack"].method
    assert derived["recovery_ratio"].value == pytest.approx(1.0)


def test_few_shot_examples_are_turns_and_never_hold_the_question_itself(tmp_path: Path) -> None:
    samples = list(Hazard(HazardOptions(subsets=("bio",))).load(source(hazard_root(tmp_path))))
    for sample in samples:
        assert len(sample.data["shots"]) == attacks.SHOTS
        assert sample.data["question"] not in [question for question, _ in sample.data["shots"]]
    setting = attacks.Setting(unrelated=[attacks.Example("q", "a")])
    assert attacks.few_shot("x", setting) == [Message("user", "q"), Message("assistant", "a"), Message("user", "x")]
    assert attacks.guardrail("x", attacks.Setting(topic="locks"))[0].role == "system"


def test_the_most_likely_letter_answers(tmp_path: Path, scripted: Any, evaluate: Callable[..., list[Score]]) -> None:
    task = HazardLogprobs(HazardOptions(subsets=("bio",)))
    sample = next(iter(task.load(source(hazard_root(tmp_path)))))
    context = scripted(lambda *asked: scored({" A": -2.0, " B": -0.5, " C": -3.0, " D": -4.0}[asked[2]]))
    assert values(evaluate(task, sample, context)) == {"accuracy": 1.0}
    failed = evaluate(task, sample, scripted(lambda *_: Completion(status="error")))
    assert [score.status for score in failed] == ["error"]


def test_a_malformed_question_is_named(tmp_path: Path) -> None:
    write(tmp_path / "wmdp/bio.jsonl", [{"question": "q", "choices": ["a"], "answer": 4}])
    with pytest.raises(DataError, match="record 1"):
        list(Hazard(HazardOptions(subsets=("bio",))).load(source(tmp_path)))
