"""Our bridge and plain lm-eval on the same weights: PIQA, 500 local items, within two items of each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")

YAML = """
task: piqa_local
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{instruction}}\\n\\nAnswer:"
doc_to_choice: ["solution1", "solution2"]
doc_to_target: "{{['solution1', 'solution2'].index(answer)}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""
PLAIN = """
import json, sys
import lm_eval
from lm_eval.tasks import TaskManager
found = lm_eval.simple_evaluate(
    model="hf", model_args={"pretrained": sys.argv[1], "dtype": "float32", "device": "cpu"}, tasks=["piqa_local"],
    task_manager=TaskManager(include_path=sys.argv[2]), batch_size=8, bootstrap_iters=0,
)
print(json.dumps({str(sample["doc_id"]): sample["acc"] for sample in found["samples"]["piqa_local"]}))
"""


@pytest.mark.server
@pytest.mark.timeout(1800)
def test_bridge_and_plain_lm_eval_agree_within_two_items(data_dir: Path, tmp_path: Path) -> None:
    data = data_dir / "general_ability/piqa.test.json"
    checkpoint = Path(os.environ.get("EVALSUITE_DEMO", ".demo")) / "smollm2-135m-instruct"
    if not data.is_file() or not checkpoint.is_dir():
        pytest.skip("needs general_ability/piqa.test.json and the demo checkpoint (examples/checkpoints/build.py)")
    (tmp_path / "piqa_local.yaml").write_text(YAML.replace("DATA", str(data)), encoding="utf-8")
    environment = {**os.environ, "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    plain = subprocess.run(
        [sys.executable, "-c", PLAIN, str(checkpoint), str(tmp_path)],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    expected = json.loads(plain.stdout.strip().splitlines()[-1])

    command = [
        "evalsuite", "run", "--model", f"vllm:{checkpoint}", "--tasks", "lm_eval", "--set", "lm_eval.tasks=piqa_local",
        "--set", f"lm_eval.include_path={tmp_path}", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", *command], env=environment, check=True, capture_output=True, text=True)
    import evalsuite

    samples = evalsuite.load(tmp_path / "run").samples
    found = {row.id.rpartition("/")[2]: row.score for row in samples[samples.metric == "acc"].itertuples()}
    assert len(found) == len(expected) == 500
    differing = [item for item, value in expected.items() if found[item] != value]
    assert len(differing) <= 2, f"{len(differing)} items differ: {differing[:10]}"
