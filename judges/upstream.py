"""Published judge prompts, read from the files a user has: FastChat's `judge_prompts.jsonl` and AlpacaEval's ChatML templates.

They make published set-ups repeatable to the letter, so answers go in as they are unless `neutral` is asked for: such a judge
can be gamed, and the audit says by whom. Their verdicts are read as upstream reads them (see `parsers`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from evalsuite.api import Context
from evalsuite.data import read_rows
from evalsuite.errors import DataError
from evalsuite.judges import parsers
from evalsuite.judges.definition import JudgeInfo, Order, Reading, verdict_of
from evalsuite.judges.hardening import neutralise
from evalsuite.judges.pairwise import Criterion, PairJudge, preference_of_letter
from evalsuite.records import Completion, GenerationParams, Message, Verdict

_FIELD = re.compile(r"\{\{|\}\}|\{([a-z_0-9]+)\}")
_CHATML = re.compile(r"<\|im_start\|>(system|user|assistant)\n(.*?)\n?<\|im_end\|>", re.DOTALL)
TIE_DELTA = 0.1
"""Two ratings of MT-Bench's two-rating format closer than this are a tie."""


class UpstreamPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """One published prompt: messages with `{fields}`, and the verdict format its judge is told to use."""

    name: str
    kind: Literal["pairwise", "single"]
    messages: tuple[Message, ...]
    output_format: str

    def hashes(self) -> dict[str, str]:
        """SHA-256 of the prompt's messages, by its name."""
        return {self.name: sha256(msgspec.json.encode(self.messages)).hexdigest()}

    def fill(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """The messages with every field replaced; `{{` and `}}` stand for braces, and values are never read again.

        Raises:
            DataError: the prompt has a field that no value is given for.
        """

        def replaced(match: re.Match[str]) -> str:
            if match.group(1) is None:
                return match.group()[0]
            if match.group(1) not in values:
                raise DataError(
                    f"judge prompt {self.name!r} has the unknown field {{{match.group(1)}}}; known: {', '.join(values)}"
                )
            return values[match.group(1)]

        return tuple(Message(role=turn.role, content=_FIELD.sub(replaced, turn.content)) for turn in self.messages)


def read_fastchat_prompts(path: Path) -> dict[str, UpstreamPrompt]:
    """Prompts of a FastChat `judge_prompts.jsonl`, by name.

    Raises:
        DataError: a record lacks a field.
    """
    prompts = {}
    for number, row in enumerate(read_rows(path), 1):
        missing = [name for name in ("name", "type", "prompt_template", "output_format") if name not in row]
        if missing:
            raise DataError(f"{path}, record {number}: not a FastChat judge prompt, no {', '.join(missing)}")
        system = str(row.get("system_prompt") or "")
        head = (Message(role="system", content=system),) if system else ()
        prompts[str(row["name"])] = UpstreamPrompt(
            name=str(row["name"]),
            kind="pairwise" if row["type"] == "pairwise" else "single",
            messages=(*head, Message(role="user", content=str(row["prompt_template"]))),
            output_format=str(row["output_format"]),
        )
    return prompts


def read_alpaca_eval_prompt(path: Path) -> UpstreamPrompt:
    """A ChatML template of AlpacaEval with the fields `{instruction}`, `{output_1}`, `{output_2}`.

    Raises:
        DataError: the file holds no ChatML turns.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    turns: list[Any] = _CHATML.findall(text)
    if not turns:
        raise DataError(f"{path}: not an AlpacaEval template, no <|im_start|> … <|im_end|> turns")
    return UpstreamPrompt(
        name=path.stem,
        kind="pairwise",
        messages=tuple(Message(role=role, content=content.strip()) for role, content in turns),
        output_format="m/M",
    )


class UpstreamPairJudge(PairJudge):
    """Base class of judges that compare with a published prompt, whose wording replaces the criterion."""

    def __init__(self, prompt: UpstreamPrompt, params: GenerationParams, *, neutral: bool) -> None:
        self.prompt = prompt
        self.params = params
        self.neutral = neutral

    def prompt_hashes(self) -> dict[str, str]:
        """SHA-256 of the published prompt."""
        return self.prompt.hashes()

    def named(self, criterion: Criterion) -> str:
        """Name of the prompt."""
        return self.prompt.name

    def filled(self, fields: Mapping[str, str]) -> tuple[Message, ...]:
        """The prompt with its fields, neutralised if that is wanted."""
        if self.neutral:
            fields = {name: neutralise(value).text for name, value in fields.items()}
        return self.prompt.fill(fields)


class FastChatPairJudge(UpstreamPairJudge):
    """Compares two answers with a published MT-Bench prompt.

    Args:
        prompt: a pairwise prompt of `read_fastchat_prompts`.
        neutral: neutralise the answers first; off by default, since the published set-up does not.
        max_tokens: limit of the judge's reply, in tokens (2048 upstream).
    """

    info: ClassVar[JudgeInfo] = JudgeInfo(
        name="fastchat_pair",
        kind="pairwise",
        summary="MT-Bench's own pairwise prompts, from a judge_prompts.jsonl that you have",
        protocol="fastchat-pair-1",
        paper="arXiv 2306.05685",
    )

    def __init__(self, prompt: UpstreamPrompt, *, neutral: bool = False, max_tokens: int = 2048) -> None:
        super().__init__(prompt, GenerationParams(max_tokens=max_tokens), neutral=neutral)

    async def compare_fields(self, ctx: Context, fields: Mapping[str, str], *, order: Order, index: int = 0) -> Verdict:
        """The verdict of judge `index` on a prompt's own fields, which are already in the shown order."""
        completion = await ctx.chat("judge", self.filled(fields), self.params, index=index)
        reading = self.read(completion, "overall")
        return verdict_of(completion, reading, ctx.labels("judge")[index], self.prompt.name, order)

    def messages(
        self,
        conversation: Sequence[Message],
        first: str,
        second: str,
        criterion: Criterion,
        reference: str | None = None,
    ) -> tuple[Message, ...]:
        """The prompt for single-turn answers."""
        question = conversation[-1].content
        return self.filled({
            "question": question, "answer_a": first, "answer_b": second, "ref_answer_1": reference or ""
        })  # fmt: skip

    def read(self, completion: Completion, criterion: Criterion) -> Reading | None:
        """The verdict as FastChat's `run_judge_pair` reads it; a reply that was cut off is not read."""
        p_first = self.preference(completion.text) if completion.status == "ok" else None
        return None if p_first is None else Reading({1.0: "A", 0.5: "C", 0.0: "B"}[p_first], p_first)

    def preference(self, text: str) -> float | None:
        """P(first answer is better) of a reply's text."""
        if self.prompt.output_format == "[[rating_a,rating_b]]":
            ratings = parsers.two_ratings(text)
            if ratings is None:
                return None
            return 0.5 if abs(ratings[0] - ratings[1]) <= TIE_DELTA else float(ratings[0] > ratings[1])
        return preference_of_letter(parsers.priority_letter(text))


class AlpacaEvalJudge(UpstreamPairJudge):
    """Compares two outputs with AlpacaEval's template: the probabilities of the identifiers `m` (first) and `M` (second).

    Args:
        prompt: a template of `read_alpaca_eval_prompt`.
        neutral: neutralise the outputs first; off by default, since the published set-up does not.
    """

    ties = False
    brief = True
    info: ClassVar[JudgeInfo] = JudgeInfo(
        name="alpaca_eval",
        kind="pairwise",
        summary="AlpacaEval 2's own weighted annotator, from a template that you have",
        protocol="alpaca-eval-2-1",
        paper="arXiv 2404.04475",
    )

    def __init__(self, prompt: UpstreamPrompt, *, neutral: bool = False) -> None:
        super().__init__(prompt, GenerationParams(temperature=1.0, max_tokens=1, logprobs=5), neutral=neutral)

    def messages(
        self,
        conversation: Sequence[Message],
        first: str,
        second: str,
        criterion: Criterion,
        reference: str | None = None,
    ) -> tuple[Message, ...]:
        """The template, which knows no reference."""
        return self.filled({"instruction": conversation[-1].content, "output_1": first, "output_2": second})

    def read(self, completion: Completion, criterion: Criterion) -> Reading | None:
        """The identifiers' weight."""
        p_first = identifier_preference(completion)
        return None if p_first is None else Reading("m" if p_first >= 0.5 else "M", p_first)


def identifier_preference(completion: Completion) -> float | None:
    """P(m) / (P(m) + P(M)) among the alternatives of the first token (AlpacaEval `logprob_parser`); case matters.

    An identifier that is not among them has probability 0; None when neither is.
    """
    if not completion.usable or not completion.logprobs:
        return None
    first = completion.logprobs[0]
    alternatives = dict(first.top) or ({first.token: first.logprob} if first.logprob is not None else {})
    masses = {name: math.exp(alternatives[name]) if name in alternatives else 0.0 for name in ("m", "M")}
    total = masses["m"] + masses["M"]
    return masses["m"] / total if total > 0 else None
