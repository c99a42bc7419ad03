"""evalsuite: may this aligned checkpoint be released?

A run is a pure function of its manifest and of the responses it has paid for. The public names are `load` (a run directory
as pandas frames) and `__version__`; plugin authors import from `evalsuite.api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from evalsuite.engine.directory import Run

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | PathLike[str]) -> Run:
    """Open a run directory; its frames (`samples`, `responses`, `estimates`, `validity`, `pairs`) load on first use."""
    from evalsuite.engine.directory import Run

    return Run.open(path)
