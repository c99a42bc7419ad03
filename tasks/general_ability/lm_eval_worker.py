"""The process in which lm-evaluation-harness lives: builds its requests, and scores the answers, one document at a time.

It is a process of its own because lm-eval seeds globally, configures logging and starts pools. It speaks JSON lines on what
was its standard output; everything lm-eval prints goes to standard error.

    in   the configuration (`Configuration`)
    out  {"tasks": {name: {"version", "higher_is_better": {metric: bool}}}}, then one line per document
         {"task", "doc_id", "requests": [[type, arguments, repeats], ...]}, then {"end": true}, or {"error": text}
    in   {"task", "doc_id", "responses": [[answer per repeat], ...]}
    out  {"metrics": {"metric,filter": number}}

Started with `python -m evalsuite.tasks.general_ability.lm_eval_worker`; ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import IO, Any

import msgspec


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What lm-eval needs to build its requests."""

    tasks: tuple[str, ...]
    num_fewshot: int | None = None
    include_path: str | None = None
    chat: bool = False
    system_instruction: str | None = None
    fewshot_as_multiturn: bool = False
    limit: int | None = None
    seed: int = 1234


Key = tuple[str, int]


class Harness:
    """lm-eval's tasks with their requests, by task and document."""

    def __init__(self, configuration: Configuration) -> None:
        from lm_eval.tasks import TaskManager

        self._configuration = configuration
        loaded = TaskManager(include_path=configuration.include_path).load(list(configuration.tasks))
        self.tasks: dict[str, Any] = dict(loaded["tasks"])
        self._instances: dict[Key, list[Any]] = defaultdict(list)
        for name, task in self.tasks.items():
            self._build(name, task)

    def _build(self, name: str, task: Any) -> None:
        wanted = self._configuration
        # A task whose own YAML says zero-shot must stay so; lm-eval ignores the override there too.
        if wanted.num_fewshot is not None and task.get_config("num_fewshot") != 0:
            task.set_config(key="num_fewshot", value=wanted.num_fewshot)
        elif task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
        task.set_fewshot_seed(seed=wanted.seed)
        task.build_all_requests(
            limit=wanted.limit,
            rank=0,
            world_size=1,
            system_instruction=wanted.system_instruction,
            apply_chat_template=wanted.chat,
            fewshot_as_multiturn=wanted.fewshot_as_multiturn,
            chat_template=_as_json if wanted.chat else None,
        )
        for instance in task.instances:
            self._instances[name, instance.doc_id].append(instance)
        for key, instances in self._instances.items():
            if key[0] == name:
                instances.sort(key=lambda instance: instance.idx)

    def described(self) -> dict[str, Any]:
        """Version and metrics of every task."""
        return {
            name: {"version": str(task.VERSION), "higher_is_better": task.higher_is_better()}
            for name, task in self.tasks.items()
        }

    def documents(self) -> Iterator[dict[str, Any]]:
        """Requests of every document."""
        for (name, doc_id), instances in self._instances.items():
            requests = [[i.request_type, list(i.args), i.repeats] for i in instances]
            yield {"task": name, "doc_id": doc_id, "requests": requests}

    def score(self, name: str, doc_id: int, responses: list[list[Any]]) -> dict[str, float]:
        """Metrics of one document: lm-eval's own filters and `process_results` on these responses."""
        task, instances = self.tasks[name], self._instances[name, doc_id]
        for instance, answers in zip(instances, responses, strict=True):
            instance.resps = [tuple(answer) if isinstance(answer, list) else answer for answer in answers]
            instance.filtered_resps = {}
        everything, task._instances = task._instances, instances
        try:
            task.apply_filters()
        finally:
            task._instances = everything
        metrics = {}
        for filter_name in instances[0].filtered_resps:
            found = task.process_results(instances[0].doc, [i.filtered_resps[filter_name] for i in instances])
            for metric, value in found.items():
                if isinstance(value, (bool, int, float)):
                    metrics[f"{metric},{filter_name}"] = float(value)
        return metrics


def _as_json(history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    """Stands where lm-eval expects a rendered template: the turns travel as JSON and our client renders them."""
    return json.dumps(history, ensure_ascii=False)


def serve(lines: IO[str], write: Callable[[dict[str, Any]], None]) -> None:
    """Answer until the input ends."""
    try:
        harness = Harness(msgspec.json.decode(lines.readline(), type=Configuration))
        write({"tasks": harness.described()})
        for document in harness.documents():
            write(document)
        write({"end": True})
    except Exception as error:  # whatever lm-eval or a task's YAML raises is told to the parent, which names it
        write({"error": f"{type(error).__name__}: {error}"})
        return
    for line in lines:
        asked = json.loads(line)
        try:
            write({"metrics": harness.score(asked["task"], asked["doc_id"], asked["responses"])})
        except Exception as error:  # a scorer that fails on one answer must not end the run
            write({"error": f"{type(error).__name__}: {error}"})


def main() -> None:
    """Keep the real standard output for the protocol and give lm-eval standard error in its place."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(message: dict[str, Any]) -> None:
        protocol.write(json.dumps(message, default=str) + "\n")
        protocol.flush()

    serve(sys.stdin, write)


if __name__ == "__main__":
    main()
