"""Tasks and judges by name: entry points, built-in ones registered the same way as anybody's.

A plugin is imported only when it is used or described. One that cannot be imported is listed as broken with its reason, and
is never fatal for the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from evalsuite.errors import PluginError, UsageError

if TYPE_CHECKING:
    from evalsuite.api import Task

Kind = Literal["tasks", "judges", "models"]


class Plugin(msgspec.Struct, frozen=True):
    """One registered name: where it comes from and, when it is broken, why."""

    name: str
    target: str
    distribution: str
    broken: str | None = None


def _points(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=f"evalsuite.{kind}"), key=lambda p: p.name)}


def names(kind: Kind) -> list[str]:
    """Registered names, sorted; nothing is imported."""
    return list(_points(kind))


def inspect(kind: Kind) -> list[Plugin]:
    """Every registered plugin, imported to see whether it works."""
    found = []
    for name, point in _points(kind).items():
        broken = None
        try:
            point.load()
        except Exception as error:  # a third party's plugin may raise anything while it is imported
            broken = f"{type(error).__name__}: {error}"
        found.append(Plugin(name, point.value, point.dist.name if point.dist else "unknown", broken))
    return found


def load(kind: Kind, name: str) -> Any:
    """The object registered as `name`.

    Raises:
        PluginError: the name is unknown (close matches are named) or its plugin cannot be imported.
    """
    points = _points(kind)
    if name not in points:
        close = difflib.get_close_matches(name, points, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(points)}"
        raise PluginError(f"unknown {kind[:-1]} {name!r}; {hint}")
    try:
        return points[name].load()
    except Exception as error:
        target = points[name].value
        raise PluginError(
            f"{kind[:-1]} {name!r} ({target}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def make_task(name: str, settings: Mapping[str, Any]) -> Task:
    """A task with its options set; values given as text are converted to the declared types, lists at their commas.

    Raises:
        UsageError: an option does not exist or its value has the wrong type.
    """
    kind: type[Task] = load("tasks", name)
    fields = {field.encode_name for field in msgspec.structs.fields(kind.Options)}
    for key in settings:
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"options: {', '.join(sorted(fields)) or 'none'}"
            raise UsageError(f"task {name} has no option {key!r}; {hint}")
    listed = {
        field.encode_name
        for field in msgspec.inspect.type_info(kind.Options).fields  # type: ignore[attr-defined]
        if isinstance(field.type, (msgspec.inspect.VarTupleType, msgspec.inspect.ListType))
    }
    values = {
        key: [part.strip() for part in value.split(",") if part.strip()]
        if key in listed and isinstance(value, str)
        else value
        for key, value in settings.items()
    }
    try:
        options = msgspec.convert(values, kind.Options, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"task {name}: {error}") from error
    return kind(options)
