"""lm-eval through our client: its requests, its scoring, and the traps of its HTTP backends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")

from evalsuite.data import DataFiles
from evalsuite.errors import DataError, UsageError
from evalsuite.records import Completion, Sample, Score, TokenLogprob
from evalsuite.sequences import Stage
from evalsuite.tasks.general_ability.lm_eval_bridge import (
    LmEval,
    LmEvalGenerate,
    LmEvalOptions,
    cut,
    generation_params,
)

CHOICE = """
task: toy_choice
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: ["yes", "no"]
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""
GENERATE = """
task: toy_generate
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{['yes', 'no'][answer]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 5, do_sample: false}
filter_list:
  - {name: plain, filter: [{function: take_first}]}
  - {name: lower, filter: [{function: lowercase}, {function: take_first}]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("lm_eval")
    rows = [{"question": "Is water wet?", "answer": 0}, {"question": "Is fire cold?", "answer": 1}]
    (root / "toy.json").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (root / "yaml").mkdir()
    for name, text in (("choice", CHOICE), ("generate", GENERATE)):
        content = text.replace("DATA", str(root / "toy.json"))
        (root / f"yaml/{name}.yaml").write_text(content, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(root / "hf"))
        patch.setenv("HF_DATASETS_OFFLINE", "1")
        yield root / "yaml"


Loaded = tuple[LmEval, list[Sample]]


@pytest.fixture(scope="module")
def choice(folder: Path) -> Loaded:
    """The multiple-choice toy task with its process, which takes seconds to start."""
    task = LmEval(LmEvalOptions(tasks=("toy_choice",), include_path=str(folder)))
    return task, list(task.load(source()))


def source() -> DataFiles:
    return DataFiles("lm_eval", offline=True)


def sure_of(word: str) -> Callable[[str, str, str], Completion]:
    def answer(kind: str, prompt: str, continuation: str) -> Completion:
        logprob = -0.1 if continuation.strip() == word else -3.0
        return Completion(status="ok", prompt_logprobs=(TokenLogprob(continuation, logprob, 1),))

    return answer


def test_choices_are_scored_by_lm_eval_from_our_log_probabilities(
    choice: Loaded, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    task, samples = choice
    assert [sample.id for sample in samples] == ["toy_choice/0", "toy_choice/1"]
    assert {metric.name: metric.kind for metric in task.info.metrics} == {"acc": "binary", "acc_norm": "binary"}
    context = scripted(sure_of("yes"))
    results = [{score.metric: score.value for score in evaluate(task, sample, context)} for sample in samples]
    assert results == [{"acc": 1.0, "acc_norm": 1.0}, {"acc": 0.0, "acc_norm": 0.0}]
    assert context.asked[:2] == [
        ("logprobs", "Q: Is water wet?\nA:", " yes"),
        ("logprobs", "Q: Is water wet?\nA:", " no"),
    ]
    again = [{score.metric: score.value for score in evaluate(task, sample, context)} for sample in samples]
    assert again == results  # a replay scores the same


def test_a_sequence_has_a_delta_for_every_metric(
    choice: Loaded, scripted: Any, evaluate: Callable[..., list[Score]], score_table: Callable[..., Any]
) -> None:
    task, samples = choice
    stages = (Stage(label="base"), Stage(label="after", trained_on="x"))
    sure = {"base": sure_of("yes"), "after": lambda *asked: sure_of("no" if "fire" in asked[1] else "yes")(*asked)}
    table = score_table(
        {
            label: [
                (sample, [replace(score, slice=sample.slice) for score in evaluate(task, sample, scripted(answer))])
                for sample in samples
            ]
            for label, answer in sure.items()
        }
    )
    with_stages = LmEval(replace(task.options, stages=stages))
    with_stages.info = task.info  # type: ignore[misc]
    found = {(row.metric, row.model): row.value for row in with_stages.derive(table)}
    assert found == {("acc_delta", "after"): 0.5, ("acc_norm_delta", "after"): 0.5}
    (section,) = with_stages.sections(table)
    assert [(row["part"], row["change"]) for row in section.rows] == [("toy_choice", 0.5), ("mean", 0.5)]
    assert list(task.derive(table)) == []  # no sequence, no delta


def test_chat_turns_are_rendered_by_our_client_and_not_by_lm_eval(
    folder: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    task = LmEval(
        LmEvalOptions(tasks=("toy_choice",), include_path=str(folder), chat=True, system_instruction="Be brief.")
    )
    sample = next(iter(task.load(source())))
    context = scripted(sure_of("yes"))
    assert evaluate(task, sample, context)[0].value == 1.0
    assert context.asked[0] == ("logprobs", "Be brief.\nQ: Is water wet?\nA:", "yes")


def test_generated_text_is_cut_at_the_stop_string_and_every_filter_is_kept(
    folder: Path, scripted: Any, evaluate: Callable[..., list[Score]]
) -> None:
    task = LmEvalGenerate(LmEvalOptions(tasks=("toy_generate",), include_path=str(folder)))
    sample = next(iter(task.load(source())))
    (score,) = evaluate(task, sample, scripted(lambda *_: "YES\nand more"))
    assert score.metric == "exact_match"
    assert score.detail["filters"] == {"plain": 0.0, "lower": 1.0}


def test_a_failed_request_is_no_score(choice: Loaded, scripted: Any, evaluate: Callable[..., list[Score]]) -> None:
    task, samples = choice
    scores = evaluate(task, samples[0], scripted(lambda *_: Completion(status="error", error="prompt too long")))
    assert [(score.metric, score.status) for score in scores] == [("acc", "error")]


def test_log_likelihood_tasks_are_refused_where_only_generation_is_possible(folder: Path) -> None:
    with pytest.raises(UsageError, match="asks for loglikelihood"):
        list(LmEvalGenerate(LmEvalOptions(tasks=("toy_choice",), include_path=str(folder))).load(source()))


def test_an_unknown_task_is_an_error_with_lm_evals_own_words(folder: Path) -> None:
    with pytest.raises(DataError, match="nothing_of_that_name"):
        list(LmEval(LmEvalOptions(tasks=("nothing_of_that_name",), include_path=str(folder))).load(source()))
    with pytest.raises(UsageError, match="needs task names"):
        list(LmEval(LmEvalOptions()).load(source()))


def test_generation_arguments_are_translated() -> None:
    greedy = generation_params({"until": ["\n\n", ""], "do_sample": False, "temperature": 0.7})
    assert (greedy.temperature, greedy.max_tokens, greedy.stop) == (0.0, 256, ("\n\n",))
    sampled = generation_params({"do_sample": True, "temperature": 0.7, "top_p": 0.9, "max_gen_toks": 10})
    assert (sampled.temperature, sampled.top_p, sampled.max_tokens) == (0.7, 0.9, 10)
    assert cut("a\n\nb###c", ("###", "\n\n")) == "a"
    assert math.isclose(sampled.top_p, 0.9)
