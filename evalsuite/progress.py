"""How long steps say how far they are, without knowing who listens.

The engine and the serving room report stages; the command line draws bars on stderr; tests and libraries use `SILENT`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol


class Stage(Protocol):
    """One long step; a context manager that ends the step when left."""

    def __enter__(self) -> Stage: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def advance(self, count: int = 1) -> None:
        """`count` more units are done."""

    def note(self, text: str) -> None:
        """Say what is going on now, in place of the last note."""


class Progress(Protocol):
    """Opens stages and takes lines for the log."""

    def stage(self, title: str, total: int | None = None, unit: str = "it") -> Stage: ...

    def log(self, text: str) -> None:
        """One line that stays on the screen."""


class _SilentStage:
    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def advance(self, count: int = 1) -> None:
        return None

    def note(self, text: str) -> None:
        return None


class _Silent:
    def stage(self, title: str, total: int | None = None, unit: str = "it") -> Stage:
        return _SilentStage()

    def log(self, text: str) -> None:
        return None


SILENT: Progress = _Silent()
