"""The report's figures in a notebook, to be shown, changed and saved as altair charts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.reports.across_runs import differences, with_differences
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.html import report_figures
from evalsuite.reports.sample_rows import collect, head_to_head_pairs
from evalsuite.reports.sample_sources import read_sources

if TYPE_CHECKING:
    import altair


def charts(*runs: str | Path) -> dict[str, altair.Chart]:
    """Every figure of the report of `runs` by its title, in the order of the page.

    Raises:
        RunDirectoryError: a run directory is missing, half-written or of another schema.
    """
    evidence = Evidence.read([Path(run) for run in runs])
    evidence = replace(evidence, pairs=with_differences(evidence, differences(evidence)[0]))
    rows = collect(evidence)
    evidence = replace(evidence, pairs=with_differences(evidence, head_to_head_pairs(rows, evidence)))
    return {figure.title: figure.chart() for figure in report_figures(evidence, rows, read_sources(rows, evidence))}
