"""Everything the report reads from the responses of its runs, in one pass over each file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalsuite.reports.evidence import Evidence
from evalsuite.reports.sample_rows import SampleRow
from evalsuite.reports.sample_sides import NOTHING, plain_role, prompts, wanted_requests
from evalsuite.reports.sample_texts import Asked, Responses, Turn


@dataclass(frozen=True)
class Example:
    """One request as it was sent, to show the prompt that a role was given."""

    run: int
    task: str
    role: str
    asked: Asked
    harmful: bool


@dataclass(frozen=True)
class Sources:
    """`responses` by run; `requests` by fingerprint; `prompts` by (task, sample)."""

    responses: Sequence[Responses]
    requests: Mapping[str, Asked]
    prompts: Mapping[tuple[str, str], Sequence[Turn]]
    examples: Sequence[Example]


def read_sources(rows: Sequence[SampleRow], evidence: Evidence) -> Sources:
    """Read answers, prompts and one example request per run, task and role."""
    names: list[set[str]] = [set() for _ in evidence.runs]
    for row in rows:
        names[row.run].update(row.links.values())
    responses = [Responses(run.path, wanted) for run, wanted in zip(evidence.runs, names, strict=True)]
    shown = list(_exemplary(rows))
    requests: dict[str, Asked] = {}
    for index, source in enumerate(responses):
        wanted = wanted_requests([row for row in rows if row.run == index], source)
        wanted.update(name for row, _, name in shown if row.run == index)
        requests.update(source.requests(wanted))
    examples = [
        Example(row.run, row.task, role, requests[name], evidence.task(row.task).harmful)
        for row, role, name in shown
        if requests.get(name, NOTHING).turns
    ]
    return Sources(responses, requests, prompts(rows, responses, requests), examples)


def _exemplary(rows: Sequence[SampleRow]) -> Iterator[tuple[SampleRow, str, str]]:
    """The first complete row of every run and task, with one link per role."""
    seen: set[tuple[int, str]] = set()
    for row in rows:
        if row.status == "ok" and (row.run, row.task) not in seen:
            seen.add((row.run, row.task))
            roles: dict[str, str] = {}
            for role, name in row.links.items():
                roles.setdefault(plain_role(role), name)
            yield from ((row, role, name) for role, name in roles.items())
