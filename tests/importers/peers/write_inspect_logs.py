"""Run by Inspect's own Python: one task with two scorers, three epochs and failing samples, by two scripted models."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ModelAPI, ModelOutput, modelapi
from inspect_ai.scorer import includes, match


@modelapi(name="adder")
class Adder(ModelAPI):
    async def generate(self, input, tools, tool_choice, config):  # type: ignore[no-untyped-def]
        number = int(input[-1].text.split("+")[1].rstrip("?"))
        if number == 5:
            raise RuntimeError("this sample always fails")
        rng = random.Random(f"{self.model_name}{number}{id(self)}")
        right = rng.random() < (0.8 if self.model_name == "good" else 0.5)
        return ModelOutput.from_content(f"adder/{self.model_name}", f"{2 * number if right else 7} is it")


def main(folder: Path) -> None:
    samples = [Sample(id=f"q{i}", input=f"What is {i}+{i}?", target=str(2 * i)) for i in range(150)]
    for model in ("good", "bad"):
        for log_format in ("eval", "json"):
            task = Task(
                dataset=MemoryDataset(samples, name="sums"), scorer=[match(location="begin"), includes()], epochs=3
            )
            eval(
                task,
                model=f"adder/{model}",
                log_dir=str(folder / log_format / model),
                log_format=log_format,
                display="none",
                fail_on_error=False,
            )


main(Path(sys.argv[1]))
