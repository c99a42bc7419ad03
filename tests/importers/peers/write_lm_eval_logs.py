"""Run by lm-eval's own Python: two evaluations of one small task by its dummy model, with sample logs."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

CHOICE = """
task: evalsuite_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: ["yes", "no"]
doc_to_target: label
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
GENERATE = """
task: evalsuite_generate
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
repeats: 2
generation_kwargs: {{until: ["."], do_sample: false}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
filter_list:
  - name: strict
    filter: [{{function: take_first}}]
  - name: first-letter
    filter:
      - {{function: regex, regex_pattern: "(l)"}}
      - {{function: take_first}}
"""


def main(folder: Path) -> None:
    rng = random.Random(0)
    data = folder / "data.jsonl"
    answers = ["lol", "l", "other"]
    data.write_text(
        "\n".join(
            json.dumps({"question": f"Is {i} even?", "label": i % 2, "answer": rng.choice(answers)}) for i in range(150)
        )
    )
    tasks = folder / "tasks"
    tasks.mkdir()
    for name, text in (("choice", CHOICE), ("generate", GENERATE)):
        (tasks / f"{name}.yaml").write_text(text.format(data=data))
    for seed in (1, 2):
        tracker = EvaluationTracker(output_path=str(folder / f"run{seed}"))
        results = simple_evaluate(
            model="dummy",
            tasks=["evalsuite_choice", "evalsuite_generate"],
            task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
            log_samples=True,
            random_seed=seed,
            bootstrap_iters=0,
            evaluation_tracker=tracker,
        )
        samples = results.pop("samples")
        tracker.save_results_aggregated(results=results, samples=samples)
        for task, rows in samples.items():
            tracker.save_results_samples(task_name=task, samples=rows)


main(Path(sys.argv[1]))
