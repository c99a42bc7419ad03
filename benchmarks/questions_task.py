"""The task of the benchmarks: questions of about 60 words, all different; any answer of more than ten words scores 1."""

from __future__ import annotations

from collections.abc import Iterator

from limit_client import chat_bodies

from evalsuite.api import Context, DataSource, GenerationParams, Message, Metric, Role, Sample, Score, Task, TaskInfo


class Questions(Task):
    """As many questions as the harnesses beside it are asked."""

    info = TaskInfo(
        name="benchmark_questions",
        summary="questions of 60 words, to measure the harness",
        protocol="benchmark_questions/1",
        paper="none",
        data="made up here",
        metrics=(Metric(name="answered", higher_is_better=True, kind="binary"),),
        roles=(Role(name="candidate"),),
    )

    class Options(Task.Options):
        """How many questions there are."""

        count: int = 2000

    def load(self, data: DataSource) -> Iterator[Sample]:
        """The questions of the limit client."""
        for number in range(self.options.count):
            yield Sample(id=str(number), data={"question": chat_bodies(number + 1, number)[0][0]["content"]})

    async def evaluate(self, sample: Sample, ctx: Context) -> list[Score]:
        """One question, one number."""
        question = [Message("user", sample.data["question"])]
        completion = await ctx.chat("candidate", question, GenerationParams(max_tokens=512))
        if not completion.usable:
            return [Score.missing("answered", completion.status)]
        return [Score(metric="answered", value=float(len(completion.text.split()) > 10))]
