"""Constructs that turn data into code are not in the source, and remote code runs only when a flag says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("evalsuite", "judges", "tasks", "reports") for path in (ROOT / room).rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {
    ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("torch", "load"), ("numpy", "load"), ("np", "load"),
    ("os", "system"), ("os", "popen"),
}  # fmt: skip


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_data_never_becomes_code(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not FORBIDDEN_MODULES & {name.partition(".")[0] for name in names}, ast.unparse(node)
        if not isinstance(node, ast.Call):
            continue
        assert not (isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS), ast.unparse(node)
        if isinstance(node.func, ast.Attribute):
            if isinstance(node.func.value, ast.Name):
                assert (node.func.value.id, node.func.attr) not in FORBIDDEN_METHODS, ast.unparse(node)
            assert node.func.attr not in ("extractall", "unpack_archive"), ast.unparse(node)
        for keyword in node.keywords:
            if keyword.arg in ("shell", "allow_pickle", "trust_remote_code"):
                assert not (isinstance(keyword.value, ast.Constant) and keyword.value.value), ast.unparse(node)


def test_remote_code_is_trusted_only_by_a_flag_of_the_spec() -> None:
    """Every mention of `trust_remote_code` as a setting takes its value from the SPEC, which defaults to no."""
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "trust_remote_code":
                        assert ast.unparse(value) == "flag(spec, 'trust_remote_code')", path
