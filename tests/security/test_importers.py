"""A log from elsewhere writes only its run directory, whatever names it holds."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from faults.command_line import CommandLine

EVIL = (
    "../escaped",
    "/tmp/escaped-absolute",
    "..\\escaped",
    "a\x00b",
    "con/../../escaped",
    "<script>alert(1)</script>",
)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", EVIL)
def test_names_in_a_table_are_not_paths(evalsuite: CommandLine, tmp_path: Path, name: str) -> None:
    table = tmp_path / "inner" / "scores.jsonl"
    table.parent.mkdir()
    rows = [{"task": name, "metric": name, "model": name, "id": f"{name}{i}", "score": i % 2} for i in range(4)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = files(tmp_path)
    outcome = evalsuite("import", "csv", str(table), "-o", str(tmp_path / "inner" / "run"))
    assert outcome.code in (0, 2)
    assert "Traceback" not in outcome.stderr
    written = files(tmp_path) - before
    assert all(path.is_relative_to(tmp_path / "inner" / "run") for path in written if not path.name.startswith("std"))
    assert not Path("/tmp/escaped-absolute").exists()


@pytest.mark.parametrize("name", ["../../escaped.json", "/tmp/escaped-absolute", "samples/../../../escaped.json"])
def test_archives_are_never_unpacked(evalsuite: CommandLine, tmp_path: Path, name: str) -> None:
    log = tmp_path / "inner" / "log.eval"
    log.parent.mkdir()
    with zipfile.ZipFile(log, "w") as archive:
        archive.writestr(name, "{}")
        archive.writestr("header.json", "{}")
    outcome = evalsuite("import", "inspect", str(log), "-o", str(tmp_path / "inner" / "run"))
    assert outcome.code in (0, 2)
    assert "Traceback" not in outcome.stderr
    assert not list(tmp_path.rglob("escaped*"))
    assert not Path("/tmp/escaped-absolute").exists()


def test_an_archive_that_grows_without_bound_is_refused(evalsuite: CommandLine, tmp_path: Path) -> None:
    log = tmp_path / "bomb.eval"
    with zipfile.ZipFile(log, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("header.json", b"0" * (2**31 // 4))
    outcome = evalsuite("import", "inspect", str(log), "-o", str(tmp_path / "run"))
    assert outcome.code == 2
    assert "Traceback" not in outcome.stderr
    assert not (tmp_path / "run" / "run.json").exists()
