"""The harnesses that are measured: how each is started on the same questions, and how its environment is made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from limit_client import chat_bodies

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"


class Harness(Protocol):
    """One harness: a command for a run of `count` questions, and one that only prints its help."""

    name: str

    def help(self) -> list[str]: ...

    def run(self, url: str, count: int, concurrency: int, folder: Path) -> tuple[list[str], dict[str, str]]:
        """The command and its environment; two runs with one `folder` share whatever cache the harness has."""
        ...


def questions_file(count: int) -> Path:
    """The questions as JSONL, for harnesses that read files."""
    path = BUILD / "questions" / f"{count}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ({"question": turns[0]["content"], "answer": "x"} for turns in chat_bodies(count))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class Evalsuite:
    """evalsuite itself, with the task of `questions_task.py` registered as a plugin."""

    name = "evalsuite"

    def __init__(self) -> None:
        info = BUILD / "site" / "benchmark_questions-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmark-questions\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[evalsuite.tasks]\nbenchmark_questions = questions_task:Questions\n")
        self._path = os.pathsep.join([str(HERE), str(info.parent), os.environ.get("PYTHONPATH", "")])

    def help(self) -> list[str]:
        return [sys.executable, "-m", "evalsuite", "--help"]

    def run(self, url: str, count: int, concurrency: int, folder: Path) -> tuple[list[str], dict[str, str]]:
        spec = f"mock={url}#mock,weights=mock,concurrency={concurrency},timeout=5"
        command = [
            sys.executable, "-m", "evalsuite", "run", "--model", spec, "--tasks", "benchmark_questions",
            "--set", f"benchmark_questions.count={count}", "--out", str(folder / f"run-{count}"),
        ]  # fmt: skip
        return command, {"PYTHONPATH": self._path}


class LmEval:
    """lm-eval's local-chat-completions with its response cache."""

    name = "lm-eval"
    folder = "lm-eval"

    def __init__(self, python: Path) -> None:
        self._bin = python.parent

    def help(self) -> list[str]:
        return [str(self._bin / "lm_eval"), "--help"]

    def run(self, url: str, count: int, concurrency: int, folder: Path) -> tuple[list[str], dict[str, str]]:
        tasks = folder / f"tasks-{count}"
        tasks.mkdir(parents=True, exist_ok=True)
        (tasks / "questions.yaml").write_text(
            "task: questions\ndataset_path: json\n"
            f"dataset_kwargs:\n  data_files: {questions_file(count)}\n"
            "test_split: train\noutput_type: generate_until\n"
            'doc_to_text: "{{question}}"\ndoc_to_target: "{{answer}}"\n'
            "generation_kwargs:\n  max_gen_toks: 512\n  do_sample: false\n  until: []\n"
            "metric_list:\n  - metric: exact_match\n"
        )
        arguments = f"model=mock,base_url={url}/chat/completions,num_concurrent={concurrency},timeout=5,max_retries=3"
        command = [
            str(self._bin / "lm_eval"), "--model", "local-chat-completions", "--model_args", arguments, "--tasks", "questions",
            "--include_path", str(tasks), "--apply_chat_template", "--log_samples", "--output_path", str(folder / "out"),
            "--use_cache", str(folder / "cache"),
        ]  # fmt: skip
        return command, {"HF_HOME": str(BUILD / "hf"), "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"}


class InspectAI:
    """inspect-ai's OpenAI-compatible provider with its response cache."""

    name = "inspect-ai"
    folder = "inspect"

    def __init__(self, python: Path) -> None:
        self._bin = python.parent

    def help(self) -> list[str]:
        return [str(self._bin / "inspect"), "--help"]

    def run(self, url: str, count: int, concurrency: int, folder: Path) -> tuple[list[str], dict[str, str]]:
        folder.mkdir(parents=True, exist_ok=True)
        task = folder / f"questions_{count}.py"
        task.write_text(
            "from inspect_ai import Task, task\n"
            "from inspect_ai.dataset import FieldSpec, json_dataset\n"
            "from inspect_ai.model import CachePolicy\n"
            "from inspect_ai.scorer import includes\n"
            "from inspect_ai.solver import generate\n"
            "@task\ndef questions():\n"
            f"    data = json_dataset({str(questions_file(count))!r}, FieldSpec(input='question', target='answer'))\n"
            "    return Task(dataset=data, solver=generate(cache=CachePolicy(expiry=None)), scorer=includes())\n"
        )
        command = [
            "env", "-C", str(folder), str(self._bin / "inspect"), "eval", task.name, "--model", "openai-api/mock/mock",
            "--max-connections", str(concurrency), "--max-samples", str(concurrency), "--max-tokens", "512",
            "--temperature", "0", "--timeout", "5",
            "--display", "none", "--log-dir", str(folder / "logs"), "--no-fail-on-error",
        ]  # fmt: skip
        environment = {
            "MOCK_API_KEY": "none",
            "MOCK_BASE_URL": url,
            "INSPECT_CACHE_DIR": str(folder / "cache"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        return command, environment


PEERS: dict[str, type[LmEval] | type[InspectAI]] = {"lm-eval": LmEval, "inspect-ai": InspectAI}


def peer(name: str) -> Harness:
    """A peer in an environment of its own under `build/peers`, made when it is not there."""
    kind = PEERS[name]
    python = BUILD / "peers" / kind.folder / "bin" / "python"
    if not python.exists():
        subprocess.run([HERE.parent / "scripts" / "make-peers", BUILD / "peers", sys.executable], check=True)
    return kind(python)
