"""`evalsuite judges [NAME]`: the judge protocols that tasks can use."""

from __future__ import annotations

import argparse
import inspect

from evalsuite.cli.options import write_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the command."""
    parser.add_argument("name", nargs="?", help="describe this judge")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def main(arguments: argparse.Namespace) -> int:
    """List the judges, or describe one."""
    import msgspec

    from evalsuite import plugins

    if arguments.name:
        write_line(inspect.getdoc(plugins.load("judges", arguments.name)) or arguments.name)
        return 0
    found = plugins.inspect("judges")
    if arguments.json:
        write_line(msgspec.json.encode(found).decode())
        return 0
    for plugin in found:
        text = inspect.getdoc(plugins.load("judges", plugin.name)) if plugin.broken is None else None
        write_line(f"{plugin.name:24} {(text or f'BROKEN: {plugin.broken}').splitlines()[0]}")
    return 0
