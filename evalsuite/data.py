"""Finding and reading data: `--data NAME=PATH`, then `$EVALSUITE_DATA/<folder>/…`, then the Hugging Face hub.

Rows are read one by one, so a file never has to fit in memory unless it is one JSON array. Every error names file and line.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from evalsuite.errors import DataError, MissingDependencyError

csv.field_size_limit(1 << 27)


class DataFiles:
    """The `DataSource` of one task: finds files, reads rows, remembers hashes of what was read and counts what was skipped.

    Args:
        task: name used in messages.
        overrides: `NAME → PATH` from the command line; NAME is the task or one of its files.
        root: folder that `$EVALSUITE_DATA` points at, or None.
        offline: never go to the hub.
    """

    def __init__(
        self, task: str, overrides: Mapping[str, Path] | None = None, root: Path | None = None, offline: bool = False
    ) -> None:
        self.task = task
        self._overrides = dict(overrides or {})
        self._root = root
        self._offline = offline
        self.hashes: dict[str, str] = {}
        self.skipped: Counter[str] = Counter()
        self.notes: list[str] = []

    def find(self, name: str, *candidates: str, hub: tuple[str, str, str] | None = None) -> Path:
        """Path of the file called `name` (see `api.DataSource.find`)."""
        tried: list[str] = []
        for key in (name, self.task):
            if key in self._overrides:
                return self._given(self._overrides[key], key, name, candidates)
        for candidate in candidates if self._root else ():
            for path in _spellings(Path(self._root or ".") / candidate):
                if path.is_file():
                    return path
            tried.append(f"$EVALSUITE_DATA/{candidate}")
        if not self._root:
            tried.append("$EVALSUITE_DATA (not set)")
        if hub and not self._offline:
            return self._download(hub, tried)
        raise DataError(
            f"{self.task}: no data for {name!r}; looked at {', '.join(tried)}. "
            f"Give it with --data {name}=PATH or set EVALSUITE_DATA"
        )

    def _given(self, path: Path, key: str, name: str, candidates: Iterable[str]) -> Path:
        if path.is_file():
            return path
        if path.is_dir():
            for candidate in candidates:
                for inner in (path / candidate, path / Path(candidate).name):
                    for spelling in _spellings(inner):
                        if spelling.is_file():
                            return spelling
            raise DataError(
                f"--data {key}={path}: the folder holds no file for {name!r} (tried {', '.join(candidates)})"
            )
        raise DataError(f"--data {key}={path}: no such file or folder")

    def _download(self, hub: tuple[str, str, str], tried: list[str]) -> Path:
        repository, file, revision = hub
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise MissingDependencyError.for_extra(f"downloading {repository} for {self.task}", "hub") from error
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries would bury our one sentence
        try:
            return Path(hf_hub_download(repository, file, revision=revision, repo_type="dataset"))
        except Exception as error:  # the hub client raises many unrelated types; all mean "not to be had now"
            raise DataError(
                f"{self.task}: {file} of {repository} could not be downloaded ({type(error).__name__}); "
                f"also looked at {', '.join(tried)}. Give the data with --data or EVALSUITE_DATA"
            ) from error

    def rows(self, path: Path) -> Iterator[dict[str, Any]]:
        """Records of a JSONL, JSON, CSV, TSV or Parquet file; its SHA-256 is recorded for the manifest."""
        self.hashes[path.name] = sha256_of(path)
        yield from read_rows(path)

    def skip(self, reason: str, count: int = 1) -> None:
        """Count rows that were left out, by reason."""
        self.skipped[reason] += count

    def note(self, text: str) -> None:
        """Something about the data that the report must say (for example that it is sample data)."""
        if text not in self.notes:
            self.notes.append(text)


def data_root() -> Path | None:
    """Folder named by `$EVALSUITE_DATA`, None when unset; `DataError` when it names nothing."""
    value = os.environ.get("EVALSUITE_DATA")
    if not value:
        return None
    path = Path(value).expanduser()
    if not path.is_dir():
        raise DataError(f"EVALSUITE_DATA={value}: no such folder")
    return path.resolve()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes as stored."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a file by its ending (`.jsonl`, `.json`, `.csv`, `.tsv`, `.parquet`, each also with `.gz`).

    Raises:
        DataError: the ending is unknown or a line is malformed; file and line are named.
    """
    kind = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    if kind == "parquet":
        yield from _parquet_rows(path)
        return
    readers = {"jsonl": _jsonl_rows, "json": _json_rows, "csv": _csv_rows, "tsv": _csv_rows}
    if kind not in readers:
        raise DataError(f"{path}: unknown kind of data file; use .jsonl, .json, .csv, .tsv or .parquet (.gz allowed)")
    try:
        with _open(path) as file:
            yield from readers[kind](path, file)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def _spellings(path: Path) -> tuple[Path, ...]:
    return path, path.with_name(path.name + ".gz")


def _jsonl_rows(path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}, line {number}: not a JSON object: {error}") from error


def _json_rows(path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    content = file.read()
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        first = content.lstrip()[:1]
        if first == b"{" and content.count(b"\n") > 0:
            yield from _jsonl_rows(path, io.BytesIO(content))  # several tools write JSON lines under this name
            return
        raise DataError(f"{path}: not JSON: {error}") from error
    rows = value if isinstance(value, list) else [value]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, record {number}: expected an object, found {type(row).__name__}")
        yield row


def _csv_rows(path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{path}, line {reader.line_num}: {len(reader.fieldnames or ())} columns expected")
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error
    finally:
        text.detach()  # the file belongs to the caller, who closes it


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
