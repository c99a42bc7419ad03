from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from report_chunks import read_chunk
from synthetic_run import break_utf8, make_run

from evalsuite.reports import sample_pack
from evalsuite.reports.evidence import Evidence
from evalsuite.reports.sample_pack import Packed, pack
from evalsuite.reports.sample_rows import collect
from evalsuite.reports.sample_sources import read_sources


def unpacked(content: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(content)))


def packed_run(path: Path) -> Packed:
    evidence = Evidence.read([path])
    rows = collect(evidence)
    return pack(rows, evidence, read_sources(rows, evidence))


def answers(packed: Packed) -> list[str]:
    found = []
    for chunk in map(read_chunk, packed.chunks):
        for row in chunk["r"]:
            found += [chunk["s"][side["t"]] for side in row.get("a", ()) if isinstance(side.get("t"), int)]
    return found


def test_every_row_is_in_exactly_one_chunk(run_path: Path) -> None:
    packed = packed_run(run_path)
    index = unpacked(packed.index)
    rows = sum(len(read_chunk(chunk)["r"]) for chunk in packed.chunks)
    assert rows == packed.n_rows == len(index["columns"]["item"])
    assert all(len(column) == rows for column in index["columns"].values())
    assert len(index["firsts"]) == len(packed.chunks)


def test_texts_are_kept_once_however_many_arms_share_them(run_path: Path) -> None:
    for chunk in map(read_chunk, packed_run(run_path).chunks):
        assert len(chunk["s"]) == len(set(chunk["s"]))


def test_a_search_looks_through_id_prompt_answers_and_reasons_of_a_row(run_path: Path) -> None:
    for chunk in map(read_chunk, packed_run(run_path).chunks):
        for row, used in zip(chunk["r"], chunk["used"], strict=True):
            places = [turn[1] for turn in row.get("p", ())] + [side["t"] for side in row.get("a", ()) if "t" in side]
            places += [verdict["reason"] for verdict in row.get("v", ())]
            assert set(places) < set(used)
    first = read_chunk(packed_run(run_path).chunks[0])
    assert "hh-00000" in [first["s"][place] for place in first["used"][0]]


def test_texts_beyond_the_basic_plane_keep_their_places(tmp_path: Path) -> None:
    said = ("\U0001f600 a face, \U00020000 and \u0130stanbul", "line\nbreaks\n\nand \u2028 separators", "plain")
    packed = packed_run(make_run(tmp_path / "run", items=4, hostile=said, rewards=False, probe=False))
    assert set(said) <= set(answers(packed))


def test_a_judged_row_has_prompt_both_answers_and_both_verdicts(run_path: Path) -> None:
    packed = packed_run(run_path)
    row = read_chunk(packed.chunks[0])["r"][0]
    assert [turn[0] for turn in row["p"]] == ["user"]
    assert [(side["w"], side["k"]) for side in row["a"]] == [("sft-v1", "baseline"), ("dpo-v2", "candidate")]
    assert [verdict["order"] for verdict in row["v"]] == ["AB", "BA"]


def test_a_scored_pair_shows_the_preferred_reply_first_with_its_reward(tmp_path: Path) -> None:
    packed = packed_run(make_run(tmp_path / "run", items=5, judged=False, probe=False))
    row = read_chunk(packed.chunks[0])["r"][0]
    assert [side["w"] for side in row["a"]] == ["chosen", "rejected"]
    assert all(isinstance(side["r"], float) for side in row["a"])


def test_texts_are_cut_and_counted_when_they_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_run(tmp_path / "run", items=120, words=400, rewards=False, probe=False)
    whole = packed_run(path)
    assert whole.cut_at is None
    monkeypatch.setattr(sample_pack, "MOST_BYTES", sum(map(len, whole.chunks)) // 2)
    cut = packed_run(path)
    assert cut.cut_at is not None
    assert sum(map(len, cut.chunks)) < 1.1 * sample_pack.MOST_BYTES
    cut_sides = [
        side["t"]
        for chunk in map(read_chunk, cut.chunks)
        for row in chunk["r"]
        for side in row["a"]
        if isinstance(side["t"], list)
    ]
    assert cut_sides
    assert all(left_out > 0 for _, left_out in cut_sides)


def test_bytes_that_are_not_utf8_are_replaced(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", items=4, hostile=("MARKER",), rewards=False, probe=False)
    break_utf8(path, "MARKER", b"bad \xff\xfe bytes")
    assert "bad \ufffd\ufffd bytes" in answers(packed_run(path))


def test_a_secret_of_the_environment_never_reaches_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "correct horse battery")
    path = make_run(tmp_path / "run", items=4, hostile=("the key is correct horse battery, keep it",), rewards=False)
    packed = packed_run(path)
    everything = json.dumps([unpacked(packed.index), *map(read_chunk, packed.chunks)])
    assert "correct horse battery" not in everything
    assert "[redacted]" in everything


def test_a_run_without_responses_still_lists_its_samples(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", items=6)
    (path / "responses.parquet").unlink()
    packed = packed_run(path)
    assert packed.n_rows > 0
    assert {
        side["s"] for chunk in map(read_chunk, packed.chunks) for row in chunk["r"] for side in row.get("a", ())
    } == {"not kept"}
