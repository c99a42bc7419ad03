"""The eight data sets of TRACE: files, order, kind of answer (paper section 3 and table 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from evalsuite.api import DataSource
from evalsuite.errors import DataError, UsageError

Kind = Literal["choice", "choice_explanation", "number", "summary", "code", "simplification"]
Split = Literal["train", "eval", "test"]


class Dataset(NamedTuple):
    """One data set: `kind` decides how it is scored, `cue` is the text after which the answer starts.

    `next_item` marks where a model that goes on past its answer starts a new example; the in-context baseline cuts there.
    """

    name: str
    kind: Kind
    metric: str
    language: str
    next_item: str


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset("C-STANCE", "choice", "accuracy", "Chinese", "\n"),
        Dataset("FOMC", "choice", "accuracy", "English", "\n"),
        Dataset("MeetingBank", "summary", "ROUGE-L", "English", "Meeting transcripts"),
        Dataset("Py150", "code", "edit similarity", "Python", "<EOL>"),
        Dataset("ScienceQA", "choice_explanation", "accuracy", "English", "Question:"),
        Dataset("NumGLUE-cm", "number", "accuracy", "English", "\n"),
        Dataset("NumGLUE-ds", "number", "accuracy", "English", "\n"),
        Dataset("20Minuten", "simplification", "SARI", "German", "Paragraph"),
    )
}

ORDER_1 = tuple(DATASETS)
"""Training order of the main results (table 8 and others)."""

ORDER_2 = ("NumGLUE-cm", "NumGLUE-ds", "FOMC", "20Minuten", "C-STANCE", "Py150", "MeetingBank", "ScienceQA")
"""Training order of table 26."""


def chosen(names: tuple[str, ...]) -> list[Dataset]:
    """The data sets called `names`, in that order; `UsageError` names what is unknown."""
    unknown = [name for name in names if name not in DATASETS]
    if unknown or not names:
        raise UsageError(
            f"trace: unknown data set {', '.join(unknown) or '(none given)'}; there are {', '.join(DATASETS)}"
        )
    return [DATASETS[name] for name in names]


def records(data: DataSource, dataset: Dataset, size: str, split: Split = "test") -> Iterator[tuple[str, str]]:
    """`(prompt, answer)` of one split, in file order; a null answer is an empty one, as upstream reads it.

    Looks for `trace/<name>.<split>.json` and for the published layout `LLM-CL-Benchmark_<size>/<name>/<split>.json`.

    Raises:
        DataError: no file, or a record without a text prompt.
    """
    name, upstream = dataset.name, f"LLM-CL-Benchmark_{size}/{dataset.name}/{split}.json"
    flat = (f"trace/{name}.{split}.json",) if size == "500" else ()
    path = data.find(name if split == "test" else f"{name}.{split}", f"trace/{upstream}", upstream, *flat)
    for number, row in enumerate(data.rows(path)):
        yield _text(row, "prompt", f"{path}, record {number + 1}"), _text(row, "answer", f"{path}, record {number + 1}")


def _text(row: dict[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if value is None and field == "answer":
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: {field!r} must be a text, found {type(value).__name__}")
    return value


def instruction_of(prompt: str) -> str:
    """The first line of a prompt that carries its instruction there; Py150 has none, its prompts are one long line."""
    return prompt.partition("\n")[0] + "\n" if "\n" in prompt else ""


def paragraph_of(prompt: str) -> str:
    """The text a 20Minuten prompt asks to simplify, without instruction and cue."""
    body = prompt.partition("Paragraph:\n")[2] or prompt
    return body.rpartition("\n\nSimplification:")[0] or body
