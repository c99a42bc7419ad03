"""A benchmark is a page: load, ask, score."""

from __future__ import annotations

from collections.abc import Iterator

from evalsuite.api import Context, DataSource, Message, Metric, Role, Sample, Score, Task, TaskInfo


class Addition(Task):
    """Small sums, exact match."""

    info = TaskInfo(
        name="addition",
        summary="small sums, exact match",
        protocol="addition/1",
        paper="none",
        data="made up here",
        metrics=(Metric(name="accuracy", higher_is_better=True, kind="binary", margin=0.05),),
        roles=(Role(name="candidate"),),
    )

    class Options(Task.Options):
        """How many sums there are."""

        count: int = 20

    def load(self, data: DataSource) -> Iterator[Sample]:
        """Sums of two equal numbers."""
        for number in range(self.options.count):
            parity = "odd" if number % 2 else "even"
            yield Sample(
                id=str(number), data={"question": f"{number}+{number}=", "answer": str(2 * number)}, slice=parity
            )

    async def evaluate(self, sample: Sample, ctx: Context) -> list[Score]:
        """One question, one number."""
        completion = await ctx.chat("candidate", [Message("user", sample.data["question"])])
        if not completion.usable:
            return [Score.missing("accuracy", completion.status)]
        return [Score(metric="accuracy", value=float(completion.text.strip() == sample.data["answer"]))]
