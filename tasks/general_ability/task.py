"""The light general-ability task: ask each question in one turn, find the answer, compare.

The set follows TRACE section 4.3.2 (MMLU, GSM8K, BBH, BoolQ, PIQA) with ARC-Challenge, TruthfulQA MC1 and IFEval added;
each benchmark is a slice. Zero-shot and generative, so absolute numbers are not those of log-likelihood harnesses.
With a sequence of checkpoints the general ability delta against the one before training is estimated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from evalsuite.api import (
    Context,
    DataSource,
    Estimate,
    GenerationParams,
    Message,
    Metric,
    Role,
    Sample,
    Score,
    ScoreTable,
    Section,
    Task,
    TaskInfo,
)
from evalsuite.errors import UsageError
from evalsuite.tasks.general_ability import answers, deltas
from evalsuite.tasks.general_ability.benchmarks import BENCHMARKS
from evalsuite.tasks.general_ability.instructions import follows, follows_loosely
from evalsuite.tasks.stages import SequenceOptions

SHORT_KINDS = ("letter", "label")
SHOWN = 300


class GeneralAbilityOptions(SequenceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`endpoint` `completions` sends the prompt with the cue `Answer:` and no chat template, for base models."""

    benchmarks: tuple[str, ...] = tuple(BENCHMARKS)
    endpoint: Literal["chat", "completions"] = "chat"
    max_tokens: int = 512
    max_tokens_short: int = 64
    max_tokens_instructions: int = 1280


class GeneralAbility(Task):
    """What a model could do before training and should still be able to do."""

    Options = GeneralAbilityOptions
    options: GeneralAbilityOptions
    info: ClassVar[TaskInfo] = TaskInfo(
        name="general_ability",
        summary="Zero-shot generative MMLU, GSM8K, BBH, BoolQ, PIQA, ARC, TruthfulQA and IFEval; delta over a sequence",
        protocol="general-ability-light/1",
        paper="TRACE section 4.2 (arXiv 2310.06762) and the papers of the benchmarks",
        data="mmlu, gsm8k, bbh, general_ability, truthfulqa, ifeval folders of EVALSUITE_DATA",
        metrics=(
            Metric(
                name="accuracy",
                higher_is_better=True,
                kind="binary",
                margin=0.02,
                summary="right answer found in the text; for IFEval all instructions followed strictly",
            ),
            Metric(name="parse_failure", higher_is_better=False, kind="binary", summary="no answer in the text"),
            Metric(
                name="prompt_loose", higher_is_better=True, kind="binary", summary="IFEval: all instructions, loosely"
            ),
            Metric(name="instruction_strict", higher_is_better=True, summary="IFEval: share of instructions followed"),
            Metric(name="instruction_loose", higher_is_better=True, summary="IFEval: the same, loosely"),
        ),
        roles=(Role(name="candidate", needs="chat"),),
    )

    def load(self, data: DataSource) -> Iterable[Sample]:
        unknown = [name for name in self.options.benchmarks if name not in BENCHMARKS]
        if unknown:
            raise UsageError(
                f"general_ability: unknown benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}"
            )
        for name in self.options.benchmarks:
            for question in BENCHMARKS[name](data):
                yield Sample(
                    id=f"{name}/{question.id}",
                    data={
                        "prompt": question.prompt,
                        "kind": question.kind,
                        "answer": question.answer,
                        "choices": list(question.choices),
                        "instructions": [list(instruction) for instruction in question.instructions],
                    },
                    slice=name,
                )

    async def evaluate(self, sample: Sample, ctx: Context) -> list[Score]:
        data = sample.data
        prompt, params = data["prompt"], GenerationParams(max_tokens=self._max_tokens(data["kind"]))
        if self.options.endpoint == "chat":
            completion = await ctx.chat("candidate", [Message("user", prompt)], params)
        else:
            completion = await ctx.complete("candidate", f"{prompt}\nAnswer:", params)
        if not completion.usable and completion.status != "empty":
            return [Score.missing("accuracy", completion.status)]
        if data["kind"] == "instructions":
            return instruction_scores(data["instructions"], completion.text)
        found, right = compare(data["kind"], completion.text, data["answer"], data["choices"])
        detail = {"answer": completion.text[-SHOWN:], "extracted": found, "reference": data["answer"]}
        return [
            Score(metric="accuracy", value=float(right), detail=detail),
            Score(metric="parse_failure", value=float(found is None)),
        ]

    def _max_tokens(self, kind: str) -> int:
        if kind in SHORT_KINDS:
            return self.options.max_tokens_short
        return self.options.max_tokens_instructions if kind == "instructions" else self.options.max_tokens

    def derive(self, scores: ScoreTable) -> Iterable[Estimate]:
        return deltas.estimates(self.info.name, scores, "accuracy", self.options.stages)

    def sections(self, scores: ScoreTable) -> Iterable[Section]:
        return deltas.sections(scores, "accuracy", self.options.stages)


def compare(kind: str, text: str, answer: str, choices: Iterable[str]) -> tuple[str | None, bool]:
    """`(answer found in the text, whether it is right)`."""
    if kind == "letter":
        letter = answers.letter_in(text, "".join(choices))
        return letter, letter == answer
    if kind == "label":
        label = answers.label_in(text, list(choices))
        return label, label == answer
    if kind == "number":
        number = answers.number_in(text)
        return None if number is None else str(number), number is not None and number == answers.as_number(answer)
    phrase = answers.phrase_in(text)
    return phrase, phrase is not None and answers.normalised(phrase) == answers.normalised(answer)


def instruction_scores(instructions: Iterable[tuple[str, dict[str, object]]], text: str) -> list[Score]:
    """IFEval's four numbers of one answer."""
    strict = [follows(name, arguments, text) for name, arguments in instructions]
    loose = [follows_loosely(name, arguments, text) for name, arguments in instructions]
    return [
        Score(metric="accuracy", value=float(all(strict)), detail={"followed": strict}),
        Score(metric="prompt_loose", value=float(all(loose))),
        Score(metric="instruction_strict", value=sum(strict) / len(strict) if strict else 0.0),
        Score(metric="instruction_loose", value=sum(loose) / len(loose) if loose else 0.0),
    ]
