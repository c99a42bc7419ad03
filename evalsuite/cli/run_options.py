"""The options of `evalsuite run`, shared with `plan` and the live gate."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from evalsuite.cli.options import option
from evalsuite.errors import UsageError


class RunOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which models, which tasks, how much, where to."""

    model: Annotated[
        list[str], option("SPEC", "model under test, `[label=]scheme:rest[,key=value…]`; several allowed")
    ] = []
    tasks: Annotated[list[str], option("NAME,...", "tasks to run (`evalsuite tasks` lists them)")] = []
    judge: Annotated[list[str], option("SPEC", "judge model; several make a panel")] = []
    reward_model: Annotated[list[str], option("SPEC", "reward model; several make an ensemble")] = []
    baseline: Annotated[str | None, option("SPEC|RUN", "model to compare with, or a run directory that holds it")] = (
        None
    )
    sequence: Annotated[Path | None, option("FILE", "YAML manifest of a checkpoint sequence")] = None
    data: Annotated[dict[str, str], option("NAME=PATH", "data file or folder of a task")] = {}
    set: Annotated[
        dict[str, str], option("TASK.OPTION=VALUE", "option of a task (`evalsuite tasks NAME` lists them)")
    ] = {}
    limit: Annotated[int | None, option("N", "evaluate only N samples per task, a random stratified subset")] = None
    seed: Annotated[int, option("S", "seed of sample order, judge order and sampling")] = 0
    out: Annotated[Path | None, option("DIR", "run directory; the same command resumes it")] = None
    store: Annotated[
        str | None,
        option(
            "FILE|URL", "response store: a file (default: responses.sqlite beside the run directory) or postgresql://…"
        ),
    ] = None


def to_request(options: RunOptions, argv: Sequence[str]) -> Any:
    """The engine's `RunRequest` for these options."""
    from evalsuite.engine.run import RunRequest

    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {options.limit}")
    settings: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, value in options.set.items():
        task, dot, name = key.partition(".")
        if not dot or not name:
            raise UsageError(f"--set takes TASK.OPTION=VALUE, got {key!r}")
        settings[task][name] = value
    models, tasks, baseline = list(options.model), list(options.tasks), options.baseline
    if options.sequence is not None:
        stages, tasks = _stages_of(options.sequence, tasks, settings)
        if baseline is None:
            baseline, *stages = stages
        models = stages + models
    unknown = [task for task in settings if task not in tasks]
    if unknown:
        raise UsageError(f"--set names {', '.join(unknown)}, which is not among --tasks")
    return RunRequest(
        tasks=tuple(tasks),
        models=tuple(models),
        baseline=baseline,
        judges=tuple(options.judge),
        reward_models=tuple(options.reward_model),
        data={name: Path(path) for name, path in options.data.items()},
        settings=settings,
        limit=options.limit,
        seed=options.seed,
        out=options.out,
        store=options.store,
        command=tuple(["evalsuite", *(_redacted(argument) for argument in argv)]),
    )


def _stages_of(manifest: Path, tasks: list[str], settings: dict[str, dict[str, Any]]) -> tuple[list[str], list[str]]:
    """SPECs of a sequence manifest and the tasks to run on them; its options go into `settings`, where --set wins.

    Without --baseline the first stage, the one before training, is what the others are compared with.
    """
    from evalsuite import plugins
    from evalsuite.sequences import load_sequence

    sequence = load_sequence(manifest)
    chosen = tasks or list(sequence.tasks)
    if not chosen:
        raise UsageError(f"--sequence {manifest} names no tasks: add `tasks` to it or give --tasks")
    for task in chosen:
        declared = {field.encode_name for field in msgspec.structs.fields(plugins.load("tasks", task).Options)}
        settings[task] = {**sequence.settings(task, declared), **settings[task]}
    return list(sequence.specs), chosen


def _redacted(argument: str) -> str:
    """An argument of the command line as it may be written to a file: keys in SPECs and passwords in URLs are masked."""
    from evalsuite.errors import SpecError
    from evalsuite.serving.spec import parse_spec

    flag, separator, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    try:
        return flag + separator + parse_spec(value).redacted
    except SpecError:
        return re.sub(r"//[^/@]*@", "//***@", argument)


def argv() -> list[str]:
    """What the user typed after the program's name."""
    return sys.argv[1:]
