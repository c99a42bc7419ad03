"""`evalsuite import`: turn another tool's logs into a run directory."""

from __future__ import annotations

import argparse
from pathlib import Path

from evalsuite.cli.options import warn, write_line
from evalsuite.cli.run_options import argv
from evalsuite.importers.formats import FORMATS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    formats = "; ".join(f"{name}: {text}" for name, (_, text) in FORMATS.items())
    parser.add_argument("format", metavar="FORMAT", help=formats.replace("%", "%%"))
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders of that format")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="run directory to write")
    parser.add_argument("--reference-data", type=Path, metavar="PATH", help="the benchmark's own reference files")
    parser.add_argument("--json", action="store_true", help="write the results as JSON on stdout")


def main(arguments: argparse.Namespace) -> int:
    """Read the logs, write the run directory, say what is in it."""
    from evalsuite.engine.imported import write_imported
    from evalsuite.importers.formats import read_log

    log = read_log(arguments.format, arguments.paths, arguments.reference_data)
    manifest = write_imported(log, arguments.out, ("evalsuite", *argv()))
    if arguments.json:
        write_line((arguments.out / "results.json").read_text(encoding="utf-8").strip())
    for task in log.tasks:
        scored = sum(row.score.status == "ok" for row in task.rows)
        if task.rows:
            warn(f"{task.name}: {scored} of {len(task.rows)} scores, {len({row.model for row in task.rows})} models")
        else:
            warn(f"{task.name}: {len(task.estimates)} figures, no samples behind them")
        for note in task.notes:
            warn(f"{task.name}: {note}")
        for reason, count in task.skipped.items():
            warn(f"{task.name}: left out {count} times: {reason}")
    warn(f"run directory: {arguments.out} ({len(manifest.models)} models)")
    return 0
